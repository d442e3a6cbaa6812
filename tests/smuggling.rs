//! The impersonation headers on HTTP/1 sockets, byte for byte: refused or taken off, never passed on.
//!
//! A-97, A-98 and A-104 stand in `impersonate_header.rs`, A-109 in `impersonate_strategies.rs`, A-112 in
//! `impersonate_messages.rs`; A-111 and what HTTP/2 makes of the others stand in `smuggling_h2.rs`.

mod support;

#[path = "support/net.rs"]
mod net;
#[path = "support/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::{AUDIENCE, Desk, ISSUER};
use tower_impersonate::answer::Answer;
use tower_impersonate::middleware::Builder;
use tower_impersonate::token::{FetchLimits, Fetched, Issuer};
use tower_impersonate::{ImpersonationLayer, policy, resolve};
use wire::Wire;

const PLAIN: &str = r#"Bearer realm="api""#;
const FORBIDDEN: &str = r#"Bearer realm="api", error="insufficient_scope""#;
const MALFORMED: &str = r#"Bearer realm="api", error="invalid_request""#;

/// A layer without any strategy.
fn off(desk: &Desk) -> ImpersonationLayer {
    desk.bare().issuer(desk.accepted()).build().unwrap()
}

/// The usual desk with keys behind a fetcher that counts.
fn fetching(desk: &Desk) -> (Builder, Arc<AtomicUsize>) {
    let (fetched, keys) = (Arc::new(AtomicUsize::new(0)), desk.issuer.jwks());
    let count = Arc::clone(&fetched);
    let fetch = move |_: &http::Uri, _: &FetchLimits| {
        count.fetch_add(1, Ordering::SeqCst);
        Answer::now(Ok(Fetched::new(keys.clone())))
    };
    let issuer = Issuer::jwks(ISSUER, "https://issuer.example.com/keys");
    let issuer = issuer.audiences([AUDIENCE]).groups_claim("groups");
    let builder = desk.bare().issuer(issuer).fetch_keys(fetch);
    let builder = builder.resolve(resolve::header("impersonate-user"));
    (builder.policy(policy::in_group("support")), fetched)
}

#[tokio::test]
async fn a96_a_header_without_a_token_or_without_the_right_is_never_ignored() {
    let desk = Desk::new();
    const AS_ALICE: &str = "impersonate-user: alice\r\n";
    for guests in [false, true] {
        let (builder, fetched) = fetching(&desk);
        let builder = if guests {
            builder.anonymous(|| ())
        } else {
            builder.skip_preflight()
        };
        let wire = Wire::start(&builder.build().unwrap()).await;
        let preflight = "OPTIONS /orders HTTP/1.1\r\nhost: desk.example.com\r\norigin: https://a\r\n\
            access-control-request-method: GET\r\n";
        for heard in [
            wire.get(None, AS_ALICE).await,
            wire.get(None, "impersonate_user: alice\r\n").await,
            wire.raw(format!("{preflight}{AS_ALICE}\r\n")).await,
        ] {
            heard.assert_refused(401, "missing_credential");
            assert_eq!(heard.headers["www-authenticate"], PLAIN);
            desk.assert_silent();
        }
        assert_eq!(fetched.load(Ordering::SeqCst), 0);
        // The same without the header passes.
        let heard = wire.raw(format!("{preflight}\r\n")).await;
        heard.assert_ran_as(None, None);
        assert_eq!(fetched.load(Ordering::SeqCst), 0);

        let heard = wire.get(Some(&desk.alice()), AS_ALICE).await;
        heard.assert_refused(403, "denied by in_group(support)");
        assert_eq!(heard.headers["www-authenticate"], FORBIDDEN);
        desk.assert_denied("alice", None, "in_group(support)");
        let heard = wire.get(Some(&desk.carol()), AS_ALICE).await;
        heard.assert_ran_as(Some("alice"), Some("carol"));
        heard.assert_clean();
        desk.assert_recorded("carol", Some("alice"));
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
    }
}

/// Every spelling of every header of ours.
fn spellings() -> Vec<String> {
    let names = ["user", "group", "issuer", "reason"];
    let all = names.map(|last| {
        [
            format!("impersonate-{last}"),
            format!("impersonate_{last}"),
            format!("IMPERSONATE_{last}"),
            format!("Impersonate-{}", last.to_uppercase()),
        ]
    });
    all.concat()
}

#[tokio::test]
async fn a99_where_the_strategy_is_off_no_spelling_comes_to_the_handler() {
    let desk = Desk::new();
    let guests = desk.bare().issuer(desk.accepted()).anonymous(|| ());
    let guests = Wire::start(&guests.build().unwrap()).await;
    let wire = Wire::start(&off(&desk)).await;
    for name in spellings() {
        let lines = format!("{name}: alice\r\nx-kept: 1\r\n{name}: bob\r\nconnection: {name}\r\n");
        let heard = wire.get(Some(&desk.alice()), &lines).await;
        heard.assert_ran_as(Some("alice"), None);
        heard.assert_clean();
        assert_eq!(heard.values("x-kept"), ["1"]);
        let heard = guests.get(None, &lines).await;
        heard.assert_ran_as(None, None);
        heard.assert_clean();
    }
    desk.assert_silent();
}

