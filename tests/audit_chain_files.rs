//! The file of a chain: one writer, crashes, rotation, checkpoints, and what is refused at the start.

mod support;

#[path = "support/chains.rs"]
mod chains;
#[path = "support/sinks.rs"]
mod sinks;

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Cursor, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::Ed25519KeyPair;
use chains::{
    AS_ALICE, act, beside, forged, into, key, settle, siblings, signer, verify, verify_with,
};
use sinks::{Folder, lines};
use support::Desk;
use tower_impersonate::audit::chain::{
    self, CheckpointFault, CheckpointReader, Checkpoints, Fault, NoteKey, Signer,
};
use tower_impersonate::audit::{self, AuditSink, Rotation, SyncOn};

/// Why the layer could not be built.
fn refused(desk: &Desk, sink: impl AuditSink + 'static) -> String {
    let error = desk.unrecorded().audit(sink).build().unwrap_err();
    error.source().and_then(Error::source).unwrap().to_string()
}

#[tokio::test]
async fn a88_a_second_writer_is_refused_until_the_first_is_gone() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let first = into(&desk, audit::chained(folder.file()));
    let why = refused(&desk, audit::chained(folder.file()));
    assert!(
        why.contains("another layer or process writes this chain"),
        "{why}"
    );
    act(&desk, &first, 1).await;
    drop(first);
    let second = into(&desk, audit::chained(folder.file()));
    act(&desk, &second, 1).await;
    drop(second);
    let report = verify(&fs::read(folder.file()).unwrap());
    assert!(report.is_intact() && report.records == 4, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a88_many_threads_make_one_chain() {
    let (desk, folder) = (Arc::new(Desk::new()), Folder::new());
    for (round, sync) in [SyncOn::Never, SyncOn::Request, SyncOn::EachRecord]
        .into_iter()
        .enumerate()
    {
        let layer = into(&desk, audit::chained(folder.file()).sync(sync));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (desk, layer) = (Arc::clone(&desk), layer.clone());
                tokio::spawn(async move { act(&desk, &layer, 25).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        drop(layer);
        let report = verify(&fs::read(folder.file()).unwrap());
        assert!(report.is_intact(), "{report}");
        assert_eq!(report.records, 400 * (round as u64 + 1));
    }
}

#[tokio::test]
async fn a84_a_torn_line_is_moved_away_and_told_wherever_it_was_torn() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let layer = into(&desk, audit::chained(folder.file()));
    act(&desk, &layer, 2).await;
    drop(layer);
    let whole = fs::read(folder.file()).unwrap();
    let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let third = ends.map(|(at, _)| at + 1).nth(2).unwrap();
    for length in [third + 1, third + 30, third + 200, whole.len() - 1] {
        let folder = Folder::new();
        fs::write(folder.file(), &whole[..length]).unwrap();
        let layer = into(&desk, audit::chained(folder.file()));
        act(&desk, &layer, 1).await;
        drop(layer);

        let report = verify(&fs::read(folder.file()).unwrap());
        assert!(report.is_intact(), "{report}");
        assert_eq!((report.records, report.recovered), (6, 1));
        let records = lines(&folder.file());
        assert_eq!(records[3]["event.name"], "impersonation.chain.recovered");
        assert_eq!(records[3]["impersonation.chain.torn_bytes"], length - third);
        let torn = siblings(&folder.file(), ".torn-");
        assert_eq!(torn.len(), 1);
        assert_eq!(fs::read(&torn[0]).unwrap(), whole[third..length]);
    }
}

#[tokio::test]
async fn a85_a_file_that_does_not_verify_is_refused_when_the_layer_is_built() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let signed = || Checkpoints::signed_by(signer(1));
    let chain = || audit::chained(folder.file()).checkpoints(signed());
    let layer = into(&desk, chain());
    act(&desk, &layer, 3).await;
    drop(layer);
    let whole = fs::read_to_string(folder.file()).unwrap();
    let checkpoints = fs::read(beside(&folder.file(), ".checkpoints")).unwrap();
    let few: String = whole.split_inclusive('\n').take(4).collect();
    for (file, why) in [
        (
            whole.replacen("carol", "mallory", 1),
            "record 0 (line 1) was edited",
        ),
        (few, "it has 4 records where there were 6"),
        (String::new(), "it has 0 records where there were 6"),
    ] {
        fs::write(folder.file(), file).unwrap();
        let told = refused(&desk, chain());
        assert!(told.contains(why) && told.contains("audit.jsonl"), "{told}");
    }
    let other = Folder::new();
    let layer = into(&desk, audit::chained(other.file()));
    act(&desk, &layer, 4).await;
    drop(layer);
    fs::copy(other.file(), folder.file()).unwrap();
    let told = refused(&desk, chain());
    assert!(told.contains("it was replaced"), "{told}");
    // Nor is one that begins behind what was signed; unsigned, nobody could tell.
    fs::write(folder.file(), forged(7)).unwrap();
    let told = refused(&desk, chain());
    assert!(
        told.contains("it begins with record 7, and of those before it only 6 are known"),
        "{told}"
    );
    drop(into(&desk, audit::chained(folder.file())));

    fs::write(folder.file(), whole).unwrap();
    // What a crash left of a checkpoint is moved away.
    let path = beside(&folder.file(), ".checkpoints");
    fs::write(
        &path,
        [&checkpoints[..], b"desk.example.com/audit\n17\n"].concat(),
    )
    .unwrap();
    let layer = into(&desk, chain());
    act(&desk, &layer, 1).await;
    drop(layer);
    let torn = siblings(&path, ".torn-");
    assert_eq!(torn.len(), 1);
    assert_eq!(fs::read(&torn[0]).unwrap(), b"desk.example.com/audit\n17\n");
    let report = verify_with(&fs::read(folder.file()).unwrap(), &fs::read(path).unwrap());
    assert!(report.is_intact() && report.covered == Some(8), "{report}");
}

/// Whatever else stands among the checkpoints is refused, and stays.
#[tokio::test]
async fn a85_checkpoints_that_were_tampered_with_are_refused_and_kept() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let chain = || {
        let signed = Checkpoints::signed_by(signer(1)).every_records(2);
        audit::chained(folder.file()).checkpoints(signed)
    };
    let layer = into(&desk, chain());
    act(&desk, &layer, 3).await;
    drop(layer);
    let path = beside(&folder.file(), ".checkpoints");
    let good = fs::read_to_string(&path).unwrap();
    let last = good.rfind("desk.example.com/audit\n6\n").unwrap();
    let (before, six) = good.split_at(last);
    let unsigned = "desk.example.com/audit\n9\nno head\n\n— desk.example.com/audit AAAAAAAA\n";
    for (notes, why) in [
        (format!("{before}x\n{six}"), "is malformed"),
        (format!("x\n{good}"), "is malformed"),
        (good.replacen("\n\n", "\n", 1), "is forged"),
        (format!("{good}{unsigned}"), "is malformed"),
        (format!("{good}{}", "x".repeat(5000)), "is malformed"),
        (good.replace("audit\n6\n", "audit\n4\n"), "is forged"),
        (good.replace("audit ", "audit2 "), "is forged"),
        (format!("{six}{before}"), "covers fewer records"),
    ] {
        fs::write(&path, &notes).unwrap();
        let told = refused(&desk, chain());
        assert!(told.contains(why), "{told}: {notes}");
        assert_eq!(fs::read_to_string(&path).unwrap(), notes);
    }
    // Cut anywhere in the last one, that is moved away, and nothing else.
    for length in last + 1..good.len() {
        fs::write(&path, &good.as_bytes()[..length]).unwrap();
        drop(into(&desk, chain()));
        assert!(fs::read_to_string(&path).unwrap().starts_with(before));
        assert!(verify_all(&folder.file()).is_intact());
    }
    let told = siblings(&path, ".torn-");
    assert_eq!(told.len(), good.len() - last - 1);
    fs::write(&path, good).unwrap();
    let other = Checkpoints::signed_by(signer(2));
    let told = refused(&desk, audit::chained(folder.file()).checkpoints(other));
    assert!(told.contains("is forged"), "{told}");
}

