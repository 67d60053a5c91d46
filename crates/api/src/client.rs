//! A typed client: builds requests and reads answers. Who carries them is the [`Transport`].

use crate::{
    AccountSummary, AccountView, BillView, BlockDetail, BlockSummary, ClaimView, FindingsView, LoadOrder, LoadReset,
    LoadsView, MEDIA_COSE, MEDIA_JSON, MeterView, OpenOffer, OrderTaken, Page, PeerView, PoolView, Problem, ReadingRow,
    SheetView, StatementView, Status, SubmitAnswer, Switching, path,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use units::{AccountId, MeterId, Month, StatementId, Timestamp};

/// How a request asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads; safe to repeat.
    Get,
    /// Submits; safe to repeat too, since a statement's id or an order's key makes it idempotent.
    Post,
}

/// A request, relative to the node's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Media type of the body; `None` without one.
    pub content_type: Option<&'static str>,
    /// Media type wanted.
    pub accept: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The body, of at most [`Response::BODY_BYTES_MAX`].
    pub body: Vec<u8>,
}

impl Response {
    /// Largest answer that a transport reads: a block of the largest size as JSON.
    pub const BODY_BYTES_MAX: usize = 64 << 20;
}

/// The node could not be asked. Trying again later is safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(
    /// What went wrong, with the address.
    pub String,
);

/// Carries a request to a node and its answer back. It follows no redirects, repeats nothing, ends within a time limit of
/// its own, and gives every answer as it is, errors of the node included.
pub trait Transport {
    /// Sends one request.
    ///
    /// # Errors
    /// When no whole answer came back; whether the node has seen the request is then unknown.
    fn send(&self, request: Request) -> Result<Response, TransportError>;
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// The node could not be asked; trying again later is safe.
    #[error("the node does not answer: {0}")]
    Transport(#[from] TransportError),
    /// The node refused.
    #[error("{} ({})", .0.detail, .0.name())]
    Problem(Box<Problem>),
    /// The answer is not of the contract: another version, or no node.
    #[error("the answer (status {status}) is not of this contract; is it a node of this version? {reason}")]
    Answer {
        /// HTTP status.
        status: u16,
        /// What was wrong with it.
        reason: String,
    },
}

/// A node's contract, typed.
#[derive(Debug, Clone)]
pub struct Client<T> {
    transport: T,
}

impl<T: Transport> Client<T> {
    /// Over a transport.
    pub const fn new(transport: T) -> Self {
        Self { transport }
    }

    fn call(&self, request: Request) -> Result<Vec<u8>, ClientError> {
        let Response { status, body } = self.transport.send(request)?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        Err(match serde_json::from_slice(&body) {
            Ok(problem) => ClientError::Problem(Box::new(problem)),
            Err(error) => ClientError::Answer { status, reason: error.to_string() },
        })
    }

    fn get_bytes(&self, path: String, accept: &'static str) -> Result<Vec<u8>, ClientError> {
        self.call(Request { method: Method::Get, path, content_type: None, accept, body: Vec::new() })
    }

    fn get<A: DeserializeOwned>(&self, path: String) -> Result<A, ClientError> {
        read(&self.get_bytes(path, MEDIA_JSON)?)
    }

    fn post<A: DeserializeOwned>(&self, path: String, body: &impl Serialize) -> Result<A, ClientError> {
        // The contract's types have no maps with other keys than text, the only thing that JSON refuses.
        let body = serde_json::to_vec(body).unwrap_or_default();
        let request = Request { method: Method::Post, path, content_type: Some(MEDIA_JSON), accept: MEDIA_JSON, body };
        read(&self.call(request)?)
    }

    fn page<A: DeserializeOwned>(&self, path: &str, cursor: Option<&str>, limit: u32) -> Result<Page<A>, ClientError> {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        self.get(format!("{path}?limit={limit}{cursor}"))
    }

