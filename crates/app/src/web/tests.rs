//! The routes over a real node: status, content type, what is refused, and that nothing said by a person becomes markup.

mod access;
mod desk;
pub(crate) mod fixture;
mod login;
mod member;
mod signed;

use super::{AppState, router};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, Response, StatusCode, header};
use fixture::{CHEN_METER, Fixture, JULY};
use std::net::SocketAddr;
use std::sync::Arc;
use tower::ServiceExt as _;

const HERE: &str = "127.0.0.1:50000";
const ELSEWHERE: &str = "192.168.1.9:50000";

fn site(fixture: &Fixture) -> Router {
    router(AppState::new(fixture.node.clone(), None, Arc::new(fixture.directory()), fixture.access()))
}

async fn send(site: &Router, peer: &str, request: Request<Body>) -> Response<Body> {
    let mut request = request;
    request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    site.clone().oneshot(request).await.unwrap()
}

fn get(path: &str) -> Request<Body> {
    Request::builder().uri(path).header(header::HOST, "localhost:8080").body(Body::empty()).unwrap()
}

/// The same, by the operator.
fn by_operator(fixture: &Fixture, mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert(header::AUTHORIZATION, fixture.bearer().parse().unwrap());
    request
}

async fn body_of(response: Response<Body>) -> Bytes {
    axum::body::to_bytes(response.into_body(), 64 << 20).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8_lossy(&body_of(response).await).into_owned()
}

