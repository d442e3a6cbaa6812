use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::answer::Answer;
use crate::grant::StoreError;
use crate::grant::codes::{CodeHash, CodeStore, KeptCode, Taking};
use crate::time::Timestamp;

/// Keeps codes in this process: they are gone when it ends, and no other process sees them.
///
/// At most 100,000 codes; [`MemoryCodes::bounded`] says otherwise.
#[must_use]
pub fn memory() -> MemoryCodes {
    MemoryCodes::bounded(100_000)
}

/// The store made by [`memory`]. Clones share their codes.
#[derive(Clone)]
pub struct MemoryCodes(Arc<Shared>);

struct Shared {
    codes: Mutex<HashMap<CodeHash, KeptCode>>,
    most: usize,
}

impl MemoryCodes {
    /// A store of at most that many codes; one beyond them is refused.
    #[must_use]
    pub fn bounded(most: usize) -> Self {
        Self(Arc::new(Shared {
            codes: Mutex::default(),
            most,
        }))
    }

    fn codes(&self) -> MutexGuard<'_, HashMap<CodeHash, KeptCode>> {
        let codes = self.0.codes.lock();
        codes.unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_now(&self, code: KeptCode, now: Timestamp) -> Result<(), StoreError> {
        let mut codes = self.codes();
        if codes.len() >= self.0.most {
            codes.retain(|_, kept| kept.keep_until > now);
        }
        if codes.contains_key(&code.hash) {
            return Err(StoreError::unavailable("there is a code of that hash"));
        }
        if codes.len() >= self.0.most {
            return Err(StoreError::full());
        }
        codes.insert(code.hash, code);
        Ok(())
    }
}

impl CodeStore for MemoryCodes {
    fn keep(&self, code: KeptCode, now: Timestamp) -> Answer<Result<(), StoreError>> {
        Answer::now(self.keep_now(code, now))
    }

    fn find(&self, hash: &CodeHash) -> Answer<Result<Option<KeptCode>, StoreError>> {
        Answer::now(Ok(self.codes().get(hash).cloned()))
    }

    fn take(&self, hash: &CodeHash, taking: Taking) -> Answer<Result<Option<Taking>, StoreError>> {
        let mut codes = self.codes();
        let taken = { codes.get_mut(hash) }.map(|code| *code.taken.get_or_insert(taking));
        Answer::now(Ok(taken))
    }
}

impl fmt::Debug for MemoryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCodes").finish_non_exhaustive()
    }
}