/// What leads elsewhere is not written to.
#[cfg(unix)]
#[tokio::test]
async fn a_link_beside_the_chain_is_refused_or_replaced() {
    use std::os::unix::fs::symlink;
    let (desk, folder) = (Desk::new(), Folder::new());
    let victim = beside(&folder.file(), "-of-somebody");
    fs::write(&victim, "precious").unwrap();
    let chain = || {
        audit::chained(folder.file())
            .rotate(Rotation::bytes(4096))
            .checkpoints(Checkpoints::signed_by(signer(1)))
    };
    for more in [".lock", ".checkpoints"] {
        let planted = beside(&folder.file(), more);
        symlink(&victim, &planted).unwrap();
        let told = refused(&desk, chain());
        assert!(told.contains("it is a link"), "{told}");
        fs::remove_file(&planted).unwrap();
        fs::hard_link(&victim, &planted).unwrap();
        let told = refused(&desk, chain());
        assert!(told.contains("it is a link"), "{told}");
        fs::remove_file(&planted).unwrap();
    }
    let layer = into(&desk, chain());
    symlink(&victim, beside(&folder.file(), ".next")).unwrap();
    act(&desk, &layer, 20).await;
    assert!(files(&folder.file()).len() > 2);

    // Another name of the file is no other file.
    let other = beside(&folder.file(), "-by-another-name");
    fs::hard_link(folder.file(), &other).unwrap();
    let told = refused(&desk, audit::chained(&other));
    assert!(told.contains("another layer or process"), "{told}");
    drop(layer);
    drop(into(&desk, audit::chained(&other)));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

/// A link would be set aside in place of the file, and what it leads to is written where nobody looks.
#[cfg(unix)]
#[tokio::test]
async fn a_link_in_place_of_the_chain_is_refused() {
    use std::os::unix::fs::symlink;
    let (desk, folder) = (Desk::new(), Folder::new());
    let away = beside(&folder.file(), "-away");
    let chain = || audit::chained(folder.file());
    // Where it leads nowhere, too, and to what is no file.
    for target in [&away, Path::new("/dev/null")] {
        symlink(target, folder.file()).unwrap();
        let told = refused(&desk, chain());
        assert!(told.contains("it is a link, or no file"), "{told}");
        assert!(!away.exists());
        fs::remove_file(folder.file()).unwrap();
    }
    fs::create_dir(folder.file()).unwrap();
    let told = refused(&desk, chain());
    assert!(told.contains("it is a link, or no file"), "{told}");
    fs::remove_dir(folder.file()).unwrap();

    // While it is written: the very same file, under a link.
    let layer = into(&desk, chain());
    act(&desk, &layer, 1).await;
    settle(&folder.file());
    fs::rename(folder.file(), &away).unwrap();
    symlink(&away, folder.file()).unwrap();
    let whole = fs::read(&away).unwrap();
    desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
    assert_eq!(fs::read(&away).unwrap(), whole);
    fs::rename(&away, folder.file()).unwrap();
    act(&desk, &layer, 1).await;
    drop(layer);
    assert!(verify(&fs::read(folder.file()).unwrap()).is_intact());
}

/// Nothing but a whole beginning takes the place of a file that is gone.
#[tokio::test]
async fn a_next_file_that_begins_nothing_is_not_put_in_place() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let next = beside(&folder.file(), ".next");
    let layer = into(&desk, audit::chained(folder.file()));
    act(&desk, &layer, 1).await;
    drop(layer);
    let chain = fs::read(folder.file()).unwrap();
    let whole = forged(4);
    let two = [&whole[..], &whole].concat();
    for bad in [&b""[..], &whole[..whole.len() - 1], &chain, &two, b"\n"] {
        let _ = fs::remove_file(folder.file());
        fs::write(&next, bad).unwrap();
        let told = refused(&desk, audit::chained(folder.file()));
        assert!(told.contains("it does not go on with a chain"), "{told}");
        assert_eq!(fs::read(&next).unwrap(), bad);
        // Where the file is there, it is what a crash left.
        fs::write(folder.file(), &chain).unwrap();
        drop(into(&desk, audit::chained(folder.file())));
        assert!(!next.exists());
    }
    fs::remove_file(folder.file()).unwrap();
    fs::write(&next, whole).unwrap();
    drop(into(&desk, audit::chained(folder.file())));
    assert!(!next.exists() && folder.file().exists());
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let chain = || audit::chained(folder.file());
    let signed = || Checkpoints::signed_by(signer(1));
    let liar = Signer::new(key(1), |_| Ok([7; 64]));
    let poor = Signer::new(key(1), |_| Err("the key store is away".into()));
    let panics = Signer::new(key(1), |_| panic!("a signer that panics"));
    for (chain, why) in [
        (chain().rotate(Rotation::bytes(4095)), "4,096 bytes"),
        (
            chain().checkpoints(signed().every_records(0)),
            "1 record or more",
        ),
        (
            chain().checkpoints(signed().every(Duration::ZERO)),
            "10 ms to 24 h",
        ),
        (
            chain().checkpoints(signed().every(Duration::MAX)),
            "10 ms to 24 h",
        ),
        (
            chain().checkpoints(Checkpoints::signed_by(liar)),
            "not one by the public key",
        ),
        (
            chain().checkpoints(Checkpoints::signed_by(poor)),
            "the key store is away",
        ),
        (
            chain().checkpoints(Checkpoints::signed_by(panics)),
            "the signer panicked",
        ),
        (audit::chained(folder.file().join("missing")), "missing"),
    ] {
        let told = refused(&desk, chain);
        assert!(told.contains(why), "{told}");
    }
    let why = refused(
        &desk,
        audit::jsonl(folder.file()).rotate(Rotation::bytes(0)),
    );
    assert!(why.contains("4,096 bytes"), "{why}");
    drop(into(
        &desk,
        chain().rotate(Rotation::bytes(4096)).checkpoints(signed()),
    ));
}

