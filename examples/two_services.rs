//! Two services: one hands out tokens, the other one takes them, and learns at once when they end.
//!
//! ```text
//! cargo run --example two_services -- desk             # on port 3000
//! cargo run --example two_services -- desk --port 8080
//! ```
//!
//! The desk prints a line that starts the second service, `billing`, as another process, and `curl` lines for
//! a third terminal. Billing shares nothing with the desk. It knows two addresses of it: where its keys are,
//! and where to ask, as an app client, whether a grant is still alive. Port 0 takes any free one; nothing
//! leaves this machine.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use axum::{Router, routing::get};
use tokio::net::TcpListener;
use tower_impersonate::grant::{self, Grants};
use tower_impersonate::manage::{Client, Manage};
use tower_impersonate::mint::Minter;
use tower_impersonate::policy::{self, Right, right};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{
    Identity, Impersonation, ImpersonationLayer, Issuer, Principal, audit, directory, resolve,
};
use tracing_subscriber::EnvFilter;

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(|argument| &**argument).collect();
    match arguments[..] {
        ["desk"] => desk(3000).await,
        ["desk", "--port", port] => desk(port.parse()?).await,
        ["billing", desk_url] => billing(desk_url, 3001).await,
        ["billing", desk_url, "--port", port] => billing(desk_url, port.parse()?).await,
        _ => Err("usage: two_services desk [--port PORT] | billing DESK_URL [--port PORT]".into()),
    }
}

// --- the service that hands out tokens -----------------------------------------------------------

async fn desk(port: u16) -> Result<(), BoxError> {
    let (listener, url) = listen(port).await?;
    let folder = std::env::temp_dir();
    // Stands in for your identity provider and your user table.
    let issuer = TestIssuer::start().await;
    let alice = Identity::new(issuer.name(), "alice-sub")
        .with_username("alice")
        .with_groups(["customers"])
        .enabled_account();

    let minter = Minter::builder(&url)
        .key_file(folder.join("two_services_key.jwk"))
        .audiences(["desk", "billing"])
        .own_audience("desk")
        .build()?;
    let layer = ImpersonationLayer::builder()
        .issuer(issuer.issuer().audiences(["desk"]))
        .mint(&minter)
        .grants(Grants::new(grant::memory()))
        .policy(
            policy::in_group("support")
                .or(policy::machines(["ticket-system"]).of(&*url))
                .and(policy::reason_required()),
        )
        .directory(directory::memory([alice]))
        .audit(audit::jsonl(folder.join("two_services_desk.jsonl")))
        .build()?;
    let (tickets, tickets_secret) = Client::generate("ticket-system")?;
    let (billing, billing_secret) = Client::generate("billing")?;
    let manage = Manage::builder(&layer)
        .rights([right(
            Right::Introspect,
            policy::machines(["billing"]).of(&*url),
        )])
        .client(tickets.scopes(["tickets:read"]).exchanges_for(["billing"]))
        .client(billing)
        .build()?;
    let app = manage.routes().merge(manage.well_known());

    let carol = issuer.token("carol-sub").audience("desk");
    let carol = carol.groups(["support"]).expires_in(HOUR).sign();
    println!(
        "The desk listens on {url}. Start the second service in another terminal:\n\n\
         BILLING_SECRET='{billing}' cargo run --example two_services -- billing {url}\n\n\
         and paste into a third one:\n\n\
         # Carol gets a token for Alice, made for billing; set TOKEN and GRANT to what the answer says\n\
         curl -i -X POST {url}/alice/impersonate -H 'authorization: Bearer {carol}' \
         --json '{{\"audience\":\"billing\",\"reason\":\"ticket 4711\"}}'\n\n\
         # Billing takes it\n\
         curl -i http://127.0.0.1:3001/invoices -H \"authorization: Bearer $TOKEN\"\n\n\
         # Carol ends it: 204\n\
         curl -i -X DELETE {url}/grants/$GRANT -H 'authorization: Bearer {carol}'\n\n\
         # Billing refuses it within two seconds: 401\n\
         curl -i http://127.0.0.1:3001/invoices -H \"authorization: Bearer $TOKEN\"\n\n\
         # The ticket system comes as itself; set CLIENT_TOKEN\n\
         curl -i -X POST {url}/oauth2/token -u ticket-system:{tickets} \
         -d grant_type=client_credentials -d audience=desk\n\n\
         # and gets a token for Alice, made for billing; set TOKEN and GRANT\n\
         curl -i -X POST {url}/alice/impersonate -H \"authorization: Bearer $CLIENT_TOKEN\" \
         --json '{{\"audience\":\"billing\",\"reason\":\"ticket 4712\"}}'\n\n\
         # That is all\n",
        billing = billing_secret.expose(),
        tickets = tickets_secret.expose(),
    );
    axum::serve(listener, app).await?;
    Ok(())
}

// --- the service that takes them -----------------------------------------------------------------

async fn billing(desk: &str, port: u16) -> Result<(), BoxError> {
    let (listener, url) = listen(port).await?;
    let secret =
        std::env::var("BILLING_SECRET").map_err(|_| "BILLING_SECRET: the desk prints it")?;

    let minter = Issuer::jwks(desk, format!("{desk}/.well-known/jwks.json"))
        .audiences(["billing"])
        .at_jwt()
        .groups_claim("groups")
        .trust_act()
        .trust_sub_id()
        .insecure_loopback_http(); // this machine alone
    let layer = ImpersonationLayer::builder()
        .issuer(minter)
        .resolve(resolve::act())
        // The desk has decided; an app client is named all the same.
        .policy(policy::vouched_by(desk).or(policy::machines(["ticket-system"]).of(desk)))
        .grants(grant::introspect(
            format!("{desk}/oauth2/introspect"),
            "billing",
            secret,
        ))
        .audit(audit::jsonl(
            std::env::temp_dir().join("two_services_billing.jsonl"),
        ))
        .build()?;
    let app = Router::new().route("/invoices", get(invoices)).layer(layer);

    println!("Billing listens on {url}");
    axum::serve(listener, app).await?;
    Ok(())
}

async fn invoices(user: Principal, impersonation: Option<Impersonation>) -> String {
    let actor = impersonation.map(|impersonation| impersonation.actor().subject().to_owned());
    let shown_to = actor.as_deref().unwrap_or("nobody else");
    format!("invoices of {}, shown to {shown_to}\n", user.subject())
}

async fn listen(port: u16) -> Result<(TcpListener, String), BoxError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
