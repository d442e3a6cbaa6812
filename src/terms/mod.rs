//! The small words that every part of the crate shares.
//!
//! A strategy turns a request into an [`Ask`]: whom the actor wants to be, why and how far. An ask
//! is a wish and no right; what becomes of it the policy decides.
//!
//! All text in here came from a client and was checked at the edge: a [`Reason`] is never blank,
//! and its length is bounded.
//!
//! ```
//! use tower_impersonate::terms::{Ask, Mode, Reason, Strategy, TargetRef};
//!
//! let ask = Ask::user(TargetRef::subject("https://issuer.example.com", "alice-sub"), Strategy::Custom)
//!     .with_reason(Reason::parse(" case 4711 ", 500)?)
//!     .with_mode(Mode::ReadOnly);
//! assert_eq!(ask.reason().map(Reason::as_str), Some("case 4711"));
//! assert!(Reason::parse("   ", 500).is_err());
//! # Ok::<(), tower_impersonate::terms::ReasonError>(())
//! ```

mod ask;
mod end_reason;
mod grant_id;
mod grant_secret;
mod mode;
mod reason;
mod strategy;
mod target;
mod ticket;

pub use self::ask::{Ask, Wanted};
pub use self::end_reason::{EndReason, UnknownEndReason};
pub use self::grant_id::{GrantId, GrantIdError};
pub use self::grant_secret::GrantSecret;
pub use self::mode::{Mode, UnknownMode};
pub use self::reason::{Reason, ReasonError};
pub use self::strategy::Strategy;
pub use self::target::{TargetRef, Who};
pub use self::ticket::{Ticket, TicketError};
