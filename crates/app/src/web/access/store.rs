//! Who a request speaks for: a session, a token, or a member's link.

use super::folder::{AccessError, Folder};
use super::limiter::Limiter;
use super::links::Links;
use super::origin::{Scheme, peer_of};
use super::sessions::Sessions;
use super::token::{SecretHash, Token, hash_of, hex, is_same};
use super::{Caller, Origin, Who};
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use units::AccountId;

/// Fewest characters of a password (NIST SP 800-63B 3.1.1.2 asks for 8 beside a second factor, 15 alone; with the limit
/// on guesses, ten are beyond guessing).
pub(crate) const PASSWORD_CHARS_MIN: usize = 10;
/// Longest password, so that hashing it costs the same for all.
pub(crate) const PASSWORD_BYTES_MAX: usize = 512;
/// How long a browser keeps a member's link: as long as browsers keep anything (RFC 6265bis 5.5).
const LINK_KEPT_SECONDS: u32 = 400 * 24 * 3_600;

/// How access is decided.
#[derive(Debug)]
pub(crate) struct AccessSetup<'a> {
    /// The community's directory, or the gateway's.
    pub(crate) dir: &'a Path,
    /// Part of the cookies' names: two programs at one computer share a browser's cookies, whatever their ports.
    pub(crate) program: &'static str,
    /// One more token that does what the folder's does.
    pub(crate) token_file: Option<&'a Path>,
    /// Whether whoever sits at this computer is the operator, without a password: for a demonstration.
    pub(crate) operator_here: bool,
}

/// What decides who somebody is. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Access(Arc<Shared>);

struct Shared {
    folder: Folder,
    tokens: Vec<Token>,
    links: Links,
    cookie: String,
    sessions: Mutex<Sessions>,
    limiter: Mutex<Limiter>,
    /// One password at a time: each takes 19 MiB and some tenths of a second.
    hashing: Semaphore,
    operator_here: bool,
}

/// Why somebody is not logged in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// The password, or the code, is another.
    #[error("that is not right")]
    Wrong,
    /// There were too many attempts.
    #[error("too many attempts; wait {} s", .0.as_secs().max(1))]
    Wait(Duration),
    /// The new password is too short or too long.
    #[error("a password has {PASSWORD_CHARS_MIN} characters or more, and at most {PASSWORD_BYTES_MAX} bytes")]
    Password,
    /// What is kept cannot be read or written.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Hashing failed.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

