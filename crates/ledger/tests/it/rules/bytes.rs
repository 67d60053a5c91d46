//! One case for every reason to refuse bytes: of a statement, a block, a genesis document.

use super::{EMPTY_NOTE, noon, nothing_billed, readings, remark, transfer};
use crate::foreign::Shelf;
use crate::support::{
    DAY_MS, MINER, OPERATOR, account, apply, at, check, community, genesis, key, month, payload, propose, register,
    seal, sign,
};
use ledger::act::{Act, Bill, Event, EventKind, Note, Readings, Role};
use ledger::cbor::CborError;
use ledger::state::ApplyError;
use ledger::{
    Block, BlockError, Genesis, GenesisError, GenesisMiner, KeyError, Payload, PublicKey, SecretKey, SignedStatement,
    State, StatementError, VerifiedStatement,
};
use minicbor::Encoder;
use units::{AccountId, BlockHash, Digest, Energy, Height, LedgerId, Millis, StatementId, Timestamp, Voltage};

/// A COSE_Sign1 put together by hand, right unless it is changed.
struct ByHand {
    algorithm: i16,
    content_type: &'static str,
    key_id: AccountId,
    issuer: String,
    subject: String,
    payload: Vec<u8>,
}

impl ByHand {
    fn new(payload: Vec<u8>) -> Self {
        Self {
            algorithm: -8,
            content_type: "application/wattproof-statement+cbor",
            key_id: account("chen"),
            issuer: account("chen").to_string(),
            subject: format!("wattproof:{}", genesis().ledger()),
            payload,
        }
    }

    fn protected(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        e.map(4).unwrap().u8(1).unwrap().i16(self.algorithm).unwrap();
        e.u8(3).unwrap().str(self.content_type).unwrap().u8(4).unwrap().bytes(self.key_id.as_bytes()).unwrap();
        e.u8(15).unwrap().map(2).unwrap().u8(1).unwrap().str(&self.issuer).unwrap();
        e.u8(2).unwrap().str(&self.subject).unwrap();
        e.into_writer()
    }

    fn leaf(&self) -> Vec<u8> {
        leaf_of(&self.protected(), &[0xa0], &self.payload)
    }

    fn read(&self) -> Result<SignedStatement, StatementError> {
        SignedStatement::from_leaf(&self.leaf())
    }
}

/// Tag 18, four items, signed by Chen.
fn leaf_of(protected: &[u8], unprotected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    e.array(4).unwrap().str("Signature1").unwrap().bytes(protected).unwrap();
    e.bytes(&[]).unwrap().bytes(payload).unwrap();
    let signature = key("chen").sign(&e.into_writer()).unwrap();
    let mut leaf = vec![0xd2, 0x84];
    for (item, bytes) in [(true, protected), (false, unprotected), (true, payload), (true, &signature)] {
        let mut e = Encoder::new(Vec::new());
        if item {
            e.bytes(bytes).unwrap();
            leaf.extend(e.into_writer());
        } else {
            leaf.extend(bytes);
        }
    }
    leaf
}

/// A payload with its entries in the order given and its acts as they are.
fn payload_by_hand(order: [u8; 5], acts: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xa5];
    for entry in order {
        bytes.push(entry);
        let mut e = Encoder::new(Vec::new());
        match entry {
            1 => drop(e.bytes(genesis().ledger().as_bytes()).unwrap()),
            2 => drop(e.bytes(&[0; 16]).unwrap()),
            3 => drop(e.u64(noon().ms()).unwrap()),
            4 => drop(e.u64(noon().ms() + 1).unwrap()),
            _ => {}
        }
        bytes.extend(e.into_writer());
        if entry == 5 {
            bytes.extend(acts);
        }
    }
    bytes
}

/// `[[7, {1: 5, 6: "x"}]]`: a note of 5 ms after 1970.
const NOTE: &[u8] = &[0x81, 0x82, 0x07, 0xa2, 0x01, 0x05, 0x06, 0x61, b'x'];
const SORTED: [u8; 5] = [1, 2, 3, 4, 5];

#[test]
fn a_statement_put_together_by_hand_is_read() {
    let by_hand = ByHand::new(payload_by_hand(SORTED, NOTE)).read().unwrap();
    assert!(by_hand.clone().verify(&key("chen").public()).is_ok());
    let note = Note { time: Timestamp::from_ms(5), text: Some("x".into()), ..EMPTY_NOTE };
    assert_eq!(by_hand.payload().acts, [Act::Note(note)]);
}

