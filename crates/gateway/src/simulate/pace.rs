//! Bytes at their time. A thread of its own waits for them, because a timer that counts in milliseconds would be late by
//! one for every answer, and a character at 9600 baud takes hardly more.

use meter::Arrival;
use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Instant;
use tokio::sync::mpsc;

/// Answers handed over and not yet taken up: the thread takes them up at once.
const ANSWERS_MAX: usize = 64;
/// Bytes that wait for their time: a minute of a line at 9600 baud. A master that floods the line loses what is beyond.
const BYTES_WAITING_MAX: usize = 64 << 10;
/// Pieces that wait for the port; the thread then waits too.
const PIECES_MAX: usize = 16;

/// Hands bytes out when they are due; its thread ends when it is dropped.
#[derive(Debug)]
pub(super) struct Pacer(SyncSender<Vec<(Instant, u8)>>);

impl Pacer {
    /// The pacer, and where its bytes come out.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start() -> io::Result<(Self, mpsc::Receiver<Vec<u8>>)> {
        let (answer_to, answers) = sync_channel(ANSWERS_MAX);
        let (piece_to, pieces) = mpsc::channel(PIECES_MAX);
        std::thread::Builder::new().name("line".to_owned()).spawn(move || pace(&answers, &piece_to))?;
        Ok((Self(answer_to), pieces))
    }

    /// Bytes to come out so long after `from`.
    pub(super) fn send(&self, from: Instant, arrivals: &[Arrival]) {
        if !arrivals.is_empty() {
            // More than the thread can take up is a flood, of which nobody will miss anything.
            let _flood = self.0.try_send(arrivals.iter().map(|arrival| (from + arrival.after, arrival.byte)).collect());
        }
    }
}

fn pace(answers: &Receiver<Vec<(Instant, u8)>>, pieces: &mpsc::Sender<Vec<u8>>) {
    let mut waiting: BTreeMap<(Instant, u64), u8> = BTreeMap::new();
    let mut count = 0;
    loop {
        let taken = match waiting.first_key_value() {
            Some(((at, _), _)) => answers.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => answers.recv().map_err(RecvTimeoutError::from),
        };
        match taken {
            Ok(bytes) => {
                for (at, byte) in bytes.into_iter().take(BYTES_WAITING_MAX - waiting.len()) {
                    count += 1;
                    waiting.insert((at, count), byte);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let later = waiting.split_off(&(Instant::now(), u64::MAX));
        let due: Vec<u8> = std::mem::replace(&mut waiting, later).into_values().collect();
        if !due.is_empty() && pieces.blocking_send(due).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn bytes_come_out_in_order_of_their_times_and_never_before() {
        let (pacer, mut pieces) = Pacer::start().unwrap();
        let start = Instant::now();
        let arrival = |ms, byte| Arrival { after: Duration::from_millis(ms), byte };
        pacer.send(start, &[arrival(30, 1), arrival(40, 2), arrival(120, 5)]);
        pacer.send(start, &[arrival(35, 3), arrival(60, 4)]);
        let mut heard = Vec::new();
        while heard.len() < 5 {
            let piece = pieces.blocking_recv().unwrap();
            heard.extend(piece);
            let due = [0, 30, 35, 40, 60, 120][heard.len()];
            assert!(start.elapsed() >= Duration::from_millis(due), "{heard:?} after {:?}", start.elapsed());
        }
        assert_eq!(heard, [1, 3, 2, 4, 5]);
        drop(pacer);
        assert_eq!(pieces.blocking_recv(), None, "the thread has ended");
    }
}
