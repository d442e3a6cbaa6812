//! Verifies the chain of an audit, or shows on a small one of its own how each change is found.
//!
//! ```sh
//! cargo run --example audit_verify -- FILE.. [--checkpoints FILE --key NAME+PUBKEY]
//! ```
//!
//! The files in the order in which they were written: those that were set aside, by name, and the
//! current one last. It ends with 0 if nothing was found, with 1 if something was, and with 2 if it
//! was called in another way. Without any argument it makes a chain in a temporary folder, tampers
//! with it, and tells what it finds.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Cursor};
use std::process::ExitCode;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::audit::chain::{
    self, CheckpointReader, Checkpoints, NoteKey, Report, Signer,
};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{Identity, ImpersonationLayer, audit, directory, policy, resolve};

const ISSUER: &str = "https://issuer.example.com";

const USAGE: &str = "usage: audit_verify FILE.. [--checkpoints FILE --key NAME+PUBKEY]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        return match show().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&*error, ""),
        };
    }
    match verify(&arguments) {
        Ok(report) => {
            print!("{report}");
            println!(
                "{}",
                if report.is_intact() {
                    "intact"
                } else {
                    "NOT INTACT"
                }
            );
            ExitCode::from(u8::from(!report.is_intact()))
        }
        Err(error) => failed(&*error, USAGE),
    }
}

fn failed(error: &dyn Error, usage: &str) -> ExitCode {
    eprintln!("{error}\n{usage}");
    ExitCode::from(2)
}

fn verify(arguments: &[String]) -> Result<Report, Box<dyn Error>> {
    let (mut files, mut checkpoints, mut keys) = (Vec::new(), None, Vec::new());
    let open = |path: &String| match File::open(path) {
        Ok(file) => Ok(BufReader::new(file)),
        Err(error) => Err(format!("{path}: {error}")),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--checkpoints" => checkpoints = Some(open(arguments.next().ok_or("which file?")?)?),
            "--key" => keys.push(arguments.next().ok_or("which key?")?.parse::<NoteKey>()?),
            option if option.starts_with('-') => return Err(format!("what is {option}?").into()),
            _ => files.push(open(argument)?),
        }
    }
    Ok(match (checkpoints, keys.is_empty()) {
        (None, true) => chain::verify(files)?,
        (Some(checkpoints), false) => {
            chain::verify_with(files, CheckpointReader::new(checkpoints, keys)?)?
        }
        _ => return Err("checkpoints and their key go together".into()),
    })
}

/// A small chain, and what becomes of it.
async fn show() -> Result<(), Box<dyn Error>> {
    let (chain, checkpoints, key) = small_chain().await?;
    println!("key {key}\n");
    let lines: Vec<&str> = chain.split_inclusive('\n').collect();
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().concat();
    let swapped = {
        let mut lines = lines.clone();
        lines.swap(2, 3);
        lines.concat()
    };
    let twice = [&lines[..3], &lines[2..]].concat().concat();
    let half = &chain[..chain.len() - 100];
    let (other, _, _) = small_chain().await?;
    for (what, chain) in [
        ("as it was written", &*chain),
        ("carol edited out", &chain.replace("carol", "dora")),
        ("a record removed", &without(3)),
        ("two records swapped", &swapped),
        ("a record duplicated", &twice),
        ("cut in the middle of a line", half),
        ("cut between two lines", &lines[..6].concat()),
        ("replaced by another chain", &other),
    ] {
        println!("## {what}");
        print!("{}", chain::verify([chain.as_bytes()])?);
        let kept = CheckpointReader::new(Cursor::new(&checkpoints), [key.clone()])?;
        let report = chain::verify_with([chain.as_bytes()], kept)?;
        let found = if report.is_intact() {
            "intact"
        } else {
            "NOT INTACT"
        };
        println!("with the checkpoints that were kept elsewhere: {found}");
        if let Some(bad) = report.bad_checkpoint {
            println!("checkpoint {} {}", bad.number, bad.fault);
        }
        println!();
    }
    Ok(())
}

/// Eight records of Carol, who acts as Alice, their checkpoints, and the key that signed them.
async fn small_chain() -> Result<(String, String, NoteKey), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("audit_verify-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("audit.jsonl");

    // A real key never leaves its store; this one signs an example.
    let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32])?;
    let key = NoteKey::new("audit.example.com", pair.public_key().as_ref().try_into()?)?;
    let signer = Signer::new(key.clone(), move |message| {
        Ok(pair.sign(message).as_ref().try_into()?)
    });
    let issuer = TestIssuer::offline(ISSUER);
    let alice = Identity::new(ISSUER, "alice-sub").enabled_account();
    let carol = Identity::new(ISSUER, "carol-sub")
        .with_groups(["support"])
        .enabled_account();
    let layer = ImpersonationLayer::builder()
        .issuer(issuer.issuer())
        .resolve(resolve::header("impersonate-user"))
        .policy(policy::in_group("support"))
        .directory(directory::memory([alice, carol]))
        .audit(audit::chained(&path).checkpoints(Checkpoints::signed_by(signer).every_records(4)))
        .build()?;
    let token = issuer.token("carol-sub").groups(["support"]).sign();
    for _ in 0..4 {
        let handler = service_fn(async |_: Request<Full<Bytes>>| {
            Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let request = Request::get("/orders")
            .header("authorization", format!("Bearer {token}"))
            .header("impersonate-user", "alice-sub")
            .body(Full::default())?;
        layer.layer(handler).oneshot(request).await?;
    }
    // The last clone signs what it wrote.
    drop(layer);
    let chain = std::fs::read_to_string(&path)?;
    let checkpoints = std::fs::read_to_string(folder.join("audit.jsonl.checkpoints"))?;
    std::fs::remove_dir_all(&folder)?;
    Ok((chain, checkpoints, key))
}