#[test]
fn statements_of_another_form_are_refused() {
    let payload_error = |payload: Vec<u8>| ByHand::new(payload).read().unwrap_err();
    let malformed = |error: &StatementError| matches!(error, StatementError::Payload(CborError::Malformed(_)));
    let not_deterministic = StatementError::Payload(CborError::NotDeterministic);

    let long_integer = [&[0x81, 0x82, 0x18, 0x07][..], &NOTE[3..]].concat();
    let indefinite = [&[0x9f][..], &NOTE[1..], &[0xff]].concat();
    let twice = [&[0x81, 0x82, 0x07, 0xa3][..], &NOTE[4..], &NOTE[6..]].concat();
    let unknown_key = [&[0x81, 0x82, 0x07, 0xa3][..], &NOTE[4..], &[0x18, 0x63, 0x00]].concat();
    let trailing = [payload_by_hand(SORTED, NOTE), vec![0]].concat();
    for payload in [
        payload_by_hand(SORTED, &long_integer),
        payload_by_hand(SORTED, &indefinite),
        payload_by_hand(SORTED, &twice),
        payload_by_hand(SORTED, &unknown_key),
        payload_by_hand([1, 2, 4, 3, 5], NOTE),
        trailing,
    ] {
        assert_eq!(payload_error(payload), not_deterministic);
    }
    assert_eq!(payload_error(payload_by_hand(SORTED, &[0x81, 0x82, 0x18, 99, 0xa0])), StatementError::UnknownAct(99));
    let role_77 = [&[0x81, 0x82, 0x01, 0x82, 0x01, 0xa3, 0x01][..], &cose_key("lee"), &[0x02, 0x18, 77, 0x03, 0x00]];
    assert_eq!(payload_error(payload_by_hand(SORTED, &role_77.concat())), StatementError::UnknownAct(77));
    assert!(malformed(&payload_error(payload_by_hand(SORTED, &NOTE[..6]))));
    assert!(malformed(&payload_error(vec![0xf6])));
}

fn cose_key(name: &str) -> Vec<u8> {
    ledger::cbor::encode(&key(name).public())
}

#[test]
fn envelopes_of_another_form_are_refused() {
    let good = ByHand::new(payload_by_hand(SORTED, NOTE));
    let leaf = good.leaf();
    let changed = |change: fn(&mut ByHand)| {
        let mut by_hand = ByHand::new(payload_by_hand(SORTED, NOTE));
        change(&mut by_hand);
        by_hand.read().unwrap_err()
    };
    let envelope = |bytes: &[u8]| SignedStatement::from_leaf(bytes).unwrap_err();
    let unprotected = leaf_of(&good.protected(), &[0xa1, 0x01, 0x26], &good.payload);
    assert!(matches!(envelope(&unprotected), StatementError::Envelope(CborError::Malformed(_))));
    assert!(matches!(envelope(&leaf[1..]), StatementError::Envelope(CborError::Malformed(_))));
    assert_eq!(envelope(&[&leaf[..], &[0]].concat()), StatementError::Envelope(CborError::NotDeterministic));
    let long_tag = [&[0xd8, 0x12][..], &leaf[1..]].concat();
    assert_eq!(envelope(&long_tag), StatementError::Envelope(CborError::NotDeterministic));
    assert_eq!(envelope(&vec![0; SignedStatement::BYTES_MAX + 1]), StatementError::TooLarge(65_536));

    let mut crit = good.protected();
    (crit[0], crit[1]) = (0xa5, 0x01);
    crit.extend([0x18, 0x63, 0x00]);
    let crit = leaf_of(&crit, &[0xa0], &good.payload);
    assert_eq!(envelope(&crit), StatementError::ProtectedHeader(CborError::NotDeterministic));
    assert!(matches!(changed(|header| header.content_type = "text/plain"), StatementError::ProtectedHeader(_)));
    assert_eq!(changed(|header| header.issuer = account("lee").to_string()), StatementError::IssuerMismatch);
    assert_eq!(changed(|header| header.key_id = account("lee")), StatementError::IssuerMismatch);
    assert_eq!(changed(|header| header.subject.push('0')), StatementError::SubjectMismatch);
}

