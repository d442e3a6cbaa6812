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
//! (`shop.rs`), puts the layer around it and the endpoint beside it that hands out tokens (`desk.rs`), keeps
//! password and e-mail address for the customers alone (`account.rs`), prints `curl` lines to paste into a
//! second terminal (`to_try.rs`), and shows each event with the spans around it as it happens: who is the
//! user, and who was really there. Port 0 takes any free one. Nothing leaves this machine unless `--otlp`
//! says where to; with it or `--json` the lines of JSON have the standard output to themselves.

mod account;
mod desk;
mod shop;
mod to_try;

use std::error::Error;
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};

use tower_http::trace::{DefaultMakeSpan, TraceLayer};
use tower_impersonate::mint::Minter;
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

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let bound = tokio::net::TcpListener::bind(address).await;
    let listener = bound.map_err(|e| format!("{address}: {e}; `--port 0` takes a free port"))?;
    let url = format!("http://{}", listener.local_addr()?);

    let folder = std::env::temp_dir();
    let audit = folder.join("support_desk_audit.jsonl");
    let issuer = TestIssuer::start().await;
    let minter = Minter::builder(&url)
        .key_file(folder.join("support_desk_key.jwk"))
        .audiences(["shop"])
        .build()?;
    let layer = desk::layer(&issuer, &minter, &audit, guard.as_ref())?;
    let (manage, secret) = desk::manage(&layer)?;

    let app = shop::router()
        .merge(account::router())
        .layer(layer)
        .merge(manage.routes()) // they authenticate by themselves
        .merge(manage.well_known())
        .layer(
            TraceLayer::new_for_http().make_span_with(DefaultMakeSpan::new().level(Level::INFO)),
        );

    let to_try = to_try::lines(&issuer, &url, &secret, &audit);
    if guard.is_some() {
        eprintln!("{to_try}");
    } else {
        println!("{to_try}");
    }
    axum::serve(listener, app)
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
