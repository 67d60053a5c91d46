//! A claim's bundle: verified with its answer, and refused after any change.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

use crate::foreign::{self, Shelf, Store};
use crate::support::*;
use ledger::act::{Act, ActId, Answer, BillClaim, Claim, CounterPair, Decision, Readings, VoltageClaim, VoltageRange};
use ledger::attachment::{Attachment, Frame, Row};
use ledger::bundle::{BundleError, ClaimBundle, IntervalReadings, ProvenRecord};
use ledger::state::RecordKey;
use ledger::verify::{Kind, Layer, Outcome, Report, Verdict, verify};
use ledger::{State, bill};
use units::{Millis, Quantity, Reading, StatementId, Timestamp, Voltage};

/// An interval of Chen's meter whose three readings are these voltages in V.
fn interval(state: &State, volts: [u32; 3]) -> (Readings, Attachment) {
    let mut readings = next_readings(state, "m-chen", ("0", "0"));
    let kept = state.meter(&meter_id("m-chen")).unwrap().1.head.import.unwrap_or(kwh("100"));
    let rows: Vec<Row> = (1..).zip(volts).map(|(minute, volts)| row(&readings, minute, volts, kept.mwh())).collect();
    let attachment = Attachment::build([9; 32], &rows, &[]).unwrap();
    let volts = volts.map(|volts| u64::from(volts) * 1_000);
    let [min, max, mean] = [*volts.iter().min().unwrap(), *volts.iter().max().unwrap(), volts.iter().sum::<u64>() / 3]
        .map(Voltage::from_mv);
    readings.voltage = Some(VoltageRange { min, max, mean });
    readings.count = 3;
    readings.import = CounterPair { start: kept, end: kept };
    readings.columns = attachment.columns_hash();
    readings.frames = attachment.frames_root().unwrap();
    attachment.check(&readings).unwrap();
    (readings, attachment)
}

fn row(readings: &Readings, minute: u64, volts: u32, counter_mwh: u64) -> Row {
    let mut reading = Reading::new();
    reading.insert(Quantity::Voltage, i64::from(volts) * 1_000);
    reading.insert(Quantity::EnergyImport, i64::try_from(counter_mwh).unwrap());
    Row { time: readings.start + Millis::from_minutes(minute), reading }
}

struct Community {
    state: State,
    store: Store,
    clock: Timestamp,
    nonce: u64,
}

impl Community {
    fn new() -> Self {
        let (mut state, mut store) = (State::new(genesis()).unwrap(), Store::default());
        let setup = community_statement(&state);
        store.commit(&mut state, at(7, 1, 0, 1), &[setup]);
        Self { state, store, clock: at(7, 5, 0, 0), nonce: 1_000 }
    }

    fn commit(&mut self, signer: &str, act: Act) -> ActId {
        self.clock = self.clock + Millis::from_minutes(5);
        self.nonce += 1;
        let statement = sign(&payload(self.state.genesis(), self.nonce, self.clock, vec![act]), &key(signer));
        let id = ActId { statement: statement.id(), act: 0 };
        self.store.commit(&mut self.state, self.clock, &[statement]);
        id
    }

    fn measure(&mut self, volts: [u32; 3]) -> ActId {
        let (readings, attachment) = interval(&self.state, volts);
        let id = self.commit(GATEWAY, Act::Readings(Box::new(readings)));
        self.store.attachments.insert(id.statement, attachment);
        id
    }

    fn claim(&mut self, intervals: Vec<ActId>) -> ActId {
        let claim = VoltageClaim { intervals, text: "冰箱壞了".to_owned() };
        self.commit("chen", Act::Claim(Claim::Voltage(claim)))
    }

    fn answer(&mut self, claim: ActId, decision: Decision) {
        self.commit(OPERATOR, Act::Answer(Answer { claim, decision, text: String::new() }));
    }

    fn bundle(&self, claim: ActId) -> Result<ClaimBundle, BundleError> {
        ClaimBundle::gather(&self.state, foreign::checkpoint(self.state.head()), claim, &self.store)
    }

    fn verify(&self, bundle: &ClaimBundle) -> Report {
        check(&bundle.to_bytes(), Some(&self.state))
    }
}

fn check(bytes: &[u8], trust: Option<&State>) -> Report {
    let no_frames = |_: &str, _: &Frame| Err("a claim has no frames to read".to_owned());
    verify(bytes, trust.map(State::genesis), &no_frames)
}

fn details(report: &Report, layer: Layer) -> String {
    let of_layer = report.findings.iter().filter(|finding| finding.layer == layer);
    of_layer.map(|finding| finding.detail.as_str()).collect::<Vec<_>>().join("\n")
}

/// July with two intervals outside the limits of 99 V to 121 V, claimed together and answered.
fn claimed() -> (Community, ActId) {
    let mut community = Community::new();
    let intervals = vec![community.measure([110, 130, 118]), community.measure([95, 110, 110])];
    community.measure([109, 110, 111]);
    let claim = community.claim(intervals);
    community.answer(claim, Decision::Accepted);
    (community, claim)
}

