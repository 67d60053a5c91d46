//! `wattproof submit`: signs a statement, sends it, and waits until it is final.

mod acts;

use super::names::Names;
use super::terminal::{note, say, say_json, warned};
use super::{
    ActCommand, NodeUrl, NoteArgs, RegisterCommand, RoleName, SpanArgs, SubmitArgs, TariffArgs, Trouble, bill,
};
use crate::hex::from_hex;
use crate::key_file::{self, PassphraseSource};
use crate::web::i18n::Texts;
use api::{BillView, Client, ClientError, Problem, SheetView, StatementState, StatementView, Status};
use gateway::HttpTransport;
use ledger::act::{
    Accept, Act, Answer, Contract, Note, Register, RegisterKey, RegisterMeter, Revoke, Role, Tariff, Transfer, Upgrade,
    Withdraw,
};
use ledger::price::file::{SHIPPED, TariffFile};
use ledger::{Payload, PublicKey, SecretKey, SignedStatement};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use units::{AccountId, Energy, Millis, Month, StatementId, Timestamp};

/// How often the node is asked whether a statement is final.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// How long is waited for finality: blocks come within seconds, and a node without a miner never makes one.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// Life of a statement that trades nothing: long enough for a node that is restarted, short enough to be forgotten.
const LIFE: Millis = Millis::from_minutes(24 * 60);

/// What is known when a statement is made.
struct Signing<'a> {
    client: &'a Client<HttpTransport>,
    status: &'a Status,
    names: &'a Names,
    passphrases: &'a PassphraseSource,
    signer: AccountId,
}

pub(super) fn submit(args: SubmitArgs, texts: Texts, passphrases: &PassphraseSource) -> Result<ExitCode, Trouble> {
    let key = warned(&args.key, key_file::read(&args.key, passphrases)?);
    let client = Client::new(args.asking.url.transport()?);
    let status = client.status()?;
    let names = Names::read(args.asking.directory.as_deref(), Some(&args.key))?;
    let signer = account_of(&client, &key)?;
    let act = Signing { client: &client, status: &status, names: &names, passphrases, signer }.act(args.act)?;
    // The community's clock, not this computer's: the demo's runs ahead, and a phone's may be wrong.
    let life = if act.is_trade() { Payload::LIFE_MAX_TRADE } else { LIFE };
    let payload = Payload {
        ledger: status.ledger,
        nonce: key_file::random()?,
        issued: status.time_ms,
        expires: Some(status.time_ms + life),
        acts: vec![act],
    };
    let statement = SignedStatement::sign_for(signer, &payload, &key)
        .map_err(|error| Trouble::environment(error, "give less, and submit it in several statements"))?;
    let answer = client.submit(statement.to_submission(None)).map_err(|error| refusal(error, texts))?;
    note(texts.arg("cli-submit-accepted", "id", answer.id.to_string()));
    if args.no_wait {
        if args.asking.json {
            say_json(&answer)
        } else {
            say(answer.id)
        }
        return Ok(ExitCode::SUCCESS);
    }
    let view = wait_until_final(&client, &answer.id, texts)?;
    if args.asking.json {
        say_json(&view);
    } else {
        let height = view.place.map_or_else(String::new, |place| place.height.to_string());
        say(texts.with("cli-submit-final", &[("id", &view.id.to_string()), ("height", &height)]));
    }
    Ok(ExitCode::SUCCESS)
}

/// Signs and sends for one account, for commands that state many things.
pub(super) struct Sender {
    client: Client<HttpTransport>,
    status: Status,
    key: SecretKey,
    signer: AccountId,
    texts: Texts,
}

impl Sender {
    /// With a key, at a node.
    ///
    /// # Errors
    /// When the key cannot be read, or the node does not answer.
    pub(super) fn open(
        url: &NodeUrl,
        key: &Path,
        passphrases: &PassphraseSource,
        texts: Texts,
    ) -> Result<Self, Trouble> {
        let client = Client::new(url.transport()?);
        let status = client.status()?;
        let key = warned(key, key_file::read(key, passphrases)?);
        let signer = account_of(&client, &key)?;
        Ok(Self { client, status, key, signer, texts })
    }

