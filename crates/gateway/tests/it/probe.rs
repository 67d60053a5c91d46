//! What a check says of a database server, for servers that let a gateway in and for those that do not.

use crate::servers::{Kind, Server, shared};
use gateway::mirror::{Link, probe};
use gateway::{Archive, DatabaseUrl};

/// A user who may see a database and nothing more; gives the URL with which it comes.
fn reader(server: &Server, database: &str) -> String {
    let (name, word) = (format!("reader_{database}"), "s3cret");
    let sql = match server.kind {
        Kind::MariaDb => format!(
            "CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY '{word}'; GRANT SELECT ON {database}.* TO '{name}'@'127.0.0.1'"
        ),
        Kind::Postgres => format!("CREATE USER {name} PASSWORD '{word}'"),
    };
    server.client(&sql).unwrap();
    let scheme = if server.kind == Kind::MariaDb { "mysql" } else { "postgres" };
    format!("{scheme}://{name}:{word}@127.0.0.1:{}/{database}", server.port)
}

async fn said(url: &str) -> Result<(String, bool), String> {
    let url: DatabaseUrl = url.parse().unwrap();
    let probed = probe(&url).await.map_err(|error| error.to_string())?;
    Ok((probed.version, probed.has_tables))
}

fn tables(server: &Server, database: &str) -> String {
    let sql = match server.kind {
        Kind::MariaDb => "SHOW TABLES",
        Kind::Postgres => "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
    };
    server.client_of(Some(database), sql).unwrap()
}

async fn says_what_a_server_allows(kind: Kind) {
    let server = shared(kind);
    let (name, url) = server.database();
    let (version, has_tables) = said(&url).await.unwrap();
    let brand = if kind == Kind::MariaDb { "MariaDB" } else { "PostgreSQL " };
    assert!(version.contains(brand) && !has_tables, "{version}");
    assert_eq!(tables(server, &name), "", "a check leaves nothing");

    let parsed: DatabaseUrl = url.parse().unwrap();
    let _made = Link::connect(&parsed).await.unwrap();
    assert!(said(&url).await.unwrap().1);
    let archive = Archive::open(&url).await.unwrap();
    assert_eq!(archive.statements().await.unwrap(), []);
    archive.close().await;

    let (empty, _) = server.database();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9000, 'later', true, 'x', 0)";
    for (case, url, words) in [
        ("a reader, no tables", reader(server, &empty), &["may not make tables", "OWNER TO|GRANT ALL"][..]),
        (
            "no such user",
            url.replacen("wattproof", "nobody", 1),
            &["are user, password and the database's name right?"],
        ),
        ("no such database", server.url("absent"), &["absent", "are user, password and the database's name right?"]),
        ("no such server", url.replace(&format!(":{}/", server.port), ":1/"), &["is the server up"]),
        ("a file", "sqlite:///tmp/none.db".to_owned(), &["none.db"]),
    ] {
        let error = said(&url).await.unwrap_err();
        let holds = |words: &&str| words.split('|').any(|word| error.contains(word));
        assert!(words.iter().all(holds), "{kind:?}, {case}: {error}");
        assert!(!error.contains("s3cret") && !error.contains("pa%3A"), "{kind:?}, {case}: {error}");
    }
    let reading = reader(server, &name);
    if kind == Kind::Postgres {
        let grant = format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_{name}");
        server.client_of(Some(&name), &grant).unwrap();
    }
    let error = said(&reading).await.unwrap_err();
    assert!(error.contains("this user may not write rows"), "{kind:?}: {error}");
    server.client_of(Some(&name), newer).unwrap();
    let error = said(&url).await.unwrap_err();
    assert!(error.contains("of a newer program (number 9000"), "{kind:?}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_mariadb_allows() {
    says_what_a_server_allows(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_postgresql_allows() {
    says_what_a_server_allows(Kind::Postgres).await;
}
