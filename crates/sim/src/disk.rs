//! A disk in memory that loses what was not synced.

use crate::Random;
use node::store::Disk;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file: what was appended, and how much of it is safe.
#[derive(Debug, Clone, Default)]
struct File {
    bytes: Vec<u8>,
    synced: usize,
}

/// A disk in memory. Clones are the same disk: the machine that used it is gone after a crash, the disk is not.
#[derive(Debug, Clone, Default)]
pub struct VirtualDisk {
    files: Arc<Mutex<BTreeMap<String, File>>>,
}

impl VirtualDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power fails: of what was not synced, a part from the end on is lost. The rest may have kept its length with
    /// zeros in place of its end, as file systems leave it that write sizes before contents.
    pub fn cut_power(&self, random: &mut Random) {
        for file in self.files().values_mut() {
            let unsafe_bytes = u64::try_from(file.bytes.len() - file.synced).unwrap_or(u64::MAX);
            let mut kept = || file.synced + usize::try_from(random.below(unsafe_bytes + 1)).unwrap_or_default();
            let (written, length) = (kept(), kept());
            file.bytes.truncate(length.max(written));
            file.bytes[written..].fill(0);
            file.synced = file.bytes.len();
        }
    }

    /// Names of all files.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.files().keys().cloned().collect()
    }

    /// Changes one bit of a file, from a byte on; `false` when there is nothing.
    pub fn flip_bit(&self, file: &str, from: usize, random: &mut Random) -> bool {
        let mut files = self.files();
        let Some(bytes) = files.get_mut(file).and_then(|file| file.bytes.get_mut(from..)) else { return false };
        let place = usize::try_from(random.below(u64::try_from(bytes.len()).unwrap_or_default().max(1)));
        let Some(byte) = place.ok().and_then(|place| bytes.get_mut(place)) else { return false };
        *byte ^= 1 << random.below(8);
        true
    }

    /// Loses the last bytes of a file although they were synced: a disk that lies. For planted bugs.
    pub fn lose_synced(&self, file: &str, bytes: usize) {
        if let Some(file) = self.files().get_mut(file) {
            file.bytes.truncate(file.bytes.len().saturating_sub(bytes));
            file.synced = file.bytes.len();
        }
    }
}

impl Disk for VirtualDisk {
    fn size(&mut self, file: &str) -> io::Result<u64> {
        let size = self.files().get(file).map_or(0, |file| file.bytes.len());
        u64::try_from(size).map_err(io::Error::other)
    }

    fn read(&mut self, file: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let files = self.files();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let range = start..start.saturating_add(length);
        let bytes = files.get(file).and_then(|file| file.bytes.get(range));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }

    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        self.files().entry(file.to_owned()).or_default().bytes.extend(bytes);
        Ok(())
    }

    fn sync(&mut self, file: &str) -> io::Result<()> {
        if let Some(file) = self.files().get_mut(file) {
            file.synced = file.bytes.len();
        }
        Ok(())
    }

    fn truncate(&mut self, file: &str, size: u64) -> io::Result<()> {
        let size = usize::try_from(size).map_err(io::Error::other)?;
        if let Some(file) = self.files().get_mut(file) {
            file.bytes.truncate(size);
            file.synced = file.bytes.len();
        }
        Ok(())
    }

    fn replace(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        self.files().insert(file.to_owned(), File { bytes: bytes.to_vec(), synced: bytes.len() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_cut_keeps_what_was_synced_and_a_beginning_of_the_rest() {
        let mut shortest = usize::MAX;
        for seed in 0..200 {
            let mut disk = VirtualDisk::new();
            disk.append("f", b"safe").unwrap();
            disk.sync("f").unwrap();
            disk.append("f", b"unsafe").unwrap();
            disk.cut_power(&mut Random::new(seed));
            let size = usize::try_from(disk.size("f").unwrap()).unwrap();
            let bytes = disk.read("f", 0, size).unwrap();
            let whole = bytes.iter().zip(b"safeunsafe").take_while(|(found, right)| found == right).count();
            assert!(whole >= 4 && bytes[whole..].iter().all(|byte| *byte == 0), "seed {seed}: {bytes:?}");
            shortest = shortest.min(whole);
        }
        assert_eq!(shortest, 4, "sometimes all of it is lost");
    }
}
