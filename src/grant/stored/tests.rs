use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use serde_json::{Map, Value, json};

use super::*;
use crate::identity::{Affiliation, Identity, Kind, Login, Names};
use crate::terms::{Ask, Mode, Reason, Strategy, TargetRef, Ticket};

fn text() -> impl proptest::strategy::Strategy<Value = String> {
    "\\PC{0,12}"
}

fn names() -> impl proptest::strategy::Strategy<Value = Option<Names>> {
    prop::option::of(prop::collection::vec(text(), 0..4).prop_map(Names::from))
}

fn moment() -> impl proptest::strategy::Strategy<Value = Timestamp> {
    (any::<i64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| {
        let beyond = Duration::from_nanos(nanos.into());
        Timestamp::from_unix_seconds(seconds).saturating_add(beyond)
    })
}

fn span() -> impl proptest::strategy::Strategy<Value = Duration> {
    (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

fn value() -> impl proptest::strategy::Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn login() -> impl proptest::strategy::Strategy<Value = Login> {
    let parts = (
        prop::option::of(moment()),
        prop::option::of(text()),
        names(),
    );
    parts.prop_map(|(at, context_class, methods)| Login {
        at,
        context_class: context_class.map(Into::into),
        methods: methods.unwrap_or_default(),
    })
}

fn person() -> impl proptest::strategy::Strategy<Value = Identity> {
    let facts = (
        names(),
        names(),
        prop::option::of(text()),
        prop::option::of(text()),
    );
    let more = (
        any::<Option<i64>>(),
        any::<Option<bool>>(),
        prop::option::of(login()),
        any::<(bool, bool)>(),
    );
    let claims = (
        prop::collection::btree_map(text(), value(), 0..4),
        prop::option::of(text()),
    );
    (text(), text(), facts, more, claims).prop_map(|(iss, sub, facts, more, claims)| {
        let (groups, scopes, tenant, username) = facts;
        let (rank, enabled, login, (machine, staff)) = more;
        let attributes: Map<_, _> = claims.0.into_iter().collect();
        let mut who = Identity::new(iss, sub).with_attributes(attributes, claims.1.as_deref());
        who = groups.into_iter().fold(who, Identity::with_groups);
        who = scopes.into_iter().fold(who, Identity::with_scopes);
        who = tenant.into_iter().fold(who, Identity::with_tenant);
        who = username.into_iter().fold(who, Identity::with_username);
        who = rank.into_iter().fold(who, Identity::with_rank);
        who = login.into_iter().fold(who, Identity::with_login);
        who = match enabled {
            None => who,
            Some(true) => who.enabled_account(),
            Some(false) => who.disabled_account(),
        };
        if machine {
            who = who.with_kind(Kind::Machine);
        }
        match staff {
            true => who.with_affiliation(Affiliation::Staff),
            false => who,
        }
    })
}

fn ask() -> impl proptest::strategy::Strategy<Value = Ask> {
    let strategies = [
        Strategy::Claim,
        Strategy::Act,
        Strategy::Header,
        Strategy::Role,
        Strategy::Custom,
    ];
    let said = (
        prop::sample::select(strategies.to_vec()),
        prop::sample::select(vec![Mode::ReadOnly, Mode::Scoped, Mode::Full]),
        prop::option::of("[a-z]([a-zäöü ]{0,10}[a-z])?"),
        prop::option::of("[A-Z]{1,4}-[0-9]{1,4}"),
        names(),
    );
    let when = (
        prop::option::of(span()),
        any::<Option<[u8; 32]>>(),
        prop::option::of(moment()),
        prop::option::of(person()),
    );
    (0..3_usize, text(), text(), names(), said, when).prop_map(
        |(wanted, iss, who, groups, said, when)| {
            let (strategy, mode, reason, ticket, scopes) = said;
            let mut ask = match wanted {
                0 => Ask::user(TargetRef::subject(iss, who), strategy),
                1 => Ask::user(TargetRef::name(iss, who), strategy),
                _ => Ask::role(groups.clone().unwrap_or_default()).said_by(strategy),
            };
            ask = ask.with_mode(mode);
            ask = groups.into_iter().fold(ask, Ask::narrowed_to);
            let reason = reason.map(|text| Reason::parse(&text, 500).unwrap());
            ask = reason.into_iter().fold(ask, Ask::with_reason);
            let ticket = ticket.map(|text| Ticket::parse(&text).unwrap());
            ask = ticket.into_iter().fold(ask, Ask::with_ticket);
            ask = scopes.into_iter().fold(ask, Ask::with_scopes);
            let (ttl, grant, asked_at, vouched) = when;
            ask = ttl.into_iter().fold(ask, Ask::with_ttl);
            ask = grant
                .map(GrantId::from_bytes)
                .into_iter()
                .fold(ask, Ask::under);
            ask = asked_at.into_iter().fold(ask, Ask::since);
            vouched.into_iter().fold(ask, Ask::vouched_for)
        },
    )
}

fn start() -> impl proptest::strategy::Strategy<Value = Start> {
    let who = (person(), person(), any::<[u8; 32]>(), any::<bool>());
    let name = || prop::option::of(text().prop_map(Into::into));
    let from = (name(), name(), name(), name());
    let when = (moment(), moment(), prop::option::of(span()));
    (who, ask(), from, when).prop_map(|(who, ask, from, when)| Start {
        id: GrantId::from_bytes(who.2),
        actor: who.0,
        voucher: "https://issuer.example.com".into(),
        spoke_for_itself: who.3,
        actor_was_found: who.3,
        target: who.1,
        ask,
        session: ActorSession {
            token_id: from.0,
            origin_token_id: from.1,
            session_id: from.2,
        },
        client_id: from.3,
        started_at: when.0,
        latest: when.1,
        idle_limit: when.2,
    })
}

#[track_caller]
fn assert_same(one: &Start, other: &Start) {
    assert_eq!(one.id, other.id);
    // With the attributes, which `Debug` does not show.
    assert!(one.actor == other.actor && one.target == other.target);
    assert_eq!(one.actor_was_found, other.actor_was_found);
    assert_eq!(format!("{:?}", one.ask), format!("{:?}", other.ask));
    assert!(one.ask.wanted() == other.ask.wanted());
    assert!(one.ask.vouched() == other.ask.vouched());
    assert_eq!(one.session, other.session);
    assert_eq!(one.client_id, other.client_id);
    assert_eq!(
        (one.started_at, one.latest, one.idle_limit),
        (other.started_at, other.latest, other.idle_limit)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn what_is_read_is_what_was_written(start in start()) {
        let text = start.to_json();
        let read = Start::from_json(&text).unwrap();
        assert_same(&read, &start);
        prop_assert_eq!(read.to_json(), text);
    }

    #[test]
    fn p12_what_is_torn_is_an_error(start in start(), at in any::<prop::sample::Index>()) {
        let text = start.to_json();
        let ends: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
        prop_assert!(Start::from_json(&text[..ends[at.index(ends.len())]]).is_err());
    }

    /// Whatever one byte becomes: no panic.
    #[test]
    fn p12_what_is_damaged_does_not_panic(
        start in start(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = start.to_json().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        drop(Start::from_json(&String::from_utf8_lossy(&bytes)));
    }
}

/// One that has everything.
fn sample() -> Value {
    let login = Login {
        at: Some(Timestamp::from_unix_seconds(1_699_999_000)),
        context_class: Some("loa2".into()),
        methods: ["pwd", "otp"].into(),
    };
    let carol = Identity::new("https://issuer.example.com", "carol-sub")
        .with_username("carol")
        .with_groups(["support"])
        .with_scopes(["desk/write"])
        .with_tenant("acme")
        .with_rank(3)
        .enabled_account()
        .with_login(login)
        .with_attribute("email", "carol@example.com");
    let alice = Identity::new("https://issuer.example.com", "alice-sub").enabled_account();
    let ask = Ask::user(TargetRef::from(alice.key()), Strategy::Header)
        .narrowed_to(["customers"].into())
        .with_reason(Reason::parse("case 4711", 500).unwrap())
        .with_ticket(Ticket::parse("T-1").unwrap())
        .with_scopes(["orders/read"])
        .with_mode(Mode::ReadOnly)
        .with_ttl(Duration::from_secs(60));
    let start = Start {
        id: GrantId::from_bytes([7; 32]),
        actor: carol,
        voucher: "https://issuer.example.com".into(),
        spoke_for_itself: true,
        actor_was_found: true,
        target: alice,
        ask,
        session: ActorSession {
            token_id: Some("jti-1".into()),
            origin_token_id: Some("origin-1".into()),
            session_id: Some("sid-1".into()),
        },
        client_id: Some("client-1".into()),
        started_at: Timestamp::from_unix_seconds(1_700_000_000),
        latest: Timestamp::from_unix_seconds(1_700_028_800),
        idle_limit: Some(Duration::from_secs(600)),
    };
    serde_json::from_str(&start.to_json()).unwrap()
}

/// Every place in it: by pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    if let Value::Object(map) = value {
        for (name, inner) in map {
            let here = format!("{at}/{name}");
            found.push(here.clone());
            places(inner, &here, found);
        }
    }
}

/// An error, which names nobody.
#[track_caller]
fn refused(damaged: &Value, what: &str) -> StartError {
    let error = Start::from_json(&damaged.to_string()).expect_err(what);
    let told = format!("{error} {error:?}");
    for secret in ["carol", "alice", "4711", "jti-1", "origin-1", "sid-1"] {
        assert!(!told.contains(secret), "{what}: {told}");
    }
    error
}

#[test]
fn p12_no_member_may_be_missing_or_of_another_type() {
    let sample = sample();
    assert!(Start::from_json(&sample.to_string()).is_ok());
    let mut all = Vec::new();
    places(&sample, "", &mut all);
    assert!(all.len() > 50, "{all:?}");
    for place in all.iter().filter(|place| !place.contains("attributes/")) {
        let (parent, name) = place.rsplit_once('/').unwrap();
        let mut missing = sample.clone();
        let map = missing
            .pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap();
        map.remove(name).unwrap();
        refused(&missing, &format!("without {place}"));

        for wrong in [json!({"carol": 1}), json!([["carol"]]), json!(-1.5)] {
            if wrong.is_object() && place.ends_with("/attributes") {
                continue;
            }
            let mut damaged = sample.clone();
            *damaged.pointer_mut(place).unwrap() = wrong.clone();
            refused(&damaged, &format!("{place} is {wrong}"));
        }
        let mut more = sample.clone();
        if let Some(map) = more.pointer_mut(place).unwrap().as_object_mut() {
            if !place.ends_with("attributes") {
                map.insert("carol".to_owned(), json!(1));
                refused(&more, &format!("more in {place}"));
            }
        }
    }
}

#[test]
fn p12_values_that_make_no_sense_are_errors() {
    for (place, wrong) in [
        ("/id", json!("short")),
        ("/id", json!("")),
        ("/actor/sub", json!(["carol-sub"])),
        ("/actor/rank", json!("3")),
        ("/actor/rank", json!(9_223_372_036_854_775_808_u64)),
        ("/actor/enabled", json!("true")),
        ("/actor/groups", json!("support")),
        ("/actor/groups", json!(["support", 7])),
        ("/actor/attributes", json!([])),
        ("/actor/login/at", json!([1, 1_000_000_000])),
        ("/actor_was_found", json!(1)),
        ("/started_at", json!("2023-11-14T22:13:20Z")),
        ("/started_at", json!([1_700_000_000])),
        ("/started_at", json!([1_700_000_000, -1])),
        ("/started_at", json!([1_700_000_000, 1_000_000_000])),
        ("/started_at", json!([1, 2, 3])),
        ("/latest", json!(null)),
        ("/idle_limit", json!([-1, 0])),
        ("/idle_limit", json!(600)),
        ("/ask/reason", json!("")),
        ("/ask/reason", json!(" case 4711")),
        ("/ask/ticket", json!("a\u{7}b")),
        ("/ask/grant", json!("carol")),
        ("/ask/ttl", json!([1, 1_000_000_000])),
        ("/v", json!("1")),
    ] {
        let mut damaged = sample();
        *damaged.pointer_mut(place).unwrap() = wrong.clone();
        refused(&damaged, &format!("{place} is {wrong}"));
    }
}

/// What nobody knows is refused, and never read as the least that is known.
#[test]
fn p14_words_that_nobody_knows_are_errors() {
    for (place, word) in [
        ("/actor/kind", json!("admin")),
        ("/actor/affiliation", json!("root")),
        ("/ask/mode", json!("everything")),
        ("/ask/mode", json!("")),
        ("/ask/strategy", json!("magic")),
        ("/ask/wanted", json!({"guard": ["admins"]})),
        ("/ask/wanted", json!("user")),
        ("/ask/wanted/user/by", json!({"email": "alice"})),
    ] {
        let mut damaged = sample();
        *damaged.pointer_mut(place).unwrap() = word.clone();
        refused(&damaged, &format!("{place} is {word}"));
    }
}

#[test]
fn another_version_is_told_as_such() {
    for (v, version) in [(1, false), (0, true), (2, true)] {
        let mut newer = sample();
        newer["v"] = json!(v);
        newer["shadow"] = json!("carol");
        let told = refused(&newer, "newer").to_string();
        assert_eq!(told.contains("unknown version"), version, "{v}: {told}");
    }
    for text in [
        "",
        "{}",
        "[]",
        "null",
        "\u{0}",
        "{\"v\":1}",
        &"[".repeat(100_000),
    ] {
        let told = Start::from_json(text).unwrap_err().to_string();
        assert!(!told.contains("unknown version"), "{told}");
    }
    let twice = sample()
        .to_string()
        .replacen('{', "{\"actor_was_found\":true,", 1);
    assert!(Start::from_json(&twice).is_err(), "a member twice");
}
