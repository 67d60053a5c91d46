//! The routes of a gateway over a real gateway, whose simulated meters answer on a TCP port: who is answered what.

use super::*;
use crate::web::access::AccessSetup;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, header};
use gateway::config::{BusConfig, Port};
use gateway::core::{BusSettings, HeadAnswer, LoadLimits, MeterSettings, NodeAnswer, Protection};
use gateway::{Clock, NodeLink, Running, Setup, SimulatedPort, Simulation};
use ledger::SecretKey;
use meter::{Device, Framing, Options, Profile, Replay, SimulatedBus, SimulatedMeter};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tower::ServiceExt as _;
use units::{AccountId, Energy, EnergyBalance, Frequency, MeterId, Millis, StatementId, Timestamp};

const HERE: &str = "127.0.0.1:50000";
const ELSEWHERE: &str = "192.168.1.9:50000";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// 2026-07-01 12:00 UTC.
const NOON: Timestamp = Timestamp::from_ms(1_782_907_200_000);

struct NoNode;

impl NodeLink for NoNode {
    fn submit(&self, _: Vec<u8>) -> NodeAnswer {
        NodeAnswer::Unreachable("none".into())
    }
    fn progress(&self, _: &StatementId) -> NodeAnswer {
        NodeAnswer::Unreachable("none".into())
    }
    fn remaining(&self, _: &AccountId) -> Option<EnergyBalance> {
        None
    }
    fn voltage(&self) -> Option<Vec<gateway::core::VoltageSpan>> {
        None
    }
    fn head(&self, _: &MeterId, _: &AccountId) -> HeadAnswer {
        HeadAnswer::Unreachable("none".into())
    }
}

struct FromNoon(Instant);

