use std::io::{self, BufRead, Read};

use crate::audit::chain::checkpoint::note::{Note, Signature};

/// Signed notes, one behind the other.
#[derive(Debug)]
pub(super) struct Notes<R> {
    lines: R,
    /// The first line of the next note.
    ahead: Option<String>,
    /// The bytes of the notes that were whole.
    pub(super) whole: u64,
}

impl<R: BufRead> Notes<R> {
    pub(super) const fn new(lines: R) -> Self {
        Self {
            lines,
            ahead: None,
            whole: 0,
        }
    }

    /// The next note, and whether its form is right. After one that is not, there is no telling
    /// where another begins.
    pub(super) fn next(&mut self) -> io::Result<Option<(Note, bool)>> {
        let mut note = Note::default();
        let mut line = match self.ahead.take() {
            Some(line) => Some(line),
            None => self.line()?,
        };
        if line.is_none() {
            return Ok(None);
        }
        while let Some(text) = line.take().filter(|text| text != "\n") {
            note.text.push_str(&text);
            if note.text.len() > MAX_NOTE || !text.ends_with('\n') {
                return Ok(Some((note, false)));
            }
            line = self.line()?;
        }
        let mut bytes = note.text.len() + 1;
        while let Some(text) = self.line()? {
            if !Signature::begins(&text) {
                self.ahead = Some(text);
                break;
            }
            let signature = text.strip_suffix('\n').and_then(Signature::read);
            let room = note.signatures.len() < MAX_SIGNATURES;
            let Some(signature) = signature.filter(|_| room) else {
                return Ok(Some((note, false)));
            };
            note.signatures.push(signature);
            bytes += text.len();
        }
        let whole = !note.signatures.is_empty();
        if whole {
            self.whole += bytes as u64;
        }
        Ok(Some((note, whole)))
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let most = MAX_NOTE as u64;
        let read = self
            .lines
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut line)?;
        // What is no text is no line of a note.
        let text = String::from_utf8(line).unwrap_or_default();
        Ok((read > 0).then_some(text))
    }
}

const MAX_NOTE: usize = 16 * 1024;

const MAX_SIGNATURES: usize = 16;
