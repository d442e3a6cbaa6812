//! What a real agent receives by OTLP from a real process: the example, with both subs on every span
//! and log record of its one impersonated request.
//!
//! `./tests/run` installs the agent and runs these.

#![cfg(feature = "otlp")]

#[path = "support/example.rs"]
mod example;

use std::env;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use example::command;
use tower_impersonate::stamp::fields;
use tower_impersonate::testing::{Observed, assert_all_stamped, assert_none_stamped};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
#[ignore = "needs rotel-agent: ./tests/run"]
fn every_span_has_both_subs_over_grpc_and_http() {
    for protocol in ["--otlp", "--otlp-http"] {
        let spans = received(protocol, "traces");
        let of = |trace: &str| -> Vec<Received> {
            let own = spans.iter().filter(|span| span.trace == trace);
            own.cloned().collect()
        };
        let mut traces: Vec<&str> = spans.iter().map(|span| &*span.trace).collect();
        traces.sort_unstable();
        traces.dedup();
        assert_eq!(traces.len(), 3, "{protocol}: one for each request");
        let mut seen = Vec::new();
        for trace in traces {
            let spans = of(trace);
            let mut names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
            names.sort_unstable();
            seen.push(names.join(" "));
            match names[..] {
                // Carol as Alice.
                [
                    "impersonation.request",
                    "load_orders",
                    "native_query",
                    "request",
                ] => {
                    assert_all_stamped(&spans, "carol-sub", "alice-sub");
                    for span in &spans {
                        assert_eq!(span.value(fields::USER_ID), ["alice-sub"], "{protocol}");
                    }
                }
                // As an administrator: denied.
                ["impersonation.request", "request"] => {
                    let [denied, outer] = ["impersonation.request", "request"]
                        .map(|name| spans.iter().find(|span| span.name == name).unwrap());
                    assert_eq!(denied.value(fields::ACTOR_SUB), ["carol-sub"]);
                    assert_eq!(denied.value(fields::TARGET_SUB), ["root-sub"]);
                    assert_none_stamped(std::slice::from_ref(outer));
                }
                // As herself.
                _ => assert_none_stamped(&spans),
            }
        }
        seen.sort_unstable();
        let expected = [
            "impersonation.request load_orders native_query request",
            "impersonation.request request",
            "load_orders native_query request",
        ];
        assert_eq!(seen, expected, "{protocol}");
    }
}

#[test]
#[ignore = "needs rotel-agent: ./tests/run"]
fn every_log_record_has_both_subs_over_grpc_and_http() {
    for protocol in ["--otlp", "--otlp-http"] {
        let records = received(protocol, "logs");
        let named = |names: &[&str]| -> Vec<Received> {
            let own = records.iter().filter(|log| names.contains(&&*log.name));
            own.cloned().collect()
        };
        let impersonated = |records: &[Received]| -> (Vec<Received>, Vec<Received>) {
            let has = |log: &Received| !log.value(fields::ACTOR_SUB).is_empty();
            records.iter().cloned().partition(has)
        };
        // The handler's own records, of Carol as Alice and of Carol as herself.
        let (stamped, plain) = impersonated(&named(&["loading", "in the background"]));
        assert_eq!((stamped.len(), plain.len()), (2, 2), "{protocol}");
        assert_all_stamped(&stamped, "carol-sub", "alice-sub");
        assert_none_stamped(&plain);
        // The audit's, which say by themselves who it was.
        let audit = named(&["impersonation.request", "impersonation.completed"]);
        assert_eq!(audit.len(), 2, "{protocol}");
        assert_all_stamped(&audit, "carol-sub", "alice-sub");
        let denied = named(&["impersonation.denied"]);
        assert_all_stamped(&denied, "carol-sub", "root-sub");
        // And what was logged outside of any request.
        assert_none_stamped(&named(&["answered"]));
    }
}

