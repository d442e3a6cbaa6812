//! A second process: it knows where the first one's keys are and where to ask, and nothing of its people.

#[path = "support/causes.rs"]
mod causes;
#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/sinks.rs"]
mod sinks;
mod support;

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use causes::{CAUSES, Cause};
use desk_api::{Api, MINTER, OTHER_API};
use shop::{Shop, assert_both};
use sinks::{Folder, lines};
use support::Desk;
use tokio::task::JoinSet;
use tower_impersonate::time::{Clock, SystemClock};
use tower_impersonate::{ImpersonationLayer, Issuer, audit, grant, policy, resolve};

const DESK: &str = "TOWER_IMPERSONATE_TEST_DESK";
const SECRET: &str = "TOWER_IMPERSONATE_TEST_SECRET";
const FILE: &str = "TOWER_IMPERSONATE_TEST_FILE";

#[tokio::test]
async fn the_other_process() {
    let (Ok(desk), Ok(secret), Ok(file)) = (env::var(DESK), env::var(SECRET), env::var(FILE))
    else {
        return;
    };
    let issuer = Issuer::jwks(MINTER, format!("{desk}/.well-known/jwks.json"))
        .insecure_loopback_http()
        .audiences([OTHER_API])
        .at_jwt()
        .groups_claim("groups")
        .trust_act()
        .trust_sub_id();
    let layer = ImpersonationLayer::builder()
        .issuer(issuer)
        .resolve(resolve::act())
        .policy(policy::vouched_by(MINTER))
        .audit(audit::jsonl(file))
        .grants(grant::introspect(
            format!("{desk}/oauth2/introspect"),
            "auditor",
            secret,
        ))
        .build()
        .unwrap();
    let shop = Shop::behind(layer).await;
    println!("listening on {} .", shop.url);
    // Until the first process lets go.
    let gone = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    gone.await.unwrap().unwrap();
}

/// The other process, as long as it is there.
struct Other {
    child: Child,
    url: String,
}

impl Other {
    async fn start(api: &Api, file: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_other_process", "--nocapture"])
            .env(DESK, &api.url)
            .env(SECRET, api.auditor.expose())
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = tokio::task::spawn_blocking(move || {
            let named = |line: String| {
                let (_, url) = line.split_once("listening on ")?;
                url.strip_suffix(" .").map(str::to_owned)
            };
            lines.by_ref().map_while(Result::ok).find_map(named)
        });
        let url = listening.await.unwrap().expect("it does not listen");
        Self { child, url }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a first process and its clock, which stands where this machine's does, make of the cause; and how long the
/// other process took to refuse, and to cut a stream.
async fn elsewhere(cause: Cause, reason: &str) -> [Duration; 2] {
    let (desk, folder) = (Desk::new(), Folder::new());
    desk.clock.set_wall(SystemClock::new().now());
    let acting = cause.world_at(desk, OTHER_API, |builder| builder).await;
    let other = Other::start(&acting.api, &folder.file()).await;
    let shop = Shop::at(&other.url);
    let seen = shop.get(&acting.minted).await;
    seen.assert_ran_as("alice", Some("carol"));
    let going = shop.open("/ticks", &acting.minted).await;
    let since = Instant::now();
    cause.happens(&acting).await;
    let refused = async {
        loop {
            let seen = shop.get(&acting.minted).await;
            if !seen.ran {
                seen.assert_refused(401);
                return since.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(since.elapsed() < Duration::from_secs(30), "still alive");
        }
    };
    let (refused, cut) = tokio::join!(refused, going.cut(since));
    acting.assert_ended(reason).await;
    drop(other);
    let told = lines(&folder.file());
    told.iter().for_each(assert_both);
    let denied = told
        .iter()
        .find(|event| event["event.name"] == "impersonation.denied");
    let denied = denied.expect("the denial is recorded");
    assert_eq!(denied["impersonation.grant.id"], acting.id.as_str());
    [refused, cut]
}

#[tokio::test]
async fn incident_a8_a10_another_process_refuses_within_five_seconds() {
    let bound = Duration::from_secs(5);
    let mut asked = JoinSet::new();
    for (cause, reason) in CAUSES {
        asked.spawn(async move { (cause, elsewhere(cause, reason).await) });
    }
    for (cause, [refused, cut]) in asked.join_all().await {
        println!(
            "{cause:?}: the other process refused after {refused:.1?}, and cut a stream after {cut:.1?}"
        );
        assert!(
            refused <= bound && cut <= bound,
            "{cause:?}: {refused:?} {cut:?}"
        );
    }
}
