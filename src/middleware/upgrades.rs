use http::request::Parts;
use http::{Method, header};

/// What becomes of upgrades (RFC 9110, section 7.8) and CONNECT (with its extension for HTTP/2, RFC
/// 8441) while somebody impersonates.
///
/// Plain requests may always upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Upgrades {
    /// 403: a connection that becomes something else cannot be watched by a layer.
    #[default]
    Refused,
    /// They pass, and the handler takes over: nothing that goes through the connection is seen, cut
    /// off or recorded here, and the request counts as completed when its head is answered. In
    /// `read_only` mode they still pass only where
    /// [`Builder::reads`](crate::middleware::Builder::reads) says that they read.
    HandlerWatches,
}

pub(super) fn asks_for_upgrade(parts: &Parts) -> bool {
    parts.method == Method::CONNECT || parts.headers.contains_key(header::UPGRADE)
}
