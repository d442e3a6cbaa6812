//! Keys and where they come from: given in the configuration, or fetched and renewed.

mod endpoint;
mod flight;
mod live;
mod refresh;
mod remote;
mod rules;
mod set;
mod source;
mod static_keys;

pub(crate) use self::endpoint::{Endpoint, RefreshError};
pub(crate) use self::live::LiveKeys;
pub(crate) use self::remote::{Remote, RemoteParts};
pub(crate) use self::rules::KeyRules;
pub(crate) use self::set::{Fallback, Key, KeySet};
pub(crate) use self::source::{Connecting, Lookup, Source, Waiting};
pub use self::static_keys::StaticKeys;

#[cfg(all(test, feature = "aws_lc_rs"))]
mod tests;
