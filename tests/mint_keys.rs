//! The keys that tokens are signed with: how they are read, kept and refused.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tower_impersonate::mint::{Minter, MinterError, SigningKey};
use tower_impersonate::token::Algorithm;

/// RFC 8037, appendix A.1 and A.3.
const SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn ed25519() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "d": SEED, "x": X })
}

/// RFC 7515, appendix A.3.
fn p256() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

fn with(key: &Value, changes: &Value) -> Value {
    let mut key = key.clone();
    for (name, value) in changes.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

fn refused(key: &Value) -> String {
    let error = SigningKey::from_jwk(&key.to_string()).err();
    let error = error.unwrap_or_else(|| panic!("{key} is taken"));
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(&SEED[..12]), "{shown}");
    error.to_string()
}

fn builder() -> tower_impersonate::mint::MinterBuilder {
    Minter::builder("https://desk.example.com").audiences(["desk-api"])
}

#[test]
fn pem_of_each_kind_as_openssl_writes_it() {
    for (pem, algorithm) in [
        (include_str!("mint/ed.pem"), Algorithm::EdDSA),
        (include_str!("mint/ec.pem"), Algorithm::ES256),
        (include_str!("mint/rsa.pem"), Algorithm::RS256),
    ] {
        let key = SigningKey::from_pem(pem).unwrap();
        assert_eq!((key.algorithm(), key.kid().len()), (algorithm, 43));
        assert_eq!(key.kid(), SigningKey::from_pem(pem).unwrap().kid());
    }
}

#[test]
fn a55_pem_that_is_no_key_to_sign_with() {
    for (pem, reason) in [
        ("", "not PEM"),
        ("-----BEGIN PRIVATE KEY-----\n", "not PEM"),
        (
            include_str!("mint/rsa1024.pem"),
            "modulus outside 2048 to 8192 bits",
        ),
        (
            include_str!("mint/p384.pem"),
            "neither Ed25519 nor P-256 nor RSA: such keys are not signed with",
        ),
        (
            include_str!("mint/k1.pem"),
            "neither Ed25519 nor P-256 nor RSA: such keys are not signed with",
        ),
        (
            include_str!("mint/ed448.pem"),
            "neither Ed25519 nor P-256 nor RSA: such keys are not signed with",
        ),
        (
            include_str!("mint/pss.pem"),
            "neither Ed25519 nor P-256 nor RSA: such keys are not signed with",
        ),
        (
            include_str!("mint/ec-sec1.pem"),
            "not PKCS#8; `openssl pkcs8 -topk8 -nocrypt` makes it one",
        ),
        (
            include_str!("mint/rsa1.pem"),
            "not PKCS#8; `openssl pkcs8 -topk8 -nocrypt` makes it one",
        ),
        (include_str!("mint/enc.pem"), "an encrypted private key"),
        (
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n",
            "not a `PRIVATE KEY` block",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----\n",
            "not PKCS#8",
        ),
    ] {
        let error = SigningKey::from_pem(pem)
            .err()
            .map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(reason), "{pem}");
    }
}

#[test]
fn a_jwk_names_itself_or_is_named_by_its_thumbprint() {
    for (jwk, algorithm, kid) in [
        (ed25519(), Algorithm::EdDSA, THUMBPRINT),
        (
            with(&ed25519(), &json!({ "alg": "EdDSA" })),
            Algorithm::EdDSA,
            THUMBPRINT,
        ),
        (
            with(&ed25519(), &json!({ "alg": "Ed25519" })),
            Algorithm::EdDSA,
            THUMBPRINT,
        ),
        (
            with(
                &ed25519(),
                &json!({ "kid": "2026-01", "use": "sig", "key_ops": ["sign"] }),
            ),
            Algorithm::EdDSA,
            "2026-01",
        ),
        (
            with(&p256(), &json!({ "alg": "ES256" })),
            Algorithm::ES256,
            "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
        ),
    ] {
        let key = SigningKey::from_jwk(&jwk.to_string()).unwrap();
        assert_eq!((key.algorithm(), key.kid()), (algorithm, kid));
    }
}

