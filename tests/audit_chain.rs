//! The chain of records, tampered with in every way.

mod support;

#[path = "support/chains.rs"]
mod chains;
#[path = "support/sinks.rs"]
mod sinks;

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chains::{act, beside, forged, into, signer, verify, verify_with};
use sinks::{Folder, lines};
use support::{Desk, get};
use tower_impersonate::audit;
use tower_impersonate::audit::chain::{CANNOT_SHOW, CheckpointFault, Checkpoints, Fault};

/// So many records, the whole file with its checkpoints, which were kept elsewhere.
async fn kept(records: usize) -> (Vec<u8>, Vec<u8>) {
    let (desk, folder) = (Desk::new(), Folder::new());
    let elsewhere = Arc::<Mutex<String>>::default();
    let anchor = Arc::clone(&elsewhere);
    let signed = Checkpoints::signed_by(signer(1))
        .every_records(1000)
        .every(Duration::from_secs(3600))
        .anchor(move |note| anchor.lock().unwrap().push_str(note));
    let chain = audit::chained(folder.file()).checkpoints(signed);
    let layer = into(&desk, chain);
    act(&desk, &layer, records / 2).await;
    drop(layer);
    let chain = fs::read(folder.file()).unwrap();
    let checkpoints = fs::read(beside(&folder.file(), ".checkpoints")).unwrap();
    assert_eq!(elsewhere.lock().unwrap().as_bytes(), checkpoints);
    (chain, checkpoints)
}

fn split(chain: &[u8]) -> Vec<&[u8]> {
    chain.split_inclusive(|byte| *byte == b'\n').collect()
}

#[tokio::test]
async fn a85_edited_removed_swapped_duplicated_cut_and_replaced() {
    const RECORDS: usize = 100_000;
    let (chain, checkpoints) = kept(RECORDS).await;
    let intact = verify_with(&chain, &checkpoints);
    assert!(intact.is_intact(), "{intact}");
    assert_eq!(
        (intact.records, intact.size),
        (RECORDS as u64, RECORDS as u64)
    );
    assert_eq!(intact.covered, Some(RECORDS as u64));
    assert!(intact.checkpoints > 90, "{intact}");

    let good = split(&chain);
    tampered(&good, &[(50_000, 99_000)]);
    tampered(&good[..1000], &[(0, 1), (5, 6), (77, 900), (998, 999)]);

    // Cut between two lines, nothing shows by itself.
    let cut = good[..RECORDS - 10].concat();
    let report = verify(&cut);
    assert!(
        report.is_intact() && report.to_string().contains(CANNOT_SHOW),
        "{report}"
    );
    let found = verify_with(&cut, &checkpoints).bad_checkpoint.unwrap();
    assert_eq!(
        (found.size, found.fault),
        (Some(RECORDS as u64), CheckpointFault::Beyond)
    );

    // Neither does another chain.
    let (other, its_own) = kept(RECORDS / 10).await;
    let report = verify(&other);
    assert!(
        report.is_intact() && report.to_string().contains(CANNOT_SHOW),
        "{report}"
    );
    assert!(verify_with(&other, &its_own).is_intact());
    let found = verify_with(&other, &checkpoints).bad_checkpoint.unwrap();
    assert_eq!(found.fault, CheckpointFault::Misfit);
}

/// Every way to tamper with the record at the first place, or with it and the one at the second.
#[track_caller]
fn tampered(good: &[&[u8]], places: &[(usize, usize)]) {
    let bad = |lines: &[&[u8]]| {
        let report = verify(&lines.concat());
        let bad = report
            .bad
            .unwrap_or_else(|| panic!("nothing found: {report}"));
        assert_eq!(report.records, bad.seq);
        (bad.seq, bad.fault)
    };
    for (at, other) in places.iter().copied() {
        let mut line = good[at].to_vec();
        let name = line.windows(5).position(|bytes| bytes == b"alice").unwrap();
        line[name] = b'A';
        let mut lines = good.to_vec();
        lines[at] = &line;
        assert_eq!(bad(&lines), (at as u64, Fault::Edited));

        let mut lines = good.to_vec();
        lines.swap(at, other);
        assert_eq!(bad(&lines), (at as u64, Fault::OutOfOrder), "{at}");

        let mut lines = good.to_vec();
        lines.insert(other, good[at]);
        assert_eq!(bad(&lines), (other as u64, Fault::Duplicated), "{at}");

        let mut lines = good.to_vec();
        lines.remove(at);
        assert_eq!(bad(&lines), (at as u64, Fault::Removed), "{at}");
    }
}

