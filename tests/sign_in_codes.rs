//! Codes by which an actor signs in: the routes that make, take and confirm them, and the stores that keep them.

#![cfg(feature = "jwks")]

#[path = "support/over_http.rs"]
mod over_http;
#[path = "support/paper_pool.rs"]
mod paper_pool;
mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use paper_pool::{Attempt, CODES, Failed, PaperPool};
use serde_json::{Value, json};
use support::Seen;
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::codes::{
    self, ChallengeId, CodeHash, CodeStore, KeptCode, SignInCode, Taking,
};
use tower_impersonate::grant::{StoreError, StoreErrorKind};
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::lambda::{self, TriggerErrorKind, Triggers, client};
use tower_impersonate::manage::{Credential, Manage, ManageError, SignIn};
use tower_impersonate::terms::GrantId;
use tower_impersonate::time::Timestamp;

const REDEEM: &str = "/oauth2/sign-in/redeem";
const CONFIRM: &str = "/oauth2/sign-in/confirm";

fn attributes(seen: &Seen) -> Value {
    assert_eq!(seen.status, 200, "{seen:?}");
    seen.body["data"]["attributes"].clone()
}

#[tokio::test]
async fn the_actor_of_a_grant_gets_a_code_that_is_recorded_and_told_to_nobody_else() {
    let pool = PaperPool::start().await;
    let body = json!({ "reason": "case 7", "ttl_seconds": 1800 });
    let grant = pool.begin(&pool.carol(), "alice", body).await;
    pool.sink.clear();
    let path = format!("/grants/{grant}/sign-in-code");
    let seen = pool.post(&path, &pool.carol(), Value::Null).await;
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    assert_eq!(
        (&seen.body["data"]["id"], &seen.body["data"]["type"]),
        (&json!(grant), &json!("sign-in-code"))
    );
    let told = attributes(&seen);
    let code = SignInCode::parse(told["code"].as_str().unwrap()).unwrap();
    assert_eq!(
        told,
        json!({
            "code": code.expose().expose(),
            "expires_in": 60,
            "client_id": CODES,
            "username": "alice",
            "client_metadata": client::code_metadata(&code),
        })
    );
    let events = pool.sink.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["event.name"], "impersonation.issued");
    assert_eq!(events[0]["impersonation.grant.id"], grant);
    assert_eq!(events[0]["impersonation.actor.sub"], "carol-sub");
    assert_eq!(events[0]["impersonation.target.sub"], "alice-sub");
    let said = format!("{events:?} {:?} {code:?}", pool.manage);
    assert!(!said.contains(code.expose().expose()));

    // Each is another one, and never past the deadline.
    let again = attributes(
        &pool
            .post(&path, &pool.carol(), json!({ "client_id": CODES }))
            .await,
    );
    assert_ne!(again["code"], told["code"]);
    pool.clock.advance(Duration::from_secs(1790));
    let last = attributes(&pool.post(&path, &pool.carol(), Value::Null).await);
    assert_eq!(last["expires_in"], 10);
}