#[test]
fn a_jwk_that_is_no_key_to_sign_with() {
    const NUMBER: &str = "a number of the JWK is missing or not base64url";
    const PURPOSE: &str = "a JWK that is not meant for signing (use, key_ops)";
    const ALG: &str = "alg is not the one that such a key signs by here: EdDSA, ES256 or RS256";
    const CURVE: &str = "another curve than P-256 or Ed25519";
    const KID: &str = "kid is not a short printable text";
    let (ed, ec) = (ed25519(), p256());
    let mut public = ed.clone();
    public.as_object_mut().unwrap().remove("d");
    for (jwk, reason) in [
        (json!([]), "not a JWK: no object, or duplicate members"),
        (json!({}), "unknown kind of key"),
        (public, NUMBER),
        (with(&ed, &json!({ "use": "enc" })), PURPOSE),
        (with(&ed, &json!({ "use": null })), PURPOSE),
        (with(&ed, &json!({ "key_ops": ["verify"] })), PURPOSE),
        (with(&ed, &json!({ "key_ops": "sign" })), PURPOSE),
        (with(&ed, &json!({ "alg": "HS256" })), ALG),
        (with(&ed, &json!({ "alg": "none" })), ALG),
        (with(&ed, &json!({ "alg": "ES256" })), ALG),
        (with(&ed, &json!({ "alg": 7 })), ALG),
        (with(&ec, &json!({ "alg": "ES384" })), ALG),
        (with(&ed, &json!({ "crv": "X25519" })), CURVE),
        (with(&ed, &json!({ "crv": "Ed448" })), CURVE),
        (with(&ec, &json!({ "crv": "P-384" })), CURVE),
        (with(&ec, &json!({ "crv": "secp256k1" })), CURVE),
        (with(&ed, &json!({ "kid": "" })), KID),
        (with(&ed, &json!({ "kid": 7 })), KID),
        (with(&ed, &json!({ "d": "AAAA" })), "d is not 32 bytes"),
        (with(&ed, &json!({ "d": "!" })), NUMBER),
        (
            with(
                &ed,
                &json!({ "x": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTY" }),
            ),
            "the public part belongs to another key",
        ),
        (
            json!({ "kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ", "alg": "HS256" }),
            "a symmetric key: whoever checks its signatures can forge them",
        ),
        (json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }), NUMBER),
        (
            json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "oth": [] }),
            "an RSA key of more than two primes",
        ),
    ] {
        assert_eq!(refused(&jwk), reason, "{jwk}");
    }
    let swapped = with(&ec, &json!({ "x": ec["y"], "y": ec["x"] }));
    refused(&swapped);
    let twice = r#"{"kty":"OKP","kty":"oct"}"#;
    assert!(SigningKey::from_jwk(twice).is_err());
}

