use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::audit::file::rotation::Day;
use crate::time::Timestamp;

/// Opens for appending, and makes the file when it is not there, readable by its owner alone.
pub(in crate::audit) fn append_to(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.append(true).create(true).open(path)
}

/// As [`append_to`], for a file that belongs to this crate alone: one that leads to another, as a
/// symbolic link or by a second name, is refused.
#[cfg(feature = "chain")]
pub(in crate::audit) fn open_own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    open_if(is_sole, path, options).map_err(|error| named(path, &error))
}

/// As [`append_to`], where a file must stand and no symbolic link to one.
#[cfg(feature = "chain")]
pub(in crate::audit) fn open_itself(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    open_if(fs::Metadata::is_file, path, options)
}

#[cfg(feature = "chain")]
fn open_if(
    is_fit: fn(&fs::Metadata) -> bool,
    path: &Path,
    options: &mut OpenOptions,
) -> io::Result<File> {
    let leads_elsewhere = || {
        let why = "it is a link, or no file";
        io::Error::new(io::ErrorKind::InvalidData, why)
    };
    match path.symlink_metadata() {
        Ok(there) if !is_fit(&there) => return Err(leads_elsewhere()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let file = append_to(path, options)?;
    // It may have been put there meanwhile.
    let (there, opened) = (path.symlink_metadata()?, file.metadata()?);
    match is_fit(&there) && is_same(&there, &opened) {
        true => Ok(file),
        false => Err(leads_elsewhere()),
    }
}

/// As [`open_own`], where nothing may be yet.
#[cfg(feature = "chain")]
pub(in crate::audit) fn create_own(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    append_to(path, options.create_new(true))
}

/// A file with this one name.
#[cfg(all(feature = "chain", unix))]
fn is_sole(there: &fs::Metadata) -> bool {
    there.is_file() && std::os::unix::fs::MetadataExt::nlink(there) == 1
}

/// Elsewhere the number of names is not told.
#[cfg(all(feature = "chain", not(unix)))]
fn is_sole(there: &fs::Metadata) -> bool {
    there.is_file()
}

/// Warns of a file that others may read, or that its group may write.
#[cfg(unix)]
pub(in crate::audit) fn warn_if_shared(path: &Path, open: &File) -> io::Result<()> {
    let mode = std::os::unix::fs::MetadataExt::mode(&open.metadata()?);
    if mode & 0o027 != 0 {
        tracing::warn!(
            target: "impersonation::audit",
            path = %path.display(),
            mode = %format_args!("{:o}", mode & 0o777),
            "others than its owner may read or write the audit"
        );
    }
    Ok(())
}

/// Elsewhere the folder says who may.
#[cfg(not(unix))]
pub(in crate::audit) fn warn_if_shared(_: &Path, _: &File) -> io::Result<()> {
    Ok(())
}

/// Whether the path leads to another file than the open one, or to none.
pub(in crate::audit) fn has_replaced(path: &Path, open: &File) -> io::Result<bool> {
    differs(fs::metadata(path), open)
}

/// As [`has_replaced`], where a symbolic link is another file, whatever it leads to.
#[cfg(feature = "chain")]
pub(in crate::audit) fn has_replaced_itself(path: &Path, open: &File) -> io::Result<bool> {
    differs(path.symlink_metadata(), open)
}

fn differs(now: io::Result<fs::Metadata>, open: &File) -> io::Result<bool> {
    match now {
        Ok(now) => Ok(!is_same(&now, &open.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere an open file cannot be replaced.
#[cfg(not(unix))]
fn is_same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

/// The error, and of which file.
pub(in crate::audit) fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The path with more behind its name.
pub(in crate::audit) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(more);
    name.into()
}

/// A path behind which stand these letters and that time, where nothing is yet.
#[cfg(feature = "chain")]
pub(in crate::audit) fn beside_at(path: &Path, more: &str, time: Timestamp) -> PathBuf {
    let first = beside(path, &format!("{more}{}", stem(time)));
    let numbered = (1_u32..).map(|number| beside(&first, &format!("-{number:06}")));
    std::iter::once(first.clone())
        .chain(numbered)
        .find(|free| free.symlink_metadata().is_err())
        .unwrap_or(first)
}

/// Renames the file to one of that time, or behind the newest that was, if that is later.
pub(in crate::audit) fn set_aside(path: &Path, time: Timestamp) -> io::Result<()> {
    let own = (stem(time), 0);
    let (stem, number) = match newest(path)? {
        Some((stem, number)) if stem >= own.0 => (stem, number.saturating_add(1)),
        _ => own,
    };
    let number = match number {
        0 => String::new(),
        more => format!("-{more:06}"),
    };
    let aside = beside(path, &format!(".{stem}{number}"));
    if aside.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(path, aside)
}

/// Renames the file to one of that number of records and that time.
#[cfg(feature = "chain")]
pub(in crate::audit) fn set_aside_numbered(
    path: &Path,
    records: u64,
    time: Timestamp,
) -> io::Result<()> {
    fs::rename(path, beside_at(path, &format!(".{records:020}."), time))
}

/// The time as it stands in names, such as `20261122T021139Z`.
fn stem(time: Timestamp) -> String {
    let mut time: String = time
        .to_string()
        .chars()
        .take_while(|c| *c != '.')
        .filter(|c| c.is_ascii_alphanumeric())
        .collect();
    time.push('Z');
    time
}

/// The time and the number in the last name of those that were set aside.
fn newest(path: &Path) -> io::Result<Option<(String, u32)>> {
    let Some(name) = path.file_name() else {
        return Ok(None);
    };
    let mut newest = None;
    for entry in fs::read_dir(folder(path))? {
        let other = entry?.file_name();
        let more = other
            .as_encoded_bytes()
            .strip_prefix(name.as_encoded_bytes());
        newest = newest.max(more.and_then(aside));
    }
    Ok(newest)
}

/// What stands behind the name of a file that was set aside; another tool may have packed it.
fn aside(more: &[u8]) -> Option<(String, u32)> {
    let more = std::str::from_utf8(more).ok()?.strip_prefix('.')?;
    let (stem, rest) = more.split_at_checked(STEM.len())?;
    let is_time = stem.bytes().zip(STEM).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        letter => byte == *letter,
    });
    let digits = rest
        .strip_prefix('-')
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    let number = digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    is_time.then(|| (stem.to_owned(), number))
}

const STEM: &[u8] = b"00000000T000000Z";

/// The day on which the file was last written; `None` where it is empty.
pub(in crate::audit) fn day_of(open: &File) -> io::Result<Option<i64>> {
    let metadata = open.metadata()?;
    if metadata.len() == 0 {
        return Ok(None);
    }
    let since = metadata.modified()?.duration_since(UNIX_EPOCH);
    Ok(Some(Day::from(since.unwrap_or_default()).0))
}

/// Brings the names in the file's folder to the disk.
#[cfg(unix)]
pub(in crate::audit) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// Elsewhere a folder cannot be opened, and names are journalled.
#[cfg(not(unix))]
pub(in crate::audit) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// The folder of a file.
pub(in crate::audit) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
