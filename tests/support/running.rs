//! An example that serves, as a user runs it: what it prints, and the `curl` lines among that, sent.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::example::command;

/// A server that runs until it is dropped.
pub struct Example {
    child: Child,
    stdout: Receiver<String>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

/// What an example prints to be tried.
pub struct Printed {
    pub lines: Vec<Curl>,
    pub end: String,
}

impl Example {
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_with(name, arguments, &[])
    }

    pub fn start_with(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = command(name)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, stdout) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = Arc::<Mutex<Vec<u8>>>::default();
        let mut err = child.stderr.take().unwrap();
        let kept = Arc::clone(&stderr);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = err.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Self {
            child,
            stdout,
            stderr,
        }
    }

    pub fn next_line(&self) -> String {
        self.stdout
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("no more lines; stderr:\n{}", self.stderr()))
    }

    pub fn next_curl(&self) -> Curl {
        loop {
            if let Some(curl) = Curl::parse(&self.next_line()) {
                return curl;
            }
        }
    }

    /// All curl lines up to the line that begins with `end`.
    pub fn read_until(&self, end: &str) -> Printed {
        let mut lines = Vec::new();
        loop {
            let line = self.next_line();
            if line.starts_with(end) {
                return Printed { lines, end: line };
            }
            lines.extend(Curl::parse(&line));
        }
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }

    /// What was logged, once all of these texts are in it.
    pub fn stderr_with(&self, texts: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let log = self.stderr();
            if texts.iter().all(|text| log.contains(text)) || begun.elapsed() > PATIENCE {
                return log;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub const PATIENCE: Duration = Duration::from_secs(30);

/// What the desk of `two_services` prints.
pub struct Desk {
    pub url: String,
    pub billing_secret: String,
    pub tickets_secret: String,
    pub lines: Vec<Curl>,
}

impl Desk {
    pub fn printed_by(example: &Example) -> Self {
        let start_billing = loop {
            let line = example.next_line();
            if line.starts_with("BILLING_SECRET=") {
                break line;
            }
        };
        let words: Vec<_> = start_billing.split([' ', '\'']).collect();
        let [_, secret, .., url] = words[..] else {
            panic!("{start_billing}");
        };
        let lines = example.read_until("# That is all").lines;
        let basic = |curl: &Curl| curl.basic.clone();
        Self {
            url: url.to_owned(),
            billing_secret: secret.to_owned(),
            tickets_secret: lines.iter().find_map(basic).unwrap().1,
            lines,
        }
    }
}

/// A `curl` line, as a shell would read it.
#[derive(Debug, Clone)]
pub struct Curl {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// As it was printed.
    pub line: String,
    /// Name and secret of `-u`.
    pub basic: Option<(String, String)>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    /// JSON, or else text.
    pub body: Value,
}

impl Curl {
    pub fn parse(line: &str) -> Option<Self> {
        let (mut url, mut method, mut basic) = (None, None, None);
        let (mut headers, mut body) = (Vec::new(), String::new());
        let mut header = |name: &str, value: &str| headers.push((name.into(), value.into()));
        let mut words = words(line).into_iter();
        if words.next()? != "curl" {
            return None;
        }
        while let Some(word) = words.next() {
            match word.as_str() {
                "-i" => {}
                "-X" => method = Some(words.next()?.parse().ok()?),
                "-H" => {
                    let next = words.next()?;
                    let (name, value) = next.split_once(": ")?;
                    header(name, value);
                }
                "-u" => {
                    let both = words.next()?;
                    let basic_header = format!("Basic {}", STANDARD.encode(&both));
                    header("authorization", &basic_header);
                    let (id, secret) = both.split_once(':')?;
                    basic = Some((id.to_owned(), secret.to_owned()));
                }
                "--json" => {
                    header("content-type", "application/json");
                    header("accept", "application/json");
                    body = words.next()?;
                }
                "-d" if body.is_empty() => {
                    header("content-type", "application/x-www-form-urlencoded");
                    body = words.next()?;
                }
                "-d" => body = format!("{body}&{}", words.next()?),
                _ => url = Some(word),
            }
        }
        let usual = if body.is_empty() {
            Method::GET
        } else {
            Method::POST
        };
        Some(Self {
            method: method.unwrap_or(usual),
            url: url?,
            headers,
            body,
            line: line.to_owned(),
            basic,
        })
    }

    /// With what the shell would put in place of a variable.
    pub fn with(mut self, variable: &str, value: &str) -> Self {
        let variable = format!("${variable}");
        let values = self.headers.iter_mut().map(|(_, value)| value);
        for text in values.chain([&mut self.url, &mut self.body]) {
            *text = text.replace(&variable, value);
        }
        self
    }

    pub async fn send(&self) -> Answer {
        let mut request = Request::builder().method(&self.method).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let client = Client::builder(TokioExecutor::new()).build_http();
        let body = Full::new(Bytes::from(self.body.clone()));
        let request = request.body(body).unwrap();
        let response = tokio::time::timeout(PATIENCE, client.request(request))
            .await
            .unwrap()
            .unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        Answer {
            status: parts.status.as_u16(),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into()),
        }
    }
}

impl Answer {
    /// Token and grant of a start (JSON:API).
    pub fn issued(&self) -> (String, String) {
        assert_eq!(self.status, 200, "{self:?}");
        let data = &self.body["data"];
        assert_eq!(data["type"], "access-token", "{self:?}");
        let text = |name: &str| data["attributes"][name].as_str().unwrap().to_owned();
        (text("token"), text("grant"))
    }
}

/// Words between spaces; quotes hold one together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn a_line_is_read_as_a_shell_reads_it() {
    let curl = Curl::parse("curl -i http://127.0.0.1:1/me -H 'a: b c'  -H 'd: e'").unwrap();
    assert_eq!(
        (&*curl.url, curl.method),
        ("http://127.0.0.1:1/me", Method::GET)
    );
    let expected = [("a", "b c"), ("d", "e")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(curl.headers, expected);
    let post = Curl::parse("curl -i -X POST http://127.0.0.1:1/me").unwrap();
    assert_eq!(post.method, Method::POST);
    let form = Curl::parse("curl http://127.0.0.1:1/t -u a:b -d x=1 -d y=$T").unwrap();
    assert_eq!(form.method, Method::POST);
    assert_eq!(form.with("T", "2").body, "x=1&y=2");
    let json = Curl::parse(r#"curl http://127.0.0.1:1/t -H "a: $T" --json '{"a":1}'"#).unwrap();
    assert_eq!(json.body, r#"{"a":1}"#);
    assert_eq!(json.with("T", "b").headers[0].1, "b");
    assert!(Curl::parse("# Alice").is_none());
}
