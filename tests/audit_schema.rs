//! The schema of events, version 1: what is in it stays as it is. The golden files are what the
//! sinks write, byte for byte, but for ids and hashes, which are drawn anew each time.
//!
//! `BLESS=1` writes the golden files: only for a field that is new.

mod support;

#[path = "support/chains.rs"]
mod chains;
#[path = "support/sinks.rs"]
mod sinks;

use std::collections::{BTreeSet, HashMap};
use std::env;
use std::fs;
use std::path::Path;

use chains::{act, into, settle};
use http::HeaderValue;
use serde_json::{Value, json};
use sinks::Folder;
use support::schema::{assert_valid, faults};
use support::{Desk, get};
use tower_impersonate::audit::{self, Rotation, SCHEMA, SCHEMA_VERSION};
use tower_impersonate::{policy, resolve};

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// The lines of the file with the ids numbered in their order, and hashes of nothing.
fn normal(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let mut ids = HashMap::new();
    let mut normal = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_valid(&event);
        let mut line = line.to_owned();
        for (field, value) in event.as_object().unwrap() {
            let Some(value) = value.as_str() else {
                continue;
            };
            if field.ends_with("event.id") {
                let next = ids.len() + 1;
                let number = *ids.entry(value.to_owned()).or_insert(next);
                line = line.replace(value, &format!("018bcfe5-6800-7000-8000-{number:012}"));
            }
            if field.ends_with("chain.root") || field.ends_with("chain.leaf") {
                line = line.replace(value, &format!("{}=", "A".repeat(43)));
            }
        }
        if let Some(range) = event["impersonation.chain.range"].as_array() {
            for hash in range {
                line = line.replace(hash.as_str().unwrap(), &format!("{}=", "A".repeat(43)));
            }
        }
        format!("{line}\n")
    };
    text.lines().map(&mut normal).collect()
}

#[track_caller]
fn assert_golden(name: &str, line: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/audit");
    let path = folder.join(format!("{name}.json"));
    if env::var_os("BLESS").is_some() {
        fs::write(&path, line).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), line, "{name}");
}

#[tokio::test]
async fn a_golden_file_for_each_event() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let layer = desk
        .bare_unrecorded()
        .issuer(desk.accepted().tenant("acme"))
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::role(["customers"]))
        .policy(policy::in_group("support").except(policy::target_in_group("admins")))
        .audit(audit::jsonl(folder.file()))
        .build()
        .unwrap();
    let send = async |headers: &[(&str, &str)]| {
        let mut request = get(&desk.carol(), headers);
        *request.uri_mut() = "/orders/7?key=s3cret".parse().unwrap();
        let more = request.headers_mut();
        more.insert("user-agent", HeaderValue::from_static("curl/8.0"));
        more.insert("x-request-id", HeaderValue::from_static("r-1"));
        more.insert(
            "impersonate-reason",
            HeaderValue::from_static("ticket \"4711\"\\"),
        );
        desk.send(&layer, request).await.status.as_u16()
    };
    assert_eq!(send(&[("impersonate-user", "alice")]).await, 200);
    assert_eq!(send(&[("impersonate-group", "customers")]).await, 200);
    assert_eq!(send(&[("impersonate-user", "root")]).await, 403);
    assert_eq!(send(&[("impersonate-user", "nobody")]).await, 403);
    let lines = normal(&folder.file());
    let names = [
        "request",
        "completed",
        "request_role",
        "completed_role",
        "denied",
        "denied_not_found",
    ];
    assert_eq!(lines.len(), names.len());
    for (name, line) in names.iter().zip(&lines) {
        assert_golden(name, line);
    }

    let folder = Folder::new();
    fs::write(folder.file(), r#"{"impersonation.chain.seq":0,"imperso"#).unwrap();
    let sink = || {
        let chain = audit::chained(folder.file()).clock(desk.clock.clone());
        chain.rotate(Rotation::bytes(4096))
    };
    let layer = into(&desk, sink());
    // What comes in together is written together, and where a file ends depends on that.
    for _ in 0..3 {
        act(&desk, &layer, 1).await;
        settle(&folder.file());
    }
    drop(layer);
    let mut lines = normal(&folder.file());
    for old in chains::siblings(&folder.file(), ".0") {
        lines.extend(normal(&old));
    }
    for (name, event) in [
        ("chain_request", r#""event.name":"impersonation.request""#),
        (
            "chain_recovered",
            r#""event.name":"impersonation.chain.recovered""#,
        ),
        (
            "chain_continued",
            r#""event.name":"impersonation.chain.continued""#,
        ),
    ] {
        let found = lines.iter().rfind(|line| line.contains(event));
        let line = found.unwrap_or_else(|| panic!("no {event}"));
        let (_, ids) = line.split_once("-7000-8000-").unwrap();
        let own = format!("-7000-8000-{}", &ids[..12]);
        assert_golden(name, &line.replace(&own, "-7000-8000-000000000001"));
    }
}

#[test]
fn every_field_has_a_meaning_and_stands_in_a_golden_file_or_is_told_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/audit");
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let event: Value =
            serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
        assert_valid(&event);
        seen.extend(event.as_object().unwrap().keys().cloned());
    }
    let schema = schema();
    let fields = schema["properties"].as_object().unwrap();
    let manual = include_str!("../src/manual/observability.md");
    for (field, about) in fields {
        assert!(
            about["description"]
                .as_str()
                .is_some_and(|text| text.ends_with('.')),
            "{field}"
        );
        let elsewhere = ["impersonation.denials.left_out", "impersonation.audit.lost"];
        let elsewhere = elsewhere.contains(&field.as_str());
        assert!(seen.contains(field) || elsewhere, "{field}");
        let (_, last) = field.rsplit_once('.').unwrap_or(("", field));
        let told = [
            format!("`{field}`"),
            format!("`.{last}`"),
            format!("`.wanted.{last}`"),
        ];
        assert!(told.iter().any(|name| manual.contains(name)), "{field}");
    }
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(
        fields["impersonation.schema.version"]["const"],
        SCHEMA_VERSION
    );
}

