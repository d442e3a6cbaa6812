//! Bytes on a socket: requests that no proper client would send, over HTTP/1 and HTTP/2, and what
//! the layer and the handler behind it made of them.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::{Service, ServiceBuilder, service_fn};
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::middleware::BoxError;
use tower_impersonate::rejection::Rejection;

use crate::net::serve;
use crate::support::tell;

/// A hyper server with the layer around a handler that keeps what it got.
pub struct Wire {
    address: SocketAddr,
    record: Arc<Mutex<Record>>,
}

#[derive(Default)]
struct Record {
    got: Option<Value>,
    answered: Option<(u16, HeaderMap)>,
    cause: Option<String>,
}

/// What came of one request.
#[derive(Debug)]
pub struct Heard {
    /// Zero where HTTP/2 reset the stream.
    pub status: u16,
    /// The answer, byte for byte, without its date; empty for HTTP/2.
    pub text: String,
    pub headers: HeaderMap,
    /// What the handler saw, where it ran.
    pub got: Option<Value>,
    /// Why the layer refused; `None` where it did not, or was not asked.
    pub cause: Option<String>,
}

impl Heard {
    /// The server did not let it come to the layer.
    #[track_caller]
    pub fn assert_unheard(&self) {
        assert!(matches!(self.status, 0 | 400), "{self:?}");
        let asked = self.got.is_some() || self.cause.is_some();
        assert!(!asked && self.headers.is_empty(), "{self:?}");
    }

    /// The layer refused it for this, and the handler did not run.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, cause: &str) {
        let seen = (self.status, self.cause.as_deref(), self.got.is_some());
        assert_eq!(seen, (status, Some(cause), false), "{self:?}");
    }

    /// The handler ran as this one, and by that actor if there is one.
    #[track_caller]
    pub fn assert_ran_as(&self, sub: Option<&str>, actor: Option<&str>) {
        let got = self.got.as_ref().unwrap_or_else(|| panic!("{self:?}"));
        // Nobody has no sub.
        let ran_as = got["sub"].as_str().filter(|sub| !sub.is_empty());
        let seen = (self.status, ran_as, got["actor"].as_str());
        assert_eq!(seen, (200, sub, actor), "{self:?}");
    }

    /// All values of a header, as the handler got them.
    #[track_caller]
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.pairs("fields", name)
    }

    pub fn trailers(&self, name: &str) -> Vec<&str> {
        self.pairs("trailers", name)
    }

    #[track_caller]
    fn pairs(&self, of: &str, name: &str) -> Vec<&str> {
        let got = self.got.as_ref().expect("the handler ran");
        let pairs = got[of].as_array().unwrap().iter();
        pairs
            .filter(|pair| pair[0] == name)
            .map(|pair| pair[1].as_str().unwrap())
            .collect()
    }

    /// No header of ours came to the handler, under whatever name.
    #[track_caller]
    pub fn assert_clean(&self) {
        let got = self.got.as_ref().expect("the handler ran");
        for pair in got["fields"].as_array().unwrap() {
            let name = pair[0].as_str().unwrap().replace('_', "-");
            let ours = ["user", "group", "issuer", "reason"];
            let ours = ours.map(|last| format!("impersonate-{last}"));
            assert!(!ours.contains(&name), "{pair}");
        }
    }
}

impl Wire {
    pub async fn start(layer: &ImpersonationLayer) -> Self {
        let record = Arc::<Mutex<Record>>::default();
        let kept = Arc::clone(&record);
        let handler = service_fn(move |request: Request<Incoming>| {
            let record = Arc::clone(&kept);
            async move { handle(request, &record).await }
        });
        Self::serving(record, layer, handler).await
    }

    /// With the layer around a service of the test's own, such as a router.
    pub async fn around<S, B>(layer: &ImpersonationLayer, inner: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::serving(Arc::default(), layer, inner).await
    }

    async fn serving<S, B>(record: Arc<Mutex<Record>>, layer: &ImpersonationLayer, inner: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let keep = Arc::clone(&record);
        let service = ServiceBuilder::new()
            .map_response(move |response: Response<_>| {
                let mut record = keep.lock().unwrap();
                record.answered = Some((response.status().as_u16(), response.headers().clone()));
                let rejection = response.extensions().get::<Rejection>();
                record.cause = rejection.map(|rejection| match rejection.source() {
                    Some(source) => source.to_string(),
                    None => rejection.kind().as_str().to_owned(),
                });
                response
            })
            .layer(layer.clone())
            .service(inner);
        let address = serve(service).await;
        Self { address, record }
    }

    /// Sends these bytes and reads one answer. What takes a quarter of a minute fails the test.
    pub async fn raw(&self, request: impl AsRef<[u8]>) -> Heard {
        self.forget();
        let (mut stream, request) = (self.connect().await, request.as_ref());
        let answered = async {
            stream.write_all(request).await.unwrap();
            read_answer(&mut stream).await
        };
        let text = tokio::time::timeout(PATIENCE, answered)
            .await
            .unwrap_or_else(|_| panic!("no answer to {}", String::from_utf8_lossy(request)));
        let status = text.get(9..12).and_then(|status| status.parse().ok());
        self.heard(
            status.unwrap_or_else(|| panic!("no status in {text:?}")),
            text,
        )
    }