/// The files of a chain, the oldest first.
fn files(path: &Path) -> Vec<std::path::PathBuf> {
    let mut files = siblings(path, ".0");
    files.push(path.to_owned());
    files
}

fn verify_all(path: &Path) -> chain::Report {
    let files = files(path);
    let open = |path| BufReader::new(File::open(path).unwrap());
    let checkpoints = open(beside(path, ".checkpoints"));
    let checkpoints = CheckpointReader::new(checkpoints, [key(1)]).unwrap();
    chain::verify_with(files.into_iter().map(open), checkpoints).unwrap()
}

#[tokio::test]
async fn a_chain_goes_on_over_its_files() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let chain = |rotation| {
        let signed = Checkpoints::signed_by(signer(1)).every_records(7);
        audit::chained(folder.file())
            .clock(desk.clock.clone())
            .rotate(rotation)
            .checkpoints(signed)
    };
    let layer = into(&desk, chain(Rotation::bytes(8192)));
    act(&desk, &layer, 40).await;
    drop(layer);
    let old = files(&folder.file());
    assert!(old.len() > 5, "{old:?}");
    let name = old[0].file_name().unwrap().to_str().unwrap();
    let records = verify(&fs::read(&old[0]).unwrap()).size;
    assert_eq!(name, format!("audit.jsonl.{records:020}.20231114T221320Z"));
    for file in &old {
        assert!(fs::metadata(file).unwrap().len() <= 8192 + 2048, "{file:?}");
    }
    let layer = into(&desk, chain(Rotation::daily()));
    desk.clock.advance(Duration::from_secs(24 * 3600));
    act(&desk, &layer, 1).await;
    drop(layer);
    let report = verify_all(&folder.file());
    assert!(report.is_intact(), "{report}");
    assert_eq!((report.first, report.covered), (0, Some(report.records)));
    let events = files(&folder.file())
        .iter()
        .flat_map(|file| lines(file))
        .collect::<Vec<_>>();
    let requests = events
        .iter()
        .filter(|event| event["event.name"] == "impersonation.request");
    assert_eq!(requests.count(), 41);

    // Alone, the current file verifies from where it begins; the checkpoint with which that was
    // begun says that it goes on with the others.
    let report = {
        let file = fs::read(folder.file()).unwrap();
        verify_with(
            &file,
            &fs::read(beside(&folder.file(), ".checkpoints")).unwrap(),
        )
    };
    assert!(report.is_intact() && report.first > 80, "{report}");
    assert!(report.checkpoints >= 2, "{report}");
    assert_eq!(report.covered, Some(report.size));
    let notes = fs::read_to_string(beside(&folder.file(), ".checkpoints")).unwrap();
    assert!(notes.contains(&format!("\n{}\n", report.first)));
    // Without one of them, it does not go on.
    let mut some = files(&folder.file());
    some.remove(2);
    let open = |path| BufReader::new(File::open(path).unwrap());
    let report = chain::verify(some.into_iter().map(open)).unwrap();
    assert_eq!(report.bad.map(|bad| bad.fault), Some(Fault::Removed));

    // The end is gone, and older files are there: no new chain is begun beside them.
    fs::rename(folder.file(), beside(&folder.file(), ".hidden")).unwrap();
    let told = refused(&desk, audit::chained(folder.file()));
    assert!(
        told.contains("it is gone, and older files of it are there"),
        "{told}"
    );
    // A crash between the two renames of a rotation is finished.
    fs::rename(
        beside(&folder.file(), ".hidden"),
        beside(&folder.file(), ".next"),
    )
    .unwrap();
    let layer = into(&desk, chain(Rotation::daily()));
    act(&desk, &layer, 1).await;
    drop(layer);
    assert!(verify_all(&folder.file()).is_intact());
}