#[test]
fn what_is_wrong_is_told_when_the_minter_is_built() {
    let key = || SigningKey::generate(Algorithm::EdDSA).unwrap();
    let named = |issuer: &str| Minter::builder(issuer).audiences(["a"]).key(key()).build();
    for issuer in [
        "",
        "desk",
        "http://desk.example.com",
        "http://127.0.0.1.evil.example",
        "ftp://desk.example.com",
        "https://user:hunter2@desk.example.com",
        "https://desk.example.com/?a=b",
        "https://desk.example.com/#a",
        "https://desk example.com",
    ] {
        let error = named(issuer).err().unwrap_or_else(|| panic!("{issuer}"));
        assert!(matches!(error, MinterError::Issuer), "{issuer}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    for issuer in [
        "https://desk.example.com/a",
        "http://127.0.0.1:8080",
        "http://localhost",
    ] {
        assert!(named(issuer).is_ok(), "{issuer}");
    }
    let text = |minter: Result<Minter, MinterError>| minter.err().map(|error| error.to_string());
    let bare = || Minter::builder("https://desk.example.com").key(key());
    let twin = key();
    for (minter, expected) in [
        (
            bare().build(),
            "audiences are missing or blank: call `audiences`",
        ),
        (
            bare().audiences(["a", " "]).build(),
            "audiences are missing or blank: call `audiences`",
        ),
        (
            bare().audiences(["a", "b"]).build(),
            "which of the audiences is this service itself: call `own_audience` with one of them",
        ),
        (
            bare().audiences(["a", "b"]).own_audience("c").build(),
            "which of the audiences is this service itself: call `own_audience` with one of them",
        ),
        (
            builder().build(),
            "a key is missing: call `key` or `key_file`",
        ),
        (
            builder().key(key()).key_file("x").build(),
            "`key` and `key_file` at once",
        ),
        (
            builder()
                .key(key())
                .lifetime(Duration::from_secs(59))
                .build(),
            "a lifetime outside of one minute to one hour",
        ),
        (
            builder()
                .key(key())
                .lifetime(Duration::from_secs(3601))
                .build(),
            "a lifetime outside of one minute to one hour",
        ),
    ] {
        assert_eq!(text(minter).as_deref(), Some(expected));
    }
    for minter in [
        builder().key(twin.clone()).next_key(twin.clone()).build(),
        builder()
            .key(twin.clone())
            .previous_key(twin.clone())
            .build(),
        builder()
            .key(key())
            .next_key(twin.clone())
            .previous_key(twin)
            .build(),
    ] {
        assert!(matches!(minter, Err(MinterError::DuplicateKey { .. })));
    }
    for seconds in [60, 3600] {
        let lifetime = Duration::from_secs(seconds);
        assert!(builder().key(key()).lifetime(lifetime).build().is_ok());
    }
}

#[test]
fn nothing_private_is_shown_or_published() {
    let keys = [
        SigningKey::from_jwk(&ed25519().to_string()).unwrap(),
        SigningKey::from_jwk(&p256().to_string()).unwrap(),
        SigningKey::from_pem(include_str!("mint/rsa.pem")).unwrap(),
    ];
    let [current, next, previous] = keys.clone();
    let unbuilt = builder().key(current).next_key(next).previous_key(previous);
    let shown = format!("{keys:?} {unbuilt:#?}");
    let minter = unbuilt.build().unwrap();
    let minted = minter
        .mint_client(
            "c",
            None,
            None,
            tower_impersonate::time::Timestamp::from_unix_seconds(1),
        )
        .unwrap();
    let shown = format!("{shown} {minter:?} {minted:?} {:?}", minter.issuer());
    for secret in [SEED, "jpsQnnGQmL", minted.token.expose()] {
        assert!(!shown.contains(&secret[..10]), "{shown}");
    }
    let jwks: Value = serde_json::from_slice(&minter.jwks()).unwrap();
    let published = jwks["keys"].as_array().unwrap();
    assert_eq!(published.len(), 3);
    for key in published {
        let mut names: Vec<&str> = key
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        names
            .retain(|name| !["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"].contains(name));
        assert!(names.is_empty(), "{names:?}");
        assert_eq!(key["use"], "sig");
    }
}

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-impersonate-keys-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("minter.jwk")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_key_file_is_made_once_and_read_afterwards() {
    let folder = Folder::new();
    let minter = builder().key_file(folder.file()).build().unwrap();
    assert_eq!(folder.names(), ["minter.jwk"], "nothing is left beside it");
    let again = builder().key_file(folder.file()).build().unwrap();
    assert_eq!(minter.jwks(), again.jwks());
    let jwk: Value = serde_json::from_str(&fs::read_to_string(folder.file()).unwrap()).unwrap();
    assert_eq!(
        (&jwk["kty"], &jwk["crv"]),
        (&json!("OKP"), &json!("Ed25519"))
    );
    let missing = SigningKey::file(folder.0.join("absent").join("minter.jwk")).unwrap_err();
    assert!(
        missing
            .to_string()
            .ends_with("the key file cannot be written"),
        "{missing}"
    );
    assert!(std::error::Error::source(&missing).is_some());
}

#[test]
fn a_damaged_file_is_an_error_and_stays_as_it_is() {
    let whole = ed25519().to_string();
    for (text, reason) in [
        ("", "not a JWK: no object, or duplicate members"),
        (&whole[..40], "not a JWK: no object, or duplicate members"),
        ("{}", "unknown kind of key"),
        ("-----BEGIN PRIVATE KEY-----", "not PEM"),
    ] {
        let folder = Folder::new();
        write_own(&folder.file(), text);
        let error = SigningKey::file(folder.file()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{}: {reason}", folder.file().display())
        );
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), text);
        assert_eq!(error.path(), Some(&*folder.file()));
    }
    for text in [&*whole, include_str!("mint/ec.pem")] {
        let folder = Folder::new();
        write_own(&folder.file(), text);
        assert!(SigningKey::file(folder.file()).is_ok());
    }
}

fn write_own(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    #[cfg(unix)]
    chmod(path, 0o600);
}

