//! A support desk: one customer application, one layer, and everything you need to try it.
//!
//! ```text
//! cargo run --example support_desk            # on port 3000
//! cargo run --example support_desk -- --port 8080
//! ```
//!
//! It starts an embedded issuer and a small shop whose handlers know nothing of impersonation
//! (`shop.rs`), puts the layer around it (`desk.rs`), prints `curl` lines to paste into a second
//! terminal, and shows each event with the spans around it as it happens: who is the user, and who
//! was really there. Port 0 takes any free one. Nothing leaves this machine.

mod desk;
mod shop;

use std::error::Error;
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use axum::response::IntoResponse;
use tower::ServiceBuilder;
use tower::make::Shared;
use tower_http::trace::{DefaultMakeSpan, TraceLayer};
use tower_impersonate::stamp::subscriber::StampLayer;
use tower_impersonate::testing::TestIssuer;
use tracing::Level;
use tracing_subscriber::filter::Targets;
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

fn port(mut arguments: impl Iterator<Item = String>) -> Result<u16, Box<dyn Error>> {
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(3000),
        (Some("--port"), Some(port)) => Ok(port.parse()?),
        _ => Err("usage: support_desk [--port PORT]".into()),
    }
}

fn show_spans_and_events() {
    let fmt = tracing_subscriber::fmt::layer()
        .pretty()
        .with_file(false)
        .with_line_number(false)
        .with_ansi(std::io::stderr().is_terminal())
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

fn print_what_to_try(issuer: &TestIssuer, address: SocketAddr, audit: &Path) {
    let [alice, bob, carol] = desk::people().map(|person| desk::token(issuer, &person));
    let as_alice = " -H 'impersonate-user: alice-sub' -H 'impersonate-reason: ticket 4711'";
    let without_reason = " -H 'impersonate-user: alice-sub'";
    println!("The shop listens on http://{address}. Paste into another terminal:\n");
    for (what, path, token, headers) in [
        ("Alice sees her orders", "/orders", &alice, ""),
        (
            "Carol of the support team has none of her own",
            "/orders",
            &carol,
            "",
        ),
        (
            "Carol, as Alice, sees what Alice sees",
            "/orders",
            &carol,
            as_alice,
        ),
        (
            "and Alice's profile: Alice's groups, not Carol's",
            "/me",
            &carol,
            as_alice,
        ),
        ("Bob has no such right: 403", "/orders", &bob, as_alice),
        ("Carol must say why: 400", "/orders", &carol, without_reason),
    ] {
        println!("# {what}");
        println!("curl -i http://{address}{path} -H 'authorization: Bearer {token}'{headers}\n");
    }
    println!("# Who was really there");
    println!("tail -f {}\n", audit.display());
}
