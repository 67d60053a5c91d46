//! Names of accounts as people type them: an account id, a name from the directory, or `operator`.

use super::Trouble;
use crate::community::{Entry, read_directory};
use meter::strict_toml::nearest;
use std::path::{Path, PathBuf};
use units::AccountId;

/// The file that is looked for when none is named.
const FILE: &str = "directory.toml";
/// How far above a key its community's directory is looked for: `keys/` and a folder in it.
const LEVELS: usize = 3;

/// The names that are known.
#[derive(Debug, Default)]
pub(super) struct Names {
    entries: Vec<Entry>,
}

impl Names {
    /// From the file named, else from the directory.toml of the community that the key is of, else from the one here.
    ///
    /// # Errors
    /// When the file is damaged.
    pub(super) fn read(file: Option<&Path>, key: Option<&Path>) -> Result<Self, Trouble> {
        let of_key = || key?.ancestors().skip(1).take(LEVELS).find(|dir| dir.join("genesis.cbor").is_file());
        let of_key = || of_key().map(|dir| dir.join(FILE));
        let path = match (file, of_key()) {
            (Some(file), _) if !file.exists() => {
                let what = format!("{} does not exist", file.display());
                return Err(Trouble::environment(what, "name a directory.toml, or leave --directory out"));
            }
            (Some(file), _) => file.to_owned(),
            (None, Some(path)) if path.exists() => path,
            (None, _) => PathBuf::from(FILE),
        };
        Ok(Self { entries: read_directory(&path)? })
    }

    /// The account that somebody means.
    ///
    /// # Errors
    /// When it is neither an account id nor a known name, or several have the name.
    pub(super) fn account(
        &self,
        typed: &str,
        operator: impl FnOnce() -> Result<AccountId, Trouble>,
    ) -> Result<AccountId, Trouble> {
        if typed.starts_with("wp1") {
            let remedy = "copy the account id again; `wattproof key show FILE` prints it";
            return typed.parse().map_err(|error| Trouble::environment(error, remedy));
        }
        let same = |entry: &&Entry| entry.person.name == typed;
        match self.entries.iter().filter(same).collect::<Vec<_>>().as_slice() {
            [entry] => Ok(entry.account),
            [] if typed == "operator" => operator(),
            [] => Err(self.unknown(typed)),
            _ => {
                let what = format!("several accounts are named `{typed}`");
                Err(Trouble::environment(what, "give the account id"))
            }
        }
    }

    fn unknown(&self, typed: &str) -> Trouble {
        let what = format!("nobody is named `{typed}`");
        match nearest(typed, self.entries.iter().map(|entry| entry.person.name.as_str())) {
            Some(name) => Trouble::environment(what, format_args!("did you mean `{name}`? An account id does as well")),
            None => {
                Trouble::environment(what, "give an account id (wp1...), or name a directory.toml with --directory")
            }
        }
    }

    /// The name of an account, else its id in short.
    pub(super) fn of(&self, account: &AccountId) -> String {
        let known = self.entries.iter().find(|entry| entry.account == *account);
        known.map_or_else(|| account.short(), |entry| entry.person.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::directory::Person;

    #[test]
    fn a_name_an_id_or_the_operator_is_understood_and_a_slip_is_not() {
        let (chen, operator) = (AccountId::from_bytes([7; 32]), AccountId::from_bytes([1; 32]));
        let person = |name: &str| Person { name: name.to_owned(), room: None, is_member: true };
        let entry = |name, account| Entry { account, person: person(name) };
        let names = Names { entries: vec![entry("Chen", chen), entry("Lee", operator), entry("Lee", chen)] };
        let account = |typed: &str| names.account(typed, || Ok(operator)).map_err(|trouble| trouble.to_string());
        assert_eq!(account("Chen"), Ok(chen));
        assert_eq!(account(&chen.to_string()), Ok(chen));
        assert_eq!(account("operator"), Ok(operator));
        assert_eq!(account("Lee"), Err("several accounts are named `Lee`".to_owned()));
        assert_eq!(account("Chn"), Err("nobody is named `Chn`".to_owned()));
        assert!(names.account("Chn", || Ok(operator)).unwrap_err().remedy().contains("`Chen`"));
        let mut slip = chen.to_string();
        slip.pop();
        assert!(account(&slip).is_err());
    }
}
