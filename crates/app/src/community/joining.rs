//! A directory for a node that joins a community: its genesis document, settings, and a key of its own. What the community
//! has booked comes from its peers.

use super::{
    CONFIG, Community, CommunityError, DIRECTORY, DIRECTORY_TOML, GENESIS, KeyName, NODE, config_toml, io_error,
    write_synced,
};
use crate::key_file::{self, KeyKind};
use ledger::Genesis;
use std::net::SocketAddr;
use std::path::Path;

/// What a joining node begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joining<'a> {
    /// The community's genesis document.
    pub(crate) genesis: &'a Genesis,
    /// Addresses of nodes that have its ledger.
    pub(crate) peers: &'a [String],
    /// Where this node will serve its pages.
    pub(crate) http: SocketAddr,
}

impl Community {
    /// Makes the directory of a node that joins, whole or not at all. Its key makes blocks once the operator registers it.
    ///
    /// # Errors
    /// When there is something already, or it cannot be written.
    pub(crate) fn join(dir: &Path, joining: Joining<'_>) -> Result<Self, CommunityError> {
        if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
            return Err(CommunityError::Exists(dir.to_owned()));
        }
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(io_error(parent))?;
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        let draft = parent.join(format!(".wattproof-join-{name}-{}", std::process::id()));
        let made = write_all(&draft, joining).and_then(|()| std::fs::rename(&draft, dir).map_err(io_error(dir)));
        if made.is_err() {
            // What was begun has only a key that nobody has seen.
            let _ = std::fs::remove_dir_all(&draft);
        }
        made.and_then(|()| Self::open(dir))
    }
}

fn write_all(dir: &Path, Joining { genesis, peers, http }: Joining<'_>) -> Result<(), CommunityError> {
    std::fs::create_dir(dir).map_err(io_error(dir))?;
    for folder in ["keys", NODE] {
        std::fs::create_dir(dir.join(folder)).map_err(io_error(dir))?;
    }
    let key = key_file::new_key(KeyKind::Ed25519)?;
    key_file::create(&dir.join("keys").join(KeyName::Miner.file()), &key, None)?;
    write_synced(&dir.join(CONFIG), config_toml(http, peers).as_bytes())?;
    write_synced(&dir.join(DIRECTORY), DIRECTORY_TOML.as_bytes())?;
    node::create(&dir.join(NODE), genesis)?;
    write_synced(&dir.join(GENESIS), &genesis.to_bytes())
}
