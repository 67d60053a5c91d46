//! A bill's bundle, a checkpoint and a whole export: verified with and without a trusted origin, and refused after any
//! change.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]
use crate::foreign::{self, Shelf, Store};
use crate::support::*;
use ledger::act::{Act, Bill, Break, Note, Readings, Transfer};
use ledger::attachment::{Attachment, Exchange, Frame, Row, Summary};
use ledger::bundle::{BillBundle, BundleError, ProvenRecord, ProvenStatement};
use ledger::state::RecordKey;
use ledger::verify::{Kind, Layer, LedgerExport, Outcome, Report, Verdict, verify};
use ledger::{Checkpoint, Genesis, State, bill, cbor};
use units::{Energy, Millis, Quantity, Reading};

/// An answer of an IM1281B, whose fourth value is the counter in 0.1 Wh (see the profile in `crates/meter`).
fn answer(counter: Energy) -> Exchange {
    let tenths = u32::try_from(counter.mwh() / 100).unwrap().to_be_bytes();
    let response = [&[1, 3, 32][..], &[0; 12], &tenths, &[0; 16]].concat();
    Exchange { request: with_crc(vec![1, 3, 0, 0x48, 0, 8]), response: with_crc(response) }
}

/// CRC-16/MODBUS, low byte first.
fn with_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    let step = |crc: u16| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 };
    let crc = bytes.iter().fold(0xffff, |crc: u16, byte| (0..8).fold(crc ^ u16::from(*byte), |crc, _| step(crc)));
    bytes.extend(crc.to_le_bytes());
    bytes
}

pub(crate) fn read_frame(profile: &str, frame: &Frame) -> Result<Energy, String> {
    assert_eq!(profile, "im1281b");
    let response = &frame.exchanges[0].response;
    let tenths: [u8; 4] = response.get(15..19).and_then(|bytes| bytes.try_into().ok()).ok_or("four bytes")?;
    Ok(Energy::from_mwh(u64::from(u32::from_be_bytes(tenths)) * 100))
}

/// The next interval of Chen's meter with three readings, whose counters are given in kWh.
fn interval(state: &State, counters: [&str; 3], broken: Option<Break>) -> (Readings, Attachment) {
    let import = match broken {
        None if state.meter(&meter_id("m-chen")).unwrap().1.head.import.is_some() => {
            let head = state.meter(&meter_id("m-chen")).unwrap().1.head.import.unwrap();
            (head, kwh(counters[2]))
        }
        _ => (kwh(counters[0]), kwh(counters[2])),
    };
    let mut readings = next_readings(state, "m-chen", ("0", "0"));
    if broken.is_some() {
        readings.start = readings.start + Millis::from_ms(DAY_MS);
        readings.end = readings.end + Millis::from_ms(DAY_MS);
    }
    let (mut rows, mut frames) = (Vec::new(), Vec::new());
    for (minute, counter) in (1u64..).zip(counters) {
        let time = readings.start + Millis::from_minutes(minute);
        let mwh = kwh(counter).mwh();
        let mut reading = Reading::new();
        reading.insert(Quantity::EnergyImport, i64::try_from(mwh).unwrap());
        rows.push(Row { time, reading });
        frames.push(Frame { time, exchanges: vec![answer(kwh(counter))] });
    }
    let attachment = Attachment::build([9; 32], &rows, &frames).unwrap();
    readings.count = Summary::of(&rows).count;
    readings.import = ledger::act::CounterPair { start: import.0, end: import.1 };
    readings.broken = broken;
    readings.columns = attachment.columns_hash();
    readings.frames = attachment.frames_root().unwrap();
    attachment.check(&readings).unwrap();
    (readings, attachment)
}

/// July of Chen: three days, a gap, 20 kWh sold to Lee, the close and the bill. The first interval ever starts at its
/// own first reading.
fn july() -> (State, Store, Bill) {
    let mut state = State::new(genesis()).unwrap();
    let mut store = Store::default();
    let setup = community_statement(&state);
    store.commit(&mut state, at(7, 1, 0, 1), &[setup]);
    for (day, counters, broken) in [
        (2, ["100.0", "101.5", "103.0"], None),
        (3, ["103.25", "104.5", "106.0"], None),
        (5, ["111.0", "112.5", "113.125"], Some(Break::Gap)),
        (6, ["113.25", "114.5", "116.0"], None),
    ] {
        let (readings, attachment) = interval(&state, counters, broken);
        let payload = payload(state.genesis(), day, at(7, day, 0, 0), vec![Act::Readings(Box::new(readings))]);
        let statement = sign(&payload, &key(GATEWAY));
        store.attachments.insert(statement.id(), attachment);
        store.commit(&mut state, at(7, day, 1, 0), &[statement]);
    }
    let sale = Transfer { to: account("lee"), energy: kwh("20"), month: month(7) };
    let sale = payload(state.genesis(), 90, at(7, 7, 0, 0), vec![Act::Transfer(sale)]);
    store.commit(&mut state, at(7, 7, 0, 1), &[sign(&sale, &key("chen"))]);
    // Empty: closes July.
    store.commit(&mut state, at(8, 1, 7, 0), &[]);
    let bill = bill::of_state(&state, account("chen"), at(7, 1, 0, 0), at(8, 1, 0, 0)).unwrap();
    // One statement bills both, Lee first.
    let lees = bill::of_state(&state, account("lee"), at(7, 1, 0, 0), at(8, 1, 0, 0)).unwrap();
    let acts = [lees, bill.clone()].map(|bill| Act::Bill(Box::new(bill))).to_vec();
    let act = payload(state.genesis(), 91, at(8, 1, 8, 0), acts);
    store.commit(&mut state, at(8, 1, 8, 1), &[sign(&act, &key(OPERATOR))]);
    (state, store, bill)
}

