use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::answer::Answer;
use crate::grant::StoreError;
use crate::grant::codes::{CodeHash, CodeStore, KeptCode, Taking};
use crate::identity::IdentityKey;
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
    codes: Mutex<Codes>,
    most: usize,
}

#[derive(Default)]
struct Codes {
    kept: HashMap<CodeHash, KeptCode>,
    /// By target and app client.
    last_taken: HashMap<(IdentityKey, Arc<str>), CodeHash>,
}

impl Codes {
    fn forget(&mut self, now: Timestamp) {
        let Self { kept, last_taken } = self;
        kept.retain(|_, code| {
            let until = match code.taken {
                Some(_) => code.keep_until,
                None => code.expires_at.min(code.keep_until),
            };
            until > now
        });
        last_taken.retain(|_, hash| kept.contains_key(hash));
    }

    fn take(&mut self, hash: &CodeHash, taking: Taking) -> Option<Taking> {
        let code = self.kept.get_mut(hash)?;
        if code.taken.is_none() {
            code.taken = Some(taking);
            let place = (code.target.clone(), Arc::clone(&code.client));
            self.last_taken.insert(place, *hash);
        }
        code.taken
    }
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

    fn codes(&self) -> MutexGuard<'_, Codes> {
        let codes = self.0.codes.lock();
        codes.unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_now(&self, code: KeptCode, now: Timestamp) -> Result<(), StoreError> {
        let mut codes = self.codes();
        if codes.kept.len() >= self.0.most {
            codes.forget(now);
        }
        if codes.kept.contains_key(&code.hash) {
            return Err(StoreError::unavailable("there is a code of that hash"));
        }
        if codes.kept.len() >= self.0.most {
            return Err(StoreError::full());
        }
        codes.kept.insert(code.hash, code);
        Ok(())
    }
}

impl CodeStore for MemoryCodes {
    fn keep(&self, code: KeptCode, now: Timestamp) -> Answer<Result<(), StoreError>> {
        Answer::now(self.keep_now(code, now))
    }

    fn find(&self, hash: &CodeHash) -> Answer<Result<Option<KeptCode>, StoreError>> {
        Answer::now(Ok(self.codes().kept.get(hash).cloned()))
    }

    fn take(&self, hash: &CodeHash, taking: Taking) -> Answer<Result<Option<Taking>, StoreError>> {
        Answer::now(Ok(self.codes().take(hash, taking)))
    }

    fn last_taken(
        &self,
        target: &IdentityKey,
        client: &str,
    ) -> Answer<Result<Option<CodeHash>, StoreError>> {
        let place = (target.clone(), Arc::from(client));
        Answer::now(Ok(self.codes().last_taken.get(&place).copied()))
    }
}

impl fmt::Debug for MemoryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCodes").finish_non_exhaustive()
    }
}