#[test]
fn payloads_beyond_their_bounds_are_refused() {
    let refused = |change: &dyn Fn(&mut Payload)| {
        let mut payload = payload(&genesis(), 1, noon(), vec![remark()]);
        change(&mut payload);
        SignedStatement::sign(&payload, &key("chen")).unwrap_err()
    };
    let minutes = |minutes| Some(noon() + Millis::from_minutes(minutes));
    let (trade, other) = (Payload::LIFE_MAX_TRADE, Payload::LIFE_MAX);
    assert_eq!(refused(&|payload| payload.acts.clear()), StatementError::ActCount(0));
    assert_eq!(refused(&|payload| payload.acts = vec![remark(); 65]), StatementError::ActCount(65));
    assert_eq!(refused(&|payload| payload.expires = None), StatementError::Life { max: other });
    assert_eq!(refused(&|payload| payload.expires = Some(noon())), StatementError::Life { max: other });
    assert_eq!(refused(&|payload| payload.expires = minutes(31 * 1_440 + 1)), StatementError::Life { max: other });
    assert_eq!(
        refused(&|payload| {
            payload.acts.push(transfer("lee", "1"));
            payload.expires = minutes(61);
        }),
        StatementError::Life { max: trade }
    );
    let long = "x".repeat(Note::TEXT_MAX + 1);
    let note = Act::Note(Note { text: Some(long), ..EMPTY_NOTE });
    assert_eq!(refused(&|payload| payload.acts = vec![note.clone()]), StatementError::ListTooLong("note"));
    let month = ledger::act::BillMonth {
        month: month(7),
        terms: ledger::state::Terms::default(),
        meters: Vec::new(),
        tariff: StatementId::from_bytes([0; 32]),
        bands: Vec::new(),
        bands_estimated: false,
    };
    let bill = Bill { months: vec![month; 13], ..nothing_billed("chen", noon(), noon()) };
    let bill = Act::Bill(Box::new(bill));
    assert_eq!(refused(&|payload| payload.acts = vec![bill.clone()]), StatementError::ListTooLong("bill"));
    let event = Event { kind: EventKind::OverVoltage, from: noon(), until: noon(), extreme: Voltage::from_mv(130_000) };
    let flicker = readings(|act| act.events = vec![event; Readings::EVENTS_MAX + 1])(&community());
    assert_eq!(refused(&|payload| payload.acts = vec![flicker.clone()]), StatementError::ListTooLong("readings"));
}

#[test]
fn signatures_of_another_key_or_algorithm_are_refused() {
    let (chen, lee) = (key("chen"), key("lee"));
    let signed = SignedStatement::sign(&payload(&genesis(), 1, noon(), vec![remark()]), &chen).unwrap();
    assert_eq!(signed.clone().verify(&lee.public()), Err(StatementError::Key(KeyError::InvalidSignature)));
    let mut leaf = signed.leaf().to_vec();
    *leaf.last_mut().unwrap() ^= 1;
    let forged = SignedStatement::from_leaf(&leaf).unwrap();
    assert_eq!(forged.id(), signed.id(), "the id does not depend on the signature");
    assert_eq!(forged.verify(&chen.public()), Err(StatementError::Key(KeyError::InvalidSignature)));
    let mut es256 = ByHand::new(payload_by_hand(SORTED, NOTE));
    es256.algorithm = -7;
    assert_eq!(es256.read().unwrap().verify(&chen.public()), Err(StatementError::WrongAlgorithm));
}

#[test]
fn an_attachment_travels_beside_the_leaf_form() {
    let signed = SignedStatement::sign(&payload(&genesis(), 1, noon(), vec![remark()]), &key("chen")).unwrap();
    for attachment in [None, Some(b"columns".as_slice())] {
        let bytes = signed.to_submission(attachment);
        let read = SignedStatement::from_submission(&bytes).unwrap();
        assert_eq!(read, (signed.clone(), attachment.map(<[u8]>::to_vec)));
        assert_eq!(SignedStatement::from_leaf(&bytes).is_ok(), attachment.is_none());
    }
    let long = signed.to_submission(Some(&vec![0; SignedStatement::ATTACHMENT_BYTES_MAX + SignedStatement::BYTES_MAX]));
    assert!(matches!(SignedStatement::from_submission(&long), Err(StatementError::TooLarge(_))));
}

/// The check's answer to a block whose header was changed and which was searched and sealed again.
fn changed_header(statements: &[VerifiedStatement], change: impl FnOnce(&mut ledger::Header)) -> BlockError {
    let mut state = community();
    let Block { mut header, statements, .. } = propose(&mut state, noon(), statements);
    change(&mut header);
    let block = seal(header, statements, &key(MINER));
    Shelf::named("headers").leave_lie(&block);
    check(&state, &block.to_bytes()).unwrap_err()
}