    pub(super) const fn client(&self) -> &Client<HttpTransport> {
        &self.client
    }

    /// Where the ledger stood when it was opened.
    pub(super) const fn status(&self) -> &Status {
        &self.status
    }

    /// Sends acts as one statement; on return the node has stored it. A node that is full for the moment is asked again.
    ///
    /// # Errors
    /// When it is refused, or the node stays away.
    pub(super) fn send(&self, acts: Vec<Act>) -> Result<StatementId, Trouble> {
        let payload = Payload {
            ledger: self.status.ledger,
            nonce: key_file::random()?,
            issued: self.status.time_ms,
            expires: Some(self.status.time_ms + LIFE),
            acts,
        };
        let statement = SignedStatement::sign_for(self.signer, &payload, &self.key)
            .map_err(|error| Trouble::environment(error, "give less, and submit it in several statements"))?;
        let submission = statement.to_submission(None);
        let started = Instant::now();
        loop {
            match self.client.submit(submission.clone()) {
                Ok(answer) => return Ok(answer.id),
                Err(ClientError::Problem(problem))
                    if (problem.status == 429 || problem.status >= 500) && started.elapsed() < WAIT_MAX =>
                {
                    std::thread::sleep(ASK_EVERY);
                }
                Err(error) => return Err(refusal(error, self.texts)),
            }
        }
    }

    /// Waits until nothing of this account waits to be booked: a run that was cut off may have sent what the ledger does not
    /// show yet, and would send it again.
    ///
    /// # Errors
    /// When that takes too long, or the node does not answer.
    pub(super) fn settle(&self) -> Result<(), Trouble> {
        let started = Instant::now();
        let mut is_told = false;
        while started.elapsed() < WAIT_MAX {
            let pool = self.client.pool()?;
            let shown = u64::try_from(pool.entries.len()).unwrap_or(u64::MAX);
            if pool.size <= shown && pool.entries.iter().all(|entry| entry.statement.signer != self.signer) {
                return Ok(());
            }
            if !std::mem::replace(&mut is_told, true) {
                note("earlier statements of this key are not in a block yet; waiting for them");
            }
            std::thread::sleep(ASK_EVERY);
        }
        let what = format!("statements of this key still wait for a block after {} s", WAIT_MAX.as_secs());
        Err(Trouble::environment(
            what,
            "see that the node mines (`wattproof pool` lists what waits), then run it again",
        ))
    }

    /// Waits until a statement is final.
    ///
    /// # Errors
    /// When that takes too long.
    pub(super) fn wait(&self, id: &StatementId) -> Result<StatementView, Trouble> {
        wait_until_final(&self.client, id, self.texts)
    }
}

/// The account that a key signs for: after a rotation that is not the key's own thumbprint. A key that the ledger does not
/// know is left to the node to refuse.
fn account_of(client: &Client<HttpTransport>, key: &SecretKey) -> Result<AccountId, Trouble> {
    let thumbprint = key.public().account();
    match client.account(&thumbprint) {
        Ok(view) => Ok(view.id),
        Err(ClientError::Problem(problem)) if problem.status == 404 => Ok(thumbprint),
        Err(error) => Err(error.into()),
    }
}

/// A refusal in the reader's language where there are words for its rule, else in the rule's own.
fn refusal(error: ClientError, texts: Texts) -> Trouble {
    let ClientError::Problem(problem) = &error else { return error.into() };
    let trouble = |what: &str| Trouble::refused(what, texts.arg("cli-submit-refused-remedy", "rule", problem.name()));
    if problem.status >= 500 { error.into() } else { trouble(&in_words(problem, texts)) }
}

