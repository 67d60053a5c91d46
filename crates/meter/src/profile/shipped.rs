//! The profiles that come with the program.

/// Name and text of each, by name.
pub(super) const SHIPPED: [(&str, &str); 15] = [
    ("adtek-mwh-7a", include_str!("../../profiles/adtek-mwh-7a.toml")),
    ("dds238-2-zn-s", include_str!("../../profiles/dds238-2-zn-s.toml")),
    ("dds238-2-zn-sr", include_str!("../../profiles/dds238-2-zn-sr.toml")),
    ("dlt645-2007", include_str!("../../profiles/dlt645-2007.toml")),
    ("dtsu666", include_str!("../../profiles/dtsu666.toml")),
    ("im1232", include_str!("../../profiles/im1232.toml")),
    ("im1281b", include_str!("../../profiles/im1281b.toml")),
    ("jsy-mk-194", include_str!("../../profiles/jsy-mk-194.toml")),
    ("lt-114", include_str!("../../profiles/lt-114.toml")),
    ("pzem-004t-v3", include_str!("../../profiles/pzem-004t-v3.toml")),
    ("sdm120", include_str!("../../profiles/sdm120.toml")),
    ("sdm230", include_str!("../../profiles/sdm230.toml")),
    ("sdm630", include_str!("../../profiles/sdm630.toml")),
    ("sdm72", include_str!("../../profiles/sdm72.toml")),
    ("sdm72-v2", include_str!("../../profiles/sdm72-v2.toml")),
];
