//! What axum handlers extract, with and without the layer.

mod support;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use http::StatusCode;
use http_body_util::BodyExt;
use support::Desk;
use tower::ServiceExt;
use tower_impersonate::extract::{ExtractRejection, NotImpersonated};
use tower_impersonate::{Impersonation, ImpersonationLayer, Principal};

const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];

// --- an application as it was -----------------------------------------------------------------

#[derive(Clone)]
struct CurrentUser {
    name: String,
    groups: Vec<String>,
}

async fn me(Extension(user): Extension<CurrentUser>) -> String {
    format!("{} {:?}", user.name, user.groups)
}

async fn maybe_me(user: Option<Extension<CurrentUser>>) -> String {
    user.map_or("nobody".to_owned(), |Extension(user)| user.name)
}

fn application() -> Router {
    Router::new()
        .route("/me", get(me))
        .route("/maybe-me", get(maybe_me))
}

// --- handlers that know of it -----------------------------------------------------------------

async fn principal(principal: Principal) -> String {
    principal.subject().to_owned()
}

async fn maybe_principal(principal: Option<Principal>) -> String {
    principal.map_or("none".to_owned(), |p| p.subject().to_owned())
}

async fn impersonation(impersonation: Impersonation) -> String {
    let target = impersonation.target().unwrap().subject();
    format!("{} as {target}", impersonation.actor().subject())
}

async fn maybe_impersonation(impersonation: Option<Impersonation>) -> String {
    impersonation.map_or("none".to_owned(), |i| i.actor().subject().to_owned())
}

async fn guarded(_: NotImpersonated, body: String) -> String {
    format!("passed {body}")
}

fn aware() -> Router {
    Router::new()
        .route("/principal", get(principal))
        .route("/maybe-principal", get(maybe_principal))
        .route("/impersonation", get(impersonation))
        .route("/maybe-impersonation", get(maybe_impersonation))
        .route("/guarded", get(guarded))
}

fn user(principal: &Principal) -> CurrentUser {
    let identity = principal.identity();
    CurrentUser {
        name: identity.username().unwrap_or(identity.subject()).to_owned(),
        groups: identity
            .groups()
            .map(|groups| groups.iter().map(str::to_owned).collect())
            .unwrap_or_default(),
    }
}

fn guest() -> CurrentUser {
    CurrentUser {
        name: "guest".to_owned(),
        groups: Vec::new(),
    }
}

fn layer(desk: &Desk) -> ImpersonationLayer {
    let builder = desk.builder().map_principal(user).anonymous(guest);
    builder.build().unwrap()
}

/// The same routes with the layer in every place where axum lets it stand.
fn placed(routes: fn() -> Router, layer: &ImpersonationLayer) -> [Router; 3] {
    [
        routes().layer(layer.clone()),
        routes().route_layer(layer.clone()),
        Router::new().merge(routes()).layer(layer.clone()),
    ]
}

