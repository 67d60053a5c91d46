//! Pages over HTTP: what fifty readers wait for a page while blocks are made, beside a route that gives the same bytes and
//! does nothing else, asked by the same readers at the same time of the ledger's life.

use super::BenchError;
use super::chain::Chain;
use super::statements::trade;
use super::table::Figure;
use crate::web;
use crate::web::access::{Access, AccessSetup};
use crate::web::directory::Directory;
use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::oneshot::{Sender, channel};

/// A class, or a dormitory's corridor, each asking for the next page as soon as the last is there.
const READERS: usize = 50;
/// Statements that the ledger begins with, so that pages have something to show.
const FOUNDING: u64 = 100;
/// Statements that are committed meanwhile, and how often: twenty a second are the readings of eighteen thousand meters
/// with intervals of fifteen minutes.
const TOGETHER: u64 = 2;
const EVERY: Duration = Duration::from_millis(100);
/// Rounds in which page and bare route take turns, so that whatever else the machine does meets both.
const ROUNDS: u32 = 4;
/// What is asked for, and its name in the table.
const PAGES: [(&str, &str); 2] = [("/", "overview"), ("/chain", "blocks")];
/// An answer that takes longer is a fault.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const AIM: &str = "< 50 ms";

pub(super) fn figures(time: Duration, folder: &Path) -> Result<Vec<Figure>, BenchError> {
    let mut chain = Chain::found(folder)?;
    chain.commit(vec![(0..FOUNDING).map(|nonce| trade(&chain, nonce)).collect::<Result<_, _>>()?])?;
    let runtime = Runtime::new()?;
    let site = Site::of(&runtime, &chain, folder)?;
    let mut figures = Vec::new();
    for (number, (path, name)) in (1_u64..).zip(PAGES) {
        let page = Reader::connect(site.address)?.ask(path)?;
        let kilobytes = page.len() as f64 / 1e3;
        let bare = Site::bare(&runtime, page)?;
        let alone = waited(1, site.address, path, time / 4)?;
        let [pages, bares] = by_turns(&mut chain, number << 32, time, [(&site, path), (&bare, "/")])?;
        figures.push(Figure::size(format!("page {name}: one reader, p50"), "ms", milliseconds(alone.at(0.50)), AIM));
        for (share, mark) in [(0.50, "p50"), (0.99, "p99")] {
            let name = format!("page {name}: {READERS} readers while blocks come, {mark}");
            let figure = Figure::size(name, "ms", milliseconds(pages.at(share)), AIM);
            figures.push(figure.against("the same bytes from a bare route", milliseconds(bares.at(share))));
        }
        let size = Figure::size(format!("page {name}: compressed"), "kB", kilobytes, "< 100 kB");
        figures.push(size.against("the aim", 100.0));
    }
    Ok(figures)
}

fn milliseconds(wait: Duration) -> f64 {
    wait.as_secs_f64() * 1e3
}

/// What many readers wait for each of two sites while statements are committed.
fn by_turns(
    chain: &mut Chain,
    first: u64,
    time: Duration,
    sites: [(&Site, &str); 2],
) -> Result<[Waits; 2], BenchError> {
    let mut all = [Waits::default(), Waits::default()];
    let done = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || commit_until(chain, first, done));
        let read = (0..ROUNDS).try_for_each(|_| -> Result<(), BenchError> {
            for (waits, (site, path)) in all.iter_mut().zip(sites) {
                waits.add(waited(READERS, site.address, path, time / (2 * ROUNDS))?);
            }
            Ok(())
        });
        done.store(true, Ordering::SeqCst);
        let committed = writer.join().unwrap_or_else(|_| Err(BenchError::Ledger("the writer broke".to_owned())));
        read.and(committed)
    })?;
    Ok(all)
}

/// Hands statements over at a steady pace, as long as it is not done.
fn commit_until(chain: &mut Chain, first: u64, done: &AtomicBool) -> Result<(), BenchError> {
    let mut nonce = first;
    while !done.load(Ordering::SeqCst) {
        let start = Instant::now();
        let group = (nonce..nonce + TOGETHER).map(|nonce| trade(chain, nonce)).collect::<Result<_, _>>()?;
        nonce += TOGETHER;
        chain.commit(vec![group])?;
        std::thread::sleep(EVERY.saturating_sub(start.elapsed()));
    }
    Ok(())
}

/// Something that is served until it is dropped.
struct Site {
    address: SocketAddr,
    _stop: Sender<()>,
}

impl Site {
    /// A node's pages, as the program serves them.
    fn of(runtime: &Runtime, chain: &Chain, folder: &Path) -> Result<Self, BenchError> {
        let setup = AccessSetup { dir: folder, program: "bench", token_file: None, operator_here: false };
        let access = Access::open(&setup).map_err(BenchError::ledger)?;
        let _within = runtime.enter();
        let state = web::AppState::new(chain.node().clone(), None, Arc::new(Directory::default()), access);
        Self::served(runtime, |listener, stopped| web::serve(listener, None, state, stopped))
    }