impl Clock for FromNoon {
    fn now(&self) -> Timestamp {
        NOON + Millis::from_ms(u64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

/// Meters A-1 and A-2 with a relay, which never are on together, and B-1 without.
async fn gateway(folder: &tempfile::TempDir) -> (Running, Simulation) {
    let clock: Arc<dyn Clock> = Arc::new(FromNoon(Instant::now()));
    let (mut simulated, mut meters) = (Vec::new(), Vec::new());
    for (address, (name, model)) in
        (1..).zip([("A-1", "dds238-2-zn-sr"), ("A-2", "dds238-2-zn-sr"), ("B-1", "pzem-004t-v3")])
    {
        let address = meter::Address::modbus(address).unwrap();
        let profile = Arc::new(Profile::shipped(model).unwrap());
        let options = Options {
            start: NOON,
            offset_minutes: 0,
            nominal_voltage: None,
            frequency: Frequency::from_mhz(60_000),
            counter_start: Energy::from_wh(1_000),
        };
        let replay = Arc::new(Replay::excerpt().unwrap());
        simulated.push(SimulatedMeter::new(Arc::clone(&profile), address, replay, options));
        let device = Device { meter: name.parse().unwrap(), address, profile, poll_every: Millis::from_seconds(1) };
        let member = SecretKey::ed25519([4; 32]).account();
        meters.push(MeterSettings { device, profile: model.to_owned(), member });
    }
    let framing = Framing::Rtu { baud: 9_600 };
    let place = SimulatedPort::Tcp("127.0.0.1:0".parse().unwrap());
    let simulation = Simulation::start(place, SimulatedBus::new(simulated, framing), Arc::clone(&clock)).await.unwrap();
    let limits = LoadLimits { never_with: vec!["A-2".parse().unwrap()], ..LoadLimits::default() };
    let limits = std::collections::BTreeMap::from([("A-1".parse().unwrap(), limits)]);
    let setup = Setup {
        storage: gateway::Storage::default(),
        database: format!("sqlite://{}", folder.path().join("gateway.db").display()),
        buses: vec![BusConfig {
            name: "first floor".into(),
            port: Port::Tcp(simulation.place().parse().unwrap()),
            settings: BusSettings { framing, meters },
        }],
        interval: Millis::from_minutes(15),
        genesis: crate::web::tests::fixture::genesis_document(false),
        key: SecretKey::ed25519([5; 32]),
        node: Arc::new(NoNode),
        clock,
        protection: Protection { limits, ..Protection::default() },
    };
    (gateway::start(setup).await.unwrap(), simulation)
}

fn site(running: &Running, folder: &tempfile::TempDir, public_readings: bool) -> Router {
    let token = folder.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let setup = AccessSetup { dir: folder.path(), program: "test", token_file: Some(&token), operator_here: false };
    let site = LoadSite::new(SiteSetup {
        gateway: running.handle().clone(),
        community: "Maple House".into(),
        time_zone: "Asia/Taipei".into(),
        public_readings,
    });
    router(site, Access::open(&setup).unwrap())
}

async fn send(site: &Router, peer: &str, request: axum::http::request::Builder, body: &str) -> Response {
    let mut request = request.header(header::HOST, "localhost:8081").body(Body::from(body.to_owned())).unwrap();
    request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    site.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn get_text(site: &Router, path: &str) -> String {
    let request = Request::builder().uri(path).header("authorization", format!("Bearer {TOKEN}"));
    text(send(site, HERE, request, "").await).await
}

/// Until every relay was read for the first time.
async fn relays_read(running: &Running) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while running.handle().loads().iter().filter(|load| load.state.is_some()).count() < 2 {
        assert!(Instant::now() < deadline, "no relay was read: {:?}", running.handle().loads());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_answered_what() {
    let folder = tempfile::tempdir().unwrap();
    let (running, _meters) = gateway(&folder).await;
    relays_read(&running).await;
    let site = site(&running, &folder, false);
    let (form, json) = ("application/x-www-form-urlencoded", "application/json");
    let bearer = format!("Bearer {TOKEN}");
    let off = r#"{"state":"off","why":"a test","key":"k1"}"#;
    let (get, post) = (Method::GET, Method::POST);
    let (op, as_json, as_form) = (("authorization", bearer.as_str()), ("content-type", json), ("content-type", form));
    for (peer, method, path, headers, body, status) in [
        (HERE, &get, "/", &[][..], "", 307),
        (HERE, &get, "/healthz", &[], "", 200),
        (HERE, &get, "/metrics", &[], "", 200),
        (HERE, &get, "/login", &[], "", 200),
        (HERE, &get, "/setup", &[], "", 200),
        (HERE, &get, "/api/v1/nothing", &[], "", 404),
        // Nobody looks at or switches loads without having shown who they are, at this computer neither.
        (HERE, &get, "/loads", &[], "", 403),
        (ELSEWHERE, &get, "/loads", &[], "", 403),
        (HERE, &get, "/loads/A-1/switch?state=off", &[], "", 403),
        (HERE, &get, "/api/v1/loads", &[], "", 403),
        (HERE, &get, "/api/v1/switchings", &[], "", 403),
        (HERE, &get, "/api/v1/switchings/1", &[], "", 403),
        (HERE, &post, "/api/v1/loads/A-1", &[as_json], off, 403),
        (HERE, &post, "/api/v1/loads/A-1/reset", &[as_json], r#"{"why":"x"}"#, 403),
        (HERE, &post, "/loads/A-1/switch?state=off", &[as_form], "why=x", 403),
        (ELSEWHERE, &post, "/api/v1/loads/A-1", &[as_json], off, 403),
        (
            HERE,
            &post,
            "/api/v1/loads/A-1",
            &[as_json, ("authorization", "Bearer 0123456789abcdef0123456789abcdeX")],
            off,
            403,
        ),
        (HERE, &post, "/loads/A-1/switch?state=off", &[as_form, op, ("origin", "http://evil.example")], "why=x", 403),
        (HERE, &get, "/loads", &[op], "", 200),
        (HERE, &get, "/loads/A-1/switch?state=off", &[op], "", 200),
        (HERE, &get, "/loads/A-1/switch?state=maybe", &[op], "", 400),
        (HERE, &get, "/api/v1/loads", &[op], "", 200),
        (HERE, &get, "/api/v1/switchings?limit=3", &[op], "", 200),
        (HERE, &get, "/api/v1/switchings/77", &[op], "", 404),
        (HERE, &post, "/api/v1/loads/A-1", &[as_json, op], r#"{"state":"dim","why":"x"}"#, 400),
        (HERE, &post, "/api/v1/loads/A-1", &[as_json, op], r#"{"state":"off","why":""}"#, 400),
        (HERE, &post, "/api/v1/loads/A-1", &[as_form, op], off, 400),
        (HERE, &post, "/api/v1/loads/Z-9", &[as_json, op], off, 404),
        (HERE, &post, "/api/v1/loads/B-1", &[as_json, op], off, 422),
        (HERE, &post, "/api/v1/loads/A-1/reset", &[as_json, op], r#"{"why":"x"}"#, 409),
        (ELSEWHERE, &post, "/api/v1/loads/A-1", &[as_json, op], off, 202),
        (HERE, &post, "/api/v1/loads/A-1", &[as_json, op], off, 202),
        // Both relays are on from the start, and A-2's partner may not come on beside it.
        (HERE, &post, "/loads/A-2/switch?state=on", &[as_form, op], "why=x&key=k2", 409),
    ] {
        let request = Request::builder().method(method.clone()).uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = send(&site, peer, request, body).await;
        let found = response.status().as_u16();
        assert_eq!(found, status, "{peer} {method} {path} {headers:?} {body}: {}", text(response).await);
    }
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_taken_once_switches_the_relay_and_stands_in_the_journal_and_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let (running, _meters) = gateway(&folder).await;
    relays_read(&running).await;
    let site = site(&running, &folder, false);
    let form = "why=tidying+%3Cb%3Eup&who=Lee%3Cb%3E&key=once";
    let post = || {
        let request = Request::builder().method(Method::POST).uri("/loads/A-1/switch?state=off");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.header("sec-fetch-site", "same-origin").header("authorization", format!("Bearer {TOKEN}"))
    };
    for _ in 0..2 {
        let response = send(&site, HERE, post(), form).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(response.headers()["location"], "/loads?order=1#journal");
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let entry: ::api::Switching = loop {
        let entry: ::api::Switching = serde_json::from_str(&get_text(&site, "/api/v1/switchings/1").await).unwrap();
        if entry.ended_ms.is_some() {
            break entry;
        }
        assert!(Instant::now() < deadline, "{entry:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((entry.outcome.as_str(), entry.before.as_str(), entry.after.as_str()), ("switched", "on", "off"));
    assert_eq!((entry.who.as_str(), entry.why.as_str(), entry.by.as_str()), ("Lee<b>", "tidying <b>up", "person"));
    let page = get_text(&site, "/loads?lang=en").await;
    for shown in [
        "Lee&#60;b&#62;",
        "tidying &#60;b&#62;up",
        "On → Off",
        "first floor",
        "Switch off",
        "A-2",
        "never on together with A-2",
        "Line, planned",
        "Line, measured",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(!page.contains("<b>up") && !page.contains("Lee<b>"), "what a person wrote is never markup");
    assert!(!page.contains("href=\"/chain\""), "a gateway has no pages of the ledger");
    let journal: ::api::Page<::api::Switching> =
        serde_json::from_str(&get_text(&site, "/api/v1/switchings").await).unwrap();
    assert_eq!(journal.items.len(), 1, "a double click switches once");
    running.stop().await.unwrap();
}

#[test]
fn a_rule_s_reason_is_shown_in_the_reader_s_language_and_a_line_that_is_not_understood_says_what_to_do() {
    use crate::web::i18n::{Lang, Texts};
    let (en, zh) = (Texts::of(Lang::En), Texts::of(Lang::ZhTw));
    for (written, shown) in [
        ("130.000 V is above 121.000 V", "130.000 V 高於 121.000 V"),
        ("80.000 V is below 90.000 V", "80.000 V 低於 90.000 V"),
        ("off at this hour by its schedule", "排定於此時段斷電"),
        ("its cause is gone; the load was on before", "原因已排除；負載先前為送電"),
        ("the month's energy is used up: -1.5 kWh is left", "當月電能已用完：剩餘 -1.5 kWh"),
        ("something else", "something else"),
    ] {
        assert_eq!((why::rule_why(en, written).as_str(), why::rule_why(zh, written).as_str()), (written, shown));
    }
    let line = |kind: &str, times_as_slow| ::api::LineNow {
        kind: kind.to_owned(),
        baud: 9_600,
        rates: vec![4_800, 19_200, 2_400, 1_200],
        times_as_slow,
        advice: String::new(),
    };
    let bus = |open, planned, line| ::api::BusNow {
        name: "first floor".into(),
        place: "/dev/ttyUSB0".into(),
        open,
        lost: (!open).then(|| "unplugged".into()),
        meters: 2,
        polls: 14,
        answers: 7,
        errors: [("crc".to_owned(), 1), ("too_short".to_owned(), 2), ("no_answer".to_owned(), 3)].into(),
        load_planned_permille: planned,
        load_measured_permille: Some(123),
        line,
    };
    for (found, state, said) in [
        (bus(true, 450, None), "open", None),
        (bus(true, 450, Some(line("line_silent", None))), "not understood", Some("try 4800, 19200, 2400.")),
        (bus(true, 450, Some(line("line_noise", None))), "not understood", Some("termination")),
        (bus(true, 450, Some(line("line_other_rate", Some(2)))), "not understood", Some("about 2 times as slow")),
        (bus(true, 450, Some(line("line_other_rate", None))), "not understood", Some("parity or protocol")),
        (bus(true, 1_099, None), "open", Some("needs 109.9 % of the line, which carries 90.0 %")),
        (bus(false, 450, Some(line("line_silent", None))), "not open yet", Some("The port was lost: unplugged.")),
    ] {
        let shown = bus::bus_line(en, found);
        assert_eq!((shown.state_text.as_str(), shown.troubles.len()), (state, usize::from(said.is_some())));
        assert!(said.is_none_or(|said| shown.troubles[0].contains(said)), "{:?}", shown.troubles);
        assert_eq!((shown.answered.as_str(), shown.measured.as_str()), ("53.8 %", "12.3 %"));
        assert_eq!(shown.errors, "Failed polls: damaged frames 3 · no answer 3");
    }
}
