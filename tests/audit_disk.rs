//! Audit files on disks that fail, and in processes that are killed. Nothing is faked: real mounts,
//! real limits, real signals.

#![cfg(target_os = "linux")]

mod support;

#[path = "support/chains.rs"]
mod chains;
#[path = "support/sinks.rs"]
mod sinks;

use std::collections::HashSet;
use std::convert::Infallible;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use chains::{AS_ALICE, act, beside, into, settle, siblings, verify};
use http::{Request, Response};
use http_body_util::Full;
use sinks::{Folder, left_out, lines};
use support::{Desk, get};
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::audit::{self, AuditSink, Rotation, SyncOn, chain};
use tower_impersonate::{ImpersonationLayer, Principal};

type Make = fn(&Path) -> Arc<dyn AuditSink>;

/// Every way to write a file.
const SINKS: [(&str, Make); 4] = [
    ("lines", |path| audit::shared(audit::jsonl(path))),
    ("synced lines", |path| {
        audit::shared(audit::jsonl(path).sync(SyncOn::EachRecord))
    }),
    ("chain", |path| audit::shared(audit::chained(path))),
    ("synced chain", |path| {
        audit::shared(audit::chained(path).sync(SyncOn::Request))
    }),
];

/// Refused while it lasts, and nothing else is; afterwards all is well, without another layer.
async fn withstands(desk: &Desk, layer: &ImpersonationLayer, name: &str, over: impl FnOnce()) {
    for _ in 0..3 {
        let seen = desk.as_carol(layer, &AS_ALICE).await;
        assert_eq!((seen.status.as_u16(), seen.ran), (503, false), "{name}");
        let seen = desk.as_carol(layer, &[("impersonate-user", "root")]).await;
        assert_eq!((seen.status.as_u16(), seen.ran), (503, false), "{name}");
    }
    desk.as_carol(layer, &[]).await.assert_ran_as("carol", None);
    over();
    act(desk, layer, 2).await;
}

/// Whole lines of one request each, and a chain where it is one.
fn is_whole(name: &str, file: &Path, requests: usize) {
    let text = fs::read_to_string(file).unwrap();
    let events: Vec<serde_json::Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let named = events
        .iter()
        .filter(|event| event["event.name"] == "impersonation.request");
    assert_eq!(named.count(), requests, "{name}: {text}");
    if name.contains("chain") {
        let report = verify(text.as_bytes());
        assert!(report.is_intact(), "{name}: {report}");
    }
}

/// A file system in memory, unmounted when dropped; `None` where one may not be mounted.
struct Mount(PathBuf);

impl Mount {
    fn new(at: &Path, options: &str) -> Option<Self> {
        Self::by(&["-t", "tmpfs", "-o", options, "tmpfs"], at)
    }

    /// A file in place of another.
    fn bind(file: &Path, at: &Path) -> Option<Self> {
        Self::by(&["--bind", file.to_str().unwrap()], at)
    }

    fn by(how: &[&str], at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        let mounted =
            { mount.args(how).arg(at).output() }.is_ok_and(|output| output.status.success());
        if !mounted {
            left_out(
                MOUNTS,
                "nothing can be mounted here: a disk that is full, read-only or failing",
            );
        }
        mounted.then(|| Self(at.to_owned()))
    }
}

/// `demanded`: where nothing can be mounted, the tests that need it fail.
const MOUNTS: &str = "TOWER_IMPERSONATE_TEST_MOUNTS";

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[tokio::test]
async fn a83_a_full_disk() {
    for (name, make) in SINKS {
        let (desk, folder) = (Desk::new(), Folder::new());
        let home = folder.file().parent().unwrap().to_owned();
        let Some(_mount) = Mount::new(&home, "size=64k") else {
            return;
        };
        let layer = into(&desk, make(&folder.file()));
        act(&desk, &layer, 1).await;
        settle(&folder.file());
        let ballast = home.join("ballast");
        let mut fill = File::create(&ballast).unwrap();
        while fill.write_all(&[0; 64]).is_ok() {}
        drop(fill);
        // The rest of the last block. A file system in memory counts its blocks by processor, and may
        // say too early that it is full.
        let (mut requests, mut refused) = (1, 0);
        while refused < 5 {
            if desk.as_carol(&layer, &AS_ALICE).await.ran {
                (requests, refused) = (requests + 1, 0);
                assert!(requests < 1000, "{name}: it is never full");
            } else {
                refused += 1;
            }
        }
        withstands(&desk, &layer, name, || fs::remove_file(&ballast).unwrap()).await;
        drop(layer);
        is_whole(name, &folder.file(), requests + 2);
    }
}

