//! Who gets in, at real processes: a member by a personal link, the operator by code and password, a browser by TLS, and
//! others in the network.

use crate::network::{Network, address};
use crate::program::{Ended, Running, eventually, run};
use sha2::{Digest as _, Sha256};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};

/// Whoever comes through a proxy is somebody elsewhere.
const ELSEWHERE: (&str, &str) = ("X-Forwarded-For", "192.0.2.9");
const PASSWORD: &str = "ten+letters+and+more";

/// What a server answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    /// Of a connection that asks once.
    fn of(mut stream: impl Read + Write, request: &str) -> Self {
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        // A server that has said all may close without TLS's own farewell.
        let _ = stream.read_to_end(&mut bytes);
        Self::read(&bytes)
    }

    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let status =
            text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or_else(|| panic!("{text:?}"));
        Self { status: status.parse().unwrap(), text }
    }

    fn header(&self, name: &str) -> &str {
        let head = self.text.split("\r\n\r\n").next().unwrap();
        let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name}: {head}"))
    }

    /// The cookie that it sets, as a browser shows it again.
    fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], form: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let kind = if form.is_empty() { "" } else { "Content-Type: application/x-www-form-urlencoded\r\n" };
    let length = form.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{kind}{headers}Content-Length: {length}\r\n\r\n{form}"
    )
}

/// A community whose node runs.
struct House {
    folder: TempDir,
    node: Running,
    /// Address and port.
    place: String,
}

impl House {
    fn founded(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &["init", "--plain-keys", "house", "--name", "House", "--block-interval", "50ms"]).ok();
        let (node, place) = Self::start(&folder, flags);
        Self { folder, node, place }
    }

    fn start(folder: &TempDir, flags: &[&str]) -> (Running, String) {
        let node =
            Running::start(folder.path(), &[&["node", "--data", "house", "--http", "127.0.0.1:0"], flags].concat());
        let line = node.line_with("the pages are at");
        let url = line.split_once("at ").unwrap().1.split_once(';').unwrap().0;
        let place = url.split_once("://").unwrap().1.to_owned();
        (node, place)
    }

    /// Stopped and started again.
    fn again(self, flags: &[&str]) -> Self {
        assert_eq!(self.node.stop(), 0);
        let (node, place) = Self::start(&self.folder, flags);
        Self { node, place, folder: self.folder }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        run(self.folder.path(), arguments)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], form: &str) -> Answer {
        Answer::of(TcpStream::connect(&self.place).unwrap(), &request(method, path, headers, form))
    }

    /// As somebody at another computer, with a cookie or an empty one.
    fn get(&self, path: &str, cookie: &str) -> Answer {
        self.ask("GET", path, &[ELSEWHERE, ("Cookie", cookie)], "")
    }

    /// Members, each with a room and a meter.
    fn with_members(self, names: &[&str]) -> Self {
        let rows: String =
            (1..).zip(names).map(|(at, name)| format!("{at}01,{name},A-{at},im1281b,{at},200\n")).collect();
        let table = format!("room,member,meter,profile,address,contract_kwh\n{rows}");
        std::fs::write(self.folder.path().join("rooms.csv"), table).unwrap();
        let url = format!("http://{}", self.place);
        let rooms =
            ["import", "rooms", "rooms.csv", "--data", "house", "--plain-keys", "--serial", "/dev/no-such-port"];
        self.run(&[&rooms[..], &["--baud", "9600", "--node", &url]].concat()).ok();
        self
    }

    fn refused(&self, arguments: &[&str], code: i32, words: &str) {
        let ended = self.run(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        assert!(ended.err.contains(words), "{words}: {}", ended.err);
    }
}

