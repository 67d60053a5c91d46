//! Every path of the contract, once: the server's routes and the client's requests both come from here.

use units::{AccountId, BlockHash, MeterId, Month, StatementId, Timestamp};

/// `GET`: [`crate::Status`].
pub const STATUS: &str = "/api/v1/status";
/// `GET`: a [`crate::Page`] of [`crate::BlockSummary`], newest first.
pub const BLOCKS: &str = "/api/v1/blocks";
/// `GET`: [`crate::BlockDetail`], by height or hash.
pub const BLOCK: &str = "/api/v1/blocks/{block}";
/// `POST`: a statement as `application/cose`; answers [`crate::SubmitAnswer`].
pub const STATEMENTS: &str = "/api/v1/statements";
/// `GET`: [`crate::StatementView`].
pub const STATEMENT: &str = "/api/v1/statements/{id}";
/// `GET`: the transparent statement (RFC 9942) as `application/cose`.
pub const RECEIPT: &str = "/api/v1/statements/{id}/receipt";
/// `GET`: the attachment's bytes.
pub const ATTACHMENT: &str = "/api/v1/statements/{id}/attachment";
/// `GET`: all [`crate::AccountSummary`].
pub const ACCOUNTS: &str = "/api/v1/accounts";
/// `GET`: [`crate::AccountView`].
pub const ACCOUNT: &str = "/api/v1/accounts/{id}";
/// `GET`: [`crate::SheetView`].
pub const MONTH: &str = "/api/v1/accounts/{id}/months/{month}";
/// `GET`: [`crate::BillView`] of one closed month.
pub const BILL: &str = "/api/v1/accounts/{id}/months/{month}/bill";
/// `GET`: [`crate::BillView`] of a span, `from` and `until` in the query.
pub const BILL_OF_SPAN: &str = "/api/v1/accounts/{id}/bill";
/// `GET`: [`crate::PoolView`].
pub const POOL: &str = "/api/v1/pool";
/// `GET`: a [`crate::Page`] of [`crate::OpenOffer`], those that end first.
pub const OFFERS: &str = "/api/v1/offers";
/// `GET`: a [`crate::Page`] of [`crate::ClaimView`], newest first.
pub const CLAIMS: &str = "/api/v1/claims";
/// A month's losses between meters.
pub const LOSSES: &str = "/api/v1/losses";
/// `GET`: all [`crate::MeterView`].
pub const METERS: &str = "/api/v1/meters";
/// `GET`: [`crate::MeterView`].
pub const METER: &str = "/api/v1/meters/{meter}";
/// `GET`: a [`crate::Page`] of [`crate::ReadingRow`], oldest first.
pub const READINGS: &str = "/api/v1/meters/{meter}/readings";
/// `GET`: [`crate::CourseView`], `from` and `until` in the query.
pub const COURSE: &str = "/api/v1/meters/{meter}/course";
/// `GET`: [`crate::LoadsView`] of the gateway in the same program, or of a gateway that runs alone.
pub const LOADS: &str = "/api/v1/loads";
/// `POST`: a [`crate::LoadOrder`]; answers [`crate::OrderTaken`].
pub const LOAD: &str = "/api/v1/loads/{meter}";
/// `POST`: a [`crate::LoadReset`]; answers [`crate::OrderTaken`].
pub const LOAD_RESET: &str = "/api/v1/loads/{meter}/reset";
/// `GET`: a [`crate::Page`] of [`crate::Switching`], newest first.
pub const SWITCHINGS: &str = "/api/v1/switchings";
/// `GET`: [`crate::Switching`] by its number.
pub const SWITCHING: &str = "/api/v1/switchings/{number}";
/// `GET`: server-sent [`crate::Event`]s.
pub const EVENTS: &str = "/api/v1/events";
/// `GET`: the genesis document's bytes, as `application/cbor`; the ledger's id is their SHA-256.
pub const GENESIS: &str = "/api/v1/genesis";
/// `GET`: all [`crate::PeerView`], in one [`crate::Page`].
pub const PEERS: &str = "/api/v1/peers";
/// `GET`: [`crate::FindingsView`]; `limit` says how many, the newest of them.
pub const FINDINGS: &str = "/api/v1/findings";
/// `GET`: [`crate::PeerHead`].
pub const PEER_HEAD: &str = "/api/v1/peer/head";
/// `GET`: headers, each in its 212 bytes, one after the other; `after` names up to 64 block hashes, newest first.
pub const PEER_HEADERS: &str = "/api/v1/peer/headers";
/// `GET`: a block's wire form, by its hash.
pub const PEER_BLOCK: &str = "/api/v1/peer/blocks/{hash}";
/// `GET`: ids of the statements that wait for a block, oldest first.
pub const PEER_POOL: &str = "/api/v1/peer/pool";
/// `GET`: the submission form of a statement that waits, as `application/cose`.
pub const PEER_WAITING: &str = "/api/v1/peer/pool/{id}";
/// `GET`: [`crate::PeerNews`], as soon as there are any after `after`, or after some seconds.
pub const PEER_NEWS: &str = "/api/v1/peer/news";
/// `GET`: [`crate::PeerIdentity`] over the `challenge`, 64 hexadecimal digits.
pub const PEER_IDENTITY: &str = "/api/v1/peer/identity";
/// `GET`: the newest checkpoint, a C2SP signed note, as plain text.
pub const CHECKPOINT: &str = "/checkpoint";
/// `GET`: the contract itself.
pub const OPENAPI: &str = "/api/v1/openapi.json";

