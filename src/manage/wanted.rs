//! The issuer that a staff actor names.

use http::{HeaderMap, HeaderValue};

use crate::manage::start::ISSUER;

/// The values of the header that names the issuer at which a username is looked for.
///
/// It is taken off before the layer, which knows it only beside a header of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct WantedIssuer(pub(super) Vec<HeaderValue>);

impl WantedIssuer {
    pub(super) fn take(headers: &mut HeaderMap) -> Self {
        let values = headers.get_all(ISSUER).iter().cloned().collect();
        headers.remove(ISSUER);
        Self(values)
    }
}
