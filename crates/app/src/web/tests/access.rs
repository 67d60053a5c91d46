//! Every route of a node, and who is answered what. A route without a line here fails.

use super::fixture::{CHEN_METER, Fixture, JULY};
use super::{ELSEWHERE, HERE, by_operator, get, header_of, send, site, text};
use crate::web::access::links::PATH;
use crate::web::{AppState, table};
use axum::body::Body;
use axum::http::{Request, header};
use std::collections::BTreeSet;
use std::sync::Arc;
use units::AccountId;

/// Method and path as the table has them, and the statuses for: nobody from elsewhere, nobody at this computer, Chen and
/// Lee by their links from elsewhere, the operator. What the path names is Chen's. The ledger's readings are private.
const EXPECTED: &str = "
GET  /                                                    200 200 200 200 200
GET  /meters                                              307 307 307 307 307
GET  /meters/{meter}/readings                             403 403 200 403 200
GET  /meters/{meter}/voltage                              403 403 200 403 200
GET  /chain                                               200 200 200 200 200
GET  /chain/nodes                                         200 200 200 200 200
GET  /search                                              200 200 200 200 200
GET  /pool                                                200 200 200 200 200
POST /pool                                                403 403 403 403 415
GET  /tariff                                              200 200 200 200 200
GET  /blocks/{block}                                      200 200 200 200 200
GET  /accounts                                            200 200 200 200 200
GET  /claims                                              200 200 200 200 200
GET  /losses                                              403 403 403 403 200
GET  /accounts/{account}                                  403 307 307 403 307
GET  /accounts/{account}/{month}                          403 200 200 403 200
GET  /loads                                               403 403 403 403 404
GET  /loads/{meter}/switch                                403 403 403 403 404
POST /loads/{meter}/switch                                403 403 403 403 404
GET  /login                                               200 200 200 200 200
POST /login                                               415 415 415 415 415
GET  /setup                                               200 200 200 200 200
POST /setup                                               415 415 415 415 415
POST /logout                                              303 303 303 303 303
GET  /members                                             403 403 403 403 200
GET  /members/{account}                                   403 403 403 403 200
POST /members/{account}/name                              403 403 403 403 415
GET  /desk/{form}                                         403 403 403 403 200
POST /desk/{form}                                         403 403 403 403 415
GET  /statements/{id}                                     200 200 200 200 200
POST /members/{account}/link                              403 403 403 403 200
POST /members/{account}/revoke-links                      403 403 403 403 303
GET  /m/{secret}                                          403 403 403 403 403
GET  /assets/{fingerprint}/{*name}                        200 200 200 200 200
GET  /healthz                                             200 200 200 200 200
GET  /metrics                                             200 200 200 200 200
GET  /checkpoint                                          200 200 200 200 200
GET  /api/v1/openapi.json                                 200 200 200 200 200
GET  /api/v1/status                                       200 200 200 200 200
GET  /api/v1/blocks                                       200 200 200 200 200
GET  /api/v1/blocks/{block}                               200 200 200 200 200
POST /api/v1/statements                                   415 415 415 415 415
GET  /api/v1/statements/{id}                              200 200 200 200 200
GET  /api/v1/statements/{id}/receipt                      200 200 200 200 200
GET  /api/v1/statements/{id}/attachment                   403 403 200 403 200
GET  /api/v1/accounts                                     200 200 200 200 200
GET  /api/v1/accounts/{id}                                200 200 200 200 200
GET  /api/v1/accounts/{id}/months/{month}                 403 200 200 403 200
GET  /api/v1/accounts/{id}/months/{month}/bill            403 422 422 403 422
GET  /api/v1/accounts/{id}/bill                           403 400 400 403 400
GET  /api/v1/accounts/{id}/months/{month}/bill.cbor       403 404 404 403 404
GET  /api/v1/offers                                       200 200 200 200 200
GET  /api/v1/claims                                       200 200 200 200 200
GET  /api/v1/statements/{id}/acts/{act}/claim.cbor        403 403 404 403 404
GET  /api/v1/pool                                         200 200 200 200 200
GET  /api/v1/losses                                       403 403 403 403 200
GET  /api/v1/meters                                       200 200 200 200 200
GET  /api/v1/meters/{meter}                               200 200 200 200 200
GET  /api/v1/meters/{meter}/readings                      403 403 200 403 200
GET  /api/v1/meters/{meter}/course                        403 403 400 403 400
GET  /api/v1/meters/{meter}/readings.csv                  403 403 200 403 200
GET  /api/v1/meters/{meter}/rollups.csv                   403 403 404 403 404
POST /api/v1/mining                                       403 403 403 403 400
GET  /api/v1/loads                                        403 403 403 403 404
POST /api/v1/loads/{meter}                                403 403 403 403 404
POST /api/v1/loads/{meter}/reset                          403 403 403 403 404
GET  /api/v1/switchings                                   403 403 403 403 404
GET  /api/v1/switchings/{number}                          403 403 403 403 404
GET  /lab                                                 200 200 200 200 200
GET  /keys                                                200 200 200 200 200
GET  /submit                                              200 200 200 200 200
GET  /results                                             200 200 200 200 200
GET  /verify                                              200 200 200 200 200
GET  /verify.html                                         200 200 200 200 200
GET  /api/v1/log/consistency                              400 400 400 400 400
GET  /peers                                               200 200 200 200 200
GET  /api/v1/genesis                                      200 200 200 200 200
GET  /api/v1/peers                                        200 200 200 200 200
GET  /api/v1/findings                                     403 200 403 403 200
GET  /api/v1/peer/head                                    200 200 200 200 200
GET  /api/v1/peer/headers                                 400 400 400 400 400
GET  /api/v1/peer/blocks/{hash}                           404 404 404 404 404
GET  /api/v1/peer/pool                                    200 200 200 200 200
GET  /api/v1/peer/pool/{id}                               404 404 404 404 404
GET  /api/v1/peer/news                                    200 200 200 200 200
GET  /api/v1/peer/identity                                400 400 400 400 400
GET  /api/v1/events                                       200 200 200 200 200
";