/// Whoever knows the format makes a line that is right in itself.
#[tokio::test]
async fn a85_rewritten_by_somebody_who_knows_how() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    let (chain, checkpoints) = kept(20).await;
    let good = split(&chain);
    let rewritten = |at: usize| {
        let text = std::str::from_utf8(good[at]).unwrap();
        let text = text.replace(r#""carol""#, r#""dora""#);
        let (hashed, _) = text.split_once(r#","impersonation.chain.leaf":"#).unwrap();
        let leaf = Sha256::new()
            .chain_update([0])
            .chain_update(hashed)
            .finalize();
        let leaf = STANDARD.encode(leaf);
        format!("{hashed},\"impersonation.chain.leaf\":\"{leaf}\"}}\n").into_bytes()
    };
    for at in 0..good.len() {
        let line = rewritten(at);
        let mut lines = good.clone();
        lines[at] = &line;
        let report = verify(&lines.concat());
        if at + 1 < good.len() {
            // The next one says what stood there.
            let bad = report.bad.unwrap();
            assert_eq!((bad.seq, bad.fault), (at as u64 + 1, Fault::Rewritten));
        } else {
            assert!(report.is_intact(), "{report}");
            let report = verify_with(&lines.concat(), &checkpoints);
            assert_eq!(
                report.bad_checkpoint.map(|bad| bad.fault),
                Some(CheckpointFault::Misfit)
            );
        }
    }
    assert!(verify(&good.concat()).is_intact());
}

/// A file that begins behind all that was signed proves nothing by that.
#[tokio::test]
async fn a85_made_up_behind_all_checkpoints() {
    let (chain, checkpoints) = kept(20).await;
    for size in [21, 32, 500] {
        let made_up = forged(size);
        let report = verify(&made_up);
        assert!(report.is_intact() && report.first == size, "{report}");
        let found = verify_with(&made_up, &checkpoints).bad_checkpoint;
        assert_eq!(
            found.map(|bad| bad.fault),
            Some(CheckpointFault::Unmet),
            "{size}"
        );
    }
    // Where the signed part ends, it must begin with what was signed.
    let found = verify_with(&forged(20), &checkpoints).bad_checkpoint;
    assert_eq!(found.map(|bad| bad.fault), Some(CheckpointFault::Misfit));
    assert!(verify_with(&chain, &checkpoints).is_intact());
}

#[tokio::test]
async fn a85_a_number_that_nothing_can_follow_is_no_record() {
    for size in [u64::MAX, (1 << 63) + 1] {
        let bad = verify(&forged(size)).bad.unwrap();
        assert_eq!((bad.seq, bad.fault), (0, Fault::Removed), "{size}");
        let (desk, folder) = (Desk::new(), Folder::new());
        fs::write(folder.file(), forged(size)).unwrap();
        let chain = audit::chained(folder.file());
        assert!(desk.unrecorded().audit(chain).build().is_err());
    }
    assert!(verify(&forged(1 << 63)).is_intact());
}

#[tokio::test]
async fn a85_a_line_without_an_end_costs_no_memory_and_is_no_record() {
    let (mut chain, _) = kept(4).await;
    chain.extend(std::iter::repeat_n(b'x', 3 << 20));
    chain.push(b'\n');
    let bad = verify(&chain).bad.unwrap();
    assert_eq!((bad.seq, bad.line, bad.fault), (4, 5, Fault::Edited));
}

#[tokio::test]
async fn a86_a87_what_a_client_sends_is_one_field_of_one_visible_line() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let layer = into(&desk, audit::chained(folder.file()));
    let nasty = "x\",\"impersonation.chain.seq\":0,\"a\":\"\u{9b}31m\u{202e}\u{2028}\\";
    let mut request = get(&desk.carol(), &chains::AS_ALICE);
    let headers = request.headers_mut();
    let agent = format!("curl\t{}", "x".repeat(1 << 20));
    headers.insert("user-agent", agent.parse().unwrap());
    let reason: String = nasty.bytes().map(|byte| format!("%{byte:02X}")).collect();
    *request.uri_mut() = format!("/{reason}/caf\u{e9}\u{202e}\u{9b}31m")
        .parse()
        .unwrap();
    desk.send(&layer, request)
        .await
        .assert_ran_as("alice", Some("carol"));
    drop(layer);
    let text = fs::read_to_string(folder.file()).unwrap();
    assert_eq!(text.lines().count(), 2);
    let hidden = |c: &char| *c != '\n' && (c.is_control() || "\u{202e}\u{2028}".contains(*c));
    assert_eq!(text.chars().find(hidden), None);
    let records = lines(&folder.file());
    assert!(
        records[0]["url.path"]
            .as_str()
            .unwrap()
            .ends_with("\u{202e}\u{9b}31m")
    );
    assert_eq!(
        records[0]["user_agent.original"].as_str().unwrap().len(),
        256
    );
    assert!(verify(text.as_bytes()).is_intact());
}

