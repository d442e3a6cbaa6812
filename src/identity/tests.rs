use super::*;

#[test]
fn what_is_kept_for_long_keeps_nothing_of_the_token_alive() {
    let payload = String::from("alice carol support read write acme");
    let pieces = Pieces::of(&payload);
    let piece = |from: usize, to: usize| pieces.text(&payload[from..to]);
    let identity = Identity::at("iss".into(), piece(0, 5))
        .named(piece(6, 11))
        .with_groups(Names::of([piece(12, 19)].into_iter()))
        .with_scopes(Names::spaced(piece(20, 30)))
        .in_tenant(piece(31, 35));
    let claims = Claimed {
        text: pieces.whole(),
        read: |_| Map::from_iter([("email".to_owned(), "alice@example.com".into())]),
    };
    let identity = identity.with_claims(claims, None);
    let whole = pieces.whole();
    drop(pieces);
    assert!(Arc::strong_count(&whole) > 1);
    let kept = identity.kept_for_long();
    assert_eq!(Arc::strong_count(&whole), 1);
    assert_eq!((kept.subject(), kept.username()), ("alice", Some("carol")));
    assert_eq!(
        (kept.tenant(), kept.text("email")),
        (Some("acme"), Some("alice@example.com"))
    );
    assert!(
        kept.groups()
            .is_some_and(|groups| groups.contains("support"))
    );
    assert!(kept.scopes().is_some_and(|scopes| scopes.len() == 2));
}

#[test]
fn debug_shows_no_attribute() {
    let alice = Identity::new("iss", "sub").with_attribute("email", "alice@example.com");
    assert!(!format!("{alice:?}").contains("example.com"));
}

#[test]
fn what_is_known_already_is_not_overwritten() {
    let token = Identity::new("iss", "sub").with_groups(["customers"]);
    let found = Identity::new("iss", "sub")
        .with_groups(["admins"])
        .with_rank(3);
    let both = token.completed_by(found);
    assert!(
        both.groups()
            .is_some_and(|groups| !groups.contains("admins"))
    );
    assert_eq!(both.rank(), Some(3));
}
