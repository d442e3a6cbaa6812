//! Processes that are killed in the midst of keeping grants: what was acknowledged is there, and nothing
//! is half done.
#![cfg(all(feature = "sqlite", target_os = "linux"))]

mod support;

#[path = "support/sinks.rs"]
mod sinks;

use std::collections::{HashMap, HashSet};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use sinks::Folder;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tower_impersonate::grant::sqlite::SqliteStore;
use tower_impersonate::grant::{
    self, End, Filter, Grant, GrantStore, Others, Page, StartLimit, Started,
};
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::terms::{EndReason, GrantId};
use tower_impersonate::testing::TestGrant;
use tower_impersonate::time::Timestamp;

const FILE: &str = "TOWER_IMPERSONATE_TEST_FILE";
const ROUND: &str = "TOWER_IMPERSONATE_TEST_ROUND";
const MOMENTS: u64 = 100;

fn now() -> Timestamp {
    TestGrant::new("", "").build().started_at()
}

fn later(seconds: u64) -> Timestamp {
    now().saturating_add(Duration::from_secs(seconds))
}

/// What a child was told to be done.
#[derive(Default)]
struct Told {
    started: HashSet<GrantId>,
    ended: HashMap<GrantId, EndReason>,
    extended: HashMap<GrantId, u64>,
}

impl Told {
    fn hear(&mut self, line: &str) -> bool {
        // A line that was torn with the pipe acknowledges nothing.
        let Some(line) = line
            .split_once("ack ")
            .and_then(|(_, line)| line.strip_suffix(" ."))
        else {
            return false;
        };
        let words: Vec<_> = line.split(' ').collect();
        let id = words[1].parse().unwrap();
        match words[0] {
            "start" => drop(self.started.insert(id)),
            "end" => drop(self.ended.insert(id, words[2].parse().unwrap())),
            "extend" => {
                let deadline: u64 = words[2].parse().unwrap();
                let known = self.extended.entry(id).or_default();
                *known = deadline.max(*known);
            }
            other => panic!("{other}"),
        }
        true
    }

    async fn is_kept(&self, store: &SqliteStore, round: u64) {
        for id in self.started.iter().chain(self.ended.keys()) {
            let found = store.find(id).await.unwrap();
            assert!(found.is_some(), "round {round}: a start is lost");
        }
        for (id, reason) in &self.ended {
            let end = store.find(id).await.unwrap().unwrap().state().end.clone();
            let kept = end.map(|end| end.reason);
            assert_eq!(kept, Some(*reason), "round {round}: an end is lost");
        }
        for (id, deadline) in &self.extended {
            let kept = store.find(id).await.unwrap().unwrap().deadline();
            assert!(
                kept >= later(*deadline),
                "round {round}: an extension is lost"
            );
        }
    }
}

async fn all(store: &SqliteStore) -> Vec<Grant> {
    let (mut all, mut page) = (Vec::new(), Page::first());
    loop {
        let found = store.list(&Filter::default(), &page).await.unwrap();
        let Some(last) = found.last() else { return all };
        page.after = Some(last.into());
        all.extend(found);
    }
}

/// A person has one grant that is alive, unless it stopped: a start ends the one before or is not there.
async fn nothing_is_half_done(store: &SqliteStore, path: &Path, round: u64) -> usize {
    let all = all(store).await;
    let mut alive: HashMap<&IdentityKey, usize> = HashMap::new();
    let mut replaced: HashMap<&IdentityKey, usize> = HashMap::new();
    for grant in &all {
        match &grant.state().end {
            None => *alive.entry(grant.actor().key()).or_default() += 1,
            Some(end) if end.reason == EndReason::Replaced => {
                *replaced.entry(grant.actor().key()).or_default() += 1;
            }
            Some(_) => {}
        }
    }
    for (actor, count) in &alive {
        let machine = actor.subject().starts_with("machine");
        assert!(*count == 1 || machine, "round {round}: {count} are alive");
    }
    for (actor, count) in replaced {
        let own = all
            .iter()
            .filter(|grant| grant.actor().key() == actor)
            .count();
        assert!(count < own, "round {round}: replaced by nothing");
    }
    let options = SqliteConnectOptions::new().filename(path);
    let mut db = options.connect().await.unwrap();
    let sound: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(sound, "ok");
    let counted: i64 = sqlx::query_scalar("SELECT grants FROM ti_grant_count")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(counted as usize, all.len(), "round {round}");
    db.close().await.unwrap();
    all.len()
}

