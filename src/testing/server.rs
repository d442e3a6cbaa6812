//! The smallest server that can publish keys.

use std::convert::Infallible;
use std::sync::Weak;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::testing::issuer::Shared;

pub(super) async fn bind() -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    (listener, format!("http://{address}"))
}

/// Holds the issuer weakly, so that dropping the last handle ends it.
pub(super) async fn serve(listener: TcpListener, issuer: Weak<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let issuer = issuer.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = issuer
                .upgrade()
                .map(|issuer| issuer.answer(request.uri().path()));
            async move { Ok::<_, Infallible>(response(answer)) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn response(answer: Option<(u16, String)>) -> Response<String> {
    let (status, body) = answer.unwrap_or((503, String::new()));
    Response::builder()
        .status(status)
        .body(body)
        .expect("a status")
}
