//! `wattproof submit`: signs a statement, sends it, and waits until it is final.

use super::names::Names;
use super::terminal::{from_hex, note, say, say_json, warned};
use super::{ActCommand, NoteArgs, RegisterCommand, RoleName, SubmitArgs, TariffArgs, Trouble, bill};
use crate::key_file::{self, PassphraseSource};
use crate::web::i18n::Texts;
use api::{Client, ClientError, Problem, StatementState, StatementView, Status};
use gateway::HttpTransport;
use ledger::act::{Act, Contract, Note, Register, RegisterKey, RegisterMeter, Role, Tariff, Transfer};
use ledger::{Payload, PublicKey, SignedStatement};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use units::{AccountId, Energy, Millis, StatementId};

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
}

pub(super) fn submit(args: SubmitArgs, texts: Texts, passphrases: &PassphraseSource) -> Result<ExitCode, Trouble> {
    let key = warned(&args.key, key_file::read(&args.key, passphrases)?);
    let client = Client::new(HttpTransport::new(&args.asking.url.node));
    let status = client.status()?;
    let names = Names::read(args.asking.directory.as_deref(), Some(&args.key))?;
    let act = Signing { client: &client, status: &status, names: &names, passphrases }.act(args.act)?;
    // The community's clock, not this computer's: the demo's runs ahead, and a phone's may be wrong.
    let life = if matches!(act, Act::Transfer(_)) { Payload::LIFE_MAX_TRADE } else { LIFE };
    let payload = Payload {
        ledger: status.ledger,
        nonce: key_file::random()?,
        issued: status.time_ms,
        expires: Some(status.time_ms + life),
        acts: vec![act],
    };
    let statement = SignedStatement::sign(&payload, &key)
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
            ActCommand::Transfer { to, energy, month } => {
                let outside =
                    || Trouble::environment("the present time lies outside the ledger's calendar", "name a month");
                let month = month.or(self.status.month).ok_or_else(outside)?;
                self.transfer(&to, energy, month)?
            }
            ActCommand::Note(args) => Act::Note(self.note(args)),
            ActCommand::Contract { account, month, energy } => {
                Act::Contract(Contract { account: self.account(&account)?, month, energy })
            }
            ActCommand::Tariff(args) => Act::Tariff(tariff(&args)),
            ActCommand::Register(command) => Act::Register(self.register(command)?),
            ActCommand::Bill { account, month } => {
                let view = self.client.bill(&self.account(&account)?, month)?;
                let unknown = || Trouble::environment("the bill has a line of an unknown kind", "use a newer version");
                Act::Bill(Box::new(bill::act(view).ok_or_else(unknown)?))
            }
        })
    }

    fn account(&self, typed: &str) -> Result<AccountId, Trouble> {
        self.names.account(typed, || Ok(self.status.operator))
    }

    fn transfer(&self, to: &str, energy: Energy, month: units::Month) -> Result<Act, Trouble> {
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
            RegisterCommand::Meter { number, signer, member, profile, factor, from } => {
                let from = from.unwrap_or(now);
                let signer = if Path::new(&signer).is_file() {
                    key_file::read_public(Path::new(&signer), self.passphrases)?.account()
                } else {
                    self.account(&signer)?
                };
                let member = self.account(&member)?;
                Register::Meter(RegisterMeter { meter: number, signer, member, from, profile, factor, main: false })
            }
        })
    }
}

const fn tariff(args: &TariffArgs) -> Tariff {
    Tariff::flat(args.from, args.price, args.excess_price, args.round_to)
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
