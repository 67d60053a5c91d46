//! The operator's desk: what is typed is checked, shown and signed once; what is wrong is said at its field, with nothing
//! lost; and nobody's passphrase is asked for where it could be read.

use super::fixture::{CHEN_METER, Fixture, JULY};
use super::{ELSEWHERE, HERE, by_operator, get, header_of, send, text};
use crate::community::read_directory;
use crate::web::desk::Desk;
use crate::web::{AppState, router};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use ledger::SecretKey;
use std::sync::Arc;
use units::Energy;

fn site_with(fixture: &Fixture, office: Option<&tempfile::TempDir>) -> Router {
    let state = AppState::new(fixture.node.clone(), None, Arc::new(fixture.directory()), fixture.access());
    router(match office {
        Some(office) => state.with_desk(Desk::of(office.path())),
        None => state,
    })
}

type Typed<'a> = Vec<(&'a str, String)>;

fn encoded(typed: &Typed<'_>) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    let pair = |(name, value): &(&str, String)| format!("{name}={}", value.bytes().map(byte).collect::<String>());
    typed.iter().map(pair).collect::<Vec<_>>().join("&")
}

async fn press(
    (fixture, site, peer): (&Fixture, &Router, &str),
    form: &str,
    typed: &Typed<'_>,
    button: &str,
) -> (StatusCode, String, String) {
    let typed: Typed<'_> = typed.iter().cloned().chain([("do", button.to_owned())]).collect();
    let request = Request::builder().method("POST").uri(format!("/desk/{form}")).header(header::HOST, "localhost:8080");
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = by_operator(fixture, request.body(Body::from(encoded(&typed))).unwrap());
    let response = send(site, peer, request).await;
    let (status, location) = (response.status(), header_of(&response, "location").to_owned());
    (status, location, text(response).await)
}

/// What a page's hidden field holds.
fn hidden(page: &str, name: &str) -> String {
    let field = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
    page.split_once(&field).unwrap_or_else(|| panic!("no {name}: {page}")).1.split('"').next().unwrap().to_owned()
}

/// The form with what the check gave it to carry.
fn carried<'a>(typed: &Typed<'a>, check: &str) -> Typed<'a> {
    let marks = [("nonce", hidden(check, "nonce")), ("issued", hidden(check, "issued"))];
    typed.iter().cloned().chain(marks).collect()
}

/// As a page writes it.
fn escaped(text: &str) -> String {
    [("&", "&#38;"), ("\"", "&#34;"), ("<", "&#60;"), (">", "&#62;")]
        .iter()
        .fold(text.to_owned(), |text, (character, reference)| text.replace(character, reference))
}

fn of<'a>(pairs: &[(&'a str, &str)]) -> Typed<'a> {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