/// A path with its placeholder filled in; ids and months need no escaping.
fn fill(template: &str, name: &str, value: &str) -> String {
    template.replace(&format!("{{{name}}}"), value)
}

/// Path of a block by height or hash.
#[must_use]
pub fn block(block: &str) -> String {
    fill(BLOCK, "block", block)
}
/// Path of a load.
#[must_use]
pub fn load(meter: &MeterId) -> String {
    fill(LOAD, "meter", meter.as_str())
}
/// Path for a load's reset.
#[must_use]
pub fn load_reset(meter: &MeterId) -> String {
    fill(LOAD_RESET, "meter", meter.as_str())
}
/// Path of a line of the journal of loads.
#[must_use]
pub fn switching(number: u64) -> String {
    fill(SWITCHING, "number", &number.to_string())
}
/// Path of a statement.
#[must_use]
pub fn statement(id: &StatementId) -> String {
    fill(STATEMENT, "id", &id.to_string())
}
/// Path of a statement with its receipts.
#[must_use]
pub fn receipt(id: &StatementId) -> String {
    fill(RECEIPT, "id", &id.to_string())
}
/// Path of a statement's attachment.
#[must_use]
pub fn attachment(id: &StatementId) -> String {
    fill(ATTACHMENT, "id", &id.to_string())
}
/// Path of an account.
#[must_use]
pub fn account(id: &AccountId) -> String {
    fill(ACCOUNT, "id", &id.to_string())
}
/// Path of an account's month.
#[must_use]
pub fn month(id: &AccountId, month: Month) -> String {
    fill(&fill(MONTH, "id", &id.to_string()), "month", &month.to_string())
}
/// Path of an account's bill of a month.
#[must_use]
pub fn bill(id: &AccountId, month: Month) -> String {
    fill(&fill(BILL, "id", &id.to_string()), "month", &month.to_string())
}
/// Path of an account's bill of a span.
#[must_use]
pub fn bill_of_span(id: &AccountId, from: Timestamp, until: Timestamp) -> String {
    format!("{}?from={}&until={}", fill(BILL_OF_SPAN, "id", &id.to_string()), from.ms(), until.ms())
}
/// Path of a meter.
#[must_use]
pub fn meter(meter: &MeterId) -> String {
    fill(METER, "meter", meter.as_str())
}
/// Path of a meter's readings.
#[must_use]
pub fn readings(meter: &MeterId) -> String {
    fill(READINGS, "meter", meter.as_str())
}
/// Path of the headers after the first of these blocks that a node has, the newest first.
#[must_use]
pub fn peer_headers(after: &[BlockHash]) -> String {
    let after: Vec<String> = after.iter().map(ToString::to_string).collect();
    format!("{PEER_HEADERS}?after={}", after.join(","))
}
/// Path of a block's wire form.
#[must_use]
pub fn peer_block(hash: &BlockHash) -> String {
    fill(PEER_BLOCK, "hash", &hash.to_string())
}
/// Path of a statement that waits.
#[must_use]
pub fn peer_waiting(id: &StatementId) -> String {
    fill(PEER_WAITING, "id", &id.to_string())
}
/// Path of what happened since; `instance` names the asker's own run.
#[must_use]
pub fn peer_news(after: &str, instance: &str) -> String {
    format!("{PEER_NEWS}?after={after}&instance={instance}")
}
/// Path of a node's identity over a challenge.
#[must_use]
pub fn peer_identity(challenge: &str) -> String {
    format!("{PEER_IDENTITY}?challenge={challenge}")
}
