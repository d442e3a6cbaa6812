use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::answer::Answer;
use crate::directory::{Directory, LookupError};
use crate::identity::{Identity, IdentityKey};
use crate::terms::TargetRef;
use crate::time::{Clock, SystemClock};

/// Remembers for five seconds whom `inner` found, up to ten thousand people.
pub fn cached<D: Directory>(inner: D) -> CachedDirectory<D> {
    CachedDirectory {
        inner: Arc::new(inner),
        remembered: Arc::new(Remembered::new(10_000)),
        entries: 10_000,
        ttl: Duration::from_secs(5),
        clock: Arc::new(SystemClock::new()),
    }
}

/// A directory with a short memory.
///
/// It holds people who were found and are not disabled; that somebody is missing, ambiguous or
/// disabled, or that the directory failed, is asked anew each time. Call [`forget`](Self::forget)
/// when somebody changes. Clones share what they remember; configure before cloning.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
/// use tower_impersonate::Identity;
/// use tower_impersonate::directory::{self, CacheError, Directory, LookupError};
/// use tower_impersonate::terms::TargetRef;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), CacheError> {
/// static ASKED: AtomicU32 = AtomicU32::new(0);
/// let table = |_: &TargetRef| {
///     ASKED.fetch_add(1, Ordering::Relaxed);
///     Ok::<_, LookupError>(Identity::new("https://issuer.example.com", "alice-sub").enabled_account())
/// };
/// let users = directory::cached(table).ttl(Duration::from_secs(30))?;
/// let alice = TargetRef::subject("https://issuer.example.com", "alice-sub");
/// let found = users.find(&alice).await.unwrap();
/// assert_eq!(users.find(&alice).await.unwrap(), found);
/// assert_eq!(ASKED.load(Ordering::Relaxed), 1);
///
/// users.forget(found.key());
/// assert!(users.find(&alice).await.is_ok());
/// assert_eq!(ASKED.load(Ordering::Relaxed), 2);
/// # Ok(())
/// # }
/// ```
pub struct CachedDirectory<D> {
    inner: Arc<D>,
    remembered: Arc<Remembered>,
    entries: usize,
    ttl: Duration,
    clock: Arc<dyn Clock>,
}

impl<D> CachedDirectory<D> {
    /// Remembers people for that long, counted from when they were asked for.
    ///
    /// # Errors
    ///
    /// [`CacheError::Ttl`] for zero and for more than sixty seconds.
    pub fn ttl(mut self, ttl: Duration) -> Result<Self, CacheError> {
        if ttl.is_zero() || ttl > Duration::from_secs(60) {
            return Err(CacheError::Ttl);
        }
        self.ttl = ttl;
        Ok(self)
    }

    /// Remembers about that many people, and none of those so far.
    ///
    /// # Errors
    ///
    /// [`CacheError::Entries`] for zero and for more than a million.
    pub fn entries(mut self, entries: usize) -> Result<Self, CacheError> {
        if entries == 0 || entries > 1_000_000 {
            return Err(CacheError::Entries);
        }
        self.entries = entries;
        self.remembered = Arc::new(Remembered::new(entries));
        Ok(self)
    }

    /// Reads the monotonic time from this clock, and remembers none of those so far.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self.remembered = Arc::new(Remembered::new(self.entries));
        self
    }

    /// Forgets somebody, by whatever reference they were found, in all clones.
    ///
    /// A look-up that is under way still answers whom it is for, but is not remembered.
    pub fn forget(&self, key: &IdentityKey) {
        let mut epoch = self.remembered.epoch();
        *epoch = epoch.wrapping_add(1);
        self.remembered
            .people
            .retain(|_, person| person.identity.key() != key);
    }
}

impl<D: Directory> Directory for CachedDirectory<D> {
    fn find(&self, target: &TargetRef) -> Answer<Result<Identity, LookupError>> {
        let now = self.clock.monotonic();
        if let Some(person) = self.remembered.people.get(target) {
            if now < person.until {
                return Answer::now(Ok(person.identity));
            }
        }
        let asked_in = *self.remembered.epoch();
        let until = now.saturating_add(self.ttl);
        let remembered = Arc::clone(&self.remembered);
        let asked = target.clone();
        self.inner.find(target).map(move |found| {
            let identity = found?;
            if identity.enabled() != Some(false) {
                let person = Person {
                    identity: identity.clone(),
                    until,
                };
                remembered.keep(asked, person, asked_in);
            }
            Ok(identity)
        })
    }
}

impl<D> Clone for CachedDirectory<D> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            remembered: Arc::clone(&self.remembered),
            entries: self.entries,
            ttl: self.ttl,
            clock: Arc::clone(&self.clock),
        }
    }
}

impl<D> fmt::Debug for CachedDirectory<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedDirectory")
            .field("ttl", &self.ttl)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

struct Remembered {
    people: Cache<TargetRef, Person>,
    // How often somebody was forgotten. It stays locked while the people are changed, so that no
    // stale answer slips in between; only misses and `forget` take it, nobody across an await.
    epoch: Mutex<u64>,
}

#[derive(Clone)]
struct Person {
    identity: Identity,
    until: Duration,
}

impl Remembered {
    fn new(entries: usize) -> Self {
        Self {
            people: Cache::new(entries),
            epoch: Mutex::new(0),
        }
    }

    fn epoch(&self) -> MutexGuard<'_, u64> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, asked: TargetRef, person: Person, asked_in: u64) {
        let epoch = self.epoch();
        if *epoch == asked_in {
            self.people.insert(asked, person);
        }
    }
}

/// A setting that a cache of people cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheError {
    /// The time is zero or more than sixty seconds.
    Ttl,
    /// The number of entries is zero or more than a million.
    Entries,
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ttl => "people can be remembered for more than zero and at most 60 seconds",
            Self::Entries => "a cache of people has between one and 1000000 entries",
        })
    }
}

impl Error for CacheError {}
