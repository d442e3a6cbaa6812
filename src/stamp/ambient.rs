use std::cell::RefCell;
use std::marker::PhantomData;

use crate::stamp::value::Stamp;

/// The stamp of the request that is being polled on this thread; `None` where nobody impersonates.
#[must_use]
pub fn current() -> Option<Stamp> {
    CURRENT
        .try_with(|slot| slot.borrow().clone())
        .ok()
        .flatten()
}

/// Looks at that stamp where it stands. `look` must not enter one.
#[cfg(feature = "otel")]
pub(crate) fn with_current<T>(look: impl FnOnce(&Stamp) -> T) -> Option<T> {
    CURRENT
        .try_with(|slot| slot.borrow().as_ref().map(look))
        .ok()
        .flatten()
}

pub(super) fn enter(stamp: Stamp) -> Entered {
    Entered {
        previous: replace(Some(stamp)),
        stays_on_this_thread: PhantomData,
    }
}

/// Puts the previous stamp back when it is dropped, also while a panic unwinds.
///
/// Drop guards in the reverse order of entering, as local variables do by themselves.
#[derive(Debug)]
#[must_use = "the stamp is current only until the guard is dropped"]
pub struct Entered {
    previous: Option<Stamp>,
    stays_on_this_thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        drop(replace(self.previous.take()));
    }
}

// The borrow ends before anything else runs, and a thread that is ending has no slot: neither can
// panic.
fn replace(stamp: Option<Stamp>) -> Option<Stamp> {
    CURRENT.try_with(|slot| slot.replace(stamp)).ok().flatten()
}

thread_local! {
    static CURRENT: RefCell<Option<Stamp>> = const { RefCell::new(None) };
}