    /// One route that gives these bytes.
    fn bare(runtime: &Runtime, bytes: Vec<u8>) -> Result<Self, BenchError> {
        let bytes = Bytes::from(bytes);
        let route = get(move || async move { ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], bytes) });
        let router = Router::new().route("/", route);
        Self::served(runtime, |listener, stopped| {
            web::serve_router(listener, None, router, web::Limits::default(), stopped)
        })
    }

    fn served<F: Future<Output = ()> + Send + 'static>(
        runtime: &Runtime,
        serve: impl FnOnce(tokio::net::TcpListener, Stopped) -> F,
    ) -> Result<Self, BenchError> {
        let listener = runtime.block_on(web::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let listener = listener.map_err(BenchError::ledger)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = channel::<()>();
        let stopped: Stopped = Box::pin(async {
            // A sender that is gone means the same.
            let _ = stopped.await;
        });
        runtime.spawn(serve(listener, stopped));
        Ok(Self { address, _stop: stop })
    }
}

type Stopped = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One connection that asks again and again, as a browser does.
struct Reader(BufReader<TcpStream>);

impl Reader {
    fn connect(address: SocketAddr) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The whole answer's body, compressed as it came.
    fn ask(&mut self, path: &str) -> Result<Vec<u8>, BenchError> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        let status = self.line()?;
        if !status.starts_with("HTTP/1.1 200 ") {
            return Err(BenchError::Ledger(format!("{path} answers {status}")));
        }
        let mut length = None;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().ok(),
                None if line.is_empty() => break,
                _ => {}
            }
        }
        match length {
            Some(length) => self.bytes(length),
            None => self.chunks(),
        }
    }

    /// A body in pieces that each say how long they are (RFC 9112 7.1).
    fn chunks(&mut self) -> Result<Vec<u8>, BenchError> {
        let mut body = Vec::new();
        loop {
            let size = self.line()?;
            let size = usize::from_str_radix(&size, 16).map_err(BenchError::ledger)?;
            body.extend(self.bytes(size)?);
            self.line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, BenchError> {
        if length > ANSWER_BYTES_MAX {
            return Err(BenchError::Ledger(format!("an answer of {length} bytes")));
        }
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String, BenchError> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

/// How long answers were waited for.
#[derive(Debug, Default)]
struct Waits(Vec<Duration>);

impl Waits {
    fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What this share of the answers did not exceed (nearest rank); zero without any.
    fn at(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil().max(1.0);
        // A rank is a whole number, at most the count.
        let index = sorted.iter().zip(1_u32..).take_while(|(_, number)| f64::from(*number) < rank).count();
        sorted.get(index).copied().unwrap_or_default()
    }
}

/// Readers that each ask without a pause until the time is over.
fn waited(readers: usize, address: SocketAddr, path: &str, time: Duration) -> Result<Waits, BenchError> {
    let end = Instant::now() + time;
    let read = || -> Result<Vec<Duration>, BenchError> {
        let mut reader = Reader::connect(address)?;
        let mut waits = Vec::new();
        while waits.is_empty() || Instant::now() < end {
            let asked = Instant::now();
            reader.ask(path)?;
            waits.push(asked.elapsed());
        }
        Ok(waits)
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..readers).map(|_| scope.spawn(read)).collect();
        let broke = |_| Err(BenchError::Ledger("a reader broke".to_owned()));
        let waits = readers.into_iter().map(|reader| reader.join().unwrap_or_else(broke));
        Ok(Waits(waits.collect::<Result<Vec<_>, _>>()?.concat()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_waits_is_given_by_nearest_rank() {
        let waits = |list: &[u64]| Waits(list.iter().map(|ms| Duration::from_millis(*ms)).collect());
        for (list, share, ms) in [
            (&[][..], 0.5, 0),
            (&[7], 0.5, 7),
            (&[7], 0.99, 7),
            (&[3, 1, 2, 4], 0.5, 2),
            (&[3, 1, 2, 4], 0.99, 4),
            (&[5, 1, 2, 3, 4], 0.5, 3),
        ] {
            assert_eq!(waits(list).at(share), Duration::from_millis(ms), "{list:?} {share}");
        }
    }

    #[test]
    fn pages_of_a_ledger_that_grows_are_measured_beside_a_bare_route() {
        let folder = tempfile::tempdir().unwrap();
        let figures = figures(Duration::from_millis(400), folder.path()).unwrap();
        assert_eq!(figures.len(), PAGES.len() * 4);
        for figure in &figures {
            assert!(figure.measured.is_some_and(|measured| measured > 0.0), "{figure:?}");
        }
        assert_eq!(figures.iter().filter(|figure| figure.ratio().is_some()).count(), PAGES.len() * 3);
    }
}