#[test]
fn headers_that_do_not_fit_are_refused() {
    Shelf::emptied("headers");
    let some = [sign(&payload(&genesis(), 1, noon(), vec![remark()]), &key("chen"))];
    let head = community().head().clone();
    let early = head.time + Millis::from_ms(9);
    assert_eq!(changed_header(&some, |header| header.version = 2), BlockError::Version(2));
    let ledger = LedgerId::from_bytes([1; 32]);
    assert_eq!(changed_header(&some, |header| header.ledger = ledger), BlockError::Ledger(ledger));
    let height = Height::from_number(3);
    assert_eq!(
        changed_header(&some, |header| header.height = height),
        BlockError::Height { height, parent: head.height }
    );
    let other = BlockHash::from_bytes([1; 32]);
    assert_eq!(changed_header(&some, |header| header.previous = other), BlockError::Previous);
    assert_eq!(
        changed_header(&some, |header| header.time = head.time),
        BlockError::Time { time: head.time, distance_ms: 1 }
    );
    assert_eq!(changed_header(&[], |header| header.time = early), BlockError::Time { time: early, distance_ms: 10 });
    assert_eq!(
        changed_header(&some, |header| header.engine.difficulty = 1),
        BlockError::Difficulty { found: 1, expected: 16 }
    );
    assert_eq!(changed_header(&some, |header| header.log_size += 1), BlockError::LogRoot);
    assert_eq!(changed_header(&some, |header| header.log_root = Digest::from_bytes([1; 32])), BlockError::LogRoot);
    let stranger = account("stranger");
    assert_eq!(changed_header(&some, |header| header.proposer = stranger), BlockError::Proposer(stranger));
    // A miner's name does not make a miner's seal.
    let chen = account("chen");
    assert_eq!(changed_header(&some, |header| header.proposer = chen), BlockError::Seal(KeyError::InvalidSignature));
}

#[test]
fn reject_a_block_without_its_work() {
    let mut state = community();
    let mut block = propose(&mut state, noon(), &[]);
    while *block.header.hash().as_bytes() <= ledger::target(16) {
        block.header.engine.nonce += 1;
    }
    Shelf::emptied("work").leave_lie(&block);
    assert_eq!(check(&state, &block.to_bytes()), Err(BlockError::Work(block.header.hash())));
}

#[test]
fn blocks_of_another_form_are_refused() {
    let mut state = community();
    let some = sign(&payload(state.genesis(), 1, noon(), vec![remark()]), &key("chen"));
    let block = propose(&mut state, noon(), std::slice::from_ref(&some));
    let bytes = block.to_bytes();
    assert_eq!(Block::from_bytes(&[&bytes[..], &[0]].concat()), Err(BlockError::Form(CborError::NotDeterministic)));
    assert!(matches!(Block::from_bytes(&bytes[1..]), Err(BlockError::Form(CborError::Malformed(_)))));
    assert_eq!(Block::from_bytes(&vec![0; Block::BYTES_MAX + 1]), Err(BlockError::TooLarge));
    // `[h'', [], h'']` and the same with a seal one byte short.
    assert_eq!(Block::from_bytes(&[0x83, 0x40, 0x80, 0x40]), Err(BlockError::FieldLength));
    let short_seal = [&bytes[..bytes.len() - 66], &[0x58, 63], &[0; 63]].concat();
    assert_eq!(Block::from_bytes(&short_seal), Err(BlockError::FieldLength));
    let many = Block { statements: vec![some.signed().clone(); Block::STATEMENTS_MAX + 1], ..block.clone() };
    assert_eq!(Block::from_bytes(&many.to_bytes()), Err(BlockError::TooLarge));
    assert_eq!(
        many.check(state.genesis(), state.head(), state.log(), state.next_difficulty(), &|_| None),
        Err(BlockError::TooLarge)
    );

    let mut not_a_statement = bytes;
    let leaf = not_a_statement.windows(2).position(|pair| pair == [0xd2, 0x84]).unwrap();
    not_a_statement[leaf] = 0xd3;
    assert!(matches!(
        Block::from_bytes(&not_a_statement),
        Err(BlockError::Statement { index: 0, error: StatementError::Envelope(_) })
    ));
}

