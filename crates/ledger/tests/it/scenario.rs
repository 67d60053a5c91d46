//! Runs `scenarios/*.txt`: what happened in, sheets and bills out. The words of a line are told at [`Runner::line`].
//!
//! Every text runs twice, with a block for each statement and with as many statements in a block as there come before
//! a line that looks at the state. Both must end in the same records and the same root, and taking all blocks back and
//! applying them again must pass every root on the way.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

mod acts;

use crate::foreign::{Shelf, Store};
use crate::support::{
    DAY_MS, GATEWAY, MINER, OPERATOR, account, apply, at, bind, check, genesis, in_berlin, judge, key, kwh, local,
    meter_id, month, month_starts, next_readings, payload, propose, register, sign_as,
};
use ledger::act::{
    Act, Bill, BillLine, Break, Contract, CounterPair, Note, ReadingSource, Register, Role, Tariff, Transfer, Utility,
    VoltageRange,
};
use ledger::price::Table;
use ledger::price::file::TariffFile;
use ledger::state::{ApplyError, SheetRecord, Undo};
use ledger::{Block, Genesis, State, Surplus, VerifiedStatement, bill, log};
use std::collections::BTreeMap;
use std::path::Path;
use units::{Digest, Energy, EnergyBalance, Height, Millis, Money, Month, StatementId, Timestamp, Voltage};

#[derive(Clone, Copy, PartialEq)]
enum Blocks {
    OneEach,
    ManyStatements,
}

#[test]
fn all_scenarios_end_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    assert!(paths.len() >= 40, "only {} scenarios found", paths.len());
    let shelf = Shelf::emptied("scenarios");
    for path in paths {
        let ended = check_text(&path.file_name().unwrap().to_string_lossy(), &std::fs::read_to_string(&path).unwrap());
        let name = path.file_stem().unwrap().to_string_lossy();
        shelf.leave(&name, &ended.state, &ended.store);
        for (number, (rule, export)) in (1..).zip(&ended.refused) {
            shelf.leave_refused(&format!("{name}-{number}"), rule, export);
        }
    }
}

/// Gives the run with a block for each statement.
fn check_text(name: &str, text: &str) -> Runner {
    let one_each = run(name, text, Blocks::OneEach);
    let many = run(name, text, Blocks::ManyStatements);
    let blocks_matter = text.lines().any(|line| line.split_whitespace().eq(["set", "blocks_matter"]));
    if !blocks_matter {
        for (one_each, many) in one_each.state.records().zip(many.state.records()) {
            assert_eq!(one_each, many, "{name}: the records depend on the blocks");
        }
        assert_eq!(one_each.state.root(), many.state.root(), "{name}: the root depends on the blocks");
    }
    one_each
}

fn run(name: &str, text: &str, blocks: Blocks) -> Runner {
    let lines: Vec<&str> = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).collect();
    let mut genesis = genesis();
    for line in lines.iter().filter_map(|line| line.strip_prefix("set ")) {
        set(&mut genesis, &line.split_whitespace().collect::<Vec<_>>());
    }
    let mut runner = Runner::new(genesis, blocks);
    for (number, line) in (1..).zip(&lines).filter(|(_, line)| !line.is_empty() && !line.starts_with("set ")) {
        runner.place = format!("{name}:{number}: {line}");
        runner.line(line);
    }
    runner.flush();
    runner.undo_and_redo();
    runner
}

/// `set surplus carries_over`, `set close_after 6 h`, `set budget 20 kWh`, `set fee 1 kWh`, and
/// `set blocks_matter` where the miner is paid by the block; `set tenancy`; `set zone Europe/Berlin from 2027-12` for another
/// calendar of twelve months.
fn set(genesis: &mut Genesis, words: &[&str]) {
    match words {
        ["surplus", "carries_over"] => genesis.surplus = Surplus::CarriesOver,
        ["close_after", hours, "h"] => genesis.close_after = Millis::from_minutes(hours.parse::<u64>().unwrap() * 60),
        ["budget", energy, "kWh"] => genesis.rewards.monthly_budget = kwh(energy),
        ["fee", energy, "kWh"] => genesis.rewards.transfer_fee = kwh(energy),
        ["blocks_matter"] => {}
        ["tenancy"] => genesis.tenancy = true,
        ["zone", "Europe/Berlin", "from", month] => *genesis = in_berlin(genesis.clone(), month.parse().unwrap()),
        _ => panic!("set {words:?} is not understood"),
    }
}

