//! Whether the layer's service mints tokens itself.

#[cfg(feature = "mint")]
mod enabled;
#[cfg(feature = "mint")]
pub(super) use self::enabled::Minting;

#[cfg(not(feature = "mint"))]
mod absent;
#[cfg(not(feature = "mint"))]
pub(super) use self::absent::Minting;
