use std::fmt;
use std::io::{self, BufRead};

use crate::audit::chain::checkpoint::note::{Note, Signature};
use crate::audit::chain::checkpoint::notes::Notes;
use crate::audit::chain::checkpoint::{KeyError, NoteKey};
use crate::audit::chain::report::CheckpointFault;
use crate::audit::chain::tree::Hash;
use crate::token::Ed25519;

/// Reads checkpoints, one behind the other, and believes those that one of the keys signed.
pub struct CheckpointReader<R> {
    notes: Notes<R>,
    keys: Vec<(NoteKey, Ed25519)>,
}

/// A checkpoint that was looked at.
#[derive(Debug)]
pub(in crate::audit::chain) enum Checked {
    Good {
        size: u64,
        root: Hash,
    },
    Bad {
        size: Option<u64>,
        fault: CheckpointFault,
    },
}

impl<R: BufRead> CheckpointReader<R> {
    /// Those who may sign; several, where keys were changed.
    ///
    /// # Errors
    ///
    /// If a key is no point of the curve, or no signature backend is compiled in.
    pub fn new(checkpoints: R, keys: impl IntoIterator<Item = NoteKey>) -> Result<Self, KeyError> {
        let keys = keys.into_iter().map(|key| {
            let verifier = key.verifier()?;
            Ok((key, verifier))
        });
        Ok(Self {
            notes: Notes::new(checkpoints),
            keys: keys.collect::<Result<_, KeyError>>()?,
        })
    }

    /// The bytes of the notes that were whole.
    pub(super) const fn whole(&self) -> u64 {
        self.notes.whole
    }

    pub(in crate::audit::chain) fn next(&mut self) -> io::Result<Option<Checked>> {
        let Some((note, whole)) = self.notes.next()? else {
            return Ok(None);
        };
        let bad = |size, fault| Ok(Some(Checked::Bad { size, fault }));
        let Some((origin, size, root)) = note.checkpoint().filter(|_| whole) else {
            return bad(None, CheckpointFault::Malformed);
        };
        if self.is_signed(&note, origin) {
            Ok(Some(Checked::Good { size, root }))
        } else {
            bad(Some(size), CheckpointFault::Forged)
        }
    }

    /// One of ours must have signed; a signature by another, such as a witness, says nothing.
    fn is_signed(&self, note: &Note, origin: &str) -> bool {
        let by = |key: &NoteKey, signature: &&Signature| {
            key.name() == signature.name && key.id() == signature.id
        };
        let mut signed = false;
        for (key, verifier) in self.keys.iter().filter(|(key, _)| key.name() == origin) {
            for signature in note
                .signatures
                .iter()
                .filter(|signature| by(key, signature))
            {
                if !verifier.verifies(note.text.as_bytes(), &signature.bytes) {
                    return false;
                }
                signed = true;
            }
        }
        signed
    }
}

impl<R> fmt::Debug for CheckpointReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.keys.iter().map(|(key, _)| key.name()).collect();
        f.debug_struct("CheckpointReader")
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "aws_lc_rs"))]
mod tests {
    use super::*;
    use crate::audit::chain::checkpoint::note;
    use aws_lc_rs::signature::Ed25519KeyPair;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    /// The example of golang.org/x/mod/sumdb/note: key, text, and the note that must come out.
    #[test]
    fn the_known_signed_note() {
        const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        const SECRET: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
            then you don't know what your problem is.\n";
        const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
            then you don't know what your problem is.\n\n\
            \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let key: NoteKey = KEY.parse().unwrap();
        let seed = STANDARD.decode(SECRET).unwrap();
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed[1..]).unwrap();
        let signature = pair.sign(TEXT.as_bytes()).as_ref().try_into().unwrap();
        assert_eq!(note::signed(TEXT, &key, &signature), NOTE);

        let read = |note: &str| {
            let mut reader = CheckpointReader::new(note.as_bytes(), [key.clone()]).unwrap();
            let (note, whole) = reader.notes.next().unwrap().unwrap();
            whole && reader.is_signed(&note, "PeterNeumann")
        };
        assert!(read(NOTE));
        assert!(!read(&NOTE.replace("your problem is.", "our problem is.")));
        assert!(!read(&NOTE.replace("x08go/ZJ", "x08go/ZK")));
        assert!(
            !read(&NOTE.replace("x08go/ZJ", "x08gp/ZJ")),
            "another key's id"
        );
    }
}
