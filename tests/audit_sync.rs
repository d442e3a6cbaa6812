//! What is said to be on the disk is there before the handler runs: a tracer of system calls looks on while
//! a real process writes real files.

#![cfg(target_os = "linux")]

mod support;

#[path = "support/chains.rs"]
mod chains;
#[path = "support/sinks.rs"]
mod sinks;

use std::collections::HashMap;
use std::convert::Infallible;
use std::env;
use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use chains::{AS_ALICE, beside, into};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use sinks::{Folder, left_out};
use support::{Desk, get};
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::audit::{self, AuditSink, SyncOn};

type Make = fn(&Path, SyncOn) -> Arc<dyn AuditSink>;

const SINKS: [(&str, Make); 2] = [
    ("lines", |path, sync| {
        audit::shared(audit::jsonl(path).sync(sync))
    }),
    ("chain", |path, sync| {
        audit::shared(audit::chained(path).sync(sync))
    }),
];

const SYNCS: [SyncOn; 3] = [SyncOn::Never, SyncOn::Request, SyncOn::EachRecord];

/// `demanded`: where no process can be traced, the test fails.
const STRACE: &str = "TOWER_IMPERSONATE_TEST_STRACE";
const FILE: &str = "TOWER_IMPERSONATE_TEST_FILE";
const ROUND: &str = "TOWER_IMPERSONATE_TEST_ROUND";
const REQUESTS: usize = 5;

/// What was seen of the process, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// An event of that name begins to be written.
    Written(&'static str),
    /// The file is on the disk.
    Synced,
    /// The process says something.
    Said(String),
}

#[test]
fn what_counts_as_recorded_is_on_the_disk_before_the_handler_runs() {
    for (round, (name, sync)) in { SINKS.iter() }
        .flat_map(|(name, _)| SYNCS.map(|sync| (name, sync)))
        .enumerate()
    {
        let folder = Folder::new();
        let Some(seen) = trace(&folder.file(), round) else {
            return;
        };
        let case = format!("{name}, {sync:?}: {seen:#?}");
        let said = |text: String| {
            let at = seen.iter().position(|one| *one == Seen::Said(text.clone()));
            at.unwrap_or_else(|| panic!("no {text:?} in {case}"))
        };
        // What stands behind the last event of that name before the process says this.
        let since = |event: &'static str, text: String| {
            let before = &seen[..said(text)];
            let written = before.iter().rposition(|one| *one == Seen::Written(event));
            &before[written.unwrap_or_else(|| panic!("no {event} in {case}"))..]
        };
        let synced = sync != SyncOn::Never;
        for number in 0..REQUESTS {
            let ran = since(REQUEST, format!("ran {number}"));
            assert_eq!(ran.contains(&Seen::Synced), synced, "{number}, {case}");
            let denied = since(DENIED, format!("denied {number}"));
            assert_eq!(denied.contains(&Seen::Synced), synced, "{number}, {case}");
        }
        // Nobody waits for a completion; only where each record is synced that one is.
        let last = seen
            .iter()
            .rposition(|one| *one == Seen::Written(COMPLETED));
        let rest = &seen[last.expect("completions")..];
        assert_eq!(
            rest.contains(&Seen::Synced),
            sync == SyncOn::EachRecord,
            "{case}"
        );
    }
}

/// Runs the process below under `strace`; `None` where nothing can be traced.
fn trace(file: &Path, round: usize) -> Option<Vec<Seen>> {
    let log = beside(file, ".strace");
    let traced = Command::new("strace")
        .args([
            "-f",
            "-y",
            "-s",
            "8192",
            "-e",
            "trace=write,fdatasync,fsync",
            "-o",
        ])
        .arg(&log)
        .arg(env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_looked_at", "--nocapture"])
        .env(FILE, file)
        .env(ROUND, round.to_string())
        .output();
    let said = match traced {
        Ok(output) if output.status.success() => Some(output),
        _ => None,
    };
    // A tracer that works, and a process that does not, is no reason to leave it out.
    let works = {
        Command::new("strace")
            .args(["-f", "-o", "/dev/null", "true"])
            .status()
    }
    .is_ok_and(|status| status.success());
    if said.is_none() && !works {
        left_out(
            STRACE,
            "no process can be traced here: that files are synced",
        );
        return None;
    }
    let said = said.expect("the process ends well");
    let text = fs::read_to_string(log).unwrap();
    let seen = seen(&text, file);
    assert!(!seen.is_empty(), "{text} {said:?}");
    Some(seen)
}

/// Reads what `strace` wrote: a call of which the end comes later stands on two lines.
fn seen(text: &str, file: &Path) -> Vec<Seen> {
    let (mut seen, mut begun) = (Vec::new(), HashMap::new());
    let own = format!("<{}>", file.display());
    for line in text.lines() {
        let Some((process, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        let (called, ended) = match call.split_once("<unfinished ...>") {
            Some((called, _)) => {
                begun.insert(process, called);
                (called, false)
            }
            None if call.starts_with("<... ") => match begun.remove(process) {
                Some(called) if called.starts_with("write") => continue,
                Some(called) => (called, call.ends_with("= 0")),
                None => continue,
            },
            None => (call, call.ends_with("= 0")),
        };
        let is_own = called.contains(&own);
        if called.starts_with("write(2") {
            let said = called.split('"').nth(1).unwrap_or_default();
            seen.push(Seen::Said(said.trim_end_matches("\\n").to_owned()));
        } else if called.starts_with("write") && is_own {
            // Several may be written at once.
            let mut names: Vec<_> = [REQUEST, DENIED, COMPLETED]
                .into_iter()
                .flat_map(|name| {
                    let told = format!(r#"\"event.name\":\"{name}\""#);
                    let places: Vec<_> = called.match_indices(&told).map(|(at, _)| at).collect();
                    places.into_iter().map(move |at| (at, name))
                })
                .collect();
            names.sort_unstable();
            seen.extend(names.into_iter().map(|(_, name)| Seen::Written(name)));
        } else if is_own && ended {
            seen.push(Seen::Synced);
        }
    }
    seen
}

const REQUEST: &str = "impersonation.request";
const DENIED: &str = "impersonation.denied";
const COMPLETED: &str = "impersonation.completed";

#[tokio::test]
async fn the_process_that_is_looked_at() {
    let Some(file) = env::var_os(FILE).map(PathBuf::from) else {
        return;
    };
    let round: usize = env::var(ROUND).unwrap().parse().unwrap();
    let (_, make) = SINKS[round / SYNCS.len()];
    let desk = Desk::new();
    let layer = into(&desk, make(&file, SYNCS[round % SYNCS.len()]));
    // In one write each.
    let say = |text: String| stderr().write_all(text.as_bytes()).unwrap();
    for number in 0..REQUESTS {
        let handler = service_fn(move |_: Request<Full<Bytes>>| async move {
            say(format!("ran {number}\n"));
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let sent = layer.layer(handler).oneshot(get(&desk.carol(), &AS_ALICE));
        let response = sent.await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap();
        let root = [("impersonate-user", "root")];
        desk.as_carol(&layer, &root).await.assert_refused(403);
        say(format!("denied {number}\n"));
    }
    let sent = desk.as_carol(&layer, &AS_ALICE).await;
    sent.assert_ran_as("alice", Some("carol"));
}
