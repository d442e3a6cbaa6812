//! Now or later: the one return type of every trait that may have to wait.
//!
//! A key that is cached, a directory in memory and a file that is appended to know their answer at
//! once; a database does not. [`Answer`] serves both: [`Answer::now`] costs no boxed future and
//! [`Answer::later`] boxes once. Whoever implements a trait of this crate returns whichever fits,
//! and a closure may return the bare value, because `T` converts into `Answer<T>`.
//!
//! An answer that waits is dropped when the request it belongs to is dropped: work that must be
//! finished regardless belongs on a task of its own.
//!
//! ```
//! use tower_impersonate::answer::Answer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let known = Answer::now(20).map(|n| n + 1);
//! assert_eq!(known.await, 21);
//!
//! let waited = Answer::later(async { 20 }).then(|n| Answer::later(async move { n + 1 }));
//! assert_eq!(waited.await, 21);
//! # }
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A value that is here now or comes later.
///
/// It is a [`Future`]; a value that is here is ready at the first poll.
#[must_use = "an answer does nothing until it is awaited"]
pub struct Answer<T>(Inner<T>);

enum Inner<T> {
    Now(Option<T>),
    Later(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T> Answer<T> {
    /// An answer that is known already; it allocates nothing.
    pub const fn now(value: T) -> Self {
        Self(Inner::Now(Some(value)))
    }

    /// An answer that has to be waited for; the future is boxed once.
    pub fn later(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Inner::Later(Box::pin(future)))
    }

    /// The value if it is here, else the answer itself.
    ///
    /// # Errors
    ///
    /// The unchanged answer, when it has to be waited for.
    pub fn try_now(self) -> Result<T, Self> {
        match self.0 {
            Inner::Now(Some(value)) => Ok(value),
            inner => Err(Self(inner)),
        }
    }

    /// Takes the value out if it is here, without waiting and without a task to wake.
    pub(crate) fn take_now(&mut self) -> Option<T> {
        match &mut self.0 {
            Inner::Now(value) => value.take(),
            Inner::Later(_) => None,
        }
    }

    /// Changes the value, now or when it comes.
    pub fn map<U>(self, f: impl FnOnce(T) -> U + Send + 'static) -> Answer<U>
    where
        T: Send + 'static,
    {
        match self.try_now() {
            Ok(value) => Answer::now(f(value)),
            Err(later) => Answer::later(async move { f(later.await) }),
        }
    }

    /// Goes on with a step that may itself have to wait.
    pub fn then<U>(self, f: impl FnOnce(T) -> Answer<U> + Send + 'static) -> Answer<U>
    where
        T: Send + 'static,
        U: Send + 'static,
    {
        match self.try_now() {
            Ok(value) => f(value),
            Err(later) => Answer::later(async move { f(later.await).await }),
        }
    }
}

impl<T> From<T> for Answer<T> {
    fn from(value: T) -> Self {
        Self::now(value)
    }
}

// The value is only ever moved out, never pinned.
impl<T> Unpin for Answer<T> {}

impl<T> Future for Answer<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            // Polled again after completion: the future contract allows any behaviour but
            // unsoundness, and pending is the one that cannot panic.
            Inner::Now(value) => value.take().map_or(Poll::Pending, Poll::Ready),
            Inner::Later(future) => future.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Inner::Now(_) => "Answer::now(..)",
            Inner::Later(_) => "Answer::later(..)",
        })
    }
}
