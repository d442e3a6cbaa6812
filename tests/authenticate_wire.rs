//! The `Authorization` header as it comes over a socket: raw bytes over HTTP/1, a real client over HTTP/2.
//!
//! What the HTTP parser takes away, as white space at the ends of a value, the layer never sees.

mod support;

#[path = "support/forge.rs"]
mod forge;
#[path = "support/net.rs"]
mod net;
#[path = "support/raw.rs"]
mod raw;

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use forge::Forge;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use net::{VERSIONS, Version};
use raw::{Answer, Wire};
use serde_json::json;
use support::{AUDIENCE, Desk, ISSUER};
use tokio::net::TcpStream;
use tower_impersonate::token::StaticKeys;
use tower_impersonate::{ImpersonationLayer, Issuer};

const PLAIN: &str = r#"Bearer realm="api""#;
const INVALID_REQUEST: &str = r#"Bearer realm="api", error="invalid_request""#;
const INVALID_TOKEN: &str = r#"Bearer realm="api", error="invalid_token""#;

fn bytes(values: impl IntoIterator<Item = String>) -> Vec<Vec<u8>> {
    values.into_iter().map(String::into_bytes).collect()
}

#[tokio::test]
async fn a02_two_lines_are_400_whatever_their_order_and_case() {
    let desk = Desk::new();
    let wire = Wire::of(&desk).await;
    let good = format!("Bearer {}", desk.carol()).into_bytes();
    let bad = b"Bearer a.b.c".to_vec();
    for version in VERSIONS {
        for (first, second) in [(&good, &bad), (&bad, &good), (&good, &good)] {
            for name in ["authorization", "AUTHORIZATION"] {
                let headers: [(&str, &[u8]); 2] = [("Authorization", first), (name, second)];
                let answer = wire.send(version, &headers).await.unwrap();
                assert_eq!(answer.status, 400, "{version:?} {answer:?}");
                assert_eq!(answer.header("www-authenticate"), INVALID_REQUEST);
                assert_eq!(answer.header("x-cause"), "malformed_credential");
            }
        }
    }
    assert_eq!(wire.ran.load(Ordering::SeqCst), 0);
    wire.accepts(&good).await;
    desk.assert_silent();
}

#[tokio::test]
async fn a04_white_space_that_the_parser_leaves_is_400() {
    let desk = Desk::new();
    let wire = Wire::of(&desk).await;
    let token = desk.carol();
    let mut values = bytes([
        format!("Bearer  {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer \t{token}"),
    ]);
    values.push([b"Bearer \xa0", token.as_bytes()].concat());
    values.push([b"Bearer ", token.as_bytes(), b"\xa0"].concat());
    wire.refuses(&values, 400, INVALID_REQUEST, "malformed_credential")
        .await;
    // RFC 9110, section 5.5: over HTTP/1 the white space around a value is none of it. Over HTTP/2 it is
    // not taken off, and is refused.
    for (value, refused) in [
        (format!("Bearer {token} "), "malformed_credential"),
        (format!("Bearer {token}\t"), "malformed_credential"),
        (format!(" Bearer {token}"), "other_scheme"),
    ] {
        let answer = wire.authorized(Version::Http1, &value).await;
        answer.assert_carols(&value);
        let answer = wire.authorized(Version::Http2, &value).await;
        assert_eq!(answer.header("x-cause"), refused, "{answer:?}");
    }
    desk.assert_silent();
}

#[tokio::test]
async fn a05_joined_credentials_are_400() {
    let desk = Desk::new();
    let wire = Wire::of(&desk).await;
    let token = desk.carol();
    let values = bytes([
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token},Bearer a.b.c"),
        format!("Bearer a.b.c, Bearer {token}"),
        format!("Bearer {token},{token}"),
        "Bearer e30.a.b, Basic dXNlcg".to_owned(),
        "Bearer abc.d e.f".to_owned(),
    ]);
    wire.refuses(&values, 400, INVALID_REQUEST, "malformed_credential")
        .await;
    wire.accepts(format!("Bearer {token}").as_bytes()).await;
    desk.assert_silent();
}