    /// A GET request over HTTP/1.1 with these lines, each ended as they say, after its own.
    pub async fn get(&self, token: Option<&str>, lines: impl AsRef<[u8]>) -> Heard {
        let mut request = b"GET /orders HTTP/1.1\r\nhost: desk.example.com\r\n".to_vec();
        if let Some(token) = token {
            request.extend(format!("authorization: Bearer {token}\r\n").bytes());
        }
        request.extend(lines.as_ref());
        request.extend(b"\r\n");
        self.raw(request).await
    }

    /// A request over HTTP/2 with exactly these header fields, and perhaps a body with trailers.
    pub async fn frames(
        &self,
        fields: &[(&str, &[u8])],
        trailers: Option<&[(&str, &[u8])]>,
    ) -> Heard {
        self.forget();
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        frame(&mut bytes, SETTINGS, 0, 0, &[]);
        let end = if trailers.is_some() { 0 } else { END_STREAM };
        frame(&mut bytes, HEADERS, END_HEADERS | end, 1, &block(fields));
        if let Some(trailers) = trailers {
            frame(&mut bytes, DATA, 0, 1, b"body");
            let flags = END_HEADERS | END_STREAM;
            frame(&mut bytes, HEADERS, flags, 1, &block(trailers));
        }
        let mut stream = self.connect().await;
        let ended = async {
            stream.write_all(&bytes).await.unwrap();
            read_stream(&mut stream).await
        };
        let answered = tokio::time::timeout(PATIENCE, ended).await.expect("an end");
        let status = {
            let record = self.record.lock().unwrap();
            let status = record.answered.as_ref().map_or(0, |(status, _)| *status);
            assert_eq!(answered, status != 0, "an answer, or a reset");
            status
        };
        self.heard(status, String::new())
    }

    /// A GET request over HTTP/2 with these fields after its own.
    pub async fn get2(&self, token: Option<&str>, fields: &[(&str, &[u8])]) -> Heard {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut all: Vec<(&str, &[u8])> = REQUEST.to_vec();
        all.extend(
            bearer
                .as_ref()
                .map(|bearer| ("authorization", bearer.as_bytes())),
        );
        all.extend(fields);
        self.frames(&all, None).await
    }

    fn heard(&self, status: u16, text: String) -> Heard {
        let Record {
            got,
            answered,
            cause,
        } = std::mem::take(&mut *self.record.lock().unwrap());
        let headers = answered.map(|(_, headers)| headers).unwrap_or_default();
        Heard {
            status,
            text,
            headers,
            got,
            cause,
        }
    }

    fn forget(&self) {
        *self.record.lock().unwrap() = Record::default();
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

const PATIENCE: Duration = Duration::from_secs(15);

/// What every request over HTTP/2 begins with.
pub const REQUEST: [(&str, &[u8]); 4] = [
    (":method", b"GET"),
    (":scheme", b"http"),
    (":path", b"/orders"),
    (":authority", b"desk.example.com"),
];

async fn handle(
    request: Request<Incoming>,
    record: &Mutex<Record>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let mut got: Value = serde_json::from_str(&tell(&request)).unwrap();
    got["fields"] = pairs(request.headers());
    got["uri"] = request.uri().to_string().into();
    got["version"] = format!("{:?}", request.version()).into();
    let body = request.into_body().collect().await?;
    got["trailers"] = body.trailers().map_or_else(|| json!([]), pairs);
    record.lock().unwrap().got = Some(got);
    Ok(Response::new(Full::from("hello")))
}

fn pairs(headers: &HeaderMap) -> Value {
    let pairs = headers.iter();
    let pairs = pairs
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]));
    pairs.collect()
}

/// The head and as much of a body as it announces.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => return String::from_utf8(bytes).unwrap(),
        }
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    let lines = head.split_inclusive("\r\n");
    let undated = lines.filter(|line| !line.starts_with("date: "));
    undated.collect::<String>() + &String::from_utf8(body).unwrap()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// RFC 9113, section 4.1.
fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap();
    bytes.extend(&length.to_be_bytes()[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
}

/// Literal fields that are not indexed (RFC 7541, section 6.2.2), as they stand.
fn block(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_bytes(), value] {
            let mut rest = text.len();
            if rest < 127 {
                block.push(rest as u8);
            } else {
                block.push(127);
                rest -= 127;
                while rest >= 128 {
                    block.push((rest % 128) as u8 | 128);
                    rest /= 128;
                }
                block.push(rest as u8);
            }
            block.extend(text);
        }
    }
    block
}

/// Whether the stream was answered to its end, and not reset.
async fn read_stream(stream: &mut TcpStream) -> bool {
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return false;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        if stream.read_exact(&mut payload).await.is_err() {
            return false;
        }
        match head[3] {
            RST_STREAM | GOAWAY => return false,
            DATA | HEADERS if head[4] & END_STREAM != 0 => return true,
            _ => {}
        }
    }
}