#[tokio::test]
async fn a83_a_file_system_that_is_read_only() {
    for (name, make) in SINKS {
        let (desk, folder) = (Desk::new(), Folder::new());
        let home = folder.file().parent().unwrap().to_owned();
        let layer = into(&desk, make(&folder.file()));
        act(&desk, &layer, 1).await;
        settle(&folder.file());
        let Some(mount) = Mount::new(&home, "size=64k,ro") else {
            return;
        };
        withstands(&desk, &layer, name, || drop(mount)).await;
        drop(layer);
        is_whole(name, &folder.file(), 3);
    }
}

/// The memory of a process cannot be read or written at its beginning: EIO.
#[tokio::test]
async fn a83_a_disk_with_errors() {
    let memory = format!("/proc/{}/mem", std::process::id());
    for (name, make) in SINKS {
        let (desk, folder) = (Desk::new(), Folder::new());
        let layer = into(&desk, make(&folder.file()));
        act(&desk, &layer, 1).await;
        settle(&folder.file());
        // A chain takes no link for its file, so it gets the memory in its place.
        if name.contains("chain") {
            let Some(mount) = Mount::bind(Path::new(&memory), &folder.file()) else {
                return;
            };
            let failing = OpenOptions::new().append(true).open(folder.file());
            let error = failing.unwrap().write(b"{}").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(5), "EIO");
            withstands(&desk, &layer, name, || drop(mount)).await;
        } else {
            let away = beside(&folder.file(), "-away");
            fs::rename(folder.file(), &away).unwrap();
            symlink(&memory, folder.file()).unwrap();
            let back = || {
                fs::remove_file(folder.file()).unwrap();
                fs::rename(&away, folder.file()).unwrap();
            };
            withstands(&desk, &layer, name, back).await;
        }
        drop(layer);
        is_whole(name, &folder.file(), 3);
    }
}

#[tokio::test]
async fn a83_a_folder_that_vanishes() {
    for (name, make) in SINKS {
        let (desk, folder) = (Desk::new(), Folder::new());
        let layer = into(&desk, make(&folder.file()));
        act(&desk, &layer, 1).await;
        settle(&folder.file());
        let home = folder.file().parent().unwrap().to_owned();
        let away = beside(&home, "-away");
        fs::rename(&home, &away).unwrap();
        withstands(&desk, &layer, name, || fs::rename(&away, &home).unwrap()).await;
        drop(layer);
        is_whole(name, &folder.file(), 3);
    }
}

/// Runs one of the tests below in a process of its own.
fn child(test: &str, file: &Path, round: usize) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env(FILE, file).env(ROUND, round.to_string());
    command
}

const FILE: &str = "TOWER_IMPERSONATE_TEST_FILE";
const ROUND: &str = "TOWER_IMPERSONATE_TEST_ROUND";

fn told() -> Option<(PathBuf, usize)> {
    Some((
        env::var_os(FILE)?.into(),
        env::var(ROUND).ok()?.parse().ok()?,
    ))
}

