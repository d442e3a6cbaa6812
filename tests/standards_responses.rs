//! What clients are told by RFC 6750, RFC 9110, RFC 9470 and RFC 9728, row by row. R8 stands in `rejection`,
//! with the golden answers of every kind.
//!
//! Not here: the metadata document of R6, which the application serves, and `acr_values` of R7, because no
//! rule asks for one.

mod support;

#[path = "support/forge.rs"]
mod forge;

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use forge::{Forge, assert_bad_token};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use support::{Desk, Seen, get, send, tell};
use tower::{Layer, service_fn};
use tower_impersonate::middleware::{Builder, ConfigError};
use tower_impersonate::rejection::{Problem, Rejection, RejectionKind};
use tower_impersonate::time::Clock;
use tower_impersonate::{ImpersonationLayer, policy};

const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

const METADATA: &str = "https://desk.example.com/.well-known/oauth-protected-resource";

fn with_authorization(values: &[&str]) -> Request<Full<Bytes>> {
    let mut request = Request::get("/orders").body(Full::default()).unwrap();
    for value in values {
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().append("authorization", value);
    }
    request
}

#[tokio::test]
async fn r1_a_credential_is_the_scheme_a_space_and_a_token() {
    let desk = Desk::new();
    let layer = desk.layer();
    let token = desk.carol();
    let ask = async |value: &str| desk.send(&layer, with_authorization(&[value])).await;
    for scheme in ["Bearer", "bearer", "BEARER", "BeArEr"] {
        let seen = ask(&format!("{scheme} {token}")).await;
        seen.assert_ran_as("carol", None);
    }
    for odd in ["", "  ", "\t", " \t", "=", ":", ", "] {
        let seen = ask(&format!("Bearer{odd}{token}")).await;
        assert!(!seen.ran && seen.status.is_client_error(), "{odd:?}");
    }
    // Whatever stands where the token should: no credential, or a bad one, and never a fault of ours.
    for byte in 0x20..0x7f_u8 {
        let odd = char::from(byte);
        let seen = ask(&format!("Bearer {odd}")).await;
        let expected = if matches!(odd, ' ' | ',') { 400 } else { 401 };
        seen.assert_refused(expected);
        let seen = ask(&format!("Bearer {token}{odd}{token}")).await;
        seen.assert_refused(expected);
    }
    desk.assert_silent();
}

#[tokio::test]
async fn r2_more_than_one_credential_is_400() {
    let desk = Desk::new();
    let layer = desk.layer();
    let good = format!("Bearer {}", desk.carol());
    for values in [
        &[&*good, &good][..],
        &[&good, &good, &good],
        &[&good, ""],
        &["", &good],
        &["Basic YTpi", &good],
        &["Basic YTpi", "Basic YTpi"],
    ] {
        let seen = desk.send(&layer, with_authorization(values)).await;
        let challenge = r#"Bearer realm="api", error="invalid_request""#;
        seen.assert_challenge(400, Some(challenge));
        assert_eq!(seen.kind(), RejectionKind::MalformedCredential);
    }
    desk.send(&layer, with_authorization(&[&good]))
        .await
        .assert_ran_as("carol", None);
    desk.assert_silent();
}

