//! What an OpenAPI document allows, and what it does not, sent to the routes by schemathesis: no server error, no
//! answer that is not documented, nothing accepted that the document forbids, nothing without a credential.
//!
//! `./tests/run` installs it and runs these.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/example.rs"]
mod example;
#[path = "support/over_http.rs"]
mod over_http;
#[path = "support/running.rs"]
mod running;
mod support;

use std::env;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use desk_api::Api;
use running::{Curl, Example};
use serde_json::{Value, json};
use tokio::process::Command;
use tower_impersonate::grant::GrantLimits;

/// Requests for each route and phase.
const MAX_EXAMPLES: u32 = 30;
/// It takes ten seconds; whoever shares its machine with many others waits longer.
const LONGEST: Duration = Duration::from_secs(300);

/// Who sends the requests, and what stands for the names in the paths.
struct Sender<'a> {
    url: &'a str,
    bearer: &'a str,
    client: (&'a str, &'a str),
    named: &'a [(&'a str, &'a str)],
    /// What is tried for members of bodies, besides what comes by chance.
    bodies: &'a [(&'a str, &'a str)],
    /// Routes that are left out, by their operations.
    without: &'a [&'a str],
}

#[tokio::test]
#[ignore = "needs schemathesis: ./tests/run"]
async fn the_running_example_answers_as_its_document_says() {
    let example = Example::start("support_desk", &["--port", "0"]);
    let lines = example.read_until("tail -f ").lines;
    let start = lines
        .iter()
        .find(|curl| curl.url.ends_with("/impersonate"))
        .unwrap();
    let (_, bearer) = { start.headers.iter() }
        .find_map(|(_, value)| value.split_once("Bearer "))
        .unwrap();
    let basic = |curl: &Curl| curl.basic.clone();
    let (id, secret) = lines.iter().find_map(basic).unwrap();
    let (told, _) = send(&Sender {
        url: start.url.trim_end_matches("/Alice/impersonate"),
        bearer,
        client: (&id, &secret),
        named: &[],
        bodies: &[],
        without: &[],
    })
    .await;
    assert!(told.contains("Tested: 12"), "{told}");
}

/// Where random names find nobody and the rate limit ends it, this goes on: every request is for somebody and for
/// a grant that are there.
#[tokio::test]
#[ignore = "needs schemathesis: ./tests/run"]
async fn requests_that_get_through_are_answered_as_the_document_says() {
    let many = |manage: tower_impersonate::manage::ManageBuilder| manage.starts_per_minute(10_000);
    let api = Api::with(|layer| layer, many, GrantLimits::default()).await;
    let (token, grant) = api.begin(&api.carol(), json!({})).await;
    let (told, answers) = send(&Sender {
        url: &api.url,
        bearer: &api.carol(),
        client: ("auditor", api.auditor.expose()),
        named: &[("username", "Alice"), ("id", &grant)],
        bodies: &[
            ("audience", support::AUDIENCE),
            ("token", &token),
            ("subject_token", &token),
            (
                "subject_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
        ],
        // They would be the end of it.
        without: &["endGrant", "revoke"],
    })
    .await;
    assert!(told.contains("Tested: 10"), "{told}");
    for route in [
        "/Alice/impersonate",
        "/grants",
        &format!("/grants/{grant}"),
        "/extend",
        "/oauth2/token",
        "/oauth2/introspect",
    ] {
        let of = |status: u64| {
            let with = answers.iter().filter(|(_, own)| *own == status);
            with.filter(|(path, _)| path.ends_with(route)).count()
        };
        println!("{route}: {} times 200, {} times 400", of(200), of(400));
        assert!(of(200) > 0, "{route}");
    }
}

/// What it told, and the path and the status of each answer.
async fn send(sender: &Sender<'_>) -> (String, Vec<(String, u64)>) {
    let program =
        env::var("SCHEMATHESIS").expect("SCHEMATHESIS is not set: run this with ./tests/run");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "schemathesis-{}-{}",
        std::process::id(),
        sender.named.len()
    ));
    fs::create_dir_all(&folder).unwrap();
    let config = folder.join("schemathesis.toml");
    fs::write(&config, configuration(sender)).unwrap();
    let began = Instant::now();
    let output = Command::new(program)
        .arg("--config-file")
        .arg(&config)
        .args(["run", &format!("{}/openapi.json", sender.url)])
        .args(["--max-examples", &MAX_EXAMPLES.to_string(), "--seed", "1"])
        .args(["--generation-database", "none"])
        .args(["--report-har-path", "answers.har"])
        .current_dir(&folder)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LONGEST, output).await;
    let output = output
        .expect("schemathesis did not come to an end")
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{told}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    println!(
        "{}\nin {:?}",
        told.split("= SUMMARY =").last().unwrap(),
        began.elapsed()
    );
    let answers = fs::read_to_string(folder.join("answers.har")).unwrap();
    let answers: Value = serde_json::from_str(&answers).unwrap();
    let answer = |entry: &Value| {
        let url: http::Uri = entry["request"]["url"].as_str()?.parse().ok()?;
        Some((url.path().to_owned(), entry["response"]["status"].as_u64()?))
    };
    let answers = answers["log"]["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(answer)
        .collect();
    let _ = fs::remove_dir_all(&folder);
    (told, answers)
}

fn configuration(sender: &Sender<'_>) -> String {
    let Sender {
        bearer,
        client,
        named,
        without,
        ..
    } = sender;
    let named: String = named
        .iter()
        .map(|(name, value)| format!("\"path.{name}\" = {value:?}\n"))
        .collect();
    let bodies = bodies_of(sender, |name, _| {
        format!("\"body.{name}\" = {{ dictionary = {name:?}, probability = 0.8 }}\n")
    });
    let dictionaries = bodies_of(sender, |name, value| {
        format!("[dictionaries.{name}]\nvalues = [{value:?}]\n")
    });
    let without: String = without
        .iter()
        .map(|operation| {
            format!("[[operations]]\ninclude-operation-id = {operation:?}\nenabled = false\n")
        })
        .collect();
    format!(
        "continue-on-failure = true\n\
         [auth.openapi.bearer]\nbearer = {bearer:?}\n\
         [auth.openapi.client]\nusername = {:?}\npassword = {:?}\n\
         [parameters]\n{named}{bodies}\
         {dictionaries}\
         {without}\
         # What else must hold of these no schema can say: cursors, audiences and tokens are made elsewhere, and\n\
         # a client proves itself once.\n\
         [[operations]]\n\
         include-operation-id = [\"start\", \"startForUser\", \"listGrants\", \"token\", \"revoke\", \"introspect\"]\n\
         checks.positive_data_acceptance.enabled = false\n",
        client.0, client.1
    )
}

fn bodies_of(sender: &Sender<'_>, line: impl Fn(&str, &str) -> String) -> String {
    let lines = sender.bodies.iter().map(|(name, value)| line(name, value));
    lines.collect()
}

#[tokio::test]
async fn the_document_is_written_once() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let api = Api::start().await;
    let ask = || {
        let request = http::Request::get("/openapi.json").body(axum::body::Body::empty());
        api.manage.well_known().oneshot(request.unwrap())
    };
    let (first, second) = (ask().await.unwrap(), ask().await.unwrap());
    let first = first.into_body().collect().await.unwrap().to_bytes();
    let second = second.into_body().collect().await.unwrap().to_bytes();
    let text: Value = serde_json::from_slice(&first).unwrap();
    assert_eq!(text["info"]["title"], "Impersonation");
    // Both are held: the same place is the same text.
    assert_eq!(first.as_ptr(), second.as_ptr());
}
