use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

use crate::audit::file::{
    Day, Line, Log, Rotation, append_to, day_of, has_replaced, named, set_aside, sync_folder,
    warn_if_shared,
};

/// A file of plain lines.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    rotation: Option<Rotation>,
    synced: bool,
    open: Option<Open>,
    /// The last line may lack its end: the next one must begin on a line of its own.
    torn: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// A pipe or a device is neither rotated nor synced, and stays open.
    is_file: bool,
    day: Option<i64>,
}

impl Lines {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            rotation: None,
            synced: false,
            open: None,
            torn: false,
        }
    }

    pub(super) const fn rotate(&mut self, rotation: Rotation) {
        self.rotation = Some(rotation);
    }

    fn opened(&mut self) -> io::Result<&mut Open> {
        let open = match self.open.take() {
            Some(open) if !open.is_file || !has_replaced(&self.path, &open.file)? => open,
            _ => self.reopened()?,
        };
        Ok(self.open.insert(open))
    }

    fn reopened(&mut self) -> io::Result<Open> {
        let file = append_to(&self.path, &mut OpenOptions::new())?;
        let is_file = file.metadata()?.is_file();
        // What stopped an earlier process may have stopped it in the middle of a line.
        self.torn = is_file && !self.ends_with_a_line();
        if is_file {
            sync_folder(&self.path)?;
            warn_if_shared(&self.path, &file)?;
        }
        let day = day_of(&file)?;
        Ok(Open { file, is_file, day })
    }

    /// A file that cannot be read may end anyhow.
    fn ends_with_a_line(&self) -> bool {
        let last = |mut file: File| -> io::Result<bool> {
            let mut last = [b'\n'];
            if file.seek(SeekFrom::End(0))? > 0 {
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
            }
            Ok(last == [b'\n'])
        };
        File::open(&self.path).and_then(last).unwrap_or(false)
    }

    /// From now on, what was written is brought to the disk before its file is set aside.
    pub(super) const fn sync(&mut self, synced: bool) {
        self.synced = synced;
    }

    fn rotate_before(&mut self, lines: &[Line], bytes: u64) -> io::Result<()> {
        let (Some(rotation), Some(first)) = (self.rotation, lines.first()) else {
            return Ok(());
        };
        let synced = self.synced;
        let open = self.opened()?;
        let (length, day) = (open.file.metadata()?.len(), open.day);
        if open.is_file && rotation.is_due(length, day, bytes, first.time.into()) {
            if synced {
                // A completion waits there for the sync of a request, which goes to the next file.
                open.file.sync_data()?;
            }
            set_aside(&self.path, first.time)?;
            self.open = None;
        }
        Ok(())
    }

    fn write(&mut self, mut bytes: Vec<u8>, sync: bool) -> io::Result<()> {
        self.opened()?;
        let torn = std::mem::replace(&mut self.torn, true);
        let Some(open) = &mut self.open else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if torn {
            bytes.insert(0, b'\n');
        }
        open.file.write_all(&bytes)?;
        if sync && open.is_file {
            open.file.sync_data()?;
        }
        self.torn = false;
        Ok(())
    }
}

impl Log for Lines {
    fn open(&mut self) -> io::Result<()> {
        self.rotation.map_or(Ok(()), Rotation::check)?;
        let opened = self.opened().map(|_| ());
        opened.map_err(|error| named(&self.path, &error))
    }

    fn append(&mut self, lines: &[Line], sync: bool) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(lines.iter().map(|line| line.json.len() + 1).sum());
        for line in lines {
            bytes.extend_from_slice(&line.json);
            bytes.push(b'\n');
        }
        self.rotate_before(lines, bytes.len() as u64)?;
        let written = self.write(bytes, sync);
        let day = lines.last().map(|line| Day::from(line.time).0);
        match &mut self.open {
            Some(open) if written.is_ok() => open.day = open.day.max(day),
            // It is opened again, as far as it is a file: what was wrong with it may be over.
            Some(open) if open.is_file => self.open = None,
            _ => {}
        }
        written
    }

    fn due(&self) -> Option<Duration> {
        None
    }

    fn tend(&mut self) {}

    fn close(&mut self) {
        self.open = None;
    }
}