fn checkpoint(state: &State) -> String {
    foreign::checkpoint(state.head())
}

fn bundle(state: &State, store: &Store) -> BillBundle {
    BillBundle::gather(state, checkpoint(state), account("chen"), at(7, 1, 0, 0), store).unwrap()
}

/// The files of July: what is exported, and what travels beside statements.
pub(crate) fn july_files() -> Vec<(&'static str, Vec<u8>)> {
    let (state, store, _) = july();
    let (genesis, note) = (state.genesis().to_bytes(), checkpoint(&state));
    let blocks = store.blocks.iter().map(Vec::as_slice).collect();
    let export = LedgerExport { genesis: &genesis, blocks, checkpoint: &note }.to_bytes();
    let attachments = store.attachments.values().map(|attachment| ("attachment", attachment.to_bytes()));
    let files = [("bundle", bundle(&state, &store).to_bytes()), ("export", export), ("checkpoint", note.into_bytes())];
    files.into_iter().chain(attachments).collect()
}

fn check_bytes(bytes: &[u8], trust: Option<&Genesis>) -> Report {
    verify(bytes, trust, &read_frame)
}

fn outcome(report: &Report, layer: Layer) -> Option<Outcome> {
    report.findings.iter().filter(|finding| finding.layer == layer).map(|finding| finding.outcome).max()
}

#[test]
fn a_true_bill_is_verified_down_to_the_meters_bytes() {
    let (state, store, bill) = july();
    Shelf::emptied("bills").leave("july", &state, &store);
    assert_eq!((bill.months[0].meters[0].previous, bill.months[0].meters[0].present), (kwh("100"), kwh("116")));
    let bytes = bundle(&state, &store).to_bytes();
    let report = check_bytes(&bytes, Some(state.genesis()));
    assert_eq!((report.kind, report.verdict()), (Kind::BillBundle, Verdict::Verified), "{report:#?}");
    for layer in [
        Layer::Origin,
        Layer::Structure,
        Layer::Signatures,
        Layer::Inclusion,
        Layer::Finality,
        Layer::MeterSequence,
        Layer::RawFrames,
        Layer::Arithmetic,
        Layer::Tariff,
    ] {
        assert_eq!(outcome(&report, layer), Some(Outcome::Passed), "{layer:?}");
    }
}

#[test]
fn without_a_trusted_origin_the_answer_is_never_verified() {
    let (state, store, _) = july();
    let bytes = bundle(&state, &store).to_bytes();
    assert_eq!(check_bytes(&bytes, None).verdict(), Verdict::OriginUnknown);
    let other = Genesis { name: "another".into(), ..genesis() };
    let report = check_bytes(&bytes, Some(&other));
    assert_eq!((report.verdict(), outcome(&report, Layer::Origin)), (Verdict::Failed, Some(Outcome::Failed)));
}

#[test]
fn no_flipped_bit_of_a_bundle_passes() {
    let (state, store, _) = july();
    let bytes = bundle(&state, &store).to_bytes();
    let genesis = state.genesis().clone();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Without trust every byte must hold by itself, the genesis document's own included.
        let report = check_bytes(&flipped, None);
        assert_eq!(report.verdict(), Verdict::Failed, "bit {bit} of {}: {report:#?}", bytes.len() * 8);
    }
    assert_eq!(check_bytes(&bytes, Some(&genesis)).verdict(), Verdict::Verified);
}

