// Stands hidden at the top of the manual's samples: an issuer, its people, and a way to send a request.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::directory::{self, MemoryDirectory};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{Identity, ImpersonationLayer, Principal};

const ISSUER: &str = "https://issuer.example.com";

fn test_issuer() -> TestIssuer {
    TestIssuer::offline(ISSUER)
}

/// Alice and Bob are customers, Carol is of the support team, Root is an administrator.
fn people() -> MemoryDirectory {
    let person = |sub: &str, group: &str| {
        Identity::new(ISSUER, sub)
            .with_groups([group])
            .enabled_account()
    };
    directory::memory([
        person("alice-sub", "customers"),
        person("bob-sub", "customers"),
        person("carol-sub", "support"),
        person("root-sub", "admins"),
    ])
}

/// Carol's own token.
fn carol(issuer: &TestIssuer) -> String {
    issuer.token("carol-sub").groups(["support"]).sign()
}

fn get(token: &str) -> http::request::Builder {
    Request::get("/orders").header("authorization", format!("Bearer {token}"))
}

fn post(token: &str) -> http::request::Builder {
    Request::post("/orders").header("authorization", format!("Bearer {token}"))
}

/// Sends a request through the layer to a handler that says as whom it runs, and which groups it sees.
async fn send(layer: &ImpersonationLayer, request: http::request::Builder) -> Sent {
    let handler = service_fn(|request: Request<Full<Bytes>>| async move {
        let text = match request.extensions().get::<Principal>() {
            Some(principal) => match principal.groups() {
                Some(groups) => {
                    let groups: Vec<_> = groups.iter().collect();
                    format!("{} in {}", principal.subject(), groups.join(","))
                }
                None => principal.subject().to_owned(),
            },
            None => "nobody".to_owned(),
        };
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
    });
    let request = request.body(Full::default()).unwrap();
    let response = layer.layer(handler).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Sent {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

#[derive(Debug)]
struct Sent {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}
