//! Stamps every span and log line of a request that impersonates: for `tracing-subscriber`.
//!
//! [`StampLayer`] knows whether a span belongs to an impersonating request by the stamp that is
//! current on the thread; else by the span's parent, else by the span that is entered. The stamp is
//! kept in the span's extensions, so that tasks spawned with `in_current_span()` are stamped, too.
//! Each span gets the fields once, through the subscriber, so that every other layer shows them.
//!
//! [`StampFormat`] puts the stamp on each log line of an impersonating request, once and at its top
//! level, for JSON and for text. It finds the stamp on the thread, else where the layer left it; a
//! layer that only [carries](StampLayer::carrying) does for it.
//!
//! Rules of the layer:
//!
//! - It must be the **last** `.with(..)`: a layer that comes after it would see the fields of a span
//!   before the span itself, and a formatting layer then drops the span's own fields.
//! - It must not stand inside an `Option` or a `Vec`: neither tells it where to record. The spans
//!   that it has to pass over are counted ([`StampLayer::missed`]) and the first one is warned of.
//! - A span that declares `impersonation.actor.sub` stamps itself, and one that gives itself a
//!   `user.id` keeps it.
//!
//! Caveat: a span that outlives its request, such as a connection's, keeps the stamp of the request
//! that opened it. The HTTP stack's spans are left out for this; [`StampLayer::exclude`] names more.
//! Without a filter of its own the layer asks for every span: filter the whole subscriber, or give
//! it the filter of the other layers by `.with_filter(..)`.
//!
//! ```
//! use tower_impersonate::identity::IdentityKey;
//! use tower_impersonate::stamp::{Stamp, subscriber::StampLayer};
//! use tower_impersonate::terms::{Mode, Strategy};
//! use tracing_subscriber::layer::SubscriberExt;
//! # use std::sync::{Arc, Mutex};
//! # #[derive(Clone, Default)]
//! # struct Buffer(Arc<Mutex<Vec<u8>>>);
//! # impl std::io::Write for Buffer {
//! #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> { self.0.lock().unwrap().write(bytes) }
//! #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
//! # }
//! # let buffer = Buffer::default();
//! # let writer = buffer.clone();
//! let fmt = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
//! let subscriber = tracing_subscriber::registry().with(fmt).with(StampLayer::new());
//!
//! let support = IdentityKey::new("https://issuer.example.com", "support-sub");
//! let alice = IdentityKey::new("https://issuer.example.com", "alice-sub");
//! let stamp = Stamp::impersonation(&support, Some(&alice), Mode::Full, Strategy::Header, None);
//!
//! tracing::subscriber::with_default(subscriber, || {
//!     let _stamp = stamp.enter();
//!     tracing::info_span!("load_orders").in_scope(|| tracing::info!("loaded"));
//! });
//! let log = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
//! assert!(log.contains(r#"user.id="alice-sub" impersonation.actor.sub="support-sub""#), "{log}");
//! ```
//!
//! Lines of JSON, with the stamp at the top of each:
//!
//! ```
//! use tower_impersonate::stamp::subscriber::{StampFormat, StampLayer};
//! use tracing_subscriber::fmt::format::{JsonFields, format};
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! let lines = tracing_subscriber::fmt::layer()
//!     .fmt_fields(JsonFields::new())
//!     .event_format(StampFormat::json(format().json()));
//! let subscriber = tracing_subscriber::registry().with(lines).with(StampLayer::carrying());
//! # use tower_impersonate::{identity::IdentityKey, stamp::Stamp, terms::{Mode, Strategy}};
//! # use std::sync::{Arc, Mutex};
//! # #[derive(Clone, Default)]
//! # struct Buffer(Arc<Mutex<Vec<u8>>>);
//! # impl std::io::Write for Buffer {
//! #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> { self.0.lock().unwrap().write(bytes) }
//! #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
//! # }
//! # drop(subscriber);
//! # let buffer = Buffer::default();
//! # let writer = buffer.clone();
//! # let lines = tracing_subscriber::fmt::layer()
//! #     .fmt_fields(JsonFields::new())
//! #     .event_format(StampFormat::json(format().json()))
//! #     .with_writer(move || writer.clone());
//! # let subscriber = tracing_subscriber::registry().with(lines).with(StampLayer::carrying());
//! # let support = IdentityKey::new("https://issuer.example.com", "support-sub");
//! # let alice = IdentityKey::new("https://issuer.example.com", "alice-sub");
//! # let stamp = Stamp::impersonation(&support, Some(&alice), Mode::Full, Strategy::Header, None);
//! # tracing::subscriber::with_default(subscriber, || {
//! #     let _stamp = stamp.enter();
//! #     tracing::info!("loaded");
//! # });
//! # let log = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
//! # assert!(log.starts_with(r#"{"user.id":"alice-sub","impersonation.actor.sub":"support-sub","#), "{log}");
//! ```

mod carrier;
mod format;
mod layer;
pub(super) mod mark;

pub use self::format::StampFormat;
pub use self::layer::StampLayer;
