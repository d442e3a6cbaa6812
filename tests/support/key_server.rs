//! A server of key sets that does whatever the test says, byte by byte, and nothing of which a
//! proper HTTP server would be capable.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// What a path does.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// Answers 200 with this document.
    Healthy(String),
    /// The same, with a `Cache-Control` header.
    Cacheable(String, &'static str),
    /// The same, but not before the test lets it.
    Gated(String, Arc<Semaphore>),
    /// The same, but only after this time.
    Late(String, Duration),
    /// Takes the request and says nothing.
    Hanging,
    /// Sends this document, five bytes in a second.
    Dripping(String),
    /// Sends without an end, in chunks.
    Endless,
    /// Declares less than it sends.
    Understating(String),
    /// Declares more than it sends, and closes.
    Overstating(String),
    /// Says that these bytes are a compressed document.
    Compressed(Vec<u8>),
    /// Answers with this status, and with this document all the same.
    Failing(u16, String),
    /// Points elsewhere.
    Redirecting(u16, String),
    /// Closes without a word.
    Closing,
    /// Answers in no language that is known.
    Babbling,
}

/// A server on `127.0.0.1`; it ends when dropped.
pub struct KeyServer {
    url: String,
    state: Arc<Mutex<State>>,
    task: AbortHandle,
}

#[derive(Default)]
struct State {
    endpoints: HashMap<String, Endpoint>,
    requests: Vec<String>,
}

impl KeyServer {
    /// Answers 404 to everything so far.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&state))).abort_handle();
        Self { url, state, task }
    }

    /// Serves keys at [`keys_url`](Self::keys_url).
    pub async fn serving(endpoint: Endpoint) -> Self {
        let server = Self::start().await;
        server.now(endpoint);
        server
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn keys_url(&self) -> String {
        format!("{}{KEYS}", self.url)
    }

    /// What becomes of requests for keys from now on.
    pub fn now(&self, endpoint: Endpoint) {
        self.at(KEYS, endpoint);
    }

    /// What becomes of requests for a path from now on.
    pub fn at(&self, path: &str, endpoint: Endpoint) {
        let mut state = self.state.lock().unwrap();
        state.endpoints.insert(path.to_owned(), endpoint);
    }

    /// The heads of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    pub fn count(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }

    /// Waits until so many requests have come; fails after five seconds.
    pub async fn wait_for(&self, count: usize) {
        for _ in 0..500 {
            if self.count() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(self.count(), count);
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const KEYS: &str = "/keys";

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, Arc::clone(&state)));
    }
}

/// One request, one answer. A client that has left is no fault.
async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let endpoint = {
        let mut state = state.lock().unwrap();
        state.requests.push(head);
        state.endpoints.get(&path).cloned()
    };
    let endpoint = endpoint.unwrap_or_else(|| Endpoint::Failing(404, String::new()));
    drop(misbehave(&mut stream, endpoint).await);
}

async fn misbehave(stream: &mut TcpStream, endpoint: Endpoint) -> std::io::Result<()> {
    match endpoint {
        Endpoint::Healthy(body) => send(stream, "200 OK", "", &body).await,
        Endpoint::Cacheable(body, cache_control) => {
            let header = format!("cache-control: {cache_control}\r\n");
            send(stream, "200 OK", &header, &body).await
        }
        Endpoint::Gated(body, gate) => {
            let _open = gate.acquire().await.unwrap();
            send(stream, "200 OK", "", &body).await
        }
        Endpoint::Late(body, delay) => {
            tokio::time::sleep(delay).await;
            send(stream, "200 OK", "", &body).await
        }
        Endpoint::Hanging => std::future::pending().await,
        Endpoint::Dripping(body) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await?;
            for byte in body.bytes() {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Ok(())
        }
        Endpoint::Endless => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await?;
            loop {
                stream
                    .write_all(format!("400\r\n{:1024}\r\n", "").as_bytes())
                    .await?;
            }
        }
        Endpoint::Understating(body) => {
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).await
        }
        Endpoint::Overstating(body) => {
            let declared = body.len() + 1;
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {declared}\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).await
        }
        Endpoint::Compressed(body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await
        }
        Endpoint::Failing(status, body) => {
            send(stream, &format!("{status} Some Words"), "", &body).await
        }
        Endpoint::Redirecting(status, to) => {
            let header = format!("location: {to}\r\n");
            send(stream, &format!("{status} Elsewhere"), &header, "").await
        }
        Endpoint::Closing => Ok(()),
        Endpoint::Babbling => stream.write_all(b"220 mail.example.com ESMTP\r\n").await,
    }
}

/// `headers` is whole lines.
async fn send(
    stream: &mut TcpStream,
    status: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<()> {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await
}
