//! Questions and answers of nodes as HTTP: what is asked where, how much may come back, how long it may take, and what is
//! made of it. No socket is here, and nothing in an answer is believed: only its form is read.

use api::{PeerHead, PeerIdentity, PeerNews, path};
use consensus::peer::{Answer, Ask, Failed, HEADERS_MAX, Head, POOL_IDS_MAX};
use ledger::{Block, Header, SignedStatement};
use std::time::Duration;
use units::{LedgerId, StatementId};

/// Largest JSON about a chain's end: a checkpoint of 1 kB and some numbers.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Largest JSON of ids: each takes 67 bytes with quotes and comma.
const IDS_BYTES_MAX: usize = POOL_IDS_MAX * 72 + 64;
/// What the envelope of a submission adds to a statement and its attachment, by far.
const ENVELOPE_BYTES: usize = 64 << 10;
/// Largest submission form.
const SUBMISSION_BYTES_MAX: usize = SignedStatement::BYTES_MAX + SignedStatement::ATTACHMENT_BYTES_MAX + ENVELOPE_BYTES;
/// Largest answer with news: as many ids as a pool tells, and a head.
pub(super) const NEWS_BYTES_MAX: usize = IDS_BYTES_MAX + HEAD_BYTES_MAX;
/// Short answers come within milliseconds; a loaded computer on a slow line has them within this.
pub(super) const SHORT_WITHIN: Duration = Duration::from_secs(8);
/// Blocks and attachments: 8 MB over a line of 2 Mbit/s.
const LONG_WITHIN: Duration = Duration::from_secs(40);

/// A question as a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// Path and query.
    pub(super) path: String,
    /// Bytes of the longest answer that a node gives to it.
    pub(super) bytes_max: usize,
    /// How long the whole answer may take.
    pub(super) within: Duration,
    /// Whether the answer may be kept to members, so that a node says who it is.
    pub(super) is_private: bool,
}

/// What is asked where.
pub(super) fn question(ask: &Ask) -> Question {
    let (path, bytes_max, within) = match ask {
        Ask::Head => (path::PEER_HEAD.to_owned(), HEAD_BYTES_MAX, SHORT_WITHIN),
        Ask::Headers { locator } => (path::peer_headers(locator), HEADERS_MAX * Header::BYTES, SHORT_WITHIN),
        Ask::Block(hash) => (path::peer_block(hash), Block::BYTES_MAX, LONG_WITHIN),
        Ask::Attachment(id) => (path::attachment(id), SignedStatement::ATTACHMENT_BYTES_MAX, LONG_WITHIN),
        Ask::Pool => (path::PEER_POOL.to_owned(), IDS_BYTES_MAX, SHORT_WITHIN),
        Ask::Waiting(id) => (path::peer_waiting(id), SUBMISSION_BYTES_MAX, LONG_WITHIN),
    };
    let is_private = matches!(ask, Ask::Attachment(_) | Ask::Waiting(_));
    Question { path, bytes_max, within, is_private }
}

/// What an answer's status says before its body is looked at; `None` when the body is what was asked for.
pub(super) fn of_status(status: u16) -> Option<Answer> {
    match status {
        200 => None,
        // What it keeps to its members it does not have for this node.
        403 | 404 => Some(Answer::Missing),
        429 | 500.. => Some(Answer::Failed(Failed::Busy)),
        _ => Some(Answer::Failed(Failed::Malformed(format!("status {status}")))),
    }
}

/// What is made of an answer.
pub(super) fn answer(ask: &Ask, ledger: LedgerId, status: u16, body: Vec<u8>) -> Answer {
    if let Some(answer) = of_status(status) {
        return answer;
    }
    let read = match ask {
        Ask::Head => {
            serde_json::from_slice(&body).map_err(malformed).and_then(|told| head(told, ledger)).map(Answer::Head)
        }
        Ask::Headers { .. } => headers(&body).map(Answer::Headers),
        Ask::Block(_) => Ok(Answer::Block(body)),
        Ask::Attachment(_) => Ok(Answer::Attachment(body)),
        Ask::Pool => ids(&body).map(Answer::Pool),
        Ask::Waiting(_) => Ok(Answer::Waiting(body)),
    };
    read.unwrap_or_else(Answer::Failed)
}

/// What a refusal says (RFC 9457).
pub(super) fn detail(body: &[u8]) -> String {
    let problem: Option<api::Problem> = serde_json::from_slice(body).ok();
    problem.map_or_else(|| "it gives no reason".to_owned(), |problem| problem.detail)
}

fn malformed(error: impl std::fmt::Display) -> Failed {
    Failed::Malformed(error.to_string())
}

/// A chain's end, if it is one of this ledger.
pub(super) fn head(told: PeerHead, ledger: LedgerId) -> Result<Head, Failed> {
    if told.ledger != ledger {
        return Err(Failed::OtherLedger(told.ledger.to_string()));
    }
    Ok(Head { height: told.height, hash: told.hash, anchor: told.checkpoint })
}