#[tokio::test]
async fn a85_cut_at_every_byte() {
    let (chain, checkpoints) = kept(24).await;
    let ends: Vec<usize> = split(&chain)
        .iter()
        .scan(0, |end, line| {
            *end += line.len();
            Some(*end)
        })
        .collect();
    for length in 0..chain.len() {
        let whole = ends.iter().filter(|end| **end <= length).count();
        let torn = length - whole.checked_sub(1).map_or(0, |last| ends[last]);
        let report = verify(&chain[..length]);
        assert_eq!(report.records, whole as u64, "{length}");
        assert_eq!(report.torn, (torn > 0).then_some(torn as u64), "{length}");
        assert_eq!(report.is_intact(), torn == 0, "{length}");
        let found = verify_with(&chain[..length], &checkpoints);
        let fault = found.bad_checkpoint.map(|bad| bad.fault);
        assert_eq!(fault, Some(CheckpointFault::Beyond), "{length}");
    }
}

#[tokio::test]
async fn a89_the_hash_is_over_the_bytes_as_they_stand() {
    let (chain, _) = kept(4).await;
    let text = String::from_utf8(chain).unwrap();
    // What any reader of JSON takes for the same.
    for (from, to) in [
        (r#""user.id":"alice""#, r#""user.id": "alice""#),
        (r#""user.id":"alice""#, r#""user.id":"\u0061lice""#),
        (r#""user.id":"alice""#, r#""user\u002eid":"alice""#),
        (
            r#""impersonation.chain.seq":1"#,
            r#""impersonation.chain.seq":01"#,
        ),
        (
            r#""impersonation.chain.seq":1"#,
            r#""impersonation.chain.seq":1.0"#,
        ),
        (
            r#"{"impersonation.chain.seq":1"#,
            r#"{ "impersonation.chain.seq":1"#,
        ),
        (
            "}\n{\"impersonation.chain.seq\":1",
            "}\r\n{\"impersonation.chain.seq\":1",
        ),
        (
            r#""user.id":"alice","impersonation.actor.sub":"carol""#,
            r#""impersonation.actor.sub":"carol","user.id":"alice""#,
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let report = verify(text.replacen(from, to, 1).as_bytes());
        assert_eq!(report.bad.map(|bad| bad.fault), Some(Fault::Edited), "{to}");
    }
    assert!(verify(text.as_bytes()).is_intact());
}

#[tokio::test]
async fn a90_the_numbers_are_the_order_and_a_clock_that_went_back_is_told() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let chain = audit::chained(folder.file()).clock(desk.clock.clone());
    let layer = into(&desk, chain);
    act(&desk, &layer, 2).await;
    drop(layer);
    let forward = verify(&fs::read(folder.file()).unwrap());
    assert_eq!(forward.clock_went_back, None);

    let earlier = Desk::new();
    desk.clock.advance(Duration::from_secs(60));
    let layer = into(&desk, audit::chained(folder.file()));
    act(&desk, &layer, 1).await;
    drop(layer);
    let layer = into(&earlier, audit::chained(folder.file()));
    act(&earlier, &layer, 1).await;
    drop(layer);
    let report = verify(&fs::read(folder.file()).unwrap());
    assert!(report.is_intact(), "{report}");
    assert_eq!(report.clock_went_back, Some(6));
    for (number, record) in lines(&folder.file()).iter().enumerate() {
        assert_eq!(record["impersonation.chain.seq"], number);
    }
}