/// Refused by the HTTP parser, before the layer is asked.
async fn assert_unheard(desk: &Desk, lines: &[&[u8]]) {
    for layer in [desk.layer(), off(desk)] {
        let wire = Wire::start(&layer).await;
        for lines in lines {
            wire.get(Some(&desk.carol()), lines).await.assert_unheard();
            desk.assert_silent();
        }
        let control = wire.get(Some(&desk.carol()), "x-note: alice\r\n").await;
        control.assert_ran_as(Some("carol"), None);
    }
}

#[tokio::test]
async fn a100_white_space_before_the_colon_and_folded_lines_do_not_come_to_the_layer() {
    let lines: [&[u8]; 7] = [
        b"impersonate-user : alice\r\n",
        b"impersonate-user\t: alice\r\n",
        b" impersonate-user: alice\r\n",
        b"impersonate -user: alice\r\n",
        b"impersonate-user: ali\r\n ce\r\n",
        b"impersonate-user:\r\n\talice\r\n",
        b"x-note: a\r\n impersonate-user: alice\r\n",
    ];
    assert_unheard(&Desk::new(), &lines).await;
}

#[tokio::test]
async fn a101_a_bare_line_feed_ends_a_line_and_every_line_is_counted() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    let carol = desk.carol();
    // The parser takes it for the end of the line, so both stand there for all to see.
    let heard = wire.get(Some(&carol), "impersonate-user: alice\nx-admin: 1\r\n");
    let heard = heard.await;
    heard.assert_ran_as(Some("alice"), Some("carol"));
    heard.assert_clean();
    assert_eq!(heard.values("x-admin"), ["1"]);
    desk.assert_recorded("carol", Some("alice"));
    for (lines, rule) in [
        (
            "x-note: a\nimpersonate-user: bob\r\nimpersonate-user: alice\r\n",
            "an impersonation header stands twice",
        ),
        (
            "impersonate-user: alice\nimpersonate-user: alice\n",
            "an impersonation header stands twice",
        ),
        (
            "impersonate-user: alice\nimpersonate_user: bob\r\n",
            "a twin of an impersonation header",
        ),
        (
            "impersonate-user: alice\nconnection: impersonate-user\r\n",
            "an impersonation header listed in connection",
        ),
    ] {
        wire.get(Some(&carol), lines)
            .await
            .assert_refused(400, rule);
        desk.assert_denied("carol", None, rule);
    }
    let wire = Wire::start(&off(&desk)).await;
    let heard = wire
        .get(Some(&carol), "x-note: a\nimpersonate-user: bob\n")
        .await;
    heard.assert_ran_as(Some("carol"), None);
    heard.assert_clean();
}

#[tokio::test]
async fn a102_control_characters_do_not_come_to_the_layer() {
    let lines: [&[u8]; 9] = [
        b"impersonate-user: ali\rce\r\n",
        b"impersonate-user: alice\r\r\n",
        b"impersonate-user: alice\0\r\n",
        b"impersonate-user: \0alice\r\n",
        b"impersonate-user: alice\x7f\r\n",
        b"impersonate-user: alice\x1b[31m\r\n",
        b"impersonate\0user: alice\r\n",
        b"impersonate-user\x7f: alice\r\n",
        b"impersonate-user\r: alice\r\n",
    ];
    assert_unheard(&Desk::new(), &lines).await;
}

#[tokio::test]
async fn a103_white_space_around_the_value_is_none_of_it_and_nothing_else_is_trimmed() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    for line in [
        "impersonate-user:alice\r\n",
        "impersonate-user: \t  alice\r\n",
        "impersonate-user: alice \t \r\n",
    ] {
        let heard = wire.get(Some(&desk.carol()), line).await;
        heard.assert_ran_as(Some("alice"), Some("carol"));
        desk.assert_recorded("carol", Some("alice"));
    }
    for value in [
        &b"\xa0alice"[..],
        b"alice\xa0",
        "alice\u{3000}".as_bytes(),
        b"al ice",
    ] {
        let line = [b"impersonate-user: ", value, b"\r\n"].concat();
        assert_malformed(&desk, &wire, &line).await;
    }
}

/// Carol's request with this line is refused as one with a bad user header.
async fn assert_malformed(desk: &Desk, wire: &Wire, line: &[u8]) {
    let heard = wire.get(Some(&desk.carol()), line).await;
    heard.assert_refused(400, "the user header is malformed");
    assert_eq!(heard.headers["www-authenticate"], MALFORMED);
    assert!(heard.text.ends_with(concat!(
        r#"{"error":"invalid_request","status":400,"#,
        r#""title":"the impersonation headers are not valid","type":"about:blank"}"#,
    )));
    desk.assert_denied("carol", None, "the user header is malformed");
}

