//! The audit names what was changed in the database: every column, and rows that are gone or too many.

use crate::community::{FakeNode, minute};
use crate::world::{BAUD, POLL, World, folder, meter_id, settings_of, simulated, url};
use gateway::audit::{AuditReport, Finding};
use gateway::{Store, audit};
use meter::{Profile, SimulatedBus};
use tempfile::TempDir;
use units::{Energy, Quantity};

/// A database with two final intervals, of a meter that gives every quantity, and its node.
async fn audited() -> (TempDir, FakeNode) {
    let node = FakeNode::new(&[("A-1", "sdm120")]);
    let line = SimulatedBus::new(vec![simulated(1, "sdm120", minute(0), Energy::from_mwh(5_000_000))], BAUD);
    let mut world = World::new(minute(1), node.clone(), vec![settings_of("A-1", 1, "sdm120", POLL)], line).await;
    world.run_until(minute(32)).await;
    assert_eq!(node.intervals().len(), 2);
    (world.into_folder().await, node)
}

async fn sql(folder: &TempDir, statement: &'static str) {
    let pool = sqlx::SqlitePool::connect(&url(folder)).await.unwrap();
    assert_eq!(sqlx::query(statement).execute(&pool).await.unwrap().rows_affected(), 1, "{statement}");
    pool.close().await;
}

async fn report(folder: &TempDir, node: &FakeNode) -> AuditReport {
    audit(&url(folder), node, &Profile::shipped).await.unwrap()
}

#[tokio::test]
async fn an_untouched_database_has_no_findings() {
    let (folder, node) = audited().await;
    let report = report(&folder, &node).await;
    assert_eq!((report.intervals, report.waiting, report.findings), (2, 0, Vec::new()));
    assert!(report.rows >= 5);
}

#[tokio::test]
async fn every_changed_column_is_named_with_both_values() {
    for quantity in Quantity::ALL {
        let (folder, node) = audited().await;
        let store = Store::open_existing(&url(&folder)).await.unwrap();
        let rows = store.readings(&meter_id("A-1"), minute(0), minute(15), 10).await.unwrap();
        store.close().await;
        let (row, before) = (&rows[1], rows[1].row.reading.get(quantity).unwrap());
        let change = match quantity {
            Quantity::Voltage => "UPDATE readings SET voltage_mv = voltage_mv + 1 WHERE id = 2",
            Quantity::Current => "UPDATE readings SET current_ua = current_ua + 1 WHERE id = 2",
            Quantity::ActivePower => "UPDATE readings SET active_power_mw = active_power_mw + 1 WHERE id = 2",
            Quantity::ReactivePower => "UPDATE readings SET reactive_power_mvar = reactive_power_mvar + 1 WHERE id = 2",
            Quantity::ApparentPower => "UPDATE readings SET apparent_power_mva = apparent_power_mva + 1 WHERE id = 2",
            Quantity::PowerFactor => "UPDATE readings SET power_factor_1e4 = power_factor_1e4 + 1 WHERE id = 2",
            Quantity::Frequency => "UPDATE readings SET frequency_mhz = frequency_mhz + 1 WHERE id = 2",
            Quantity::EnergyImport => "UPDATE readings SET energy_import_mwh = energy_import_mwh + 1 WHERE id = 2",
            Quantity::EnergyExport => "UPDATE readings SET energy_export_mwh = energy_export_mwh + 1 WHERE id = 2",
        };
        sql(&folder, change).await;
        let column = Finding::Column {
            row: 2,
            meter: meter_id("A-1"),
            time: row.row.time,
            column: quantity.into(),
            ledger: Some(before),
            database: Some(before + 1),
        };
        let findings = report(&folder, &node).await.findings;
        assert!(findings.contains(&column), "{quantity:?}: {findings:?}");
        // The row's own raw frame says so too.
        assert!(findings.iter().any(|finding| matches!(finding, Finding::Frame { row: 2, .. })), "{findings:?}");
        assert_eq!(findings.len(), 2, "{findings:?}");
        let text = column.to_string();
        assert!(text.contains(quantity.name()) && text.contains(&format!("{} in the database", before + 1)), "{text}");
    }
}

#[tokio::test]
async fn missing_moved_and_foreign_rows_are_named() {
    type Expected = fn(&Finding) -> bool;
    let cases: [(&str, &[Expected]); 6] = [
        ("DELETE FROM readings WHERE id = 2", &[|finding| matches!(finding, Finding::Missing { .. })]),
        (
            "UPDATE readings SET time_ms = time_ms + 1 WHERE id = 2",
            &[
                |finding| matches!(finding, Finding::Missing { .. }),
                |finding| matches!(finding, Finding::Extra { row: 2, .. }),
            ],
        ),
        ("UPDATE readings SET statement = NULL WHERE id = 2", &[|finding| matches!(finding, Finding::Missing { .. })]),
        (
            "INSERT INTO readings SELECT 99, meter, time_ms + 7, member_account, operator_account, profile, voltage_mv, \
             current_ua, active_power_mw, reactive_power_mvar, apparent_power_mva, power_factor_1e4, frequency_mhz, \
             energy_import_mwh, energy_export_mwh, channels, frames, statement FROM readings WHERE id = 2",
            &[|finding| matches!(finding, Finding::Extra { row: 99, .. })],
        ),
        (
            "UPDATE readings SET voltage_mv = NULL WHERE id = 2",
            &[|finding| matches!(finding, Finding::Column { row: 2, database: None, .. })],
        ),
        (
            "UPDATE readings SET frames = x'00' WHERE id = 2",
            &[|finding| matches!(finding, Finding::Unreadable { table: "readings", row: 2, .. })],
        ),
    ];
    for (change, expected) in cases {
        let (folder, node) = audited().await;
        sql(&folder, change).await;
        let findings = report(&folder, &node).await.findings;
        for expected in expected {
            assert!(findings.iter().any(expected), "{change}: {findings:?}");
        }
    }
}

#[tokio::test]
async fn a_frame_changed_together_with_nothing_else_is_found() {
    let (folder, node) = audited().await;
    // The frame of another reading in its place: its time no longer fits.
    sql(&folder, "UPDATE readings SET frames = (SELECT frames FROM readings WHERE id = 3) WHERE id = 2").await;
    let findings = report(&folder, &node).await.findings;
    assert!(findings.iter().any(|finding| matches!(finding, Finding::Frame { row: 2, .. })), "{findings:?}");
}

#[tokio::test]
async fn no_database_is_an_error_and_not_an_empty_report() {
    let (folder, node) = (folder(), FakeNode::new(&[]));
    assert!(audit(&url(&folder), &node, &Profile::shipped).await.is_err());
}