#[test]
fn a_personal_link_opens_its_member_s_pages_and_no_others_until_it_is_revoked() {
    let house = House::founded(&[]).with_members(&["Chen", "Lee"]);
    let url = format!("http://{}/", house.place);
    let link = |name: &str, more: &[&str]| {
        let arguments = ["member", "link", name, "--data", "house", "--url", &url, "--json"];
        house.run(&[&arguments[..], more].concat()).json()
    };
    let (chen, lee) = (link("Chen", &["--svg", "chen.svg"]), link("Lee", &[]));
    let picture = std::fs::read_to_string(house.folder.path().join("chen.svg")).unwrap();
    assert!(picture.contains("<svg"), "{picture}");
    let path = chen["url"].as_str().unwrap().strip_prefix(url.trim_end_matches('/')).unwrap().to_owned();
    let opened = house.get(&path, "");
    let pages = |member: &serde_json::Value| format!("/accounts/{}", member["account"].as_str().unwrap());
    assert_eq!((opened.status, opened.header("location")), (303, pages(&chen).as_str()));
    let cookie = opened.cookie();

    let month = |account: &str| {
        format!("{account}/{}", house.get(account, &cookie).header("location").rsplit('/').next().unwrap())
    };
    let month = month(&pages(&chen)).rsplit('/').next().unwrap().to_owned();
    let expect = |what: &str, cookie: &str, of: &serde_json::Value, status: u16| {
        let answer = house.get(&format!("{}/{month}", pages(of)), cookie);
        assert_eq!(answer.status, status, "{what}: {}", answer.text);
    };
    expect("Chen's own", &cookie, &chen, 200);
    expect("Lee's, by Chen's link", &cookie, &lee, 403);
    expect("Chen's, without a link", "", &chen, 403);

    let listed = house.run(&["member", "links", "--data", "house", "--json"]).json();
    let accounts: Vec<&str> = listed.as_array().unwrap().iter().map(|link| link["account"].as_str().unwrap()).collect();
    assert!(accounts.len() == 2 && accounts.contains(&chen["account"].as_str().unwrap()), "{listed}");
    let all = std::fs::read_dir(house.folder.path().join("house/access")).unwrap();
    let secret = path.rsplit('/').next().unwrap();
    for file in all.map(|entry| entry.unwrap().path()) {
        assert!(!String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains(secret), "{file:?} keeps the secret");
    }

    for (arguments, code, words) in [
        (&["member", "link", "Chen", "--data", "house", "--url", &url, "--svg", "chen.svg"][..], 2, "name a new file"),
        (&["member", "link", "Chen", "--data", "house", "--url", "ftp://x"], 2, "`ftp://x` is no address of pages"),
        (&["member", "link", "Wu", "--data", "house"], 2, "Wu"),
        (&["member", "revoke-link", "Wu", "--data", "house"], 2, "Wu"),
        (&["member", "links", "--data", "nowhere"], 2, "nowhere"),
    ] {
        house.refused(arguments, code, words);
    }

    let revoked = house.run(&["member", "revoke-link", "Chen", "--data", "house", "--json"]).json();
    assert_eq!(revoked["revoked"], 1, "what was refused has made no link");
    expect("Chen's, by a revoked link", &cookie, &chen, 403);
    assert_eq!(house.get(&path, "").status, 403, "the link itself");
    let again = house.run(&["member", "revoke-link", "Chen", "--data", "house"]).ok();
    assert!(again.contains("0 links revoked"), "{again}");
}

#[test]
fn the_operator_s_code_works_once_and_a_reset_ends_every_session_of_a_node_that_runs() {
    let house = House::founded(&[]);
    let said = house.node.line_with("operator: set a password at");
    let code = said.split_once("with the code ").unwrap().1.split(' ').next().unwrap().to_owned();
    let file = house.folder.path().join("house/access/setup-code");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let set_up = |code: &str, password: &str| {
        house.ask("POST", "/setup", &[ELSEWHERE], &format!("code={code}&password={password}&again={password}"))
    };
    let log_in = |password: &str| house.ask("POST", "/login", &[ELSEWHERE], &format!("password={password}"));
    let members = |cookie: &str| house.get("/members", cookie).status;

    assert_eq!(set_up("AAAAAAAAAA", PASSWORD).status, 403, "a wrong code");
    let first = set_up(&code, PASSWORD);
    assert_eq!(first.status, 303, "{}", first.text);
    assert_eq!(set_up(&code, "another+one+of+mine").status, 403, "the code a second time");
    assert!(!file.exists(), "a used code is not kept");
    let second = log_in(PASSWORD);
    assert_eq!((second.status, log_in("a+guess+of+somebody").status), (303, 403));
    assert_eq!((members(&first.cookie()), members(&second.cookie()), members("")), (200, 200, 403));

    let reset = house.run(&["operator", "reset-password", "--data", "house"]).ok();
    let code = reset.lines().find_map(|line| line.strip_prefix("set-up code: ")).unwrap().to_owned();
    assert_eq!((members(&first.cookie()), members(&second.cookie())), (403, 403), "every session has ended");
    assert_eq!(log_in(PASSWORD).status, 403, "the old password");
    let third = set_up(&code, "another+one+of+mine");
    assert_eq!((third.status, members(&third.cookie())), (303, 200));
    house.refused(&["operator", "reset-password", "--data", "nowhere"], 2, "nowhere");

    // A start with a password set prints no code.
    let house = house.again(&[]);
    assert!(!house.folder.path().join("house/access/setup-code").exists());
}