async fn ask(app: &Router, path: &str, token: Option<&str>, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(axum::body::Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn the_table_of_the_module() {
    use ExtractRejection::{Anonymous, MissingLayer, NotImpersonating};
    // `None` is the layer's own refusal.
    type Cell = Result<&'static str, Option<ExtractRejection>>;

    // A plain request, an impersonated one, an anonymous one, and one without the layer.
    let table: [(&str, [Cell; 4]); 5] = [
        (
            "/principal",
            [
                Ok("carol"),
                Ok("alice"),
                Err(Some(Anonymous)),
                Err(Some(MissingLayer)),
            ],
        ),
        (
            "/maybe-principal",
            [
                Ok("carol"),
                Ok("alice"),
                Ok("none"),
                Err(Some(MissingLayer)),
            ],
        ),
        (
            "/impersonation",
            [
                Err(Some(NotImpersonating)),
                Ok("carol as alice"),
                Err(Some(NotImpersonating)),
                Err(Some(MissingLayer)),
            ],
        ),
        (
            "/maybe-impersonation",
            [Ok("none"), Ok("carol"), Ok("none"), Err(Some(MissingLayer))],
        ),
        (
            "/guarded",
            [
                Ok("passed "),
                Err(None),
                Ok("passed "),
                Err(Some(MissingLayer)),
            ],
        ),
    ];
    let desk = Desk::new();
    let carol = desk.carol();
    for app in placed(aware, &layer(&desk)) {
        for (path, cells) in &table {
            let responses = [
                ask(&app, path, Some(&carol), &[]).await,
                ask(&app, path, Some(&carol), &AS_ALICE).await,
                ask(&app, path, None, &[]).await,
                ask(&aware(), path, Some(&carol), &AS_ALICE).await,
            ];
            for (i, (response, cell)) in responses.into_iter().zip(cells).enumerate() {
                let rejection = response.extensions().get::<ExtractRejection>().copied();
                let problem = response.headers().get("content-type").cloned();
                let (status, body) = text(response).await;
                match cell {
                    Ok(expected) => {
                        assert_eq!((status, &*body), (200, *expected), "{path} {i}");
                    }
                    Err(expected) => {
                        let own = expected.map_or(403, |rejection| rejection.status().as_u16());
                        assert_eq!((rejection, status), (*expected, own), "{path} {i}");
                        assert_eq!(problem.unwrap(), "application/problem+json");
                    }
                }
            }
        }
    }
}

#[test]
fn the_status_of_each_rejection() {
    for (rejection, status) in [
        (ExtractRejection::MissingLayer, 500),
        (ExtractRejection::Anonymous, 401),
        (ExtractRejection::NotImpersonating, 409),
    ] {
        assert_eq!(rejection.status().as_u16(), status);
    }
}

#[tokio::test]
async fn existing_handlers_stay_as_they_are() {
    let desk = Desk::new();
    for app in placed(application, &layer(&desk)) {
        for (path, token, headers, body) in [
            ("/me", Some(desk.carol()), &[][..], r#"carol ["support"]"#),
            (
                "/me",
                Some(desk.carol()),
                &AS_ALICE[..],
                r#"Alice ["customers", "beta"]"#,
            ),
            ("/me", None, &[], "guest []"),
            ("/maybe-me", Some(desk.carol()), &AS_ALICE, "Alice"),
        ] {
            let answer = text(ask(&app, path, token.as_deref(), headers).await).await;
            assert_eq!(answer, (200, body.to_owned()), "{path}");
        }
    }
    // As before, with middleware of the application's own.
    let before = application().layer(Extension(guest()));
    let answer = text(ask(&before, "/me", None, &[]).await).await;
    assert_eq!(answer, (200, "guest []".to_owned()));
    let answer = text(ask(&application(), "/maybe-me", None, &[]).await).await;
    assert_eq!(answer, (200, "nobody".to_owned()));
}

#[tokio::test]
async fn a_guarded_handler_does_not_run_and_the_audit_tells_the_failure() {
    use tower_impersonate::audit::EventName;

    let desk = Desk::new();
    let app = aware().layer(layer(&desk));
    let response = ask(&app, "/guarded", Some(&desk.carol()), &AS_ALICE).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let (status, body) = text(response).await;
    assert_eq!(status, 403);
    assert!(body.contains("this cannot be done while impersonating"));
    assert_eq!(
        desk.denial()["impersonation.deny.rule"],
        "not_while_impersonating"
    );
    let completed = desk.events(EventName::Completed);
    assert_eq!(completed[0]["impersonation.outcome"], "failure");
    assert_eq!(completed[0]["http.response.status_code"], 403);
}

#[tokio::test]
async fn an_anonymous_request_is_told_how_to_authenticate() {
    let desk = Desk::new();
    let app = aware().layer(layer(&desk));
    let response = ask(&app, "/principal", None, &[]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer"), "{challenge}");
    // The optional mode is for requests without a credential, not for bad ones.
    for (token, headers) in [(Some("garbage"), &[][..]), (None, &AS_ALICE[..])] {
        let response = ask(&app, "/maybe-principal", token, headers).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_layer_on_one_handler_leaves_the_others_alone() {
    let desk = Desk::new();
    let app = Router::new()
        .route("/inside", get(principal.layer(layer(&desk))))
        .route("/outside", get(principal));
    let carol = desk.carol();
    let inside = text(ask(&app, "/inside", Some(&carol), &AS_ALICE).await).await;
    assert_eq!(inside, (200, "alice".to_owned()));
    let outside = ask(&app, "/outside", Some(&carol), &AS_ALICE).await;
    assert_eq!(outside.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn nobody_outside_the_layer_can_make_a_principal_for_a_handler() {
    // A second layer finds the principal of the first, and refuses to guess.
    let desk = Desk::new();
    let app = aware().layer(layer(&desk)).layer(layer(&desk));
    let response = ask(&app, "/principal", Some(&desk.carol()), &[]).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
