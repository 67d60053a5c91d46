//! The floors of `ARCHITECTURE.md`, held by the manifests: who may depend on whom, and on what.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Names under `[dependencies]` of a crate (not of its tests).
fn dependencies(krate: &str) -> BTreeSet<String> {
    let path = root().join("crates").join(krate).join("Cargo.toml");
    let manifest: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

#[test]
fn a_crate_depends_only_on_what_its_floor_allows() {
    for (krate, own, foreign) in [
        ("units", "", "bech32 minicbor serde thiserror"),
        ("meter", "units", "serde thiserror toml"),
        ("ledger", "units", "base64 ed25519-dalek minicbor p256 pco rsa serde sha2 thiserror toml"),
        ("consensus", "units ledger", "sha2 thiserror"),
        ("api", "units", "serde serde_json thiserror utoipa"),
        (
            "gateway",
            "units meter ledger api",
            "prometheus-client rumqttc serde serde_json sha2 sqlx thiserror tokio tokio-serial toml tracing ureq",
        ),
        ("node", "units ledger consensus api", "rusqlite rustls serde_json sha2 thiserror tracing ureq"),
        ("sim", "units meter ledger consensus api gateway node", "sha2 thiserror"),
    ] {
        let allowed: BTreeSet<&str> = own.split(' ').chain(foreign.split(' ')).collect();
        for dependency in dependencies(krate) {
            assert!(allowed.contains(dependency.as_str()), "{krate} may not depend on {dependency}");
        }
    }
}

#[test]
fn the_pure_crates_are_held_by_clippy() {
    for krate in ["units", "meter", "ledger", "consensus", "api"] {
        let held = std::fs::read_to_string(root().join("crates").join(krate).join("clippy.toml")).unwrap();
        assert_eq!(held, std::fs::read_to_string(root().join("clippy-pure.toml")).unwrap(), "{krate}");
    }
}

/// Every path that a document names in backticks exists.
#[test]
fn documents_name_only_paths_that_exist() {
    let mut named = 0;
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "docs/protocol.md"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        let in_backticks = text.split('`').skip(1).step_by(2);
        let folders = ["crates/", "docs/", "scripts/", "scenarios", "clippy"];
        for path in in_backticks.filter(|word| folders.iter().any(|folder| word.starts_with(folder))) {
            let path = path.trim_end_matches("/*.txt");
            assert!(root().join(path).exists(), "{document} names {path}, which does not exist");
            named += 1;
        }
    }
    assert!(named > 15, "the search finds the paths: {named}");
}