#[tokio::test]
async fn a84_killed_at_a_hundred_moments() {
    let folder = Folder::new();
    let path = folder.path().join("grants.sqlite");
    let mut random: u64 = 0x5eed;
    let (mut whole, mut kept) = (Told::default(), 0);
    for round in 0..MOMENTS {
        // Knuth's MMIX generator.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let moment = Duration::from_micros((random >> 33) % 30_000);
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_process_that_is_killed", "--nocapture"])
            .env(FILE, &path)
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = Told::default();
        // Once it works.
        let begun = out
            .by_ref()
            .map_while(Result::ok)
            .any(|line| told.hear(&line));
        assert!(begun, "round {round}: it did not begin");
        thread::sleep(moment);
        child.kill().unwrap();
        for line in out.map_while(Result::ok) {
            told.hear(&line);
        }
        child.wait().unwrap();
        let store = grant::sqlite(&path);
        store.check().unwrap();
        told.is_kept(&store, round).await;
        kept = nothing_is_half_done(&store, &path, round).await;
        whole.started.extend(told.started);
        whole.ended.extend(told.ended);
        whole.extended.extend(told.extended);
    }
    whole.is_kept(&grant::sqlite(&path), MOMENTS).await;
    let (starts, ends, moved) = (whole.started.len(), whole.ended.len(), whole.extended.len());
    assert!(
        starts > 100 && ends > 100 && moved > 20,
        "{starts} {ends} {moved}"
    );
    println!("acknowledged: {starts} starts, {ends} ends, {moved} extensions; kept: {kept} grants");
}

fn acknowledge(what: &str) {
    std::io::stdout()
        .write_all(format!("ack {what} .\n").as_bytes())
        .unwrap();
}

async fn start(store: &SqliteStore, actor: &str, target: String, per_actor: usize) -> GrantId {
    let grant = TestGrant::new(actor, target).build();
    let limit = StartLimit {
        per_actor,
        others: Others::Replaced,
        keep_ended: 1_000,
        now: now(),
    };
    let Started::New(grant, replaced) = store.start(grant, limit).await.unwrap() else {
        panic!("it did not start");
    };
    acknowledge(&format!("start {}", grant.id()));
    for other in replaced {
        acknowledge(&format!("end {} replaced", other.id()));
    }
    *grant.id()
}

async fn end(store: &SqliteStore, id: &GrantId, reason: EndReason) {
    let end = End {
        reason,
        at: now(),
        by: Some(IdentityKey::new("https://issuer.example.com", "boss")),
    };
    let ended = store.end(id, end).await.unwrap().unwrap();
    // Another task may have been faster.
    let stays = ended.grant.state().end.clone().unwrap().reason;
    acknowledge(&format!("end {id} {stays}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_killed() {
    let (Some(path), Ok(round)) = (env::var_os(FILE), env::var(ROUND)) else {
        return;
    };
    let store = grant::sqlite(path).busy_timeout(Duration::from_secs(5));
    let person = |name: String| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0..u64::MAX {
                let id = start(&store, &name, format!("user-{number}"), 1).await;
                if number % 3 == 0 {
                    end(&store, &id, EndReason::Stopped).await;
                }
            }
        })
    };
    let machine = |name: String| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0..u64::MAX {
                let id = start(&store, &name, format!("user-{number}"), 5).await;
                let deadline = 3600 + number % 1000;
                let moved = store.extend(&id, later(deadline), now()).await.unwrap();
                assert_eq!(moved.unwrap().deadline(), later(deadline));
                acknowledge(&format!("extend {id} {deadline}"));
                let (one, other) = (EndReason::Stopped, EndReason::Revoked);
                if number % 2 == 0 {
                    tokio::join!(end(&store, &id, one), end(&store, &id, other));
                }
            }
        })
    };
    let tasks = [
        person(format!("carol-{round}")),
        person("dave".to_owned()),
        machine(format!("machine-{round}")),
        machine("machine".to_owned()),
    ];
    for task in tasks {
        task.await.unwrap();
    }
}
