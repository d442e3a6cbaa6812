//! A support desk: one customer application, one layer, and everything you need to try it.
//!
//! ```text
//! cargo run --example support_desk            # on port 3000
//! cargo run --example support_desk -- --port 8080
//! cargo run --example support_desk -- --json                       # logs as lines of JSON
//! cargo run --example support_desk -- --otlp http://127.0.0.1:4317 # and all of it to a collector
//! ```
//!
//! It starts an embedded issuer and a small shop whose handlers know nothing of impersonation
//! (`shop.rs`), puts the layer around it (`desk.rs`), keeps password and e-mail address for the customers
//! alone (`account.rs`), prints `curl` lines to paste into a second
//! terminal, and shows each event with the spans around it as it happens: who is the user, and who
//! was really there. Port 0 takes any free one. Nothing leaves this machine unless `--otlp` says where
//! to; with it or `--json` the lines of JSON have the standard output to themselves.

mod account;
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
use tower_impersonate::otel;
use tower_impersonate::stamp::subscriber::StampLayer;
use tower_impersonate::testing::TestIssuer;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = options(std::env::args().skip(1))?;
    let guard = options.telemetry.map(otel::init).transpose()?;
    if guard.is_none() {
        show_spans_and_events();
    }

    let issuer = TestIssuer::start().await;
    let audit = std::env::temp_dir().join("support_desk_audit.jsonl");
    let layer = desk::layer(&issuer, &audit, guard.as_ref())?;

    let app = ServiceBuilder::new()
        .map_response(IntoResponse::into_response)
        .layer(TraceLayer::new_for_http().make_span_with(DefaultMakeSpan::new().level(Level::INFO)))
        .layer(layer)
        .service(shop::router().merge(account::router()));

    let listener =
        tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port)))
            .await?;
    let to_try = what_to_try(&issuer, listener.local_addr()?, &audit);
    if guard.is_some() {
        eprintln!("{to_try}");
    } else {
        println!("{to_try}");
    }
    axum::serve(listener, Shared::new(app))
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    if let Some(guard) = guard {
        guard.shutdown()?;
    }
    Ok(())
}

struct Options {
    port: u16,
    /// Lines of JSON, and perhaps a collector.
    telemetry: Option<otel::Config>,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        port: 3000,
        telemetry: None,
    };
    let json =
        |config: Option<otel::Config>| config.unwrap_or_else(|| otel::Config::new("support_desk"));
    while let Some(argument) = arguments.next() {
        options.telemetry = match &*argument {
            "--json" => Some(json(options.telemetry)),
            "--port" => {
                options.port = arguments.next().ok_or(USAGE)?.parse()?;
                options.telemetry
            }
            "--otlp" => {
                let url = arguments.next().ok_or(USAGE)?;
                Some(json(options.telemetry).endpoint(url))
            }
            _ => return Err(USAGE.into()),
        };
    }
    Ok(options)
}

const USAGE: &str = "usage: support_desk [--port PORT] [--json] [--otlp URL]";

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

fn what_to_try(issuer: &TestIssuer, address: SocketAddr, audit: &Path) -> String {
    let [alice, bob, carol] = desk::people().map(|person| desk::token(issuer, &person));
    let as_alice = " -H 'impersonate-user: alice-sub' -H 'impersonate-reason: ticket 4711'";
    let without_reason = " -H 'impersonate-user: alice-sub'";
    let mut text =
        format!("The shop listens on http://{address}. Paste into another terminal:\n\n");
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
        text += &format!(
            "# {what}\ncurl -i http://{address}{path} -H 'authorization: Bearer {token}'{headers}\n\n"
        );
    }
    for (what, path, token, headers) in [
        ("Alice changes her password", "/password", &alice, ""),
        (
            "Carol, as Alice, cannot: 403",
            "/password",
            &carol,
            as_alice,
        ),
        ("nor her e-mail address: 403", "/email", &carol, as_alice),
    ] {
        text += &format!(
            "# {what}\ncurl -i -X POST http://{address}{path} -H 'authorization: Bearer {token}'{headers}\n\n"
        );
    }
    text + &format!("# Who was really there\ntail -f {}\n", audit.display())
}
