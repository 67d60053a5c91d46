//! Single signed statements: how fast they become durable blocks, whether that depends on how many there are already,
//! and how fast a node with all of them starts.

use super::chain::{Chain, MEMBERS, key, month};
use super::table::Figure;
use super::{BenchError, Work, cores, limit, timed};
use ledger::act::{Act, Transfer};
use std::path::Path;
use std::time::Duration;
use units::{Energy, Timestamp};

/// Statements of a round: posted together, committed in as many blocks as the node makes of them.
const ROUND: u64 = 16_384;
/// Statements that one client hands over together.
const TOGETHER: usize = 256;
/// Statements committed in all, so that a start has something to read.
const STATEMENTS: u64 = 4 * ROUND;
/// The same for `--long`: the number that the aim for a start names.
const STATEMENTS_LONG: u64 = 62 * ROUND;
/// Numbers of committed statements at which the rate is looked at.
const MARKS: [u64; 3] = [ROUND, STATEMENTS, STATEMENTS_LONG];

pub(super) fn figures(time: Duration, long: bool, folder: &Path) -> Result<Vec<Figure>, BenchError> {
    let mut chain = Chain::found(folder)?;
    let mut rounds: Vec<Work> = Vec::new();
    let (mut committed, mut total, mut bytes) = (0, Work::default(), 0);
    let mut verified = Work::default();
    while committed < if long { STATEMENTS_LONG } else { STATEMENTS } {
        let submissions = trades(&chain, committed)?;
        bytes = submissions.first().and_then(|group| group.first()).map_or(bytes, Vec::len);
        // Figure and limit take turns, so that whatever else the machine does meets both.
        if rounds.len() < 4 {
            verified.add(limit::verifications(time / 4, bytes));
        }
        let work = timed(|| chain.commit(submissions).map(|()| ROUND))?;
        total.add(work);
        rounds.push(work);
        committed += ROUND;
    }
    drop(chain);
    let mut figures = vec![
        Figure::rate("single statements, to durable block", "/s", total.per_second(), ">= 0.70")
            .against("verify_strict alone, all cores", verified.per_second()),
    ];
    let first = rate_at(&rounds, ROUND);
    for mark in MARKS.into_iter().filter(|mark| *mark <= committed) {
        let name = format!("single statements, with {mark} committed");
        figures
            .push(Figure::rate(name, "/s", rate_at(&rounds, mark), "does not fall").against("the first round", first));
    }
    figures.push(start_up(folder)?);
    Ok(figures)
}

/// The rate of the round that ends at a mark.
fn rate_at(rounds: &[Work], mark: u64) -> f64 {
    let number = usize::try_from(mark / ROUND).ok().and_then(|number| number.checked_sub(1));
    number.and_then(|number| rounds.get(number)).map_or(0.0, |round| round.per_second())
}

/// A trade between neighbours, signed; each number gives another.
pub(super) fn trade(chain: &Chain, nonce: u64) -> Result<Vec<u8>, BenchError> {
    let member = |number: u64| u8::try_from(number % u64::from(MEMBERS)).map(key).map_err(BenchError::ledger);
    let (from, to) = (member(nonce)?, member(nonce + 1)?.account());
    let transfer = Transfer { to, energy: Energy::from_mwh(1), month: month()? };
    Ok(chain.sign(vec![Act::Transfer(transfer)], nonce, &from)?.to_submission(None))
}

/// A round's trades between neighbours, signed on all cores.
fn trades(chain: &Chain, first: u64) -> Result<Vec<Vec<Vec<u8>>>, BenchError> {
    let share = ROUND.div_ceil(cores());
    let signed: Vec<Result<Vec<Vec<u8>>, BenchError>> = std::thread::scope(|scope| {
        let signer = |core: u64| {
            let nonces = first + core * share..(first + (core + 1) * share).min(first + ROUND);
            scope.spawn(move || nonces.map(|nonce| trade(chain, nonce)).collect())
        };
        let signers: Vec<_> = (0..cores()).map(signer).collect();
        let broke = |_| Err(BenchError::Ledger("a signer broke".to_owned()));
        signers.into_iter().map(|signer| signer.join().unwrap_or_else(broke)).collect()
    });
    let signed = signed.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    Ok(signed.chunks(TOGETHER).map(<[_]>::to_vec).collect())
}

fn start_up(folder: &Path) -> Result<Figure, BenchError> {
    let started = timed(|| Chain::start(folder, Timestamp::default()).map(|chain| chain.committed()))?;
    let read = timed(|| -> std::io::Result<u64> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(folder)? {
            bytes += u64::try_from(std::fs::read(entry?.path())?.len()).unwrap_or_default();
        }
        Ok(bytes)
    })?;
    let name = format!("start-up with {} statements", started.count);
    let seconds = started.time.as_secs_f64();
    Ok(Figure::size(name, "s", seconds, "seconds, not minutes").against("reading the files", read.time.as_secs_f64()))
}
