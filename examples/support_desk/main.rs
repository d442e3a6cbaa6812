//! A support desk: one customer application, one layer, and everything you need to try it.
//!
//! ```text
//! cargo run --example support_desk            # on port 3000
//! cargo run --example support_desk -- --port 8080
//! ```
//!
//! It starts an embedded issuer and a small shop whose handlers know nothing of impersonation
//! (`shop.rs`), puts the layer around it (`desk.rs`), prints `curl` lines to paste into a second
//! terminal, and shows the spans and the audit events as they happen. Nothing leaves this machine.

mod desk;
mod shop;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use axum::response::IntoResponse;
use tower::ServiceBuilder;
use tower::make::Shared;
use tower_http::trace::{DefaultMakeSpan, TraceLayer};
use tower_impersonate::stamp::subscriber::StampLayer;
use tower_impersonate::testing::TestIssuer;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = port(std::env::args().skip(1))?;
    show_spans_and_events();

    let issuer = TestIssuer::start().await;
    let audit = std::env::temp_dir().join("support_desk_audit.jsonl");
    let layer = desk::layer(&issuer, &audit)?;

    let app = ServiceBuilder::new()
        .map_response(IntoResponse::into_response)
        .layer(TraceLayer::new_for_http().make_span_with(DefaultMakeSpan::new().level(Level::INFO)))
        .layer(layer)
        .service(shop::router());

    let listener =
        tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    print_what_to_try(&issuer, listener.local_addr()?, &audit);
    axum::serve(listener, Shared::new(app)).await?;
    Ok(())
}

fn port(mut args: impl Iterator<Item = String>) -> Result<u16, Box<dyn Error>> {
    match (args.next().as_deref(), args.next()) {
        (None, _) => Ok(3000),
        (Some("--port"), Some(port)) => Ok(port.parse()?),
        _ => Err("usage: support_desk [--port PORT]".into()),
    }
}

fn show_spans_and_events() {
    let fmt = tracing_subscriber::fmt::layer()
        .with_target(true)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(
            Targets::new()
                .with_default(Level::INFO)
                .with_target("impersonation", Level::DEBUG),
        )
        .with(fmt)
        .with(StampLayer::new())
        .init();
}

fn print_what_to_try(issuer: &TestIssuer, address: SocketAddr, audit: &std::path::Path) {
    let [alice, bob, carol] = desk::people().map(|person| desk::token(issuer, &person));
    println!("The shop listens on http://{address}. Paste into another terminal:\n");
    let show = |what: &str, token: &str, headers: &str, path: &str| {
        println!("# {what}");
        println!("curl -i http://{address}{path} -H 'authorization: Bearer {token}'{headers}\n");
    };
    let as_alice = " -H 'impersonate-user: alice-sub' -H 'impersonate-reason: ticket 4711'";
    show("Alice sees her orders", &alice, "", "/orders");
    show(
        "Carol of the support team sees her own, of which there are none",
        &carol,
        "",
        "/orders",
    );
    show(
        "Carol, as Alice, sees what Alice sees",
        &carol,
        as_alice,
        "/orders",
    );
    show(
        "and her profile: Alice's groups, not Carol's",
        &carol,
        as_alice,
        "/me",
    );
    show("Bob has no such right", &bob, as_alice, "/orders");
    show(
        "Carol must say why",
        &carol,
        " -H 'impersonate-user: alice-sub'",
        "/orders",
    );
    println!("Who was really there is in {}:", audit.display());
    println!("tail -f {}\n", audit.display());
}
