//! All routes in one table, from which router, document and list are made.

use std::pin::Pin;
use std::sync::Arc;

use http::Method;

use crate::manage::desk::Desk;
use crate::manage::http::{Answered, Call};
use crate::manage::openapi::{Body, Shape};
use crate::manage::{grants, known, oauth, start};

/// How a route is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Credential {
    /// A bearer token, by the layer itself.
    Bearer,
    /// An app client's secret.
    Client,
    /// None: what everybody may know.
    None,
}

/// A route, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The method.
    pub method: Method,
    /// The path, with `{..}` for what stands for something; of [`routes`](crate::manage::Manage::routes) within
    /// where they are mounted.
    pub path: String,
    /// How it is authenticated.
    pub credential: Credential,
}

pub(super) type Run = fn(Arc<Desk>, Call) -> Pin<Box<dyn Future<Output = Answered> + Send>>;

pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) credential: Credential,
    pub(super) way: Way,
    pub(super) run: Run,
    /// The name of the operation.
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: &'static [&'static str],
    pub(super) body: Option<Body>,
    /// What it answers besides what every route of its credential does.
    pub(super) answers: &'static [(u16, Shape)],
}

/// What the layer does for a route of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As for any other one, but for what a read-only impersonation may do.
    Judged,
    /// It says who asks, and decides nothing.
    Ending,
}

impl Route {
    pub(super) const fn new(
        method: Method,
        path: &'static str,
        credential: Credential,
        run: Run,
    ) -> Self {
        Self {
            method,
            path,
            credential,
            way: Way::Judged,
            run,
            name: "",
            summary: "",
            query: &[],
            body: None,
            answers: &[],
        }
    }

    pub(super) const fn called(mut self, name: &'static str, summary: &'static str) -> Self {
        self.name = name;
        self.summary = summary;
        self
    }

    pub(super) const fn answers(mut self, answers: &'static [(u16, Shape)]) -> Self {
        self.answers = answers;
        self
    }

    pub(super) const fn takes(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    const fn query(mut self, query: &'static [&'static str]) -> Self {
        self.query = query;
        self
    }

    const fn ending(mut self) -> Self {
        self.way = Way::Ending;
        self
    }
}

const STARTED: &[(u16, Shape)] = &[
    (200, Shape::Json("Issued")),
    (400, Shape::Problem),
    (409, Shape::Problem),
    (413, Shape::Problem),
    (415, Shape::Problem),
    (429, Shape::Problem),
];

const START: &str = "Start an impersonation, or get another token under the one that is alive";

const fn start_at(path: &'static str, name: &'static str) -> Route {
    Route::new(Method::POST, path, Credential::Bearer, |desk, call| {
        Box::pin(start::start(desk, call))
    })
    .called(name, START)
    .takes(Body::Json("StartOrder"))
    .answers(STARTED)
}

/// What is mounted where the application wants it.
pub(super) const ROUTES: &[Route] = &[
    start_at("/{username}/impersonate", "start"),
    start_at("/users/{username}/impersonate", "startForUser"),
    Route::new(Method::GET, "/grants", Credential::Bearer, |desk, call| {
        Box::pin(grants::list(desk, call))
    })
    .called(
        "listGrants",
        "List grants: one's own and those on oneself; all, with the right",
    )
    .query(&[
        "actor",
        "actor_iss",
        "target",
        "target_iss",
        "state",
        "cursor",
        "limit",
    ])
    .answers(&[(200, Shape::Json("GrantList")), (400, Shape::Problem)]),
    Route::new(
        Method::POST,
        "/grants/stop",
        Credential::Bearer,
        |desk, call| Box::pin(grants::stop(desk, call)),
    )
    .ending()
    .called("stop", "End the grant by which this request comes")
    .answers(&[
        (204, Shape::Nothing),
        (400, Shape::Problem),
        (409, Shape::Problem),
    ]),
    Route::new(
        Method::GET,
        "/grants/{id}",
        Credential::Bearer,
        |desk, call| Box::pin(grants::read(desk, call)),
    )
    .called("readGrant", "Read a grant")
    .answers(&[
        (200, Shape::Json("Grant")),
        (400, Shape::Problem),
        (404, Shape::Problem),
    ]),
    Route::new(
        Method::DELETE,
        "/grants/{id}",
        Credential::Bearer,
        |desk, call| Box::pin(grants::end(desk, call)),
    )
    .called("endGrant", "Stop one's own grant, or revoke another")
    .answers(&[(204, Shape::Nothing), (400, Shape::Problem)]),
    Route::new(
        Method::POST,
        "/grants/{id}/extend",
        Credential::Bearer,
        |desk, call| Box::pin(grants::extend(desk, call)),
    )
    .called(
        "extendGrant",
        "Move the deadline of one's own grant forward",
    )
    .takes(Body::Json("ExtendOrder"))
    .answers(&[
        (200, Shape::Json("Grant")),
        (400, Shape::Problem),
        (409, Shape::Problem),
        (413, Shape::Problem),
        (415, Shape::Problem),
    ]),
    Route::new(
        Method::POST,
        "/oauth2/token",
        Credential::Client,
        |desk, call| Box::pin(oauth::token(desk, call)),
    )
    .called(
        "token",
        "Get a token for an app client, or exchange one (RFC 6749, RFC 8693)",
    )
    .takes(Body::Form("TokenOrder"))
    .answers(&[(200, Shape::Json("Token"))]),
    Route::new(
        Method::POST,
        "/oauth2/revoke",
        Credential::Client,
        |desk, call| Box::pin(oauth::revoke(desk, call)),
    )
    .called("revoke", "End the grant behind a token (RFC 7009)")
    .takes(Body::Form("TokenQuestion"))
    .answers(&[(200, Shape::Json("Empty")), (403, Shape::OAuthError)]),
    Route::new(
        Method::POST,
        "/oauth2/introspect",
        Credential::Client,
        |desk, call| Box::pin(oauth::introspect(desk, call)),
    )
    .called(
        "introspect",
        "Ask whether a token or a grant is alive (RFC 7662)",
    )
    .takes(Body::Form("TokenQuestion"))
    .answers(&[
        (200, Shape::Json("Introspection")),
        (403, Shape::OAuthError),
    ]),
];

/// What stands at the root of the issuer. The metadata's path depends on the issuer's.
pub(super) const WELL_KNOWN: &[Route] = &[
    Route::new(
        Method::GET,
        "/.well-known/jwks.json",
        Credential::None,
        |desk, call| Box::pin(known::jwks(desk, call)),
    )
    .called("keys", "The keys that sign tokens (RFC 7517)")
    .answers(&[(200, Shape::Json("Object"))]),
    Route::new(Method::GET, METADATA, Credential::None, |desk, call| {
        Box::pin(oauth::metadata(desk, call))
    })
    .called("metadata", "What this service offers (RFC 8414)")
    .answers(&[(200, Shape::Json("Object"))]),
    Route::new(
        Method::GET,
        "/openapi.json",
        Credential::None,
        |desk, call| Box::pin(known::openapi(desk, call)),
    )
    .called("openapi", "This document")
    .answers(&[(200, Shape::Json("Object"))]),
];

pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server";
