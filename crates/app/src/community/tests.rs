//! What a founded directory holds, and what a damaged one says.

use super::*;

/// 2026-07-31 15:20 UTC: in Taipei 23:20 of the last day of July.
const CREATED: Timestamp = Timestamp::from_ms(1_785_511_200_000);

fn founding() -> Founding {
    Founding {
        name: "Maple \"House\"".to_owned(),
        created: CREATED,
        time_zone: "Asia/Taipei".to_owned(),
        currency: "TWD".to_owned(),
        close_after: Millis::from_minutes(72 * 60),
        surplus: Surplus::Lapses,
        order: OrderRules {
            level: 1,
            block_interval_min: Millis::from_seconds(1),
            empty_block_after: Millis::from_minutes(60),
            final_depth: 0,
            block_time: None,
        },
        rewards: NO_REWARDS,
        public_readings: false,
        classroom: false,
        tenancy: false,
        voltage_limits: ledger::VoltageLimits {
            nominal: units::Voltage::from_mv(110_000),
            min: units::Voltage::from_mv(99_000),
            max: units::Voltage::from_mv(121_000),
            source: "110 V +-10 %".into(),
        },
        http: SocketAddr::from(([127, 0, 0, 1], 8_080)),
    }
}

fn founded() -> (tempfile::TempDir, Community) {
    let folder = tempfile::tempdir().unwrap();
    let community = Community::found(&folder.path().join("house"), &founding(), None).unwrap();
    (folder, community)
}

#[test]
fn thirty_years_of_months_begin_at_local_midnight() {
    let (first, starts) = month_starts("Asia/Taipei", CREATED).unwrap();
    assert_eq!((first.to_string().as_str(), starts.len()), ("2026-07", 361));
    // 2026-08-01 00:00 in Taipei is 2026-07-31 16:00 in UTC.
    assert_eq!(starts[1].ms(), 1_785_513_600_000);
    // Berlin changes its clocks between March and April 2027.
    let (_, berlin) = month_starts("Europe/Berlin", CREATED).unwrap();
    assert_eq!(berlin[9].since(berlin[8]).ms(), (31 * 24 - 1) * 3_600_000);
    assert!(matches!(month_starts("Mars/Olympus", CREATED), Err(CommunityError::TimeZone(_))));
}

#[test]
fn offsets_are_those_of_the_time_zone_at_every_hour_of_thirty_years() {
    for name in ["Asia/Taipei", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
        let (_, starts) = month_starts(name, CREATED).unwrap();
        let (offsets, zone) = (offsets(name, &starts).unwrap(), TimeZone::get(name).unwrap());
        let mut known = 0;
        // The minute before each hour and the hour: changes happen on the hour, or half past.
        for half_hour in 0..=(starts[360].since(starts[0]).ms() / 1_800_000 - 1) {
            for ms in [half_hour * 1_800_000, half_hour * 1_800_000 + 1_799_999] {
                let time = starts[0] + Millis::from_ms(ms);
                while offsets.get(known + 1).is_some_and(|next| next.from <= time) {
                    known += 1;
                }
                let instant = jiff::Timestamp::from_millisecond(i64::try_from(time.ms()).unwrap()).unwrap();
                assert_eq!(offsets[known].seconds, zone.to_offset(instant).seconds(), "{name} at {instant}");
            }
        }
        assert_eq!(offsets.len(), if name == "Asia/Taipei" { 1 } else { 61 }, "{name}");
    }
}

#[test]
fn a_founded_community_opens_with_its_keys_and_names() {
    let (_folder, mut community) = founded();
    let genesis = community.genesis().clone();
    for (name, public) in [(KeyName::Operator, &genesis.operator), (KeyName::Log, &genesis.log_key)] {
        let KeyFile { key, is_exposed } = community.key(name).unwrap();
        assert_eq!((&key.public(), is_exposed), (public, false));
    }
    assert_eq!(community.key(KeyName::Receipt).unwrap().key.public(), genesis.receipt_keys[0]);
    let chen = AccountId::from_bytes([7; 32]);
    let person = Person { name: "陳 \\ \"Chen\"".to_owned(), room: Some("101".to_owned()), is_member: true };
    community.add_entry(Entry { account: chen, person: person.clone() }).unwrap();
    let again = Community::open(community.dir()).unwrap();
    assert_eq!(again.directory().people(), community.directory().people());
    assert_eq!(again.directory().person(&chen), Some(person));
    assert_eq!(node::read_genesis(&again.node_dir()).unwrap(), genesis);
    assert!(gateway::Config::read(&again.gateway_config()).unwrap_err().to_string().contains("[[bus]]"));
}

#[test]
fn founding_refuses_what_exists_and_leaves_it_as_it_is() {
    let (folder, community) = founded();
    let before = std::fs::read(community.genesis_path()).unwrap();
    assert!(matches!(Community::found(community.dir(), &founding(), None), Err(CommunityError::Exists(_))));
    assert_eq!(std::fs::read(community.genesis_path()).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn founding_something_impossible_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut founding = founding();
    founding.order.level = 6;
    let dir = folder.path().join("house");
    assert!(matches!(Community::found(&dir, &founding, None), Err(CommunityError::Founding(GenesisError::Level(6)))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_damaged_directory_says_what_is_wrong() {
    let (folder, community) = founded();
    let error = |file: &str, text: &str| {
        let path = community.dir().join(file);
        let before = std::fs::read(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        let error = Community::open(community.dir()).unwrap_err().to_string();
        std::fs::write(&path, before).unwrap();
        error.replace(&community.dir().display().to_string(), "DIR")
    };
    for (file, text, expected) in [
        (GENESIS, "x", "DIR/genesis.cbor: not a genesis document"),
        (CONFIG, "htp = 1", "DIR/config.toml: line 1: unknown key `htp`; did you mean `http`?"),
        (CONFIG, "http = \"127.0.0.1:1\"", "DIR/config.toml: line 1: missing field `automatic_mining`"),
        (
            CONFIG,
            "http = \"127.0.0.1:1\"\nautomatic_mining = true\n[bills]\nautomatic = true\nkey = \"k\"\nmonths = 5",
            "DIR/config.toml: `months = 5` of [bills]: take 1, 2, 3, 4, 6 or 12",
        ),
        (DIRECTORY, "[[account]]\nid = \"wp1\"\nname = \"Lee\"", "DIR/directory.toml: `Lee`: `wp1` is not an account"),
    ] {
        let error = error(file, text);
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(matches!(Community::open(folder.path()), Err(CommunityError::NotACommunity(_))));
    std::fs::remove_file(community.key_path(KeyName::Log)).unwrap();
    assert!(matches!(community.key(KeyName::Log), Err(CommunityError::Key(KeyFileError::Missing(_)))));
}
