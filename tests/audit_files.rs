//! Files of JSON lines that are set aside and brought to the disk.

mod support;

#[path = "support/chains.rs"]
mod chains;
#[path = "support/sinks.rs"]
mod sinks;

use std::fs;
use std::time::Duration;

use chains::{AS_ALICE, act, beside, into, settle, siblings};
use sinks::{Folder, lines};
use support::{Desk, get};
use tower_impersonate::audit::{self, Rotation, SyncOn};

#[tokio::test]
async fn a_file_is_set_aside_before_it_grows_beyond_its_size() {
    for sync in [SyncOn::Never, SyncOn::Request, SyncOn::EachRecord] {
        let (desk, folder) = (Desk::new(), Folder::new());
        let sink = || {
            audit::jsonl(folder.file())
                .rotate(Rotation::bytes(4096))
                .sync(sync)
        };
        for _ in 0..2 {
            let layer = into(&desk, sink());
            act(&desk, &layer, 10).await;
        }
        let mut files = siblings(&folder.file(), ".2");
        let names: Vec<_> = files
            .iter()
            .map(|file| file.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names[..2],
            [
                "audit.jsonl.20231114T221320Z",
                "audit.jsonl.20231114T221320Z-000001"
            ]
        );
        files.push(folder.file());
        let mut ids = Vec::new();
        for file in &files {
            assert!(fs::metadata(file).unwrap().len() <= 4096, "{file:?}");
            let events = lines(file);
            ids.extend(
                events
                    .iter()
                    .map(|event| event["event.id"].as_str().unwrap().to_owned()),
            );
        }
        assert_eq!(ids.len(), 40);
        assert!(ids.is_sorted(), "in the order of their names");
    }
}

#[tokio::test]
async fn a_file_is_set_aside_with_the_first_event_of_a_day() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let layer = into(&desk, audit::jsonl(folder.file()).rotate(Rotation::daily()));
    // It is 22:13:20.
    act(&desk, &layer, 1).await;
    desk.clock.advance(Duration::from_secs(3600 + 46 * 60 + 39));
    act(&desk, &layer, 1).await;
    assert!(siblings(&folder.file(), ".2").is_empty());
    desk.clock.advance(Duration::from_secs(1));
    act(&desk, &layer, 1).await;
    let old = siblings(&folder.file(), ".2");
    assert_eq!(old, [beside(&folder.file(), ".20231115T000000Z")]);
    assert_eq!((lines(&old[0]).len(), lines(&folder.file()).len()), (4, 2));
    // A clock that goes back sets nothing aside.
    let earlier = Desk::new();
    let layer = into(
        &earlier,
        audit::jsonl(folder.file()).rotate(Rotation::daily()),
    );
    act(&earlier, &layer, 1).await;
    assert_eq!(siblings(&folder.file(), ".2").len(), 1);
}

/// Whatever the clock says, and whatever was taken away in between.
#[tokio::test]
async fn a90_no_file_is_named_before_an_older_one() {
    let (desk, folder) = (Desk::new(), Folder::new());
    for (number, older) in [
        ".20300101T000000Z",
        ".20300101T000000Z-000007.gz",
        ".torn-20400101T000000Z",
        ".20400101",
        ".2040",
    ]
    .iter()
    .enumerate()
    {
        fs::write(beside(&folder.file(), older), number.to_string()).unwrap();
    }
    let sink = audit::jsonl(folder.file()).rotate(Rotation::bytes(4096));
    let layer = into(&desk, sink);
    act(&desk, &layer, 10).await;
    for number in [8, 9] {
        let name = format!(".20300101T000000Z-{number:06}");
        assert!(!lines(&beside(&folder.file(), &name)).is_empty(), "{name}");
    }
    assert!(siblings(&folder.file(), ".2023").is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_another_tool_renamed_is_made_anew() {
    for sync in [SyncOn::Never, SyncOn::Request] {
        let (desk, folder) = (Desk::new(), Folder::new());
        let layer = into(&desk, audit::jsonl(folder.file()).sync(sync));
        act(&desk, &layer, 1).await;
        settle(&folder.file());
        let old = beside(&folder.file(), ".1");
        fs::rename(folder.file(), &old).unwrap();
        act(&desk, &layer, 2).await;
        drop(layer);
        assert_eq!((lines(&old).len(), lines(&folder.file()).len()), (2, 4));
    }
}

#[tokio::test]
async fn what_is_synced_is_written_before_the_handler_runs_and_in_order() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let layer = into(&desk, audit::jsonl(folder.file()).sync(SyncOn::EachRecord));
    for round in 1..=5 {
        desk.as_carol(&layer, &AS_ALICE)
            .await
            .assert_ran_as("alice", Some("carol"));
        let events = lines(&folder.file());
        // The completion may still be on its way.
        assert!(
            [2 * round - 1, 2 * round].contains(&events.len()),
            "{events:?}"
        );
        let last = events
            .iter()
            .rfind(|event| event["event.name"] == "impersonation.request");
        assert!(last.is_some());
    }
    // A client that leaves meanwhile leaves its record and its completion.
    let waiting = desk.send(&layer, get(&desk.carol(), &AS_ALICE));
    let mut waiting = Box::pin(waiting);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    drop(waiting);
    drop(layer);
    let events = lines(&folder.file());
    assert_eq!(events.len(), 12);
    assert_eq!(events[11]["impersonation.outcome"], "aborted");
}
