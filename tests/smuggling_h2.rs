//! The impersonation headers on HTTP/2, frame by frame: what its framing lets through that a parser
//! of lines would not, and gRPC, whose metadata are the same headers.
//!
//! A-100 and A-101 do not apply here: HTTP/2 has no lines, so none can be folded or ended early.

mod support;

#[path = "support/net.rs"]
mod net;
#[path = "support/wire.rs"]
mod wire;

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use net::{Client, Version, serve};
use support::{Desk, tell};
use tower::{Layer, service_fn};
use tower_impersonate::ImpersonationLayer;
use wire::{Heard, REQUEST, Wire};

/// Name and value, as they go into a frame.
type Field<'a> = (&'a str, &'a [u8]);

const USER: &str = "impersonate-user";
const MALFORMED: &str = r#"Bearer realm="api", error="invalid_request""#;

fn off(desk: &Desk) -> ImpersonationLayer {
    desk.bare().issuer(desk.accepted()).build().unwrap()
}

/// Refused for this, recorded as this, and told as any malformed impersonation.
#[track_caller]
fn assert_malformed(desk: &Desk, heard: &Heard, rule: &str) {
    heard.assert_refused(400, rule);
    assert_eq!(heard.headers["www-authenticate"], MALFORMED);
    desk.assert_denied("carol", None, rule);
}

#[tokio::test]
async fn a96_without_a_token_it_is_401_and_with_the_right_it_acts() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    let heard = wire.get2(None, &[(USER, b"alice")]).await;
    heard.assert_refused(401, "missing_credential");
    desk.assert_silent();
    let heard = wire.get2(Some(&desk.alice()), &[(USER, b"bob")]).await;
    heard.assert_refused(403, "denied by in_group(support)");
    desk.assert_denied("alice", None, "in_group(support)");
    let heard = wire.get2(Some(&desk.carol()), &[(USER, b"alice")]).await;
    heard.assert_ran_as(Some("alice"), Some("carol"));
    heard.assert_clean();
    desk.assert_recorded("carol", Some("alice"));
}

#[tokio::test]
async fn a97_a_field_that_stands_twice_is_400() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    for other in [&b"alice"[..], b"bob", b""] {
        let twice = [(USER, &b"alice"[..]), (USER, other)];
        let heard = wire.get2(Some(&desk.carol()), &twice).await;
        assert_malformed(&desk, &heard, "an impersonation header stands twice");
    }
}

#[tokio::test]
async fn a99_twins_are_400_where_the_strategy_is_on_and_stripped_where_it_is_off() {
    let desk = Desk::new();
    let on = Wire::start(&desk.layer()).await;
    let without = Wire::start(&off(&desk)).await;
    for twin in [
        "impersonate_user",
        "impersonate_group",
        "impersonate_issuer",
        "impersonate_reason",
    ] {
        for fields in [
            &[(twin, &b"alice"[..])][..],
            &[(USER, b"alice"), (twin, b"bob")],
        ] {
            let heard = on.get2(Some(&desk.carol()), fields).await;
            assert_malformed(&desk, &heard, "a twin of an impersonation header");
            let heard = without.get2(Some(&desk.carol()), fields).await;
            heard.assert_ran_as(Some("carol"), None);
            heard.assert_clean();
            desk.assert_silent();
        }
    }
}

#[tokio::test]
async fn a99_a_proper_client_sends_twins_and_spaces_too() {
    let desk = Desk::new();
    let handler = service_fn(|request: Request<hyper::body::Incoming>| async move {
        let text = Full::<Bytes>::from(tell(&request));
        Ok::<_, std::convert::Infallible>(http::Response::new(text))
    });
    let address = serve(desk.layer().layer(handler)).await;
    let mut client = Client::connect(Version::Http2, address).await;
    for (name, value, status) in [
        (USER, "alice", 200),
        (USER, " alice", 400),
        (USER, "alice ", 400),
        ("impersonate_user", "alice", 400),
        ("x-note", " alice ", 200),
    ] {
        let mut request = support::get(&desk.carol(), &[]);
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().insert(name, value);
        let response = client.send(request).await.unwrap();
        assert_eq!(response.status(), status, "{name}");
    }
}

#[tokio::test]
async fn a102_control_characters_and_capitals_do_not_come_to_the_layer() {
    let desk = Desk::new();
    for layer in [desk.layer(), off(&desk)] {
        let wire = Wire::start(&layer).await;
        let fields: [(&str, &[u8]); 10] = [
            (USER, b"ali\rce"),
            (USER, b"alice\r\nx-admin: 1"),
            (USER, b"alice\nimpersonate-user: bob"),
            (USER, b"alice\0"),
            (USER, b"alice\x7f"),
            ("impersonate-user\0", b"alice"),
            ("impersonate-user\r\nx", b"alice"),
            ("impersonate-user ", b"alice"),
            ("impersonate-user:", b"alice"),
            ("Impersonate-User", b"alice"),
        ];
        for (name, value) in fields {
            let heard = wire.get2(Some(&desk.carol()), &[(name, value)]).await;
            heard.assert_unheard();
            desk.assert_silent();
        }
        let heard = wire
            .get2(Some(&desk.carol()), &[("x-note", b"alice")])
            .await;
        heard.assert_ran_as(Some("carol"), None);
    }
}

