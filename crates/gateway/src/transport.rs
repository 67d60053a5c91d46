//! [`api::Transport`] over plain HTTP. TLS is a reverse proxy's, or comes with the node's own later.

use api::{Method, Request, Response, Transport, TransportError};
use std::fmt;
use std::time::Duration;
use ureq::Agent;

/// Longest time for a whole call: a node under load answers within it, and a hung one does not hold a delivery forever.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time until a connection stands.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A secret, which no message shows.
#[derive(Clone)]
struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Calls a node over HTTP.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    agent: Agent,
    base: String,
    token: Option<Token>,
}

impl HttpTransport {
    /// To a node's address, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { agent: agent(CALL_TIMEOUT), base: base.trim_end_matches('/').to_owned(), token: None }
    }

    /// With another longest time for a whole call, for somebody who waits for the answer.
    #[must_use]
    pub fn within(self, longest: Duration) -> Self {
        Self { agent: agent(longest), ..self }
    }

    /// With a bearer token (RFC 6750 2.1) for what a server lets only its holder do.
    #[must_use]
    pub fn with_token(self, token: Option<String>) -> Self {
        Self { token: token.map(Token), ..self }
    }

    fn bearer(&self) -> Option<String> {
        self.token.as_ref().map(|Token(token)| format!("Bearer {token}"))
    }

    fn failed(&self, error: &ureq::Error) -> TransportError {
        TransportError(format!("{}: {error}", self.base))
    }
}

/// Who calls, and for how long at most.
fn agent(longest: Duration) -> Agent {
    Agent::config_builder()
        // Errors of the node are answers, and their bodies say why.
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(longest))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .build()
        .new_agent()
}

impl Transport for HttpTransport {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let url = format!("{}{}", self.base, request.path);
        let answer = match request.method {
            Method::Get => {
                let call = self.agent.get(&url).header("accept", request.accept);
                self.bearer().into_iter().fold(call, |call, token| call.header("authorization", token)).call()
            }
            Method::Post => {
                let call = self.agent.post(&url).header("accept", request.accept);
                let call = self.bearer().into_iter().fold(call, |call, token| call.header("authorization", token));
                let call = request.content_type.into_iter().fold(call, |call, kind| call.header("content-type", kind));
                call.send(&request.body[..])
            }
        };
        let mut answer = answer.map_err(|error| self.failed(&error))?;
        let limit = u64::try_from(Response::BODY_BYTES_MAX).unwrap_or(u64::MAX);
        let body = answer.body_mut().with_config().limit(limit).read_to_vec().map_err(|error| self.failed(&error))?;
        Ok(Response { status: answer.status().as_u16(), body })
    }
}