struct Runner {
    state: State,
    blocks: Blocks,
    clock: Timestamp,
    month: Month,
    nonce: u64,
    pending: Vec<VerifiedStatement>,
    accepted: Option<VerifiedStatement>,
    applied: Vec<(Digest, Block, Undo)>,
    store: Store,
    /// Rules that were broken, each with a ledger whose last block breaks it.
    refused: Vec<(&'static str, Vec<u8>)>,
    place: String,
    /// Whose key signs now for a name that has rotated.
    keys: BTreeMap<String, String>,
}

impl Runner {
    fn new(genesis: Genesis, blocks: Blocks) -> Self {
        let clock = genesis.created + Millis::from_minutes(60);
        let state = State::new(genesis).unwrap();
        let mut runner = Self {
            state,
            blocks,
            clock,
            month: month(1),
            nonce: 0,
            pending: Vec::new(),
            accepted: None,
            applied: Vec::new(),
            store: Store::default(),
            refused: Vec::new(),
            place: String::new(),
            keys: BTreeMap::new(),
        };
        runner.submit(OPERATOR, register(GATEWAY, Role::Gateway), "ok");
        runner
    }

    /// One line. Acts end with `ok` (which may be left out) or `refused NAME_OF_THE_RULE`.
    ///
    /// ```text
    /// month    2026-07                        noon of its 15th; lines without a month mean it
    /// at       2026-07-31 23:30               the clock, in Taipei
    /// members  chen lee                       each with a meter of the same name, from the month's start on
    /// register NAME as miner
    /// meter    NUMBER for NAME from 2026-07-02 00:00 [factor 10]     `[main]` for a main meter, of the operator
    ///                                                                `[by NAME]` for another gateway
    /// contract NAME 200 kWh [in 2026-08]
    /// tariff   3.5 excess 7 round 1 [in 2026-08]
    /// tariff   shipped taipower-residential [in 2026-08]
    /// tariff   average round 1 [in 2026-08]
    /// utility  2026-07-01 2026-09-01 3000 for 1000 kWh [common]
    /// reading  METER 0.0 -> 90.0 kWh [from 2026-07-31 18:00 until 2026-08-01 06:00] [export 0 -> 5] [gap]
    ///                                         without times: the day after the last reading
    ///                                         [voltage 105 130] in V, [by_hand], [imported], [estimated], [wrap 10000.0],
    ///                                         [by NAME] for another gateway,
    ///                                         [ahead] of the clock, [number 7] in its chain, [behind_nothing]
    /// sell     NAME -> NAME 20 kWh [in 2026-08]
    /// offer    NAME -> NAME 20 kWh at 2.5 until 2026-07-20 00:00     `anybody` for an open one
    /// accept   NAME                           the open offer that ends first
    /// withdraw NAME
    /// retire   NAME as member at 2026-07-14 00:00
    /// retire   meter NUMBER at 2026-07-14 00:00
    /// revoke   NAME
    /// rotate   NAME to NEW                    from here on NAME signs with the key of NEW
    /// claim    NAME voltage                   about the first interval outside the limits
    /// claim    NAME bill 2026-07
    /// answer   accepted                       to the first claim without an answer
    /// switch   METER off [by NAME]
    /// level    2 from 20                      mining level from a height on
    /// limits   104.5 115.5 from 2026-08-01 00:00
    /// upgrade  2 at 500
    /// submission NAME note 110 V + bill 2026-06 + sell LEE 5 kWh     several acts in one statement
    /// money    NAME bought 10 20.5 sold 0 0                          kWh and money of the month's priced trades
    /// operator_money -20.5                                           the operator's side of it
    /// offers   1, outside 2                                          how many the state keeps
    /// loss     2026-07 3.5                                           between main meters and members
    /// load     METER off
    /// account  NAME has_left true
    /// note     NAME 130 V [issued 2026-07-15 11:00]
    /// again                                   the statement that was accepted last
    /// block                                   what was stated so far goes into a block
    /// close    2026-07                        the clock moves to the month's close
    /// bill     NAME 2026-07 [2026-08 ...] [from 2026-07-14 10:00] [until 2026-08-14 10:00] total 315 [off_by 0.0001] [by NAME]
    /// line     NAME 2026-07 [2026-08 ...] correction 2026-06 10 kWh [x 3.5] = 35
    /// line     NAME 2026-07 minimum 2026-07 = 46.6
    /// bands    NAME 2026-07 10 20 0 [estimated]   by the tariff's bands, kWh
    /// due      2026-07 2 chen lee                 bills that are due, of groups of two months
    /// sheet    NAME [in 2026-07] remaining 0.0 consumed 90.0 ...
    /// month_of 2026-07 supply -300.0 physical 90.0 budget 0.0
    /// counter  NAME 2026-07 100.0 -> 190.0 [estimated]
    /// ```
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (words, verdict) = match words.as_slice() {
            [words @ .., "refused", rule] => (words, *rule),
            [words @ .., "ok"] => (words, "ok"),
            words => (words, "ok"),
        };
        match words {
            ["month", name] => {
                self.month = name.parse().unwrap();
                self.move_clock(
                    self.state.genesis().month_span(self.month).unwrap().0 + Millis::from_ms(DAY_MS * 29 / 2),
                );
            }
            ["at", day, time] => self.move_clock(self.moment(day, time)),
            ["members", names @ ..] => names.iter().for_each(|name| self.member(name)),
            ["register", name, "as", role, "from", day, time] => {
                let Act::Register(Register::Key(act)) = register(name, role_named(role)) else { unreachable!() };
                let from = self.moment(day, time);
                let act = Act::Register(Register::Key(ledger::act::RegisterKey { from, ..act }));
                self.submit(OPERATOR, act, verdict);
            }
            ["register", name, "as", role] => self.submit(OPERATOR, register(name, role_named(role)), verdict),
            ["meter", rest @ ..] => self.meter(rest, verdict),
            ["contract", name, energy, "kWh", rest @ ..] => {
                let act = Contract { account: account(name), month: self.month_in(rest), energy: kwh(energy) };
                self.submit(OPERATOR, Act::Contract(act), verdict);
            }
            ["tariff", price, "excess", excess, "round", round, rest @ ..] => {
                let (price, excess_price, round_to) = (money(price), money(excess), money(round));
                let act = Tariff::flat(self.month_in(rest), price, Some(excess_price), round_to);
                self.submit(OPERATOR, Act::Tariff(act), verdict);
            }
            ["tariff", "shipped", name, rest @ ..] => {
                let act = TariffFile::shipped(name).unwrap().tariff(self.month_in(rest));
                self.submit(OPERATOR, Act::Tariff(act), verdict);
            }
            ["tariff", "average", "round", round, rest @ ..] => {
                let flat = Tariff::flat(self.month_in(rest), Money::ZERO, None, money(round));
                self.submit(OPERATOR, Act::Tariff(Tariff { table: Table::Average, ..flat }), verdict);
            }
            ["utility", from, until, amount, "for", energy, "kWh", rest @ ..] => {
                let (from, until) = (self.moment(from, "00:00"), self.moment(until, "00:00"));
                let common_facilities = *rest == ["common"];
                let act = Utility { from, until, amount: money(amount), energy: kwh(energy), common_facilities };
                self.submit(OPERATOR, Act::Utility(act), verdict);
            }
            ["reading", meter, start, "->", end, "kWh", rest @ ..] => self.reading(meter, (start, end), rest, verdict),
            ["sell", from, "->", to, energy, "kWh", rest @ ..] => {
                let act = Transfer { to: account(to), energy: kwh(energy), month: self.month_in(rest) };
                self.submit(from, Act::Transfer(act), verdict);
            }
            ["note", name, volts, "V"] => self.note(name, volts, verdict),
            ["note", name, volts, "V", "issued", day, time] => {
                let note = Note { time: self.clock, ..note_of(volts) };
                self.submit_issued(self.moment(day, time), name, vec![Act::Note(note)], verdict);
            }
            ["again"] => {
                let statement = self.accepted.clone().unwrap();
                self.judge_and_keep(&statement, verdict);
            }
            ["block"] => self.flush(),
            ["close", name] => {
                self.move_clock(self.state.genesis().close_time(name.parse().unwrap()).unwrap());
                self.block(&[]);
            }
            ["bill", name, rest @ ..] => self.bill(name, rest, verdict),
            _ if self.acts_line(words, verdict) => {}
            _ => self.expect(words),
        }
    }

