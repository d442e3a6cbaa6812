//! Grants in a SQLite database: real files, real locks, real processes.
#![cfg(feature = "sqlite")]

mod support;

#[path = "support/sinks.rs"]
mod sinks;
#[path = "support/trace.rs"]
mod trace;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sinks::Folder;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use support::{Desk, ISSUER};
use tower_impersonate::audit::sqlite::Query;
use tower_impersonate::audit::{self, AuditSink};
use tower_impersonate::grant::sqlite::SqliteStore;
use tower_impersonate::grant::{
    self, End, Filter, Grant, GrantStore, Others, Page, StartLimit, Started, StoreError,
    StoreErrorKind,
};
use tower_impersonate::terms::{EndReason, GrantId};
use tower_impersonate::testing::TestGrant;
use tower_impersonate::time::Timestamp;
use trace::{Log, scoped};
use tracing_subscriber::layer::SubscriberExt;

fn file(folder: &Folder) -> PathBuf {
    folder.path().join("grants.sqlite")
}

/// Another user of the file, as another process would be.
async fn other(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    options.connect().await.unwrap()
}

async fn run(path: &Path, sql: &str) {
    let mut db = other(path).await;
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
}

fn now() -> Timestamp {
    TestGrant::new("", "").build().started_at()
}

fn one() -> StartLimit {
    StartLimit {
        per_actor: 1,
        others: Others::Stay,
        keep_ended: 1_000,
        now: now(),
    }
}

fn stopped() -> End {
    End {
        reason: EndReason::Stopped,
        at: now(),
        by: None,
    }
}

async fn started(store: &SqliteStore, actor: &str) -> Grant {
    let grant = TestGrant::new(actor, "alice").build();
    match store.start(grant, one()).await.unwrap() {
        Started::New(grant, _) => grant,
        other => panic!("{other:?}"),
    }
}

async fn is_alive(store: &SqliteStore, id: &GrantId) -> bool {
    let found = store.find(id).await.unwrap().unwrap();
    found.is_alive_at(now())
}

/// Unavailable, for a cause that is told and names nobody.
#[track_caller]
fn unavailable<T: std::fmt::Debug>(done: Result<T, StoreError>, expected: &str) {
    let error = done.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let cause = error.source().unwrap().to_string();
    assert!(cause.contains(expected), "{cause}");
    for secret in ["carol", "alice", "issuer.example.com"] {
        assert!(
            !format!("{error} {error:?} {cause}").contains(secret),
            "{cause}"
        );
    }
}

#[test]
fn a_path_that_cannot_work_is_found_before_it_is_used() {
    let folder = Folder::new();
    fs::write(folder.path().join("text"), "no database at all\n").unwrap();
    for (path, expected) in [
        (folder.path().to_owned(), "directory"),
        (folder.path().join("missing/grants.sqlite"), "No such file"),
        (folder.path().join("text"), "not a database"),
        (PathBuf::from("/dev/null"), "not a regular file"),
        (PathBuf::new(), ""),
    ] {
        unavailable(grant::sqlite(path).check(), expected);
    }
    let sound = || grant::sqlite(file(&folder));
    unavailable(sound().most(0).check(), "one grant");
    unavailable(sound().busy_timeout(Duration::ZERO).check(), "busy timeout");
    let long = Duration::from_millis(5001);
    unavailable(sound().busy_timeout(long).check(), "busy timeout");
    sound().check().unwrap();
    sound().check().unwrap();
    assert!(format!("{:?}", sound()).contains("grants.sqlite"));
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let folder = Folder::new();
    let store = grant::sqlite(file(&folder));
    store.check().unwrap();
    // Other parts of the crate count their own.
    run(
        &file(&folder),
        "INSERT INTO ti_migration VALUES ('audit', 7)",
    )
    .await;
    started(&grant::sqlite(file(&folder)), "carol").await;
    run(
        &file(&folder),
        "INSERT INTO ti_migration VALUES ('grant', 3)",
    )
    .await;
    let newer = grant::sqlite(file(&folder));
    unavailable(newer.check(), "newer version");
    unavailable(
        newer.find(&GrantId::from_bytes([0; 32])).await,
        "newer version",
    );
}