#[cfg(unix)]
fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn links_pipes_folders_and_files_that_others_may_read_are_refused() {
    use std::os::unix::fs::{MetadataExt, symlink};
    let folder = Folder::new();
    let key = SigningKey::file(folder.file()).unwrap();
    assert_eq!(fs::metadata(folder.file()).unwrap().mode() & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o660, 0o606, 0o644, 0o777, 0o700, 0o610] {
        chmod(&folder.file(), mode);
        let error = SigningKey::file(folder.file()).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{mode:o}: {error}");
    }
    for mode in [0o600, 0o400] {
        chmod(&folder.file(), mode);
        assert_eq!(SigningKey::file(folder.file()).unwrap().kid(), key.kid());
    }
    let beside = |name: &str| folder.0.join(name);
    symlink(folder.file(), beside("link")).unwrap();
    symlink(beside("nowhere"), beside("dangling")).unwrap();
    fs::create_dir(beside("folder")).unwrap();
    let pipe = Command::new("mkfifo").arg(beside("pipe")).status();
    assert!(pipe.unwrap().success());
    for name in ["link", "dangling", "folder", "pipe"] {
        let error = SigningKey::file(beside(name)).unwrap_err().to_string();
        assert!(
            error.ends_with("the key file is a link, or no file"),
            "{name}: {error}"
        );
    }
    assert!(
        !beside("nowhere").exists(),
        "nothing is made through a link"
    );
}

/// Only root can give a file away, so it is asked for nowhere else.
#[cfg(unix)]
#[test]
fn a_key_file_of_another_user_is_refused() {
    use std::os::unix::fs::{MetadataExt, chown};
    let folder = Folder::new();
    let key = SigningKey::file(folder.file()).unwrap();
    if fs::metadata(folder.file()).unwrap().uid() != 0 {
        return;
    }
    chown(folder.file(), Some(65_534), None).unwrap();
    let error = SigningKey::file(folder.file()).unwrap_err().to_string();
    assert!(error.contains("belongs to another user"), "{error}");
    chown(folder.file(), Some(0), None).unwrap();
    assert_eq!(SigningKey::file(folder.file()).unwrap().kid(), key.kid());
}

const FOLDER: &str = "TOWER_IMPERSONATE_TEST_FOLDER";

/// Runs one of the tests below in a process of its own.
fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn told() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// The next line of that kind; the test harness writes others.
fn line_of(output: &mut impl BufRead, begin: &str) -> String {
    let mut lines = output.lines().map(|line| line.unwrap());
    let found = lines.find_map(|line| line.split_once(begin).map(|(_, rest)| rest.to_owned()));
    found.expect("a line of the child")
}

#[test]
fn processes_that_start_at_once_end_with_one_key() {
    for _ in 0..5 {
        let folder = Folder::new();
        let mut children: Vec<_> = (0..6)
            .map(|_| {
                child("the_process_that_needs_a_key", &folder.0)
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut outputs: Vec<_> = children
            .iter_mut()
            .map(|child| BufReader::new(child.stdout.take().unwrap()))
            .collect();
        for output in &mut outputs {
            line_of(output, "ready");
        }
        // The end of their input is what they wait for.
        for child in &mut children {
            drop(child.stdin.take());
        }
        let kids: Vec<_> = outputs
            .iter_mut()
            .map(|output| line_of(output, "kid "))
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let kept = SigningKey::file(folder.file()).unwrap();
        assert!(kids.iter().all(|kid| kid == kept.kid()), "{kids:?}");
        assert_eq!(folder.names(), ["minter.jwk"]);
    }
}

#[test]
fn the_process_that_needs_a_key() {
    let Some(folder) = told() else { return };
    println!("ready");
    std::io::stdin().lines().for_each(drop);
    let key = SigningKey::file(folder.join("minter.jwk")).unwrap();
    println!("kid {}", key.kid());
}

#[cfg(unix)]
#[test]
fn a_process_that_is_killed_leaves_a_whole_key_or_none() {
    let mut made = 0;
    for round in 0..100 {
        let folder = Folder::new();
        let mut child = child("the_process_that_makes_keys", &folder.0)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..=round % 5 {
            line_of(&mut output, "made");
        }
        // SIGKILL, each time a little further in the making of another one.
        (0..round * 1000).for_each(|_| std::hint::spin_loop());
        child.kill().unwrap();
        child.wait().unwrap();
        for name in folder.names().iter().filter(|name| name.ends_with(".jwk")) {
            let text = fs::read_to_string(folder.0.join(name)).unwrap();
            assert!(SigningKey::from_jwk(&text).is_ok(), "{name}: {text}");
            made += 1;
        }
        let next = folder.0.join(format!("{}.jwk", made + 10_000));
        assert!(SigningKey::file(next).is_ok(), "the next start");
    }
    assert!(made >= 300, "{made}");
}

#[test]
fn the_process_that_makes_keys() {
    let Some(folder) = told() else { return };
    for number in 0..10_000 {
        SigningKey::file(folder.join(format!("{number}.jwk"))).unwrap();
        println!("made");
    }
}