#[tokio::test]
async fn a103_a_value_that_is_not_trimmed_is_400() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    for value in [
        &b" alice"[..],
        b"alice ",
        b"\talice",
        b"alice\t",
        b" ",
        b"alice\xa0",
        b"al ice",
    ] {
        let heard = wire.get2(Some(&desk.carol()), &[(USER, value)]).await;
        assert_malformed(&desk, &heard, "the user header is malformed");
    }
}

#[tokio::test]
async fn a106_an_empty_field_does_not_pass_as_none() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    let heard = wire.get2(Some(&desk.carol()), &[(USER, b"")]).await;
    assert_malformed(&desk, &heard, "the user header is malformed");
    let heard = wire.get2(Some(&desk.carol()), &[]).await;
    heard.assert_ran_as(Some("carol"), None);
}

#[tokio::test]
async fn a107_http2_has_no_connection_field_and_lets_none_through() {
    let desk = Desk::new();
    for layer in [desk.layer(), off(&desk)] {
        let wire = Wire::start(&layer).await;
        let fields = [
            (USER, &b"alice"[..]),
            ("connection", &b"impersonate-user"[..]),
        ];
        let heard = wire.get2(Some(&desk.carol()), &fields).await;
        heard.assert_unheard();
        desk.assert_silent();
    }
}

#[tokio::test]
async fn a108_trailers_and_names_like_pseudo_headers_say_nothing() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    let bearer = format!("Bearer {}", desk.carol());
    let post = |extra: Option<(&'static str, &'static [u8])>| {
        let mut fields: Vec<(&str, &[u8])> = REQUEST.to_vec();
        fields[0].1 = b"POST";
        fields.push(("authorization", bearer.as_bytes()));
        fields.extend(extra);
        fields
    };
    let trailers: [(&str, &[u8]); 2] = [(USER, b"alice"), ("impersonate_user", b"alice")];
    let heard = wire.frames(&post(None), Some(&trailers)).await;
    heard.assert_ran_as(Some("carol"), None);
    heard.assert_clean();
    desk.assert_silent();
    let bob: [(&str, &[u8]); 1] = [(USER, b"bob")];
    let heard = wire.frames(&post(Some((USER, b"alice"))), Some(&bob)).await;
    heard.assert_ran_as(Some("alice"), Some("carol"));
    heard.assert_clean();
    desk.assert_recorded("carol", Some("alice"));

    // A pseudo header of no name that HTTP knows, and a good one that comes too late.
    for name in [":impersonate-user", ":path", ":authority"] {
        let heard = wire.get2(Some(&desk.carol()), &[(name, b"alice")]).await;
        heard.assert_unheard();
        desk.assert_silent();
    }
}

/// A gRPC call with these metadata.
async fn call(wire: &Wire, token: &str, metadata: &[Field<'_>]) -> Heard {
    let bearer = format!("Bearer {token}");
    let mut fields: Vec<(&str, &[u8])> = REQUEST.to_vec();
    fields[0].1 = b"POST";
    fields[2].1 = b"/shop.Orders/List";
    fields.push(("content-type", b"application/grpc"));
    fields.push(("te", b"trailers"));
    fields.push(("authorization", bearer.as_bytes()));
    fields.extend(metadata);
    wire.frames(&fields, None).await
}

#[tokio::test]
async fn a110_binary_metadata_and_what_is_only_named_alike_are_never_decoded() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    let metadata: [(&str, &[u8]); 6] = [
        ("impersonate-user-bin", b"YWxpY2U"),
        ("impersonate-user-bin", b"YWxpY2U=,Ym9i"),
        ("impersonate_user-bin", b"YWxpY2U"),
        ("grpc-impersonate-user", b"alice"),
        ("cookie", b"impersonate-user=alice"),
        ("grpc-trace-bin", b"impersonate-user"),
    ];
    for (name, value) in metadata {
        let heard = call(&wire, &desk.carol(), &[(name, value)]).await;
        heard.assert_ran_as(Some("carol"), None);
        assert_eq!(heard.values(name), [std::str::from_utf8(value).unwrap()]);
        desk.assert_silent();
    }
    let heard = call(&wire, &desk.carol(), &[(USER, b"alice")]).await;
    heard.assert_ran_as(Some("alice"), Some("carol"));
}

#[tokio::test]
async fn a111_metadata_are_headers_and_stand_once() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    let cases: [(&[Field<'_>], &str); 4] = [
        (
            &[(USER, b"alice"), (USER, b"alice")],
            "an impersonation header stands twice",
        ),
        (
            &[(USER, b"alice"), (USER, b"bob")],
            "an impersonation header stands twice",
        ),
        (
            &[(USER, b"alice"), ("impersonate_user", b"bob")],
            "a twin of an impersonation header",
        ),
        (&[(USER, b"alice,bob")], "the user header is malformed"),
    ];
    for (metadata, rule) in cases {
        let heard = call(&wire, &desk.carol(), metadata).await;
        // A gRPC status, which is always 200 to HTTP.
        heard.assert_refused(200, rule);
        assert_eq!(heard.headers["grpc-status"], "3");
        assert_eq!(heard.headers["www-authenticate"], MALFORMED);
        desk.assert_denied("carol", None, rule);
    }
}
