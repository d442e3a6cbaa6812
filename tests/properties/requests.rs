//! Whoever is not authenticated never runs a handler, and what is decided once is decided again.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::Algorithm;
use tower_impersonate::{ImpersonationLayer, resolve};

use crate::support::{Desk, ISSUER, Seen};
use crate::{cases, wait};

/// A desk, somebody who signs in its name with keys of his own, and a layer for each mode.
struct Setting {
    desk: Desk,
    stranger: TestIssuer,
    required: ImpersonationLayer,
    optional: ImpersonationLayer,
}

/// One for each test, which has a thread of its own.
fn setting() -> &'static Setting {
    thread_local!(static SETTING: &'static Setting = Box::leak(Box::new(Setting::new())));
    SETTING.with(|setting| *setting)
}

impl Setting {
    fn new() -> Self {
        let desk = Desk::new();
        let stranger = TestIssuer::offline(ISSUER).with_clock(desk.clock.clone());
        let required = desk.layer();
        let optional = desk.builder().anonymous(|| ()).build().unwrap();
        Self {
            desk,
            stranger,
            required,
            optional,
        }
    }
}

/// A credential that is worth nothing.
#[derive(Debug, Clone)]
enum Bad {
    Text(Vec<u8>),
    Bearer(String),
    /// A good token with one character replaced, or one left out.
    Changed(Index, char),
    Shortened(Index),
    Foreign,
    Expired,
    OfAnother,
    InAnotherScheme,
}

fn bad() -> impl Strategy<Value = Bad> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Bad::Text),
        "[A-Za-z0-9_.=+/ -]{0,60}".prop_map(Bad::Bearer),
        "[A-Za-z0-9_-]{1,30}\\.[A-Za-z0-9_-]{1,30}\\.[A-Za-z0-9_-]{1,30}".prop_map(Bad::Bearer),
        (any::<Index>(), proptest::char::range(' ', '~')).prop_map(|(at, c)| Bad::Changed(at, c)),
        any::<Index>().prop_map(Bad::Shortened),
        Just(Bad::Foreign),
        Just(Bad::Expired),
        Just(Bad::OfAnother),
        Just(Bad::InAnotherScheme),
    ]
}

impl Bad {
    fn value(&self, desk: &Desk, stranger: &TestIssuer) -> Option<HeaderValue> {
        let good = desk
            .token("carol", &["support"])
            .algorithm(Algorithm::EdDSA);
        let bearer = |token: String| HeaderValue::try_from(format!("Bearer {token}")).ok();
        match self {
            Self::Text(bytes) => HeaderValue::from_bytes(bytes).ok(),
            Self::Bearer(text) => bearer(text.clone()),
            Self::Changed(at, with) => {
                let good = good.sign();
                let at = at.index(good.len());
                if good[at..].starts_with(*with) {
                    return None;
                }
                bearer(format!("{}{with}{}", &good[..at], &good[at + 1..]))
            }
            Self::Shortened(at) => {
                let good = good.sign();
                bearer(good[..at.index(good.len())].to_owned())
            }
            Self::Foreign => {
                let token = stranger
                    .token("carol")
                    .audience("desk-api")
                    .groups(["support"]);
                bearer(token.algorithm(Algorithm::EdDSA).sign())
            }
            Self::Expired => bearer(good.claim("exp", 1_699_999_000).sign()),
            Self::OfAnother => bearer(good.audience("another-api").sign()),
            Self::InAnotherScheme => HeaderValue::try_from(format!("Basic {}", good.sign())).ok(),
        }
    }
}

/// Headers of any kind but credentials.
fn others() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let name = select(vec![
        "impersonate-user",
        "impersonate-group",
        "impersonate_user",
        "proxy-authorization",
        "x-forwarded-authorization",
        "cookie",
        "connection",
        "x-user-id",
        "content-type",
    ]);
    let value = prop_oneof![
        select(vec![
            "alice",
            "bob",
            "viewers",
            "impersonate-user",
            "application/grpc",
            ""
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,20}",
    ];
    prop::collection::vec((name, value), 0..4)
}

fn methods() -> impl Strategy<Value = Method> {
    select(vec![
        Method::GET,
        Method::POST,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ])
}

fn request(
    method: &Method,
    credentials: &[HeaderValue],
    others: &[(&'static str, String)],
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = method.clone();
    for value in credentials {
        request.headers_mut().append("authorization", value.clone());
    }
    for (name, value) in others {
        if let Ok(value) = HeaderValue::try_from(value) {
            request
                .headers_mut()
                .append(HeaderName::from_static(name), value);
        }
    }
    request
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn without_a_good_token_no_handler_runs(
        bad in prop::collection::vec(bad(), 0..3),
        others in others(),
        method in methods(),
    ) {
        let Setting { desk, stranger, required, optional } = setting();
        let credentials: Vec<_> = bad.iter().filter_map(|one| one.value(desk, stranger)).collect();
        let sent = || request(&method, &credentials, &others);

        let seen = wait(desk.send(required, sent()));
        prop_assert!(!seen.ran && seen.status.as_u16() >= 200, "{:?}", seen);
        let seen = wait(desk.send(optional, sent()));
        if seen.ran {
            prop_assert_eq!(&seen.body["anonymous"], &json!(true));
            prop_assert!(credentials.is_empty());
            prop_assert!(!others.iter().any(|(name, _)| name.starts_with("impersonate")));
        }
        desk.assert_silent();
    }

    #[test]
    fn the_same_request_is_decided_alike(
        (sub, groups) in select(vec![("carol", "support"), ("alice", "customers"), ("root", "admins")]),
        bad in prop::option::weighted(0.2, bad()),
        others in others(),
        user in prop::option::of(select(vec!["alice", "bob", "carol", "dave", "root", "nobody"])),
        method in methods(),
    ) {
        let Setting { desk, stranger, .. } = setting();
        desk.sink.clear();
        let good = desk.token(sub, &[groups]).algorithm(Algorithm::EdDSA).sign();
        let good = HeaderValue::try_from(format!("Bearer {good}")).unwrap();
        let credential = match &bad {
            Some(bad) => bad.value(desk, stranger),
            None => Some(good),
        };
        let mut others = others;
        others.extend(user.map(|user| ("impersonate-user", user.to_owned())));
        let sent = || request(&method, credential.as_slice(), &others);
        let run = |layer: &ImpersonationLayer| {
            let seen = wait(desk.send(layer, sent()));
            let events = desk.sink.events().into_iter().map(lasting).collect::<Vec<_>>();
            desk.sink.clear();
            (answer(&seen), events)
        };
        let fresh = || desk.builder().resolve(resolve::role(["viewers"])).build().unwrap();
        let layer = fresh();
        let (cold, warm) = (run(&layer), run(&layer));
        prop_assert_eq!(&cold, &warm);
        prop_assert_eq!(&cold, &run(&fresh()));
    }
}

/// Everything that a client can tell, and whether the handler ran.
fn answer(seen: &Seen) -> (bool, String) {
    (
        seen.ran,
        format!("{:?}", (seen.status, &seen.headers, &seen.body)),
    )
}

/// An event without what differs from one request to the next.
fn lasting(mut event: Value) -> Value {
    let members = event.as_object_mut().unwrap();
    members.retain(|name, _| !name.ends_with("event.id") && !name.contains("duration"));
    event
}
