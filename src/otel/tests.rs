use opentelemetry::{Key, KeyValue};

use crate::identity::IdentityKey;
use crate::otel::vocabulary::tell_fields;
use crate::otel::{HashKey, Identifiers, Preset, Vocabulary};
use crate::secret::Secret;
use crate::stamp::{Stamp, fields};
use crate::terms::{Mode, Strategy};

const ISSUER: &str = "https://issuer.example.com";
const EFFECTIVE: &str = "user.effective.id";

fn stamp(target: Option<&str>) -> Stamp {
    let key = |sub: &str| IdentityKey::new(ISSUER, sub);
    let target = target.map(key);
    Stamp::impersonation(
        &key("carol"),
        target.as_ref(),
        Mode::Full,
        Strategy::Header,
        None,
    )
}

fn hash_key() -> HashKey {
    HashKey::new(&Secret::from("0123456789abcdef0123456789abcdef")).unwrap()
}

/// What stands for people in a vocabulary, for a pair and for a role.
#[test]
fn each_vocabulary_tells_records_and_spans_alike() {
    let key = hash_key();
    let (carol, alice) = (&*key.hash("carol"), &*key.hash("alice"));
    let hashed = || Identifiers::KeyedHash(hash_key());
    type Expected<'a> = [Option<&'a str>; 4];
    let cases: [(Preset, Identifiers, Option<&str>, Expected<'_>); 8] = [
        (
            Preset::OpenTelemetry,
            Identifiers::Raw,
            Some("alice"),
            [Some("alice"), Some("carol"), Some("alice"), None],
        ),
        (
            Preset::OpenTelemetry,
            Identifiers::Raw,
            None,
            [Some("carol"), Some("carol"), None, None],
        ),
        (
            Preset::OpenTelemetry,
            hashed(),
            Some("alice"),
            [Some(alice), Some(carol), Some(alice), None],
        ),
        (
            Preset::OpenTelemetry,
            Identifiers::Drop,
            Some("alice"),
            [None; 4],
        ),
        (
            Preset::Ecs,
            Identifiers::Raw,
            Some("alice"),
            [Some("carol"), Some("carol"), Some("alice"), Some("alice")],
        ),
        (
            Preset::Ecs,
            Identifiers::Raw,
            None,
            [Some("carol"), Some("carol"), None, None],
        ),
        (
            Preset::Ecs,
            hashed(),
            Some("alice"),
            [Some(carol), Some(carol), Some(alice), Some(alice)],
        ),
        (Preset::Ecs, Identifiers::Drop, Some("alice"), [None; 4]),
    ];
    for (preset, identifiers, target, expected) in cases {
        let case = format!("{preset:?} {identifiers:?} {target:?}");
        let vocabulary = Vocabulary::new().preset(preset).identifiers(identifiers);
        let stamp = stamp(target);
        let (mut on_record, mut on_span) = (Vec::new(), Vec::new());
        vocabulary.tell(&stamp, |key, value| {
            on_record.push(KeyValue::new(key, value));
        });
        tell_fields(&stamp, |key, value| on_span.push(KeyValue::new(key, value)));
        vocabulary.rewrite(&mut on_span);
        for told in [&on_record, &on_span] {
            let keys = [
                fields::USER_ID,
                fields::ACTOR_SUB,
                fields::TARGET_SUB,
                EFFECTIVE,
            ];
            assert_eq!(
                keys.map(|key| value(told, key)),
                expected.map(|v| v.map(str::to_owned)),
                "{case}"
            );
            // What names nobody stays as it is.
            assert_eq!(
                value(told, fields::ACTOR_ISS).as_deref(),
                Some(ISSUER),
                "{case}"
            );
            assert_eq!(
                value(told, fields::STRATEGY).as_deref(),
                Some("header"),
                "{case}"
            );
        }
    }
}

#[test]
fn a_denial_has_no_effective_user() {
    let pair = [(fields::ACTOR_SUB, "carol"), (fields::TARGET_SUB, "root")];
    let user = (fields::USER_ID, "root");
    let (rule, effect) = (("impersonation.deny.rule", "not(root)"), Some("root"));
    for (more, effective) in [
        // A denial's span, its event, and the control: a span below a request that was let through.
        (&[][..], None),
        (&[user, rule], None),
        (&[user], effect),
    ] {
        let all = pair.iter().chain(more);
        let mut told: Vec<_> = all
            .map(|(key, value)| KeyValue::new(*key, *value))
            .collect();
        Vocabulary::new().preset(Preset::Ecs).rewrite(&mut told);
        assert_eq!(value(&told, EFFECTIVE).as_deref(), effective, "{more:?}");
        assert_eq!(value(&told, fields::USER_ID).as_deref(), Some("carol"));
    }
}

#[test]
fn the_first_of_a_field_stays_and_other_attributes_are_left_alone() {
    let mut attributes = vec![
        KeyValue::new("table", "orders"),
        KeyValue::new(fields::ACTOR_SUB, "carol"),
        KeyValue::new("table", "people"),
        KeyValue::new(fields::ACTOR_SUB, "mallory"),
    ];
    Vocabulary::new().rewrite(&mut attributes);
    let expected = [
        ("table", "orders"),
        (fields::ACTOR_SUB, "carol"),
        ("table", "people"),
    ];
    assert_eq!(
        attributes,
        expected.map(|(key, value)| KeyValue::new(key, value))
    );
}

#[test]
fn nothing_of_the_key_is_shown() {
    let key = hash_key();
    let identifiers = Identifiers::KeyedHash(key.clone());
    let shown = format!(
        "{key:?} {identifiers:?} {:?}",
        Vocabulary::new().identifiers(identifiers.clone())
    );
    assert!(!shown.contains("0123"), "{shown}");
    assert_eq!(key.hash("carol").len(), 32);
    assert_ne!(key.hash("carol"), key.hash("alice"));
    let other = HashKey::new(&Secret::from("another key that is of good length")).unwrap();
    assert_ne!(key.hash("carol"), other.hash("carol"));
    assert!(HashKey::new(&Secret::from("31 bytes are not enough for it.")).is_err());
}

#[track_caller]
fn value(attributes: &[KeyValue], key: &str) -> Option<String> {
    let mut found = attributes
        .iter()
        .filter(|a| a.key == Key::from(key.to_owned()));
    let first = found.next().map(|a| a.value.as_str().into_owned());
    assert!(found.next().is_none(), "two of {key}");
    first
}
