//! Groups that are lent in the user pools of two emulators, by processes that are killed between each two of
//! their steps.
//!
//! `./tests/run` starts the emulators and runs these.
#![cfg(all(feature = "cognito", feature = "jwks", feature = "sqlite"))]

#[path = "support/cognito.rs"]
mod cognito_pools;
#[path = "support/sinks.rs"]
mod sinks;
mod support;

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_pools::{Emulator, REGION, TestPool, impersonation};
use serde_json::json;
use sinks::Folder;
use tower_impersonate::answer::Answer;
use tower_impersonate::cognito::lease::{
    self, Begun, Lease, LeaseStore, Leases, Loan, Membership, sqlite::SqliteLeases,
};
use tower_impersonate::cognito::{
    self, ApiError, Filter, Page, Pool, PoolUser, RefreshToken, UserPoolApi,
};
use tower_impersonate::grant::{End, StoreError};
use tower_impersonate::identity::{IdentityKey, Names};
use tower_impersonate::terms::GrantId;
use tower_impersonate::testing::{ManualClock, RecordingSink};
use tower_impersonate::time::{Clock, SystemClock, Timestamp};
use tower_impersonate::{ImpersonationLayer, policy, resolve};

fn layer(pool: &TestPool, leases: Option<&Leases>) -> ImpersonationLayer {
    let users = cognito::directory([pool.pool()]).deadline(Duration::from_secs(30));
    let builder = ImpersonationLayer::builder()
        .issuer(pool.issuer())
        .resolve(resolve::header("impersonate-user").names())
        .policy(policy::in_group("support"))
        .directory(users.build().unwrap())
        .audit(RecordingSink::new())
        .deadline(Duration::from_secs(30));
    match leases {
        Some(leases) => builder.recheck_groups(leases.recheck()),
        None => builder,
    }
    .build()
    .unwrap()
}

fn leases(pool: Pool, store: impl LeaseStore + 'static, clock: impl Clock + 'static) -> Leases {
    lease::leases(pool, store)
        .groups(["org-acme", "org-globex", "org-shared"])
        .audit(RecordingSink::new())
        .patience(Duration::from_secs(25))
        .clock(clock)
        .build()
        .unwrap()
}

/// The claims of a token, unchecked.
fn decoded(token: &str) -> serde_json::Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn named(groups: &[&str]) -> BTreeSet<String> {
    groups.iter().map(|group| (*group).to_owned()).collect()
}

/// A lease, a token that names its group, and its end.
#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a_token_minted_during_a_lease_names_the_group_and_loses_it_with_the_lease() {
    for emulator in Emulator::both() {
        let pool = emulator.pool().await;
        let folder = Folder::new();
        let store = lease::sqlite(folder.path().join("leases.sqlite"));
        let leases = leases(pool.pool(), store, SystemClock::new());
        leases.start().await.unwrap();
        let layer = layer(&pool, Some(&leases));
        let (carol, _) = pool.sign_in("carol").await;
        let acting = impersonation(&layer, &carol, &[("impersonate-user", "bob")]).await;
        let lease = leases
            .take(&acting, ["org-acme", "org-globex"])
            .await
            .unwrap();
        let all = named(&["org-acme", "org-globex", "org-shared", "support"]);
        assert_eq!(pool.groups("carol").await, all, "{}", emulator.name);

        let (meanwhile, _) = pool.sign_in("carol").await;
        let claimed: BTreeSet<String> =
            serde_json::from_value(decoded(&meanwhile)["cognito:groups"].clone()).unwrap();
        assert_eq!(claimed, all, "{}", emulator.name);
        let seen = async || {
            let request = support::get(&meanwhile, &[]);
            let service = tower::Layer::layer(
                &layer,
                tower::service_fn(|request: http::Request<_>| async move {
                    let told = support::tell::<http_body_util::Full<bytes::Bytes>>(&request);
                    let body = http_body_util::Full::new(bytes::Bytes::from(told));
                    Ok::<_, std::convert::Infallible>(http::Response::new(body))
                }),
            );
            let seen = support::send(service, request).await;
            let groups = seen.body["groups"].clone();
            serde_json::from_value::<BTreeSet<String>>(groups).unwrap()
        };
        assert_eq!(seen().await, all, "{}", emulator.name);
        leases.release(lease.id()).await.unwrap();
        let left = named(&["org-shared", "support"]);
        assert_eq!(pool.groups("carol").await, left, "{}", emulator.name);
        assert_eq!(
            seen().await,
            left,
            "{}: the token still names them",
            emulator.name
        );
    }
}

