//! Tables as they come out of spreadsheets, and what is said of them.

use super::readings::{self, Said};
use super::{listed, rooms};
use jiff::tz::TimeZone;
use units::{Energy, Millis};

fn read_rooms(text: &str) -> Result<Vec<String>, String> {
    let known = |name: &str| meter::Profile::shipped(name).is_some();
    let told = |room: &rooms::Room| {
        let contract = room.contract.map_or_else(String::new, |contract| format!(" {contract}"));
        let bus = room.bus.as_deref().unwrap_or("-");
        format!("{} {} {} {} {} {bus}{contract}", room.room, room.member, room.meter, room.profile, room.address)
    };
    rooms::read(text.as_bytes(), known).map(|rooms| rooms.iter().map(told).collect()).map_err(|faults| listed(&faults))
}

#[test]
fn a_spreadsheets_table_of_rooms_is_read_in_any_of_its_forms() {
    let expected =
        vec!["101 Chen A-101 im1281b 1 - 200.0 kWh".to_owned(), "102 Lee, Ann A-102 pzem-004t-v3 2 -".to_owned()];
    for (name, text) in [
        (
            "plain",
            "room,member,meter,profile,address,contract_kwh\n101,Chen,A-101,im1281b,1,200\n102,\"Lee, Ann\",A-102,pzem-004t-v3,2,\n",
        ),
        (
            "Excel's: mark, semicolons, CRLF, an empty last line",
            "\u{feff}Room;Member;Meter;Profile;Address;Contract kWh\r\n101;Chen;A-101;im1281b;1;200\r\n102;\"Lee, Ann\";A-102;pzem-004t-v3;2;\r\n;;;;;\r\n",
        ),
        (
            "other order, tabs",
            "address\tmeter\tmember\troom\tprofile\tcontract_kwh\n1\tA-101\tChen\t101\tim1281b\t200\n2\tA-102\tLee, Ann\t102\tpzem-004t-v3\t\n",
        ),
    ] {
        assert_eq!(read_rooms(text), Ok(expected.clone()), "{name}");
    }
}

#[test]
fn every_fault_of_a_table_of_rooms_is_told_at_once_with_line_and_column() {
    let header = "room,member,meter,profile,address,bus,contract_kwh,account\n";
    for (text, expected) in [
        (
            "room,member,meter,profil,address\n",
            "line 1, column profil: unknown column; did you mean `profile`? Known are room, member, meter, profile, address, bus, contract_kwh, account, factor\nline 1, column profile: the column is missing",
        ),
        ("", "line 1: the file is empty; its first line is room,member,meter,profile,address"),
        (header, "line 1: there is no line below the header"),
        (
            &*format!(
                "{header}101,Chen,A 101,im1281,0,,many,wp1x\n102,,A-102,im1281b,2,,,\n103,Wu,A-102,im1281b,2,,,\n104,a,b,c,d,e,f,g,h\n"
            ),
            "line 5: 9 cells under 8 columns; put a text with commas in quotes",
        ),
        (
            &*format!(
                "{header}102,,A-102,im1281b,2,,,\n103,Wu,A-103,im1281b,3,,,\n104,Lin,A-103,im1281b,3,,,\n105,Ho,A-105,im1281b,3,roof,,\n"
            ),
            "line 2, column member: it is empty\nline 4, column meter: A-103 stands in line 3 too\nline 4, column address: 3 is that of line 3 too, on the same bus",
        ),
        (
            &*format!("{header}101,Chen,A-101,im1281,1,,,\n"),
            "line 2, column profile: there is no profile `im1281`; did you mean `im1281b`?",
        ),
        (
            "\u{feff}room;member;meter;profile;address\r\n101;\"Chen\nand Lee\";A-101;im1281b;1\r\n\r\n102;;A-102;im1281b;2\r\n103;;A-103;im1281b;3",
            "line 5, column member: it is empty\nline 6, column member: it is empty",
        ),
    ] {
        assert_eq!(read_rooms(text).unwrap_err(), expected);
    }
    let latin = rooms::read(b"room,member,meter,profile,address\n1,M\xfcller,A,im1281b,1\n", |_| true).unwrap_err();
    assert_eq!(listed(&latin), "line 2: not UTF-8; save the table as `CSV UTF-8`");
}