#[tokio::test]
async fn checkpoints_are_made_by_time_too_and_a_signer_that_fails_stops_nothing() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let path = beside(&folder.file(), ".checkpoints");
    let signed = || Checkpoints::signed_by(signer(1)).every(Duration::from_millis(10));
    let panics = signed().anchor(|_| panic!("an anchor that panics"));
    let layer = into(&desk, audit::chained(folder.file()).checkpoints(panics));
    drop(layer);
    assert!(fs::read_to_string(&path).unwrap().contains("\n0\n"));

    let well = Arc::new(Mutex::new(true));
    let mood = Arc::clone(&well);
    let honest = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let moody = Signer::new(key(1), move |message| match *mood.lock().unwrap() {
        true => Ok(honest.sign(message).as_ref().try_into()?),
        false => Err("the key store is away".into()),
    });
    let signed = Checkpoints::signed_by(moody).every(Duration::from_millis(10));
    let layer = into(&desk, audit::chained(folder.file()).checkpoints(signed));
    *well.lock().unwrap() = false;
    act(&desk, &layer, 3).await;
    *well.lock().unwrap() = true;
    let begun = Instant::now();
    while !fs::read_to_string(&path).unwrap().contains("\n6\n") {
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(layer);
    let report = verify_with(&fs::read(folder.file()).unwrap(), &fs::read(path).unwrap());
    assert!(report.is_intact() && report.covered == Some(6), "{report}");
}