/// A path with what it names filled in.
fn filled(fixture: &Fixture, path: &str) -> String {
    let chen = fixture.chen().to_string();
    let statement = match path {
        "/api/v1/statements/{id}/attachment" => {
            fixture.node.meter(CHEN_METER.parse().unwrap()).unwrap().head.previous.to_string()
        }
        _ => fixture.transfer.to_string(),
    };
    let id = if path.contains("/statements/") || path.contains("/peer/pool/") { &statement } else { &chen };
    // Chen's own links are still needed.
    let account =
        if path.ends_with("/revoke-links") { AccountId::from_bytes([9; 32]).to_string() } else { chen.clone() };
    let fingerprint = crate::web::assets::base().trim_start_matches("/assets/");
    [
        ("{meter}", CHEN_METER),
        ("{block}", "1"),
        ("{account}", &account),
        ("{id}", id),
        ("{month}", &JULY.to_string()),
        ("{hash}", &"0".repeat(64)),
        ("{act}", "0"),
        ("{number}", "1"),
        ("{form}", "member"),
        ("{secret}", "0123456789abcdef0123456789abcdef"),
        ("{fingerprint}", fingerprint),
        ("{*name}", "style.css"),
    ]
    .iter()
    .fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
}

/// Every path of the table that is asked, with what it names filled in.
pub(super) fn paths(fixture: &Fixture) -> Vec<String> {
    EXPECTED
        .lines()
        .filter_map(|line| line.strip_prefix("GET ")?.split_whitespace().next())
        .map(|path| filled(fixture, path))
        .collect()
}