/// Each change with the layer that must notice it.
#[test]
fn each_layer_notices_its_own_lie() {
    let (mut state, mut store, bill) = july();
    let note =
        Note { time: at(8, 1, 9, 0), voltage: None, current: None, power: None, energy: Some(kwh("1")), text: None };
    let note = payload(state.genesis(), 92, at(8, 1, 9, 0), vec![Act::Note(note)]);
    store.commit(&mut state, at(8, 1, 9, 1), &[sign(&note, &key("chen"))]);
    let whole = bundle(&state, &store);
    let trust = state.genesis().clone();
    let shelf = Shelf::emptied("lies");
    let check = |name: &str, layer: Layer, changed: &BillBundle| {
        shelf.write(&format!("{name}.lie"), &changed.to_bytes());
        let report = check_bytes(&changed.to_bytes(), Some(&trust));
        assert_eq!(outcome(&report, layer), Some(Outcome::Failed), "{name}: {report:#?}");
        assert_eq!(report.verdict(), Verdict::Failed, "{name}");
    };

    let mut dearer = bill.clone();
    dearer.total = units::Money::from_1e4(bill.total.as_1e4() + 10_000);
    let forged = payload(&trust, 91, at(8, 1, 8, 0), vec![Act::Bill(Box::new(dearer))]);
    let forged = sign(&forged, &key(OPERATOR));
    let mut changed = whole.clone();
    let last = changed.statements.len() - 1;
    changed.statements[last].leaf = forged.signed().leaf().to_vec();
    (changed.bill, changed.act) = (forged.id(), 0);
    check("a dearer bill, signed by the operator but never accepted", Layer::Inclusion, &changed);

    let mut changed = whole.clone();
    changed.act = 0;
    check("another member's bill of the same statement", Layer::Inclusion, &changed);

    let mut changed = whole.clone();
    changed.entries[0].entries.remove(1);
    check("an interval left out of the list", Layer::Inclusion, &changed);

    let mut changed = whole.clone();
    let swapped = changed.frames[0].proof.frame.clone();
    changed.frames[1].proof.frame = swapped;
    check("another frame of the same meter", Layer::RawFrames, &changed);

    let mut changed = whole.clone();
    changed.checkpoint = checkpoint(&State::new(genesis()).unwrap());
    check("a checkpoint of an earlier block", Layer::Finality, &changed);

    let mut changed = whole.clone();
    changed.checkpoint = Checkpoint::for_header(state.head()).sign(&key("lee")).unwrap();
    check("a checkpoint that the log key did not sign", Layer::Finality, &changed);

    let mut changed = whole.clone();
    changed.records.retain(|known| known.key != RecordKey::Account(account(GATEWAY)));
    check("no account of the gateway", Layer::Signatures, &changed);

    let mut changed = whole.clone();
    let (last, leaf) = store.statements.last().map(|note| (state.log().size() - 1, note.leaf().to_vec())).unwrap();
    let path = state.log().inclusion_path(last, state.log().size()).unwrap();
    changed.statements.push(ProvenStatement { index: last, leaf, path });
    check("a note of the member that the bill does not need", Layer::Structure, &changed);

    for (name, idle) in [
        ("the sheet of another member", RecordKey::Sheet(month(7), account("lee"))),
        ("the bill of another member", RecordKey::Bill(account("lee"), at(7, 1, 0, 0))),
        ("another member's meter", RecordKey::Binding(binding_of(&state, "m-lee"))),
    ] {
        let mut changed = whole.clone();
        let (record, proof) = (state.record(&idle).unwrap().clone(), state.prove(&idle));
        changed.records.push(ProvenRecord { key: idle, record, proof });
        changed.records.sort_by(|a, b| a.key.cmp(&b.key));
        check(name, Layer::Structure, &changed);
    }
}

