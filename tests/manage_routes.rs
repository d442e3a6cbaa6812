//! The table of routes: every one is in the document, is guarded, and answers other methods alike.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::collections::BTreeSet;

use axum::body::Body;
use desk_api::{Api, MINTER};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use support::Desk;
use tower::ServiceExt;
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::{self, Grants};
use tower_impersonate::manage::{Client, Credential, Manage, ManageError};
use tower_impersonate::middleware::ConfigError;
use tower_impersonate::mint::{Minter, SigningKey};
use tower_impersonate::policy::{self, Right, right};
use tower_impersonate::token::Algorithm;

/// A path of the table with something in place of its names.
fn filled(path: &str, id: &str) -> String {
    path.replace("{username}", "Alice").replace("{id}", id)
}

#[tokio::test]
async fn without_a_credential_every_route_is_401() {
    let api = Api::start().await;
    for endpoint in api.manage.endpoints() {
        let path = filled(&endpoint.path, "x");
        let seen = match endpoint.credential {
            Credential::Client => api.form(&path, "nobody", "", &[("token", "x")]).await,
            _ => {
                api.call(endpoint.method.clone(), &path, "", Value::Null)
                    .await
            }
        };
        let expected = if endpoint.credential == Credential::None {
            200
        } else {
            401
        };
        assert_eq!(seen.status, expected, "{endpoint:?}: {seen:?}");
        assert!(seen.header("www-authenticate").is_some() || expected == 200);
        let stored = if expected == 200 {
            "public, max-age=300"
        } else {
            "no-store"
        };
        assert_eq!(seen.header("cache-control"), Some(stored), "{endpoint:?}");
    }
}

#[tokio::test]
async fn incident_a1_without_a_right_every_route_is_403_and_recorded() {
    let api = Api::start().await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    let mallory = api.desk.token("mallory", &["customers"]).sign();
    let mut asked = 0;
    for endpoint in api.manage.endpoints() {
        let path = filled(&endpoint.path, &id);
        let before = api.desk.events(EventName::Denied).len();
        let seen = match (endpoint.credential, &*endpoint.path) {
            // Everybody may have a token for itself, and knows what is published.
            // And who does not impersonate has nothing to stop.
            (Credential::None, _) | (_, "/oauth2/token" | "/grants/stop") => continue,
            (Credential::Client, _) => {
                let secret = api.plain.expose();
                api.form(&path, "plain", secret, &[("token", &minted)])
                    .await
            }
            (_, "/grants") => api.get("/grants?actor=carol", &mallory).await,
            _ => {
                let body = match &*endpoint.path {
                    path if path.ends_with("/impersonate") => {
                        json!({ "audience": support::AUDIENCE })
                    }
                    _ => Value::Null,
                };
                api.call(endpoint.method.clone(), &path, &mallory, body)
                    .await
            }
        };
        assert_eq!(seen.status, 403, "{endpoint:?}: {seen:?}");
        let denied = api.desk.events(EventName::Denied);
        assert_eq!(denied.len(), before + 1, "{endpoint:?}");
        asked += 1;
    }
    assert_eq!(asked, 8);
    assert_eq!(
        api.get("/me", &minted).await.status,
        200,
        "the grant is alive"
    );
}

#[tokio::test]
async fn other_methods_are_405_and_say_which_there_are() {
    let api = Api::start().await;
    let endpoints: Vec<_> = api.manage.endpoints().collect();
    let paths: BTreeSet<_> = endpoints.iter().map(|endpoint| &endpoint.path).collect();
    for path in paths {
        let here = endpoints.iter().filter(|endpoint| endpoint.path == *path);
        let methods: BTreeSet<_> = here.map(|endpoint| endpoint.method.as_str()).collect();
        let seen = api
            .call(Method::PATCH, &filled(path, "x"), &api.carol(), Value::Null)
            .await;
        assert_eq!(seen.status, 405, "{path}");
        let allowed: BTreeSet<_> = seen.header("allow").unwrap().split(',').collect();
        let wanted: BTreeSet<_> = methods
            .iter()
            .flat_map(|method| match *method {
                "GET" => vec!["GET", "HEAD"],
                other => vec![other],
            })
            .collect();
        assert_eq!(allowed, wanted, "{path}");
        assert_eq!(seen.body["status"], 405, "{path}");
    }
}

