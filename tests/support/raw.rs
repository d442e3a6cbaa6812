//! The layer behind a socket, and requests whose bytes a test chooses.

#![allow(unreachable_pub, reason = "a test includes it")]

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::{ServiceBuilder, service_fn};
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::rejection::Rejection;

use crate::net::{self, Client, VERSIONS, Version};
use crate::support::{Desk, tell};

/// A server whose handler tells what it saw, trailers included; what the layer refused names its kind and
/// cause in a header, which only this test adds.
pub struct Wire {
    pub address: SocketAddr,
    pub ran: Arc<AtomicUsize>,
}

impl Wire {
    pub async fn start(layer: ImpersonationLayer) -> Self {
        let ran = Arc::new(AtomicUsize::new(0));
        let runs = Arc::clone(&ran);
        let service = ServiceBuilder::new()
            .map_response(with_cause)
            .layer(layer)
            .service(service_fn(move |request: Request<Incoming>| {
                runs.fetch_add(1, Ordering::SeqCst);
                async move { Ok::<_, Infallible>(handler(request).await) }
            }));
        Self {
            address: net::serve(service).await,
            ran,
        }
    }

    pub async fn of(desk: &Desk) -> Self {
        Self::start(desk.layer()).await
    }

    /// A request with these headers; `None` where the connection ended without an answer.
    pub async fn send(&self, version: Version, headers: &[(&str, &[u8])]) -> Option<Answer> {
        match version {
            Version::Http1 => {
                let lines = headers
                    .iter()
                    .map(|(name, value)| [name.as_bytes(), b": ", value, b"\r\n"].concat());
                self.raw(&lines.collect::<Vec<_>>().concat(), b"").await
            }
            Version::Http2 => {
                let mut request = Request::new(Full::default());
                for (name, value) in headers {
                    let name: http::HeaderName = name.parse().unwrap();
                    let value = HeaderValue::from_bytes(value).unwrap();
                    request.headers_mut().append(name, value);
                }
                let mut client = Client::connect(version, self.address).await;
                let response = client.send(request).await.ok()?;
                Some(Answer::of(response).await)
            }
        }
    }

    pub async fn authorized(&self, version: Version, value: impl AsRef<[u8]>) -> Answer {
        self.try_authorized(version, value)
            .await
            .expect("an answer")
    }

    pub async fn try_authorized(
        &self,
        version: Version,
        value: impl AsRef<[u8]>,
    ) -> Option<Answer> {
        let header = ("authorization", value.as_ref());
        self.send(version, &[header]).await
    }

    /// Whole lines and a body over HTTP/1, as they are.
    pub async fn raw(&self, lines: &[u8], body: &[u8]) -> Option<Answer> {
        let start = b"POST /orders HTTP/1.1\r\nhost: desk.example.com\r\nconnection: close\r\n";
        let request = [start, lines, b"\r\n", body].concat();
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        drop(stream.write_all(&request).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        Answer::parse(&String::from_utf8(answer).unwrap())
    }

    /// In every version, each of these values is refused in the same way.
    pub async fn refuses(&self, values: &[Vec<u8>], status: u16, challenge: &str, cause: &str) {
        let before = self.ran.load(Ordering::SeqCst);
        for version in VERSIONS {
            let mut answers = Vec::new();
            for value in values {
                let answer = self.authorized(version, value).await;
                let shown = format!("{version:?} {}", value.escape_ascii());
                assert_eq!(answer.status, status, "{shown}: {answer:?}");
                assert_eq!(answer.header("www-authenticate"), challenge, "{shown}");
                assert_eq!(answer.header("x-cause"), cause, "{shown}");
                assert_eq!(answer.header("cache-control"), "no-store", "{shown}");
                assert_eq!(answer.header("content-type"), "application/problem+json");
                answers.push(answer.body);
            }
            answers.dedup();
            assert_eq!(answers.len(), 1, "one body for all: {answers:?}");
        }
        assert_eq!(self.ran.load(Ordering::SeqCst), before, "no handler ran");
    }

    pub async fn accepts(&self, value: &[u8]) {
        for version in VERSIONS {
            let answer = self.authorized(version, value).await;
            answer.assert_carols(&format!("{version:?} {}", value.escape_ascii()));
        }
    }
}

async fn handler(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let mut told: Value = serde_json::from_str(&tell(&request)).unwrap();
    let trailers = match request.into_body().collect().await {
        Ok(body) => body.trailers().cloned().unwrap_or_default(),
        Err(_) => HeaderMap::new(),
    };
    let names = trailers.keys().map(|name| name.as_str());
    told["trailers"] = json!(names.collect::<Vec<_>>());
    Response::new(Full::from(told.to_string()))
}

fn with_cause<B>(mut response: Response<B>) -> Response<B> {
    if let Some(rejection) = response.extensions().get::<Rejection>() {
        let kind = rejection.kind().as_str();
        let cause = rejection.source();
        let cause = cause.map_or_else(|| kind.to_owned(), |cause| format!("{kind}: {cause}"));
        let cause = HeaderValue::from_str(&cause).unwrap();
        response.headers_mut().insert("x-cause", cause);
    }
    response
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Value,
}

impl Answer {
    pub async fn of(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let headers = parts.headers.iter();
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        Self {
            status: parts.status.as_u16(),
            headers: headers.map(|(n, v)| (n.to_string(), text(v))).collect(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        Some(Self {
            status,
            headers: headers.map(|(n, v)| (n.into(), v.into())).collect(),
            body: serde_json::from_str(body).unwrap_or_default(),
        })
    }

    /// Empty where there is none; two of them are a fault.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(other, _)| other == name);
        let value = found.next().map_or("", |(_, value)| value);
        assert_eq!(found.next(), None, "{self:?}");
        value
    }

    #[track_caller]
    pub fn assert_carols(&self, case: &str) {
        assert_eq!(
            (self.status, &self.body["sub"]),
            (200, &json!("carol")),
            "{case}: {self:?}"
        );
    }
}
