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

/// Makes a stamp current as [`Stamp::enter`] does, but lends it to the thread instead of sharing it, so that a
/// request that is polled again and again counts no references for it.
///
/// It comes back into its place, unless somebody forgot a guard inside.
pub(crate) fn lend(place: &mut Option<Stamp>) -> Lent<'_> {
    let lent = { place.as_ref() }.map(Stamp::address);
    Lent {
        previous: replace(place.take()),
        lent,
        place,
        stays_on_this_thread: PhantomData,
    }
}

/// As [`Entered`], of a stamp that is lent.
#[derive(Debug)]
#[must_use = "the stamp is current only until the guard is dropped"]
pub(crate) struct Lent<'p> {
    previous: Option<Stamp>,
    lent: Option<usize>,
    place: &'p mut Option<Stamp>,
    stays_on_this_thread: PhantomData<*const ()>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let current = replace(self.previous.take());
        *self.place = current.filter(|stamp| Some(stamp.address()) == self.lent);
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