/// The schema refuses what no sink writes; else it would say nothing.
#[test]
fn what_no_sink_writes_is_refused() {
    let golden = |name: &str| -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/audit");
        serde_json::from_slice(&fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap()
    };
    for (name, field, value) in [
        ("request", "token", json!("x")),
        ("request", "impersonation.deny.rule", json!("x")),
        ("request", "impersonation.outcome", json!("failure")),
        ("request", "http.response.status_code", json!(200)),
        ("request", "impersonation.schema.version", json!("1.1")),
        ("request", "event.id", json!("1")),
        ("request", "time", json!("2023-11-14T22:13:20Z")),
        ("request", "impersonation.groups", json!("beta")),
        ("request", "impersonation.chain.seq", json!(1)),
        ("denied", "impersonation.mode", json!("full")),
        ("denied", "impersonation.denials.left_out", json!(0)),
        ("completed", "url.path", json!("/")),
        ("completed", "impersonation.duration_ms", json!("1")),
        (
            "grant_request",
            "impersonation.grant.deadline",
            json!("2023-11-14T22:13:20.000000000Z"),
        ),
        (
            "grant_started",
            "impersonation.end.reason",
            json!("stopped"),
        ),
        ("grant_started", "impersonation.grant.id", json!("short")),
        ("grant_started", "impersonation.outcome", json!("failure")),
        (
            "grant_issued",
            "impersonation.grant.deadline",
            json!("2023-11-14T22:13:20.000000000Z"),
        ),
        ("grant_extended", "url.path", json!("/")),
        ("grant_ended", "impersonation.end.reason", json!("revoked")),
        (
            "grant_expired",
            "impersonation.end.reason",
            json!("stopped"),
        ),
        ("grant_expired", "impersonation.end.by.sub", json!("root")),
        (
            "grant_revoked",
            "impersonation.end.reason",
            json!("expired"),
        ),
        (
            "grant_revoked",
            "impersonation.grant.deadline",
            json!("2023-11-14T22:13:20.000000000Z"),
        ),
        ("chain_recovered", "user.id", json!("alice")),
        ("chain_continued", "impersonation.chain.range", json!(["x"])),
    ] {
        let mut event = golden(name);
        assert_valid(&event);
        event[field] = value;
        assert!(!faults(&event).is_empty(), "{name}: {field}");
    }
    for (name, field) in [
        ("request", "impersonation.mode"),
        ("request", "user.id"),
        ("denied", "impersonation.deny.rule"),
        ("completed", "impersonation.request.event.id"),
        ("grant_started", "impersonation.grant.deadline"),
        ("grant_started", "url.path"),
        ("grant_issued", "impersonation.grant.id"),
        ("grant_extended", "impersonation.grant.deadline"),
        ("grant_extended", "impersonation.target.sub"),
        ("grant_ended", "impersonation.end.reason"),
        ("grant_expired", "impersonation.strategy"),
        ("grant_revoked", "impersonation.end.by.iss"),
        ("chain_request", "impersonation.chain.leaf"),
        ("chain_recovered", "impersonation.chain.torn_bytes"),
        ("chain_continued", "impersonation.chain.range"),
    ] {
        let mut event = golden(name);
        event.as_object_mut().unwrap().remove(field);
        assert!(!faults(&event).is_empty(), "{name}: {field}");
    }
}
