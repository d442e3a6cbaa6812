//! A desk over HTTP whose grants are in a SQLite file, and what happens to that file: locked, not to be written, full,
//! taken away, rows that make no sense, SQL in what clients send.
#![cfg(all(feature = "sqlite", target_os = "linux"))]

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
#[path = "support/sinks.rs"]
mod sinks;
mod support;

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use desk_api::{Api, issued};
use http::Method;
use serde_json::{Value, json};
use sinks::Folder;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use support::{AUDIENCE, Desk, Seen};
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::{self, GrantStore, Grants};
use tower_impersonate::terms::GrantId;

const NASTY: [&str; 9] = [
    "' OR '1'='1",
    "'; DROP TABLE ti_grant; --",
    "x' UNION SELECT * FROM ti_grant --",
    "%",
    "*",
    "?1",
    "a:b\nDEL *",
    "a\0b",
    "../../etc/passwd",
];

fn file(folder: &Folder) -> PathBuf {
    folder.path().join("grants.sqlite")
}

async fn api(path: &Path) -> Api {
    let store = grant::sqlite(path).busy_timeout(Duration::from_millis(50));
    Api::at(
        Desk::new(),
        Grants::new(store),
        |layer| layer,
        |manage| manage.starts_per_minute(1000),
    )
    .await
}

async fn other(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    options.connect().await.unwrap()
}

async fn run(path: &Path, sql: &str) {
    let mut db = other(path).await;
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
}

fn dora(api: &Api) -> String {
    api.desk.token("dora", &["support"]).sign()
}

async fn start_as_dora(api: &Api) -> Seen {
    let order = json!({ "audience": AUDIENCE });
    api.post("/Bob/impersonate", &dora(api), order).await
}

async fn delete(api: &Api, id: &str, token: &str) -> Seen {
    let path = format!("/grants/{id}");
    api.call(Method::DELETE, &path, token, Value::Null).await
}

/// Everything that a client can tell but the time of day.
fn told(seen: &Seen) -> (u16, Vec<(String, String)>, Value) {
    let (status, mut headers, body) = seen.answer();
    headers.retain(|(name, _)| name != "date");
    (status, headers, body)
}

#[track_caller]
fn assert_unavailable(seen: &Seen) {
    seen.assert_refused(503);
    assert_eq!(seen.header("retry-after"), Some("1"), "{seen:?}");
}

/// While the file takes nothing: what goes on goes on, nothing starts, and what is ended is over at once. When it
/// takes something again the end is kept, without a restart.
async fn takes_nothing_for_a_while(
    api: &Api,
    path: &Path,
    breaks: impl AsyncFnOnce(),
    mends: impl AsyncFnOnce(),
) {
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    api.desk.sink.clear();
    breaks().await;
    assert_eq!(api.get("/me", &minted).await.body["sub"], "alice");
    assert_unavailable(&start_as_dora(api).await);
    assert_unavailable(&delete(api, &id, &api.security()).await);
    api.get("/me", &minted).await.assert_refused(401);
    assert_eq!(api.desk.events(EventName::Revoked), Vec::<Value>::new());
    mends().await;
    api.get("/me", &minted).await.assert_refused(401);
    api.grants.sweep().await.unwrap();
    assert_eq!(api.desk.events(EventName::Revoked).len(), 1);
    let kept = { grant::sqlite(path).find(&id.parse().unwrap()) }.await;
    let end = kept.unwrap().unwrap().state().end.clone().unwrap();
    assert_eq!(end.reason.as_str(), "revoked");
    let started = start_as_dora(api).await;
    let (token, _) = issued(&started);
    assert_eq!(
        api.post("/grants/stop", &token, Value::Null).await.status,
        204
    );
}

#[tokio::test]
async fn a81_a_locked_file() {
    let folder = Folder::new();
    let path = file(&folder);
    let api = api(&path).await;
    let mut db = other(&path).await;
    let lock = tokio::sync::Mutex::new(None);
    takes_nothing_for_a_while(
        &api,
        &path,
        async || *lock.lock().await = Some(db.begin_with("BEGIN IMMEDIATE").await.unwrap()),
        async || {
            let held = lock.lock().await.take().unwrap();
            held.rollback().await.unwrap();
        },
    )
    .await;
}

/// Says to a process that it is the one in which it happens.
const CHILD: &str = "TOWER_IMPERSONATE_CHILD";