fn header_of<'r>(response: &'r Response<Body>, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_with_its_status_and_type() {
    let fixture = Fixture::new(true);
    let site = site(&fixture);
    let (chen, transfer) = (fixture.chen(), fixture.transfer);
    let problem = "application/problem+json";
    let html = "text/html; charset=utf-8";
    let json = "application/json";
    for (path, status, kind) in [
        ("/".to_owned(), 200, html),
        ("/?lang=en".to_owned(), 200, html),
        ("/meters".to_owned(), 307, ""),
        (format!("/meters/{CHEN_METER}/readings"), 200, html),
        ("/meters/none/readings".to_owned(), 404, html),
        ("/meters/%20/readings".to_owned(), 400, html),
        ("/claims".to_owned(), 200, html),
        ("/claims?cursor=x".to_owned(), 404, html),
        ("/chain".to_owned(), 200, html),
        ("/chain?cursor=nonsense".to_owned(), 404, html),
        ("/blocks/0".to_owned(), 200, html),
        ("/blocks/1".to_owned(), 200, html),
        ("/blocks/999".to_owned(), 404, html),
        ("/accounts".to_owned(), 200, html),
        (format!("/accounts/{chen}"), 307, ""),
        (format!("/accounts/{chen}/{JULY}"), 200, html),
        (format!("/accounts/{chen}/2031-01"), 404, html),
        ("/accounts/wp1nobody/2026-07".to_owned(), 400, html),
        ("/submit".to_owned(), 200, html),
        ("/keys".to_owned(), 200, html),
        ("/verify".to_owned(), 200, html),
        ("/verify.html".to_owned(), 200, html),
        ("/results".to_owned(), 200, html),
        (format!("/results?account={chen}&act=transfer&before=999&from=&until=&text=&node="), 200, html),
        ("/results?node=http://169.254.169.254/".to_owned(), 200, html),
        ("/results?from=ten".to_owned(), 400, html),
        (format!("/meters/{CHEN_METER}/voltage"), 200, html),
        (format!("/meters/{CHEN_METER}/voltage?month={JULY}"), 200, html),
        (format!("/meters/{CHEN_METER}/voltage?month=1999-01"), 404, html),
        (format!("/meters/{CHEN_METER}/readings?span=366d&show=voltage"), 200, html),
        (format!("/meters/{CHEN_METER}/readings?span=1m&show=energy&until=1782835500000"), 200, html),
        (format!("/api/v1/meters/{CHEN_METER}/course?from=1782835200000&until=1782838800000"), 200, json),
        (format!("/api/v1/meters/{CHEN_METER}/course?from=1782835200000&until=1782835200001"), 400, problem),
        (format!("/api/v1/meters/{CHEN_METER}/course"), 400, problem),
        ("/api/v1/meters/none/course?from=0&until=60000".to_owned(), 404, problem),
        ("/results?account=nobody".to_owned(), 400, html),
        ("/nowhere".to_owned(), 404, html),
        (format!("{}/style.css", super::assets::base()), 200, "text/css; charset=utf-8"),
        ("/assets/0/none.css".to_owned(), 404, ""),
        ("/healthz".to_owned(), 200, "text/plain; charset=utf-8"),
        ("/metrics".to_owned(), 200, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("/checkpoint".to_owned(), 200, "text/plain; charset=utf-8"),
        ("/api/v1/status".to_owned(), 200, json),
        ("/api/v1/blocks?limit=2".to_owned(), 200, json),
        ("/api/v1/blocks?limit=some".to_owned(), 400, problem),
        ("/api/v1/blocks/1".to_owned(), 200, json),
        ("/api/v1/blocks/999".to_owned(), 404, problem),
        (format!("/api/v1/statements/{transfer}"), 200, json),
        (format!("/api/v1/statements/{transfer}/receipt"), 200, "application/cose"),
        (format!("/api/v1/statements/{}", "0".repeat(64)), 404, problem),
        ("/api/v1/statements/xyz".to_owned(), 400, problem),
        ("/api/v1/accounts".to_owned(), 200, json),
        (format!("/api/v1/accounts/{chen}"), 200, json),
        (format!("/api/v1/accounts/{chen}/months/{JULY}"), 200, json),
        (format!("/api/v1/accounts/{chen}/months/{JULY}/bill"), 422, problem),
        (format!("/api/v1/accounts/{chen}/months/{JULY}/bill.cbor"), 404, problem),
        ("/api/v1/offers".to_owned(), 200, json),
        ("/api/v1/offers?cursor=x".to_owned(), 404, problem),
        ("/api/v1/claims".to_owned(), 200, json),
        ("/api/v1/claims?cursor=x".to_owned(), 404, problem),
        (format!("/api/v1/statements/{transfer}/acts/0/claim.cbor"), 404, problem),
        (format!("/api/v1/accounts/{chen}/bill"), 400, problem),
        (format!("/api/v1/accounts/{chen}/bill?from=0&until=1"), 422, problem),
        ("/api/v1/pool".to_owned(), 200, json),
        ("/api/v1/meters".to_owned(), 200, json),
        (format!("/api/v1/meters/{CHEN_METER}"), 200, json),
        (format!("/api/v1/meters/{CHEN_METER}/readings?limit=3"), 200, json),
        (format!("/api/v1/meters/{CHEN_METER}/readings.csv"), 200, "text/csv; charset=utf-8"),
        (format!("/api/v1/meters/{CHEN_METER}/readings.csv?from=July"), 400, problem),
        ("/api/v1/meters/none/readings.csv".to_owned(), 404, problem),
        ("/api/v1/log/consistency?from=1&to=2".to_owned(), 200, json),
        ("/api/v1/log/consistency?from=2&to=1".to_owned(), 404, problem),
        ("/api/v1/log/consistency?from=1&to=999999".to_owned(), 404, problem),
        ("/api/v1/log/consistency?from=1".to_owned(), 400, problem),
        ("/api/v1/events".to_owned(), 200, "text/event-stream"),
        ("/api/v1/openapi.json".to_owned(), 200, json),
        ("/api/v1/nothing".to_owned(), 404, problem),
    ] {
        let response = send(&site, HERE, get(&path)).await;
        let found = (response.status().as_u16(), header_of(&response, "content-type"));
        assert_eq!(found, (status, kind), "{path}");
        let policy = header_of(&response, "content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_taken_once_and_refused_with_its_reason() {
    let fixture = Fixture::new(true);
    let site = site(&fixture);
    let cose = "application/cose";
    let (again, too_much) = (fixture.transfer_bytes.clone(), fixture.sale(1_000));
    for (kind, body, status, name) in [
        (cose, again, 200, ""),
        (cose, too_much, 422, "energy_used_up"),
        (cose, b"no statement".to_vec(), 400, ""),
        (cose, vec![0; super::api::SUBMISSION_BYTES_MAX + 1], 413, "too_large"),
        ("application/json", b"{}".to_vec(), 415, "media_type"),
    ] {
        let request = Request::builder().method(Method::POST).uri("/api/v1/statements");
        let request = request.header(header::CONTENT_TYPE, kind).body(Body::from(body)).unwrap();
        let response = send(&site, ELSEWHERE, request).await;
        assert_eq!(response.status().as_u16(), status);
        let answer = text(response).await;
        assert!(answer.contains(name), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_wrote_is_never_markup() {
    let fixture = Fixture::new(true);
    let site = site(&fixture);
    let lee = fixture.lee();
    let pages = [
        "/",
        "/accounts",
        "/members",
        "/chain",
        "/claims",
        "/blocks/1",
        "/submit",
        "/keys",
        "/results",
        "/verify",
        "/pool",
        "/tariff",
        "/chain/nodes",
        "/search?q=%3Cimg%20src=x%3E",
    ];
    let month = format!("/accounts/{lee}/{JULY}");
    let (member, contract) = (format!("/members/{lee}"), format!("/desk/contract?account={lee}"));
    let typed = "/desk/member?name=%3Cimg%20src=x%3E&key=%3C/textarea%3E%3Cimg%20src=x%3E";
    for path in pages.into_iter().chain([
        &*month,
        &*member,
        &*contract,
        typed,
        "/login?next=/%3Cimg%20src=x%3E",
        "/meters/%3Cimg%20src=x%3E/readings",
    ]) {
        let page = text(send(&site, HERE, by_operator(&fixture, get(path))).await).await;
        assert!(!page.contains("<img"), "{path}");
        let scripts = page.split("<script").skip(1).all(|rest| rest.starts_with(" src=\"/assets/"));
        assert!(scripts && !page.contains(" style=") && !page.contains("<style"), "{path}");
    }
    let page = text(send(&site, HERE, by_operator(&fixture, get("/accounts"))).await).await;
    assert!(page.contains("Lee &#60;img src=x onerror=alert(1)&#62;"), "the name is shown as written");
}

/// Most that a page may send, itself or with all that it loads, compressed; a slow phone gets it in two seconds.
const PAGE_BYTES_MAX: usize = 100_000;
/// The same for a page that brings the whole verifier, before the browser keeps it.
const VERIFIER_BYTES_MAX: usize = 120_000;

/// Bytes of an answer as they go over the wire, and its text.
async fn sent(fixture: &Fixture, site: &Router, path: &str) -> (StatusCode, usize, String) {
    let request = || by_operator(fixture, get(path));
    let mut packed = request();
    packed.headers_mut().insert(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
    let response = send(site, HERE, packed).await;
    let (status, encoding) = (response.status(), header_of(&response, "content-encoding").to_owned());
    let bytes = body_of(response).await.len();
    // A short answer is sent as it is.
    assert!(encoding == "gzip" || bytes < 1_000, "{path}: {encoding} {bytes}");
    (status, bytes, text(send(site, HERE, request()).await).await)
}

/// Addresses of what a script imports, from its own.
fn imported(path: &str, script: &str) -> Vec<String> {
    let quoted = script.split("from \"").skip(1).chain(script.split("import(\"").skip(1));
    let names = quoted.filter_map(|rest| rest.split('"').next()).filter(|name| name.starts_with('.'));
    let resolved = |name: &str| {
        let ups = name.matches("../").count() + 1;
        let folder: Vec<&str> = path.split('/').collect();
        format!("{}/{}", folder[..folder.len() - ups].join("/"), name.trim_start_matches(['.', '/']))
    };
    names.map(resolved).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_under_100_kb_compressed_even_with_all_that_it_loads() {
    let fixture = Fixture::new(true);
    let site = site(&fixture);
    let mut checked = Vec::new();
    for page in access::paths(&fixture).into_iter().filter(|path| !path.starts_with("/api/")) {
        let (status, own, html) = sent(&fixture, &site, &page).await;
        if status != StatusCode::OK || !html.starts_with("<!doctype html>") {
            continue;
        }
        let mut files: Vec<String> =
            html.split('"').filter(|part| part.starts_with("/assets/")).map(str::to_owned).collect();
        let (mut at, mut all) = (0, own);
        while let Some(file) = files.get(at).cloned() {
            let (status, bytes, script) = sent(&fixture, &site, &file).await;
            assert_eq!(status, StatusCode::OK, "{page}: {file}");
            all += bytes;
            at += 1;
            for found in imported(&file, &script) {
                if file.ends_with(".js") && !files.contains(&found) {
                    files.push(found);
                }
            }
        }
        let has_verifier = files.iter().any(|file| file.ends_with("/wattproof/verify.js"));
        let most = if has_verifier { VERIFIER_BYTES_MAX } else { PAGE_BYTES_MAX };
        assert!(own < PAGE_BYTES_MAX && all < most, "{page}: {own} bytes, {all} with what it loads");
        checked.push((page, own, all));
    }
    assert!(checked.len() > 15 && checked.iter().all(|(_, own, all)| *own > 1_000 && *all > 20_000), "{checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_of_language_is_remembered_and_words_are_the_members_own() {
    let fixture = Fixture::new(true);
    let site = site(&fixture);
    let response = send(&site, HERE, get("/?lang=en")).await;
    assert!(header_of(&response, "set-cookie").starts_with("lang=en; Path=/"));
    assert!(text(response).await.contains("<html lang=\"en\""));
    let path = format!("/accounts/{}/{JULY}", fixture.chen());
    let page = text(send(&site, HERE, get(&path)).await).await;
    for word in ["剩餘度數", "契約度數", "用電度數", "轉讓度數", "title=\"論文用語：剩餘電能\"", "電費帳單"]
    {
        assert!(page.contains(word), "{word}");
    }
    for word in ["Merkle", "COSE", "mWh", "損失電能度"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_readings_holds_every_booked_reading_once_and_in_order() {
    let fixture = Fixture::new(true);
    let site = site(&fixture);
    let path = format!("/api/v1/meters/{CHEN_METER}/readings");
    let json = text(send(&site, HERE, get(&format!("{path}?limit=500"))).await).await;
    let page: serde_json::Value = serde_json::from_str(&json).unwrap();
    let booked: Vec<String> =
        page["items"].as_array().unwrap().iter().map(|row| row["voltage_mv"].to_string()).collect();
    assert!(booked.len() > 2 && page["next"].is_null(), "{} rows", booked.len());
    let answer = send(&site, HERE, get(&format!("{path}.csv?bom=true"))).await;
    assert_eq!(header_of(&answer, "content-disposition"), format!("attachment; filename=\"{CHEN_METER}.csv\""));
    let table = text(answer).await;
    let mut reader = csv::Reader::from_reader(table.strip_prefix('\u{feff}').unwrap().as_bytes());
    let column = reader.headers().unwrap().iter().position(|name| name == "voltage_v").unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let volts: Vec<String> = rows.iter().map(|row| row[column].replace('.', "")).collect();
    assert_eq!(volts, booked);
    let times: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
    assert!(times.is_sorted() && times[0].contains('+'), "{times:?}");
}