#[test]
#[ignore = "needs rotel-agent: ./tests/run"]
fn metrics_arrive_over_grpc_and_http() {
    for protocol in ["--otlp", "--otlp-http"] {
        let printed = printed(protocol, "metrics");
        for expected in [
            "Name: impersonation.requests",
            "Name: impersonation.decision.duration",
            "Name: impersonation.denials",
            "impersonation.deny.kind: Str(not)",
            "impersonation.outcome: Str(impersonated)",
            "impersonation.outcome: Str(forbidden)",
        ] {
            assert!(
                printed.contains(expected),
                "{protocol}: no {expected} in\n{printed}"
            );
        }
        for sub in ["carol-sub", "alice-sub", "root-sub"] {
            assert!(!printed.contains(sub), "{protocol}: {sub} in\n{printed}");
        }
    }
}

/// A span or a log record, as the agent printed it.
#[derive(Debug, Clone, Default)]
struct Received {
    name: String,
    trace: String,
    attributes: Vec<(String, String)>,
}

impl Received {
    fn value(&self, key: &str) -> Vec<&str> {
        let own = self.attributes.iter().filter(|(own, _)| own == key);
        own.map(|(_, value)| &**value).collect()
    }
}

impl From<&Received> for Observed {
    fn from(received: &Received) -> Self {
        let pairs = received.attributes.iter();
        Self::new(&*received.name, pairs.map(|(k, v)| (&**k, &**v)))
    }
}

fn received(protocol: &str, signal: &str) -> Vec<Received> {
    let printed = printed(protocol, signal);
    let mut all: Vec<Received> = Vec::new();
    let mut in_attributes = false;
    for line in printed.lines() {
        if line.starts_with("Span #") || line.starts_with("LogRecord #") {
            all.push(Received::default());
        }
        let Some(one) = all.last_mut() else { continue };
        if let Some((key, value)) = line
            .strip_prefix("     -> ")
            .and_then(|l| l.split_once(": "))
        {
            if in_attributes {
                let value = value.strip_prefix("Str(").and_then(|v| v.strip_suffix(')'));
                let value = value.unwrap_or_default().to_owned();
                one.attributes.push((key.to_owned(), value));
            }
            continue;
        }
        in_attributes = line == "Attributes:";
        let told = line
            .trim()
            .split_once(':')
            .map(|(k, v)| (k.trim(), v.trim()));
        match told {
            Some(("Name", name)) => name.clone_into(&mut one.name),
            Some(("Trace ID", trace)) => trace.clone_into(&mut one.trace),
            Some(("Body", body)) => {
                let text = body.strip_prefix("Str(").and_then(|b| b.strip_suffix(')'));
                text.unwrap_or(body).clone_into(&mut one.name);
            }
            _ => {}
        }
    }
    assert!(!all.is_empty(), "{protocol}: nothing in\n{printed}");
    all
}

/// What the agent prints of what the example sends.
fn printed(protocol: &str, signal: &str) -> String {
    let agent = Agent::start(signal);
    let port = if protocol == "--otlp" {
        agent.grpc
    } else {
        agent.http
    };
    let output = command("otel")
        .args([protocol, &format!("http://127.0.0.1:{port}")])
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    agent.stop()
}

/// An agent of one test, which prints one kind of signal.
struct Agent {
    child: Child,
    grpc: u16,
    http: u16,
}

impl Agent {
    fn start(signal: &str) -> Self {
        let program = env::var("ROTEL_AGENT")
            .unwrap_or_else(|_| panic!("ROTEL_AGENT is not set: run this with ./tests/run"));
        let (grpc, http) = (free_port(), free_port());
        let child = Command::new(program)
            .arg("start")
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
            .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
            .args(["--exporter", "blackhole"])
            .args(["--debug-log", signal, "--debug-log-verbosity", "detailed"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { child, grpc, http };
        let began = Instant::now();
        for port in [grpc, http] {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            while TcpStream::connect(address).is_err() {
                assert!(began.elapsed() < PATIENCE, "the agent does not listen");
                thread::sleep(Duration::from_millis(20));
            }
        }
        agent
    }

    /// Ends it, and returns what it printed to its end.
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let mut printed = String::new();
        let mut stdout = self.child.stdout.take().unwrap();
        stdout.read_to_string(&mut printed).unwrap();
        printed
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