/// This very test, in another process that the command before it prepares; `false` in that one.
fn happens_elsewhere(test: &str, before: &[&str]) -> bool {
    if env::var_os(CHILD).is_some() {
        return false;
    }
    let program = env::current_exe().unwrap();
    let mut words = before.iter().map(Path::new).chain([program.as_path()]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(["--exact", test, "--nocapture"]);
    let output = command.env(CHILD, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{wrong}");
    assert!(said.contains("1 passed"), "{said}{wrong}");
    true
}

#[tokio::test]
async fn a81_a_file_that_may_not_be_written() {
    let folder = Folder::new();
    // Root may write whatever is read-only.
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let nobody: Vec<_> = nobody.split(' ').collect();
    let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
    if is_root && happens_elsewhere("a81_a_file_that_may_not_be_written", &nobody) {
        return;
    }
    let path = file(&folder);
    let api = api(&path).await;
    let may = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let side = |end: &str| folder.path().join(format!("grants.sqlite{end}"));
    let all = |mode| {
        for end in ["", "-wal", "-shm"] {
            may(&side(end), mode);
        }
    };
    let (minted, _) = api.begin(&api.carol(), json!({})).await;
    all(0o444);
    may(folder.path(), 0o555);
    // Whoever comes now cannot write; the desk is told so when it is built.
    let fresh = grant::sqlite(&path);
    assert!(fresh.check().is_err());
    let built = api
        .desk
        .builder()
        .grants(Grants::new(fresh))
        .mint(&api.minter)
        .build();
    assert!(built.is_err(), "{built:?}");
    // What is open already goes on, and what it acknowledges is kept.
    assert_eq!(api.get("/me", &minted).await.body["sub"], "alice");
    may(folder.path(), 0o755);
    all(0o600);
    assert!(grant::sqlite(&path).check().is_ok());
    assert_eq!(api.get("/me", &minted).await.body["sub"], "alice");
}

#[tokio::test]
async fn a81_a_full_disk() {
    // A write beyond the limit must fail, and not end the process.
    let ignoring = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
    if happens_elsewhere("a81_a_full_disk", &ignoring) {
        return;
    }
    let limit = |bytes: &str| {
        let process = format!("--pid={}", std::process::id());
        let limit = format!("--fsize={bytes}:");
        let set = Command::new("prlimit").args([process, limit]).status();
        assert!(set.unwrap().success());
    };
    let folder = Folder::new();
    let path = file(&folder);
    let api = api(&path).await;
    for _ in 0..2 {
        takes_nothing_for_a_while(
            &api,
            &path,
            async || limit("4096"),
            async || limit("unlimited"),
        )
        .await;
    }
}

#[tokio::test]
async fn a80_a81_a_file_that_is_taken_away_ends_nothing_and_revives_nothing() {
    let folder = Folder::new();
    let (path, aside) = (file(&folder), folder.path().join("aside"));
    let api = api(&path).await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    let (others, _) = issued(&start_as_dora(&api).await);
    let yesterday = folder.path().join("yesterday");
    run(&path, &format!("VACUUM INTO '{}'", yesterday.display())).await;
    assert_eq!(delete(&api, &id, &api.security()).await.status, 204);

    for back in [None, Some(&yesterday)] {
        fs::rename(&path, &aside).unwrap();
        if let Some(other) = back {
            fs::copy(other, &path).unwrap();
        }
        for token in [&minted, &others] {
            assert_unavailable(&api.get("/me", token).await);
        }
        assert_eq!(api.get("/me", &api.carol()).await.body["sub"], "carol");
        drop(fs::remove_file(&path));
        fs::rename(&aside, &path).unwrap();
        api.get("/me", &minted).await.assert_refused(401);
        assert_eq!(api.get("/me", &others).await.body["sub"], "bob");
    }
}

#[tokio::test]
async fn a78_rows_that_make_no_sense_run_nothing() {
    for damage in [
        "UPDATE ti_grant SET start = ''",
        "UPDATE ti_grant SET start = '{}'",
        "UPDATE ti_grant SET start = replace(start, '\"v\":1', '\"v\":2')",
        "UPDATE ti_grant SET start = replace(start, '\"act\"', '\"root\"')",
        "UPDATE ti_grant SET start = CAST(x'ff00fe' AS TEXT)",
        // Each has what the other one agreed to.
        "CREATE TEMP TABLE o AS SELECT id, start FROM ti_grant;
         UPDATE ti_grant SET start = (SELECT o.start FROM o WHERE o.id <> ti_grant.id)",
    ] {
        let folder = Folder::new();
        let path = file(&folder);
        let api = api(&path).await;
        let (minted, id) = api.begin(&api.carol(), json!({})).await;
        let (others, _) = issued(&start_as_dora(&api).await);
        for (token, sub) in [(&minted, "alice"), (&others, "bob")] {
            assert_eq!(api.get("/me", token).await.body["sub"], sub);
        }
        api.desk.sink.clear();
        run(&path, damage).await;
        for token in [&minted, &others] {
            let seen = api.get("/me", token).await;
            assert_unavailable(&seen);
        }
        assert_unavailable(&api.get("/grants", &api.security()).await);
        assert_unavailable(&api.introspect(&minted).await);
        assert_unavailable(&delete(&api, &id, &api.security()).await);
        assert_eq!(api.desk.events(EventName::Request), Vec::<Value>::new());
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn a79_sql_and_patterns_in_what_clients_send_are_names_of_nothing() {
    let folder = Folder::new();
    let path = file(&folder);
    let api = api(&path).await;
    let (minted, _) = api.begin(&api.carol(), json!({})).await;
    let unknown = GrantId::from_bytes([7; 32]).to_string();
    for nasty in NASTY {
        for token in [api.security(), dora(&api)] {
            for (method, end) in [
                (Method::GET, ""),
                (Method::DELETE, ""),
                (Method::POST, "/extend"),
            ] {
                let mut answers = Vec::new();
                for id in [&unknown, &encoded(nasty)] {
                    let path = format!("/grants/{id}{end}");
                    let seen = api.call(method.clone(), &path, &token, Value::Null).await;
                    assert!(seen.status.as_u16() < 500, "{nasty:?} {method}: {seen:?}");
                    answers.push(told(&seen));
                }
                if answers[0].0 == 204 {
                    // With the right: an id that nobody has, and what is no id.
                    assert_eq!(answers[1].0, 400, "{nasty:?}");
                } else {
                    assert_eq!(answers[0], answers[1], "{nasty:?} {method}");
                }
            }
        }
        for filter in ["actor", "target"] {
            let path = format!("/grants?{filter}={}", encoded(nasty));
            let seen = api.get(&path, &api.security()).await;
            assert_eq!(seen.body["data"], json!([]), "{nasty:?}: {seen:?}");
        }
        let path = format!("/grants?cursor={}", encoded(nasty));
        assert_eq!(api.get(&path, &api.security()).await.status, 400);
        let seen = api.introspect(nasty).await;
        assert_eq!(seen.body, json!({ "active": false }), "{nasty:?}");
        let form = [("token", nasty)];
        let secret = api.auditor.expose();
        let seen = api.form("/oauth2/revoke", "auditor", secret, &form).await;
        assert_eq!(seen.status, 200, "{nasty:?}");
        let user = format!("/{}/impersonate", encoded(nasty));
        let order = json!({ "audience": AUDIENCE });
        let seen = api.post(&user, &dora(&api), order).await;
        assert!([400, 403].contains(&seen.status.as_u16()), "{seen:?}");
    }
    assert_eq!(api.get("/me", &minted).await.body["sub"], "alice");
    let mut db = other(&path).await;
    let count = sqlx::query("SELECT count(*) AS n FROM ti_grant");
    let count: i64 = count.fetch_one(&mut db).await.unwrap().get("n");
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a79_s7_ids_cannot_be_guessed_and_no_credential_is_at_rest() {
    let folder = Folder::new();
    let path = file(&folder);
    let api = api(&path).await;
    let mut ids = BTreeSet::new();
    let mut tokens = Vec::new();
    for _ in 0..20 {
        let (token, id) = api.begin(&api.carol(), json!({ "replace": true })).await;
        assert_eq!(id.len(), 43, "256 bits: {id}");
        tokens.push(token);
        assert!(ids.insert(id), "twice");
    }
    // Any bit of it, and it is another one.
    let id: GrantId = tokens
        .last()
        .map(|token| grant_of(token))
        .unwrap()
        .parse()
        .unwrap();
    for bit in 0..256 {
        let mut bytes = *id.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let near = GrantId::from_bytes(bytes);
        assert!(api.grants.find(&near).await.unwrap().is_none());
    }
    assert!(api.grants.find(&id).await.unwrap().is_some());
    let carol = api.carol();
    let signatures = tokens.iter().chain([&carol]);
    let signatures: Vec<_> = signatures
        .map(|token| token.rsplit('.').next().unwrap())
        .collect();
    for end in ["", "-wal"] {
        let kept = fs::read(folder.path().join(format!("grants.sqlite{end}"))).unwrap();
        for secret in &signatures {
            let found = kept
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "a token in grants.sqlite{end}");
        }
    }
}

fn grant_of(token: &str) -> String {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload);
    let claims: Value = serde_json::from_slice(&decoded.unwrap()).unwrap();
    claims["grant_id"].as_str().unwrap().to_owned()
}