/// Where an attempt to log in comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From {
    /// The address.
    pub(crate) address: Option<std::net::IpAddr>,
    /// Whether it is this computer.
    pub(crate) origin: Origin,
    /// Whether the connection is encrypted.
    pub(crate) scheme: Scheme,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one step, so what a panic elsewhere left is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Access {
    /// Over a directory's folder for access, which is made if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or a token is too short.
    pub(crate) fn open(setup: &AccessSetup<'_>) -> Result<Self, AccessError> {
        let folder = Folder::of(setup.dir)?;
        let damaged = |path: PathBuf| move |reason: String| AccessError::Damaged { path, reason };
        let own = folder.token()?;
        let too_short = || damaged(folder.token_path())("it holds no token; remove it and start again".to_owned());
        let own = Token::new(&own).ok_or_else(too_short)?;
        let cookie = format!("wattproof_{}_{}", setup.program, own.mark());
        let further = setup.token_file.map(|path| Token::read(path).map_err(damaged(path.to_owned()))).transpose()?;
        Ok(Self(Arc::new(Shared {
            links: Links::of(&folder),
            tokens: [Some(own), further].into_iter().flatten().collect(),
            cookie,
            sessions: Mutex::default(),
            limiter: Mutex::default(),
            hashing: Semaphore::new(1),
            operator_here: setup.operator_here,
            folder,
        })))
    }

    /// What is kept.
    pub(crate) fn folder(&self) -> &Folder {
        &self.0.folder
    }

    /// The members' links.
    pub(crate) fn links(&self) -> &Links {
        &self.0.links
    }

    /// Who a request speaks for.
    pub(crate) fn caller(&self, parts: &Parts) -> Caller {
        let nobody = Caller::nobody(parts);
        let token_path = nobody.is_here().then(|| self.0.folder.token_path());
        self.known(&parts.headers, Caller { token_path, ..nobody })
    }

    fn known(&self, headers: &HeaderMap, nobody: Caller) -> Caller {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(shown) = bearer.and_then(|value| value.strip_prefix("Bearer ")) {
            // A wrong token is nobody, whatever cookies come with it.
            let is_right = self.0.tokens.iter().any(|token| token.is(shown.trim()));
            return if is_right { Caller { who: Who::Operator, ..nobody } } else { nobody };
        }
        let found = |whose| cookie(headers, &self.cookie_name(nobody.scheme, whose)).map(str::to_owned);
        if let Some(cookie) = found("operator")
            && let Some(csrf) = self.session(&cookie)
        {
            return Caller { who: Who::Operator, csrf: Some(csrf), cookie: Some(cookie), ..nobody };
        }
        match found("member").and_then(|secret| Some((self.account_of_link(&secret)?, secret))) {
            Some((account, secret)) => Caller { who: Who::Member(account), cookie: Some(secret), ..nobody },
            None => nobody,
        }
    }

    fn session(&self, found: &str) -> Option<String> {
        let password = self.password_mark().ok()?;
        held(&self.0.sessions).find(Instant::now(), found, &password)
    }

    fn account_of_link(&self, secret: &str) -> Option<AccountId> {
        self.0.links.account_of(secret).unwrap_or_else(|error| {
            tracing::warn!(%error, "the members' links cannot be read; they open nothing");
            None
        })
    }

    /// Whether somebody still is who they were when they called.
    pub(crate) fn still_holds(&self, caller: &Caller) -> bool {
        let Some(cookie) = caller.cookie.as_deref() else { return true };
        match caller.who {
            Who::Member(account) => self.account_of_link(cookie) == Some(account),
            Who::Operator => {
                let password = self.password_mark().ok();
                password.is_some_and(|password| held(&self.0.sessions).is_open(Instant::now(), cookie, &password))
            }
            Who::Anyone => true,
        }
    }

    /// What a session remembers of the password that it was opened with.
    fn password_mark(&self) -> Result<SecretHash, AccessError> {
        Ok(hash_of(self.0.folder.password()?.as_deref().unwrap_or_default()))
    }

    /// Under TLS the browser itself holds that the cookie came from this host, encrypted (RFC 6265bis 4.1.3.2).
    fn cookie_name(&self, scheme: Scheme, whose: &str) -> String {
        let prefix = if scheme == Scheme::Https { "__Host-" } else { "" };
        format!("{prefix}{}_{whose}", self.0.cookie)
    }

    fn set_cookie(&self, scheme: Scheme, whose: &str, value: &str, kept: Option<u32>) -> HeaderValue {
        let secure = if scheme == Scheme::Https { "; Secure" } else { "" };
        let kept = kept.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let name = self.cookie_name(scheme, whose);
        let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{kept}{secure}");
        // Names and values are letters, digits, `_` and `-`.
        HeaderValue::from_str(&line).unwrap_or(HeaderValue::from_static(""))
    }

    /// The cookie by which a browser keeps a member's link.
    pub(crate) fn link_cookie(&self, scheme: Scheme, secret: &str) -> HeaderValue {
        self.set_cookie(scheme, "member", secret, Some(LINK_KEPT_SECONDS))
    }

    /// Ends the session of a request, and what makes the browser forget it and a member's link.
    pub(crate) fn log_out(&self, headers: &HeaderMap, scheme: Scheme) -> [HeaderValue; 2] {
        if let Some(found) = cookie(headers, &self.cookie_name(scheme, "operator")) {
            held(&self.0.sessions).close(found);
        }
        ["operator", "member"].map(|whose| self.set_cookie(scheme, whose, "", Some(0)))
    }

    /// Opens a session; gives the cookie.
    fn open_session(&self, scheme: Scheme) -> Result<(HeaderValue, String), AccessError> {
        let secret = hex(&super::folder::random::<32>()?);
        let csrf = hex(&super::folder::random::<32>()?);
        let password = self.password_mark()?;
        held(&self.0.sessions).open(Instant::now(), &secret, csrf.clone(), password);
        Ok((self.set_cookie(scheme, "operator", &secret, None), csrf))
    }

    /// Whether a password is set.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(crate) fn has_password(&self) -> Result<bool, AccessError> {
        Ok(self.0.folder.password()?.is_some())
    }

    /// Logs the operator in; gives the cookie.
    ///
    /// # Errors
    /// When the password is wrong, or it is too soon for another attempt.
    pub(crate) async fn log_in(&self, password: String, from: From) -> Result<HeaderValue, LoginError> {
        self.attempt(from)?;
        let hash = self.0.folder.password()?.ok_or(LoginError::Wrong)?;
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(LoginError::Wrong);
        }
        let is_right = self.hash(move || Argon2::default().verify_password(password.as_bytes(), hash.as_str()).is_ok());
        if !is_right.await? {
            return Err(LoginError::Wrong);
        }
        self.succeeded(from);
        Ok(self.open_session(from.scheme)?.0)
    }

    /// Sets the password by the set-up code, and logs the operator in; gives the cookie.
    ///
    /// # Errors
    /// When the code is wrong or used up, the password too short, or it is too soon for another attempt.
    pub(crate) async fn set_up(&self, code: &str, password: String, from: From) -> Result<HeaderValue, LoginError> {
        if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
            return Err(LoginError::Password);
        }
        self.attempt(from)?;
        let code: String = code.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
        let is_code = |own: String| is_same(&hash_of(&own), &hash_of(&code));
        if !self.0.folder.setup_code()?.is_some_and(is_code) {
            return Err(LoginError::Wrong);
        }
        let salt: [u8; 16] = super::folder::random()?;
        let hash = self.hash(move || {
            let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|error| LoginError::Hash(error.to_string()))
        });
        let hash = hash.await??;
        // Of two who have the code, one is first.
        if !self.0.folder.setup_code()?.is_some_and(is_code) {
            return Err(LoginError::Wrong);
        }
        self.0.folder.set_password(&hash)?;
        self.succeeded(from);
        Ok(self.open_session(from.scheme)?.0)
    }

    fn attempt(&self, from: From) -> Result<(), LoginError> {
        held(&self.0.limiter).attempt(Instant::now(), from.address, from.origin).map_err(LoginError::Wait)
    }

    fn succeeded(&self, from: From) {
        held(&self.0.limiter).succeeded(from.address, from.origin);
    }

    /// Runs what takes long on a thread that may, one at a time.
    async fn hash<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoginError> {
        let turn = self.0.hashing.acquire().await;
        let done = tokio::task::spawn_blocking(work).await.map_err(|error| LoginError::Hash(error.to_string()));
        drop(turn);
        done
    }
}

