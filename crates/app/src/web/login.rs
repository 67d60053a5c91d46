//! `/login`, `/setup` and `/logout`: how the operator comes and goes.

use super::access::{Access, From, Guarded, LoginError};
use super::failure::Failure;
use super::frame::{Frame, Reader, Section};
use super::i18n::Texts;
use super::pages::render;
use askama::Template;
use axum::Extension;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

/// Where the operator logs in.
pub(crate) const LOGIN: &str = "/login";
/// Where the operator's password is set, once.
pub(crate) const SETUP: &str = "/setup";
/// Where a session ends.
pub(crate) const LOGOUT: &str = "/logout";

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    t: Texts,
    next: String,
    has_password: bool,
    refused: Option<String>,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    frame: Frame,
    t: Texts,
    file: Option<String>,
    refused: Option<String>,
}

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Next {
    #[serde(default)]
    next: String,
}

/// What the form says.
#[derive(Deserialize)]
pub(crate) struct LoginForm {
    password: String,
    #[serde(default)]
    next: String,
}

/// What the form says.
#[derive(Deserialize)]
pub(crate) struct SetupForm {
    code: String,
    password: String,
    again: String,
}

/// An address of this site's, and the overview for anything else: a link must not send whoever logs in elsewhere.
fn own_address(next: &str) -> &str {
    let is_own = next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own { next } else { "/" }
}

/// Goes on, as somebody else than before.
fn go_on(to: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    let mut response = Redirect::to(to).into_response();
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Why somebody is not logged in, as a status and a sentence.
fn told(t: Texts, error: &LoginError) -> (StatusCode, String) {
    match error {
        LoginError::Wrong => (StatusCode::FORBIDDEN, t.get("login-wrong")),
        LoginError::Wait(wait) => {
            let seconds = wait.as_secs().max(1).to_string();
            (StatusCode::TOO_MANY_REQUESTS, t.arg("login-wait", "seconds", seconds))
        }
        LoginError::Password => (StatusCode::UNPROCESSABLE_ENTITY, t.get("login-password-rule")),
        LoginError::Access(_) | LoginError::Hash(_) => {
            let failure = Failure::internal(error);
            (failure.status(), failure.0.detail.clone())
        }
    }
}

/// A refusal's page, and how long to wait where that is the reason (RFC 9110 10.2.3).
fn refused(page: &impl Template, status: StatusCode, error: &LoginError) -> Response {
    let mut response = render(page, status);
    if let LoginError::Wait(wait) = error {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}

async fn login_form<S: Guarded>(site: &S, access: &Access, reader: &Reader, next: &str) -> Result<LoginPage, Failure> {
    let facts = site.facts(None).await?;
    let t = reader.texts();
    let has_password = access.has_password().map_err(|error| Failure::internal(&error))?;
    Ok(LoginPage {
        frame: Frame::new(reader, Section::Nowhere, &facts.community, t.get("login-title")),
        t,
        next: own_address(next).to_owned(),
        has_password,
        refused: None,
    })
}

/// `GET /login`.
pub(crate) async fn login_page<S: Guarded>(
    State(site): State<S>,
    Extension(access): Extension<Access>,
    reader: Reader,
    Query(Next { next }): Query<Next>,
) -> Result<Response, Failure> {
    Ok(render(&login_form(&site, &access, &reader, &next).await?, StatusCode::OK))
}

/// `POST /login`.
pub(crate) async fn login<S: Guarded>(
    State(site): State<S>,
    Extension(access): Extension<Access>,
    reader: Reader,
    from: From,
    Form(form): Form<LoginForm>,
) -> Result<Response, Failure> {
    match access.log_in(form.password, from).await {
        Ok(cookie) => Ok(go_on(own_address(&form.next), [cookie])),
        Err(error) => {
            let (status, reason) = told(reader.texts(), &error);
            let page = login_form(&site, &access, &reader, &form.next).await?;
            Ok(refused(&LoginPage { refused: Some(reason), ..page }, status, &error))
        }
    }
}

async fn setup_form<S: Guarded>(site: &S, access: &Access, reader: &Reader) -> Result<SetupPage, Failure> {
    let facts = site.facts(None).await?;
    let t = reader.texts();
    Ok(SetupPage {
        frame: Frame::new(reader, Section::Nowhere, &facts.community, t.get("setup-title")),
        t,
        file: reader.caller.is_here().then(|| access.folder().setup_code_path().display().to_string()),
        refused: None,
    })
}

/// `GET /setup`; once there is a password, it is where one logs in.
pub(crate) async fn setup_page<S: Guarded>(
    State(site): State<S>,
    Extension(access): Extension<Access>,
    reader: Reader,
) -> Result<Response, Failure> {
    if access.has_password().map_err(|error| Failure::internal(&error))? {
        return Ok(Redirect::to(LOGIN).into_response());
    }
    Ok(render(&setup_form(&site, &access, &reader).await?, StatusCode::OK))
}

/// `POST /setup`.
pub(crate) async fn setup<S: Guarded>(
    State(site): State<S>,
    Extension(access): Extension<Access>,
    reader: Reader,
    from: From,
    Form(form): Form<SetupForm>,
) -> Result<Response, Failure> {
    let page = setup_form(&site, &access, &reader).await?;
    if form.password != form.again {
        let reason = reader.texts().get("setup-differs");
        return Ok(render(&SetupPage { refused: Some(reason), ..page }, StatusCode::UNPROCESSABLE_ENTITY));
    }
    match access.set_up(&form.code, form.password, from).await {
        Ok(cookie) => Ok(go_on("/", [cookie])),
        Err(error) => {
            let (status, reason) = told(reader.texts(), &error);
            Ok(refused(&SetupPage { refused: Some(reason), ..page }, status, &error))
        }
    }
}

/// `POST /logout`: the session ends, and this browser forgets a member's link.
pub(crate) async fn logout(Extension(access): Extension<Access>, from: From, headers: HeaderMap) -> Response {
    go_on("/", access.log_out(&headers, from.scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_this_site_is_gone_to() {
        for (next, to) in [
            ("/loads?order=1#journal", "/loads?order=1#journal"),
            ("", "/"),
            ("https://evil.example/", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/a\r\nset-cookie: x", "/"),
            ("javascript:alert(1)", "/"),
        ] {
            assert_eq!(own_address(next), to, "{next:?}");
        }
    }
}
