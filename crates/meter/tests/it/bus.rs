//! One bus against scripted and simulated meters, on a line that takes time.

use crate::{START, address, exchanges, hex, profile, simulated};
use meter::modbus::{FrameError, seal, tcp_frame};
use meter::{Address, Bus, BusInput, BusOutput, Device, Fault, Faults, Framing, MeterError, Request, SimulatedBus};
use std::collections::VecDeque;
use std::sync::Arc;
use units::{Micros, Millis, Quantity};

/// Microseconds of a millisecond.
const MS: u64 = 1_000;
const RTU: Framing = Framing::Rtu { baud: 9_600 };

fn device(name: &str, number: u8, poll_every: u64) -> Device {
    let meter = format!("M{number}").parse().unwrap();
    Device { meter, address: address(name, number), profile: profile(name), poll_every: Millis::from_ms(poll_every) }
}

fn ms(value: u64) -> Micros {
    Micros::from_ms(value)
}

/// A bus with its clock in microseconds; `tick` and `hear` show what it does.
struct Desk {
    bus: Bus,
    now: u64,
}

impl Desk {
    fn new(devices: Vec<Device>, framing: Framing) -> Self {
        Self { bus: Bus::new(devices, framing), now: 0 }
    }
    fn tick(&mut self) -> Vec<BusOutput> {
        self.bus.step(Micros::from_us(self.now), BusInput::Tick)
    }
    fn hear(&mut self, bytes: &[u8]) -> Vec<BusOutput> {
        self.bus.step(Micros::from_us(self.now), BusInput::Received(bytes.to_vec()))
    }
    /// Lets time pass to the bus's own next moment.
    fn wait(&mut self) -> Vec<BusOutput> {
        self.now = self.now.max(self.bus.wake_at().us());
        self.tick()
    }
    /// Waits until it sends, and gives what.
    fn wait_for_send(&mut self) -> Vec<u8> {
        for _ in 0..100 {
            if let Some(bytes) = self.wait().into_iter().find_map(sent) {
                return bytes;
            }
        }
        panic!("nothing is sent");
    }
}

fn sent(output: BusOutput) -> Option<Vec<u8>> {
    if let BusOutput::Send(bytes) = output { Some(bytes) } else { None }
}

fn error(outputs: &[BusOutput]) -> Option<&MeterError> {
    outputs.iter().find_map(|output| if let BusOutput::Failed { error, .. } = output { Some(error) } else { None })
}

fn voltage(outputs: &[BusOutput]) -> Option<i64> {
    outputs.iter().find_map(|output| match output {
        BusOutput::Reading { reading, .. } => reading.get(Quantity::Voltage),
        _ => None,
    })
}

fn request(name: &str, number: u8) -> Request {
    profile(name).requests(address(name, number)).remove(0)
}

/// An answer of an IM1281B that shows this voltage and nothing else.
fn im_answer(address: u8, volts: u32) -> Vec<u8> {
    seal([vec![address, 3, 32], (volts * 10_000).to_be_bytes().to_vec(), vec![0; 28]].concat())
}

#[test]
fn an_answer_in_pieces_after_noise_becomes_a_reading_with_its_frames() {
    let mut desk = Desk::new(vec![device("im1281b", 1, 1_000)], RTU);
    assert_eq!(desk.tick(), [BusOutput::Send(hex("01 03 00 48 00 08 C4 1A"))]);
    let answer = im_answer(1, 110);
    assert_eq!(desk.hear(&hex("01 AA")), []);
    for byte in &answer[..36] {
        desk.now += MS;
        assert_eq!(desk.hear(&[*byte]), []);
    }
    let outputs = desk.hear(&answer[36..]);
    let [BusOutput::Reading { device: 0, reading, exchanges }] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(reading.get(Quantity::Voltage), Some(110_000));
    assert_eq!(exchanges[0].response, answer);
    assert_eq!(profile("im1281b").reading(Address::FIRST, exchanges).as_ref(), Ok(reading));
    assert_eq!(desk.bus.stats(0).unwrap().age(Micros::from_us(desk.now + 5 * MS)), Some(Millis::from_ms(5)));
    assert_eq!(desk.bus.wake_at(), ms(1_000), "the next poll keeps the beat");
}

