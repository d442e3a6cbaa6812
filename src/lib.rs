//! A tower layer for impersonation.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod answer;
pub mod identity;
pub mod secret;
pub mod terms;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod token;

pub use crate::identity::Identity;
