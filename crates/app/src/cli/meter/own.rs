//! Profiles of a folder of one's own.

use crate::cli::Trouble;
use meter::Profile;
use std::collections::BTreeSet;
use std::path::Path;

/// Most profiles of a folder that are listed: more than there are models of meters in one community.
const PROFILES_MAX: usize = 1_000;

/// The names of the profiles in a folder.
pub(super) fn names(folder: &Path) -> Result<BTreeSet<String>, Trouble> {
    let wrong = |error: &dyn std::fmt::Display| {
        let what = format!("{}: {error}", folder.display());
        Trouble::environment(what, "name the folder that has your NAME.toml files with --profiles")
    };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(|error| wrong(&error))? {
        let path = entry.map_err(|error| wrong(&error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
        }
        if names.len() > PROFILES_MAX {
            return Err(wrong(&format_args!("more than {PROFILES_MAX} profiles")));
        }
    }
    Ok(names)
}

/// A profile as it is written: the folder's, or the program's.
pub(super) fn text(name: &str, folder: Option<&Path>) -> Result<String, Trouble> {
    // It is loaded first, so that a name that is none is told as everywhere.
    super::profile(name, folder)?;
    let own = folder.map(|folder| folder.join(format!("{name}.toml"))).filter(|path| path.exists());
    match own {
        Some(path) => std::fs::read_to_string(&path).map_err(|error| {
            Trouble::environment(format_args!("{}: {error}", path.display()), "see that you may read it")
        }),
        None => Ok(Profile::shipped_text(name).unwrap_or_default().to_owned()),
    }
}
