//! A tower layer for impersonation.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod answer;
pub mod directory;
pub mod identity;
pub mod secret;
pub mod stamp;
pub mod terms;
pub mod time;

pub use crate::identity::Identity;