#[tokio::test]
async fn a06_a_scheme_alone_is_400() {
    let desk = Desk::new();
    let wire = Wire::of(&desk).await;
    let values = bytes(["Bearer", "bearer", "BEARER"].map(str::to_owned));
    wire.refuses(&values, 400, INVALID_REQUEST, "malformed_credential")
        .await;
    let answer = wire.authorized(Version::Http1, "Bearer ").await;
    assert_eq!(answer.status, 400);
    let none = vec![Vec::new()];
    wire.refuses(&none, 401, PLAIN, "other_scheme").await;
    wire.accepts(format!("Bearer {}", desk.carol()).as_bytes())
        .await;
}

#[tokio::test]
async fn a07_other_schemes_are_401_without_a_code() {
    let desk = Desk::new();
    let wire = Wire::of(&desk).await;
    let token = desk.carol();
    let mut values = bytes([
        "Basic YTpi".to_owned(),
        format!("Basic {token}"),
        format!("DPoP {token}"),
        "Negotiate".to_owned(),
        format!("Bearer:{token}"),
        format!("\"Bearer\" {token}"),
        token.clone(),
    ]);
    values.push(b"Digest username=\"J\xf6rg\"".to_vec());
    wire.refuses(&values, 401, PLAIN, "other_scheme").await;
    wire.accepts(format!("bEARER {token}").as_bytes()).await;
    desk.assert_silent();
}

#[tokio::test]
async fn a08_bytes_outside_ascii_are_400_and_none_is_guessed() {
    let desk = Desk::new();
    let wire = Wire::of(&desk).await;
    let token = desk.carol();
    let (head, tail) = token.as_bytes().split_at(20);
    let values: Vec<Vec<u8>> = [
        &b"\x80"[..],
        b"\xff",
        b"\xc3\xbc",
        b"\xe2\x80\x8b",
        b"\xc0\xae",
    ]
    .into_iter()
    .flat_map(|odd| {
        [
            [b"Bearer ", head, odd, tail].concat(),
            [b"Bearer ", odd, token.as_bytes()].concat(),
            [b"Bearer ", token.as_bytes(), odd].concat(),
        ]
    })
    .collect();
    wire.refuses(&values, 400, INVALID_REQUEST, "malformed_credential")
        .await;
    let scheme = vec![[b"Be\xc3\xa4rer ", token.as_bytes()].concat()];
    wire.refuses(&scheme, 401, PLAIN, "other_scheme").await;
    wire.accepts(&[b"Bearer ", token.as_bytes()].concat()).await;
    desk.assert_silent();
}

#[tokio::test]
async fn a09_a_tab_inside_is_400_and_other_controls_do_not_get_through() {
    let desk = Desk::new();
    let wire = Wire::of(&desk).await;
    let token = desk.carol();
    let (head, tail) = token.split_at(20);
    let values = bytes([
        format!("Bearer {head}\t{tail}"),
        format!("Bearer {head} {tail}"),
        format!("Bearer {head}\t\t{tail}"),
    ]);
    wire.refuses(&values, 400, INVALID_REQUEST, "malformed_credential")
        .await;
    // The parser refuses these, and a line that goes on in the next.
    for odd in ["\0", "\r", "\u{1b}", "\u{7f}", "\r\n "] {
        let line = format!("authorization: Bearer {head}{odd}{tail}\r\n");
        let answer = wire.raw(line.as_bytes(), b"").await.unwrap();
        assert_eq!(answer.status, 400, "{odd:?}");
    }
    assert_eq!(wire.ran.load(Ordering::SeqCst), 0);
    wire.accepts(format!("Bearer {token}").as_bytes()).await;
    desk.assert_silent();
}

/// A good token of this length, or one byte less where base64 knows no such length.
fn padded(forge: &Forge, length: usize) -> String {
    let with = |pad: usize| forge.claim("pad", json!("p".repeat(pad)));
    let mut pad = (length - with(0).len()) * 3 / 4;
    while with(pad).len() > length {
        pad -= 1;
    }
    let token = with(pad);
    assert!((length - 2..=length).contains(&token.len()));
    token
}

