//! The audit in a SQLite database: real files, real locks, real limits of the system.
#![cfg(feature = "sqlite")]

mod support;

#[path = "support/sinks.rs"]
mod sinks;
#[path = "support/trace.rs"]
mod trace;

use std::convert::Infallible;
use std::error::Error;
use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::Value;
use sinks::Folder;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use support::{Desk, ISSUER, get};
use tokio::sync::Notify;
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::audit::sqlite::{Order, Query, SqliteAudit, SqliteErrorKind};
use tower_impersonate::audit::{self, AuditSink, EventId, EventName};
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::middleware::ConfigError;
use tower_impersonate::time::{Clock, Timestamp};
use trace::{Log, scoped};
use tracing_subscriber::layer::SubscriberExt;

const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];
const AS_BOB: [(&str, &str); 1] = [("impersonate-user", "bob")];
const AS_ROOT: [(&str, &str); 1] = [("impersonate-user", "root")];

fn file(folder: &Folder) -> PathBuf {
    folder.path().join("audit.sqlite")
}

fn over(desk: &Desk, audit: &SqliteAudit) -> ImpersonationLayer {
    desk.unrecorded().audit(audit.clone()).build().unwrap()
}

/// Another user of the file, as another process would be.
async fn other(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    options.connect().await.unwrap()
}

fn key(sub: &str) -> IdentityKey {
    IdentityKey::new(ISSUER, sub)
}

async fn all(audit: &SqliteAudit) -> Vec<Value> {
    let query = Query::new().order(Order::OldestFirst).limit(1000);
    let page = audit.query(query).await.unwrap();
    assert_eq!(page.next, None);
    let events = page.events.iter();
    events
        .map(|e| serde_json::from_str(&e.json).unwrap())
        .collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event.name"].as_str().unwrap())
        .map(|name| name.strip_prefix("impersonation.").unwrap())
        .collect()
}

fn told(events: &[Value]) -> u64 {
    let lost = |event: &Value| {
        event
            .get("impersonation.audit.lost")
            .map_or(Some(0), Value::as_u64)
    };
    events.iter().map(|event| lost(event).unwrap()).sum()
}

/// What made the request 503.
fn cause(seen: &support::Seen) -> String {
    let mut causes = Vec::new();
    let mut next = seen
        .rejection
        .as_ref()
        .and_then(|rejection| rejection.source());
    while let Some(error) = next {
        causes.push(error.to_string());
        next = error.source();
    }
    causes.join(": ")
}

/// One request that is refused with such a cause, and a plain one that is not.
async fn refused(desk: &Desk, layer: &ImpersonationLayer, expected: &str) {
    for headers in [AS_ALICE, AS_ROOT] {
        let seen = desk.as_carol(layer, &headers).await;
        seen.assert_refused(503);
        let cause = cause(&seen);
        assert!(cause.contains(expected), "{cause}");
    }
    let plain = desk.as_carol(layer, &[]).await;
    plain.assert_ran_as("carol", None);
}

async fn runs(desk: &Desk, layer: &ImpersonationLayer) {
    let seen = desk.as_carol(layer, &AS_ALICE).await;
    let cause = cause(&seen);
    assert_eq!(seen.status.as_u16(), 200, "{cause}");
    seen.assert_ran_as("alice", Some("carol"));
}

#[tokio::test]
async fn an_event_is_a_row_with_columns_and_the_json_that_every_sink_writes() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder));
    let both = audit::all([
        audit::shared(audit.clone()),
        audit::shared(desk.sink.clone()),
    ]);
    let layer = desk.unrecorded().audit(both).build().unwrap();
    for headers in [AS_ALICE, AS_ROOT, [("impersonate-user", "nobody")]] {
        desk.as_carol(&layer, &headers).await;
    }
    audit.flush().await.unwrap();
    let stored = audit.query(Query::new().order(Order::OldestFirst)).await;
    let stored = stored.unwrap().events;
    assert_eq!(all(&audit).await, desk.sink.events());
    assert_eq!(stored.len(), 4);
    for event in &stored {
        let json: Value = serde_json::from_str(&event.json).unwrap();
        let text = |field: &str| json.get(field).and_then(Value::as_str);
        assert_eq!(text("event.id"), Some(&*event.id.to_string()));
        assert_eq!(text("event.name"), Some(&*event.name));
        assert_eq!(text("impersonation.outcome"), Some(&*event.outcome));
        assert_eq!(text("impersonation.actor.sub"), Some(event.actor.subject()));
        assert_eq!(text("impersonation.actor.iss"), Some(event.actor.issuer()));
        let target = event.target.as_ref();
        assert_eq!(
            text("impersonation.target.sub"),
            target.map(IdentityKey::subject)
        );
        assert_eq!(
            text("impersonation.target.iss"),
            target.map(IdentityKey::issuer)
        );
        assert_eq!(text("impersonation.deny.rule"), event.rule.as_deref());
        let millis = |time: &str| time.split_at("2023-11-14T22:13:20.000".len()).0.to_owned();
        assert_eq!(
            text("time").map(millis),
            Some(millis(&event.time.to_string()))
        );
        assert_eq!(event.grant, None);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn its_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder));
    runs(&desk, &over(&desk, &audit)).await;
    let mut seen = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{entry:?}");
        seen.push(entry.file_name().into_string().unwrap());
    }
    seen.sort();
    assert_eq!(
        seen,
        ["audit.sqlite", "audit.sqlite-shm", "audit.sqlite-wal"]
    );
}