#[test]
fn two_reads_of_one_poll_go_out_one_after_the_other() {
    // As of a model whose manual asks for more than the line's own silence.
    let patient = profile("sdm120").as_ref().clone().with_timing(Some(Millis::from_ms(20)), None);
    let patient = Device { profile: Arc::new(patient), ..device("sdm120", 1, 1_000) };
    let (mut desk, meter) = (Desk::new(vec![patient], RTU), simulated("sdm120", 1));
    let poll = exchanges(&meter, &profile("sdm120"), START);
    assert_eq!(desk.tick(), [BusOutput::Send(poll[0].request.clone())]);
    desk.now += 80 * MS;
    assert_eq!(desk.hear(&poll[0].response), [], "the line rests before the second request");
    desk.now += 19 * MS;
    assert_eq!(desk.tick(), [], "the profile asks for 20 ms");
    desk.now += MS;
    assert_eq!(desk.tick(), [BusOutput::Send(poll[1].request.clone())]);
    let outputs = desk.hear(&poll[1].response);
    let [BusOutput::Reading { exchanges, .. }] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(*exchanges, poll);
}

#[test]
fn what_is_no_answer_fails_at_the_timeout_with_its_reason_and_bytes() {
    let cut = im_answer(1, 110)[..20].to_vec();
    let mut broken = im_answer(1, 110);
    broken[5] ^= 1;
    for (bytes, kind) in [
        (vec![], "no_answer"),
        (cut, "too_short"),
        (broken, "crc"),
        (im_answer(2, 110), "wrong_address"),
        (seal(hex("01 03 04 00 00 00 00")), "wrong_length"),
        (seal([vec![1, 4, 32], vec![0; 32]].concat()), "wrong_function"),
    ] {
        let mut desk = Desk::new(vec![device("im1281b", 1, 1_000)], RTU);
        desk.tick();
        if !bytes.is_empty() {
            assert_eq!(desk.hear(&bytes), [], "{kind}: the right answer may still come");
        }
        let outputs = desk.wait();
        let [BusOutput::Failed { device: 0, error, raw }] = outputs.as_slice() else { panic!("{kind}: {outputs:?}") };
        assert_eq!((error.kind(), raw), (kind, &bytes));
        assert_eq!(desk.bus.stats(0).unwrap().errors.get(kind), Some(&1));
    }
}

#[test]
fn an_exception_and_an_impossible_value_fail_at_once() {
    let exception = seal(hex("01 83 02"));
    let impossible = im_answer(1, 1_000);
    for (bytes, kind) in [(exception, "exception"), (impossible, "implausible")] {
        let mut desk = Desk::new(vec![device("im1281b", 1, 1_000)], RTU);
        desk.tick();
        let outputs = desk.hear(&bytes);
        let [BusOutput::Failed { error, raw, .. }] = outputs.as_slice() else { panic!("{kind}: {outputs:?}") };
        assert_eq!((error.kind(), raw), (kind, &bytes));
    }
}

#[test]
fn a_late_answer_is_thrown_away_and_the_next_request_gets_its_own() {
    let mut desk = Desk::new(vec![device("im1281b", 1, 100)], RTU);
    desk.tick();
    let timed_out = desk.wait();
    assert!(matches!(error(&timed_out), Some(MeterError::NoAnswer { .. })), "{timed_out:?}");
    // As late as twice the timeout again: it arrives on a line where nobody is asked.
    let failed = desk.now;
    desk.now = failed + 599 * MS;
    assert_eq!(desk.tick(), [], "the meter is left alone although it is due");
    desk.now = failed + 600 * MS;
    assert_eq!(desk.hear(&im_answer(1, 111)), [], "not taken, and nothing is sent into it");
    assert_eq!(desk.wait_for_send(), request("im1281b", 1).serial());
    assert!(desk.now > failed + 600 * MS);
    assert_eq!(voltage(&desk.hear(&im_answer(1, 112))), Some(112_000));
}

#[test]
fn a_late_answer_is_never_taken_for_another_meters() {
    let mut desk = Desk::new(vec![device("im1281b", 1, 1_000), device("im1281b", 2, 1_000)], RTU);
    desk.tick();
    assert_eq!(error(&desk.wait()).map(MeterError::kind), Some("no_answer"));
    assert_eq!(desk.wait_for_send(), request("im1281b", 2).serial());
    assert_eq!(desk.hear(&im_answer(1, 111)), []);
    let outputs = desk.hear(&im_answer(2, 122));
    assert!(matches!(outputs[..], [BusOutput::Reading { device: 1, .. }]), "{outputs:?}");
    assert_eq!(voltage(&outputs), Some(122_000));
}

