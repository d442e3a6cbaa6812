//! What must be settled before a chain is written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader};
use std::path::Path;

use fs4::{FileExt, TryLockError};

use crate::audit::chain::walk::Walk;
use crate::audit::file::{beside, folder, open_own};

/// The name of the file that goes on, while it is made.
pub(super) const NEXT: &str = ".next";

/// Two writers would fork the chain.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a process that is being started holds the file, too, for a moment.
        drop(FileExt::unlock(&self.0));
    }
}

/// Held until it is dropped.
pub(super) fn lock(path: &Path) -> io::Result<Lock> {
    locked(open_own(&beside(path, ".lock"), &mut OpenOptions::new())?)
}

/// As [`lock`], of the file itself, which may have other names.
#[cfg(unix)]
pub(super) fn lock_itself(file: &File) -> io::Result<Option<Lock>> {
    locked(file.try_clone()?).map(Some)
}

/// Elsewhere nobody could read it then.
#[cfg(not(unix))]
pub(super) fn lock_itself(_: &File) -> io::Result<Option<Lock>> {
    Ok(None)
}

fn locked(lock: File) -> io::Result<Lock> {
    match FileExt::try_lock(&lock) {
        Ok(()) => Ok(Lock(lock)),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "another layer or process writes this chain: each needs a file of its own",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// What stopped an earlier process may have stopped it between two renames, or before the first.
///
/// # Errors
///
/// If the file that goes on is all that is there, and does not begin one: it was not made so.
pub(super) fn finish_rotation(path: &Path) -> io::Result<()> {
    let next = beside(path, NEXT);
    if next.symlink_metadata().is_err() {
        return Ok(());
    }
    if path.try_exists()? {
        return fs::remove_file(next);
    }
    let mut walk = Walk::default();
    let file = open_own(&next, OpenOptions::new().read(true))?;
    let end = walk.file(BufReader::new(&file), |_| Ok(()))?;
    let goes_on = walk.records > 0 && walk.first > 0;
    if walk.bad.is_some() || end.torn > 0 || !goes_on {
        let why = format!("{}: it does not go on with a chain", next.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    fs::rename(next, path)
}

/// A chain of which only older files are there lost its end: a new one would hide that.
pub(super) fn refuse_lost(path: &Path) -> io::Result<()> {
    let Some(name) = path.file_name() else {
        return Ok(());
    };
    for entry in fs::read_dir(folder(path))? {
        let other = entry?.file_name();
        let more = other
            .as_encoded_bytes()
            .strip_prefix(name.as_encoded_bytes());
        if let Some([b'.', b'0'..=b'9', ..]) = more {
            let why = format!(
                "it is gone, and older files of it are there: {}",
                Path::new(&other).display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
    }
    Ok(())
}
