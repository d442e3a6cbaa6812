//! A trace as people search for it, in Arize Phoenix: the example exports, and the traces are found
//! by who was really there and by whom they acted as.
//!
//! `./tests/run --full` installs and starts Phoenix and runs this.
//!
//! The README's picture is the one that this takes, cut and with 64 colours.

#![cfg(feature = "otlp")]

#[path = "support/example.rs"]
mod example;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use example::command;
use http::{Request, StatusCode};
use http_body_util::Full;
use over_http::{client, exchange};
use serde_json::Value;
use tower_impersonate::stamp::fields;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
#[ignore = "needs Phoenix: ./tests/run --full"]
async fn phoenix_finds_the_trace_by_either_sub() {
    let url = env::var("PHOENIX_URL").expect("PHOENIX_URL: run this with ./tests/run --full");
    // Phoenix takes spans alone: that log records and metrics were refused is an error at the end.
    let output = command("otel")
        .args(["--otlp-http", &url])
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("answered"), "{told}");

    // Those of Carol as Alice, and of her denied attempt.
    let by_actor = spans(&url, fields::ACTOR_SUB, "carol-sub", 5).await;
    let by_target = spans(&url, fields::TARGET_SUB, "alice-sub", 4).await;
    let of = |spans: &[Value], path: &str| -> Vec<String> {
        let mut values: Vec<_> = spans
            .iter()
            .map(|span| span.pointer(path).unwrap().as_str().unwrap().to_owned())
            .collect();
        values.sort_unstable();
        values
    };
    let names = [
        "impersonation.request",
        "load_orders",
        "native_query",
        "request",
    ];
    assert_eq!(of(&by_target, "/name"), names);
    let mut traces = of(&by_target, "/context/trace_id");
    traces.dedup();
    assert_eq!(traces.len(), 1, "one request");
    assert!(of(&by_actor, "/context/trace_id").contains(&traces[0]));
    for span in &by_target {
        assert_eq!(span["attributes"][fields::ACTOR_SUB], "carol-sub", "{span}");
    }
    let library = by_target.iter().find(|span| span["name"] == "native_query");
    look_at(&url, library.unwrap()).await;

    // Nobody has a trace who was not there.
    assert!(ask(&url, fields::ACTOR_SUB, "alice-sub").await.is_empty());
    assert!(ask(&url, fields::TARGET_SUB, "carol-sub").await.is_empty());
}

/// The page of a span shows both subs in a browser; the picture stays where it says.
async fn look_at(url: &str, span: &Value) {
    let request = Request::get(format!("{url}/v1/projects/default"))
        .body(Full::<Bytes>::default())
        .unwrap();
    let project = exchange(&client(), request).await.body["data"]["id"].clone();
    let page = format!(
        "{url}/projects/{}/traces/{}?selectedSpanNodeId={}",
        project.as_str().unwrap(),
        span["context"]["trace_id"].as_str().unwrap(),
        span["id"].as_str().unwrap(),
    );
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trace.png");
    let _ = fs::remove_file(&picture);
    let chromium = env::var("CHROMIUM").expect("CHROMIUM: run this with ./tests/run --full");
    let look = |what: &str| {
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chromium");
        let _ = fs::remove_dir_all(&profile);
        let output = Command::new(&chromium)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--disable-sync",
            ])
            .args(["--disable-component-update", "--window-size=1500,820"])
            .args(["--virtual-time-budget=30000", what, &page])
            .arg(format!("--user-data-dir={}", profile.display()))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // The page is made by its own program, which needs several answers of the server.
    let texts = ["carol-sub", "alice-sub"];
    let began = Instant::now();
    loop {
        let shown = look("--dump-dom");
        if texts.iter().all(|text| shown.contains(text)) {
            break;
        }
        let letters = shown.len();
        assert!(
            began.elapsed() < PATIENCE,
            "{letters} letters of {page}: {shown}"
        );
    }
    look(&format!("--screenshot={}", picture.display()));
    let image = fs::read(&picture).unwrap();
    assert!(
        image.starts_with(b"\x89PNG") && image.len() > 20_000,
        "{}",
        image.len()
    );
    println!("the picture is {}", picture.display());
}

/// The spans with this attribute, once there are as many: they are taken in later than answered.
async fn spans(url: &str, key: &str, value: &str, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let found = ask(url, key, value).await;
        if found.len() >= count {
            assert_eq!(found.len(), count, "{key} {value}: {found:#?}");
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{key} {value}: {found:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn ask(url: &str, key: &str, value: &str) -> Vec<Value> {
    let query = format!("{url}/v1/projects/default/spans?attribute={key}:{value}&limit=100");
    let request = Request::get(query).body(Full::<Bytes>::default()).unwrap();
    let seen = exchange(&client(), request).await;
    // There is no project before the first span.
    if seen.status == StatusCode::NOT_FOUND {
        return Vec::new();
    }
    assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
    seen.body["data"].as_array().unwrap().clone()
}
