//! Two threads for one peer: one asks for its news and so notices at once what happens there, the other carries questions
//! over, one after the other. Neither holds up the node's thread, which hands questions over without waiting and gets
//! everything back as a [`Report`].

use super::http::Http;
use super::identity::{self, Challenge};
use super::wire::{self, NEWS_BYTES_MAX, Question, SHORT_WITHIN};
use super::{Report, Told};
use api::{PeerNews, path};
use consensus::peer::{Answer, Ask, AskId, Failed, PeerId};
use ledger::PublicKey;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use units::LedgerId;

/// Questions and statements that wait for one peer; what does not fit is answered as busy and comes again.
const JOBS_MAX: usize = 1_024;
/// Longest time for news: what a node waits for something to happen, and what its answer may take.
const NEWS_WITHIN: Duration = Duration::from_secs(25);
/// Between two looks at a node that answers at once although nothing has happened, since too many listen to it.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// After the first failure, doubled with each further one.
const AGAIN_AFTER_MIN: Duration = Duration::from_millis(250);
/// A peer that comes back is noticed within this.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(5);
/// What is no node of this ledger is asked again after this: an address may be given to the right one.
const FOREIGN_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Largest identity: an RSA key and its signature in hexadecimal digits.
const IDENTITY_BYTES_MAX: usize = 8 << 10;

/// What is carried to a peer.
#[derive(Debug)]
pub(super) enum Job {
    /// A question of the node's.
    Ask(AskId, Ask),
    /// A statement of this node's, for a peer that does not listen to it.
    Push(Vec<u8>),
}

/// The threads' ends that the node's thread holds; dropped, they stop.
#[derive(Debug)]
pub(super) struct Link {
    jobs: SyncSender<Job>,
    _running: SyncSender<()>,
}

/// Everything that a link needs to know.
#[derive(Clone)]
pub(super) struct Setting {
    /// The peer's number.
    pub(super) peer: PeerId,
    /// Where it is.
    pub(super) http: Http,
    /// The ledger that both must keep.
    pub(super) ledger: LedgerId,
    /// The name of this run of this node.
    pub(super) instance: Arc<str>,
    /// Takes reports; false when nobody does any more.
    pub(super) tell: Arc<dyn Fn(Report) -> bool + Send + Sync>,
}

impl Link {
    /// Starts both threads.
    pub(super) fn start(setting: Setting) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel(JOBS_MAX);
        let (running, stopped) = sync_channel(0);
        let (PeerId(number), listening) = (setting.peer, setting.clone());
        std::thread::Builder::new().name(format!("peer-{number}-ask")).spawn(move || carry(&setting, &waiting))?;
        std::thread::Builder::new()
            .name(format!("peer-{number}-hear"))
            .spawn(move || Listener::new(listening).listen(&stopped))?;
        Ok(Self { jobs, _running: running })
    }

    /// Hands a job over; gives it back when too many wait.
    pub(super) fn send(&self, job: Job) -> Result<(), Job> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
        })
    }
}

/// Carries questions over until nobody asks any more.
fn carry(setting: &Setting, jobs: &Receiver<Job>) {
    let Setting { peer, http, ledger, tell, .. } = setting;
    let mut was_refused = false;
    while let Ok(job) = jobs.recv() {
        let goes_on = match job {
            Job::Ask(id, ask) => {
                let (answer, refusal) = asked(http, *ledger, &ask);
                // Once is enough for an operator; the next start says it again.
                if let Some(reason) = refusal.filter(|_| !was_refused) {
                    was_refused = true;
                    tracing::warn!("{} keeps readings from this node: {reason}", http.base());
                }
                tell(Report { peer: *peer, told: Told::Answered { id, answer } })
            }
            Job::Push(bytes) => {
                if let Err(failed) = http.submit(&bytes) {
                    tracing::debug!("a statement was not handed over: {failed}");
                }
                true
            }
        };
        if !goes_on {
            return;
        }
    }
}

