//! Tokens of Amazon Cognito user pools.

mod support;

use serde_json::json;
use support::expect::keeping;
use support::{Desk, get};
use tower_impersonate::identity::Kind;
use tower_impersonate::testing::{CLIENT_ID, TestIssuer, TokenBuilder};
use tower_impersonate::token::Algorithm;
use tower_impersonate::{ImpersonationLayer, Issuer};

const POOL: &str = "eu-west-1_Ab12Cd34E";

async fn cause(desk: &Desk, layer: &ImpersonationLayer, token: TokenBuilder) -> Option<String> {
    let seen = desk.send(layer, get(&token.sign(), &[])).await;
    seen.rejection.is_some().then(|| {
        seen.assert_refused(401);
        seen.cause()
    })
}

fn refused(cause: &str) -> Option<String> {
    Some(cause.to_owned())
}

async fn pool(desk: &Desk) -> TestIssuer {
    let issuer = TestIssuer::start_cognito("eu-west-1", POOL).await;
    issuer.with_clock(desk.clock.clone())
}

fn accepting(desk: &Desk, issuer: Issuer) -> ImpersonationLayer {
    let builder = ImpersonationLayer::builder().clock(desk.clock.clone());
    builder.issuer(issuer).build().unwrap()
}

#[tokio::test]
async fn cognito_both_forms_of_the_issuer_are_one() {
    let desk = Desk::new();
    let pool = pool(&desk).await;
    let layer = accepting(&desk, pool.issuer());
    let canonical = format!("https://cognito-idp.eu-west-1.amazonaws.com/{POOL}");
    let other = format!("https://issuer-cognito-idp.eu-west-1.amazonaws.com/{POOL}");
    for iss in [&canonical, &other] {
        let token = pool.token("carol-sub").username("carol").claim("iss", iss);
        let seen = desk
            .send(&layer, get(&token.groups(["support"]).sign(), &[]))
            .await;
        seen.assert_ran_as("carol-sub", None);
        assert_eq!(seen.body["iss"], *canonical);
        assert_eq!(seen.body["username"], "carol");
        assert_eq!(seen.groups(), json!(["support"]));
    }
    for iss in [
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Zz99Zz99Z",
        "https://cognito-idp.us-east-1.amazonaws.com/eu-west-1_Ab12Cd34E",
        "https://issuer.cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12Cd34E",
    ] {
        let token = pool.token("carol-sub").claim("iss", iss);
        let unknown = refused("issuer is not configured");
        assert_eq!(cause(&desk, &layer, token).await, unknown, "{iss}");
    }
}

#[tokio::test]
async fn a42_cognito_access_tokens_and_no_others() {
    let desk = Desk::new();
    let pool = pool(&desk).await;
    let layer = accepting(&desk, pool.issuer());
    let access = || pool.token("carol-sub");
    for (token, expected) in [
        (access(), None),
        (access().header("typ", "JWT"), None),
        (
            access().cognito_id(),
            refused("token is meant for another use"),
        ),
        (access().at_jwt(), refused("token type is not allowed")),
        (
            access().algorithm(Algorithm::ES256),
            refused("algorithm is not allowed"),
        ),
    ] {
        assert_eq!(
            cause(&desk, &layer, token.clone()).await,
            expected,
            "{token:?}"
        );
    }
}

#[tokio::test]
async fn a43_a_cognito_token_says_exactly_for_what_it_is() {
    let desk = Desk::new();
    let pool = pool(&desk).await;
    let usage = refused("token is meant for another use");
    for issuer in [pool.issuer(), pool.issuer().id_tokens()] {
        let layer = accepting(&desk, issuer);
        for wrong in [
            json!("Access"),
            json!("ACCESS"),
            json!("access "),
            json!("access\u{0}"),
            json!("refresh"),
            json!(""),
            json!(["access"]),
            json!({ "access": true }),
            json!(1),
            json!(null),
        ] {
            let token = pool.token("carol-sub").claim("token_use", &wrong);
            assert_eq!(cause(&desk, &layer, token).await, usage, "{wrong}");
        }
        let silent = pool.token("carol-sub").without("token_use");
        assert_eq!(cause(&desk, &layer, silent).await, usage);
        let named = pool.token("carol-sub").claim("token_use", "access");
        assert_eq!(cause(&desk, &layer, named).await, None);
    }
}

#[tokio::test]
async fn a44_cognito_tokens_of_our_app_clients_only() {
    let desk = Desk::new();
    let pool = pool(&desk).await;
    let layer = accepting(&desk, pool.issuer());
    let access = || pool.token("carol-sub");
    let client = refused("app client is missing or another one");
    let audience = refused("audience is missing or another one");
    for (token, expected) in [
        (access(), None),
        (access().claim("aud", CLIENT_ID), None),
        (access().client_id("another"), client.clone()),
        (access().without("client_id"), client.clone()),
        (access().claim("client_id", [CLIENT_ID]), client),
        (access().claim("aud", "another"), audience),
    ] {
        assert_eq!(
            cause(&desk, &layer, token.clone()).await,
            expected,
            "{token:?}"
        );
    }
}

#[tokio::test]
async fn a42_cognito_id_tokens_where_configured() {
    let desk = Desk::new();
    let pool = pool(&desk).await;
    let layer = accepting(&desk, pool.issuer().id_tokens());
    let id = || pool.token("carol-sub").cognito_id();
    let seen = desk
        .send(&layer, get(&id().username("carol").sign(), &[]))
        .await;
    seen.assert_ran_as("carol-sub", None);
    assert_eq!(seen.body["username"], "carol");
    let audience = refused("audience is missing or another one");
    for (token, expected) in [
        (pool.token("carol-sub"), None),
        (id().audience("another"), audience.clone()),
        (id().without("aud"), audience.clone()),
        (id().without("aud").client_id(CLIENT_ID), audience),
    ] {
        assert_eq!(cause(&desk, &layer, token).await, expected);
    }
}

#[tokio::test]
async fn a_cognito_access_token_without_username_is_a_machines() {
    let desk = Desk::new();
    let pool = pool(&desk).await;
    let builder = ImpersonationLayer::builder().clock(desk.clock.clone());
    let (builder, principal) = keeping(builder.issuer(pool.issuer().id_tokens()));
    let layer = builder.build().unwrap();
    for (token, kind) in [
        (pool.token("carol-sub"), Kind::Person),
        (pool.token("carol-sub").without("username"), Kind::Machine),
        (pool.token(CLIENT_ID), Kind::Machine),
        (
            pool.token("carol-sub")
                .cognito_id()
                .without("cognito:username"),
            Kind::Person,
        ),
    ] {
        assert_eq!(cause(&desk, &layer, token).await, None);
        assert_eq!(principal().identity().kind(), kind);
    }
}
