//! Reading: what the node's thread answers from state, store and tables.
//!
//! Derived rows are compared with what is committed before they are shown: a block's header with its hash, a sheet's
//! entries with their digest, a statement with its id, an attachment with its act.

use super::{EntryDetail, NodeError, Shell, StatementProof};
use crate::losses::{self, Comparison, Counted, LossRules, MeterIntervals};
use crate::tables::CounterRow;
use crate::tables::{EntryRow, TablesError};
use crate::view;
use api::{
    AccountSummary, AccountView, ActView, BlockDetail, BlockSummary, EntryKind, EntryView, MeterView, MiningStatus,
    Page, PeersStatus, PoolEntry, PoolView, ReadingRow, SheetView, StatementState, StatementView, Status,
};
use ledger::act::{Act, ActId, Bill};
use ledger::attachment::Attachment;
use ledger::bundle::{BillBundle, ClaimBundle, Source};
use ledger::state::{Entry, Record, RecordKey};
use ledger::verify::LedgerExport;
use ledger::{
    Block, Header, RuleViolation, SecretKey, SignedStatement, State, TransparentStatement, bill, issue_receipt,
};
use std::cell::RefCell;
use std::sync::Arc;
use units::{AccountId, BlockHash, Energy, Height, MeterId, Month, StatementId, Timestamp};

/// Intervals of a meter that are compared: a month of minutes.
const LOSS_INTERVALS_MAX: u32 = 44_640;

impl Shell {
    pub(super) fn status(&self) -> Status {
        let (state, genesis) = (self.node.state(), self.node.state().genesis());
        let head = state.head();
        let now = self.clock.now();
        let mining = self.node.mining();
        Status {
            ledger: state.ledger(),
            name: genesis.name.clone(),
            version: head.version,
            height: head.height,
            hash: head.hash(),
            head_time_ms: head.time,
            time_ms: now,
            log_size: head.log_size,
            log_root: head.log_root,
            state_root: head.state_root,
            final_height: self.node.final_height(),
            final_log_size: self.node.final_log_size(),
            pool_size: natural(self.node.pool_size().0),
            mining: MiningStatus {
                miner: self.node.is_miner(),
                automatic: self.node.is_automatic(),
                searching: self.node.searching().is_some(),
                level: state.next_level(),
                difficulty: state.next_difficulty(),
                attempts_per_second: self.attempts_per_second(),
                attempts: mining.attempts,
                blocks: mining.blocks,
                mean_attempts: mining.mean_attempts(),
            },
            peers: self.peers_status(),
            findings: self.findings.status(),
            month: genesis.month_at(now),
            first_open_month: state.first_open(),
            currency: genesis.currency.clone(),
            time_zone: genesis.time_zone.clone(),
            operator: genesis.operator.account(),
            log_key: view::key_hex(&genesis.log_key),
            public_readings: genesis.public_readings,
            voltage_limits: view::voltage_limits(&state.parameters()),
            classroom: genesis.classroom,
            read_only: self.unavailable().or_else(|| self.node.upgrade_needed().map(|error| error.to_string())),
        }
    }

    fn peers_status(&self) -> PeersStatus {
        let (peers, connected) = self.peers.counts();
        let counters = self.node.sync().counters();
        let (forks_seen, reorganisations) = (counters.forks, counters.reorganisations);
        PeersStatus { peers: natural(peers), connected: natural(connected), forks_seen, reorganisations }
    }

    /// Newest first, from a height on.
    pub(super) fn blocks(&mut self, from: Option<Height>, limit: u32) -> Result<Page<BlockSummary>, NodeError> {
        let head = self.node.state().head().height;
        let from = from.unwrap_or(head).min(head).number();
        let limit = u64::from(limit.clamp(1, api::PAGE_ITEMS_MAX));
        let last = from.saturating_sub(limit - 1);
        let items = (last..=from).rev().map(|height| self.block_summary(Height::from_number(height)));
        let items = items.collect::<Result<_, _>>()?;
        Ok(Page { items, next: last.checked_sub(1).map(|next| next.to_string()) })
    }