/// Says of every request whom it speaks for. In a demonstration, whoever opens a page at this computer is logged in.
pub(crate) async fn identify(State(access): State<Access>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut caller = access.caller(&parts);
    let is_page = parts.method == Method::GET && !super::guard::is_for_programs(parts.uri.path());
    let is_page = is_page && !parts.uri.path().starts_with("/assets/");
    // Whoever follows a personal link wants to be who it is for, also at a demonstration.
    let is_page = is_page && !parts.uri.path().starts_with(super::links::PATH);
    let mut cookie = None;
    if access.0.operator_here && caller.origin == Origin::Here && caller.who == Who::Anyone && is_page {
        match access.open_session(caller.scheme) {
            Ok((line, csrf)) => {
                caller = Caller { who: Who::Operator, csrf: Some(csrf), ..caller };
                cookie = Some(line);
            }
            Err(error) => tracing::warn!(%error, "no session could be opened"),
        }
    }
    let is_personal = caller.who != Who::Anyone && !parts.uri.path().starts_with("/assets/");
    parts.extensions.insert(caller);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if is_personal {
        // What one person saw is not kept for the next one at the same computer.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A cookie's value.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

impl<S: Sync> axum::extract::FromRequestParts<S> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let address = peer_of(parts).map(|peer| peer.ip());
        Ok(Self { address, origin: Origin::of_parts(parts), scheme: Scheme::of(parts) })
    }
}
