use std::sync::Arc;

use http::{StatusCode, Uri};
use serde_json::json;

use crate::manage::desk::Desk;
use crate::manage::http::{Answered, Call, json};
use crate::manage::oauth::exchange;

/// RFC 8414, section 2.
pub(in crate::manage) async fn metadata(desk: Arc<Desk>, _: Call) -> Answered {
    let issuer = desk.minter.issuer_name();
    let base = format!("{}{}", issuer.trim_end_matches('/'), desk.path);
    let origin = origin(issuer);
    let methods = json!(["client_secret_basic", "client_secret_post"]);
    let metadata = json!({
        "issuer": issuer,
        "token_endpoint": format!("{base}/oauth2/token"),
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": format!("{base}/oauth2/revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint": format!("{base}/oauth2/introspect"),
        "introspection_endpoint_auth_methods_supported": methods,
        "jwks_uri": format!("{origin}/.well-known/jwks.json"),
        "grant_types_supported": GRANT_TYPES,
        "response_types_supported": [],
    });
    json(StatusCode::OK, &metadata)
}

/// What tokens are issued for.
pub(in crate::manage) const GRANT_TYPES: [&str; 2] = ["client_credentials", exchange::GRANT_TYPE];

/// Where the metadata of that issuer stand (RFC 8414, section 3.1): its path goes behind the well-known one.
pub(in crate::manage) fn metadata_path(issuer: &str) -> String {
    let path = issuer_path(issuer);
    format!("/.well-known/oauth-authorization-server{path}")
}

/// The path of that issuer; empty for one that is a mere host.
pub(in crate::manage) fn issuer_path(issuer: &str) -> String {
    let uri: Uri = issuer.parse().unwrap_or_default();
    uri.path().trim_end_matches('/').to_owned()
}

fn origin(issuer: &str) -> String {
    let uri: Uri = issuer.parse().unwrap_or_default();
    let scheme = uri.scheme_str().unwrap_or("https");
    let authority = uri.authority().map(ToString::to_string);
    format!("{scheme}://{}", authority.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_issuer_goes_behind_the_well_known_one() {
        let well_known = "/.well-known/oauth-authorization-server";
        for (issuer, behind) in [
            ("https://desk.example.com", ""),
            ("https://desk.example.com/", ""),
            ("https://desk.example.com/eu", "/eu"),
        ] {
            assert_eq!(metadata_path(issuer), format!("{well_known}{behind}"));
            assert_eq!(origin(issuer), "https://desk.example.com");
        }
    }
}