#[test]
fn a83_a_limit_on_the_size_of_files() {
    for (round, (name, _)) in SINKS.iter().enumerate() {
        let folder = Folder::new();
        let child = child("the_process_with_a_limit", &folder.file(), round);
        // What it says goes through a pipe: in a file it would meet the limit.
        let ended = Command::new("sh")
            .args([
                "-c",
                r#"trap '' XFSZ; exec prlimit --fsize=8000:unlimited "$@""#,
                "sh",
            ])
            .arg(child.get_program())
            .args(child.get_args())
            .envs(
                child
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{name}: {said}");
        assert!(fs::metadata(folder.file()).unwrap().len() > 8000, "{name}");
    }
}

#[tokio::test]
async fn the_process_with_a_limit() {
    let Some((file, round)) = told() else {
        return;
    };
    let (name, make) = SINKS[round];
    let desk = Desk::new();
    let layer = into(&desk, make(&file));
    let mut requests = 0;
    while desk.as_carol(&layer, &AS_ALICE).await.ran {
        requests += 1;
        assert!(requests < 1000, "{name}: no limit");
    }
    assert!(requests > 1, "{name}");
    let limit = |bytes: &str| {
        let own = format!("--pid={}", std::process::id());
        let limited = Command::new("prlimit")
            .args([own, format!("--fsize={bytes}:unlimited")])
            .status();
        assert!(limited.unwrap().success());
    };
    if name.contains("chain") {
        // Not even the shortest event fits.
        limit("1");
        desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
        // Nothing is held while it fails: the file is opened and verified again, once the completion
        // of what was refused has failed, too.
        let opens = || desk.unrecorded().audit(make(&file)).build().is_ok();
        assert!((0..5000).any(|_| opens() || pause()), "{name}: held");
    }
    let over = || limit("unlimited");
    withstands(&desk, &layer, name, over).await;
    drop(layer);
    is_whole(name, &file, requests + 2);
}

fn pause() -> bool {
    std::thread::sleep(Duration::from_millis(1));
    false
}

/// What was torn stays where it is until the chain tells of it.
#[tokio::test]
async fn a84_a_torn_line_that_cannot_be_told_of_is_not_cut_off() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let layer = into(&desk, audit::chained(folder.file()));
    act(&desk, &layer, 2).await;
    drop(layer);
    let whole = fs::read(folder.file()).unwrap();
    let torn = [&whole[..], &whole[..700]].concat();
    fs::write(folder.file(), &torn).unwrap();
    let told = child("the_process_that_cannot_recover", &folder.file(), 0);
    let ended = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; exec prlimit --fsize="$0" "$@""#])
        .arg(whole.len().to_string())
        .arg(told.get_program())
        .args(told.get_args())
        .env(FILE, folder.file())
        .env(ROUND, "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    assert_eq!(fs::read(folder.file()).unwrap(), torn);
    drop(into(&desk, audit::chained(folder.file())));
    let report = verify(&fs::read(folder.file()).unwrap());
    assert!(report.is_intact() && report.recovered == 1, "{report}");
}

#[test]
fn the_process_that_cannot_recover() {
    let Some((file, _)) = told() else {
        return;
    };
    let built = Desk::new().builder().audit(audit::chained(file)).build();
    assert!(built.is_err());
}

/// Two hundred processes are killed in the midst of writing one chain.
#[test]
fn a84_killed_at_two_hundred_moments() {
    const MOMENTS: usize = 200;
    let folder = Folder::new();
    let mut acknowledged = HashSet::new();
    let mut random: u64 = 0x5eed;
    for round in 0..MOMENTS {
        // Knuth's MMIX generator.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let moment = Duration::from_micros((random >> 33) % 20_000);
        let mut child = child("the_process_that_is_killed", &folder.file(), round)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut ids = Vec::new();
        let id = |line: String| Some(line.split_once("ack ")?.1.to_owned());
        // Once it writes.
        ids.extend(out.by_ref().map_while(Result::ok).find_map(id));
        assert_eq!(ids.len(), 1, "round {round}: it did not begin");
        thread::sleep(moment);
        child.kill().unwrap();
        let mut rest: Vec<_> = out.map_while(Result::ok).collect();
        // A line that was torn with the pipe acknowledges nothing.
        rest.retain(|line| line.len() == "ack ".len() + 36);
        ids.extend(rest.into_iter().filter_map(id));
        child.wait().unwrap();
        acknowledged.extend(ids);
    }
    drop(into(&Desk::new(), audit::chained(folder.file())));

    let mut files = siblings(&folder.file(), ".0");
    files.push(folder.file());
    assert!(files.len() > 2, "{files:?}");
    let open = |path| BufReader::new(File::open(path).unwrap());
    let report = chain::verify(files.iter().map(open)).unwrap();
    assert!(report.is_intact(), "{report}");
    let written: HashSet<String> = files
        .iter()
        .flat_map(|file| lines(file))
        .map(|record| record["event.id"].as_str().unwrap().to_owned())
        .collect();
    let lost: Vec<_> = acknowledged.difference(&written).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(
        report.recovered as usize,
        siblings(&folder.file(), ".torn-").len()
    );
    println!(
        "{} acknowledged, {} written, {} files, {} torn",
        acknowledged.len(),
        written.len(),
        files.len(),
        report.recovered
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_killed() {
    let Some((file, round)) = told() else {
        return;
    };
    let desk = Arc::new(Desk::new());
    let sync = [SyncOn::Never, SyncOn::Request, SyncOn::EachRecord][round % 3];
    let sink = audit::chained(file)
        .rotate(Rotation::bytes(16 * 1024))
        .sync(sync);
    let layer = into(&desk, sink);
    let tell = service_fn(|request: Request<Full<Bytes>>| async move {
        let principal = request.extensions().get::<Principal>().unwrap();
        let id = principal.impersonation().unwrap().event_id();
        std::io::stdout()
            .write_all(format!("ack {id}\n").as_bytes())
            .unwrap();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let carol = desk.carol();
    let writes = || {
        let (service, carol) = (layer.layer(tell), carol.clone());
        tokio::spawn(async move {
            for _ in 0..usize::MAX {
                let sent = service.clone().oneshot(get(&carol, &AS_ALICE));
                drop(sent.await.unwrap());
            }
        })
    };
    let (one, two, three) = tokio::join!(writes(), writes(), writes());
    for ended in [one, two, three] {
        ended.unwrap();
    }
}