    /// Where the ledger and the node stand.
    ///
    /// # Errors
    /// [`ClientError`]; so for all methods below.
    pub fn status(&self) -> Result<Status, ClientError> {
        self.get(path::STATUS.to_owned())
    }
    /// Submits a statement (its submission form). Safe to repeat.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn submit(&self, statement: Vec<u8>) -> Result<SubmitAnswer, ClientError> {
        let (method, path) = (Method::Post, path::STATEMENTS.to_owned());
        let request = Request { method, path, content_type: Some(MEDIA_COSE), accept: MEDIA_JSON, body: statement };
        read(&self.call(request)?)
    }
    /// A statement.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn statement(&self, id: &StatementId) -> Result<StatementView, ClientError> {
        self.get(path::statement(id))
    }
    /// A statement with its receipts.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn receipt(&self, id: &StatementId) -> Result<Vec<u8>, ClientError> {
        self.get_bytes(path::receipt(id), MEDIA_COSE)
    }
    /// A statement's attachment.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn attachment(&self, id: &StatementId) -> Result<Vec<u8>, ClientError> {
        self.get_bytes(path::attachment(id), "application/cbor")
    }
    /// All accounts.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn accounts(&self) -> Result<Vec<AccountSummary>, ClientError> {
        self.get(path::ACCOUNTS.to_owned())
    }
    /// An account.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn account(&self, id: &AccountId) -> Result<AccountView, ClientError> {
        self.get(path::account(id))
    }
    /// An account's month.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn month(&self, id: &AccountId, month: Month) -> Result<SheetView, ClientError> {
        self.get(path::month(id, month))
    }
    /// An account's bill of a closed month, as the ledger computes it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn bill(&self, id: &AccountId, month: Month) -> Result<BillView, ClientError> {
        self.get(path::bill(id, month))
    }
    /// An account's bill of a span whose ends are month starts, or when it moved in or out, as the ledger computes it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn bill_of_span(&self, id: &AccountId, from: Timestamp, until: Timestamp) -> Result<BillView, ClientError> {
        self.get(path::bill_of_span(id, from, until))
    }
    /// Blocks, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn blocks(&self, cursor: Option<&str>, limit: u32) -> Result<Page<BlockSummary>, ClientError> {
        self.page(path::BLOCKS, cursor, limit)
    }
    /// A block by height or hash.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn block(&self, block: &str) -> Result<BlockDetail, ClientError> {
        self.get(path::block(block))
    }
    /// All meters.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn meters(&self) -> Result<Vec<MeterView>, ClientError> {
        self.get(path::METERS.to_owned())
    }
    /// A meter and the head of its chain.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn meter(&self, meter: &MeterId) -> Result<MeterView, ClientError> {
        self.get(path::meter(meter))
    }
    /// Readings of a meter from a time (inclusive) until another (exclusive), oldest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn readings(
        &self,
        meter: &MeterId,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Page<ReadingRow>, ClientError> {
        let (from, until) = (from.ms(), until.ms());
        self.get(format!("{}?from={from}&until={until}&limit={limit}", path::readings(meter)))
    }
    /// The newest checkpoint, a signed note.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn checkpoint(&self) -> Result<String, ClientError> {
        let bytes = self.get_bytes(path::CHECKPOINT.to_owned(), "text/plain")?;
        String::from_utf8(bytes).map_err(|error| ClientError::Answer { status: 200, reason: error.to_string() })
    }
    /// Open offers, those that end first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn offers(&self, cursor: Option<&str>, limit: u32) -> Result<Page<OpenOffer>, ClientError> {
        self.page(path::OFFERS, cursor, limit)
    }
    /// Claims, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn claims(&self, cursor: Option<&str>, limit: u32) -> Result<Page<ClaimView>, ClientError> {
        self.page(path::CLAIMS, cursor, limit)
    }
    /// Loads, rules and buses of a gateway.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn loads(&self) -> Result<LoadsView, ClientError> {
        self.get(path::LOADS.to_owned())
    }
    /// Orders a load switched. With a key in the order it is safe to repeat.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn switch(&self, meter: &MeterId, order: &LoadOrder) -> Result<OrderTaken, ClientError> {
        self.post(path::load(meter), order)
    }
    /// Takes back the latches that hold a load off.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn reset_load(&self, meter: &MeterId, reset: &LoadReset) -> Result<OrderTaken, ClientError> {
        self.post(path::load_reset(meter), reset)
    }
    /// The journal of loads, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn switchings(&self, cursor: Option<&str>, limit: u32) -> Result<Page<Switching>, ClientError> {
        self.page(path::SWITCHINGS, cursor, limit)
    }
    /// A line of the journal of loads.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn switching(&self, number: u64) -> Result<Switching, ClientError> {
        self.get(path::switching(number))
    }
    /// The node's peers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn peers(&self) -> Result<Vec<PeerView>, ClientError> {
        Ok(self.get::<Page<PeerView>>(path::PEERS.to_owned())?.items)
    }
    /// What was found changed in what the node stores: the newest, at most `limit`.
    ///
    /// # Errors
    /// [`ClientError`]; it is told to the operator, and at the node's own computer.
    pub fn findings(&self, limit: usize) -> Result<FindingsView, ClientError> {
        self.get(format!("{}?limit={limit}", path::FINDINGS))
    }
    /// The genesis document's bytes; whether they are those of the ledger is the caller's to check.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn genesis(&self) -> Result<Vec<u8>, ClientError> {
        self.get_bytes(path::GENESIS.to_owned(), "application/cbor")
    }
    /// What waits for a block.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn pool(&self) -> Result<PoolView, ClientError> {
        self.get(path::POOL.to_owned())
    }
}

