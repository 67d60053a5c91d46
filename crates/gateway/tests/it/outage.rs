//! A full disk, a database that became read-only, one that another program holds: polls go on, trouble is shown, recovery
//! comes by itself, and every reading that the meters gave is stored and stated in the end.

use crate::polling::{running, two_meters, wait_for};
use crate::world::url;
use gateway::{GatewayHandle, audit};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use units::Energy;

#[derive(Debug, Clone, Copy)]
enum Outage {
    FullDisk,
    ReadOnly,
    HeldByAnother,
}

/// A small file system of its own, which only root may make.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        mount(&["-t", "tmpfs", "-o", "size=32m", "wattproof-test"], folder.path()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _stays = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

fn mount(options: &[&str], place: &Path) -> bool {
    let output = Command::new("mount").args(options).arg(place).output().expect("`mount` is missing: install mount");
    output.status.success()
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.starts_with(b"0\n")
}

fn answers(handle: &GatewayHandle) -> u64 {
    handle.snapshot().iter().map(|meter| meter.answers).sum()
}

/// Breaks the database until `meanwhile` has run.
async fn during(outage: Outage, folder: &TempDir, meanwhile: impl Future<Output = ()>) {
    let filler = folder.path().join("filler");
    match outage {
        Outage::FullDisk => {
            // All that is left, down to the last byte.
            let place = format!("of={}", filler.display());
            let filled = Command::new("dd").args(["if=/dev/zero", "bs=512", &place]).output().unwrap();
            assert!(!filled.status.success(), "the disk has room for ever");
            meanwhile.await;
            std::fs::remove_file(filler).unwrap();
        }
        Outage::ReadOnly => {
            // The gateway's own open files would keep it writable.
            let pool = sqlx::SqlitePool::connect(&url(folder)).await.unwrap();
            sqlx::query("CREATE TRIGGER refuse BEFORE INSERT ON readings BEGIN SELECT RAISE(ABORT, 'read-only'); END")
                .execute(&pool)
                .await
                .unwrap();
            meanwhile.await;
            sqlx::query("DROP TRIGGER refuse").execute(&pool).await.unwrap();
            pool.close().await;
        }
        Outage::HeldByAnother => {
            let pool = sqlx::SqlitePool::connect(&url(folder)).await.unwrap();
            let held = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
            meanwhile.await;
            held.rollback().await.unwrap();
            pool.close().await;
        }
    }
}

async fn survives(outage: Outage, folder: &TempDir) {
    let (_simulation, running, node, _) = running(folder, two_meters(), 600).await;
    let handle = running.handle().clone();
    wait_for("the first intervals", || node.intervals().len() >= 2).await;
    let unconfirmed = || handle.snapshot().iter().map(|meter| meter.unconfirmed).sum::<usize>();
    during(outage, folder, async {
        wait_for("the trouble", || handle.trouble().is_some()).await;
        let (answered, waiting) = (answers(&handle), unconfirmed());
        wait_for("answers while the database refuses", || answers(&handle) > answered + 20).await;
        assert!(unconfirmed() <= waiting, "{outage:?}: an interval was closed that cannot be stored");
        let trouble = handle.trouble().unwrap();
        assert!(trouble.contains("readings wait in memory"), "{trouble}");
    })
    .await;
    wait_for("the end of the trouble", || handle.trouble().is_none()).await;
    let before = node.intervals().len();
    wait_for("intervals of after the outage", || node.intervals().len() >= before + 4).await;
    wait_for("everything final", || unconfirmed() == 0).await;
    running.stop().await.unwrap();

    let answered = answers(&handle);
    let pool = sqlx::SqlitePool::connect(&url(folder)).await.unwrap();
    let count = async |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.unwrap();
    let stored = count("SELECT count(*) FROM readings").await;
    let rejected = count("SELECT count(*) FROM events WHERE kind LIKE 'counter%' OR kind LIKE 'clock%'").await;
    assert_eq!(stored + rejected, i64::try_from(answered).unwrap(), "{outage:?}: answers and rows");
    let told = count("SELECT sum(CASE kind WHEN 'store_lost' THEN 1 WHEN 'store_back' THEN 100 END) FROM events").await;
    assert_eq!(told, 101, "{outage:?}: told once when it was lost, once when it was back");
    pool.close().await;
    // What is booked is what was counted, without a gap.
    let broken = node.intervals().iter().filter(|act| act.broken.is_some()).count();
    assert_eq!(broken, 0, "{outage:?}");
    let counted: u64 = ["A-1", "A-2"].map(|meter| counted(&node, meter)).iter().sum();
    assert_eq!(node.consumed(), Energy::from_mwh(counted));
    let report = audit(&url(folder), &node, &meter::Profile::shipped).await.unwrap();
    assert_eq!(report.findings, [], "{outage:?}");
}

fn counted(node: &crate::community::FakeNode, meter: &str) -> u64 {
    let binding = node.chain(meter).binding;
    let mut of_meter = node.intervals().into_iter().filter(|act| act.binding == binding);
    let first = of_meter.next().unwrap();
    let end = of_meter.next_back().map_or(first.import.end, |last| last.import.end);
    end.mwh() - first.import.start.mwh()
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_survive_a_full_disk() {
    // Without root there is no small disk; what a full one does to a write, the trigger does as well.
    match SmallDisk::new().filter(|_| is_root()) {
        Some(disk) => survives(Outage::FullDisk, &disk.0).await,
        None => survives(Outage::ReadOnly, &tempfile::tempdir().unwrap()).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_survive_a_database_that_became_read_only() {
    survives(Outage::ReadOnly, &crate::world::folder()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_survive_a_database_that_another_program_holds() {
    survives(Outage::HeldByAnother, &crate::world::folder()).await;
}