#[test]
fn reject_a_block_with_a_statement_of_a_stranger_or_a_wrong_signature() {
    let mut state = community();
    let stranger = sign(&payload(state.genesis(), 1, noon(), vec![remark()]), &key("stranger"));
    let block = propose(&mut state, noon(), &[stranger]);
    let shelf = Shelf::emptied("signatures");
    shelf.leave_lie(&block);
    let signer = account("stranger");
    assert_eq!(check(&state, &block.to_bytes()), Err(BlockError::UnknownSigner { index: 0, signer }));

    let good = sign(&payload(state.genesis(), 1, noon(), vec![remark()]), &key("chen"));
    let mut leaf = good.signed().leaf().to_vec();
    *leaf.last_mut().unwrap() ^= 1;
    let forged = SignedStatement::from_leaf(&leaf).unwrap();
    let mut block = propose(&mut state, noon(), &[good]);
    block.header.log_root = state.log().extended(&[ledger::log::leaf_hash(&leaf)]).1;
    let block = seal(block.header, vec![forged], &key(MINER));
    shelf.leave_lie(&block);
    let error = StatementError::Key(KeyError::InvalidSignature);
    assert_eq!(check(&state, &block.to_bytes()), Err(BlockError::Statement { index: 0, error }));
}

#[test]
fn a_key_signs_from_the_statement_after_its_registration_on() {
    let mut state = community();
    let registered =
        sign(&payload(state.genesis(), 1, noon(), vec![register("stranger", Role::Member)]), &key(OPERATOR));
    let note = sign(&payload(state.genesis(), 2, noon(), vec![remark()]), &key("stranger"));
    let wrong_order = propose(&mut state, noon(), &[note.clone(), registered.clone()]);
    Shelf::emptied("order").leave_lie(&wrong_order);
    let signer = account("stranger");
    assert_eq!(check(&state, &wrong_order.to_bytes()), Err(BlockError::UnknownSigner { index: 0, signer }));
    let block = propose(&mut state, noon(), &[registered, note]);
    assert!(apply(&mut state, &block).is_ok());
}

#[test]
fn checked_blocks_that_do_not_apply_leave_the_state_as_it_was() {
    let mut state = community();
    let before = (state.root(), state.head().clone(), state.log().size());
    let wrong_root = |state: &mut State| {
        let Block { mut header, statements, .. } = propose(state, noon(), &[]);
        header.state_root = Digest::from_bytes([1; 32]);
        seal(header, statements, &key(MINER))
    };
    let shelf = Shelf::emptied("state");
    let block = wrong_root(&mut state);
    shelf.leave_lie(&block);
    let (computed, stated) = (state.root(), Digest::from_bytes([1; 32]));
    assert_eq!(apply(&mut state, &block).unwrap_err(), ApplyError::StateRoot { computed, stated });

    // Chen has a key, so the seal is right; but Chen is no miner.
    let Block { mut header, statements, .. } = propose(&mut state, noon(), &[]);
    header.proposer = account("chen");
    let block = seal(header, statements, &key("chen"));
    shelf.leave_lie(&block);
    assert_eq!(apply(&mut state, &block).unwrap_err(), ApplyError::NotAMiner(account("chen")));

    let Block { mut header, statements, .. } = propose(&mut state, noon(), &[]);
    header.time = at(12, 31, 23, 59) + Millis::from_minutes(1);
    let block = seal(header, statements, &key(MINER));
    shelf.leave_lie(&block);
    assert_eq!(apply(&mut state, &block).unwrap_err(), ApplyError::OutsideCalendar);
    assert_eq!((state.root(), state.head().clone(), state.log().size()), before);

    let block = propose(&mut state, noon(), &[]);
    let checked = check(&state, &block.to_bytes()).unwrap();
    state.apply(&checked).unwrap();
    assert_eq!(state.apply(&checked).unwrap_err(), ApplyError::NotOnHead);
}

