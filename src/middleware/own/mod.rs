//! The routes of this crate itself, which the layer treats otherwise in two points.

#[cfg(feature = "manage")]
mod enabled;
#[cfg(feature = "manage")]
pub(crate) use self::enabled::{Asking, OwnRoute};
#[cfg(feature = "manage")]
pub(super) use self::enabled::{is_judged_by_itself, keep, only_ends};

#[cfg(not(feature = "manage"))]
mod absent;
#[cfg(not(feature = "manage"))]
pub(super) use self::absent::{is_judged_by_itself, keep, only_ends};