/// A file whose head nobody signed is not set aside: the next one could be anybody's.
#[tokio::test]
async fn no_file_is_begun_before_the_one_before_it_is_signed() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let well = Arc::new(Mutex::new(true));
    let mood = Arc::clone(&well);
    let honest = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let moody = Signer::new(key(1), move |message| match *mood.lock().unwrap() {
        true => Ok(honest.sign(message).as_ref().try_into()?),
        false => Err("the key store is away".into()),
    });
    // Signed for no other reason than that.
    let rarely = |signer| Checkpoints::signed_by(signer).every(Duration::from_secs(86_400));
    let chain = |signer| {
        audit::chained(folder.file())
            .rotate(Rotation::bytes(4096))
            .checkpoints(rarely(signer))
    };
    let layer = into(&desk, chain(moody));
    *well.lock().unwrap() = false;
    act(&desk, &layer, 20).await;
    drop(layer);
    assert_eq!(files(&folder.file()).len(), 1, "nothing was set aside");

    let layer = into(&desk, chain(signer(1)));
    act(&desk, &layer, 20).await;
    drop(layer);
    let files = files(&folder.file());
    assert!(files.len() > 3, "{files:?}");
    let checkpoints = fs::read(beside(&folder.file(), ".checkpoints")).unwrap();
    for file in &files {
        let report = verify_with(&fs::read(file).unwrap(), &[]);
        let head = format!("\n{}\n", report.size);
        let signed = std::str::from_utf8(&checkpoints).unwrap().contains(&head);
        assert!(signed, "{file:?}: {report}");
    }
    let report = verify_all(&folder.file());
    assert!(report.is_intact(), "{report}");
    drop(into(&desk, chain(signer(1))));
}

