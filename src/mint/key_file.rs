//! A file with one private key, made where there is none.
//!
//! A new key is written beside the place where it belongs, brought to the disk, and only then linked there:
//! whoever reads the file finds all of it. The link fails where a file is by then, so of several
//! processes one wins, and the others read what it wrote. What a process that was killed left beside the file
//! is a key that nobody used.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::mint::{KeyError, SigningKey};

pub(super) fn read_or_create(path: &Path) -> Result<SigningKey, KeyError> {
    read_or_else_create(path).map_err(|error| error.at(path))
}

fn read_or_else_create(path: &Path) -> Result<SigningKey, KeyError> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    let (key, jwk) = SigningKey::generate_to_keep()?;
    match put(path, jwk.as_bytes()) {
        Ok(()) => {
            tracing::info!(
                target: "impersonation::mint",
                path = %path.display(), kid = key.kid(), "made a key"
            );
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(path)?.ok_or(KeyError::new("the key file went away"))
        }
        Err(error) => Err(KeyError::file("the key file cannot be written", error)),
    }
}

/// `None` where there is no file.
fn read(path: &Path) -> Result<Option<SigningKey>, KeyError> {
    let unreadable = |error| KeyError::file("the key file cannot be read", error);
    let there = match path.symlink_metadata() {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    // Asked before it is opened: a pipe would wait for its other end.
    if !there.is_file() {
        return Err(KeyError::new("the key file is a link, or no file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    let opened = file.metadata().map_err(unreadable)?;
    if !is_same(&there, &opened) {
        return Err(KeyError::new("the key file was replaced while it was read"));
    }
    if is_open_to_others(&opened) {
        return Err(KeyError::new(
            "others than its owner may use the key file: chmod 600",
        ));
    }
    if is_of_another(&opened) {
        return Err(KeyError::new(
            "the key file belongs to another user than this process's, or root",
        ));
    }
    let mut text = String::new();
    let limited = file.take(MAX_BYTES).read_to_string(&mut text);
    limited.map_err(unreadable)?;
    let key = match text.trim_start().starts_with("-----BEGIN") {
        true => SigningKey::from_pem(&text),
        false => SigningKey::from_jwk(&text),
    };
    key.map(Some)
}

/// Puts a whole new file there, or fails with [`io::ErrorKind::AlreadyExists`].
fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = Draft::beside(path)?;
    draft.write(content)?;
    fs::hard_link(&draft.0, path)?;
    sync_folder(path)
}

/// A file that goes away with this.
struct Draft(PathBuf);

impl Draft {
    fn beside(path: &Path) -> io::Result<Self> {
        let mut random = [0; 12];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}", URL_SAFE_NO_PAD.encode(random)));
        Ok(Self(path.with_file_name(name)))
    }

    fn write(&self, content: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        for_owner_alone(&mut options);
        let mut file = options.write(true).create_new(true).open(&self.0)?;
        file.write_all(content)?;
        file.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It may never have been there.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(unix)]
fn for_owner_alone(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

/// Elsewhere the folder says who may.
#[cfg(not(unix))]
fn for_owner_alone(_: &mut OpenOptions) {}

#[cfg(unix)]
fn is_open_to_others(file: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(file) & 0o177 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &fs::Metadata) -> bool {
    false
}

/// Whether somebody else than this user and root owns it, who could read and replace it.
#[cfg(unix)]
fn is_of_another(file: &fs::Metadata) -> bool {
    let owner = std::os::unix::fs::MetadataExt::uid(file);
    owner != 0 && owner != rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_of_another(_: &fs::Metadata) -> bool {
    false
}

#[cfg(unix)]
fn is_same(there: &fs::Metadata, opened: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (there.dev(), there.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
fn is_same(_: &fs::Metadata, opened: &fs::Metadata) -> bool {
    opened.is_file()
}

/// Brings the name of the file to the disk.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// An RSA key of 8192 bits takes seven thousand.
const MAX_BYTES: u64 = 64 * 1024;