/// The answer, and why what was asked for is kept from this node.
fn asked(http: &Http, ledger: LedgerId, ask: &Ask) -> (Answer, Option<String>) {
    match http.get(&wire::question(ask)) {
        Ok((status, body)) => {
            let refusal = (status == 403).then(|| wire::detail(&body));
            (wire::answer(ask, ledger, status, body), refusal)
        }
        Err(failed) => (Answer::Failed(failed), None),
    }
}

/// The thread that hears a peer's news.
struct Listener {
    setting: Setting,
    /// What to ask with next; empty asks for what is now.
    next: String,
    is_up: bool,
    /// How long to wait after the next failure.
    again_after: Duration,
}

impl Listener {
    fn new(setting: Setting) -> Self {
        Self { setting, next: String::new(), is_up: false, again_after: AGAIN_AFTER_MIN }
    }

    fn listen(mut self, stopped: &Receiver<()>) {
        loop {
            let began = Instant::now();
            let (goes_on, rest) = match self.news() {
                Ok(news) => self.heard(news, began),
                Err(failed) => self.failed(failed),
            };
            let stops = matches!(stopped.recv_timeout(rest), Err(RecvTimeoutError::Disconnected));
            if !goes_on || stops {
                return;
            }
        }
    }

    fn tell(&self, told: Told) -> bool {
        (self.setting.tell)(Report { peer: self.setting.peer, told })
    }

    fn news(&self) -> Result<PeerNews, Failed> {
        let path = path::peer_news(&self.next, &self.setting.instance);
        // The first answer comes at once.
        let within = if self.next.is_empty() { SHORT_WITHIN } else { NEWS_WITHIN };
        let (status, body) =
            self.setting.http.get(&Question { path, bytes_max: NEWS_BYTES_MAX, within, is_private: false })?;
        wire::news(status, &body)
    }

    /// Gives whether to go on, and how long to rest.
    fn heard(&mut self, news: PeerNews, began: Instant) -> (bool, Duration) {
        let head = match wire::head(news.head, self.setting.ledger) {
            Ok(head) => head,
            Err(failed) => return self.failed(failed),
        };
        if *news.instance == *self.setting.instance {
            self.next.clear();
            return (self.tell(Told::Itself), FOREIGN_AGAIN_AFTER);
        }
        self.setting.http.note_instance(&news.instance);
        if !self.is_up {
            let shown = self.identity();
            if !self.tell(Told::Up { instance: news.instance, key: shown }) {
                return (false, Duration::ZERO);
            }
            self.is_up = true;
        }
        self.again_after = AGAIN_AFTER_MIN;
        let is_nothing_new = self.next == news.next;
        self.next = news.next;
        let goes_on = self.tell(Told::News { head, statements: news.statements });
        let rest = if is_nothing_new { LOOK_EVERY.saturating_sub(began.elapsed()) } else { Duration::ZERO };
        (goes_on, rest)
    }

    /// The key that the peer shows; a node without one, or an answer that does not fit, is a node without a name.
    fn identity(&self) -> Option<PublicKey> {
        let challenge: Challenge = identity::new_challenge();
        let path = path::peer_identity(&crate::view::hex(&challenge));
        let question = Question { path, bytes_max: IDENTITY_BYTES_MAX, within: SHORT_WITHIN, is_private: false };
        let (status, body) = self.setting.http.get(&question).ok()?;
        let shown = wire::identity(status, &body)?;
        identity::check(&shown, self.setting.ledger, &challenge)
    }

    fn failed(&mut self, failed: Failed) -> (bool, Duration) {
        let is_foreign = matches!(failed, Failed::OtherLedger(_) | Failed::Malformed(_) | Failed::TooLong);
        let rest = if is_foreign { FOREIGN_AGAIN_AFTER } else { self.again_after };
        self.again_after = (self.again_after * 2).min(AGAIN_AFTER_MAX);
        self.is_up = false;
        self.next.clear();
        (self.tell(Told::Down(failed)), rest)
    }
}