    /// Lines that look at the state.
    fn expect(&mut self, words: &[&str]) {
        self.flush();
        match words {
            ["sheet", name, "in", month, terms @ ..] => self.expect_sheet(name, month.parse().unwrap(), terms),
            ["sheet", name, terms @ ..] => self.expect_sheet(name, self.month, terms),
            ["line", name, rest @ ..] => self.expect_line(name, rest),
            ["bands", name, month, energies @ ..] => self.expect_bands(name, month.parse().unwrap(), energies),
            ["due", months, names @ ..] => self.expect_due(months.parse().unwrap(), names),
            ["month_of", month, sides @ ..] => self.expect_month(month.parse().unwrap(), sides),
            ["counter", name, month, start, "->", end, rest @ ..] => {
                let sheet = self.sheet(name, month.parse().unwrap());
                let wanted = (CounterPair { start: kwh(start), end: kwh(end) }, *rest == ["estimated"]);
                let found: Vec<_> = sheet.meters.iter().map(|meter| (meter.import, meter.estimated)).collect();
                assert!(found.contains(&wanted), "{}: {found:?}", self.place);
            }
            _ if self.expect_acts(words) => {}
            _ => panic!("{}: not understood", self.place),
        }
    }

    /// `2026-07-31 23:30` on the ledger's wall clock.
    fn moment(&self, day: &str, time: &str) -> Timestamp {
        let numbers: Vec<u32> = day.split('-').chain(time.split(':')).map(|part| part.parse().unwrap()).collect();
        let [year, month, day, hour, minute] = numbers.as_slice() else { panic!("{day} {time}") };
        local(self.state.genesis(), (*year, *month, *day), u64::from(hour * 60 + minute))
    }

