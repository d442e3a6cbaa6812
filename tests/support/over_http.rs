//! The layer as it is deployed: outside the router of an axum server on a socket, and a real client.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tower::{ServiceBuilder, make::Shared};
use tower_impersonate::ImpersonationLayer;

use crate::support::{Seen, tell};

/// A server on `127.0.0.1` whose every path tells what the handler saw; it ends when dropped.
pub struct Server {
    url: String,
    client: HttpClient,
    task: AbortHandle,
}

impl Server {
    pub async fn start(layer: ImpersonationLayer) -> Self {
        let service = ServiceBuilder::new()
            .map_response(IntoResponse::into_response)
            .layer(layer)
            .service(Router::new().fallback(handler));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = async move { axum::serve(listener, Shared::new(service)).await.unwrap() };
        Self {
            url,
            client: client(),
            task: tokio::spawn(serving).abort_handle(),
        }
    }

    pub async fn get(&self, token: &str, headers: &[(&str, &str)]) -> Seen {
        let mut request = Request::get(format!("{}/orders", self.url))
            .header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        exchange(&self.client, request.body(Full::default()).unwrap()).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn handler(request: Request) -> impl IntoResponse {
    ([(HANDLER, "ran")], tell(&request))
}

const HANDLER: &str = "x-handler";

pub type HttpClient = Client<HttpConnector, Full<Bytes>>;

pub fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Sends a request; what takes a quarter of a minute fails the test.
pub async fn exchange(client: &HttpClient, request: http::Request<Full<Bytes>>) -> Seen {
    let uri = request.uri().clone();
    let answered = async {
        let (parts, body) = client.request(request).await.unwrap().into_parts();
        (parts, body.collect().await.unwrap().to_bytes())
    };
    let (parts, bytes) = tokio::time::timeout(Duration::from_secs(15), answered)
        .await
        .unwrap_or_else(|_| panic!("no answer from {uri}"));
    Seen {
        status: parts.status,
        ran: parts.headers.contains_key(HANDLER),
        headers: parts.headers,
        body: serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned())),
        rejection: None,
    }
}
