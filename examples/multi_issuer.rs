//! Two customers with a user pool each, a central staff pool, one layer; and keys that are rotated
//! while requests go on.
//!
//! ```text
//! cargo run --example multi_issuer
//! ```
//!
//! Three issuers publish their keys over HTTP on this machine: the Cognito pools of Acme and Globex, and
//! the OpenID provider of the staff. The example sends requests through the layer, in process, and
//! prints what became of each, first who may act as whom, then what a rotation does to tokens that are
//! out. Its clock is set ahead where a deployment would have to wait. Nothing leaves this machine.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::directory::MemoryDirectory;
use tower_impersonate::testing::{ManualClock, RecordingSink, TestIssuer};
use tower_impersonate::{Identity, ImpersonationLayer, Principal, directory, policy, resolve};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The three issuers, and the clock of them all.
struct Pools {
    acme: TestIssuer,
    globex: TestIssuer,
    staff: TestIssuer,
    clock: ManualClock,
}

impl Pools {
    async fn start() -> Self {
        let clock = ManualClock::new();
        let acme = TestIssuer::start_cognito("eu-west-1", "eu-west-1_Acme").await;
        let globex = TestIssuer::start_cognito("eu-west-1", "eu-west-1_Globex").await;
        let staff = TestIssuer::start().await;
        Self {
            acme: acme.with_clock(clock.clone()),
            globex: globex.with_clock(clock.clone()),
            staff: staff.with_clock(clock.clone()),
            clock,
        }
    }

    /// A customer's support acts within its tenant, the desk of the staff everywhere, as nobody else's
    /// support; who is not named here acts as nobody.
    fn layer(&self, audit: RecordingSink) -> Result<ImpersonationLayer, BoxError> {
        let layer = ImpersonationLayer::builder()
            .issuer(self.acme.issuer().tenant("acme"))
            .issuer(self.globex.issuer().tenant("globex"))
            .issuer(self.staff.issuer().staff())
            .resolve(resolve::header("impersonate-user"))
            .policy(
                policy::in_group("support")
                    .and(policy::not(policy::staff()))
                    .or(policy::in_group("desk")
                        .of(self.staff.name())
                        .and(policy::staff()))
                    .except(policy::target_in_group("support"))
                    .and(policy::reason_required()),
            )
            .directory(self.people())
            .audit(audit)
            .clock(self.clock.clone())
            .build()?;
        Ok(layer)
    }

    fn people(&self) -> MemoryDirectory {
        let person = |issuer: &TestIssuer, name: &str, group: &str| {
            Identity::new(issuer.name(), format!("{name}-sub"))
                .with_groups([group])
                .enabled_account()
        };
        directory::memory([
            person(&self.acme, "alice", "customers"),
            person(&self.acme, "carol", "support"),
            person(&self.globex, "bob", "customers"),
            person(&self.globex, "eve", "desk"),
            person(&self.staff, "dora", "desk"),
        ])
    }
}

/// The token of one of the people above.
fn token(issuer: &TestIssuer, name: &str, group: &str) -> String {
    let token = issuer.token(&format!("{name}-sub")).groups([group]);
    token.expires_in(Duration::from_secs(3600)).sign()
}

/// Sends a request; what comes back is the status, and as whom the handler ran.
async fn ask(
    layer: &ImpersonationLayer,
    token: &str,
    target: Option<(&TestIssuer, &str)>,
) -> Result<(StatusCode, String), BoxError> {
    let mut request = Request::get("/orders").header("authorization", format!("Bearer {token}"));
    if let Some((issuer, name)) = target {
        request = request
            .header("impersonate-user", format!("{name}-sub"))
            .header("impersonate-issuer", issuer.name())
            .header("impersonate-reason", "ticket 4711");
    }
    let handler = service_fn(|request: Request<Full<Bytes>>| {
        let told = match request.extensions().get::<Principal>() {
            Some(principal) => format!("ran as {}", principal.subject()),
            None => "ran as nobody".to_owned(),
        };
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(told))) }
    });
    let request = request.body(Full::default())?;
    let response = layer.layer(handler).oneshot(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let told = match status.is_success() {
        true => String::from_utf8_lossy(&body).into_owned(),
        false => "did not run".to_owned(),
    };
    Ok((status, told))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let pools = Pools::start().await;
    let audit = RecordingSink::new();
    let layer = pools.layer(audit.clone())?;
    who_may_act_as_whom(&pools, &layer).await?;
    println!(
        "audited: {} events, none of a plain request",
        audit.events().len()
    );
    println!();
    a_rotation(&pools, &layer).await
}