    fn month_in(&self, rest: &[&str]) -> Month {
        match rest {
            [] => self.month,
            ["in", month] => month.parse().unwrap(),
            _ => panic!("{}: {rest:?} is not understood", self.place),
        }
    }

    fn move_clock(&mut self, to: Timestamp) {
        self.flush();
        assert!(to >= self.clock, "{}: the clock does not run backwards", self.place);
        self.clock = to;
    }

    fn member(&mut self, name: &str) {
        let start = self.state.genesis().month_span(self.month).unwrap().0;
        self.submit(OPERATOR, register(name, Role::Member), "ok");
        self.submit(OPERATOR, Act::Register(Register::Meter(bind(name, name, start))), "ok");
    }

    fn meter(&mut self, rest: &[&str], verdict: &str) {
        let [number, "for", name, "from", day, time, rest @ ..] = rest else { panic!("{}", self.place) };
        let factor = match rest {
            ["factor", factor] => factor.parse().unwrap(),
            _ => 1,
        };
        let main = *rest == ["main"];
        let signer = account(if let ["by", gateway] = rest { gateway } else { GATEWAY });
        let act = ledger::act::RegisterMeter { factor, main, signer, ..bind(number, name, self.moment(day, time)) };
        self.submit(OPERATOR, Act::Register(Register::Meter(act)), verdict);
    }

