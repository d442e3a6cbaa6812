//! The sinks of the crate: the file, the tracing target, and several at once.

mod support;

#[path = "support/sinks.rs"]
mod sinks;

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use http::HeaderValue;
use sinks::{Folder, Mood, Moody, lines};
use support::{Desk, get};
use tower_impersonate::audit::{self, EventName};
use tower_impersonate::middleware::ConfigError;
use tower_impersonate::resolve::{self, Requested, Resolution};
use tower_impersonate::terms::{Ask, Reason, Strategy, TargetRef};
use tower_impersonate::{ImpersonationLayer, policy};

const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];
const AS_ROOT: [(&str, &str); 1] = [("impersonate-user", "root")];

fn into_file(desk: &Desk, file: &Path) -> ImpersonationLayer {
    desk.unrecorded().audit(audit::jsonl(file)).build().unwrap()
}

#[tokio::test]
async fn what_a_client_sends_is_one_line_of_visible_characters() {
    const NASTY: &str = "a\n{\"b\":1}\r\u{1b}[31m\u{7f}\u{85}\u{2028}\u{2029}\u{202e}\u{2066}\u{200b}\u{feff}\u{ad}\u{61c}\u{e0041}\"\\ é日";
    let (desk, folder) = (Desk::new(), Folder::new());
    let by_reason = resolve::custom(|claims, _| {
        let target = TargetRef::subject(claims.issuer(), "alice");
        let reason = Reason::parse(NASTY, 500).unwrap();
        let ask = Ask::user(target, Strategy::Custom).with_reason(reason);
        Resolution::from(Requested::new(claims.caller(), ask))
    });
    let layer = desk.bare_unrecorded().issuer(desk.accepted());
    let layer = layer
        .resolve(by_reason)
        .policy(policy::in_group("support"))
        .audit(audit::jsonl(folder.file()))
        .build()
        .unwrap();

    let path = format!("/caf\u{e9}\u{202e}\u{2028}\u{9b}{}", "\u{e9}".repeat(2000));
    let mut request = get(&desk.carol(), &[]);
    *request.uri_mut() = path.parse().unwrap();
    let headers = request.headers_mut();
    let long = HeaderValue::from_str(&format!("curl\t{}", "x".repeat(1000))).unwrap();
    headers.insert("user-agent", long.clone());
    headers.insert("x-request-id", long);
    desk.send(&layer, request)
        .await
        .assert_ran_as("alice", Some("carol"));

    let mut request = get(&desk.carol(), &[]);
    let obscure = HeaderValue::from_bytes("curl\u{202e}\u{2028}".as_bytes()).unwrap();
    request.headers_mut().insert("user-agent", obscure);
    desk.send(&layer, request)
        .await
        .assert_ran_as("alice", Some("carol"));

    let text = fs::read_to_string(folder.file()).unwrap();
    assert_eq!(text.split('\n').count(), 5, "four lines and the end");
    let seen = |c: char| c == '\n' || c.is_ascii_graphic() || " é日".contains(c);
    let hidden: Vec<_> = text.chars().filter(|c| !seen(*c)).collect();
    assert!(hidden.is_empty(), "{hidden:?}");

    let events = lines(&folder.file());
    assert_eq!(events[0]["impersonation.reason"], NASTY);
    let length = |field: &str| events[0][field].as_str().unwrap().len();
    assert!((1020..=1024).contains(&length("url.path")));
    assert_eq!(length("user_agent.original"), 256);
    assert_eq!(length("http.request.id"), 128);
}