#[tokio::test]
async fn events_are_found_by_who_whom_what_and_when() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder));
    let layer = over(&desk, &audit);
    let dora = desk.token("dora", &["support"]).sign();
    let begun = desk.clock.now();
    desk.as_carol(&layer, &AS_ALICE).await;
    desk.clock.advance(Duration::from_secs(10));
    desk.send(&layer, get(&dora, &AS_BOB)).await;
    desk.clock.advance(Duration::from_secs(10));
    desk.as_carol(&layer, &AS_ROOT).await;
    desk.send(&layer, get(&desk.alice(), &AS_BOB)).await;
    audit.flush().await.unwrap();
    let mut db = other(&file(&folder)).await;
    let set = "UPDATE ti_audit_event SET grant_id = 'g-1' WHERE actor_sub = 'dora'";
    sqlx::query(set).execute(&mut db).await.unwrap();

    let after = |seconds| begun.saturating_add(Duration::from_secs(seconds));
    let none = Timestamp::from_unix_seconds(0);
    let cases = [
        ("everything", Query::new(), 6),
        ("an actor", Query::new().actor(key("carol")), 3),
        ("another", Query::new().actor(key("dora")), 2),
        ("a target", Query::new().target(key("bob")), 2),
        ("nobody's actor", Query::new().actor(key("bob")), 0),
        (
            "the same sub elsewhere",
            Query::new().actor(IdentityKey::new("https://else.example", "carol")),
            0,
        ),
        ("a grant", Query::new().grant("g-1"), 2),
        ("no grant", Query::new().grant("g-2"), 0),
        ("denials", Query::new().named(EventName::Denied), 2),
        ("ends", Query::new().named(EventName::Completed), 2),
        ("the start", Query::new().between(begun, after(10)), 2),
        (
            "with its bounds",
            Query::new().between(after(10), after(20)),
            2,
        ),
        ("the rest", Query::new().between(after(1), after(21)), 4),
        (
            "nothing between",
            Query::new().between(after(1), after(9)),
            0,
        ),
        ("the wrong way", Query::new().between(after(20), begun), 0),
        ("long ago", Query::new().between(none, begun), 0),
        (
            "all at once",
            Query::new()
                .actor(key("dora"))
                .target(key("bob"))
                .grant("g-1")
                .named(EventName::Request)
                .between(begun, after(11)),
            1,
        ),
    ];
    for (what, query, count) in cases {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let page = audit.query(query.clone().order(order)).await.unwrap();
            assert_eq!(page.events.len(), count, "{what}, {order:?}");
            assert_eq!(page.next, None);
        }
    }
}