    fn block_summary(&mut self, height: Height) -> Result<BlockSummary, NodeError> {
        let (header, size_bytes) = self.header(height)?;
        let first = match height.number().checked_sub(1) {
            Some(parent) => self.header(Height::from_number(parent))?.0.log_size,
            None => 0,
        };
        let is_final = height <= self.node.final_height();
        Ok(BlockSummary { is_final, ..view::block_summary(&header, first, size_bytes) })
    }

    /// A block's header and wire size, from the derived row if that is right, else from the store.
    fn header(&mut self, height: Height) -> Result<(Header, u64), NodeError> {
        if height == Height::GENESIS {
            return Ok((self.node.genesis_header().clone(), 0));
        }
        let derived = self.rows.tables().header(height).ok().flatten();
        match derived.filter(|(header, _)| Some(header.hash()) == self.node.hash(height)) {
            Some(found) => Ok(found),
            None => {
                let block = self.block_at(height)?;
                Ok((block.header.clone(), natural(block.to_bytes().len())))
            }
        }
    }

    /// A block from the store; the one read last is kept.
    fn block_at(&mut self, height: Height) -> Result<Arc<Block>, NodeError> {
        if let Some((_, block)) = self.block.as_ref().filter(|(known, _)| *known == height) {
            return Ok(Arc::clone(block));
        }
        let missing = || NodeError::NotFound(format!("block {height}"));
        let bytes = self.store.block(height.number())?.ok_or_else(missing)?;
        let block = Block::from_bytes(&bytes).map_err(|_| missing())?;
        let block = Arc::new(block);
        self.block = Some((height, Arc::clone(&block)));
        Ok(block)
    }

    /// A block by height or hash, as text.
    pub(super) fn block(&mut self, which: &str) -> Result<BlockDetail, NodeError> {
        let missing = || NodeError::NotFound(format!("block {which}"));
        let height = match (which.parse::<u64>(), which.parse::<BlockHash>()) {
            (Ok(height), _) => Height::from_number(height),
            (_, Ok(hash)) => self.node.height_of(&hash).ok_or_else(missing)?,
            _ => return Err(missing()),
        };
        if height > self.node.state().head().height {
            return Err(missing());
        }
        if height == Height::GENESIS {
            let header = self.node.genesis_header().clone();
            return Ok(self.block_detail(&header, None));
        }
        let block = self.block_at(height)?;
        Ok(self.block_detail(&block.header, Some(&block)))
    }

    fn block_detail(&mut self, header: &Header, block: Option<&Block>) -> BlockDetail {
        let statements = block.map(|block| block.statements.as_slice()).unwrap_or_default();
        let reward = self.rows.tables().reward(header.height).ok().flatten();
        BlockDetail {
            version: header.version,
            ledger: header.ledger,
            height: header.height,
            time_ms: header.time,
            previous: header.previous,
            log_size: header.log_size,
            log_root: header.log_root,
            state_root: header.state_root,
            proposer: header.proposer,
            difficulty: header.engine.difficulty,
            extra_nonce: header.engine.extra_nonce,
            nonce: header.engine.nonce,
            hash: header.hash(),
            header: view::hex(&header.to_bytes()),
            seal: block.map(|block| view::hex(&block.seal)).unwrap_or_default(),
            size_bytes: block.map_or(0, |block| natural(block.to_bytes().len())),
            beneficiary: reward.map(|(account, _)| account),
            reward_mwh: reward.map(|(_, reward)| reward).unwrap_or_default(),
            is_final: header.height <= self.node.final_height(),
            statements: statements.iter().map(|statement| self.statement_view(statement)).collect(),
        }
    }