#[tokio::test]
async fn lines_stay_whole_when_many_write() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let layer = into_file(&desk, &folder.file());
    let carol = desk.carol();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = { runtime }.enable_all().build().unwrap();
                runtime.block_on(async {
                    for _ in 0..25 {
                        desk.send(&layer, get(&carol, &AS_ALICE)).await;
                    }
                });
            });
        }
    });
    let events = lines(&folder.file());
    let named = |name| events.iter().filter(|e| e["event.name"] == name).count();
    assert_eq!(named("impersonation.request"), 200);
    assert_eq!(named("impersonation.completed"), 200);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone_and_is_never_cut() {
    use std::os::unix::fs::PermissionsExt;

    let (desk, folder) = (Desk::new(), Folder::new());
    for round in 1..=2 {
        let layer = into_file(&desk, &folder.file());
        desk.as_carol(&layer, &AS_ALICE).await;
        assert_eq!(lines(&folder.file()).len(), 2 * round);
    }
    let mode = fs::metadata(folder.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_line_torn_by_an_earlier_process_does_not_swallow_the_next() {
    let (desk, folder) = (Desk::new(), Folder::new());
    fs::write(folder.file(), r#"{"event.name":"imperso"#).unwrap();
    let layer = into_file(&desk, &folder.file());
    desk.as_carol(&layer, &AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
    let text = fs::read_to_string(folder.file()).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(r#"{"event.name":"imperso"#));
    let whole = lines.map(serde_json::from_str::<serde_json::Value>);
    assert_eq!(whole.filter(Result::is_ok).count(), 2);
}

/// A named pipe without a reader fails every write, and one with a reader takes them again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn after_a_failed_write_the_next_event_begins_on_a_new_line() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let made = Command::new("mkfifo").arg(folder.file()).status().unwrap();
    assert!(made.success());
    let open = || {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).open(folder.file()).unwrap()
    };
    let read = |pipe: &mut fs::File| {
        let mut buffer = vec![0; 1 << 16];
        let length = pipe.read(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };

    let mut pipe = open();
    let layer = into_file(&desk, &folder.file());
    desk.as_carol(&layer, &AS_ALICE).await;
    assert!(read(&mut pipe).starts_with('{'));

    drop(pipe);
    desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
    desk.as_carol(&layer, &AS_ROOT).await.assert_refused(503);

    let mut pipe = open();
    desk.as_carol(&layer, &AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
    let text = read(&mut pipe);
    assert!(text.starts_with("\n{"), "{text}");
    assert_eq!(text.matches('\n').count(), 3, "{text}");
    pipe.flush().unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_refuses() {
    let desk = Desk::new();
    let layer = into_file(&desk, Path::new("/dev/full"));
    desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
    desk.as_carol(&layer, &[])
        .await
        .assert_ran_as("carol", None);
}

#[test]
fn a_file_that_cannot_be_opened_is_found_when_the_layer_is_built() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let file = folder.file().join("missing").join("audit.jsonl");
    let error = desk
        .unrecorded()
        .audit(audit::jsonl(&file))
        .build()
        .unwrap_err();
    assert!(matches!(error, ConfigError::Audit(_)), "{error:?}");
    let cause = error.source().and_then(Error::source).unwrap().to_string();
    assert!(cause.contains("missing"), "{cause}");

    let nothing = desk.unrecorded().audit(audit::all([])).build();
    assert!(matches!(nothing, Err(ConfigError::Audit(_))));
}

#[tokio::test(start_paused = true)]
async fn all_sinks_must_take_the_event() {
    let desk = Desk::new();
    let (first, second) = (Moody::new(Mood::Well), Moody::new(Mood::Well));
    let sink = audit::all([audit::shared(first.clone()), audit::shared(second.clone())]);
    let layer = desk.unrecorded().audit(sink).build().unwrap();
    for taken in [Mood::Well, Mood::Slow] {
        for refused in [
            Mood::Fails,
            Mood::FailsLater,
            Mood::Hangs,
            Mood::Panics,
            Mood::PanicsLater,
        ] {
            for (one, other) in [(taken, refused), (refused, taken)] {
                first.turns(one);
                second.turns(other);
                desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
                desk.as_carol(&layer, &AS_ROOT).await.assert_refused(503);
            }
        }
        first.turns(taken);
        second.turns(taken);
        first.kept.clear();
        second.kept.clear();
        desk.as_carol(&layer, &AS_ALICE)
            .await
            .assert_ran_as("alice", Some("carol"));
        assert_eq!(first.kept.events().len(), 2);
        assert_eq!(first.kept.events(), second.kept.events());
    }
}

#[tokio::test]
async fn one_sink_that_panics_at_the_end_leaves_the_others_their_completion() {
    let desk = Desk::new();
    let (first, second) = (
        Moody::new(Mood::Well).completes(Mood::Panics),
        Moody::new(Mood::Well),
    );
    let sink = audit::all([audit::shared(first), audit::shared(second.clone())]);
    let layer = desk.unrecorded().audit(sink).build().unwrap();
    desk.as_carol(&layer, &AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
    assert_eq!(second.kept.named(EventName::Completed).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_a_second_unless_it_is_said() {
    let desk = Desk::new();
    let layer = desk.unrecorded().audit(Moody::new(Mood::Hangs));
    let layer = layer.build().unwrap();
    let before = tokio::time::Instant::now();
    desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
    let waited = before.elapsed();
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}