#[tokio::test]
async fn a_checkpoint_that_is_forged_misfit_or_missing_is_named() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let chain = audit::chained(folder.file());
    let layer = into(
        &desk,
        chain.checkpoints(Checkpoints::signed_by(signer(1)).every_records(2)),
    );
    act(&desk, &layer, 3).await;
    drop(layer);
    let chain = fs::read(folder.file()).unwrap();
    let notes = fs::read_to_string(beside(&folder.file(), ".checkpoints")).unwrap();
    let last = notes.rfind("desk.example.com/audit\n6\n").unwrap();
    let fault = |checkpoints: &str| {
        let report = verify_with(&chain, checkpoints.as_bytes());
        report.bad_checkpoint.map(|bad| bad.fault)
    };
    assert_eq!(fault(&notes), None);
    assert_eq!(fault(&notes[last..]), None);
    assert_eq!(fault(""), Some(CheckpointFault::Missing));
    assert_eq!(fault("garbage"), Some(CheckpointFault::Malformed));
    assert_eq!(
        fault(&notes[..notes.len() - 1]),
        Some(CheckpointFault::Malformed)
    );
    assert_eq!(
        fault(&notes.replace('—', "-")),
        Some(CheckpointFault::Malformed)
    );
    assert_eq!(
        fault(&notes.replace("audit\n6\n", "audit\n5\n")),
        Some(CheckpointFault::Forged)
    );
    assert_eq!(
        fault(&notes.replace("audit\n6\n", "audit\n06\n")),
        Some(CheckpointFault::Malformed)
    );
    let swapped = [&notes[last..], &notes[..last]].concat();
    assert_eq!(fault(&swapped), Some(CheckpointFault::OutOfOrder));

    // Signed by somebody else; and by us, beside a witness whom nobody asked.
    let reader = |bytes: &str, number| {
        CheckpointReader::new(Cursor::new(bytes.to_owned()), [key(number)]).unwrap()
    };
    let other = chain::verify_with([&chain[..]], reader(&notes, 2)).unwrap();
    assert_eq!(
        other.bad_checkpoint.map(|bad| bad.fault),
        Some(CheckpointFault::Forged)
    );
    let witness = format!("{}— witness.example.com AAAAAAAA\n", &notes[last..]);
    assert!(
        chain::verify_with([&chain[..]], reader(&witness, 1))
            .unwrap()
            .is_intact()
    );
}

/// The example of golang.org/x/mod/sumdb/note, which C2SP's signed-note took over.
#[test]
fn the_known_key_of_a_signed_note() {
    let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let known: NoteKey = text.parse().unwrap();
    assert_eq!(known.to_string(), text);
    let short = "PeterNeumann+GlzZBxQ8OExB6DDFvOEqqIF+xWSaqr8sMTiLNbLXRNY=";
    assert_eq!(short.parse::<NoteKey>().unwrap(), known);
    for bad in [
        "",
        "PeterNeumann",
        "+GlzZBxQ8OExB6DDFvOEqqIF+xWSaqr8sMTiLNbLXRNY=",
        "Peter Neumann+GlzZBxQ8OExB6DDFvOEqqIF+xWSaqr8sMTiLNbLXRNY=",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+AAAA",
    ] {
        assert!(bad.parse::<NoteKey>().is_err(), "{bad}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_taken_away_while_it_is_written_is_gone_on_with() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let layer = into(&desk, audit::chained(folder.file()));
    act(&desk, &layer, 2).await;
    settle(&folder.file());
    let taken = beside(&folder.file(), ".20200101T000000Z");
    fs::rename(folder.file(), &taken).unwrap();
    act(&desk, &layer, 1).await;
    settle(&folder.file());

    // The folder vanishes: nothing is written into a file that nobody can find.
    let home = folder.file().parent().unwrap().to_owned();
    let away = beside(&home, ".away");
    fs::rename(&home, &away).unwrap();
    desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
    fs::rename(&away, &home).unwrap();
    act(&desk, &layer, 1).await;
    settle(&folder.file());

    // Somebody else appends, or cuts: it is refused until that is undone.
    let before = fs::read(folder.file()).unwrap();
    let mut file = OpenOptions::new().append(true).open(folder.file()).unwrap();
    file.write_all(b"{}\n").unwrap();
    desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
    file.set_len(10).unwrap();
    desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
    fs::write(folder.file(), before).unwrap();
    act(&desk, &layer, 1).await;
    drop(layer);
    let open = |path| BufReader::new(File::open(path).unwrap());
    let report = chain::verify([taken, folder.file()].map(open)).unwrap();
    assert!(report.is_intact(), "{report}");
}
