//! What a member reads: their overview, their voltage and what evidence is made from, courses of any span, and the entries
//! behind each number.

use super::access::{cookie_of, with_cookie};
use super::fixture::{CHEN_METER, Fixture, JULY};
use super::{ELSEWHERE, HERE, get, send, site, text};
use serde_json::Value;

/// Start of July in Taipei, and of the readings.
const START: u64 = 1_782_835_200_000;
const HOUR: u64 = 3_600_000;

async fn page_of_chen(fixture: &Fixture, path: &str) -> String {
    let cookie = cookie_of(fixture, fixture.chen()).await;
    text(send(&site(fixture), ELSEWHERE, with_cookie(get(path), &cookie)).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_s_overview_says_what_remains_how_old_each_value_is_and_what_waits() {
    let fixture = Fixture::new(false);
    let page = page_of_chen(&fixture, "/?lang=en").await;
    for expected in [
        "<h1>Chen 301</h1>",
        "Contract energy",
        "limits 99.0 to 121.0 V",
        "data-of=\"voltage_mv\"",
        "data-of=\"energy_import_mwh\"",
        "booked until",
        "not claimed yet: 1",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let sheet = fixture.node.sheet(fixture.chen(), JULY).unwrap();
    let remaining = crate::web::format::kwh_balance(sheet.terms.remaining_mwh);
    assert!(page.contains(&format!("{remaining}<span class=\"unit\">kWh")), "{remaining}");
    assert!(page.contains(&format!("href=\"/meters/{CHEN_METER}/voltage\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_voltage_page_names_the_extremes_and_offers_what_may_be_claimed() {
    let fixture = Fixture::new(false);
    let page = page_of_chen(&fixture, &format!("/meters/{CHEN_METER}/voltage?month={JULY}&lang=en")).await;
    let outside = fixture.node.account(fixture.chen()).unwrap().outside;
    assert_eq!(outside.len(), 1);
    for expected in [
        "<span class=\"over-limit\">130.2</span>",
        "<span>110.0</span>",
        "of 6 booked intervals",
        "99.0–121.0",
        &format!("name=\"interval\" value=\"{}.{}\"", outside[0].statement, outside[0].act_index),
        "action=\"/submit\"",
        &format!("/api/v1/statements/{}/receipt", outside[0].statement),
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let before = page_of_chen(&fixture, &format!("/meters/{CHEN_METER}/voltage?month={}", JULY.plus(1))).await;
    assert!(!before.contains("name=\"interval\""), "another month has none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_course_has_the_same_energy_in_steps_of_any_length() {
    let fixture = Fixture::new(true);
    let site = site(&fixture);
    for (from, until, step, points) in [
        (START, START + HOUR, "reading", 240),
        (START, START + 60_000, "reading", 4),
        (START, START + 24 * HOUR, "reading", 240),
        (START, START + 31 * 24 * HOUR, "interval", 6),
        (START - 200 * 24 * HOUR, START + 166 * 24 * HOUR, "interval", 6),
        (START + 10 * HOUR, START + 11 * HOUR, "interval", 0),
    ] {
        let path = format!("/api/v1/meters/{CHEN_METER}/course?from={from}&until={until}");
        let course: Value = serde_json::from_str(&text(send(&site, HERE, get(&path)).await).await).unwrap();
        let found = course["points"].as_array().unwrap();
        assert_eq!((course["step"].as_str().unwrap(), found.len()), (step, points), "{path}");
        let highest = |name: &str| found.iter().filter_map(|point| point[name].as_i64()).max();
        if points >= 6 {
            let volts = highest(if step == "reading" { "voltage_mv" } else { "voltage_max_mv" });
            assert_eq!(volts, Some(130_200), "{path}");
        }
        if step == "interval" && points > 0 {
            let used: i64 = found.iter().filter_map(|point| point["energy_mwh"].as_i64()).sum();
            assert_eq!(used, 239 * 5_000, "5 Wh a reading");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_stands_there_without_script_for_every_span_and_quantity() {
    let fixture = Fixture::new(true);
    let site = site(&fixture);
    for span in ["15m", "1h", "1d", "31d", "366d"] {
        for show in ["power", "voltage", "current", "energy"] {
            let path = format!("/meters/{CHEN_METER}/readings?span={span}&show={show}&lang=en");
            let page = text(send(&site, HERE, get(&path)).await).await;
            let drawn = page.split("<svg class=\"plot").nth(1).and_then(|rest| rest.split("</svg>").next());
            assert!(drawn.is_some_and(|svg| svg.contains(" d=\"M")), "{path}");
            assert!(page.contains(&format!("data-show=\"{show}\" aria-current=\"true\"")), "{path}");
            assert!(page.contains("readings.csv?from="), "{path}");
            assert!(page.contains(&format!("name=\"reading\" value=\"{CHEN_METER}@")), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_number_of_the_formula_leads_to_the_entries_behind_it() {
    let fixture = Fixture::new(true);
    let path = format!("/accounts/{}/{JULY}", fixture.chen());
    let page = text(send(&site(&fixture), HERE, get(&path)).await).await;
    for key in ["contract", "used", "traded"] {
        assert!(page.contains(&format!("href=\"#behind-{key}\"")), "{key}");
        assert!(page.contains(&format!("<tbody id=\"behind-{key}\">")), "{key}");
    }
    let traded = page.split("id=\"behind-traded\"").nth(1).unwrap();
    assert!(traded.split("</tbody>").next().unwrap().contains("20.000"), "the sale stands under what was traded");
    assert!(!page.contains("#behind-gained"), "a number without entries leads nowhere");
}
