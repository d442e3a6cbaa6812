use std::time::Duration;

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::token::fetch::FetchErrorKind;

/// A server that sends these bytes, whatever it is asked, and then falls silent.
async fn sending(answer: String) -> Uri {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.read(&mut request).await;
            });
        }
    });
    format!("http://{address}/keys").parse().expect("a URL")
}

async fn fetch(answer: &str) -> Result<Fetched, FetchErrorKind> {
    let url = sending(answer.replace('\n', "\r\n")).await;
    let client = HttpClient::new().expect("a client");
    let fetched = client.fetch(&url, &FetchLimits::default()).await;
    fetched.map_err(|error| error.kind())
}

#[tokio::test]
async fn a_document() {
    let fetched = fetch("HTTP/1.1 200 OK\ncontent-length: 2\ncache-control: max-age=7\n\n{}").await;
    let fetched = fetched.expect("a document");
    assert_eq!(&*fetched.body, b"{}");
    assert_eq!(fetched.max_age, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a48_a49_only_200_counts() {
    for status in [204, 206, 301, 302, 307, 401, 404, 429, 500] {
        let answer = format!("HTTP/1.1 {status} X\nlocation: /other\ncontent-length: 0\n\n");
        let refused = fetch(&answer).await.err();
        assert_eq!(refused, Some(FetchErrorKind::Status(status)));
    }
}

#[tokio::test]
async fn a47_endless_bodies() {
    let much = "x".repeat(300 * 1024);
    for head in ["content-length: 99999999\n", "connection: close\n"] {
        let refused = fetch(&format!("HTTP/1.1 200 OK\n{head}\n{much}"))
            .await
            .err();
        assert_eq!(refused, Some(FetchErrorKind::TooLarge), "{head}");
    }
    let chunk = format!("{:x}\n{much}\n", much.len());
    let refused = fetch(&format!(
        "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n{chunk}"
    ))
    .await
    .err();
    assert_eq!(refused, Some(FetchErrorKind::TooLarge));
}

#[tokio::test]
async fn a47_compressed_bodies_stay_as_they_are() {
    let fetched = fetch("HTTP/1.1 200 OK\ncontent-encoding: gzip\ncontent-length: 3\n\nabc").await;
    assert_eq!(fetched.map(|fetched| fetched.body.len()), Ok(3));
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let url = format!("http://{address}/keys").parse().expect("a URL");
    let client = HttpClient::new().expect("a client");
    let error = client
        .fetch(&url, &FetchLimits::default())
        .await
        .expect_err("no server");
    assert_eq!(error.kind(), FetchErrorKind::Connection);
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a50_reads_max_age() {
    for (header, expected) in [
        ("max-age=60", Some(60)),
        ("public, Max-Age = \"3600\"", Some(3600)),
        ("s-maxage=5, max-age=0", Some(0)),
        ("no-store", None),
        ("max-age=-1", None),
        ("max-age=99999999999999999999", None),
    ] {
        let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(header))]);
        let found = max_age(&headers).map(|age| age.as_secs());
        assert_eq!(found, expected, "{header}");
    }
    assert_eq!(max_age(&HeaderMap::new()), None);
}