#[test]
fn nothing_is_sent_until_the_line_is_silent() {
    let mut desk = Desk::new(vec![device("im1281b", 1, 0)], RTU);
    desk.tick();
    desk.hear(&im_answer(1, 110));
    for _ in 0..100 {
        desk.now += 3 * MS;
        assert_eq!(desk.hear(&[0x55]), [], "3 ms is less than 3.5 characters at 9600 baud");
    }
    // 38.5 bits are 4.0104 ms.
    desk.now += 4_010;
    assert_eq!(desk.tick(), []);
    desk.now += 1;
    assert_eq!(desk.tick().into_iter().find_map(sent), Some(request("im1281b", 1).serial()));
}

#[test]
fn a_line_that_is_never_silent_is_reported() {
    let mut desk = Desk::new(vec![device("im1281b", 1, 1_000), device("im1281b", 2, 1_000)], RTU);
    desk.tick();
    desk.hear(&im_answer(1, 110));
    let mut failed = Vec::new();
    for _ in 0..6_000 {
        desk.now += 2 * MS;
        for output in desk.hear(&[0x55]) {
            let BusOutput::Failed { device, error: MeterError::LineBusy { .. }, .. } = output else {
                panic!("{output:?}")
            };
            failed.push(device);
        }
    }
    assert_eq!(failed, [1, 0], "every 5 s, in turn");
}

#[test]
fn a_flood_does_not_hide_the_answer_behind_it() {
    let mut desk = Desk::new(vec![device("im1281b", 1, 1_000)], RTU);
    desk.tick();
    assert_eq!(desk.hear(&vec![1; 100_000]), []);
    assert_eq!(voltage(&desk.hear(&im_answer(1, 110))), Some(110_000));
    desk.wait_for_send();
    desk.hear(&vec![1; 100_000]);
    let outputs = desk.wait();
    assert!(matches!(&outputs[..], [BusOutput::Failed { raw, .. }] if raw.len() == 512), "bounded");
}

#[test]
fn over_tcp_a_late_answer_is_passed_over_by_its_number() {
    let mut desk = Desk::new(vec![device("im1281b", 1, 100)], Framing::Tcp);
    let answer = |transaction, volts| tcp_frame(transaction, 1, &im_answer(1, volts)[1..35]);
    assert_eq!(desk.tick(), [BusOutput::Send(request("im1281b", 1).as_modbus().unwrap().tcp(1))]);
    assert_eq!(error(&desk.wait()).map(MeterError::kind), Some("no_answer"));
    assert_eq!(desk.wait_for_send(), request("im1281b", 1).as_modbus().unwrap().tcp(2));
    let late = answer(1, 111);
    assert_eq!(desk.hear(&late[..10]), []);
    assert_eq!(desk.hear(&late[10..]), []);
    let outputs = desk.hear(&answer(2, 112));
    assert_eq!(voltage(&outputs), Some(112_000));
    let [BusOutput::Reading { exchanges, .. }] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(exchanges[0].response, im_answer(1, 112), "kept in RTU form");
    desk.wait_for_send();
    desk.hear(&late);
    let outputs = desk.wait();
    let refused = FrameError::WrongTransaction { expected: 3, got: 1 };
    assert_eq!(outputs, [BusOutput::Failed { device: 0, error: refused.into(), raw: late }]);
}

#[test]
fn over_tcp_a_stream_that_is_not_modbus_fails_at_once_and_half_a_frame_ends_with_its_connection() {
    let mut desk = Desk::new(vec![device("im1281b", 1, 100)], Framing::Tcp);
    desk.tick();
    let outputs = desk.hear(b"HTTP/1.1 400 Bad Request");
    assert_eq!(error(&outputs).map(MeterError::kind), Some("wrong_protocol"));
    desk.wait_for_send();
    desk.hear(&hex("00 02 00 00 00 23 01 03"));
    desk.bus.step(Micros::from_us(desk.now), BusInput::Reopened);
    assert_eq!(voltage(&desk.hear(&tcp_frame(2, 1, &im_answer(1, 110)[1..35]))), Some(110_000));
}

/// Plays bus and simulated meters against each other; an answer arrives when the wire has carried it.
fn play(devices: Vec<Device>, mut line: SimulatedBus, framing: Framing, until: u64) -> (Bus, Vec<BusOutput>) {
    let mut desk = Desk::new(devices, framing);
    let mut outputs = Vec::new();
    while desk.now < until * MS {
        // Over TCP the next question goes out as soon as the answer is there.
        let mut steps = VecDeque::from(desk.wait());
        while let Some(output) = steps.pop_front() {
            let BusOutput::Send(bytes) = output else {
                outputs.push(output);
                continue;
            };
            let heard = line.receive(START + Millis::from_ms(desk.now / MS), &bytes);
            desk.now += u64::try_from(bytes.len() + heard.len()).unwrap() * 11_000_000 / 9_600;
            if !heard.is_empty() {
                steps.extend(desk.hear(&heard));
            }
        }
    }
    (desk.bus, outputs)
}