#[tokio::test]
async fn a10_a_long_token_is_refused_before_it_is_decoded() {
    const LIMIT: usize = 8 * 1024;
    let forge = Forge::new();
    let keys = json!({ "keys": [forge.jwk()] }).to_string();
    let keys = StaticKeys::jwks(keys);
    let issuer = Issuer::static_keys(ISSUER, keys);
    let issuer = issuer.audiences([AUDIENCE]);
    let layer = ImpersonationLayer::builder()
        .clock(forge.desk.clock.clone())
        .issuer(issuer);
    let wire = Wire::start(layer.build().unwrap()).await;
    let longest = format!("Bearer {}", padded(&forge, LIMIT));
    wire.accepts(longest.as_bytes()).await;
    let too_long = "invalid_token: token is too long";
    let values = bytes([
        format!("Bearer {}", padded(&forge, LIMIT + 4)),
        format!("Bearer {}", "a".repeat(LIMIT + 1)),
        format!("Bearer {}", ".".repeat(12_000)),
    ]);
    wire.refuses(&values, 401, INVALID_TOKEN, too_long).await;

    let ran = wire.ran.load(Ordering::SeqCst);
    let huge = format!("Bearer {}", "a".repeat(300_000));
    let answer = wire.authorized(Version::Http1, &huge).await;
    assert_eq!((answer.status, answer.header("x-cause")), (401, too_long));
    // Over HTTP/2 the server itself takes no more than 16 KiB of headers.
    for length in [20_000, 400_000] {
        let huge = format!("Bearer {}", "a".repeat(length));
        let answer = wire.try_authorized(Version::Http2, &huge).await;
        if let Some(answer) = answer {
            assert_eq!(answer.status, 431, "{length}");
        }
    }
    assert_eq!(wire.ran.load(Ordering::SeqCst), ran);
}

/// A token behind the body, over either version.
async fn in_trailers(wire: &Wire, version: Version, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    match version {
        Version::Http1 => {
            let lines = b"transfer-encoding: chunked\r\ntrailer: authorization\r\n";
            let body = format!("5\r\nhello\r\n0\r\nauthorization: {bearer}\r\n\r\n");
            wire.raw(lines, body.as_bytes()).await.unwrap()
        }
        Version::Http2 => {
            let trailers = HeaderMap::from_iter([(
                http::header::AUTHORIZATION,
                HeaderValue::from_str(&bearer).unwrap(),
            )]);
            let body = Full::new(Bytes::from("hello"))
                .with_trailers(std::future::ready(Some(Ok::<_, Infallible>(trailers))));
            let io = TokioIo::new(TcpStream::connect(wire.address).await.unwrap());
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), io).await.unwrap();
            let connection = tokio::spawn(connection);
            let request = Request::post("http://desk.example.com/orders");
            let response = sender.send_request(request.body(body).unwrap()).await;
            let answer = Answer::of(response.unwrap()).await;
            connection.abort();
            answer
        }
    }
}

#[tokio::test]
async fn a12_a_token_in_trailers_is_not_looked_at() {
    let desk = Desk::new();
    let token = desk.carol();
    let wire = Wire::of(&desk).await;
    for version in VERSIONS {
        let answer = in_trailers(&wire, version, &token).await;
        assert_eq!(answer.status, 401, "{version:?}");
        assert_eq!(answer.header("www-authenticate"), PLAIN);
        assert_eq!(answer.header("x-cause"), "missing_credential");
    }
    assert_eq!(wire.ran.load(Ordering::SeqCst), 0);

    let optional = desk.builder().anonymous(|| ()).build().unwrap();
    let wire = Wire::start(optional).await;
    for version in VERSIONS {
        let answer = in_trailers(&wire, version, &token).await;
        assert_eq!(answer.status, 200, "{version:?}");
        assert_eq!(
            answer.body["trailers"],
            json!(["authorization"]),
            "they came"
        );
        assert_eq!(answer.body["anonymous"], true);
    }
    desk.assert_silent();
}