#[tokio::test]
async fn the_document_has_every_route_and_every_shape() {
    let api = Api::start().await;
    let document = api.manage.openapi();
    assert_eq!(api.get("/openapi.json", "").await.body, document);
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let mut operations = 0;
    for endpoint in api.manage.endpoints() {
        let operation = &paths[&endpoint.path][endpoint.method.as_str().to_lowercase()];
        assert!(operation["operationId"].is_string(), "{endpoint:?}");
        assert!(operation["responses"].as_object().unwrap().len() > 1);
        operations += 1;
    }
    let listed: usize = paths
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum();
    assert_eq!(operations, listed);

    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    for used in text.split("#/components/schemas/").skip(1) {
        let name = used.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    for name in schemas.keys() {
        assert!(
            text.contains(&format!("#/components/schemas/{name}\"")),
            "{name} is not used"
        );
    }
}

#[tokio::test]
async fn answers_have_the_shapes_of_the_document() {
    let api = Api::start().await;
    let document = api.manage.openapi();
    let (minted, id) = api
        .begin(&api.carol(), json!({ "scopes": ["a"], "ticket": "T" }))
        .await;
    let listed = api.get("/grants", &api.carol()).await.body;
    let introspected = api.introspect(&minted).await.body;
    let again = api
        .post(
            "/Alice/impersonate",
            &api.carol(),
            json!({ "audience": support::AUDIENCE }),
        )
        .await
        .body;
    api.post("/grants/stop", &minted, Value::Null).await;
    let ended = api.get(&format!("/grants/{id}"), &api.carol()).await.body;
    let form = [
        ("grant_type", "client_credentials"),
        ("audience", support::AUDIENCE),
    ];
    let token = api
        .form("/oauth2/token", "tickets", api.tickets.expose(), &form)
        .await
        .body;
    let error = api
        .form("/oauth2/token", "tickets", api.tickets.expose(), &[])
        .await
        .body;
    let problem = api.get("/grants?limit=0", &api.carol()).await.body;
    for (name, answer) in [
        ("GrantList", listed),
        ("Introspection", introspected),
        ("Introspection", json!({ "active": false })),
        ("Issued", again),
        ("Grant", ended),
        ("Token", token),
        ("OAuthError", error),
        ("Problem", problem),
    ] {
        let mut schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        schema["components"] = document["components"].clone();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let faults: Vec<_> = validator
            .iter_errors(&answer)
            .map(|fault| fault.to_string())
            .collect();
        assert!(faults.is_empty(), "{name}: {faults:?}\n{answer:#}");
        let named = document["components"]["schemas"][name]["properties"].as_object();
        for member in answer.as_object().unwrap().keys() {
            assert!(
                named.is_none_or(|named| named.contains_key(member)),
                "{name} has {member}"
            );
        }
    }
}

/// What the document says is what the router serves, and nothing is served that it does not say, wherever the
/// routes stand.
#[tokio::test]
async fn document_and_router_are_one_table_wherever_they_stand() {
    let desk = Desk::new();
    for (issuer, mounted_at, nested) in [
        ("https://desk.example.com", "", ""),
        ("https://desk.example.com", "/desk", "/desk"),
        ("https://desk.example.com/eu", "", "/eu"),
        ("https://desk.example.com/eu/", "/desk", "/eu/desk"),
    ] {
        let minter = minter_of(issuer);
        let layer = desk
            .bare()
            .issuer(desk.accepted())
            .policy(policy::in_group("support"))
            .grants(Grants::new(grant::memory()))
            .mint(&minter)
            .build()
            .unwrap();
        let manage = Manage::builder(&layer)
            .mounted_at(mounted_at)
            .build()
            .unwrap();
        let app = match nested {
            "" => manage.routes(),
            nested => axum::Router::new().nest(nested, manage.routes()),
        };
        let app = app.merge(manage.well_known());
        let serves = async |method: &Method, path: &str| {
            let request = http::Request::builder()
                .method(method)
                .uri(filled(path, "x"))
                .header("authorization", format!("Bearer {}", desk.carol()));
            let answer = app
                .clone()
                .oneshot(request.body(Body::empty()).unwrap())
                .await;
            !matches!(answer.unwrap().status().as_u16(), 404 | 405)
        };

        let document = manage.openapi();
        let mut told = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                let method: Method = method.to_uppercase().parse().unwrap();
                assert!(serves(&method, path).await, "{method} {path} is not served");
                told.insert(format!("{method} {path}"));
            }
        }
        let listed: BTreeSet<_> = manage
            .endpoints()
            .map(|endpoint| {
                let base = match endpoint.credential {
                    Credential::None => "",
                    _ => nested,
                };
                format!("{} {base}{}", endpoint.method, endpoint.path)
            })
            .collect();
        assert_eq!(told, listed, "{issuer} {mounted_at}");
        let others =
            ["GET", "POST", "PUT", "PATCH", "DELETE"].map(|m| m.parse::<Method>().unwrap());
        for path in document["paths"].as_object().unwrap().keys() {
            for method in &others {
                let is_told = told.contains(&format!("{method} {path}"));
                assert_eq!(serves(method, path).await, is_told, "{method} {path}");
            }
        }

        let at = document["paths"].as_object().unwrap().keys();
        let metadata = at
            .into_iter()
            .find(|path| path.contains("authorization-server"))
            .unwrap();
        let request = http::Request::get(metadata).body(Body::empty()).unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let metadata: Value = serde_json::from_slice(&bytes).unwrap();
        for (endpoint, method) in [
            ("token_endpoint", "POST"),
            ("revocation_endpoint", "POST"),
            ("introspection_endpoint", "POST"),
            ("jwks_uri", "GET"),
        ] {
            let url: http::Uri = metadata[endpoint].as_str().unwrap().parse().unwrap();
            assert!(
                told.contains(&format!("{method} {}", url.path())),
                "{endpoint}: {url}"
            );
        }
    }
}