/// Asks under TLS, trusting the folder's certificate alone; gives the certificate's fingerprint too.
fn ask_encrypted(house: &House, path: &str) -> (Answer, String) {
    let certificate = CertificateDer::from_pem_file(house.folder.path().join("house/access/tls.cert")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream =
        StreamOwned::new(ClientConnection::new(config, name).unwrap(), TcpStream::connect(&house.place).unwrap());
    let answer = Answer::of(&mut stream, &request("GET", path, &[], ""));
    let shown = stream.conn.peer_certificates().unwrap()[0].clone();
    let bytes: Vec<String> = Sha256::digest(&shown).iter().map(|byte| format!("{byte:02X}")).collect();
    (answer, bytes.join(":"))
}

#[test]
fn tls_shows_the_certificate_whose_fingerprint_was_printed_also_after_a_restart() {
    let mut house = House::founded(&["--tls"]);
    let mut printed = Vec::new();
    for _ in 0..2 {
        let line = house.node.line_with("certificate (SHA-256): ");
        printed.push(line.split_once(": ").unwrap().1.to_owned());
        let (answer, shown) = ask_encrypted(&house, "/chain");
        assert_eq!((answer.status, &shown), (200, printed.last().unwrap()));
        assert_eq!(house.ask("GET", "/api/v1/status", &[], "").status, 200, "programs at this computer need no TLS");
        house = house.again(&["--tls"]);
    }
    assert_eq!(house.ask("GET", "/healthz", &[], "").status, 200);
    assert_eq!(printed[0], printed[1]);
    let key = house.folder.path().join("house/access/tls.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(house.node.stop(), 0);

    let (certificate, other) = ("house/access/tls.cert", "other/access/tls.key");
    run(house.folder.path(), &["init", "--plain-keys", "other"]).ok();
    let node = Running::start(house.folder.path(), &["node", "--data", "other", "--http", "127.0.0.1:0", "--tls"]);
    node.line_with("certificate");
    drop(node);
    for (flags, words) in [
        (&["--tls-cert", certificate][..], "--tls-key"),
        (&["--tls", "--tls-cert", certificate, "--tls-key", other], "cannot be used with"),
        (&["--tls-cert", "house/genesis.cbor", "--tls-key", other], "it holds no certificate in PEM"),
        (&["--tls-cert", certificate, "--tls-key", other], "certificate and key: "),
        (&["--tls-cert", "none.pem", "--tls-key", other], "none.pem: "),
    ] {
        let ended = run(house.folder.path(), &[&["node", "--data", "house", "--http", "127.0.0.1:0"], flags].concat());
        assert!(ended.code == 2 && ended.err.contains(words), "{flags:?}: {ended:?}");
    }
}

/// What somebody at another place of the network is answered; `None` without a connection. By bash, which has sockets of
/// its own.
fn asked_from(network: &Network, place: usize, to: usize, path: &str) -> Option<Answer> {
    let host = address(to);
    let talk = format!(
        "exec 3<>/dev/tcp/{host}/8080 && printf 'GET {path} HTTP/1.1\\r\\nHost: {host}:8080\\r\\nConnection: close\\r\\n\\r\\n' >&3 && cat <&3"
    );
    let output =
        Command::new("ip").args(["netns", "exec", &network.place(place), "bash", "-c", &talk]).output().unwrap();
    (!output.stdout.is_empty()).then(|| Answer::read(&output.stdout))
}

#[test]
fn lan_opens_the_pages_to_others_in_the_network_and_with_tls_sends_them_to_the_encrypted_ones() {
    let (house, phone) = (0, 1);
    let network = Network::new(2);
    // A computer knows its address in the network by whom it would call.
    network.at(house, "ip route add default dev eth0");
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "--plain-keys", "house"]).ok();
    let own = address(house);
    for (flags, said, page, interface) in [
        (&[][..], None, None, None),
        (&["--lan"], Some(format!("from other computers: http://{own}:8080")), Some((200, "")), Some(200)),
        (
            &["--lan", "--tls"],
            Some(format!("from other computers: https://{own}:8080")),
            Some((308, "/chain?lang=en")),
            Some(200),
        ),
    ] {
        let log = folder.path().join("node.log");
        let arguments = [&["node", "--data", "house", "--http", "127.0.0.1:8080"], flags].concat();
        let node = Running::start_by(&["ip", "netns", "exec", &network.place(house)], folder.path(), &arguments, &log);
        node.line_with("the pages are at");
        if let Some(said) = &said {
            assert_eq!(&node.line_with("from other computers"), said, "{flags:?}");
        }
        let here = eventually("it answers at its own computer", || {
            let talk = "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && cat <&3";
            let place = network.place(house);
            let output = Command::new("ip").args(["netns", "exec", &place, "bash", "-c", talk]).output().unwrap();
            (!output.stdout.is_empty()).then(|| Answer::read(&output.stdout))
        });
        assert_eq!(here.status, 200, "{flags:?}");
        let answered = asked_from(&network, phone, house, "/chain?lang=en");
        let found = answered.as_ref().map(|answer| answer.status);
        assert_eq!(found, page.map(|(status, _)| status), "{flags:?}: {answered:?}");
        if let Some((308, place)) = page {
            let to = answered.unwrap().header("location").to_owned();
            assert_eq!(to, format!("https://{own}:8080{place}"));
        }
        let answered = asked_from(&network, phone, house, "/api/v1/status").map(|answer| answer.status);
        assert_eq!(answered, interface, "{flags:?}: the interface for programs");
        assert_eq!(node.stop(), 0);
    }
}
