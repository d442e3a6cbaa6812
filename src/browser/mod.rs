//! What comes from browsers: cookies, and where a request was made.
//!
//! A browser sends cookies along with whatever somebody else's page asks for. What a cookie is believed
//! for, therefore, an unsafe request must have been made by a page of ours: [`Origins`] tells, by
//! `Sec-Fetch-Site` (Fetch Metadata) and `Origin` (RFC 6454, section 7).
//!
//! - Every unsafe method counts, and every upgrade: a WebSocket handshake is a `GET` that no
//!   cross-origin rule holds back.
//! - A request that says neither is refused: browsers say at least one of both.
//! - Reading is not protected here: the cookies' `SameSite` and the missing CORS headers do that.
//!
//! ```
//! use http::Request;
//! use tower_impersonate::browser::Origins;
//!
//! let ours = Origins::new(["https://desk.example.com"])?;
//! let from = |origin: &str| {
//!     let request = Request::post("/orders").header("origin", origin).body(()).unwrap();
//!     request.into_parts().0
//! };
//! assert!(ours.allow(&from("https://desk.example.com")));
//! assert!(!ours.allow(&from("https://desk.example.com.evil.example")));
//! # Ok::<(), tower_impersonate::browser::OriginError>(())
//! ```

mod cookies;
mod origins;

#[cfg(feature = "manage")]
pub(crate) use self::cookies::set;
pub(crate) use self::cookies::{Cookie, clear, find, hide};
pub use self::origins::{OriginError, Origins};