fn minter() -> Minter {
    minter_of(MINTER)
}

fn minter_of(issuer: &str) -> Minter {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    Minter::builder(issuer)
        .key(key)
        .audiences(["desk-api"])
        .build()
        .unwrap()
}

#[test]
fn a_layer_that_mints_keeps_its_grants() {
    let desk = Desk::new();
    let minter = minter();
    let usual = || {
        desk.bare()
            .issuer(desk.accepted())
            .policy(policy::in_group("support"))
    };
    let without = usual().mint(&minter).build();
    assert!(
        matches!(without, Err(ConfigError::Grants { .. })),
        "{without:?}"
    );
    let elsewhere = usual()
        .grants(grant::introspect("https://a.example.com/i", "a", "b"))
        .mint(&minter)
        .build();
    assert!(
        matches!(elsewhere, Err(ConfigError::Grants { .. })),
        "{elsewhere:?}"
    );
    assert!(
        usual()
            .grants(Grants::new(grant::memory()))
            .mint(&minter)
            .build()
            .is_ok()
    );
}

#[test]
fn what_could_not_work_is_an_error_of_build() {
    let desk = Desk::new();
    let minter = minter();
    let grants = Grants::new(grant::memory());
    let usual = || {
        ImpersonationLayer::builder()
            .issuer(desk.accepted())
            .policy(policy::in_group("support"))
            .audit(desk.sink.clone())
            .grants(&grants)
    };
    let layer = usual()
        .directory(desk.users.clone())
        .mint(&minter)
        .build()
        .unwrap();
    assert!(Manage::builder(&layer).build().is_ok());

    let two_tenants = tower_impersonate::testing::TestIssuer::offline("https://other.example.com");
    let two = usual()
        .issuer(two_tenants.issuer())
        .directory(desk.users.clone())
        .mint(&minter)
        .build()
        .unwrap();
    let client = |id: &str| Client::new(id, "ab".repeat(32));
    let rule = || policy::in_group("security");
    let errors = [
        (Manage::builder(&two).build(), "NoUsers"),
        (
            Manage::builder(&layer)
                .users_at("https://elsewhere.example.com")
                .build(),
            "UnknownIssuer",
        ),
        (
            Manage::builder(&layer)
                .rights([
                    right(Right::GrantsRead, rule()),
                    right(Right::GrantsRead, rule()),
                ])
                .build(),
            "DuplicateRight",
        ),
        (
            Manage::builder(&layer)
                .rights([right(Right::GrantsRead, policy::read_only())])
                .build(),
            "RightForEverybody",
        ),
        (
            Manage::builder(&layer)
                .rights([right(
                    Right::GrantsRead,
                    rule().of("https://elsewhere.example.com"),
                )])
                .build(),
            "UnknownIssuer",
        ),
        (
            Manage::builder(&layer)
                .client(client("a"))
                .client(client("a"))
                .build(),
            "DuplicateClient",
        ),
        (
            Manage::builder(&layer)
                .client(Client::new("a", "short"))
                .build(),
            "Client",
        ),
        (Manage::builder(&layer).mounted_at("desk").build(), "Path"),
        (Manage::builder(&layer).mounted_at("/desk/").build(), "Path"),
        (
            Manage::builder(&layer).mounted_at("/{desk}").build(),
            "Path",
        ),
        (
            Manage::builder(&layer).starts_per_minute(0).build(),
            "OutOfBounds",
        ),
    ];
    for (built, name) in errors {
        let error = built.err().unwrap();
        assert!(format!("{error:?}").starts_with(name), "{error:?}");
        assert!(!error.to_string().is_empty());
    }
    assert!(
        Manage::builder(&two)
            .users_at(support::ISSUER)
            .build()
            .is_ok()
    );

    let plain = ImpersonationLayer::builder()
        .issuer(desk.accepted())
        .build()
        .unwrap();
    assert_eq!(
        Manage::builder(&plain).build().err(),
        Some(ManageError::NoMinter)
    );
    let nobody = usual()
        .mint(&minter)
        .replacing()
        .policy(policy::allow_all())
        .build()
        .unwrap();
    assert_eq!(
        Manage::builder(&nobody).build().err(),
        Some(ManageError::NoDirectory)
    );
}