#[cfg(unix)]
#[tokio::test]
async fn its_files_are_their_owners_alone_and_others_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let log = Log::default();
    let _default = scoped(tracing_subscriber::registry().with(log.json_layer()));
    let store = grant::sqlite(file(&folder));
    store.check().unwrap();
    started(&store, "carol").await;
    let mut files = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        files += 1;
    }
    assert_eq!(files, 3, "with -wal and -shm");
    let warnings = || {
        log.json()
            .iter()
            .filter(|line| line["level"] == "WARN")
            .count()
    };
    assert_eq!(warnings(), 0);
    fs::set_permissions(file(&folder), fs::Permissions::from_mode(0o644)).unwrap();
    store.check().unwrap();
    assert_eq!(warnings(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_may_write_or_that_a_link_invents_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new();
    started(&grant::sqlite(file(&folder)), "carol").await;
    for (mode, sound) in [
        (0o660, false),
        (0o606, false),
        (0o622, false),
        (0o666, false),
        (0o640, true),
        (0o644, true),
        (0o600, true),
    ] {
        fs::set_permissions(file(&folder), fs::Permissions::from_mode(mode)).unwrap();
        let opened = grant::sqlite(file(&folder));
        assert_eq!(opened.check().is_ok(), sound, "{mode:o}");
        let fresh = grant::sqlite(file(&folder));
        let found = fresh.find(&GrantId::from_bytes([7; 32])).await;
        assert_eq!(found.is_ok(), sound, "{mode:o}");
    }
    let [link, nowhere] = ["link", "nowhere"].map(|name| folder.path().join(name));
    symlink(&nowhere, &link).unwrap();
    assert!(grant::sqlite(&link).check().is_err());
    assert!(!nowhere.exists(), "nothing is made through a link");
    fs::remove_file(&link).unwrap();
    symlink(file(&folder), &link).unwrap();
    grant::sqlite(&link).check().unwrap();
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_an_error_and_never_alive() {
    let damages = [
        ("UPDATE ti_grant SET start = ''", "makes no sense"),
        (
            "UPDATE ti_grant SET start = substr(start, 1, 100)",
            "makes no sense",
        ),
        (
            "UPDATE ti_grant SET start = replace(start, '\"v\":1', '\"v\":2')",
            "unknown version",
        ),
        (
            "UPDATE ti_grant SET start = replace(start, 'header', 'carol')",
            "makes no sense",
        ),
        (
            "UPDATE ti_grant SET start = CAST(x'ff00fe' AS TEXT)",
            "start",
        ),
        ("UPDATE ti_grant SET id = zeroblob(32)", "id"),
    ];
    for (damage, expected) in damages {
        let folder = Folder::new();
        let store = grant::sqlite(file(&folder));
        let mut id = *started(&store, "carol").await.id();
        run(&file(&folder), damage).await;
        if damage.contains("SET id") {
            id = GrantId::from_bytes([0; 32]);
        }
        let sound = started(&store, "dave").await;
        unavailable(store.find(&id).await, expected);
        let list = store.list(&Filter::default(), &Page::first()).await;
        unavailable(list, expected);
        let far = now().saturating_add(Duration::from_secs(86_400));
        unavailable(store.extend(&id, far, now()).await, expected);
        // It hides nobody else's end, and can itself be ended.
        let lapsed = store.lapsed(far).await.unwrap();
        assert_eq!(lapsed.len(), 1, "{damage}");
        assert_eq!(lapsed[0].id(), sound.id(), "{damage}");
        unavailable(store.end(&id, stopped()).await, expected);
        assert_eq!(store.forget(far).await.unwrap(), 1, "{damage}");
        assert!(store.find(&id).await.unwrap().is_none(), "{damage}");
    }
    let folder = Folder::new();
    let store = grant::sqlite(file(&folder));
    let id = *started(&store, "carol").await.id();
    store.end(&id, stopped()).await.unwrap();
    run(
        &file(&folder),
        "UPDATE ti_grant SET end_reason = 'vanished'",
    )
    .await;
    unavailable(store.find(&id).await, "end_reason");
}

#[tokio::test]
async fn a_file_that_is_removed_or_replaced_is_no_store_any_more() {
    let folder = Folder::new();
    let store = grant::sqlite(file(&folder));
    let id = *started(&store, "carol").await.id();
    let (aside, yesterday) = (folder.path().join("aside"), folder.path().join("yesterday"));
    let copy = format!("VACUUM INTO '{}'", yesterday.display());
    run(&file(&folder), &copy).await;
    store.end(&id, stopped()).await.unwrap();
    let refuses = async |what: &str| {
        for _ in 0..2 {
            unavailable(store.find(&id).await, "removed or replaced");
            let end = store.end(&id, stopped()).await;
            unavailable(end, "removed or replaced");
            let new = TestGrant::new("dave", "alice").build();
            unavailable(store.start(new, one()).await, "removed or replaced");
            unavailable(store.check(), "removed or replaced");
        }
        println!("{what}");
    };
    fs::rename(file(&folder), &aside).unwrap();
    refuses("moved away").await;
    assert!(!file(&folder).exists(), "none is made");
    fs::copy(&yesterday, file(&folder)).unwrap();
    refuses("replaced").await;
    let revived = grant::sqlite(&yesterday);
    assert!(is_alive(&revived, &id).await, "which is why");
    fs::remove_file(file(&folder)).unwrap();
    fs::rename(&aside, file(&folder)).unwrap();
    assert!(!is_alive(&store, &id).await);
    started(&store, "dave").await;
}

#[tokio::test]
async fn a_locked_file_fails_what_changes_and_nothing_else() {
    let folder = Folder::new();
    let store = grant::sqlite(file(&folder)).busy_timeout(Duration::from_millis(20));
    let id = *started(&store, "carol").await.id();
    let mut db = other(&file(&folder)).await;
    let lock = db.begin_with("BEGIN IMMEDIATE").await.unwrap();
    for _ in 0..2 {
        unavailable(store.end(&id, stopped()).await, "locked");
        unavailable(store.used(&id, now()).await, "locked");
        assert!(is_alive(&store, &id).await);
        store.check().unwrap();
    }
    lock.rollback().await.unwrap();
    store.end(&id, stopped()).await.unwrap();
    assert!(!is_alive(&store, &id).await);
}

/// Every way to list, to sweep and to start goes by an index.
#[tokio::test]
async fn nothing_reads_the_whole_table() {
    let folder = Folder::new();
    grant::sqlite(file(&folder)).check().unwrap();
    let mut db = other(&file(&folder)).await;
    let order = "ORDER BY started_at DESC, id DESC LIMIT 200";
    let alive = "ended_at IS NULL AND over_at > 5";
    let actor = "actor_sub = 'a' AND actor_iss = 'b'";
    let target = "target_sub = 'a' AND target_iss = 'b'";
    let rows = "SELECT rowid FROM ti_grant WHERE";
    for (what, index) in [
        (format!("TRUE {order}"), "ti_grant_started"),
        (
            format!("(started_at, id) < (1, x'00') {order}"),
            "ti_grant_started",
        ),
        (format!("{actor} {order}"), "ti_grant_actor"),
        (format!("{target} {order}"), "ti_grant_target"),
        (format!("{alive} {order}"), "ti_grant_alive"),
        (
            format!("{actor} AND {alive} ORDER BY started_at, id"),
            "ti_grant_alive_actor",
        ),
        (
            format!("rowid IN ({rows} {actor} UNION ALL {rows} {target}) {order}"),
            "ti_grant_target",
        ),
        (
            format!(
                "rowid IN ({rows} token_id = 'a' UNION ALL {rows} origin_token_id = 'a' UNION ALL {rows} session_id = 'a') {order}"
            ),
            "ti_grant_origin_token",
        ),
        (
            "ended_at IS NULL AND over_at <= 5 ORDER BY over_at, rowid LIMIT 200".to_owned(),
            "ti_grant_over",
        ),
        (
            "ended_at < 5 ORDER BY ended_at LIMIT 200".to_owned(),
            "ti_grant_ended",
        ),
    ] {
        let sql = format!("EXPLAIN QUERY PLAN SELECT start FROM ti_grant WHERE {what}");
        let plan = sqlx::query(sqlx::AssertSqlSafe(sql))
            .fetch_all(&mut db)
            .await
            .unwrap();
        let plan: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
        let plan = plan.join("; ");
        assert!(plan.contains(index), "{what}: {plan}");
        assert!(
            !plan.contains("SCAN ti_grant;") && !plan.ends_with("SCAN ti_grant"),
            "{what}: {plan}"
        );
    }
}

#[tokio::test]
async fn it_shares_a_file_with_the_audit() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let (audit, store) = (audit::sqlite(file(&folder)), grant::sqlite(file(&folder)));
    audit.check().unwrap();
    store.check().unwrap();
    let layer = desk.unrecorded().audit(audit.clone()).build().unwrap();
    let id = *started(&store, "carol").await.id();
    desk.as_carol(&layer, &[("impersonate-user", "alice")])
        .await
        .assert_ran_as("alice", Some("carol"));
    audit.flush().await.unwrap();
    store.end(&id, stopped()).await.unwrap();
    assert_eq!(audit.query(Query::new()).await.unwrap().events.len(), 2);
    assert!(!is_alive(&store, &id).await);
}

const CHILD: &str = "TOWER_IMPERSONATE_TEST_CHILD";
const FILE: &str = "TOWER_IMPERSONATE_TEST_FILE";

/// The test of that name, in a process of its own.
fn child(test: &str, what: &str, file: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command
        .env(CHILD, what)
        .env(FILE, file)
        .stdout(Stdio::piped());
    command
}

fn words(output: &std::process::Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let lines = said
        .lines()
        .filter_map(|line| Some(line.split_once("says ")?.1.to_owned()));
    lines.collect()
}

/// Opens a store, does one thing and closes it.
#[tokio::test]
async fn the_other_process() {
    let (Ok(what), Some(path)) = (env::var(CHILD), env::var_os(FILE)) else {
        return;
    };
    let store = grant::sqlite(path);
    match what.split_once(' ').unwrap() {
        ("end", id) => {
            let ended = store.end(&id.parse().unwrap(), stopped()).await.unwrap();
            println!("says {}", ended.unwrap().now);
        }
        ("find", id) => {
            let found = store.find(&id.parse().unwrap()).await.unwrap();
            println!("says {}", found.is_some());
        }
        ("start", actor) => println!("says {}", started(&store, actor).await.id()),
        ("race", count) => {
            for number in 0..count.parse().unwrap() {
                println!("says {}", wins(&store, number).await);
            }
        }
        other => panic!("{other:?}"),
    }
}

async fn wins(store: &SqliteStore, number: usize) -> bool {
    let grant = TestGrant::new(format!("actor-{number}"), "alice").build();
    matches!(store.start(grant, one()).await.unwrap(), Started::New(..))
}

#[tokio::test]
async fn two_processes_are_one_store() {
    let folder = Folder::new();
    let store = grant::sqlite(file(&folder));
    let ask = |what: &str| {
        let output = child("the_other_process", what, &file(&folder)).output();
        words(&output.unwrap()).remove(0)
    };
    for round in 0..3 {
        let mine = *started(&store, &format!("mine-{round}")).await.id();
        // A second connection comes and goes: the locks of the first one stay.
        store.check().unwrap();
        assert_eq!(ask(&format!("end {mine}")), "true");
        assert!(!is_alive(&store, &mine).await);
        assert!(!store.end(&mine, stopped()).await.unwrap().unwrap().now);
        let theirs: GrantId = ask(&format!("start theirs-{round}")).parse().unwrap();
        assert!(is_alive(&store, &theirs).await);
        let next = *started(&store, &format!("next-{round}")).await.id();
        assert_eq!(ask(&format!("find {next}")), "true");
        store.end(&theirs, stopped()).await.unwrap();
        assert_eq!(ask(&format!("end {theirs}")), "false");
    }
}

#[tokio::test]
async fn of_two_processes_that_start_the_same_one_does() {
    const ACTORS: usize = 100;
    let folder = Folder::new();
    let busy = Duration::from_secs(5);
    let store = grant::sqlite(file(&folder)).busy_timeout(busy);
    store.check().unwrap();
    let race = child(
        "the_other_process",
        &format!("race {ACTORS}"),
        &file(&folder),
    )
    .spawn();
    let mut mine = Vec::new();
    for number in 0..ACTORS {
        mine.push(wins(&store, number).await);
    }
    let theirs = words(&race.unwrap().wait_with_output().unwrap());
    assert_eq!(theirs.len(), ACTORS);
    for (number, (mine, theirs)) in mine.iter().zip(&theirs).enumerate() {
        assert_ne!(mine.to_string(), *theirs, "actor-{number}");
    }
    let page = store
        .list(&Filter::default(), &Page::first())
        .await
        .unwrap();
    assert_eq!(page.len(), ACTORS);
    assert!(page.iter().all(|grant| grant.actor().issuer() == ISSUER));
}