#[test]
fn a_dead_meter_backs_off_alone() {
    let devices = vec![device("im1281b", 1, 1_000), device("pzem-004t-v3", 2, 1_000), device("im1281b", 9, 1_000)];
    let line = SimulatedBus::new(vec![simulated("im1281b", 1), simulated("pzem-004t-v3", 2)], RTU);
    let (bus, _) = play(devices, line, RTU, 600_000);
    for alive in [0, 1] {
        let stats = bus.stats(alive).unwrap();
        assert!(stats.answers == stats.polls && (595..=601).contains(&stats.answers), "{stats:?}");
    }
    let dead = bus.stats(2).unwrap();
    assert!(dead.answers == 0 && (8..=20).contains(&dead.polls), "{dead:?}");
}

#[test]
fn a_meter_that_comes_back_is_polled_at_its_own_rate_again() {
    let mut desk = Desk::new(vec![device("im1281b", 1, 1_000)], RTU);
    for _ in 0..10 {
        desk.wait_for_send();
    }
    let pause = desk.now;
    desk.wait_for_send();
    assert!(desk.now - pause > 55_000 * MS, "asked once a minute");
    assert_eq!(voltage(&desk.hear(&im_answer(1, 110))), Some(110_000));
    let answered = desk.now;
    desk.wait_for_send();
    desk.hear(&im_answer(1, 110));
    desk.wait_for_send();
    assert!(desk.now - answered <= (2_000 + 60_000) * MS, "{}", desk.now - answered);
}

#[test]
fn the_beat_is_kept_and_missed_polls_are_not_made_up_for() {
    let mut desk = Desk::new(vec![device("im1281b", 1, 1_000)], RTU);
    for (asked_at, next) in [(0, 1_000), (1_030, 2_000), (5_500, 6_500)] {
        desk.now = asked_at * MS;
        assert_eq!(desk.tick().into_iter().find_map(sent), Some(request("im1281b", 1).serial()));
        desk.hear(&im_answer(1, 110));
        assert_eq!(desk.bus.wake_at(), ms(next), "asked at {asked_at}");
    }
}

#[test]
fn an_overloaded_bus_serves_everybody_in_turn() {
    let devices = (1..=4).map(|address| device("im1281b", address, 10)).collect();
    let line = SimulatedBus::new((1..=4).map(|address| simulated("im1281b", address)).collect(), RTU);
    let (bus, _) = play(devices, line, RTU, 60_000);
    let answers: Vec<u64> = (0..4).map(|device| bus.stats(device).unwrap().answers).collect();
    assert!(answers.iter().all(|count| count.abs_diff(answers[0]) <= 1 && *count > 200), "{answers:?}");
}

#[test]
fn a_faulty_line_loses_readings_but_never_gives_a_wrong_one() {
    // Over RTU nothing is delayed here: beyond two timeouts a late answer cannot be told from a new one.
    let rtu = Faults::of_each(7, 60).with(Fault::Late, 0);
    // Over TCP nothing is flipped or cut: TCP itself sees to that.
    let tcp = Faults::of_seed(7).with(Fault::Late, 60).with(Fault::Loss, 60);
    for (framing, faults) in [(RTU, rtu), (Framing::Tcp, tcp)] {
        let line = SimulatedBus::new(vec![simulated("im1281b", 1), simulated("sdm120", 2)], framing);
        let devices = vec![device("im1281b", 1, 500), device("sdm120", 2, 500)];
        let (bus, outputs) = play(devices, line.with_faults(faults), framing, 400_000);
        let mut counter = [0; 2];
        for output in &outputs {
            let BusOutput::Reading { device, reading, .. } = output else { continue };
            let energy = reading.get(Quantity::EnergyImport).unwrap();
            assert!(energy >= counter[*device], "the counter went back");
            assert!((105_000..125_000).contains(&reading.get(Quantity::Voltage).unwrap()));
            counter[*device] = energy;
        }
        for device in 0..2 {
            let stats = bus.stats(device).unwrap();
            assert!(stats.answers > 200 && !stats.errors.is_empty(), "{stats:?}");
        }
    }
}