fn read_readings(text: &str, minutes: Option<u64>) -> Result<Vec<String>, String> {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let found =
        readings::read(text.as_bytes(), &zone, minutes.map(Millis::from_minutes)).map_err(|faults| listed(&faults))?;
    let mut told = Vec::new();
    for (meter, intervals) in &found.meters {
        for interval in intervals {
            let said = match interval.said {
                Said::Energy(energy) => energy.to_string(),
                Said::Counter(counter) => format!("at {counter}"),
            };
            told.push(format!(
                "{meter} {}+{} {said}",
                interval.start.ms() / 60_000,
                interval.end.since(interval.start).ms() / 60_000
            ));
        }
    }
    if found.repeated > 0 {
        told.push(format!("{} repeated", found.repeated));
    }
    told.extend(
        found
            .gaps
            .iter()
            .map(|(meter, from, until)| format!("{meter} gap of {} min", until.since(*from).ms() / 60_000)),
    );
    Ok(told)
}

#[test]
fn past_readings_are_put_in_order_and_gaps_and_repetitions_are_told() {
    for (name, text, minutes, expected) in [
        (
            "energies without ends, in the zone's time and with an offset",
            "meter,start,kwh\nA,2026-07-01 00:15,0.25\nA,2026-06-30T22:00:00Z,0.5\n",
            Some(15),
            vec!["A 29714280+15 0.5 kWh", "A 29714295+15 0.25 kWh"],
        ),
        (
            "counters with ends, a gap and a line that stands there twice",
            "meter;start;end;counter\nA;2026/07/01 00:00;2026/07/01 01:00;10\nA;2026/07/01 03:00;2026/07/01 04:00;12\nA;2026/07/01 03:00;2026/07/01 04:00;12\n",
            None,
            vec!["A 29714280+60 at 10.0 kWh", "A 29714460+60 at 12.0 kWh", "1 repeated", "A gap of 120 min"],
        ),
        (
            "the hour that comes twice in autumn is its first one, unless the offset says otherwise",
            "meter,start,kwh\nA,2026-10-25 02:00,1\nA,2026-10-25T02:00:00+01:00,2\n",
            Some(60),
            vec!["A 29881440+60 1.0 kWh", "A 29881500+60 2.0 kWh"],
        ),
    ] {
        assert_eq!(read_readings(text, minutes), Ok(expected.into_iter().map(String::from).collect()), "{name}");
    }
    assert_eq!(Energy::parse_kwh("0.25").unwrap(), Energy::from_mwh(250_000));
}

#[test]
fn every_fault_of_past_readings_is_told_at_once() {
    let text = "meter,start,end,kwh,counter\n\
        A,2026-07-01 00:00,2026-07-01 01:00,1,\n\
        A,2026-07-01 00:30,2026-07-01 01:30,1,\n\
        A,2026-07-01 02:00,2026-07-01 03:00,,\n\
        A,2026-07-01 05:00,2026-07-01 04:00,1,\n\
        A,yesterday,2026-07-01 04:00,1,\n\
        A,2026-03-29 02:30,2026-03-29 04:00,-1,\n\
        B,2026-07-01 00:00,2026-07-01 01:00,,10\n\
        B,2026-07-01 01:00,2026-07-01 02:00,,9\n\
        B,2026-07-01 02:00,2026-07-01 03:00,1,9\n\
        B,2026-07-01 03:00,,1,\n";
    let told = read_readings(text, None).unwrap_err();
    let lines: Vec<&str> = told.lines().collect();
    for (at, expected) in [
        "line 3, column start: meter A: it overlaps line 2",
        "line 4, column kwh: give what was used in kWh, or the counter at the end",
        "line 5, column end: an interval ends after it starts, and at most 92 days later",
        "line 6, column start: `yesterday` is not a time such as 2026-07-01 00:15 or 2026-07-01T00:15:00+08:00",
        "line 7, column start: `2026-03-29 02:30` does not exist: the clocks are put forward then; add the offset from UTC",
        "line 7, column kwh: `-1`:",
        "line 9, column counter: meter B: it is below line 8's 10.0 kWh; split the file where a meter was exchanged",
        "line 10, column counter: give kwh or counter, not both: they could contradict each other",
        "line 11, column end: it is empty; fill it in, or say how long intervals are with --minutes",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(lines[at].starts_with(expected), "{}", lines[at]);
    }
    assert_eq!(lines.len(), 9);
}