#[tokio::test]
async fn nobody_else_gets_a_code_and_nothing_else_is_asked() {
    let pool = PaperPool::start().await;
    let seen = pool
        .post("/alice/impersonate", &pool.carol(), Value::Null)
        .await;
    let minted = seen.body["data"]["attributes"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let grant = seen.body["data"]["attributes"]["grant"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/grants/{grant}/sign-in-code");
    let dora = pool.token("dora", &["support"]);
    let alice = pool.token("alice", &["customers"]);
    let unknown = format!("/grants/{}/sign-in-code", GrantId::from_bytes([9; 32]));
    for (what, path, token, rule) in [
        ("another of the team", &*path, &dora, "grant_of_others"),
        ("the target", &*path, &alice, "grant_of_others"),
        ("no such grant", &*unknown, &pool.carol(), "grant_of_others"),
        (
            "no id",
            "/grants/x/sign-in-code",
            &pool.carol(),
            "grant_of_others",
        ),
        ("while impersonating", &*path, &minted, "impersonating"),
    ] {
        pool.sink.clear();
        let seen = pool.post(path, token, Value::Null).await;
        assert_eq!(seen.status, 403, "{what}: {seen:?}");
        let denied = pool.sink.named(EventName::Denied);
        assert_eq!(denied[0]["impersonation.deny.rule"], rule, "{what}");
    }
    assert_eq!(pool.post(&path, "", Value::Null).await.status, 401);
    for (body, field) in [
        (json!({ "client_id": "web" }), "client_id"),
        (json!({ "client_id": "" }), "client_id"),
        (json!({ "client_id": 5 }), "client_id"),
        (json!({ "ttl_seconds": 5 }), "ttl_seconds"),
    ] {
        let seen = pool.post(&path, &pool.carol(), body).await;
        assert_eq!(
            (seen.status.as_u16(), &seen.body["field"]),
            (400, &json!(field)),
            "{seen:?}"
        );
    }
    let seen = pool
        .post(&format!("{path}?x=1"), &pool.carol(), Value::Null)
        .await;
    assert_eq!(seen.status, 400);
    assert_eq!(
        pool.post(&path, &pool.carol(), Value::Null).await.status,
        200
    );

    pool.revoke(&grant).await;
    pool.sink.clear();
    let seen = pool.post(&path, &pool.carol(), Value::Null).await;
    assert_eq!(seen.status, 409, "{seen:?}");
    assert_eq!(pool.sink.named(EventName::Denied).len(), 1);
    // Starts and codes are one count.
    let mut last = seen;
    for _ in 0..40 {
        last = pool.post(&path, &pool.carol(), Value::Null).await;
    }
    assert_eq!(last.status, 429);
}

#[tokio::test]
async fn of_several_app_clients_one_is_named() {
    let pool = PaperPool::with(|_| {
        SignIn::new(codes::memory(), [CODES, "mobile"]).lifetime(Duration::from_secs(300))
    })
    .await;
    let grant = pool.begin(&pool.carol(), "alice", Value::Null).await;
    let path = format!("/grants/{grant}/sign-in-code");
    assert_eq!(
        pool.post(&path, &pool.carol(), Value::Null).await.status,
        400
    );
    let told = attributes(
        &pool
            .post(&path, &pool.carol(), json!({ "client_id": "mobile" }))
            .await,
    );
    assert_eq!(
        (&told["client_id"], &told["expires_in"]),
        (&json!("mobile"), &json!(300))
    );
}

/// The form of a redemption, or of a question about a receipt.
fn form<'f>(code: &'f str, challenge: &'f str) -> Vec<(&'f str, &'f str)> {
    vec![
        (
            "issuer",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Desk",
        ),
        ("subject", "alice-sub"),
        ("username", "alice"),
        ("client", CODES),
        ("code_hash", code),
        ("challenge", challenge),
    ]
}

#[tokio::test]
async fn triggers_take_and_confirm_codes_as_an_app_client_with_the_right() {
    let pool = PaperPool::start().await;
    let (grant, code) = pool.carol_as_alice().await;
    let (hash, challenge) = (
        code.hash().to_string(),
        ChallengeId::random().unwrap().to_string(),
    );
    let taking = form(&hash, &challenge);
    let asking: Vec<_> = taking[..4]
        .iter()
        .copied()
        .chain([("receipt", &*hash)])
        .collect();
    let about_grant = [
        ("issuer", pool.issuer.name()),
        ("subject", "carol-sub"),
        ("client", "web"),
        ("grant_id", &*grant),
    ];
    for (path, form) in [
        (REDEEM, &*taking),
        (CONFIRM, &*asking),
        (CONFIRM, &about_grant),
    ] {
        assert_eq!(pool.form(path, ("", ""), form).await.status, 401, "{path}");
        assert_eq!(
            pool.form(path, ("cognito-triggers", "x"), form)
                .await
                .status,
            401
        );
        pool.sink.clear();
        let seen = pool.form(path, ("plain", &pool.plain), form).await;
        assert_eq!(seen.status, 403, "{seen:?}");
        let denied = pool.sink.named(EventName::Denied);
        assert_eq!(denied[0]["impersonation.deny.rule"], "right:introspect");
    }
    let lambda = ("cognito-triggers", &*pool.secret);
    assert_eq!(
        pool.form(CONFIRM, lambda, &asking).await.body,
        json!({ "active": false }),
        "not taken"
    );
    let taken = pool.form(REDEEM, lambda, &taking).await;
    assert_eq!(
        (taken.status.as_u16(), &taken.body),
        (200, &json!({ "active": true }))
    );
    assert_eq!(taken.header("cache-control"), Some("no-store"));
    let issuer = pool.issuer.name();
    let confirmed = json!({
        "active": true,
        "grant_id": grant,
        "act": { "iss": issuer, "sub": "carol-sub" },
        "target": { "iss": issuer, "sub": "alice-sub" },
        "mode": "full",
    });
    assert_eq!(pool.form(CONFIRM, lambda, &asking).await.body, confirmed);
    assert_eq!(
        pool.form(CONFIRM, lambda, &about_grant).await.body,
        confirmed
    );

    for (path, name, value) in [
        (REDEEM, "code_hash", ""),
        (REDEEM, "code_hash", "x"),
        (REDEEM, "challenge", ""),
        (REDEEM, "challenge", "x"),
        (REDEEM, "issuer", ""),
        (REDEEM, "client", ""),
        (CONFIRM, "receipt", ""),
        (CONFIRM, "receipt", "x"),
    ] {
        let whole = if path == REDEEM { &taking } else { &asking };
        let changed = whole
            .iter()
            .map(|(n, v)| if *n == name { (*n, value) } else { (*n, *v) });
        let seen = pool.form(path, lambda, &changed.collect::<Vec<_>>()).await;
        assert_eq!(
            (seen.status.as_u16(), &seen.body["error"]),
            (400, &json!("invalid_request")),
            "{name}"
        );
    }
    let both: Vec<_> = asking
        .iter()
        .copied()
        .chain([("grant_id", &*grant)])
        .collect();
    assert_eq!(pool.form(CONFIRM, lambda, &both).await.status, 400);
    // Whatever is of somebody else is as what is not there.
    for (name, value) in [
        (
            "issuer",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other",
        ),
        ("subject", "bob-sub"),
        ("username", "bob"),
        ("client", "web"),
        ("receipt", &*challenge),
    ] {
        let changed = asking
            .iter()
            .map(|(n, v)| if *n == name { (*n, value) } else { (*n, *v) });
        let seen = pool
            .form(CONFIRM, lambda, &changed.collect::<Vec<_>>())
            .await;
        assert_eq!(seen.body, json!({ "active": false }), "{name}");
    }
    pool.revoke(&grant).await;
    for form in [&*asking, &about_grant] {
        assert_eq!(
            pool.form(CONFIRM, lambda, form).await.body,
            json!({ "active": false })
        );
    }
}

#[tokio::test]
async fn the_routes_stand_in_the_document_as_they_answer() {
    let pool = PaperPool::start().await;
    let document = pool.manage.openapi();
    let ours: Vec<_> = { pool.manage.endpoints() }
        .filter(|endpoint| endpoint.path.contains("sign-in"))
        .map(|endpoint| (endpoint.path, endpoint.method, endpoint.credential))
        .collect();
    assert_eq!(
        ours,
        [
            (
                "/grants/{id}/sign-in-code".to_owned(),
                Method::POST,
                Credential::Bearer
            ),
            (REDEEM.to_owned(), Method::POST, Credential::Client),
            (CONFIRM.to_owned(), Method::POST, Credential::Client),
        ]
    );
    let text = document.to_string();
    for (path, ..) in &ours {
        assert!(
            document["paths"][path]["post"]["operationId"].is_string(),
            "{path}"
        );
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        assert!(
            text.contains(&format!("#/components/schemas/{name}\"")),
            "{name} is not used"
        );
    }
    let (grant, code) = pool.carol_as_alice().await;
    let issued = pool
        .post(
            &format!("/grants/{grant}/sign-in-code"),
            &pool.carol(),
            Value::Null,
        )
        .await;
    pool.sign_in(Attempt::by(&code)).await.unwrap();
    let hash = code.hash().to_string();
    let asking: Vec<_> = form(&hash, "")[..4]
        .iter()
        .copied()
        .chain([("receipt", &*hash)])
        .collect();
    let confirmed = pool
        .form(CONFIRM, ("cognito-triggers", &pool.secret), &asking)
        .await;
    assert_eq!(confirmed.body["active"], true);
    for (name, answer) in [("CodeIssued", issued.body), ("SignIn", confirmed.body)] {
        let mut schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        schema["components"] = document["components"].clone();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let faults: Vec<_> = validator
            .iter_errors(&answer)
            .map(|fault| fault.to_string())
            .collect();
        assert!(faults.is_empty(), "{name}: {faults:?}\n{answer:#}");
    }
}

#[tokio::test]
async fn what_could_not_work_is_an_error_of_build() {
    let pool = PaperPool::start().await;
    let nowhere = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no such folder/codes.sqlite");
    let none: [&str; 0] = [];
    for (sign_in, name) in [
        (SignIn::new(codes::memory(), none), "SignIn"),
        (SignIn::new(codes::memory(), [""]), "SignIn"),
        (SignIn::new(codes::memory(), ["x".repeat(129)]), "SignIn"),
        (
            SignIn::new(codes::memory(), [CODES]).lifetime(Duration::from_millis(999)),
            "OutOfBounds",
        ),
        (
            SignIn::new(codes::memory(), [CODES]).lifetime(Duration::from_secs(301)),
            "OutOfBounds",
        ),
        (SignIn::new(codes::sqlite(nowhere), [CODES]), "SignIn"),
    ] {
        let error = Manage::builder(&pool.layer)
            .sign_in(sign_in)
            .build()
            .unwrap_err();
        assert!(format!("{error:?}").starts_with(name), "{error:?}");
        assert!(!error.to_string().is_empty());
    }
    let sound = SignIn::new(codes::memory(), [CODES]).lifetime(Duration::from_secs(300));
    assert!(!matches!(
        Manage::builder(&pool.layer).sign_in(sound).build(),
        Err(ManageError::SignIn { .. })
    ));
}

/// Says that it is not there.
struct Broken;

impl CodeStore for Broken {
    fn keep(&self, _: KeptCode, _: Timestamp) -> Answer<Result<(), StoreError>> {
        Answer::now(Err(StoreError::unavailable("broken")))
    }

    fn find(&self, _: &CodeHash) -> Answer<Result<Option<KeptCode>, StoreError>> {
        Answer::now(Err(StoreError::unavailable("broken")))
    }

    fn take(&self, _: &CodeHash, _: Taking) -> Answer<Result<Option<Taking>, StoreError>> {
        Answer::now(Err(StoreError::unavailable("broken")))
    }

    fn last_taken(&self, _: &IdentityKey, _: &str) -> Answer<Result<Option<CodeHash>, StoreError>> {
        Answer::now(Err(StoreError::unavailable("broken")))
    }
}

#[tokio::test]
async fn while_the_store_or_the_service_fails_nobody_signs_in() {
    let pool = PaperPool::with(|_| SignIn::new(Broken, [CODES])).await;
    let grant = pool.begin(&pool.carol(), "alice", Value::Null).await;
    let path = format!("/grants/{grant}/sign-in-code");
    let seen = pool.post(&path, &pool.carol(), Value::Null).await;
    assert_eq!(seen.status, 503, "{seen:?}");
    assert!(!seen.body.to_string().contains("code\""), "{seen:?}");
    let code = SignInCode::random().unwrap();
    let hash = code.hash().to_string();
    let lambda = ("cognito-triggers", &*pool.secret);
    let taking = form(&hash, &hash);
    let asking: Vec<_> = taking[..4]
        .iter()
        .copied()
        .chain([("receipt", &*hash)])
        .collect();
    for (path, form) in [(REDEEM, &taking), (CONFIRM, &asking)] {
        let seen = pool.form(path, lambda, form).await;
        let expected = (503, &json!("temporarily_unavailable"));
        assert_eq!((seen.status.as_u16(), &seen.body["error"]), expected);
    }
    let unavailable = |failed| match failed {
        Err(Failed::Error(error)) => assert_eq!(error.kind(), TriggerErrorKind::Unavailable),
        other => panic!("{:?}", other.err()),
    };
    unavailable(pool.sign_in(Attempt::by(&code)).await);

    // So it is where the function comes with another secret, or to another port.
    let sound = PaperPool::start().await;
    let (grant, code) = sound.carol_as_alice().await;
    for (url, secret) in [(&*sound.url, "x"), ("http://127.0.0.1:1", &*sound.secret)] {
        let remote = lambda::remote(url, "cognito-triggers", secret.to_owned()).unwrap();
        let triggers = Triggers::builder(remote)
            .sign_in_clients([CODES])
            .build()
            .unwrap();
        let mut as_target = Attempt::by(&code).event("TokenGeneration_Authentication");
        as_target["version"] = json!("2");
        let named = json!({ "impersonation_grant": grant });
        let as_actor = Attempt::at_web("carol", "carol-sub", named);
        let as_actor = as_actor.event("TokenGeneration_Authentication");
        for event in [as_target, as_actor] {
            let error = triggers.handle(event).await.unwrap_err();
            assert_eq!(error.kind(), TriggerErrorKind::Unavailable);
            assert!(!format!("{error} {error:?}").contains(&sound.secret));
        }
    }
    sound.sign_in(Attempt::by(&code)).await.unwrap();
}

/// A store of each kind, and the folder of the one that has a file.
fn stores(name: &str) -> [(&'static str, Arc<dyn CodeStore>); 2] {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("codes-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    [
        ("memory", Arc::new(codes::memory())),
        (
            "sqlite",
            Arc::new(codes::sqlite(folder.join("codes.sqlite"))),
        ),
    ]
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn kept(byte: u8) -> KeptCode {
    KeptCode {
        hash: CodeHash::from_bytes([byte; 32]),
        grant: GrantId::from_bytes([byte; 32]),
        actor: IdentityKey::new("https://a.example.com", "carol"),
        target: IdentityKey::new("https://b.example.com", "alice"),
        username: Some("alice".into()),
        client: "codes".into(),
        expires_at: at(1_700_000_060),
        keep_until: at(1_700_003_600),
        taken: None,
    }
}

fn taking(byte: u8) -> Taking {
    Taking {
        challenge: ChallengeId::from_bytes([byte; 32]),
        at: at(1_700_000_001 + i64::from(byte)),
    }
}

#[tokio::test]
async fn every_store_keeps_a_code_and_lets_it_be_taken_once() {
    for (name, store) in stores("once") {
        store.check().unwrap();
        let now = at(1_700_000_000);
        let code = kept(1);
        assert!(store.find(&code.hash).await.unwrap().is_none(), "{name}");
        assert!(store.take(&code.hash, taking(1)).await.unwrap().is_none());
        store.keep(code.clone(), now).await.unwrap();
        assert_eq!(store.find(&code.hash).await.unwrap(), Some(code.clone()));
        let twice = store.keep(code.clone(), now).await.unwrap_err();
        assert_eq!(twice.kind(), StoreErrorKind::Unavailable);
        let nameless = KeptCode {
            username: None,
            ..kept(2)
        };
        store.keep(nameless.clone(), now).await.unwrap();
        assert_eq!(store.find(&nameless.hash).await.unwrap(), Some(nameless));

        for byte in [1, 1, 2] {
            let taken = store.take(&code.hash, taking(byte)).await.unwrap();
            assert_eq!(taken, Some(taking(1)), "{name}: the first one stays");
        }
        let taken = store.find(&code.hash).await.unwrap().unwrap();
        assert_eq!(
            taken,
            KeptCode {
                taken: Some(taking(1)),
                ..code
            }
        );
        assert_eq!(
            store.find(&kept(2).hash).await.unwrap().unwrap().taken,
            None
        );
    }
}

/// By the order of the takings, whatever clocks said; a second try changes nothing.
#[tokio::test]
async fn every_store_says_which_code_was_taken_last() {
    for (name, store) in stores("last") {
        let now = at(1_700_000_000);
        let elsewhere = KeptCode {
            client: "other".into(),
            ..kept(4)
        };
        for code in [kept(1), kept(2), kept(3), elsewhere] {
            store.keep(code, now).await.unwrap();
        }
        let last = async |client: &str| {
            let last = store.last_taken(&kept(1).target, client).await.unwrap();
            last.map(|hash| hash.as_bytes()[0])
        };
        assert_eq!(last("codes").await, None, "{name}");
        for (byte, clock, expected) in [(2, 9, 2), (1, 9, 1), (2, 10, 1), (4, 11, 1), (3, 0, 3)] {
            let hash = CodeHash::from_bytes([byte; 32]);
            store.take(&hash, taking(clock)).await.unwrap();
            assert_eq!(last("codes").await, Some(expected), "{name}, {byte}");
        }
        assert_eq!(last("other").await, Some(4), "{name}");
        assert_eq!(last("none").await, None);
        let another = store.last_taken(&kept(1).actor, "codes").await.unwrap();
        assert_eq!(another, None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_one_takes_it_in_every_store() {
    for (name, store) in stores("race") {
        store.keep(kept(1), at(1_700_000_000)).await.unwrap();
        let tries: Vec<_> = (1..=32)
            .map(|byte| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let taken = store.take(&kept(1).hash, taking(byte)).await;
                    taken.ok().flatten() == Some(taking(byte))
                })
            })
            .collect();
        let mut winners = 0;
        for one in tries {
            winners += usize::from(one.await.unwrap());
        }
        assert_eq!(winners, 1, "{name}");
    }
}

/// Untaken it has no receipt; a taken one stays as long as its grant can.
#[tokio::test]
async fn what_nobody_took_in_time_makes_room_in_every_store() {
    let (now, expired) = (at(1_700_000_000), kept(1).expires_at);
    for (name, store) in stores("untaken").into_iter().chain(bounded_to_three()) {
        for byte in [1, 2] {
            store.keep(kept(byte), now).await.unwrap();
        }
        store.take(&kept(1).hash, taking(1)).await.unwrap();
        let later = KeptCode {
            expires_at: at(1_700_000_061),
            ..kept(3)
        };
        store.keep(later, now).await.unwrap();
        store.keep(kept(4), expired).await.unwrap();
        for (byte, known) in [(1, true), (2, false), (3, true), (4, true)] {
            let hash = CodeHash::from_bytes([byte; 32]);
            let found = store.find(&hash).await.unwrap();
            // Without a bound in reach the memory forgets nothing.
            let known = known || name == "memory";
            assert_eq!(found.is_some(), known, "{name}, {byte}");
        }
        let last = store.last_taken(&kept(1).target, "codes").await.unwrap();
        assert_eq!(last, Some(kept(1).hash), "{name}");
    }
}

fn bounded_to_three() -> [(&'static str, Arc<dyn CodeStore>); 1] {
    [("memory of three", Arc::new(codes::MemoryCodes::bounded(3)))]
}

#[tokio::test]
async fn what_is_past_its_time_makes_room() {
    let bounded = codes::MemoryCodes::bounded(2);
    let (now, later) = (at(1_700_000_000), at(1_700_003_600));
    bounded.keep(kept(1), now).await.unwrap();
    bounded.keep(kept(2), now).await.unwrap();
    let full = bounded.keep(kept(3), now).await.unwrap_err();
    assert_eq!(full.kind(), StoreErrorKind::Full);
    bounded.keep(kept(3), later).await.unwrap();

    let [_, (_, file)] = stores("room");
    file.keep(kept(1), now).await.unwrap();
    file.keep(
        KeptCode {
            keep_until: at(1_700_003_601),
            ..kept(2)
        },
        later,
    )
    .await
    .unwrap();
    assert!(file.find(&kept(1).hash).await.unwrap().is_none());
    assert!(file.find(&kept(2).hash).await.unwrap().is_some());
}

/// Beside the grants in one file, and known to the next process.
#[tokio::test]
async fn a_file_remembers_what_was_taken() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("codes-reopened-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("grants.sqlite");
    let grants = tower_impersonate::grant::sqlite(&path);
    tower_impersonate::grant::GrantStore::check(&grants).unwrap();
    let first = codes::sqlite(&path);
    first.keep(kept(1), at(1_700_000_000)).await.unwrap();
    first.take(&kept(1).hash, taking(1)).await.unwrap();
    drop(first);
    let second = codes::sqlite(&path);
    assert_eq!(
        second.take(&kept(1).hash, taking(2)).await.unwrap(),
        Some(taking(1))
    );
}
