//! The stamp: who is really there, and whom they act as, on every span and log record.
//!
//! A plain request gets `user.id` on the span that is open around it ([`OuterSpans`]). An
//! impersonating one gets more:
//!
//! - its own span `impersonation.request` ([`open_span`], [`complete_span`]), at level `ERROR`, so
//!   that `RUST_LOG=warn` keeps it;
//! - the same fields on the span that was open around it ([`OuterSpans`]), whether or not that span
//!   declared them;
//! - a place on the thread for as long as the handler and the response body are polled
//!   ([`Stamp::enter`]), where whatever runs inside finds it ([`current`]).
//!
//! With the feature `subscriber`, a layer for `tracing-subscriber` puts the fields on every span
//! that is opened meanwhile.
//!
//! A [`Carrier`] takes the stamp along where another library keeps its context, as the feature `otel`
//! does for OpenTelemetry.
//!
//! Rules: an authenticated request has a `user.id`, an impersonating one has both subs, and nothing
//! else is ever stamped. The names are in [`fields`].
//!
//! Caveat: a bare `tokio::spawn`, `spawn_blocking` or `std::thread` carries no context, so nobody
//! can stamp what runs there: use [`spawn`], [`spawn_blocking`] or [`carry`]. Log records written
//! before the caller was authenticated carry no stamp either.
//!
//! Caveat: the span that is open around the layer must be the request's own. One that serves several
//! requests, such as a connection's, keeps the stamp of the first, with one warning; that is seen with
//! the feature `subscriber` ([`OuterSpans`]), and elsewhere such a span shows the subs of one request
//! beside the next. Where a filter drops the request's span (`tower_http`'s is at `DEBUG`), the one
//! around that is current.
//!
//! ```
//! use tower_impersonate::identity::IdentityKey;
//! use tower_impersonate::stamp::{self, Stamp};
//! use tower_impersonate::terms::{Mode, Strategy};
//!
//! let support = IdentityKey::new("https://issuer.example.com", "support-sub");
//! let alice = IdentityKey::new("https://issuer.example.com", "alice-sub");
//!
//! let span = stamp::open_span(&support, Strategy::Header);
//! let stamp = Stamp::impersonation(&support, Some(&alice), Mode::Full, Strategy::Header, None);
//! stamp::complete_span(&span, &stamp);
//! {
//!     let _span = span.enter();
//!     let _stamp = stamp.enter();
//!     assert_eq!(stamp::current().map(|s| s.user().to_owned()), Some("alice-sub".to_owned()));
//! }
//! assert!(stamp::current().is_none());
//! ```

pub mod fields;
#[cfg(feature = "subscriber")]
#[cfg_attr(docsrs, doc(cfg(feature = "subscriber")))]
pub mod subscriber;

mod ambient;
mod carrier;
mod outer;
#[cfg(not(feature = "subscriber"))]
mod outer_absent;
mod record;
mod signed;
mod span;
mod spawn;
mod value;

#[cfg(test)]
mod tests;

#[cfg(feature = "otel")]
pub(crate) use self::ambient::with_current;
pub use self::ambient::{Entered, current};
pub(crate) use self::ambient::{Lent, lend};
pub use self::carrier::Carrier;
pub use self::outer::OuterSpans;
#[cfg(feature = "otel")]
pub(crate) use self::signed::is_signed;
#[cfg(feature = "testing")]
pub(crate) use self::span::NAME as OWN_SPAN;
pub(crate) use self::span::enter_span;
pub use self::span::{complete_span, open_span};
pub use self::spawn::{Carried, carry, spawn, spawn_blocking};
pub use self::value::Stamp;
pub(crate) use self::value::{Said, Stamped};
