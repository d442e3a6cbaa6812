//! Chains for tests: many real events, a signer, and what a tool would find.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::audit::AuditSink;
use tower_impersonate::audit::chain::{self, CheckpointReader, NoteKey, Report, Signer};

use crate::support::{Desk, get};

pub const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];

/// A disk may be slow and yet work: only one that fails is to refuse.
pub fn into(desk: &Desk, sink: impl AuditSink + 'static) -> ImpersonationLayer {
    let patient = desk.unrecorded().deadline(Duration::from_secs(30));
    patient.audit(sink).build().unwrap()
}

/// Carol acts as Alice so many times: two records each.
pub async fn act(desk: &Desk, layer: &ImpersonationLayer, times: usize) {
    let carol = desk.carol();
    for _ in 0..times {
        let seen = desk.send(layer, get(&carol, &AS_ALICE)).await;
        seen.assert_ran_as("alice", Some("carol"));
    }
}

/// Waits until the completion of the last request is written: nobody else does.
pub fn settle(file: &Path) {
    for _ in 0..5000 {
        let text = fs::read_to_string(file).unwrap_or_default();
        let last = text.lines().next_back().unwrap_or_default();
        if text.ends_with('\n') && last.contains("\"impersonation.completed\"") {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{}: no completion", file.display());
}

/// Somebody who signs, by the number of their key.
pub fn signer(number: u8) -> Signer {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap();
    Signer::new(key(number), move |message| {
        Ok(pair.sign(message).as_ref().try_into()?)
    })
}

pub fn key(number: u8) -> NoteKey {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap();
    let public = pair.public_key().as_ref().try_into().unwrap();
    NoteKey::new("desk.example.com/audit", public).unwrap()
}

pub fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    name.into()
}

/// All files in the folder of that one whose names go on so, by name.
pub fn siblings(path: &Path, more: &str) -> Vec<PathBuf> {
    let begin = format!("{}{more}", path.file_name().unwrap().to_str().unwrap());
    let mut found: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(&begin)
        })
        .collect();
    found.sort();
    found
}

/// The first line of a file that somebody made up, as if so many records stood before it.
pub fn forged(size: u64) -> Vec<u8> {
    let range = vec![[7; 32]; size.count_ones() as usize];
    let node = |right: [u8; 32], left: &[u8; 32]| -> [u8; 32] {
        let hash = Sha256::new().chain_update([1]).chain_update(left);
        hash.chain_update(right).finalize().into()
    };
    let (last, left) = range.split_last().unwrap();
    let root = STANDARD.encode(left.iter().rev().fold(*last, node));
    let range: Vec<_> = range.iter().map(|hash| STANDARD.encode(hash)).collect();
    let hashed = format!(
        "{{\"impersonation.chain.seq\":{size},\"impersonation.chain.root\":\"{root}\",\
         \"event.name\":\"impersonation.chain.continued\",\"time\":\"2023-11-14T22:13:20.000Z\",\
         \"impersonation.chain.range\":{range:?}"
    );
    let leaf = Sha256::new().chain_update([0]).chain_update(&hashed);
    let leaf = STANDARD.encode(leaf.finalize());
    format!("{hashed},\"impersonation.chain.leaf\":\"{leaf}\"}}\n").into_bytes()
}

#[track_caller]
pub fn verify(bytes: &[u8]) -> Report {
    chain::verify([bytes]).unwrap()
}

#[track_caller]
pub fn verify_with(bytes: &[u8], checkpoints: &[u8]) -> Report {
    let checkpoints = CheckpointReader::new(Cursor::new(checkpoints), [key(1)]).unwrap();
    chain::verify_with([bytes], checkpoints).unwrap()
}