    fn reading(&mut self, meter: &str, import: (&str, &str), rest: &[&str], verdict: &str) {
        // The chain's head must be known, so what came before goes first where blocks hold many.
        self.flush();
        let mut readings = next_readings(&self.state, meter, import);
        let (mut rest, mut gateway, mut is_ahead) = (rest, GATEWAY, false);
        loop {
            rest = match rest {
                [] => break,
                ["from", day, time, "until", last_day, last_time, rest @ ..] => {
                    (readings.start, readings.end) = (self.moment(day, time), self.moment(last_day, last_time));
                    rest
                }
                ["export", start, "->", end, rest @ ..] => {
                    readings.export = Some(CounterPair { start: kwh(start), end: kwh(end) });
                    rest
                }
                ["voltage", min, max, rest @ ..] => {
                    let [min, max] = [min, max].map(|volts| Voltage::from_mv(volts.parse::<u64>().unwrap() * 1_000));
                    readings.voltage = Some(VoltageRange { min, max, mean: min });
                    rest
                }
                ["by_hand", rest @ ..] => {
                    (readings.source, readings.count) = (ReadingSource::ByHand, 0);
                    (readings.columns, readings.frames) = (log::empty_root(), log::empty_root());
                    rest
                }
                ["by", name, rest @ ..] => {
                    gateway = *name;
                    rest
                }
                ["ahead", rest @ ..] => {
                    is_ahead = true;
                    rest
                }
                ["number", number, rest @ ..] => {
                    readings.seq = number.parse().unwrap();
                    rest
                }
                ["behind_nothing", rest @ ..] => {
                    readings.previous = StatementId::from_bytes([0; 32]);
                    rest
                }
                ["imported", rest @ ..] => {
                    (readings.source, readings.count) = (ReadingSource::Imported, 0);
                    (readings.columns, readings.frames) = (log::empty_root(), log::empty_root());
                    rest
                }
                ["estimated", rest @ ..] => {
                    readings.estimated = true;
                    rest
                }
                ["wrap", wraps_at, rest @ ..] => {
                    (readings.broken, readings.wraps_at) = (Some(Break::Wrap), Some(kwh(wraps_at)));
                    rest
                }
                [word, rest @ ..] => {
                    readings.broken = Some(match *word {
                        "gap" => Break::Gap,
                        "reset" => Break::Reset,
                        "exchange" => Break::Exchange,
                        _ => panic!("{}: `{word}` is not understood", self.place),
                    });
                    rest
                }
            }
        }
        if readings.end > self.clock && !is_ahead {
            self.move_clock(readings.end);
        }
        let signer = if readings.source.is_operators() { OPERATOR } else { gateway };
        self.submit(signer, Act::Readings(Box::new(readings)), verdict);
    }

    fn note(&mut self, name: &str, volts: &str, verdict: &str) {
        let note = Note { time: self.clock, ..note_of(volts) };
        self.submit(name, Act::Note(note), verdict);
    }

    fn bill(&mut self, name: &str, rest: &[&str], verdict: &str) {
        self.flush();
        let months: Vec<Month> = rest.iter().map_while(|word| word.parse().ok()).collect();
        let (mut from, mut until) = self.span_of(&months);
        let mut rest = &rest[months.len()..];
        while let [end @ ("from" | "until"), day, time, more @ ..] = rest {
            *(if *end == "from" { &mut from } else { &mut until }) = self.moment(day, time);
            rest = more;
        }
        let (none, lines, utilities) = (Vec::new(), Vec::new(), Vec::new());
        let nothing = Bill { account: account(name), from, until, months: none, lines, total: Money::ZERO, utilities };
        let mut bill = bill::of_state(&self.state, account(name), from, until).unwrap_or(nothing);
        let mut signer = OPERATOR;
        for pair in rest.chunks(2) {
            match pair {
                ["total", amount] => assert_eq!(bill.total, money(amount), "{}", self.place),
                ["off_by", amount] => bill.total = bill.total.checked_add(money(amount)).unwrap(),
                ["by", name] => signer = name,
                _ => panic!("{}: {pair:?} is not understood", self.place),
            }
        }
        self.submit(signer, Act::Bill(Box::new(bill)), verdict);
    }

    /// Asks the rules, and puts what they accept into a block, now or with others later.
    fn submit(&mut self, signer: &str, act: Act, verdict: &str) {
        self.submit_all(signer, vec![act], verdict);
    }

    fn submit_all(&mut self, signer: &str, acts: Vec<Act>, verdict: &str) {
        self.submit_issued(self.clock, signer, acts, verdict);
    }

    fn submit_issued(&mut self, issued: Timestamp, signer: &str, acts: Vec<Act>, verdict: &str) {
        self.nonce += 1;
        let present = key(self.keys.get(signer).map_or(signer, String::as_str));
        let statement = sign_as(signer, &payload(self.state.genesis(), self.nonce, issued, acts), &present);
        self.judge_and_keep(&statement, verdict);
    }