/// Chen rotates his key, buys at a price from Lee's offer with the new one, and is read by eye at the month's end.
#[test]
fn a_bill_of_a_rotated_key_with_a_trade_and_a_reading_by_eye_is_verified() {
    let mut state = State::new(genesis()).unwrap();
    let mut store = Store::default();
    let setup = community_statement(&state);
    store.commit(&mut state, at(7, 1, 0, 1), &[setup]);
    let (readings, _) = interval(&state, ["100.0", "101.5", "103.0"], None);
    let mut nonce = 0;
    let mut commit = |state: &mut State, store: &mut Store, time, who: &str, signer: &str, act: Act| {
        nonce += 1;
        let statement = sign_as(who, &payload(state.genesis(), nonce, time, vec![act]), &key(signer));
        store.commit(state, time + Millis::from_ms(1), &[statement]);
    };
    commit(&mut state, &mut store, at(7, 2, 0, 0), GATEWAY, GATEWAY, Act::Readings(Box::new(readings)));
    let act = rotate(&state, "chen", "chen's new key");
    commit(&mut state, &mut store, at(7, 3, 0, 0), "chen", "chen", act);
    commit(&mut state, &mut store, at(7, 4, 0, 0), "lee", "lee", offer(None, "20.5", "2.25", at(7, 5, 0, 0)));
    let act = Act::Accept(ledger::act::Accept { offer: offer_id(&state) });
    commit(&mut state, &mut store, at(7, 4, 1, 0), "chen", "chen's new key", act);
    let mut by_eye = next_readings(&state, "m-chen", ("103", "150"));
    (by_eye.end, by_eye.source, by_eye.count) = (at(8, 1, 0, 0), ledger::act::ReadingSource::ByHand, 0);
    (by_eye.columns, by_eye.frames) = (ledger::log::empty_root(), ledger::log::empty_root());
    commit(&mut state, &mut store, at(8, 1, 1, 0), OPERATOR, OPERATOR, Act::Readings(Box::new(by_eye)));
    store.commit(&mut state, at(8, 1, 7, 0), &[]);
    let bill = bill::of_state(&state, account("chen"), at(7, 1, 0, 0), at(8, 1, 0, 0)).unwrap();
    commit(&mut state, &mut store, at(8, 1, 8, 0), "chen", "chen's new key", Act::Bill(Box::new(bill)));

    let sheet = state.sheet(month(7), &account("chen")).unwrap();
    assert_eq!((sheet.bought.energy, sheet.bought.amount), (kwh("20.5"), units::Money::parse("46.125").unwrap()));
    let whole = bundle(&state, &store);
    let report = check_bytes(&whole.to_bytes(), Some(state.genesis()));
    assert_eq!(report.verdict(), Verdict::Verified, "{report:#?}");

    let mut changed = whole.clone();
    let place = changed.statements.iter().position(|proven| proven.index == 3).unwrap();
    changed.statements.remove(place);
    let report = check_bytes(&changed.to_bytes(), Some(state.genesis()));
    assert_eq!(report.verdict(), Verdict::Failed, "the offer left out");
}

#[test]
fn erased_frames_are_reported_and_never_passed() {
    let (state, mut store, _) = july();
    store.attachments.clear();
    let report = check_bytes(&bundle(&state, &store).to_bytes(), Some(state.genesis()));
    assert_eq!(outcome(&report, Layer::RawFrames), Some(Outcome::Unknown));
    assert_eq!(report.verdict(), Verdict::Verified, "the bill stands without them");
}

#[test]
fn a_frame_that_says_another_counter_fails() {
    let (state, store, _) = july();
    let bytes = bundle(&state, &store).to_bytes();
    let lying = |_: &str, _: &Frame| Ok(kwh("99"));
    let report = verify(&bytes, Some(state.genesis()), &lying);
    assert_eq!(outcome(&report, Layer::RawFrames), Some(Outcome::Failed));
}

#[test]
fn a_month_without_a_bill_has_no_bundle() {
    let (state, store, _) = july();
    let gathered = BillBundle::gather(&state, checkpoint(&state), account("chen"), at(8, 1, 0, 0), &store);
    assert_eq!(gathered, Err(BundleError::NoBill { account: account("chen"), from: at(8, 1, 0, 0) }));
}

#[test]
fn a_whole_ledger_replays_and_no_flipped_bit_passes() {
    let (state, store, _) = july();
    let bytes = store.export(&state);
    assert_eq!(check_bytes(&bytes, Some(state.genesis())).verdict(), Verdict::Verified);
    assert_eq!(LedgerExport::from_bytes(&bytes).unwrap().replay().unwrap().root(), state.root());
    // One bit of every byte; each costs a replay.
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert_eq!(check_bytes(&flipped, None).verdict(), Verdict::Failed, "byte {at}");
    }
    let mut shortened = LedgerExport::from_bytes(&bytes).unwrap();
    shortened.blocks.pop();
    let report = check_bytes(&shortened.to_bytes(), Some(state.genesis()));
    assert_eq!(outcome(&report, Layer::Finality), Some(Outcome::Failed), "the last block is missing");
}

#[test]
fn checkpoint_and_genesis_are_told_from_garbage() {
    let (state, ..) = july();
    let trust = state.genesis();
    for (bytes, kind, with_trust, without) in [
        (checkpoint(&state).into_bytes(), Kind::Checkpoint, Verdict::Verified, Verdict::OriginUnknown),
        (trust.to_bytes(), Kind::Genesis, Verdict::Verified, Verdict::OriginUnknown),
        (b"%PDF-1.7".to_vec(), Kind::Unknown, Verdict::Failed, Verdict::Failed),
        (Vec::new(), Kind::Unknown, Verdict::Failed, Verdict::Failed),
        (cbor::encode(&7u8), Kind::Unknown, Verdict::Failed, Verdict::Failed),
    ] {
        let report = check_bytes(&bytes, Some(trust));
        assert_eq!((report.kind, report.verdict()), (kind, with_trust));
        assert_eq!(check_bytes(&bytes, None).verdict(), without);
    }
}
