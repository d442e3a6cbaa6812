use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::answer::Answer;
use crate::audit::{AuditError, AuditSink, Completion, Event};
use crate::visible;

/// Appends every event to a file, as one line of JSON.
///
/// The file is made when it is not there, readable by its owner alone, and opened when the layer is
/// built. An event counts as recorded when `write` returned; the system writes to the disk when it
/// sees fit. Lines are written whole, under a lock, on the thread of the request: use a local file.
/// Control and other invisible characters are written as escapes, so a line is one line on any
/// terminal.
pub fn jsonl(path: impl Into<PathBuf>) -> JsonLines {
    JsonLines {
        path: path.into(),
        state: Mutex::new(State {
            file: None,
            torn: false,
        }),
    }
}

/// The sink made by [`jsonl`].
#[derive(Debug)]
#[must_use = "a sink does nothing until it is given to the builder"]
pub struct JsonLines {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: Option<File>,
    /// The last line may lack its end: the next one must begin on a line of its own.
    torn: bool,
}

impl JsonLines {
    fn append(&self, event: &Event<'_>) -> io::Result<()> {
        let mut line = Vec::with_capacity(1024);
        visible::write_json(event, &mut line)?;
        line.push(b'\n');

        let mut state = self.state();
        if state.file.is_none() {
            self.open(&mut state)?;
        }
        if state.torn {
            line.insert(0, b'\n');
        }
        let Some(file) = &mut state.file else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let written = file.write_all(&line);
        state.torn = written.is_err();
        written
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, state: &mut State) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&self.path)?;
        // What stopped an earlier process may have stopped it in the middle of a line.
        state.torn |= file.metadata()?.is_file() && !self.ends_with_a_line();
        state.file = Some(file);
        Ok(())
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
}

impl AuditSink for JsonLines {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        Answer::now(self.append(event).map_err(AuditError::new))
    }

    fn complete(&self, done: Completion) {
        if let Err(error) = self.append(&done.event()) {
            ::tracing::error!(
                target: "impersonation::audit",
                %error,
                "a completion could not be written"
            );
        }
    }

    fn check(&self) -> Result<(), AuditError> {
        self.open(&mut self.state()).map_err(|error| {
            let path = self.path.display();
            AuditError::new(io::Error::new(error.kind(), format!("{path}: {error}")))
        })
    }
}
