//! A SQLite file that several parts of the crate may share, each with tables and migrations of its own.

mod connections;
mod database;
mod error;
mod migrate;

pub(crate) use self::connections::Connections;
pub(crate) use self::database::{Database, FileId};
pub(crate) use self::error::{LendError, OpenError, Why};
pub(crate) use self::migrate::Part;
