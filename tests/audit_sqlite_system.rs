//! The audit database against the system: a file that may not be written, a file that may not grow, and a
//! process that is killed. Each of them happens to a process of its own.
#![cfg(all(feature = "sqlite", target_os = "linux"))]

mod support;

#[path = "support/sinks.rs"]
mod sinks;

use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use sinks::Folder;
use support::Desk;
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::audit::sqlite::{Order, Query, SqliteAudit};
use tower_impersonate::audit::{self, AuditSink};

const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];

/// Says to a process that it is the one in which it happens.
const CHILD: &str = "TOWER_IMPERSONATE_CHILD";

fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// This very test, in another process that the command before it prepares.
fn again(test: &str, before: &[&str]) -> Command {
    let program = env::current_exe().unwrap();
    let mut words = before.iter().map(Path::new).chain([program.as_path()]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(["--exact", test, "--nocapture"]);
    command.env(CHILD, "1");
    command
}

#[track_caller]
fn passes(mut command: Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{wrong}");
    assert!(said.contains("1 passed"), "{said}{wrong}");
}

fn file(folder: &Folder) -> PathBuf {
    folder.path().join("audit.sqlite")
}

fn over(desk: &Desk, audit: &SqliteAudit) -> ImpersonationLayer {
    desk.unrecorded().audit(audit.clone()).build().unwrap()
}

async fn stored(audit: &SqliteAudit) -> Vec<Value> {
    let query = Query::new().order(Order::OldestFirst).limit(1000);
    let page = audit.query(query).await.unwrap();
    let json = |event: &audit::sqlite::StoredEvent| serde_json::from_str(&event.json).unwrap();
    page.events.iter().map(json).collect()
}

#[tokio::test]
async fn a81_a_file_that_may_not_be_written_refuses_until_it_may() {
    let name = "a81_a_file_that_may_not_be_written_refuses_until_it_may";
    let folder = Folder::new();
    if !is_child() && fs::metadata(folder.path()).unwrap().uid() == 0 {
        // Root may write whatever is read-only.
        let nobody = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ];
        return passes(again(name, &nobody));
    }
    let (desk, path) = (Desk::new(), file(&folder));
    let audit = audit::sqlite(&path);
    let layer = over(&desk, &audit);
    let may = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for (what, mode, back) in [
        (path.as_path(), 0o444, 0o600),
        (folder.path(), 0o555, 0o755),
    ] {
        may(what, mode);
        assert!(audit.check().is_err(), "{}", what.display());
        desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
        desk.as_carol(&layer, &[])
            .await
            .assert_ran_as("carol", None);
        drop(audit.flush().await);
        may(what, back);
        assert!(audit.check().is_ok());
    }
    desk.as_carol(&layer, &AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
    drop(audit.flush().await);
    let events = stored(&audit).await;
    assert_eq!(events[0]["impersonation.audit.lost"], 2, "{events:?}");
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn a81_a_full_disk_refuses_until_there_is_room() {
    if !is_child() {
        // A write beyond the limit must fail, and not end the process.
        let ignoring = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
        return passes(again(
            "a81_a_full_disk_refuses_until_there_is_room",
            &ignoring,
        ));
    }
    let limit = |bytes: &str| {
        let process = format!("--pid={}", std::process::id());
        let limit = format!("--fsize={bytes}:");
        let set = Command::new("prlimit").args([process, limit]).status();
        assert!(set.unwrap().success());
    };
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder));
    let layer = over(&desk, &audit);
    for _ in 0..2 {
        desk.as_carol(&layer, &AS_ALICE)
            .await
            .assert_ran_as("alice", Some("carol"));
        drop(audit.flush().await);
        let (before, lost) = (stored(&audit).await.len(), audit.lost());

        limit("4096");
        for _ in 0..3 {
            desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
            desk.as_carol(&layer, &[])
                .await
                .assert_ran_as("carol", None);
        }
        drop(audit.flush().await);
        assert_eq!(audit.lost() - lost, 3);

        limit("unlimited");
        desk.as_carol(&layer, &AS_ALICE)
            .await
            .assert_ran_as("alice", Some("carol"));
        audit.flush().await.unwrap();
        let events = stored(&audit).await;
        assert_eq!(events.len(), before + 2);
        assert_eq!(events[before]["impersonation.audit.lost"], 3);
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_when_the_process_was_killed() {
    const FILE: &str = "TOWER_IMPERSONATE_FILE";
    let name = "what_was_acknowledged_is_there_when_the_process_was_killed";
    let desk = Desk::new();
    if let Some(path) = env::var_os(FILE) {
        let layer = over(&desk, &audit::sqlite(path));
        loop {
            desk.as_carol(&layer, &AS_ALICE)
                .await
                .assert_ran_as("alice", Some("carol"));
            println!("answered");
        }
    }
    let folder = Folder::new();
    let mut acknowledged = 0;
    for _ in 0..3 {
        let mut child = again(name, &[]);
        let child = child.env(FILE, file(&folder)).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let answers = said
            .lines()
            .map(Result::unwrap)
            .filter(|l| l.ends_with("answered"));
        acknowledged += answers.take(10).count();
        child.kill().unwrap();
        child.wait().unwrap();
        let audit = audit::sqlite(file(&folder));
        assert!(audit.check().is_ok());
        let events = stored(&audit).await;
        let requests = events
            .iter()
            .filter(|e| e["event.name"] == "impersonation.request");
        assert!(requests.count() >= acknowledged);
    }
    assert_eq!(acknowledged, 30);
}

/// Opens the audit, reads it and closes it again.
#[tokio::test]
async fn the_process_that_reads() {
    let Some(path) = env::var_os(READS) else {
        return;
    };
    println!("read {}", stored(&audit::sqlite(path)).await.len());
}

const READS: &str = "TOWER_IMPERSONATE_TEST_READS";

/// The last user of a file takes its `-wal` away, and must not think so while another one is there: as
/// long as the file is open here, there is a lock on it.
#[tokio::test]
async fn what_another_process_reads_meanwhile_stays() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let audit = audit::sqlite(file(&folder));
    let layer = over(&desk, &audit);
    for round in 1..4 {
        desk.as_carol(&layer, &AS_ALICE)
            .await
            .assert_ran_as("alice", Some("carol"));
        audit.flush().await.unwrap();
        // A connection that comes and goes beside the one for writing.
        assert_eq!(stored(&audit).await.len(), 2 * round);
        let own = format!(":{} ", fs::metadata(file(&folder)).unwrap().ino());
        let locks = fs::read_to_string("/proc/locks").unwrap();
        assert!(locks.lines().any(|lock| lock.contains(&own)), "{locks}");
        let mut reads = again("the_process_that_reads", &[]);
        let read = reads.env(READS, file(&folder)).output().unwrap();
        let said = String::from_utf8_lossy(&read.stdout);
        assert!(said.contains(&format!("read {}\n", 2 * round)), "{said}");
    }
    assert_eq!(stored(&audit).await.len(), 6);
}