async fn who_may_act_as_whom(pools: &Pools, layer: &ImpersonationLayer) -> Result<(), BoxError> {
    let Pools {
        acme,
        globex,
        staff,
        ..
    } = pools;
    let alice = token(acme, "alice", "customers");
    let carol = token(acme, "carol", "support");
    let eve = token(globex, "eve", "desk");
    let dora = token(staff, "dora", "desk");
    let stranger = TestIssuer::offline("https://unknown.example.com");
    let stranger = stranger.with_clock(pools.clock.clone());
    let mallory = token(&stranger, "mallory", "desk");

    let (as_alice, as_bob) = (Some((acme, "alice")), Some((globex, "bob")));
    for (who, token, target) in [
        ("Alice of Acme", &alice, None),
        ("Carol, Acme's support, as Alice of Acme", &carol, as_alice),
        ("Carol, Acme's support, as Bob of Globex", &carol, as_bob),
        ("Dora of the staff as Alice of Acme", &dora, as_alice),
        ("Dora of the staff as Bob of Globex", &dora, as_bob),
        ("Dora of the staff as Carol", &dora, Some((acme, "carol"))),
        ("Eve of Globex, in a group \"desk\", as Bob", &eve, as_bob),
        ("Alice of Acme as Bob of Globex", &alice, as_bob),
        ("Mallory of an unknown issuer", &mallory, None),
    ] {
        let (status, told) = ask(layer, token, target).await?;
        println!("{who:<42} {} {told}", status.as_u16());
    }
    Ok(())
}

async fn a_rotation(pools: &Pools, layer: &ImpersonationLayer) -> Result<(), BoxError> {
    let before = token(&pools.acme, "alice", "customers");
    let neighbours = [
        token(&pools.globex, "bob", "customers"),
        token(&pools.staff, "dora", "desk"),
    ];
    // A request with each key, so that all are there before anything happens.
    for token in neighbours.iter().chain([&before]) {
        ask(layer, token, None).await?;
    }
    let done = Arc::new(AtomicBool::new(false));
    let traffic = tokio::spawn(traffic(layer.clone(), neighbours, Arc::clone(&done)));

    let say = async |what: &str, token: &str| -> Result<(), BoxError> {
        // The others have their turn.
        tokio::task::yield_now().await;
        let (status, told) = ask(layer, token, None).await?;
        let fetched = pools.acme.requests();
        println!(
            "{what:<42} {} {told}; keys of Acme fetched: {fetched}",
            status.as_u16()
        );
        Ok(())
    };
    say("Alice, before", &before).await?;
    pools.acme.rotate();
    println!("-- Acme replaces its keys");
    let after = token(&pools.acme, "alice", "customers");
    say("Alice, with a key that was just replaced", &before).await?;
    pools.clock.advance(Duration::from_secs(10));
    println!("-- ten seconds later: the keys may be fetched again");
    say("Alice, still with the old key", &before).await?;
    say("Alice, with the new key", &after).await?;
    say("Alice, with the old key", &before).await?;
    say("Alice, with the new key once more", &after).await?;

    done.store(true, Ordering::SeqCst);
    let (sent, refused) = traffic.await?;
    let sent = if sent > 0 { "some" } else { "no" };
    println!("Globex and the staff, all the while: {sent} requests, {refused} of them refused");
    println!(
        "keys of Globex fetched: {}, of the staff: {}",
        pools.globex.requests(),
        pools.staff.requests() / 2 // the discovery document each time, too
    );
    Ok(())
}

/// Sends requests until it is told to stop, and says how many, and how many were refused.
async fn traffic(
    layer: ImpersonationLayer,
    tokens: [String; 2],
    done: Arc<AtomicBool>,
) -> (usize, usize) {
    let (mut sent, mut refused) = (0, 0);
    while !done.load(Ordering::SeqCst) {
        for token in &tokens {
            let served = matches!(ask(&layer, token, None).await, Ok((StatusCode::OK, _)));
            sent += 1;
            refused += usize::from(!served);
        }
        tokio::task::yield_now().await;
    }
    (sent, refused)
}