#[tokio::test]
async fn pages_go_through_everything_once_in_either_order() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder));
    let layer = over(&desk, &audit);
    for _ in 0..5 {
        desk.as_carol(&layer, &AS_ALICE).await;
    }
    audit.flush().await.unwrap();
    for order in [Order::OldestFirst, Order::NewestFirst] {
        for limit in [1, 3, 5, 9, 10, 1000] {
            let mut query = Query::new().actor(key("carol")).order(order).limit(limit);
            let mut seen: Vec<EventId> = Vec::new();
            loop {
                let page = audit.query(query.clone()).await.unwrap();
                assert!(page.events.len() <= limit as usize);
                assert!(!page.events.is_empty(), "no empty page at the end");
                assert!(seen.len() < 10, "none comes twice");
                seen.extend(page.events.iter().map(|event| event.id));
                let Some(next) = page.next else { break };
                // As it comes back from a client.
                query = query.after(next.to_string().parse().unwrap());
            }
            if order == Order::NewestFirst {
                seen.reverse();
            }
            assert_eq!(seen.len(), 10, "{order:?} by {limit}");
            assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
    for limit in [0, 1001, u32::MAX] {
        let error = audit.query(Query::new().limit(limit)).await.unwrap_err();
        assert_eq!(error.kind(), SqliteErrorKind::Limit);
    }
}

#[tokio::test]
async fn a79_what_looks_like_sql_is_text() {
    const NASTY: [&str; 5] = [
        "' OR 1=1 --",
        "'; DROP TABLE ti_audit_event; --",
        "%",
        "?1",
        "a\0b",
    ];
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder));
    let layer = over(&desk, &audit);
    for sub in NASTY {
        let token = desk.token(sub, &["customers"]).sign();
        desk.send(&layer, get(&token, &AS_BOB)).await;
        runs(&desk, &layer).await;
    }
    audit.flush().await.unwrap();
    for sub in NASTY {
        let page = audit.query(Query::new().target(key(sub))).await.unwrap();
        assert!(page.events.is_empty(), "{sub:?}");
        let page = audit.query(Query::new().grant(sub)).await.unwrap();
        assert!(page.events.is_empty(), "{sub:?}");
        let page = audit.query(Query::new().actor(key(sub))).await.unwrap();
        assert_eq!(page.events.len(), 1, "{sub:?}");
        for event in page.events {
            assert_eq!(event.actor, key(sub));
        }
    }
    let carols = Query::new().actor(key("carol"));
    assert_eq!(audit.query(carols).await.unwrap().events.len(), 10);
    for bad in NASTY {
        assert!(bad.parse::<EventId>().is_err(), "no cursor");
    }
}

#[tokio::test]
async fn a81_a_locked_database_refuses_until_the_lock_is_gone() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder)).busy_timeout(Duration::from_millis(50));
    let layer = over(&desk, &audit);
    runs(&desk, &layer).await;
    audit.flush().await.unwrap();
    let mut db = other(&file(&folder)).await;
    for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        let before = audit.lost();
        let held = db.begin_with(lock).await.unwrap();
        refused(&desk, &layer, "database is locked").await;
        assert!(audit.check().is_ok(), "no reason not to start");
        // Reading goes on, as the log beside the file is made for.
        assert!(!all(&audit).await.is_empty());
        drop(audit.flush().await);
        held.rollback().await.unwrap();
        runs(&desk, &layer).await;
        audit.flush().await.unwrap();
        assert_eq!(audit.lost() - before, 1, "the end of the refused request");
        assert_eq!(told(&all(&audit).await), audit.lost());
    }
}

#[tokio::test]
async fn a81_a_short_lock_is_waited_for() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder)).busy_timeout(Duration::from_secs(5));
    let layer = { desk.unrecorded() }.deadline(Duration::from_secs(30));
    let layer = layer.audit(audit.clone()).build().unwrap();
    let mut db = other(&file(&folder)).await;
    let held = db.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let waits = async {
        // The event is in the queue: whoever writes it meets the lock, or comes after it.
        while !format!("{audit:?}").contains("waiting: 1") {
            tokio::task::yield_now().await;
        }
        held.commit().await.unwrap();
    };
    let ((), ()) = tokio::join!(runs(&desk, &layer), waits);
}

#[tokio::test]
async fn a81_a_corrupt_database_refuses_and_a_restored_one_is_taken_up() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let path = file(&folder);
    let audit = audit::sqlite(&path);
    let layer = over(&desk, &audit);
    let side = |end: &str| folder.path().join(format!("audit.sqlite{end}"));
    runs(&desk, &layer).await;
    audit.flush().await.unwrap();
    let mut db = other(&path).await;
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    sqlx::query(sql).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
    let good = fs::read(&path).unwrap();

    // Somebody puts another file in its place.
    for garbage in [vec![0x5a; good.len()], b"{\"event\":1}\n".to_vec()] {
        for end in ["", "-wal", "-shm"] {
            drop(fs::remove_file(side(end)));
        }
        fs::write(&path, &garbage).unwrap();
        refused(&desk, &layer, "file is not a database").await;
        let error = audit.query(Query::new()).await.unwrap_err();
        assert_eq!(error.kind(), SqliteErrorKind::Database);
        let built = desk.unrecorded().audit(audit.clone()).build();
        assert!(matches!(built, Err(ConfigError::Audit(_))));
        assert_eq!(fs::read(&path).unwrap(), garbage, "left as it is");

        fs::remove_file(&path).unwrap();
        fs::write(&path, &good).unwrap();
        runs(&desk, &layer).await;
        drop(audit.flush().await);
        let events = all(&audit).await;
        assert_eq!(names(&events)[..2], ["request", "completed"]);
        assert_eq!(events.len(), 4);
    }
    assert_eq!(audit.lost(), 2);

    // Every page but the first is overwritten in place.
    let mut broken = good.clone();
    broken[4096..].fill(0x5a);
    for end in ["", "-wal", "-shm"] {
        drop(fs::remove_file(side(end)));
    }
    fs::write(&path, &broken).unwrap();
    refused(&desk, &layer, "malformed").await;
}