    fn judge_and_keep(&mut self, statement: &VerifiedStatement, verdict: &str) {
        let time = self.now();
        let mut draft = self.state.draft(time, account(MINER)).unwrap();
        self.pending.iter().for_each(|earlier| draft.push(earlier).unwrap());
        let found = draft.push(statement);
        draft.cancel();
        let name = found.as_ref().map_or_else(ledger::RuleViolation::name, |()| "ok");
        assert_eq!(name, verdict, "{}: {found:?}", self.place);
        match found {
            Ok(()) => {
                self.accepted = Some(statement.clone());
                self.pending.push(statement.clone());
            }
            Err(_) if self.blocks == Blocks::OneEach => self.refuse_block_with(statement),
            Err(_) => {}
        }
        if self.blocks == Blocks::OneEach {
            self.flush();
        }
    }

    /// A block that contains a refused statement is refused, and nothing moves.
    fn refuse_block_with(&mut self, statement: &VerifiedStatement) {
        let (time, before) = (self.now(), self.state.root());
        let violation = judge(&mut self.state, time, statement).unwrap_err();
        let block = propose(&mut self.state, time, std::slice::from_ref(statement));
        let checked = check(&self.state, &block.to_bytes()).unwrap();
        self.refused.push((violation.name(), self.store.export_with(&self.state, &block)));
        let refused = self.state.apply(&checked).unwrap_err();
        assert_eq!(refused, ApplyError::Statement { index: 0, violation }, "{}", self.place);
        assert_eq!(self.state.root(), before, "{}", self.place);
    }

    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let statements = std::mem::take(&mut self.pending);
            self.block(&statements);
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.max(self.state.head().time + Millis::from_ms(1))
    }

    fn block(&mut self, statements: &[VerifiedStatement]) {
        let (time, before) = (self.now(), self.state.root());
        let block = propose(&mut self.state, time, statements);
        let drafted = apply(&mut self.state, &block).unwrap_or_else(|error| panic!("{}: {error}", self.place));
        self.store.keep(&block, drafted.entries);
        self.applied.push((before, block, drafted.undo));
    }

    fn undo_and_redo(&mut self) {
        let (last, records) = (self.state.root(), self.state.records().count());
        let mut blocks = Vec::new();
        while let Some((before, block, undo)) = self.applied.pop() {
            self.state.undo(undo);
            assert_eq!(
                (self.state.root(), self.state.head().hash()),
                (before, block.header.previous),
                "{}",
                self.place
            );
            blocks.push(block);
        }
        assert_eq!((self.state.head().height, self.state.log().size()), (Height::GENESIS, 0));
        for block in blocks.iter().rev() {
            apply(&mut self.state, block).unwrap();
            assert_eq!(self.state.root(), block.header.state_root);
        }
        assert_eq!((self.state.root(), self.state.records().count()), (last, records), "{}", self.place);
    }

    fn sheet(&self, name: &str, month: Month) -> SheetRecord {
        self.state.sheet(month, &account(name)).cloned().unwrap_or_default()
    }

    fn expect_sheet(&self, name: &str, month: Month, terms: &[&str]) {
        let sheet = self.sheet(name, month).terms;
        for pair in terms.chunks(2) {
            let energy = match pair[0] {
                "contract" => sheet.contract,
                "carried" => sheet.carried,
                "generated" => sheet.generated,
                "gained" => sheet.gained,
                "consumed" => sheet.consumed,
                "traded" => sheet.traded,
                "fee" => sheet.fee,
                "reward" => sheet.reward,
                "remaining" | "accumulated" => Energy::ZERO,
                word => panic!("{}: no term `{word}`", self.place),
            };
            let found = match pair[0] {
                "remaining" => sheet.remaining(),
                "accumulated" => sheet.accumulated_trade(),
                _ => energy.to_balance().unwrap(),
            };
            assert_eq!(found, balance(pair[1]), "{}: {} is {found}", self.place, pair[0]);
        }
    }

    fn expect_line(&self, name: &str, rest: &[&str]) {
        let months: Vec<Month> = rest.iter().map_while(|word| word.parse().ok()).collect();
        let (from, until) = self.span_of(&months);
        let bill = bill::of_state(&self.state, account(name), from, until).unwrap();
        let shown: Vec<String> = bill.lines.iter().map(shown).collect();
        let wanted = rest[months.len()..].join(" ");
        assert!(shown.contains(&wanted), "{}: {shown:?}", self.place);
    }

    fn span_of(&self, months: &[Month]) -> (Timestamp, Timestamp) {
        let span = |month: Month| self.state.genesis().month_span(month).unwrap();
        (span(months[0]).0, span(months[months.len() - 1]).1)
    }

    fn expect_bands(&self, name: &str, month: Month, energies: &[&str]) {
        let estimated = energies.last() == Some(&"estimated");
        let energies: Vec<Energy> =
            energies[..energies.len() - usize::from(estimated)].iter().map(|kwh_| kwh(kwh_)).collect();
        let regular = self.sheet(name, month).regular;
        assert_eq!((regular.bands, regular.estimated), (energies, estimated), "{}", self.place);
    }

    fn expect_due(&self, months: u32, names: &[&str]) {
        let due: Vec<_> = bill::due(&self.state, bill::Due { months }).iter().map(|bill| bill.account).collect();
        let mut wanted: Vec<_> = names.iter().map(|name| account(name)).collect();
        wanted.sort();
        assert_eq!(due, wanted, "{}", self.place);
    }

    fn expect_month(&self, month: Month, sides: &[&str]) {
        let record = self.state.month(month).unwrap();
        for pair in sides.chunks(2) {
            let found = match pair[0] {
                "supply" => record.supply,
                "physical" => record.physical,
                "budget" => record.budget,
                "contracts" => record.contracts.to_balance().unwrap(),
                "rewards" => record.rewards.to_balance().unwrap(),
                word => panic!("{}: a month has no `{word}`", self.place),
            };
            assert_eq!(found, balance(pair[1]), "{}: {} is {found}", self.place, pair[0]);
        }
    }
}