/// News, of whatever ledger.
pub(super) fn news(status: u16, body: &[u8]) -> Result<PeerNews, Failed> {
    match of_status(status) {
        None => {}
        Some(Answer::Failed(failed)) => return Err(failed),
        Some(_) => return Err(Failed::Malformed(format!("status {status}"))),
    }
    let news: PeerNews = serde_json::from_slice(body).map_err(malformed)?;
    if news.statements.len() > POOL_IDS_MAX {
        return Err(Failed::Malformed(format!("{} statements in one answer", news.statements.len())));
    }
    // Both go into the next request's address.
    let is_plain =
        |text: &str| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_plain(&news.next) && is_plain(&news.instance) {
        Ok(news)
    } else {
        Err(Failed::Malformed("a mark that no node gives".to_owned()))
    }
}

/// Who a node says that it is; `None` from one that does not say.
pub(super) fn identity(status: u16, body: &[u8]) -> Option<PeerIdentity> {
    if status == 200 { serde_json::from_slice(body).ok() } else { None }
}

fn headers(body: &[u8]) -> Result<Vec<Header>, Failed> {
    let (headers, rest) = body.as_chunks::<{ Header::BYTES }>();
    if !rest.is_empty() {
        let whole = Header::BYTES;
        return Err(Failed::Malformed(format!("{} bytes are no headers of {whole} bytes each", body.len())));
    }
    Ok(headers.iter().map(Header::from_bytes).collect())
}

fn ids(body: &[u8]) -> Result<Vec<StatementId>, Failed> {
    let ids: Vec<StatementId> = serde_json::from_slice(body).map_err(malformed)?;
    if ids.len() > POOL_IDS_MAX {
        return Err(Failed::Malformed(format!("{} ids in one answer", ids.len())));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::{BlockHash, Height};

    const LEDGER: LedgerId = LedgerId::from_bytes([1; 32]);

    fn head_json(ledger: LedgerId) -> Vec<u8> {
        let hash = BlockHash::from_bytes([2; 32]);
        let head = PeerHead { ledger, height: Height::from_number(7), hash, checkpoint: None };
        serde_json::to_vec(&head).unwrap()
    }

    #[test]
    fn each_question_has_its_path_and_a_bound() {
        let (hash, id) = (BlockHash::from_bytes([0xab; 32]), StatementId::from_bytes([0xcd; 32]));
        let (ab, cd) = ("ab".repeat(32), "cd".repeat(32));
        for (ask, path, bytes_max) in [
            (Ask::Head, "/api/v1/peer/head".to_owned(), 8_192),
            (Ask::Headers { locator: vec![hash, hash] }, format!("/api/v1/peer/headers?after={ab},{ab}"), 108_544),
            (Ask::Block(hash), format!("/api/v1/peer/blocks/{ab}"), 8 << 20),
            (Ask::Attachment(id), format!("/api/v1/statements/{cd}/attachment"), 1 << 20),
            (Ask::Pool, "/api/v1/peer/pool".to_owned(), 147_520),
            (Ask::Waiting(id), format!("/api/v1/peer/pool/{cd}"), 65_535 + (1 << 20) + 65_536),
        ] {
            let question = question(&ask);
            assert_eq!((question.path, question.bytes_max), (path, bytes_max), "{ask:?}");
        }
    }

    #[test]
    fn what_comes_back_is_read_by_its_form() {
        let (head, foreign) = (head_json(LEDGER), head_json(LedgerId::from_bytes([9; 32])));
        let block = Ask::Block(BlockHash::from_bytes([2; 32]));
        let headers = Ask::Headers { locator: Vec::new() };
        for (ask, status, body, told) in [
            (&Ask::Head, 200, head, "Head(Head { height: 7"),
            (&Ask::Head, 200, foreign, "Failed(OtherLedger(\"0909"),
            (&Ask::Head, 200, b"<html>".to_vec(), "Failed(Malformed"),
            (&Ask::Head, 301, Vec::new(), "Failed(Malformed(\"status 301\"))"),
            (&headers, 200, Vec::new(), "Headers([])"),
            (&headers, 200, vec![0; 211], "Failed(Malformed(\"211 bytes"),
            (&block, 200, vec![1], "Block([1])"),
            (&block, 404, b"{}".to_vec(), "Missing"),
            (&block, 403, Vec::new(), "Missing"),
            (&block, 503, Vec::new(), "Failed(Busy)"),
            (&Ask::Pool, 200, b"[]".to_vec(), "Pool([])"),
            (&Ask::Pool, 200, b"[\"12\"]".to_vec(), "Failed(Malformed"),
        ] {
            let found = format!("{:?}", answer(ask, LEDGER, status, body));
            let found = found.replace("Height(7)", "7");
            assert!(found.starts_with(told), "{ask:?} {status}: {found}");
        }
    }

    #[test]
    fn news_whose_marks_would_change_the_next_address_are_none() {
        let news = |next: &str| PeerNews {
            next: next.to_owned(),
            instance: "a1".to_owned(),
            head: serde_json::from_slice(&head_json(LEDGER)).unwrap(),
            statements: Vec::new(),
        };
        for (next, is_read) in [("5", true), ("a-5", true), ("5&instance=x", false), ("../x", false)] {
            let body = serde_json::to_vec(&news(next)).unwrap();
            assert_eq!(super::news(200, &body).is_ok(), is_read, "{next}");
        }
        assert!(super::news(404, b"{}").is_err());
    }
}