fn read<A: DeserializeOwned>(body: &[u8]) -> Result<A, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Answer { status: 200, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StatementState, SubmitState};
    use std::cell::RefCell;

    /// Answers everything with one response and keeps what was asked.
    struct Canned {
        answer: Result<Response, TransportError>,
        asked: RefCell<Vec<Request>>,
    }

    impl Transport for &Canned {
        fn send(&self, request: Request) -> Result<Response, TransportError> {
            self.asked.borrow_mut().push(request);
            self.answer.clone()
        }
    }

    fn canned(status: u16, body: &str) -> Canned {
        let body = body.as_bytes().to_vec();
        Canned { answer: Ok(Response { status, body }), asked: RefCell::default() }
    }

    #[test]
    fn a_submission_is_posted_as_cose_and_its_answer_read() {
        let id = StatementId::from_bytes([1; 32]);
        let node =
            canned(202, &format!(r#"{{"id":"{id}","state":"final","place":{{"height":3,"index":0,"log_index":9}}}}"#));
        let answer = Client::new(&node).submit(vec![0xd2]).unwrap();
        assert_eq!((answer.id, answer.state, answer.place.unwrap().log_index), (id, SubmitState::Final, 9));
        let asked = node.asked.borrow();
        assert_eq!((asked[0].method, asked[0].path.as_str()), (Method::Post, "/api/v1/statements"));
        assert_eq!((asked[0].content_type, asked[0].body.as_slice()), (Some("application/cose"), &[0xd2][..]));
    }

    #[test]
    fn each_method_asks_at_its_path() {
        let node = canned(200, "not json");
        let client = Client::new(&node);
        let (account, month) = (AccountId::from_bytes([7; 32]), "2026-07".parse().unwrap());
        let meter: MeterId = "M-1".parse().unwrap();
        assert!(client.month(&account, month).is_err() && client.blocks(Some("12"), 5).is_err());
        assert!(client.readings(&meter, Timestamp::from_ms(1), Timestamp::from_ms(2), 9).is_err());
        assert!(client.block("12").is_err() && client.pool().is_err());
        let asked: Vec<String> = node.asked.borrow().iter().map(|request| request.path.clone()).collect();
        let expected = [
            format!("/api/v1/accounts/{account}/months/2026-07"),
            "/api/v1/blocks?limit=5&cursor=12".to_owned(),
            "/api/v1/meters/M-1/readings?from=1&until=2&limit=9".to_owned(),
            "/api/v1/blocks/12".to_owned(),
            "/api/v1/pool".to_owned(),
        ];
        assert_eq!(asked, expected);
    }

    #[test]
    fn a_refusal_a_foreign_server_and_silence_are_told_apart() {
        let problem = Problem::new("energy_used_up", 422, "91.5 kWh are left");
        let refused = canned(422, &serde_json::to_string(&problem).unwrap());
        assert_eq!(Client::new(&refused).submit(Vec::new()), Err(ClientError::Problem(Box::new(problem))));
        let foreign = canned(404, "<html>");
        assert!(matches!(Client::new(&foreign).status(), Err(ClientError::Answer { status: 404, .. })));
        let silent = Canned { answer: Err(TransportError("refused".into())), asked: RefCell::default() };
        assert!(matches!(Client::new(&silent).status(), Err(ClientError::Transport(_))));
    }

    #[test]
    fn an_act_is_told_apart_by_its_name_and_reads_back() {
        let json = r#"{"act":"transfer","to":"ACCOUNT","energy_mwh":20000000,"month":"2026-07"}"#
            .replace("ACCOUNT", &AccountId::from_bytes([7; 32]).to_string());
        let act: crate::ActView = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&act).unwrap(), json);
        assert_eq!(serde_json::to_string(&StatementState::Pending).unwrap(), r#""pending""#);
    }
}