    fn statement_view(&mut self, statement: &SignedStatement) -> StatementView {
        let id = statement.id();
        let state = self.node.statement_state(&id).unwrap_or(StatementState::Pending);
        let mut view = view::statement(statement, state, self.node.place(&id), self.node.state());
        for act in &mut view.acts {
            if let ActView::Accept(answer) | ActView::Withdraw(answer) = act
                && let Ok(offer) = self.signed(&answer.offer.statement)
            {
                view::add_terms(answer, &offer);
            }
        }
        view
    }

    /// A statement, wherever it is.
    pub(super) fn signed(&mut self, id: &StatementId) -> Result<SignedStatement, NodeError> {
        if let Some(pooled) = self.node.pooled(id) {
            return Ok(pooled.statement.signed().clone());
        }
        let missing = || NodeError::NotFound(format!("statement {id}"));
        let place = self.node.place(id).ok_or_else(missing)?;
        let block = self.block_at(place.height)?;
        let index = usize::try_from(place.index).unwrap_or(usize::MAX);
        block.statements.get(index).filter(|statement| statement.id() == *id).cloned().ok_or_else(missing)
    }

    pub(super) fn statement(&mut self, id: &StatementId) -> Result<StatementView, NodeError> {
        let statement = self.signed(id)?;
        Ok(self.statement_view(&statement))
    }

    /// A final statement with its receipt.
    pub(super) fn transparent_statement(&mut self, id: &StatementId) -> Result<Vec<u8>, NodeError> {
        let key = self.receipt_key.clone().ok_or(NodeError::NoReceiptKey)?;
        let statement = self.signed(id)?;
        let proof = self.proof(id)?.ok_or(NodeError::NotFinal(*id))?;
        let size = self.node.final_log_size();
        let root = self.node.state().log().root_at(size).ok_or(NodeError::NotFinal(*id))?;
        let receipt = issue_receipt(&key, proof.log_index, size, &proof.path, &root).map_err(NodeError::ReceiptKey)?;
        // The key that counted when the log took it in; the account may have another one now.
        let account = self.node.state().account(&statement.signer());
        let signer = account.and_then(|account| account.key_at(proof.log_index)).cloned();
        let mut keys: Vec<_> = signer.into_iter().chain([SecretKey::public(&key)]).collect();
        keys.sort_by_key(ledger::PublicKey::account);
        keys.dedup();
        Ok(TransparentStatement { statement, receipts: vec![receipt], keys }.to_bytes())
    }

    /// Place and path of a final statement; `None` for one that is not final.
    fn proof(&mut self, id: &StatementId) -> Result<Option<StatementProof>, NodeError> {
        let size = self.node.final_log_size();
        let Some(place) = self.node.place(id).filter(|place| place.log_index < size) else { return Ok(None) };
        let Some(path) = self.node.state().log().inclusion_path(place.log_index, size) else { return Ok(None) };
        let leaf = self.signed(id)?.leaf().to_vec();
        let attachment = self.store.attachment(id)?;
        Ok(Some(StatementProof { id: *id, leaf, log_index: place.log_index, path, attachment }))
    }

    pub(super) fn attachment(&mut self, id: &StatementId) -> Result<Vec<u8>, NodeError> {
        let missing = || NodeError::NotFound(format!("attachment of statement {id}"));
        self.store.attachment(id)?.ok_or_else(missing)
    }

    pub(super) fn accounts(&self) -> Vec<AccountSummary> {
        let state = self.node.state();
        let month = state.genesis().month_at(self.clock.now()).unwrap_or(state.first_open());
        view::accounts(state, month)
    }

    pub(super) fn account(&mut self, id: &AccountId) -> Result<AccountView, NodeError> {
        let missing = || NodeError::NotFound(format!("account {id}"));
        // A later key of an account is known by its thumbprint too: whoever holds only the key finds its account.
        let id = match self.node.state().record(&RecordKey::Key(*id)) {
            Some(Record::Key(account)) => account,
            _ => id,
        };
        let id = *id;
        let record = self.node.state().account(&id).ok_or_else(missing)?;
        let places: Vec<u64> = record.keys.iter().map(|span| span.since).chain(record.revoked).collect();
        let heights = places.into_iter().map(|place| Ok((place, self.height_at(place)?)));
        let heights = heights.collect::<Result<_, NodeError>>()?;
        view::account(self.node.state(), id, &heights).ok_or_else(missing)
    }