#[tokio::test]
async fn a105_a_list_or_anything_quoted_is_no_user() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    for value in [
        "alice, bob",
        "alice,",
        "alice;bob",
        "alice;q=1",
        "\"alice\"",
        "'alice'",
        "<alice>",
        "{\"sub\":\"alice\"}",
        "[\"alice\"]",
        "user=alice",
    ] {
        let line = format!("impersonate-user: {value}\r\n");
        assert_malformed(&desk, &wire, line.as_bytes()).await;
    }
    let heard = wire
        .get(Some(&desk.carol()), "impersonate-user: alice\r\n")
        .await;
    heard.assert_ran_as(Some("alice"), Some("carol"));
}

#[tokio::test]
async fn a106_an_empty_header_does_not_pass_as_none() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    for line in [
        "impersonate-user:\r\n",
        "impersonate-user: \t \r\n",
        "impersonate-user:\n",
    ] {
        assert_malformed(&desk, &wire, line.as_bytes()).await;
    }
    let twice = "impersonate-user:\r\nimpersonate-user: alice\r\n";
    let heard = wire.get(Some(&desk.carol()), twice).await;
    heard.assert_refused(400, "an impersonation header stands twice");
    let heard = wire.get(Some(&desk.carol()), "").await;
    heard.assert_ran_as(Some("carol"), None);
}

#[tokio::test]
async fn a107_a_header_listed_in_connection_is_400_and_an_absent_one_is_a_plain_request() {
    let desk = Desk::new();
    let carol = desk.carol();
    let wire = Wire::start(&desk.layer()).await;
    let without = Wire::start(&off(&desk)).await;
    const RULE: &str = "an impersonation header listed in connection";
    for listing in [
        "connection: impersonate-user\r\n",
        "connection: keep-alive, Impersonate-User\r\n",
        "Connection: close,impersonate_user\r\n",
        "connection: keep-alive\r\nconnection: \t impersonate-user ,x\r\n",
        "connection: impersonate-reason\r\n",
        "connection: impersonate-group\r\n",
        "connection: impersonate-issuer\r\n",
    ] {
        for user in ["", "impersonate-user: alice\r\n"] {
            let lines = format!("{user}{listing}");
            let heard = wire.get(Some(&carol), &lines).await;
            heard.assert_refused(400, RULE);
            assert_eq!(heard.headers["www-authenticate"], MALFORMED);
            desk.assert_denied("carol", None, RULE);
            let heard = without.get(Some(&carol), &lines).await;
            heard.assert_ran_as(Some("carol"), None);
            heard.assert_clean();
        }
    }
    // A proxy that took the header off leaves a plain request, and nothing says otherwise.
    let heard = wire
        .get(Some(&carol), "connection: keep-alive, x\r\n")
        .await;
    heard.assert_ran_as(Some("carol"), None);
    desk.assert_silent();
}

#[tokio::test]
async fn a108_trailers_and_names_like_pseudo_headers_say_nothing() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    let head = "POST /orders HTTP/1.1\r\nhost: desk.example.com\r\ntransfer-encoding: chunked\r\n";
    let body = "\r\n4\r\nbody\r\n0\r\n";
    let send = |headers: &str, trailers: &str| {
        let bearer = format!("authorization: Bearer {}\r\n", desk.carol());
        let request = format!("{head}{bearer}{headers}{body}{trailers}\r\n");
        wire.raw(request)
    };
    for announced in ["", "te: trailers\r\ntrailer: impersonate-user\r\n"] {
        let heard = send(announced, "impersonate-user: alice\r\n").await;
        heard.assert_ran_as(Some("carol"), None);
        heard.assert_clean();
        // The body is the handler's, to its last trailer.
        desk.assert_silent();
    }
    let heard = send("impersonate-user: alice\r\n", "impersonate-user: bob\r\n").await;
    heard.assert_ran_as(Some("alice"), Some("carol"));
    desk.assert_recorded("carol", Some("alice"));
    let pseudo = ":impersonate-user: alice\r\n";
    wire.get(Some(&desk.carol()), pseudo).await.assert_unheard();
    desk.assert_silent();
}

#[tokio::test]
async fn a110_cookies_queries_and_what_is_only_named_alike_say_nothing() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    for line in [
        "cookie: impersonate-user=alice\r\n",
        "impersonate-user-bin: YWxpY2U\r\n",
        "x-impersonate-user: alice\r\n",
        "impersonate-users: alice\r\n",
        "impersonateuser: alice\r\n",
        "sec-websocket-protocol: impersonate-user, alice\r\n",
        "forwarded: for=1;impersonate-user=alice\r\n",
    ] {
        let heard = wire.get(Some(&desk.carol()), line).await;
        heard.assert_ran_as(Some("carol"), None);
        let (name, value) = line.trim_end().split_once(": ").unwrap();
        assert_eq!(heard.values(name), [value], "not ours to take");
    }
    let path = "/orders?impersonate-user=alice&impersonate_user=alice";
    let heard = wire
        .raw(format!(
            "GET {path} HTTP/1.1\r\nhost: desk.example.com\r\nauthorization: Bearer {}\r\n\r\n",
            desk.carol()
        ))
        .await;
    heard.assert_ran_as(Some("carol"), None);
    desk.assert_silent();
}