#[test]
fn genesis_documents_that_no_ledger_can_keep_are_refused() {
    let refused = |change: fn(&mut Genesis)| {
        let mut genesis = genesis();
        change(&mut genesis);
        let error = Genesis::from_bytes(&genesis.to_bytes()).unwrap_err();
        assert_eq!(State::new(genesis).unwrap_err(), error);
        error
    };
    let weak = PublicKey::Ed25519([0; 32]);
    assert_eq!(refused(|genesis| genesis.version = 2), GenesisError::Version(2));
    assert_eq!(refused(|genesis| genesis.month_starts.truncate(1)), GenesisError::MonthStarts);
    assert_eq!(refused(|genesis| genesis.month_starts.swap(3, 4)), GenesisError::MonthStarts);
    assert_eq!(refused(|genesis| genesis.created = Timestamp::from_ms(0)), GenesisError::Created);
    assert_eq!(refused(|genesis| genesis.order.level = 0), GenesisError::Level(0));
    assert_eq!(refused(|genesis| genesis.order.level = 6), GenesisError::Level(6));
    assert_eq!(refused(|genesis| genesis.order.final_depth = 513), GenesisError::FinalDepth(513));
    // The least distances are 1 ms, and 10 ms for an empty block.
    let ms = Millis::from_ms;
    let (above, day) = (ms(10), ms(DAY_MS));
    let timed = |target, half_life| Some(ledger::BlockTime { target, half_life });
    for target in [ms(0), above, ms(DAY_MS + 1)] {
        let mut genesis = genesis();
        genesis.order.block_time = timed(target, day);
        assert_eq!(genesis.check(), Err(GenesisError::BlockTime { target, above }));
    }
    for half_life in [ms(0), ms(10), ms(366 * DAY_MS)] {
        let mut genesis = genesis();
        genesis.order.block_time = timed(ms(11), half_life);
        assert_eq!(genesis.check(), Err(GenesisError::HalfLife(half_life)));
    }
    assert_eq!(
        refused(|genesis| genesis.operator = PublicKey::Ed25519([0; 32])),
        GenesisError::Key("operator's", weak.check().unwrap_err())
    );
    let kind = GenesisError::KeyKind;
    fn rsa() -> PublicKey {
        SecretKey::rsa(1024, [1; 32]).unwrap().public()
    }
    assert_eq!(refused(|genesis| genesis.log_key = genesis.receipt_keys[0].clone()), kind("log"));
    assert_eq!(refused(|genesis| genesis.receipt_keys[0] = genesis.log_key.clone()), kind("receipt"));
    assert_eq!(refused(|genesis| genesis.miners[0].key = rsa()), kind("miner's"));
    let serious = |genesis: &mut Genesis| {
        genesis.operator = rsa();
        genesis.classroom = false;
    };
    assert_eq!(refused(serious), GenesisError::Key("operator's", KeyError::WeakKey));
    assert_eq!(Genesis { operator: rsa(), ..genesis() }.check(), Ok(()), "a ledger for teaching allows it");
    assert_eq!(
        refused(|genesis| genesis.miners.push(genesis.miners[0].clone())),
        GenesisError::MinerTwice(account(MINER))
    );
    let too_much = Energy::from_mwh(1_000_000_000_000_000_001);
    assert_eq!(too_much.checked_sub(ledger::state::Terms::TERM_MAX), Some(Energy::from_mwh(1)));
    assert_eq!(refused(|genesis| genesis.rewards.monthly_budget = Energy::from_mwh(u64::MAX)), GenesisError::Amount);
    let large = vec![0; Genesis::BYTES_MAX + 1];
    assert_eq!(Genesis::from_bytes(&large), Err(GenesisError::TooLarge(large.len())));
    assert!(matches!(Genesis::from_bytes(b"{}"), Err(GenesisError::Form(_))));
}

#[test]
fn an_operator_that_mines_keeps_both_roles() {
    let mut genesis = genesis();
    genesis.miners = vec![GenesisMiner { key: key(OPERATOR).public(), beneficiary: account("chen") }];
    let state = State::new(genesis).unwrap();
    let record = state.account(&account(OPERATOR)).unwrap();
    assert!(record.has(Role::Operator, noon()) && record.has(Role::Miner, noon()));
    assert_eq!(record.beneficiary, Some(account("chen")));
}

#[test]
fn there_is_no_tariff_before_the_first_month() {
    let mut genesis = genesis();
    genesis.first_month = month(3);
    genesis.created = at(1, 1, 0, 0);
    assert_eq!(State::new(genesis).unwrap().tariff(month(1)), None);
}

#[test]
fn the_highest_hash_of_a_level_begins_with_that_many_zero_digits() {
    for level in 0..=5u8 {
        let target = ledger::target(ledger::difficulty_of_level(level));
        let digits: String = target.iter().map(|byte| format!("{byte:02x}")).collect();
        let zeros = usize::from(level);
        assert_eq!(digits, format!("{}{}", "0".repeat(zeros), "f".repeat(64 - zeros)));
    }
    // (2^256 - 1) / 3 is 0x5555...
    assert_eq!(ledger::target(3), [0x55; 32]);
}
