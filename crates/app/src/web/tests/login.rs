//! How the operator comes and goes: the code once, the password often, and never by another site's page.

use super::fixture::Fixture;
use super::{ELSEWHERE, HERE, get, header_of, send, site, text};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};

const PASSWORD: &str = "ten letters and more";

fn post(path: &str, form: &str) -> Request<Body> {
    let request = Request::builder().method("POST").uri(path).header(header::HOST, "localhost:8080");
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(Body::from(form.to_owned())).unwrap()
}

fn with(mut request: Request<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

fn encoded(text: &str) -> String {
    text.replace(' ', "+")
}

/// Sets the password with the code; gives the session's cookie.
async fn set_up(fixture: &Fixture, site: &Router) -> String {
    let code = fixture.access().folder().code_if_needed().unwrap().unwrap();
    // As people type it.
    let code = format!("{}-{}", code[..5].to_ascii_lowercase(), &code[5..]);
    let form = format!("code={code}&password={0}&again={0}", encoded(PASSWORD));
    let response = send(site, ELSEWHERE, post("/setup", &form)).await;
    assert_eq!((response.status(), header_of(&response, "location")), (StatusCode::SEE_OTHER, "/"));
    let cookie = header_of(&response, "set-cookie");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

/// The secret of a session's forms, out of a page.
async fn csrf_of(site: &Router, cookie: &str) -> String {
    let page = text(send(site, ELSEWHERE, with(get("/members"), &[("cookie", cookie)])).await).await;
    page.split_once("<meta name=\"csrf\" content=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

async fn log_in(site: &Router, password: &str, peer: &str) -> StatusCode {
    send(site, peer, post("/login", &format!("password={}", encoded(password)))).await.status()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_set_up_code_works_once_and_then_the_password_does() {
    let fixture = Fixture::new(false);
    let site = site(&fixture);
    let code = fixture.access().folder().code_if_needed().unwrap().unwrap();
    assert_eq!(log_in(&site, PASSWORD, ELSEWHERE).await, StatusCode::FORBIDDEN, "there is none yet");
    for (form, status) in [
        (format!("code={code}&password=short&again=short"), 422),
        (format!("code={code}&password=ten+letters+or+so&again=something+else"), 422),
        ("code=AAAAAAAAAA&password=ten+letters+or+so&again=ten+letters+or+so".to_owned(), 403),
        ("code=&password=ten+letters+or+so&again=ten+letters+or+so".to_owned(), 403),
    ] {
        assert_eq!(send(&site, ELSEWHERE, post("/setup", &form)).await.status(), status, "{form}");
    }
    let cookie = set_up(&fixture, &site).await;
    let members = |cookie: &str| with(get("/members"), &[("cookie", cookie)]);
    assert_eq!(send(&site, ELSEWHERE, members(&cookie)).await.status(), 200);
    let form = format!("code={code}&password={0}&again={0}", encoded("another password"));
    assert_eq!(send(&site, ELSEWHERE, post("/setup", &form)).await.status(), 403, "the code is used up");
    assert_eq!(send(&site, ELSEWHERE, get("/setup")).await.status(), 303, "to the login");
    assert_eq!(log_in(&site, "ten letters and mores", ELSEWHERE).await, StatusCode::FORBIDDEN);
    assert_eq!(log_in(&site, PASSWORD, ELSEWHERE).await, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_logging_out_and_by_a_new_password() {
    let fixture = Fixture::new(false);
    let site = site(&fixture);
    let cookie = set_up(&fixture, &site).await;
    let status =
        async |cookie: &str| send(&site, ELSEWHERE, with(get("/members"), &[("cookie", cookie)])).await.status();
    let csrf = csrf_of(&site, &cookie).await;
    let out = with(post("/logout", &format!("csrf={csrf}")), &[("cookie", &cookie)]);
    let response = send(&site, ELSEWHERE, out).await;
    assert!(header_of(&response, "set-cookie").contains("; Max-Age=0"), "the browser forgets it");
    assert_eq!(status(&cookie).await, 403, "and so does the server");

    let response = send(&site, ELSEWHERE, post("/login", &format!("password={}", encoded(PASSWORD)))).await;
    let again = header_of(&response, "set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(status(&again).await, 200);
    // As the command does it, in another process.
    fixture.access().folder().reset_password().unwrap();
    assert_eq!(status(&again).await, 403);
    assert_eq!(log_in(&site, PASSWORD, ELSEWHERE).await, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_sites_page_sends_is_refused() {
    let fixture = Fixture::new(true);
    let site = site(&fixture);
    let cookie = set_up(&fixture, &site).await;
    let csrf = csrf_of(&site, &cookie).await;
    let (lee, order) = (fixture.lee(), r#"{"order":"by_hand"}"#);
    let mine = || {
        let request = Request::builder().method("POST").uri("/api/v1/mining").header(header::HOST, "localhost:8080");
        request.header(header::CONTENT_TYPE, "application/json").body(Body::from(order)).unwrap()
    };
    let make = |form: &str| post(&format!("/members/{lee}/link"), form);
    let own = ("sec-fetch-site", "same-origin");
    let secret = format!("csrf={csrf}");
    let other = format!("csrf={}", "0".repeat(csrf.len()));
    for (what, request, headers, status) in [
        ("our form", make(&secret), &[own][..], 200),
        ("our form in an old browser", make(&secret), &[("origin", "http://localhost:8080")], 200),
        ("a form without the secret", make(""), &[own], 403),
        ("a form with another secret", make(&other), &[own], 403),
        ("another site's form, even with it", make(&secret), &[("sec-fetch-site", "cross-site")], 403),
        ("another port's form", make(&secret), &[("sec-fetch-site", "same-site")], 403),
        ("another site's form in an old browser", make(&secret), &[("origin", "http://evil.example")], 403),
        ("a sandboxed page's form", make(&secret), &[("origin", "null")], 403),
        ("our script", mine(), &[own, ("x-csrf-token", &csrf)], 200),
        ("a script without the secret", mine(), &[own], 403),
        ("another site's script", mine(), &[("sec-fetch-site", "cross-site"), ("x-csrf-token", &csrf)], 403),
        ("the secret in a body that is no form", with(make(&secret), &[("content-type", "text/plain")]), &[own], 403),
        ("too much", make(&format!("{secret}&x={}", "x".repeat(70_000))), &[own], 413),
        ("logging out from elsewhere", post("/logout", ""), &[("sec-fetch-site", "cross-site")], 403),
        (
            "a statement posted from anywhere is looked at",
            post("/api/v1/statements", ""),
            &[("sec-fetch-site", "cross-site")],
            415,
        ),
    ] {
        let request = with(with(request, headers), &[("cookie", &cookie)]);
        assert_eq!(send(&site, ELSEWHERE, request).await.status().as_u16(), status, "{what}");
    }
    let login = post("/login", &format!("password={}", encoded(PASSWORD)));
    let login = with(login, &[("sec-fetch-site", "cross-site")]);
    assert_eq!(send(&site, ELSEWHERE, login).await.status(), 403, "nobody is logged in by another site");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down_for_the_guesser_and_not_for_who_sits_there() {
    let fixture = Fixture::new(false);
    let site = site(&fixture);
    set_up(&fixture, &site).await;
    for _ in 0..5 {
        assert_eq!(log_in(&site, "a wrong password", ELSEWHERE).await, StatusCode::FORBIDDEN);
    }
    let response = send(&site, ELSEWHERE, post("/login", &format!("password={}", encoded(PASSWORD)))).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS, "even the right one");
    assert!(header_of(&response, "retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(log_in(&site, PASSWORD, "192.168.1.10:50000").await, StatusCode::SEE_OTHER);
    assert_eq!(log_in(&site, PASSWORD, HERE).await, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_too_large_is_refused() {
    let fixture = Fixture::new(false);
    let form = format!("password={}", "x".repeat(9_000));
    assert_eq!(send(&site(&fixture), ELSEWHERE, post("/login", &form)).await.status(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_tls_the_cookie_is_for_this_host_and_encrypted_connections_alone() {
    let fixture = Fixture::new(false);
    let site = site(&fixture);
    set_up(&fixture, &site).await;
    let mut login = post("/login", &format!("password={}", encoded(PASSWORD)));
    login.extensions_mut().insert(crate::web::access::Scheme::Https);
    let response = send(&site, ELSEWHERE, login).await;
    let cookie = header_of(&response, "set-cookie");
    assert!(cookie.starts_with("__Host-wattproof_test_") && cookie.ends_with("; SameSite=Lax; Secure"), "{cookie}");
}