const SERVER: &str = "TOWER_IMPERSONATE_TEST_COGNITO";
const STEP: &str = "TOWER_IMPERSONATE_TEST_STEP";

/// Two administrators, two targets, groups that overlap; killed between each two of the calls of pool and
/// store. The next process that sweeps leaves the administrators in the groups that they had.
#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn incident_a14_a_process_that_is_killed_between_any_two_steps_leaves_nothing_behind() {
    for emulator in Emulator::both() {
        let pool = emulator.pool().await;
        let before = (pool.groups("carol").await, pool.groups("dora").await);
        let whole = Folder::new();
        let steps = run(&pool, &whole, None).await;
        assert!(steps > 40, "{steps}");
        let after = (pool.groups("carol").await, pool.groups("dora").await);
        assert_eq!(after, before, "{}: without a kill", emulator.name);

        let (mut left_behind, began) = (0, Instant::now());
        for step in 0..steps {
            let folder = Folder::new();
            run(&pool, &folder, Some(step)).await;
            let killed = (pool.groups("carol").await, pool.groups("dora").await);
            left_behind += usize::from(killed != before);
            sweep(&pool, &folder.path().join("leases.sqlite")).await;
            let swept = (pool.groups("carol").await, pool.groups("dora").await);
            assert_eq!(
                swept, before,
                "{}: killed at {step} of {steps}",
                emulator.name
            );
        }
        assert!(
            left_behind > steps / 4,
            "{left_behind}: the kills missed what they were for"
        );
        println!(
            "{}: {steps} kills, {left_behind} left groups behind, none after the sweep ({} s)",
            emulator.name,
            began.elapsed().as_secs()
        );
    }
}

/// Another process, later: its first sweep.
async fn sweep(pool: &TestPool, path: &Path) {
    let later = SystemClock::new()
        .now()
        .saturating_add(Duration::from_secs(3600));
    let leases = leases(pool.pool(), lease::sqlite(path), ManualClock::at(later));
    leases.sweep().await.unwrap();
}

/// Runs the process, up to that step, and kills it there. Answers with how many steps there were.
async fn run(pool: &TestPool, folder: &Folder, step: Option<usize>) -> usize {
    let server = json!([pool.emulator.name, pool.emulator.url(), pool.id, pool.web]);
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "the_process_that_is_killed",
            "--nocapture",
            "--include-ignored",
        ])
        .env(SERVER, server.to_string())
        .env(STEP, step.unwrap_or(usize::MAX).to_string())
        .env(
            "TOWER_IMPERSONATE_TEST_FILE",
            folder.path().join("leases.sqlite"),
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let heard = tokio::task::spawn_blocking(move || {
        let mut lines = out.lines().map_while(Result::ok);
        // The name of the test may stand before it.
        lines.find_map(|line| {
            let (_, told) = line.split_once("step ")?;
            told.strip_suffix(" .")?.parse::<usize>().ok()
        })
    });
    let told = tokio::time::timeout(Duration::from_secs(120), heard).await;
    child.kill().unwrap();
    child.wait().unwrap();
    told.unwrap().unwrap().expect("the process said nothing")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is started by the test that kills it"]
async fn the_process_that_is_killed() {
    let Ok(server) = env::var(SERVER) else {
        return;
    };
    let [name, url, id, web]: [String; 4] = serde_json::from_str(&server).unwrap();
    let pool = TestPool::known(Emulator::named(&name, &url), id, web);
    let layer = layer(&pool, None);
    let mut acting = Vec::new();
    for (actor, target) in [("carol", "alice"), ("carol", "bob"), ("dora", "alice")] {
        let (token, _) = pool.sign_in(actor).await;
        acting.push(impersonation(&layer, &token, &[("impersonate-user", target)]).await);
    }
    let steps = Steps {
        taken: Arc::default(),
        last: env::var(STEP).unwrap().parse().unwrap(),
    };
    let path = env::var_os("TOWER_IMPERSONATE_TEST_FILE").unwrap();
    let store = Stepping(lease::sqlite(path), steps.clone());
    let stepping = Pool::asked_by(REGION, &pool.id, SteppingPool(pool.clone(), steps.clone()));
    let leases = leases(stepping, store, SystemClock::new());

    let one = leases
        .take(&acting[0], ["org-acme", "org-shared"])
        .await
        .unwrap();
    let two = leases
        .take(&acting[1], ["org-acme", "org-globex"])
        .await
        .unwrap();
    let three = leases.take(&acting[2], ["org-acme"]).await.unwrap();
    leases.renew(one.id()).await.unwrap();
    for lease in [one, two, three] {
        leases.release(lease.id()).await.unwrap();
    }
    tell(steps.taken.load(Ordering::SeqCst));
}

/// Counts calls of pool and store, and stands still behind the last one that is to be.
#[derive(Clone)]
struct Steps {
    taken: Arc<AtomicUsize>,
    last: usize,
}

impl Steps {
    fn after<T: Send + 'static>(&self, answer: Answer<T>) -> Answer<T> {
        let steps = self.clone();
        Answer::later(async move {
            let done = answer.await;
            let step = steps.taken.fetch_add(1, Ordering::SeqCst);
            if step == steps.last {
                tell(step);
                std::future::pending::<()>().await;
            }
            done
        })
    }
}

