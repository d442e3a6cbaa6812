//! RFC 8725, section 3.12: the rules for each kind of token let in no other kind, though issuer, key and
//! people are the same.

mod support;

#[path = "support/forge.rs"]
mod forge;

use forge::{AUDIENCE_OF_OTHERS, Forge, KEYS_URL, TYPE, Trial, with, without};
use serde_json::{Value, json};
use support::{AUDIENCE, ISSUER};
use tower_impersonate::Issuer;
use tower_impersonate::token::Algorithm;

const APP: &str = "55pb79dl8gm0i1ho9hdre91r3k";
const POOL: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12Cd34E";
const USE: &str = "token is meant for another use";

/// One kind of token: what its header and its claims have besides those that all have.
struct Kind {
    name: &'static str,
    typ: Option<&'static str>,
    header: Value,
    claims: Value,
}

fn kinds(forge: &Forge) -> [Kind; 9] {
    let kind = |name, typ, claims| Kind {
        name,
        typ,
        header: json!({}),
        claims,
    };
    let event = |uri: &str| json!({ "events": { uri: {} }, "aud": AUDIENCE, "jti": "1" });
    let proof = json!({ "htm": "GET", "htu": "https://desk.example.com/orders", "jti": "1", "aud": AUDIENCE });
    [
        kind(
            "Cognito access",
            None,
            json!({ "token_use": "access", "client_id": APP, "username": "carol" }),
        ),
        kind(
            "Cognito ID",
            None,
            json!({ "token_use": "id", "aud": APP, "cognito:username": "carol" }),
        ),
        kind(
            "RFC 9068 access",
            Some("at+jwt"),
            json!({ "aud": AUDIENCE, "client_id": APP, "jti": "1" }),
        ),
        kind(
            "plain access",
            Some("JWT"),
            json!({ "aud": AUDIENCE, "azp": APP }),
        ),
        kind(
            "OpenID Connect ID",
            Some("JWT"),
            json!({ "aud": APP, "azp": APP, "nonce": "n" }),
        ),
        kind(
            "security event",
            Some("secevent+jwt"),
            event("https://schemas.openid.net/secevent/caep/event-type/session-revoked"),
        ),
        kind(
            "logout",
            Some("logout+jwt"),
            event("http://schemas.openid.net/event/backchannel-logout"),
        ),
        kind(
            "key binding",
            Some("kb+jwt"),
            json!({ "aud": AUDIENCE, "nonce": "n", "sd_hash": "x" }),
        ),
        Kind {
            header: json!({ "jwk": forge.jwk() }),
            ..kind("DPoP proof", Some("dpop+jwt"), proof)
        },
    ]
}

/// The token of this kind, as this issuer would sign it.
fn token(forge: &Forge, kind: &Kind, issuer: &str) -> String {
    let mut header = match kind.typ {
        Some(typ) => with(forge::header(), "typ", json!(typ)),
        None => without(forge::header(), "typ"),
    };
    let mut claims = with(without(forge.claims(), "aud"), "iss", json!(issuer));
    for (object, more) in [(&mut header, &kind.header), (&mut claims, &kind.claims)] {
        for (name, value) in more.as_object().unwrap() {
            object[name] = value.clone();
        }
    }
    forge.sign(header.to_string(), claims.to_string())
}

#[tokio::test]
async fn b14_no_kind_of_token_passes_for_another() {
    let forge = Forge::new();
    let pool = || {
        Issuer::cognito("eu-west-1", "eu-west-1_Ab12Cd34E")
            .client_ids([APP])
            .algorithms([Algorithm::EdDSA])
            .jwks_url(KEYS_URL)
    };
    let plain = || forge::issuer();
    const YES: Option<&str> = None;
    let (typ, usage, aud) = (Some(TYPE), Some(USE), Some(AUDIENCE_OF_OTHERS));
    // Access, ID, RFC 9068, plain, OIDC ID, event, logout, key binding, DPoP.
    let slots = [
        (
            "Cognito access",
            pool(),
            POOL,
            [YES, usage, typ, usage, usage, typ, typ, typ, typ],
        ),
        (
            "Cognito with ID",
            pool().id_tokens(),
            POOL,
            [YES, YES, typ, usage, usage, typ, typ, typ, typ],
        ),
        (
            "RFC 9068",
            plain().at_jwt(),
            ISSUER,
            [typ, typ, YES, typ, typ, typ, typ, typ, typ],
        ),
        (
            "plain",
            plain(),
            ISSUER,
            [aud, aud, YES, YES, aud, typ, typ, typ, typ],
        ),
        (
            "plain for an app",
            plain().client_ids([APP]),
            ISSUER,
            [aud, aud, YES, YES, aud, typ, typ, typ, typ],
        ),
        (
            "staff",
            plain().staff().trust_act(),
            ISSUER,
            [aud, aud, YES, YES, aud, typ, typ, typ, typ],
        ),
    ];
    for (slot, issuer, name, expected) in slots {
        let trial = Trial::new(&forge.desk, issuer, &[forge.jwk()]);
        for (kind, refused) in kinds(&forge).iter().zip(expected) {
            let token = token(&forge, kind, name);
            let case = format!("{} at {slot}", kind.name);
            match refused {
                None => trial.accepts(&token, &case).await,
                Some(cause) => trial.refuses(&token, cause, &case).await,
            }
        }
    }
}