#[tokio::test]
async fn a_file_that_is_removed_is_made_anew_so_that_nothing_goes_nowhere() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder));
    let layer = over(&desk, &audit);
    let log = Log::default();
    let _default = scoped(tracing_subscriber::registry().with(log.json_layer()));
    let warnings = || {
        let lines = log.json();
        let of_the_file = lines.iter().filter(|line| {
            let message = line["fields"]["message"].as_str();
            message.is_some_and(|text| text.starts_with("the audit database was removed"))
        });
        of_the_file.filter(|line| line["level"] == "WARN").count()
    };
    for removed in 0..3 {
        runs(&desk, &layer).await;
        assert_eq!(warnings(), removed);
        audit.flush().await.unwrap();
        assert_eq!(names(&all(&audit).await), ["request", "completed"]);
        for entry in fs::read_dir(folder.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
    // Control: where nobody removes it, it stays.
    runs(&desk, &layer).await;
    runs(&desk, &layer).await;
    audit.flush().await.unwrap();
    assert_eq!(all(&audit).await.len(), 4);
    assert_eq!(warnings(), 3);
}

#[test]
fn a_path_that_cannot_work_is_found_when_the_layer_is_built() {
    let (desk, folder) = (Desk::new(), Folder::new());
    fs::write(folder.path().join("text"), "no database at all\n").unwrap();
    let bad = [
        (folder.path().to_owned(), "directory"),
        (folder.path().join("missing/audit.sqlite"), "No such file"),
        (folder.path().join("text"), "not a database"),
        (PathBuf::from("/dev/null"), "not a regular file"),
        (PathBuf::new(), ""),
    ];
    for (path, expected) in bad {
        let error = desk.unrecorded().audit(audit::sqlite(&path)).build();
        let error = error.err().unwrap_or_else(|| panic!("{}", path.display()));
        let cause = error.source().and_then(Error::source).unwrap().to_string();
        assert!(cause.contains(expected), "{cause}");
        assert!(cause.contains(&*path.to_string_lossy()), "{cause}");
    }
    for audit in [
        audit::sqlite(file(&folder)).capacity(0),
        audit::sqlite(file(&folder)).capacity(65_537),
        audit::sqlite(file(&folder)).busy_timeout(Duration::ZERO),
        audit::sqlite(file(&folder)).busy_timeout(Duration::from_secs(6)),
    ] {
        let built = desk.unrecorded().audit(audit).build();
        assert!(matches!(built, Err(ConfigError::Audit(_))));
    }
    let good = audit::sqlite(file(&folder))
        .capacity(1)
        .busy_timeout(Duration::from_millis(1));
    assert!(desk.unrecorded().audit(good).build().is_ok());
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder));
    drop(over(&desk, &audit));
    let mut db = other(&file(&folder)).await;
    // Other parts of the crate count their own.
    let theirs = "INSERT INTO ti_migration VALUES ('grant', 7)";
    sqlx::query(theirs).execute(&mut db).await.unwrap();
    runs(&desk, &over(&desk, &audit)).await;
    let newer = "INSERT INTO ti_migration VALUES ('audit', 2)";
    sqlx::query(newer).execute(&mut db).await.unwrap();
    let error = desk.unrecorded().audit(audit.clone()).build().unwrap_err();
    let cause = error.source().and_then(Error::source).unwrap().to_string();
    assert!(
        cause.starts_with("the audit database was made by a newer version"),
        "{cause}"
    );
    let error = audit.query(Query::new()).await.unwrap_err();
    assert_eq!(error.kind(), SqliteErrorKind::Newer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_are_all_written() {
    let (desk, folder) = (Arc::new(Desk::new()), Folder::new());
    let audit = audit::sqlite(file(&folder));
    let layer = { desk.unrecorded() }.deadline(Duration::from_secs(30));
    let layer = layer.audit(audit.clone()).build().unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (desk, layer, audit) = (Arc::clone(&desk), layer.clone(), audit.clone());
            tokio::spawn(async move {
                for _ in 0..4 {
                    runs(&desk, &layer).await;
                    let one = audit.query(Query::new().limit(1)).await.unwrap();
                    assert_eq!(one.events.len(), 1);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    audit.flush().await.unwrap();
    assert_eq!((audit.lost(), all(&audit).await.len()), (0, 512));
}

#[tokio::test]
async fn several_that_make_the_same_file_at_once_agree() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let audits: Vec<_> = (0..8).map(|_| audit::sqlite(file(&folder))).collect();
    std::thread::scope(|scope| {
        let all = audits.iter().map(|audit| scope.spawn(|| audit.check()));
        for one in all.collect::<Vec<_>>() {
            one.join().unwrap().unwrap();
        }
    });
    for audit in &audits {
        runs(&desk, &over(&desk, audit)).await;
        audit.flush().await.unwrap();
    }
    assert_eq!(all(&audits[0]).await.len(), 16);
}

#[tokio::test]
async fn old_events_are_pruned_and_no_others() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder));
    let layer = over(&desk, &audit);
    runs(&desk, &layer).await;
    audit.flush().await.unwrap();
    let mut db = other(&file(&folder)).await;
    let many = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2499) \
        INSERT INTO ti_audit_event (id, time_ms, name, outcome, actor_sub, actor_iss, event) \
        SELECT printf('00000000-%04x-7000-8000-000000000000', i), i, 'n', 'o', 's', 'i', '{}' FROM n";
    sqlx::query(many).execute(&mut db).await.unwrap();
    let at = Timestamp::from_unix_millis;
    for (before, gone) in [(0, 0), (1, 1), (1, 0), (2000, 1999), (2499, 499)] {
        assert_eq!(audit.prune_before(at(before)).await.unwrap(), gone);
    }
    assert_eq!(all(&audit).await.len(), 3);
    let held = db.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let error = audit.prune_before(at(2500)).await.unwrap_err();
    assert_eq!(error.kind(), SqliteErrorKind::Database);
    held.rollback().await.unwrap();
    let now = desk.clock.now();
    assert_eq!(audit.prune_before(now).await.unwrap(), 1);
    let later = now.saturating_add(Duration::from_secs(1));
    assert_eq!(audit.prune_before(later).await.unwrap(), 2);
    assert!(all(&audit).await.is_empty());
    runs(&desk, &layer).await;
}