/// The cookie that following a member's new link gives.
pub(super) async fn cookie_of(fixture: &Fixture, account: AccountId) -> String {
    let secret = fixture.access().links().make(account, units::Timestamp::from_ms(0)).unwrap();
    let response = send(&site(fixture), ELSEWHERE, get(&format!("{PATH}{secret}"))).await;
    assert_eq!(header_of(&response, "location"), format!("/accounts/{account}"));
    let cookie = header_of(&response, "set-cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax; Max-Age="), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

pub(super) fn with_cookie(mut request: Request<Body>, cookie: &str) -> Request<Body> {
    request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_each_caller_as_the_table_says() {
    let fixture = Fixture::new(false);
    let state = AppState::new(fixture.node.clone(), None, Arc::new(fixture.directory()), fixture.access());
    let (_, rows) = table(state).finish();
    let served: BTreeSet<String> = rows.iter().map(|row| format!("{} {}", row.method, row.path)).collect();
    let site = site(&fixture);
    let (chen, lee) = (cookie_of(&fixture, fixture.chen()).await, cookie_of(&fixture, fixture.lee()).await);
    let mut tested = BTreeSet::new();
    for line in EXPECTED.lines().filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [method, path, expected @ ..] = words.as_slice() else { panic!("{line}") };
        tested.insert(format!("{method} {path}"));
        let request = || {
            let request = Request::builder().method(*method).uri(filled(&fixture, path));
            request.header(header::HOST, "localhost:8080").body(Body::empty()).unwrap()
        };
        let mut found = Vec::new();
        for (peer, request_is_known, request) in [
            (ELSEWHERE, false, request()),
            (HERE, false, request()),
            (ELSEWHERE, true, with_cookie(request(), &chen)),
            (ELSEWHERE, true, with_cookie(request(), &lee)),
            (ELSEWHERE, true, by_operator(&fixture, request())),
        ] {
            let response = send(&site, peer, request).await;
            for (name, value) in [("x-frame-options", "DENY"), ("referrer-policy", "same-origin")] {
                assert_eq!(header_of(&response, name), value, "{line}");
            }
            let policy = header_of(&response, "content-security-policy");
            assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{line}: {policy}");
            let is_known = request_is_known && !path.starts_with("/assets/");
            let keep = header_of(&response, "cache-control");
            assert_eq!(keep == "private, no-store", is_known, "{line}: {keep}");
            found.push(response.status().as_u16().to_string());
        }
        assert_eq!(found, expected, "{line}");
    }
    assert_eq!(tested, served, "every route has a line, and every line a route");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_sees_their_own_name_values_and_bills_and_nobody_elses() {
    let fixture = Fixture::new(false);
    let site = site(&fixture);
    let (chen, lee) = (fixture.chen(), fixture.lee());
    let cookie = cookie_of(&fixture, chen).await;
    for path in ["/".to_owned(), "/accounts".to_owned(), format!("/meters/{CHEN_METER}/readings")] {
        let page = text(send(&site, ELSEWHERE, with_cookie(get(&path), &cookie)).await).await;
        assert!(page.contains("Chen 301") && page.contains(CHEN_METER), "{path}");
        assert!(!page.contains("Lee") && !page.contains("M-1202"), "{path}");
    }
    for path in ["/".to_owned(), "/accounts".to_owned()] {
        let page = text(send(&site, ELSEWHERE, get(&path)).await).await;
        assert!(!page.contains("Chen 301") && !page.contains(&format!("/accounts/{chen}")), "{path}");
        assert!(!page.contains(&format!("/accounts/{lee}")) && page.contains("個人連結"), "{path}");
        let page = text(send(&site, ELSEWHERE, by_operator(&fixture, get(&path))).await).await;
        assert!(page.contains("Chen 301") && page.contains("Lee"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_accounts_meters_saw_is_left_out_for_others() {
    let fixture = Fixture::new(false);
    let site = site(&fixture);
    let (chen, lee) = (cookie_of(&fixture, fixture.chen()).await, cookie_of(&fixture, fixture.lee()).await);
    let account = || get(&format!("/api/v1/accounts/{}", fixture.chen()));
    for (who, request, is_shown) in [
        ("nobody", account(), false),
        ("another member", with_cookie(account(), &lee), false),
        ("the member", with_cookie(account(), &chen), true),
        ("the operator", by_operator(&fixture, account()), true),
    ] {
        let view: serde_json::Value = serde_json::from_str(&text(send(&site, ELSEWHERE, request).await).await).unwrap();
        assert_eq!(!view["outside"].as_array().unwrap().is_empty(), is_shown, "{who}");
        assert!(view["keys"].is_array() && view["roles"].is_array(), "{who}: the ledger's part");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_link_ends_at_once_also_for_a_browser_that_used_it() {
    let fixture = Fixture::new(false);
    let site = site(&fixture);
    let cookie = cookie_of(&fixture, fixture.chen()).await;
    let readings = || with_cookie(get(&format!("/api/v1/meters/{CHEN_METER}/readings")), &cookie);
    assert_eq!(send(&site, ELSEWHERE, readings()).await.status(), 200);
    // By another process than the one that serves.
    assert_eq!(fixture.access().links().revoke(&fixture.chen()).unwrap(), 1);
    assert_eq!(send(&site, ELSEWHERE, readings()).await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_wrong_opens_nothing_not_even_with_a_members_link() {
    let fixture = Fixture::new(false);
    let site = site(&fixture);
    let cookie = cookie_of(&fixture, fixture.chen()).await;
    let path = format!("/api/v1/meters/{CHEN_METER}/readings");
    let right = fixture.bearer();
    for (shown, status) in [
        (right.clone(), 200),
        (format!("{right}0"), 403),
        (right[..right.len() - 1].to_owned(), 403),
        (right.replace("Bearer", "Basic"), 200),
        ("Bearer ".to_owned(), 403),
    ] {
        let mut request = with_cookie(get(&path), &cookie);
        request.headers_mut().insert(header::AUTHORIZATION, shown.parse().unwrap());
        assert_eq!(send(&site, ELSEWHERE, request).await.status(), status, "{shown}");
    }
}