#[test]
fn a_voltage_claim_is_verified_down_to_every_reading_and_its_answer() {
    let (community, claim) = claimed();
    Shelf::emptied("claims").leave("july", &community.state, &community.store);
    let bundle = community.bundle(claim).unwrap();
    assert_eq!((bundle.statements.len(), bundle.readings.len()), (4, 2));
    let report = community.verify(&bundle);
    assert_eq!((report.kind, report.verdict()), (Kind::ClaimBundle, Verdict::Verified), "{report:#?}");
    let outside = details(&report, Layer::Arithmetic);
    for part in ["m-chen", "110", "130", "95", "not a measurement of class A"] {
        assert!(outside.contains(part), "{part}: {outside}");
    }
    assert!(details(&report, Layer::RawFrames).contains("3 readings are those"), "{report:#?}");
    assert!(details(&report, Layer::Inclusion).contains("accepted"), "{report:#?}");
    assert_eq!(check(&bundle.to_bytes(), None).verdict(), Verdict::OriginUnknown);
}

#[test]
fn no_flipped_bit_of_a_claim_passes() {
    let (community, claim) = claimed();
    let bytes = community.bundle(claim).unwrap().to_bytes();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert_eq!(check(&flipped, Some(&community.state)).verdict(), Verdict::Failed, "byte {at}");
    }
}

#[test]
fn a_claim_without_its_evidence_or_with_somebody_elses_is_refused_or_told() {
    let (community, claim) = claimed();
    let whole = community.bundle(claim).unwrap();
    let shelf = Shelf::emptied("claims-changed");
    let changed = |name: &str, change: &dyn Fn(&mut ClaimBundle)| {
        let mut bundle = whole.clone();
        change(&mut bundle);
        shelf.write(name, &bundle.to_bytes());
        community.verify(&bundle)
    };
    let erased = changed("erased.claim", &|bundle| drop(bundle.readings.pop()));
    assert_eq!(erased.verdict(), Verdict::Verified);
    let told = |finding: &&ledger::verify::Finding| finding.outcome == Outcome::Unknown;
    assert_eq!(erased.findings.iter().filter(told).count(), 1, "{erased:#?}");
    let idle = RecordKey::Month(month(7));
    let idle = ProvenRecord {
        record: community.state.record(&idle).unwrap().clone(),
        proof: community.state.prove(&idle),
        key: idle,
    };
    type Change<'a> = &'a dyn Fn(&mut ClaimBundle);
    let changes: [(&str, Change<'_>); 10] = [
        ("an answer left out", &|bundle| drop(bundle.statements.pop())),
        ("an interval left out", &|bundle| drop(bundle.statements.remove(0))),
        ("a record left out", &|bundle| drop(bundle.records.pop())),
        ("readings of another interval", &|bundle| bundle.readings[0].statement = claim.statement),
        ("readings out of order", &|bundle| bundle.readings.swap(0, 1)),
        ("readings twice", &|bundle| bundle.readings.push(bundle.readings[1].clone())),
        ("readings swapped", &|bundle| {
            let second = bundle.readings[1].attachment.clone();
            bundle.readings[0].attachment = second;
        }),
        ("another act of the statement", &|bundle| bundle.claim.act = 1),
        ("another statement", &|bundle| bundle.claim.statement = StatementId::from_bytes([0; 32])),
        ("a record that the claim does not need", &|bundle| {
            bundle.records.push(idle.clone());
            bundle.records.sort_by(|a, b| a.key.cmp(&b.key));
        }),
    ];
    for (name, change) in changes {
        let report = changed(&format!("{name}.lie"), change);
        assert_eq!(report.verdict(), Verdict::Failed, "{name}: {report:#?}");
    }
}

#[test]
fn a_bill_claim_names_the_bill_and_what_was_never_claimed_has_no_bundle() {
    let mut community = Community::new();
    community.measure([110, 110, 110]);
    community.clock = at(8, 1, 7, 0);
    community.store.commit(&mut community.state, at(8, 1, 7, 0), &[]);
    let bill = bill::of_state(&community.state, account("chen"), at(7, 1, 0, 0), at(8, 1, 0, 0)).unwrap();
    let billed = community.commit(OPERATOR, Act::Bill(Box::new(bill)));
    let claim = Claim::Bill(BillClaim { from: at(7, 1, 0, 0), text: String::new() });
    let claim = community.commit("chen", Act::Claim(claim));
    let report = community.verify(&community.bundle(claim).unwrap());
    assert_eq!(report.verdict(), Verdict::Verified, "{report:#?}");
    assert!(details(&report, Layer::Arithmetic).contains(&billed.statement.to_string()), "{report:#?}");
    assert!(details(&report, Layer::Inclusion).contains("not answered yet"), "{report:#?}");
    let mut idle = community.bundle(claim).unwrap();
    idle.readings.push(IntervalReadings { statement: billed.statement, attachment: Vec::new() });
    assert_eq!(community.verify(&idle).verdict(), Verdict::Failed, "readings of a claim about a bill");
    assert_eq!(community.bundle(billed), Err(BundleError::NoClaim(billed)));
}