#[tokio::test]
async fn a95_a_request_that_is_cancelled_after_its_effect_is_in_the_record_and_aborted() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder));
    let layer = over(&desk, &audit);
    let effect = Arc::new(Notify::new());
    let done = Arc::clone(&effect);
    let handler = move |_: Request<Full<Bytes>>| {
        done.notify_one();
        pending::<Result<Response<Full<Bytes>>, Infallible>>()
    };
    let service = layer.layer(service_fn(handler));
    let request = tokio::spawn(service.oneshot(get(&desk.carol(), &AS_ALICE)));
    effect.notified().await;
    let events = all(&audit).await;
    assert_eq!(
        names(&events),
        ["request"],
        "on the disk before the handler"
    );
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    audit.flush().await.unwrap();
    let events = all(&audit).await;
    assert_eq!(names(&events), ["request", "completed"]);
    assert_eq!(events[1]["impersonation.outcome"], "aborted");
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_an_error_and_no_panic() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder));
    drop(over(&desk, &audit));
    let mut db = other(&file(&folder)).await;
    let row = "INSERT INTO ti_audit_event (id, time_ms, name, outcome, actor_sub, actor_iss, event) \
        VALUES ('not an id', 0, 'n', 'o', 's', 'i', '{}')";
    sqlx::query(row).execute(&mut db).await.unwrap();
    let error = audit.query(Query::new()).await.unwrap_err();
    assert_eq!(error.kind(), SqliteErrorKind::Row);
}

#[test]
fn its_types_can_be_shared_shown_and_cloned_as_it_fits() {
    fn cloned<T: Clone + Send + Sync + std::fmt::Debug + 'static>() {}
    fn error<T: Error + Send + Sync + 'static>() {}
    cloned::<SqliteAudit>();
    cloned::<Query>();
    cloned::<Order>();
    cloned::<audit::sqlite::Page>();
    cloned::<audit::sqlite::StoredEvent>();
    cloned::<SqliteErrorKind>();
    error::<audit::sqlite::SqliteError>();
}