/// A line as the texts write it: `band:weekday_peak 2026-07 10 kWh x 5.16 = 51.6`.
fn shown(line: &BillLine) -> String {
    let band = line.band.as_ref().map(|band| format!(":{band}")).unwrap_or_default();
    let energy = line.energy.map(|energy| format!(" {} kWh", plain(&energy.to_string()))).unwrap_or_default();
    let price = line.unit_price.map(|price| format!(" x {}", plain(&price.to_string()))).unwrap_or_default();
    format!("{}{band} {}{energy}{price} = {}", line.kind.name(), line.month, plain(&line.amount.to_string()))
}

/// Digits without unit and without idle zeros.
fn plain(text: &str) -> String {
    let number = text.split_whitespace().next().unwrap();
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.').to_owned() } else { number.to_owned() }
}

/// A note of a voltage, of no time yet.
fn note_of(volts: &str) -> Note {
    let voltage = Some(Voltage::from_mv(volts.parse::<u64>().unwrap() * 1_000));
    Note { time: Timestamp::from_ms(0), voltage, current: None, power: None, energy: None, text: None }
}

fn role_named(name: &str) -> Role {
    match name {
        "operator" => Role::Operator,
        "member" => Role::Member,
        "gateway" => Role::Gateway,
        "miner" => Role::Miner,
        "auditor" => Role::Auditor,
        _ => panic!("no role `{name}`"),
    }
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn balance(text: &str) -> EnergyBalance {
    let size = kwh(text.trim_start_matches('-')).to_balance().unwrap();
    if text.starts_with('-') { EnergyBalance::from_mwh(-size.mwh()) } else { size }
}

#[test]
fn the_calendar_of_taipei_is_right() {
    // 2026-07-01T00:00+08:00 and 2027-01-01T00:00+08:00 as any calendar gives them.
    assert_eq!(at(7, 1, 0, 0).ms(), 1_782_835_200_000);
    assert_eq!(month_starts()[12].ms(), 1_798_732_800_000);
    assert_eq!(meter_id("chen").as_str(), "chen");
}

#[test]
#[should_panic(expected = "remaining is 200.0")]
fn a_wrong_expectation_is_noticed() {
    check_text("planted", "month 2026-07\nmembers chen\ncontract chen 200 kWh\nsheet chen remaining 199.9");
}

#[test]
#[should_panic(expected = "energy_used_up")]
fn a_refusal_that_does_not_come_is_noticed() {
    check_text(
        "planted",
        "month 2026-07\nmembers chen lee\ncontract chen 9 kWh\nsell chen -> lee 9 kWh refused energy_used_up",
    );
}