/// A new member of the room 303, with a meter and 150 kWh for two months.
fn newcomer(fixture: &Fixture, key: &SecretKey) -> Typed<'static> {
    vec![
        ("name", "Wang \"小\" & <b>".to_owned()),
        ("room", "303".to_owned()),
        ("key_kind", "own".to_owned()),
        ("key", node::view::key_hex(&key.public())),
        ("meter", "M-1203, M-1204".to_owned()),
        ("profile", "im1281b".to_owned()),
        ("factor", "1".to_owned()),
        ("signer", fixture.gateway().to_string()),
        ("energy", "150".to_owned()),
        ("month", JULY.to_string()),
        ("months", "2".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_registered_with_meters_contract_and_name_in_one_statement() {
    let fixture = Fixture::new(false);
    let office = fixture.office(Some("open sesame"));
    let site = site_with(&fixture, Some(&office));
    let here = (&fixture, &site, HERE);
    let key = SecretKey::ed25519([33; 32]);
    let typed = newcomer(&fixture, &key);
    let (status, _, check) = press(here, "member", &typed, "check").await;
    assert_eq!(status, 200, "{check}");
    for shown in ["M-1203", "M-1204", "im1281b", "150.000", "2026-08", "Wang &#34;小&#34; &#38; &#60;b&#62;"] {
        assert!(check.contains(shown), "{shown} is shown before it is signed: {check}");
    }
    assert!(check.contains("type=\"password\""), "the key has a passphrase");
    assert_eq!(fixture.node.status().unwrap().pool_size, 0, "nothing is sent by looking");

    let mut typed = carried(&typed, &check);
    typed.push(("passphrase", "open barley".to_owned()));
    let (status, _, again) = press(here, "member", &typed, "sign").await;
    assert_eq!((status.as_u16(), fixture.node.status().unwrap().pool_size), (422, 0), "a wrong passphrase");
    assert!(!again.contains("open barley") && again.contains("M-1203, M-1204"), "{again}");

    typed.last_mut().unwrap().1 = "open sesame".to_owned();
    let (status, place, _) = press(here, "member", &typed, "sign").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    for when in ["at once", "when it is final"] {
        let (_, same, _) = press(here, "member", &typed, "sign").await;
        assert_eq!(same, place, "pressed twice it is one statement, {when}");
        fixture.settle(1);
    }
    let view = fixture.node.account(key.account()).unwrap();
    assert_eq!(view.meters.iter().map(ToString::to_string).collect::<Vec<_>>(), ["M-1203", "M-1204"]);
    for month in [JULY, JULY.plus(1)] {
        let sheet = fixture.node.sheet(key.account(), month).unwrap();
        assert_eq!(sheet.terms.contract_mwh, Energy::from_kwh(150), "{month}");
    }
    let entries = read_directory(&office.path().join("directory.toml")).unwrap();
    let entry = entries.iter().find(|entry| entry.account == key.account()).unwrap();
    assert_eq!((entry.person.name.as_str(), entry.person.room.as_deref()), ("Wang \"小\" & <b>", Some("303")));
    assert_eq!(entries.len(), 3, "the others stay");
    for path in ["/members".to_owned(), format!("/members/{}", key.account()), place] {
        let response = send(&site, HERE, by_operator(&fixture, get(&path))).await;
        assert_eq!(response.status(), 200, "{path}");
        assert!(text(response).await.contains("Wang &#34;小"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_without_a_key_gets_one_that_is_kept_here() {
    let fixture = Fixture::new(false);
    let office = fixture.office(None);
    let site = site_with(&fixture, Some(&office));
    let here = (&fixture, &site, HERE);
    let typed = of(&[("name", "Lin"), ("room", "304"), ("key_kind", "here")]);
    let (status, _, check) = press(here, "member", &typed, "check").await;
    assert_eq!(status, 200, "{check}");
    assert!(!check.contains("type=\"password\""), "the key has no passphrase");
    let keys = office.path().join("keys/members");
    assert!(!keys.exists(), "nothing is made by looking");
    let typed = carried(&typed, &check);
    let (status, place, page) = press(here, "member", &typed, "sign").await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
    for when in ["at once", "when it is final"] {
        assert_eq!(press(here, "member", &typed, "sign").await.1, place, "pressed twice it is one key, {when}");
        fixture.settle(1);
    }
    let files: Vec<_> = std::fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let key = crate::key_file::read_typed(file, &crate::key_file::Passphrase::default()).unwrap();
    assert!(fixture.node.account(key.account()).unwrap().roles.iter().any(|role| role.role == "member"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_said_at_its_field_and_nothing_typed_is_lost() {
    let fixture = Fixture::new(false);
    let office = fixture.office(None);
    let site = site_with(&fixture, Some(&office));
    let chen = fixture.chen().to_string();
    let key = SecretKey::ed25519([34; 32]);
    let good = newcomer(&fixture, &key);
    let known = node::view::key_hex(&SecretKey::ed25519([6; 32]).public());
    let contract = of(&[("account", &chen), ("energy", "300"), ("month", "2026-07"), ("months", "1")]);
    let flat = of(&[("table", "flat"), ("month", "2026-09"), ("price", "4.2"), ("round_to", "1")]);
    let file = of(&[("table", "file"), ("month", "2026-09"), ("file", "prices = 3")]);
    let long = "長".repeat(200);
    for (form, typed, field, wrong) in [
        ("member", &good, "name", ""),
        ("member", &good, "name", long.as_str()),
        ("member", &good, "key", "no key"),
        ("member", &good, "key", ""),
        ("member", &good, "key", known.as_str()),
        ("member", &good, "meter", "M 1!, M-7"),
        ("member", &good, "meter", "M-7, M-7"),
        ("member", &good, "profile", "nokia"),
        ("member", &good, "factor", "0"),
        ("member", &good, "signer", chen.as_str()),
        ("member", &good, "energy", "a lot"),
        ("member", &good, "months", "13"),
        ("member", &good, "month", "July"),
        ("contract", &contract, "account", "wp1nobody"),
        ("contract", &contract, "energy", "100"),
        ("contract", &contract, "energy", "200"),
        ("revoke", &contract, "account", ""),
        ("leave", &contract, "account", "wp1nobody"),
        ("end-meter", &contract, "meter", "M-999"),
        ("meter", &contract, "meter", ""),
        ("tariff", &flat, "price", "free"),
        ("tariff", &flat, "round_to", "0"),
        ("tariff", &file, "file", "prices = 3"),
        ("answer", &contract, "claim", "nothing"),
        ("level", &contract, "height", "0"),
        ("level", &contract, "level", "6"),
    ] {
        let mut typed: Typed<'_> = typed.iter().filter(|(name, _)| *name != field).cloned().collect();
        typed.push((field, wrong.to_owned()));
        let (status, _, page) = press((&fixture, &site, HERE), form, &typed, "check").await;
        assert_eq!(status, 422, "{form} {field}={wrong}");
        assert!(page.contains(&format!("id=\"w-{field}\"")), "{form} {field}={wrong}: {page}");
        // What is chosen from a list is typed by nobody.
        let is_chosen = |name: &str| {
            ["profile", "signer", "account", "month", "level"].contains(&name) || (form, name) == ("end-meter", "meter")
        };
        let kept = typed.iter().filter(|(name, value)| !value.is_empty() && page.contains(&format!("name=\"{name}\"")));
        for (name, value) in kept.filter(|(name, _)| !is_chosen(name)) {
            assert!(page.contains(&escaped(value)), "{name}={value} is lost: {page}");
        }
    }
    assert_eq!(fixture.node.status().unwrap().pool_size, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_over_a_connection_that_others_can_read() {
    let fixture = Fixture::new(false);
    let office = fixture.office(Some("open sesame"));
    let site = site_with(&fixture, Some(&office));
    let chen = fixture.chen().to_string();
    let typed = of(&[("account", &chen), ("energy", "300"), ("month", "2026-07"), ("months", "1")]);
    let elsewhere = (&fixture, &site, ELSEWHERE);
    let (status, _, check) = press(elsewhere, "contract", &typed, "check").await;
    assert_eq!(status, 200, "{check}");
    assert!(!check.contains("type=\"password\"") && !check.contains("value=\"sign\""), "{check}");
    let mut typed = carried(&typed, &check);
    typed.push(("passphrase", "open sesame".to_owned()));
    let (status, _, _) = press(elsewhere, "contract", &typed, "sign").await;
    assert_eq!((status.as_u16(), fixture.node.status().unwrap().pool_size), (200, 0), "the check again, nothing sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_the_commands_are_shown() {
    let fixture = Fixture::new(false);
    let site = site_with(&fixture, None);
    let chen = fixture.chen().to_string();
    let claim = of(&[("account", &chen), ("energy", "300.5"), ("month", "2026-07"), ("months", "1")]);
    for (form, command) in [
        ("contract", format!("contract {chen} 2026-07 300.5")),
        ("revoke", format!("revoke {chen}")),
        ("leave", format!("retire meter {CHEN_METER}")),
    ] {
        let (status, _, check) = press((&fixture, &site, HERE), form, &claim, "check").await;
        assert_eq!(status, 200, "{check}");
        let line = format!("wattproof submit --node http://localhost:8080 --key operator.key {command}");
        assert!(check.contains(&line) && !check.contains("value=\"sign\""), "{check}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledgers_refusal_comes_back_to_the_form() {
    let fixture = Fixture::new(false);
    let office = fixture.office(None);
    let site = site_with(&fixture, Some(&office));
    let here = (&fixture, &site, HERE);
    // July has begun under a tariff.
    let typed = of(&[("table", "flat"), ("month", "2026-07"), ("price", "4.2"), ("round_to", "1")]);
    let (status, _, check) = press(here, "tariff", &typed, "check").await;
    assert_eq!(status, 200, "{check}");
    let (status, _, form) = press(here, "tariff", &carried(&typed, &check), "sign").await;
    assert_eq!(status, 422, "{form}");
    assert!(form.contains("id=\"refused\"") && form.contains("value=\"4.2\""), "{form}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_key_signs_nothing_any_more() {
    let fixture = Fixture::new(false);
    let office = fixture.office(None);
    let site = site_with(&fixture, Some(&office));
    let here = (&fixture, &site, HERE);
    let chen = fixture.chen().to_string();
    let typed = of(&[("account", &chen)]);
    let (_, _, check) = press(here, "revoke", &typed, "check").await;
    let (status, _, page) = press(here, "revoke", &carried(&typed, &check), "sign").await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
    fixture.settle(1);
    assert!(fixture.node.submit(fixture.sale(1)).is_err(), "Chen sells nothing any more");
    let page = text(send(&site, HERE, by_operator(&fixture, get(&format!("/members/{chen}")))).await).await;
    assert!(page.contains("notice bad") && !page.contains("/desk/revoke"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_changed_and_forgotten_beside_the_ledger() {
    let fixture = Fixture::new(false);
    let office = fixture.office(None);
    let site = site_with(&fixture, Some(&office));
    let chen = fixture.chen();
    let height = fixture.node.status().unwrap().height;
    let long = "n".repeat(97);
    for (name, room, status, shown) in [
        ("Chen the elder", "302", 303, Some("Chen the elder")),
        (long.as_str(), "302", 422, Some("Chen the elder")),
        ("", "302", 422, Some("Chen the elder")),
        ("", "", 303, None),
    ] {
        let typed = of(&[("name", name), ("room", room)]);
        let uri = format!("/members/{chen}/name");
        let request = Request::builder().method("POST").uri(uri).header(header::HOST, "localhost:8080");
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = by_operator(&fixture, request.body(Body::from(encoded(&typed))).unwrap());
        assert_eq!(send(&site, ELSEWHERE, request).await.status(), status, "{name:?}");
        let entries = read_directory(&office.path().join("directory.toml")).unwrap();
        let named = entries.iter().find(|entry| entry.account == chen).map(|entry| entry.person.name.as_str());
        assert_eq!(named, shown, "{name:?}");
    }
    assert_eq!(fixture.node.status().unwrap().height, height, "no name enters the ledger");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_searched_for_is_found_and_names_only_by_who_may_know_them() {
    let fixture = Fixture::new(false);
    let site = site_with(&fixture, None);
    let chen = fixture.chen().to_string();
    let block = fixture.node.block("1").unwrap();
    let statement = fixture.transfer.to_string();
    let results = format!("/results?account={chen}");
    for (typed, by_the_operator, place) in [
        ("1", false, Some("/blocks/1".to_owned())),
        ("%231", false, Some("/blocks/1".to_owned())),
        (block.hash.to_string().as_str(), false, Some("/blocks/1".to_owned())),
        (block.hash.to_string().to_uppercase().as_str(), false, Some("/blocks/1".to_owned())),
        ("999999", false, None),
        (statement.as_str(), false, Some(format!("/statements/{statement}"))),
        ("f".repeat(64).as_str(), false, None),
        (chen.as_str(), false, Some(results.clone())),
        (CHEN_METER, false, Some(format!("/meters/{CHEN_METER}/readings"))),
        ("chen+301", true, Some(results)),
        ("chen+301", false, None),
        ("a".repeat(200).as_str(), true, None),
    ] {
        let request = get(&format!("/search?q={typed}"));
        let request = if by_the_operator { by_operator(&fixture, request) } else { request };
        let response = send(&site, ELSEWHERE, request).await;
        let found = (response.status() == StatusCode::SEE_OTHER).then(|| header_of(&response, "location").to_owned());
        assert_eq!(found, place, "{typed}");
        assert!(place.is_some() || response.status() == StatusCode::NOT_FOUND, "{typed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_mines_by_hand_and_nobody_else() {
    let fixture = Fixture::new(false);
    let site = site_with(&fixture, None);
    let order = |order: &str| {
        let request = Request::builder().method("POST").uri("/pool").header(header::HOST, "localhost:8080");
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        request.body(Body::from(format!("order={order}"))).unwrap()
    };
    let automatic = || fixture.node.status().unwrap().mining.automatic;
    assert_eq!((send(&site, HERE, order("by_hand")).await.status().as_u16(), automatic()), (403, true));
    for (word, expected) in [("by_hand", false), ("mine_now", false), ("automatic", true)] {
        let response = send(&site, HERE, by_operator(&fixture, order(word))).await;
        assert_eq!((response.status(), automatic()), (StatusCode::SEE_OTHER, expected), "{word}");
    }
    assert_eq!(send(&site, HERE, by_operator(&fixture, order("nonsense"))).await.status(), 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_overview_says_what_needs_a_hand_and_nobody_elses_does() {
    let fixture = Fixture::new(false);
    let site = site_with(&fixture, None);
    let page = text(send(&site, HERE, by_operator(&fixture, get("/?lang=en"))).await).await;
    for shown in ["id=\"alarms-head\"", "130.2 V", "See the evidence", "id=\"flow-head\"", "From the grid", "Chen 301"]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let page = text(send(&site, HERE, get("/?lang=en")).await).await;
    assert!(!page.contains("alarms-head") && !page.contains("flow-head"));
}