fn in_words(problem: &Problem, texts: Texts) -> String {
    let key = format!("cli-rule-{}", problem.name().replace('_', "-"));
    let kwh = |name: &str| {
        let mwh = problem.extras.get(name).and_then(serde_json::Value::as_i64).unwrap_or_default();
        units::EnergyBalance::from_mwh(mwh).to_string()
    };
    let (remaining, offered) = (kwh("remaining_mwh"), kwh("offered_mwh"));
    let words = texts.with(&key, &[("remaining", &remaining), ("offered", &offered)]);
    if words == key { problem.detail.clone() } else { words }
}

/// Asks until the statement is in a final block. While the node is away it is asked again: the statement is stored.
fn wait_until_final(client: &Client<HttpTransport>, id: &StatementId, texts: Texts) -> Result<StatementView, Trouble> {
    let started = Instant::now();
    let mut told = None;
    while started.elapsed() < WAIT_MAX {
        match client.statement(id) {
            Ok(view) if view.state == StatementState::Final => return Ok(view),
            Ok(view) => {
                let key = match view.state {
                    StatementState::Committed => "cli-submit-committed",
                    StatementState::Pending | StatementState::Final => "cli-submit-pending",
                };
                if told.replace(view.state) != Some(view.state) {
                    note(texts.get(key));
                }
            }
            Err(ClientError::Transport(_)) => {}
            Err(ClientError::Problem(problem)) if problem.status == 404 => {
                return Err(Trouble::refused(texts.get("cli-submit-dropped"), texts.get("cli-submit-dropped-remedy")));
            }
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(ASK_EVERY);
    }
    let seconds = WAIT_MAX.as_secs().to_string();
    Err(Trouble::environment(
        texts.arg("cli-submit-late", "seconds", seconds),
        texts.arg("cli-submit-late-remedy", "id", id.to_string()),
    ))
}

impl Signing<'_> {
    fn act(&self, command: ActCommand) -> Result<Act, Trouble> {
        Ok(match command {
            ActCommand::Transfer { to, energy, month } => self.transfer(&to, energy, self.month(month)?)?,
            ActCommand::Offer(args) => Act::Offer(self.offer(args)?),
            ActCommand::Accept { offer } => Act::Accept(Accept { offer: self.offer_id(offer)? }),
            ActCommand::Withdraw { offer } => Act::Withdraw(Withdraw { offer: self.offer_id(offer)? }),
            ActCommand::Claim(command) => Act::Claim(self.claim(command)?),
            ActCommand::Answer { claim, decision, text } => {
                Act::Answer(Answer { claim, decision: decision.decision(), text })
            }
            ActCommand::Retire(command) => Act::Retire(self.retire(command)?),
            ActCommand::Revoke { account } => Act::Revoke(Revoke { account: self.account(&account)? }),
            ActCommand::Rotate { new_key } => Act::Rotate(Box::new(self.rotate(&new_key)?)),
            ActCommand::Parameter(command) => Act::Parameter(acts::parameter(command)),
            ActCommand::Upgrade { version, height } => Act::Upgrade(Upgrade { version, height }),
            ActCommand::Utility(args) => Act::Utility(acts::utility(&args)),
            ActCommand::Note(args) => Act::Note(self.note(args)),
            ActCommand::Contract { account, month, energy } => {
                Act::Contract(Contract { account: self.account(&account)?, month, energy })
            }
            ActCommand::Tariff(args) => Act::Tariff(tariff(&args)?),
            ActCommand::Register(command) => Act::Register(self.register(command)?),
            ActCommand::Bill { account, span } => {
                let view = span.bill(self.client, &self.account(&account)?)?;
                let unknown = || Trouble::environment("the bill has a line of an unknown kind", "use a newer version");
                Act::Bill(Box::new(bill::act(view).ok_or_else(unknown)?))
            }
        })
    }

    fn account(&self, typed: &str) -> Result<AccountId, Trouble> {
        self.names.account(typed, || Ok(self.status.operator))
    }

    fn month(&self, month: Option<Month>) -> Result<Month, Trouble> {
        let outside = || Trouble::environment("the present time lies outside the ledger's calendar", "name a month");
        month.or(self.status.month).ok_or_else(outside)
    }

    fn transfer(&self, to: &str, energy: Energy, month: Month) -> Result<Act, Trouble> {
        Ok(Act::Transfer(Transfer { to: self.account(to)?, energy, month }))
    }

    fn note(&self, NoteArgs { voltage, current, power, energy, text }: NoteArgs) -> Note {
        Note { time: self.status.time_ms, voltage, current, power, energy, text }
    }

    fn register(&self, command: RegisterCommand) -> Result<Register, Trouble> {
        let now = self.status.time_ms;
        Ok(match command {
            RegisterCommand::Key { key, role, beneficiary, from } => {
                let from = from.unwrap_or(now);
                let beneficiary = beneficiary.map(|typed| self.account(&typed)).transpose()?;
                Register::Key(RegisterKey {
                    key: public_key(&key, self.passphrases)?,
                    role: role.role(),
                    from,
                    beneficiary,
                })
            }
            RegisterCommand::Meter { number, signer, member, main, profile, factor, from } => {
                let from = from.unwrap_or(now);
                let signer = if Path::new(&signer).is_file() {
                    key_file::read_public(Path::new(&signer), self.passphrases)?.account()
                } else {
                    self.account(&signer)?
                };
                let member = member.map_or(Ok(self.status.operator), |typed| self.account(&typed))?;
                Register::Meter(RegisterMeter { meter: number, signer, member, from, profile, factor, main })
            }
        })
    }
}