    /// The block that a place in the log stands in: headers' log sizes rise, so it is searched by halves.
    fn height_at(&mut self, log_index: u64) -> Result<Height, NodeError> {
        let (mut low, mut high) = (0, self.node.state().head().height.number());
        while low < high {
            let middle = low.midpoint(high);
            if self.header(Height::from_number(middle))?.0.log_size > log_index {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(Height::from_number(low))
    }

    /// A sheet's entries, which must hash to the digest that the state root commits to.
    fn sheet_entries(&self, month: Month, account: &AccountId) -> Result<Vec<EntryRow>, NodeError> {
        let rows = self.rows.tables().entries(month, account)?;
        let digest = rows.iter().fold(Entry::NONE, |digest, row| row.entry.extend(&digest));
        let sheet = self.node.state().sheet(month, account);
        if sheet.map_or(Entry::NONE, |sheet| sheet.entries_digest) == digest {
            Ok(rows)
        } else {
            Err(TablesError::Row(format!("the entries of {account} in {month}")).into())
        }
    }

    pub(super) fn sheet(&mut self, account: &AccountId, month: Month) -> Result<SheetView, NodeError> {
        let missing = || NodeError::NotFound(format!("sheet of {account} in {month}"));
        let state = self.node.state();
        let sheet = state.sheet(month, account).cloned().ok_or_else(missing)?;
        let genesis = state.genesis();
        let (from_ms, until_ms) = genesis.month_span(month).ok_or_else(missing)?;
        let closes_ms = genesis.close_time(month).ok_or_else(missing)?;
        // A tariff in force does not change when the month has begun, so this is the one it closed under.
        let tariff = state.tariff(month).cloned();
        let closed = month < state.first_open();
        let rows = self.sheet_entries(month, account)?;
        let entries = rows.iter().map(|row| self.entry_view(row)).collect::<Result<_, _>>()?;
        Ok(SheetView {
            account: *account,
            month,
            from_ms,
            until_ms,
            closes_ms,
            closed,
            terms: view::terms(&sheet.terms),
            used_percent_warning: sheet.terms.warning().percent(),
            bought: view::priced(sheet.bought),
            sold: view::priced(sheet.sold),
            tariff: tariff.map(|record| view::tariff(&record.tariff, Some(record.statement))),
            meters: sheet.meters.iter().map(view::meter_month).collect(),
            corrections: sheet.corrections.iter().map(view::correction).collect(),
            entries,
            entries_digest: sheet.entries_digest,
        })
    }

    fn entry_view(&mut self, row: &EntryRow) -> Result<EntryView, NodeError> {
        let time_ms = self.header(row.height)?.0.time;
        let plain = EntryView {
            kind: EntryKind::Reward,
            act: None,
            statement: None,
            act_index: None,
            height: row.height,
            time_ms,
            carried_from: None,
        };
        Ok(match row.entry {
            Entry::Reward(_) => plain,
            Entry::Carried(from) => EntryView { kind: EntryKind::Carried, carried_from: Some(from), ..plain },
            Entry::Act(id, act_index) => {
                let index = usize::try_from(act_index).unwrap_or(usize::MAX);
                let act = self.signed(&id)?.payload().acts.get(index).map(|act| act.name().to_owned());
                EntryView { kind: EntryKind::Act, act, statement: Some(id), act_index: Some(act_index), ..plain }
            }
        })
    }

    /// The bill of one closed month, as the ledger computes it.
    pub(super) fn bill(&self, account: &AccountId, month: Month) -> Result<Bill, NodeError> {
        let state = self.node.state();
        let (from, until) = state.genesis().month_span(month).ok_or(RuleViolation::OutsideCalendar)?;
        Ok(bill::of_state(state, *account, from, until)?)
    }

    /// A sheet's entries with everything that proves them.
    pub(super) fn entries(&mut self, account: &AccountId, month: Month) -> Result<Vec<EntryDetail>, NodeError> {
        let rows = self.sheet_entries(month, account)?;
        let mut details = Vec::with_capacity(rows.len());
        for EntryRow { entry, height } in rows {
            let statement = match &entry {
                Entry::Act(id, _) => Some(self.proof(id)?.ok_or(NodeError::NotFinal(*id))?),
                Entry::Reward(_) | Entry::Carried(_) => None,
            };
            details.push(EntryDetail { entry, height, statement });
        }
        Ok(details)
    }

    pub(super) fn pool(&mut self) -> PoolView {
        let (size, bytes) = self.node.pool_size();
        let most = usize::try_from(api::PAGE_ITEMS_MAX).unwrap_or(usize::MAX);
        let waiting = self.node.pool().take(most).map(|pooled| (pooled.received, pooled.statement.signed().clone()));
        let waiting: Vec<_> = waiting.collect();
        let entries = waiting.iter().map(|(received, statement)| PoolEntry {
            received_ms: *received,
            statement: self.statement_view(statement),
        });
        PoolView {
            size: natural(size),
            bytes: natural(bytes),
            size_max: natural(crate::core::POOL_STATEMENTS_MAX),
            bytes_max: natural(crate::core::POOL_BYTES_MAX),
            entries: entries.collect(),
        }
    }

    pub(super) fn meters(&self) -> Vec<MeterView> {
        let bindings = view::present_bindings(self.node.state());
        bindings.map(|(id, binding)| view::meter(&self.node, id, binding)).collect()
    }

    /// What upper meters counted against those below in a month.
    pub(super) fn losses(&mut self, rules: &LossRules, month: Month) -> Result<Vec<Comparison>, NodeError> {
        let outside = || NodeError::NotFound(format!("month {month}"));
        let span = self.node.state().genesis().month_span(month).ok_or_else(outside)?;
        let state = self.node.state();
        let present: Vec<(MeterId, u32, bool)> = view::present_bindings(state)
            .filter(|(_, binding)| binding.from < span.1 && binding.until.is_none_or(|until| until > span.0))
            .map(|(_, binding)| (binding.meter.clone(), binding.factor, binding.main))
            .collect();
        let mut meters = Vec::new();
        for (meter, factor, main) in present {
            let rows = self.rows.tables().counters(&meter, span, LOSS_INTERVALS_MAX)?;
            meters.push(MeterIntervals { meter, main, intervals: counted(&rows, factor) });
        }
        Ok(losses::compare(rules, &meters))
    }

    pub(super) fn meter(&self, meter: &MeterId) -> Result<MeterView, NodeError> {
        let found = self.node.state().meter(meter).map(|(id, binding)| view::meter(&self.node, id, binding));
        found.ok_or_else(|| NodeError::NotFound(format!("meter {meter}")))
    }

    /// Readings out of attachments, oldest first; those of an erased attachment are left out.
    pub(super) fn readings(
        &mut self,
        meter: &MeterId,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Page<ReadingRow>, NodeError> {
        self.meter(meter)?;
        let limit = limit.clamp(1, READINGS_MAX);
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut items: Vec<ReadingRow> = Vec::new();
        let intervals = self.rows.tables().intervals(meter, from, until, limit)?;
        for id in intervals {
            let Some(bytes) = self.store.attachment(&id)? else { continue };
            let act = self.signed(&id)?;
            let fits = act.payload().acts.iter().find_map(|act| match act {
                Act::Readings(readings) => Some(readings),
                _ => None,
            });
            let attachment = Attachment::from_bytes(&bytes).ok();
            let Some(attachment) = attachment.filter(|a| fits.is_some_and(|act| a.check(act).is_ok())) else {
                continue;
            };
            let rows = attachment.rows().unwrap_or_default();
            let within = rows.into_iter().filter(|row| row.time >= from && row.time < until);
            items.extend(within.map(|row| ReadingRow {
                time_ms: row.time,
                statement: id,
                values: row.reading.iter().map(|(key, value)| (key.to_string(), value)).collect(),
            }));
            if items.len() > most {
                break;
            }
        }
        let next = items.get(most).map(|row| row.time_ms.ms().to_string());
        items.truncate(most);
        Ok(Page { items, next })
    }

    pub(super) fn checkpoint(&self) -> Result<String, NodeError> {
        self.node.anchor().map(|anchor| anchor.note.clone()).ok_or(NodeError::NothingFinal)
    }

    /// The bundle of the bill that an account has from a time on.
    pub(super) fn bill_bundle(&mut self, account: &AccountId, from: Timestamp) -> Result<Vec<u8>, NodeError> {
        let (checkpoint, state) = (self.checkpoint()?, self.final_state()?);
        let source = ShellSource(RefCell::new(self));
        Ok(BillBundle::gather(&state, checkpoint, *account, from, &source)?.to_bytes())
    }

    /// The bundle of a claim.
    pub(super) fn claim_bundle(&mut self, claim: ActId) -> Result<Vec<u8>, NodeError> {
        let (checkpoint, state) = (self.checkpoint()?, self.final_state()?);
        let source = ShellSource(RefCell::new(self));
        Ok(ClaimBundle::gather(&state, checkpoint, claim, &source)?.to_bytes())
    }

    /// The whole ledger as one file.
    pub(super) fn ledger_export(&mut self) -> Result<Vec<u8>, NodeError> {
        let checkpoint = self.checkpoint()?;
        let genesis = self.store.genesis()?;
        let heights = 1..=self.node.final_height().number();
        let blocks = heights.map(|height| self.store.block(height).map(Option::unwrap_or_default));
        let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
        let blocks = blocks.iter().map(Vec::as_slice).collect();
        Ok(LedgerExport { genesis: &genesis, blocks, checkpoint: &checkpoint }.to_bytes())
    }

    /// The state that the newest checkpoint covers.
    fn final_state(&self) -> Result<State, NodeError> {
        self.node.final_state().ok_or(NodeError::FinalTooOld)
    }

    pub(super) const fn state(&self) -> &ledger::State {
        self.node.state()
    }
}

/// Readings in an answer: an hour at a reading a second.
const READINGS_MAX: u32 = 4_096;

fn natural(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// The store as a bundle's source.
struct ShellSource<'a>(RefCell<&'a mut Shell>);

impl Source for ShellSource<'_> {
    fn statement(&self, id: &StatementId) -> Option<(u64, Vec<u8>)> {
        let mut shell = self.0.borrow_mut();
        let place = shell.node.place(id)?;
        Some((place.log_index, shell.signed(id).ok()?.leaf().to_vec()))
    }
    fn entries(&self, month: Month, account: &AccountId) -> Vec<Entry> {
        let shell = self.0.borrow();
        let (rows, last) = (shell.sheet_entries(month, account).unwrap_or_default(), shell.node.final_height());
        rows.into_iter().filter(|row| row.height <= last).map(|row| row.entry).collect()
    }
    fn attachment(&self, id: &StatementId) -> Option<Attachment> {
        let bytes = self.0.borrow_mut().store.attachment(id).ok()??;
        Attachment::from_bytes(&bytes).ok()
    }
}

/// What each interval counted. One that does not continue the one before has energy that belongs to no interval.
fn counted(rows: &[CounterRow], factor: u32) -> Vec<Counted> {
    let mut before: Option<CounterRow> = None;
    let each = |row: &CounterRow| {
        let joins = before.replace(*row).is_none_or(|before| (before.end, before.last) == (row.start, row.first));
        let moved = row.last.checked_sub(row.first).filter(|_| joins);
        let energy = moved.and_then(|moved| moved.mwh().checked_mul(u64::from(factor))).map(Energy::from_mwh);
        Counted { start: row.start, end: row.end, energy }
    };
    rows.iter().map(each).collect()
}
