//! Changing one entry of directory.toml. Whatever else stands in the file, written by hand or by an import meanwhile, is
//! kept; of comments those before the first entry.

use super::{CommunityError, DIRECTORY, Entry, entry_toml, io_error, read_directory};
use crate::web::directory::Person;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use units::AccountId;

/// Where names and rooms lie in a community's directory.
pub(crate) fn directory_path(dir: &Path) -> PathBuf {
    dir.join(DIRECTORY)
}

/// Names an account, or forgets it; durable on return. Gives all entries as they stand then.
///
/// # Errors
/// When the file is damaged or cannot be written; then it is as it was.
pub(crate) fn change_entry(
    path: &Path,
    account: AccountId,
    person: Option<Person>,
) -> Result<Vec<Entry>, CommunityError> {
    let mut entries = read_directory(path)?;
    let at = entries.iter().position(|entry| entry.account == account);
    match (at, person) {
        (Some(at), Some(person)) => entries[at].person = person,
        (None, Some(person)) => entries.push(Entry { account, person }),
        (_, None) => entries.retain(|entry| entry.account != account),
    }
    let before = if path.exists() { std::fs::read_to_string(path).map_err(io_error(path))? } else { String::new() };
    let heading = before.lines().take_while(|line| line.is_empty() || line.starts_with('#'));
    let mut text: String = heading.flat_map(|line| [line, "\n"]).collect();
    text.truncate(text.trim_end().len());
    text.push('\n');
    entries.iter().for_each(|entry| text.push_str(&entry_toml(entry)));
    let draft = path.with_extension("toml.new");
    let write = || {
        let mut file = std::fs::File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().map_err(io_error(path))?;
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_is_named_renamed_and_forgotten_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.toml");
        let (chen, lee) = (AccountId::from_bytes([1; 32]), AccountId::from_bytes([2; 32]));
        let heading = "# Ours alone.\n#\n# [[account]]\n# name = \"Nobody\"\n";
        let by_hand = format!("{heading}\n[[account]]\nid = \"{chen}\"\nname = \"Chen\"\nroom = \"101\"\n");
        std::fs::write(&path, by_hand).unwrap();
        let person = |name: &str| Person { name: name.to_owned(), room: None, is_member: true };
        let names = |entries: &[Entry]| entries.iter().map(|entry| entry.person.name.clone()).collect::<Vec<_>>();
        for (account, given, expected) in [
            (lee, Some(person("Lee \"2\"")), &["Chen", "Lee \"2\""][..]),
            (chen, Some(person("Chen 101")), &["Chen 101", "Lee \"2\""]),
            (lee, None, &["Chen 101"]),
            (lee, None, &["Chen 101"]),
            (chen, None, &[]),
        ] {
            assert_eq!(names(&change_entry(&path, account, given).unwrap()), expected);
            assert_eq!(names(&read_directory(&path).unwrap()), expected);
            assert!(std::fs::read_to_string(&path).unwrap().starts_with(heading));
        }
    }

    #[test]
    fn a_damaged_file_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.toml");
        std::fs::write(&path, "[[account]]\nname = 5\n").unwrap();
        assert!(change_entry(&path, AccountId::from_bytes([1; 32]), None).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[[account]]\nname = 5\n");
    }
}
