//! A disk of its own that loses what was not synced, as a power cut does.

use super::{Random, StoredReadings, World, real_ms, stored_readings, survive};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use tempfile::TempDir;

/// Size of the image: room for the ledger of a few minutes, and small enough to be made at once.
const IMAGE_BYTES: u64 = 512 * 1024 * 1024;
/// Power cuts of a run; each takes some seconds.
const CUTS: u64 = 30;
/// Shuts an ext4 down without writing its journal (EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH, Linux
/// fs/ext4/ext4.h).
const SHUT_DOWN: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// An ext4 in a file, mounted on a folder as long as this lives.
pub(super) struct Disk {
    image: TempDir,
    on: PathBuf,
}

impl Disk {
    fn new(on: &Path) -> Self {
        let image = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(image.path().join("disk.img")).unwrap();
        file.set_len(IMAGE_BYTES).unwrap();
        let disk = Self { image, on: on.to_owned() };
        command("mkfs.ext4", &["-q", &disk.image()]);
        disk.mount();
        disk
    }

    fn image(&self) -> String {
        self.image.path().join("disk.img").display().to_string()
    }

    fn mount(&self) {
        command("mount", &["-o", "loop", &self.image(), &self.on.display().to_string()]);
    }

    /// From now on nothing reaches the disk any more.
    fn cut(&self) {
        command("python3", &["-c", SHUT_DOWN, &self.on.display().to_string()]);
    }

    /// The disk as it was at the cut.
    fn restore(&self) {
        command("umount", &[&self.on.display().to_string()]);
        self.mount();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, since a failed test may have left a process on it.
        let _ended = Command::new("umount").arg("--lazy").arg(&self.on).status();
    }
}

fn command(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {arguments:?}: this test needs root and a loop device");
}

#[test]
fn nothing_acknowledged_is_lost_or_booked_twice_when_the_power_of_gateway_and_node_is_cut() {
    let seed = std::env::var("WATTPROOF_SEED").map_or_else(|_| real_ms(), |seed| seed.parse().unwrap());
    eprintln!("WATTPROOF_SEED={seed}, {CUTS} power cuts");
    let mut random = Random(seed);
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path());
    let mut world = World::on(folder, &mut random);
    world.disk = Some(disk);
    survive(world, random, cut_often);
}

/// Gives every reading that was seen stored before a cut.
fn cut_often(world: &mut World, random: &mut Random) -> StoredReadings {
    let mut seen = StoredReadings::new();
    // Keys and settings are older than any power cut.
    command("sync", &[]);
    for cut in 1..=CUTS {
        if random.below(4) > 0 {
            world.all_are_up();
        }
        thread::sleep(random.moment());
        if let Ok(stored) = stored_readings(&world.database()) {
            seen.extend(stored);
        }
        let outage = random.outage();
        eprintln!("power cut {cut}, {} readings seen, away for {} ms", seen.len(), outage.as_millis());
        let disk = world.disk.take().unwrap();
        disk.cut();
        // Both may end by themselves, since nothing can be written any more.
        for process in [world.node.take(), world.gateway.take()].into_iter().flatten() {
            let _ended_by_itself = process.running.kill_9();
        }
        disk.restore();
        world.disk = Some(disk);
        thread::sleep(outage);
        world.start_gateway();
        world.start_node();
    }
    seen
}
