//! The examples as processes of their own.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The example with a fresh folder for its files.
pub fn command(name: &str) -> Command {
    static COMMANDS: AtomicUsize = AtomicUsize::new(0);
    let number = COMMANDS.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("examples-{name}-{}-{number}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(binary(name));
    for variable in ["TMPDIR", "TMP", "TEMP"] {
        command.env(variable, &folder);
    }
    command
}

/// Built beside the tests, with the same features, so that there is rarely anything to do: `cargo
/// test` builds the examples, too, but `cargo test --test examples` would run those of yesterday.
pub fn binary(name: &str) -> PathBuf {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let tests = env::current_exe().unwrap();
        let folder = tests.parent().and_then(Path::parent).unwrap();
        let profile = match folder.file_name().and_then(|name| name.to_str()).unwrap() {
            "debug" => "dev",
            other => other,
        };
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--examples", "--profile", profile])
            .args(["--no-default-features", "--features", &features()])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(built.success());
        folder.join("examples")
    });
    FOLDER.join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

fn features() -> String {
    let on = [
        ("axum", cfg!(feature = "axum")),
        ("jwks", cfg!(feature = "jwks")),
        ("aws_lc_rs", cfg!(feature = "aws_lc_rs")),
        ("rust_crypto", cfg!(feature = "rust_crypto")),
        ("subscriber", cfg!(feature = "subscriber")),
        ("testing", cfg!(feature = "testing")),
        ("sqlite", cfg!(feature = "sqlite")),
        ("chain", cfg!(feature = "chain")),
        ("mint", cfg!(feature = "mint")),
        ("manage", cfg!(feature = "manage")),
        ("otel", cfg!(feature = "otel")),
        ("otlp", cfg!(feature = "otlp")),
        ("manage", cfg!(feature = "manage")),
        ("lambda", cfg!(feature = "lambda")),
        ("full", cfg!(feature = "full")),
    ];
    let names = on.into_iter().filter(|(_, on)| *on).map(|(name, _)| name);
    names.collect::<Vec<_>>().join(",")
}
