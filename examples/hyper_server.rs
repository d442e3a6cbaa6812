//! The layer without a web framework: a plain `hyper` server.
//!
//! ```text
//! cargo run --example hyper_server            # on port 3001
//! cargo run --example hyper_server -- --port 8080
//! ```
//!
//! The handler finds a `Principal` in the request's extensions. The example prints `curl` lines to
//! paste into a second terminal. Port 0 takes any free one. Nothing leaves this machine.

use std::convert::Infallible;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, service_fn};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{
    Identity, ImpersonationLayer, Principal, audit, directory, policy, resolve,
};

type BoxError = Box<dyn Error + Send + Sync>;

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = match request.extensions().get::<Principal>() {
        Some(principal) => format!("hello {}\n", principal.subject()),
        None => "nobody is there\n".to_owned(),
    };
    Ok(Response::new(Full::from(text)))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let port = port(std::env::args().skip(1))?;
    let issuer = TestIssuer::start().await;
    let service = ServiceBuilder::new()
        .layer(layer(&issuer)?)
        .service(service_fn(hello));

    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    print_what_to_try(&issuer, listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let connection = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = connection
                .serve_connection(TokioIo::new(stream), service)
                .await
            {
                eprintln!("connection ended: {error}");
            }
        });
    }
}

fn layer(issuer: &TestIssuer) -> Result<ImpersonationLayer, BoxError> {
    let alice = Identity::new(issuer.name(), "alice-sub").with_groups(["customers"]);
    let layer = ImpersonationLayer::builder()
        .issuer(issuer.issuer().audiences(["hello"]))
        .resolve(resolve::header("impersonate-user"))
        .policy(policy::in_group("support").and(policy::reason_required()))
        .directory(directory::memory([alice.enabled_account()]))
        .audit(audit::jsonl(
            std::env::temp_dir().join("hyper_server_audit.jsonl"),
        ))
        .build()?;
    Ok(layer)
}

fn port(mut arguments: impl Iterator<Item = String>) -> Result<u16, BoxError> {
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(3001),
        (Some("--port"), Some(port)) => Ok(port.parse()?),
        _ => Err("usage: hyper_server [--port PORT]".into()),
    }
}

fn print_what_to_try(issuer: &TestIssuer, address: SocketAddr) {
    let carol = issuer
        .token("carol-sub")
        .audience("hello")
        .groups(["support"])
        .expires_in(Duration::from_secs(3600))
        .sign();
    let as_alice = " -H 'impersonate-user: alice-sub' -H 'impersonate-reason: ticket 4711'";
    println!("The server listens on http://{address}. Paste into another terminal:\n");
    for (what, headers) in [("Carol", ""), ("Carol, as Alice", as_alice)] {
        println!("# {what}");
        println!("curl -i http://{address}/ -H 'authorization: Bearer {carol}'{headers}\n");
    }
}
