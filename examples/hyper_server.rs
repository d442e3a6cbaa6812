//! The layer without a web framework: a plain `hyper` server.
//!
//! ```text
//! cargo run --example hyper_server            # on port 3001
//! cargo run --example hyper_server -- --port 8080
//! ```
//!
//! The handler finds a `Principal` in the request's extensions. The example prints `curl` lines to
//! paste into a second terminal. Nothing leaves this machine.

use std::convert::Infallible;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tower::{ServiceBuilder, service_fn};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{
    Identity, ImpersonationLayer, Principal, audit, directory, policy, resolve,
};

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = match request.extensions().get::<Principal>() {
        Some(principal) => format!("hello {}\n", principal.subject()),
        None => "nobody is there\n".to_owned(),
    };
    Ok(Response::new(Full::from(text)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let port = match std::env::args().nth(2) {
        Some(port) => port.parse()?,
        None => 3001,
    };
    let issuer = TestIssuer::start().await;
    let alice = Identity::new(issuer.name(), "alice-sub").with_groups(["customers"]);
    let layer = ImpersonationLayer::builder()
        .issuer(issuer.issuer().audiences(["hello"]).groups_claim("groups"))
        .resolve(resolve::header("impersonate-user"))
        .policy(policy::in_group("support"))
        .directory(directory::memory([alice.enabled_account()]))
        .audit(audit::jsonl(
            std::env::temp_dir().join("hyper_server_audit.jsonl"),
        ))
        .build()?;
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(hello));

    let listener =
        tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let carol = issuer
        .token("carol-sub")
        .audience("hello")
        .groups(["support"])
        .sign();
    let address = listener.local_addr()?;
    println!("# Carol");
    println!("curl -i http://{address}/ -H 'authorization: Bearer {carol}'\n");
    println!("# Carol, as Alice");
    println!(
        "curl -i http://{address}/ -H 'authorization: Bearer {carol}' -H 'impersonate-user: alice-sub'\n"
    );
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
