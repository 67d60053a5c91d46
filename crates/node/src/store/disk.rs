//! Files, as little of them as the store needs: the real ones here, simulated ones in `sim`.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Append-only files by name.
///
/// Contract: `append` is durable only after the next `sync` of that file; until then any part of it may be lost in a
/// power cut, from the end on. `replace` and `truncate` are durable on return and happen wholly or not at all. After a
/// failed `append` the caller truncates to the size before; after a failed `sync` nothing is known and the caller stops.
/// Reads see everything appended.
pub trait Disk: Send {
    /// Size of a file in bytes; 0 if it does not exist.
    ///
    /// # Errors
    /// As the operating system says.
    fn size(&mut self, file: &str) -> io::Result<u64>;
    /// Reads exactly `length` bytes from `offset` on.
    ///
    /// # Errors
    /// As the operating system says, or when the file is shorter.
    fn read(&mut self, file: &str, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// Appends, creating the file if need be.
    ///
    /// # Errors
    /// As the operating system says; part of the bytes may then be there.
    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything appended to a file durable.
    ///
    /// # Errors
    /// Fatal: what was appended may be lost even if a second try succeeds.
    fn sync(&mut self, file: &str) -> io::Result<()>;
    /// Cuts a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn truncate(&mut self, file: &str, size: u64) -> io::Result<()>;
    /// Puts a whole file in place of another.
    ///
    /// # Errors
    /// As the operating system says; the file is then as it was.
    fn replace(&mut self, file: &str, bytes: &[u8]) -> io::Result<()>;
}

/// Why a folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it open.
    #[error("{} is in use by another node; stop that one first", .0.display())]
    InUse(PathBuf),
    /// The operating system refuses.
    #[error("{path}: {error}", path = .path.display())]
    Io {
        /// Which folder.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

/// Files in a folder, locked for one process.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    open: BTreeMap<String, File>,
    /// Held for its lock; `None` for a reader, which writes nothing.
    _lock: Option<File>,
}

/// The file that a node holds a lock on as long as it lives.
const LOCK_FILE: &str = "node.lock";

impl Folder {
    /// Opens (and creates) a folder for writing, for this process alone.
    ///
    /// # Errors
    /// When another process has it, or it cannot be made.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let io = |error| FolderError::Io { path: path.to_owned(), error };
        fs::create_dir_all(path).map_err(io)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK_FILE));
        let lock = lock.map_err(io)?;
        // Names that a killed node made may not be durable yet.
        File::open(path).and_then(|folder| folder.sync_all()).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), open: BTreeMap::new(), _lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// Opens a folder for reading, while a node may be writing.
    #[must_use]
    pub fn open_for_reading(path: &Path) -> Self {
        Self { path: path.to_owned(), open: BTreeMap::new(), _lock: None }
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        if !self.open.contains_key(name) {
            let path = self.path.join(name);
            let is_new = !path.exists();
            let mut options = OpenOptions::new();
            options.read(true);
            if self._lock.is_some() {
                options.append(true).create(true);
            }
            let file = options.open(&path)?;
            if is_new {
                self.sync_folder()?;
            }
            self.open.insert(name.to_owned(), file);
        }
        self.open.get_mut(name).ok_or_else(|| io::Error::other("file vanished"))
    }

    /// A new name is durable only once its folder is.
    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl Disk for Folder {
    fn size(&mut self, file: &str) -> io::Result<u64> {
        match fs::metadata(self.path.join(file)) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, file: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let file = self.file(file)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        self.file(file)?.write_all(bytes)
    }

    fn sync(&mut self, file: &str) -> io::Result<()> {
        self.file(file)?.sync_data()
    }

    fn truncate(&mut self, file: &str, size: u64) -> io::Result<()> {
        let file = self.file(file)?;
        file.set_len(size)?;
        file.sync_all()
    }

    fn replace(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.path.join(format!("{file}.new"));
        let mut written = File::create(&new)?;
        written.write_all(bytes)?;
        written.sync_all()?;
        // The open handle belongs to the file that is about to be unlinked.
        self.open.remove(file);
        fs::rename(&new, self.path.join(file))?;
        self.sync_folder()
    }
}