/// A flat price, or a table by the name of a shipped one or from a file.
fn tariff(args: &TariffArgs) -> Result<Tariff, Trouble> {
    let Some(file) = &args.file else {
        let price = args.price.unwrap_or_default();
        return Ok(Tariff::flat(args.from, price, args.excess_price, args.round_to));
    };
    if let Some(table) = TariffFile::shipped(file) {
        return Ok(table.tariff(args.from));
    }
    let read = |error| {
        let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
        let remedy = format!("name a file, or a table that comes with the program: {}", names.join(", "));
        Trouble::environment(format_args!("{file}: {error}"), remedy)
    };
    let text = std::fs::read_to_string(file).map_err(read)?;
    let wrong = |error| Trouble::environment(format_args!("{file}: {error}"), "correct the file");
    Ok(TariffFile::parse(&text).map_err(wrong)?.tariff(args.from))
}

impl SpanArgs {
    /// The bill of the span, as the ledger computes it.
    pub(super) fn bill(self, client: &Client<HttpTransport>, account: &AccountId) -> Result<BillView, Trouble> {
        if (self.months, self.from, self.until) == (1, None, None) {
            return Ok(client.bill(account, self.month)?);
        }
        let last = self.month.plus(self.months.saturating_sub(1));
        let edge = |given: Option<Timestamp>, month, edge: fn(&SheetView) -> Timestamp| match given {
            Some(time) => Ok(time),
            None => client.month(account, month).map(|sheet| edge(&sheet)),
        };
        let from = edge(self.from, self.month, |sheet| sheet.from_ms)?;
        let until = edge(self.until, last, |sheet| sheet.until_ms)?;
        Ok(client.bill_of_span(account, from, until)?)
    }
}

impl RoleName {
    const fn role(self) -> Role {
        match self {
            Self::Member => Role::Member,
            Self::Gateway => Role::Gateway,
            Self::Meter => Role::Meter,
            Self::Miner => Role::Miner,
            Self::Validator => Role::Validator,
            Self::Auditor => Role::Auditor,
        }
    }
}

/// A public key: of a key file or a public key's file, or the digits that `wattproof key show` prints.
fn public_key(typed: &str, passphrases: &PassphraseSource) -> Result<PublicKey, Trouble> {
    if let Some(bytes) = from_hex(typed) {
        let invalid =
            |error| Trouble::environment(error, "copy the public key again; `wattproof key show FILE` prints it");
        return PublicKey::read(&bytes).map_err(|error| invalid(error.to_string()));
    }
    Ok(key_file::read_public(Path::new(typed), passphrases)?)
}