fn tell(step: usize) {
    use std::io::Write;
    std::io::stdout()
        .write_all(format!("step {step} .\n").as_bytes())
        .unwrap();
}

struct SteppingPool(TestPool, Steps);

impl SteppingPool {
    fn api(&self) -> cognito::SdkPool {
        cognito::SdkPool::new(self.0.client.clone(), &self.0.id)
    }
}

impl UserPoolApi for SteppingPool {
    fn list_users(&self, filter: &Filter, page: Option<&str>) -> Answer<Result<Page, ApiError>> {
        self.1.after(self.api().list_users(filter, page))
    }

    fn get_user(&self, username: &str) -> Answer<Result<Option<PoolUser>, ApiError>> {
        self.1.after(self.api().get_user(username))
    }

    fn groups_of(&self, username: &str, page: Option<&str>) -> Answer<Result<Page, ApiError>> {
        self.1.after(self.api().groups_of(username, page))
    }

    fn add_to_group(&self, username: &str, group: &str) -> Answer<Result<(), ApiError>> {
        self.1.after(self.api().add_to_group(username, group))
    }

    fn remove_from_group(&self, username: &str, group: &str) -> Answer<Result<(), ApiError>> {
        self.1.after(self.api().remove_from_group(username, group))
    }

    fn sign_out(&self, username: &str) -> Answer<Result<(), ApiError>> {
        self.1.after(self.api().sign_out(username))
    }

    fn revoke_token(&self, token: &RefreshToken) -> Answer<Result<(), ApiError>> {
        self.1.after(self.api().revoke_token(token))
    }
}

struct Stepping(SqliteLeases, Steps);

impl LeaseStore for Stepping {
    fn begin(&self, lease: Lease, per_actor: usize) -> Answer<Result<Begun, StoreError>> {
        self.1.after(self.0.begin(lease, per_actor))
    }

    fn note(&self, id: &GrantId, had: &Names) -> Answer<Result<Option<Names>, StoreError>> {
        self.1.after(self.0.note(id, had))
    }

    fn hold(
        &self,
        id: &GrantId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Answer<Result<Option<Lease>, StoreError>> {
        self.1.after(self.0.hold(id, deadline, now))
    }

    fn end(
        &self,
        issuer: &str,
        id: &GrantId,
        end: End,
    ) -> Answer<Result<Option<Lease>, StoreError>> {
        self.1.after(self.0.end(issuer, id, end))
    }

    fn find(&self, id: &GrantId) -> Answer<Result<Option<Lease>, StoreError>> {
        self.1.after(self.0.find(id))
    }

    fn counting(
        &self,
        issuer: &str,
        behind: Option<&GrantId>,
    ) -> Answer<Result<Vec<Lease>, StoreError>> {
        self.1.after(self.0.counting(issuer, behind))
    }

    fn last(&self, membership: &Membership) -> Answer<Result<Option<Lease>, StoreError>> {
        self.1.after(self.0.last(membership))
    }

    fn lapsed(&self, issuer: &str, now: Timestamp) -> Answer<Result<Vec<Lease>, StoreError>> {
        self.1.after(self.0.lapsed(issuer, now))
    }

    fn owed(&self, issuer: &str) -> Answer<Result<Vec<Membership>, StoreError>> {
        self.1.after(self.0.owed(issuer))
    }

    fn settle(&self, membership: &Membership, at: Timestamp) -> Answer<Result<(), StoreError>> {
        self.1.after(self.0.settle(membership, at))
    }

    fn loans(&self, member: &IdentityKey, now: Timestamp) -> Answer<Result<Vec<Loan>, StoreError>> {
        self.1.after(self.0.loans(member, now))
    }

    fn forget(&self, issuer: &str, before: Timestamp) -> Answer<Result<(), StoreError>> {
        self.1.after(self.0.forget(issuer, before))
    }
}
