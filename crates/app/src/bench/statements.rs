//! Single signed statements: how fast they become durable blocks, whether that depends on how many there are already,
//! and how fast a node with all of them starts.

use super::chain::{Chain, MEMBERS, key, month};
use super::table::Figure;
use super::{BenchError, Work, limit, timed};
use ledger::act::{Act, Transfer};
use std::path::Path;
use std::time::Duration;
use units::Energy;

/// Statements of a block.
const BLOCK: u64 = 1_024;
/// Numbers of committed statements at which the rate is looked at.
const MARKS: [u64; 3] = [1_024, 10_240, 51_200];
/// The longest run, in times of a figure's time: the last mark may be left out on a slow machine.
const TIME_FACTOR: u32 = 20;
/// Blocks over which the rate at a mark is taken.
const WINDOW: usize = 4;

pub(super) fn figures(time: Duration, folder: &Path) -> Result<Vec<Figure>, BenchError> {
    let mut chain = Chain::found(folder)?;
    let mut blocks: Vec<Work> = Vec::new();
    let (mut committed, mut total, mut bytes) = (0, Work::default(), 0);
    while committed < MARKS[MARKS.len() - 1] && total.time < time * TIME_FACTOR {
        let submissions = trades(&chain, committed)?;
        bytes = submissions.first().map_or(0, Vec::len);
        let work = timed(|| chain.commit(&submissions).map(|()| BLOCK))?;
        total.add(work);
        blocks.push(work);
        committed += BLOCK;
    }
    drop(chain);
    let verified = limit::verifications(time, bytes).per_second();
    let mut figures = vec![
        Figure::rate("single statements, to durable block", "/s", total.per_second(), ">= 0.70")
            .against("verify_strict alone, all cores", verified),
    ];
    let first = rate_at(&blocks, MARKS[0]);
    for mark in MARKS.into_iter().filter(|mark| *mark <= committed) {
        let rate = rate_at(&blocks, mark);
        let name = format!("single statements, with {mark} committed");
        figures.push(Figure::rate(name, "/s", rate, "does not fall").against("the first block", first));
    }
    figures.push(start_up(folder)?);
    Ok(figures)
}

/// The rate over the blocks just before a mark.
fn rate_at(blocks: &[Work], mark: u64) -> f64 {
    let end = usize::try_from(mark / BLOCK).unwrap_or(usize::MAX).min(blocks.len());
    let mut window = Work::default();
    blocks[end.saturating_sub(WINDOW)..end].iter().for_each(|work| window.add(*work));
    window.per_second()
}

/// A block's worth of trades between neighbours.
fn trades(chain: &Chain, first: u64) -> Result<Vec<Vec<u8>>, BenchError> {
    let (members, month) = (u64::from(MEMBERS), month()?);
    let trade = |nonce: u64| {
        let member = |number: u64| u8::try_from(number % members).map(key).map_err(BenchError::ledger);
        let (from, to) = (member(nonce)?, member(nonce + 1)?.account());
        let transfer = Transfer { to, energy: Energy::from_mwh(1), month };
        Ok(chain.sign(vec![Act::Transfer(transfer)], nonce, &from)?.to_submission(None))
    };
    (first..first + BLOCK).map(trade).collect()
}

fn start_up(folder: &Path) -> Result<Figure, BenchError> {
    let started = timed(|| Chain::start(folder))?;
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
