//! What the process itself takes, under the names that Prometheus' own clients use.

use super::{Family, count};
use std::fs;

/// Memory, threads and open files of this process; empty families where the system does not tell (no `/proc`).
#[must_use]
pub fn of_process() -> Vec<Family> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let files = fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
    let put = |family: Family, value: Option<u64>| match value {
        Some(value) => family.one(count(value)),
        None => family,
    };
    let bytes = |key| field(&status, key).map(|kib| kib.saturating_mul(1_024));
    vec![
        put(Family::gauge("process_resident_memory", "Memory that the process holds.").unit("bytes"), bytes("VmRSS:")),
        put(Family::gauge("process_virtual_memory", "Memory that is mapped.").unit("bytes"), bytes("VmSize:")),
        put(Family::gauge("process_threads", "Threads."), field(&status, "Threads:")),
        put(
            Family::gauge("process_open_fds", "Open files, ports and connections."),
            files.and_then(|files| u64::try_from(files).ok()),
        ),
    ]
}

/// A number of `/proc/self/status` (proc(5)); memory there is in KiB.
fn field(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_memory() {
        let status = "Name:\twattproof\nVmSize:\t  9 kB\nVmRSS:\t   12345 kB\nThreads:\t4\n";
        assert_eq!([field(status, "VmRSS:"), field(status, "Threads:")], [Some(12_345), Some(4)]);
        assert_eq!(field(status, "VmSwap:"), None);
        assert!(of_process().iter().all(|family| !family.is_empty()), "{:?}", of_process());
    }
}
