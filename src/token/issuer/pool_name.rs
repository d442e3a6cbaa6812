//! The name of a Cognito user pool's issuer, for those who have no tokens to check.

use crate::token::issuer::cognito::{is_pool, names};

/// The first form of the issuer, which identities carry; `None` for what is no region or no pool.
pub(crate) fn canonical(region: &str, pool: &str) -> Option<String> {
    is_pool(region, pool).then(|| names(region, pool).swap_remove(0))
}