#[tokio::test]
async fn r3_who_brings_no_credential_is_told_no_error() {
    let desk = Desk::new();
    let layer = desk.layer();
    for (values, challenge, member) in [
        (&[][..], r#"Bearer realm="api""#, false),
        (&["Basic YTpi"], r#"Bearer realm="api""#, false),
        (
            &["Bearer a.b.c"],
            r#"Bearer realm="api", error="invalid_token""#,
            true,
        ),
    ] {
        let seen = desk.send(&layer, with_authorization(values)).await;
        seen.assert_challenge(401, Some(challenge));
        assert_eq!(seen.body.get("error").is_some(), member, "{values:?}");
    }
    desk.assert_silent();
}

#[tokio::test]
async fn r4_each_code_has_its_status_and_stands_in_challenge_and_body_alike() {
    let desk = Desk::new();
    let layer = desk.layer();
    let malformed = [("impersonate-user", "a b")];
    for (request, status, code) in [
        (get("a.b.c", &[]), 401, "invalid_token"),
        (get("", &[]), 400, "invalid_request"),
        (get(&desk.carol(), &malformed), 400, "invalid_request"),
        (get(&desk.alice(), AS_ALICE), 403, "insufficient_scope"),
        (
            get(&desk.carol(), &[("impersonate-user", "root")]),
            403,
            "insufficient_scope",
        ),
    ] {
        let seen = desk.send(&layer, request).await;
        let challenge = format!(r#"Bearer realm="api", error="{code}""#);
        seen.assert_challenge(status, Some(&challenge));
        assert_eq!(
            (&seen.body["error"], &seen.body["status"]),
            (&json!(code), &json!(status))
        );
    }
}

#[tokio::test]
async fn r5_query_and_body_are_never_read_for_a_token() {
    let desk = Desk::new();
    let token = desk.carol();
    let form = format!("access_token={token}&a=1");
    let request = || {
        Request::post(format!("/orders?access_token={token}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(form.clone()))
            .unwrap()
    };
    let seen = desk.send(&desk.layer(), request()).await;
    seen.assert_challenge(401, Some(r#"Bearer realm="api""#));
    // The body comes whole to a handler that is reached, which is nobody's.
    let layer = desk.builder().anonymous(|| ()).build().unwrap();
    let echo = layer.layer(service_fn(|request: Request<Full<Bytes>>| async move {
        let told = tell(&request);
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let both = json!([told, body]).to_string();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(both)))
    }));
    let seen = send(echo, request()).await;
    assert_eq!(seen.body[1], form);
    assert!(
        seen.body[0]
            .as_str()
            .unwrap()
            .contains(r#""anonymous":true"#)
    );
    // A good header beside them is the only credential there is.
    let mut beside = request();
    let bearer = HeaderValue::from_str(&format!("Bearer {}", desk.alice())).unwrap();
    beside.headers_mut().insert("authorization", bearer);
    let seen = desk.send(&layer, beside).await;
    seen.assert_ran_as("alice", None);
    desk.assert_silent();
}

/// What has a challenge, with the challenge; and what has none.
async fn challenges(
    desk: &Desk,
    builder: Builder,
    post: bool,
) -> Vec<(Seen, Option<&'static str>)> {
    let rule = policy::in_group("support")
        .or(policy::in_group("leads").and(policy::reason_required()))
        .or(policy::in_group("admins").and(policy::fresh_login(Duration::from_secs(900))));
    let layer = builder.replacing().policy(rule).build().unwrap();
    let token = |group: &str| desk.token("carol", &[group]).sign();
    let twice = layer.layer(
        layer.layer(service_fn(|_: Request<Full<Bytes>>| async move {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        })),
    );
    let grpc = |mut request: Request<Full<Bytes>>| {
        if post {
            *request.method_mut() = Method::POST;
            let headers = request.headers_mut();
            headers.insert("content-type", HeaderValue::from_static("application/grpc"));
            headers.insert("te", HeaderValue::from_static("trailers"));
        }
        request
    };
    let mut seen = Vec::new();
    for (request, challenge) in [
        (with_authorization(&[]), r#"Bearer realm="api""#),
        (with_authorization(&["Basic YTpi"]), r#"Bearer realm="api""#),
        (
            get("", &[]),
            r#"Bearer realm="api", error="invalid_request""#,
        ),
        (
            get("a.b.c", &[]),
            r#"Bearer realm="api", error="invalid_token""#,
        ),
        (
            get(&desk.alice(), AS_ALICE),
            r#"Bearer realm="api", error="insufficient_scope""#,
        ),
        (
            get(&token("leads"), AS_ALICE),
            r#"Bearer realm="api", error="invalid_request""#,
        ),
        (
            get(&token("admins"), AS_ALICE),
            r#"Bearer realm="api", error="insufficient_user_authentication", max_age="900""#,
        ),
    ] {
        seen.push((desk.send(&layer, grpc(request)).await, Some(challenge)));
    }
    seen.push((send(twice, grpc(get(&desk.carol(), &[]))).await, None));
    seen
}

#[tokio::test]
async fn r6_every_challenge_names_the_resource_metadata_where_they_are_configured() {
    let desk = Desk::new();
    for grpc in [false, true] {
        for (seen, plain) in challenges(&desk, desk.builder(), grpc).await {
            assert_eq!(seen.header("www-authenticate"), plain);
        }
        let builder = desk.builder().resource_metadata(METADATA);
        for (seen, plain) in challenges(&desk, builder, grpc).await {
            let named = plain.map(|plain| format!(r#"{plain}, resource_metadata="{METADATA}""#));
            assert_eq!(seen.header("www-authenticate"), named.as_deref());
            let answers = seen.headers.get_all("www-authenticate").iter();
            assert_eq!(answers.count(), usize::from(plain.is_some()));
        }
    }
    let builder = desk
        .builder()
        .realm("desk")
        .resource_metadata("http://[::1]:8080/m?a=b");
    let seen = desk
        .send(&builder.build().unwrap(), with_authorization(&[]))
        .await;
    let challenge = r#"Bearer realm="desk", resource_metadata="http://[::1]:8080/m?a=b""#;
    seen.assert_challenge(401, Some(challenge));
}

#[tokio::test]
async fn r6_a_responder_of_ones_own_names_the_metadata_itself_and_panicking_it_does_too() {
    let desk = Desk::new();
    let named = format!(r#"Bearer realm="api", resource_metadata="{METADATA}""#);
    let problem = Problem::default().with_resource_metadata(METADATA).unwrap();
    let respond = move |rejection: &Rejection, _: &Parts| {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = rejection.kind().status();
        let challenge = problem.challenge(rejection.kind()).unwrap();
        response.headers_mut().insert("www-authenticate", challenge);
        response
    };
    let panics = |_: &Rejection, _: &Parts| -> Response<Bytes> { panic!("the responder panics") };
    for builder in [
        desk.builder().respond(respond),
        desk.builder().resource_metadata(METADATA).respond(panics),
    ] {
        let layer = builder.build().unwrap();
        let seen = desk.send(&layer, with_authorization(&[])).await;
        seen.assert_challenge(401, Some(&named));
    }
}

#[test]
fn r6_a_url_that_cannot_be_told_or_asked_is_refused_when_the_layer_is_built() {
    let desk = Desk::new();
    for url in [
        "",
        "desk.example.com/metadata",
        "/.well-known/oauth-protected-resource",
        "http://desk.example.com/m",
        "http://127.0.0.1.evil.example.com/m",
        "ftp://desk.example.com/m",
        "https://user:password@desk.example.com/m",
        "https://desk.example.com/m#part",
        "https://desk.example.com/\"",
        "https://desk.example.com/m\", error=\"x",
        "https://desk.example.com/\\",
        "https://desk.example.com/a b",
        "https://desk.example.com/\r\nset-cookie: a=b",
        "https://desk.example.com/\u{0}",
        "https://desk.example.com/\u{fc}",
    ] {
        let built = desk.builder().resource_metadata(url).build();
        let error = built.expect_err(url);
        assert!(matches!(error, ConfigError::ResourceMetadata), "{url}");
        assert!(error.source().is_none());
        assert_eq!(
            error.to_string(),
            "the URL of the resource's metadata must be https, or http to this machine, without \
             credentials, fragment, quotes or backslashes"
        );
    }
    for url in [
        METADATA,
        "https://desk.example.com:8443/m?x=1",
        "http://127.0.0.1:1/m",
        "http://localhost/m",
    ] {
        assert!(
            desk.builder().resource_metadata(url).build().is_ok(),
            "{url}"
        );
    }
}

#[tokio::test]
async fn r7_a_login_that_is_too_old_is_told_how_old_it_may_be() {
    let desk = Desk::new();
    let now = desk.clock.now().unix_seconds();
    let fresh = |seconds| policy::fresh_login(Duration::from_secs(seconds));
    let support = || policy::in_group("support");
    for (rule, max_age, enough) in [
        (support().and(fresh(900)), 900, 900),
        (support().and(fresh(60)), 60, 60),
        (support().and(fresh(900)).and(fresh(60)), 60, 60),
        (support().and(fresh(60)).and(fresh(900)), 60, 60),
        (support().and(fresh(60).or(fresh(900))), 900, 900),
        (support().and(fresh(900).or(fresh(60))), 900, 900),
        (support().and(fresh(0)), 0, 0),
    ] {
        let layer = desk.undecided().policy(rule).build().unwrap();
        let by = |login: Option<i64>| {
            let token = desk.token("carol", &["support"]).claim("amr", ["pwd"]);
            match login {
                Some(at) => token.claim("auth_time", at).sign(),
                None => token.sign(),
            }
        };
        for login in [None, Some(now - enough - 1), Some(0), Some(now + 61)] {
            let seen = desk.send(&layer, get(&by(login), AS_ALICE)).await;
            let challenge = format!(
                r#"Bearer realm="api", error="insufficient_user_authentication", max_age="{max_age}""#
            );
            seen.assert_challenge(401, Some(&challenge));
            desk.assert_denied("carol", None, "fresh_login");
        }
        let seen = desk
            .send(&layer, get(&by(Some(now - enough)), AS_ALICE))
            .await;
        seen.assert_ran_as("alice", Some("carol"));
        desk.assert_recorded("carol", Some("alice"));
        // A plain request needs no fresh login, and who has no right is not sent to sign in.
        desk.send(&layer, get(&by(None), &[]))
            .await
            .assert_ran_as("carol", None);
        desk.send(&layer, get(&desk.alice(), AS_ALICE))
            .await
            .assert_refused(403);
        desk.sink.clear();
    }
}

#[tokio::test]
async fn r9_nothing_that_a_client_sent_stands_in_the_answer() {
    let forge = Forge::new();
    let desk = &forge.desk;
    let layer: ImpersonationLayer = desk.layer();
    let breaking = r#"x", error="none", scope="*"#;
    for token in [
        "a\"b.c\\d.e".to_owned(),
        forge.header_with("kid", json!(breaking)),
        forge.header_with("typ", json!(breaking)),
        forge.header_with("alg", json!(breaking)),
        forge.claim("iss", json!(breaking)),
        forge.claim("sub", json!(breaking)),
        forge.claim("error_description", json!(breaking)),
        forge.saying(breaking),
        "marker".repeat(2000),
    ] {
        let headers = [
            ("x-request-id", breaking),
            ("origin", "https://evil.example.com"),
        ];
        let seen = desk.send(&layer, get(&token, &headers)).await;
        // The whole answer is the one that every bad token gets.
        assert_bad_token(&seen, &token);
    }
    for user in [breaking, "marker marker", "%22"] {
        let seen = desk.as_carol(&layer, &[("impersonate-user", user)]).await;
        seen.assert_refused(400);
        let answer = format!("{:?}", seen.answer());
        assert!(
            !answer.contains(user) && !answer.contains("none"),
            "{answer}"
        );
    }
    let scheme = format!("Digest {breaking}");
    let seen = desk.send(&layer, with_authorization(&[&scheme])).await;
    seen.assert_challenge(401, Some(r#"Bearer realm="api""#));
}
