//! The header strategy: what may stand in the headers, and whom they can name.

mod support;

use http::{HeaderName, HeaderValue};
use support::{Desk, ISSUER, get};
use tower_impersonate::middleware::Builder;
use tower_impersonate::{Identity, ImpersonationLayer, policy, resolve};

/// Carol asks with this value, byte for byte.
async fn as_carol(
    desk: &Desk,
    layer: &ImpersonationLayer,
    name: &str,
    value: &[u8],
) -> support::Seen {
    let mut request = get(&desk.carol(), &[]);
    let name: HeaderName = name.parse().unwrap();
    let value = HeaderValue::from_bytes(value).unwrap();
    request.headers_mut().insert(name, value);
    desk.send(layer, request).await
}

#[tokio::test]
async fn a104_a105_a106_what_is_no_plain_name_is_400() {
    let desk = Desk::new();
    let (layer, asked) = {
        let (directory, asked) = desk.counting();
        (desk.builder().directory(directory).build().unwrap(), asked)
    };
    let long = "a".repeat(129);
    for value in [
        "",
        " ",
        "alice bob",
        "alice\tbob",
        "alice, bob",
        "alice,bob",
        "alice;bob",
        "\"alice\"",
        "{\"sub\":\"alice\"}",
        "alice%00",
        "alice|bob",
        "alice*",
        "*",
        "alice/../root",
        "alice\u{200b}",
        "al\u{ef}ce",
        "\u{430}lice",
        "\u{202e}ecila",
        &long,
    ] {
        let seen = as_carol(&desk, &layer, "impersonate-user", value.as_bytes()).await;
        seen.assert_refused(400);
        desk.assert_denied("carol", None, "the user header is malformed");
    }
    for value in [&b"alice\xa0"[..], b"\xff", b" alice", b"alice "] {
        as_carol(&desk, &layer, "impersonate-user", value)
            .await
            .assert_refused(400);
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn every_character_of_the_default_set_is_taken() {
    let desk = Desk::new();
    let long = "a".repeat(128);
    for sub in ["Az09._@:+-", "auth0.user_1+x@example.com", &long] {
        desk.users.insert(
            Identity::new(ISSUER, sub)
                .with_groups(["customers"])
                .enabled_account(),
        );
        let seen = desk
            .as_carol(&desk.layer(), &[("impersonate-user", sub)])
            .await;
        seen.assert_ran_as(sub, Some("carol"));
    }
}

#[tokio::test]
async fn more_characters_are_taken_where_configured() {
    let desk = Desk::new();
    desk.users.insert(
        Identity::new(ISSUER, "auth0|alice")
            .with_groups(["customers"])
            .enabled_account(),
    );
    let header = [("impersonate-user", "auth0|alice")];
    desk.as_carol(&desk.layer(), &header)
        .await
        .assert_refused(400);
    let layer = with(&desk, resolve::header("impersonate-user").also_allow("|"));
    let seen = desk.as_carol(&layer, &header).await;
    seen.assert_ran_as("auth0|alice", Some("carol"));
    desk.as_carol(&layer, &[("impersonate-user", "auth0/alice")])
        .await
        .assert_refused(400);
}

fn bare(desk: &Desk) -> Builder {
    desk.bare()
        .issuer(desk.accepted())
        .policy(policy::in_group("support"))
}

fn with(desk: &Desk, header: resolve::Header) -> ImpersonationLayer {
    bare(desk).resolve(header).build().unwrap()
}

#[tokio::test]
async fn a98_the_name_of_the_header_is_taken_in_any_case_and_can_be_chosen() {
    let desk = Desk::new();
    let seen = desk
        .as_carol(&desk.layer(), &[("IMPERSONATE-User", "alice")])
        .await;
    seen.assert_ran_as("alice", Some("carol"));
    let layer = with(&desk, resolve::header("X-Act-As"));
    let seen = desk.as_carol(&layer, &[("x-act-as", "alice")]).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert!(!seen.handler_got("x-act-as"));
    // The usual name then means nothing, and does not reach the handler all the same.
    let seen = desk
        .as_carol(&layer, &[("impersonate-user", "alice")])
        .await;
    seen.assert_ran_as("carol", None);
    assert!(!seen.handler_got("impersonate-user"));
}

#[tokio::test]
async fn a97_every_header_but_the_group_stands_once() {
    let desk = Desk::new();
    for (name, value) in [
        ("impersonate-user", "alice"),
        ("impersonate-issuer", ISSUER),
        ("impersonate-reason", "ticket 4711"),
    ] {
        let headers = [("impersonate-user", "alice"), (name, value), (name, value)];
        let headers = if name == "impersonate-user" {
            &headers[..2]
        } else {
            &headers[..]
        };
        desk.as_carol(&desk.layer(), headers)
            .await
            .assert_refused(400);
        desk.assert_denied("carol", None, "an impersonation header stands twice");
    }
}

#[tokio::test]
async fn a99_twins_are_400_where_the_strategy_is_on_and_stripped_where_it_is_off() {
    let desk = Desk::new();
    let off = desk.bare().issuer(desk.accepted()).build().unwrap();
    for twin in [
        "impersonate_user",
        "Impersonate_User",
        "impersonate_group",
        "impersonate_issuer",
        "impersonate_reason",
    ] {
        desk.as_carol(&desk.layer(), &[(twin, "alice")])
            .await
            .assert_refused(400);
        desk.assert_denied("carol", None, "a twin of an impersonation header");
        for name in [twin, &twin.replace('_', "-")] {
            let seen = desk.as_carol(&off, &[(name, "alice")]).await;
            seen.assert_ran_as("carol", None);
            assert!(!seen.handler_got(&name.to_lowercase()), "{name}");
        }
    }
    let listed = [("connection", "impersonate-user")];
    desk.as_carol(&off, &listed)
        .await
        .assert_ran_as("carol", None);
}

#[tokio::test]
async fn headers_without_a_user_are_400() {
    let desk = Desk::new();
    for (name, value) in [
        ("impersonate-group", "customers"),
        ("impersonate-issuer", ISSUER),
        ("impersonate-reason", "ticket 4711"),
    ] {
        desk.as_carol(&desk.layer(), &[(name, value)])
            .await
            .assert_refused(400);
        desk.assert_denied("carol", None, "an impersonation header without a user");
    }
}

#[tokio::test]
async fn groups_are_names_and_at_most_32() {
    let desk = Desk::new();
    for group in ["", "customers, beta", "cust omers", "*", "\u{e4}"] {
        let headers = [("impersonate-user", "alice"), ("impersonate-group", group)];
        desk.as_carol(&desk.layer(), &headers)
            .await
            .assert_refused(400);
        desk.assert_denied("carol", None, "the group header is malformed");
    }
    let mut many = vec![("impersonate-user", "alice")];
    many.extend([("impersonate-group", "beta"); 32]);
    let seen = desk.as_carol(&desk.layer(), &many).await;
    seen.assert_ran_as("alice", Some("carol"));
    many.push(("impersonate-group", "beta"));
    desk.as_carol(&desk.layer(), &many)
        .await
        .assert_refused(400);
}

#[tokio::test]
async fn a_group_cannot_be_asked_for_where_the_targets_are_unknown() {
    let desk = Desk::new();
    desk.users
        .insert(Identity::new(ISSUER, "erin").enabled_account());
    let layer = with(&desk, resolve::header("impersonate-user"));
    let headers = [("impersonate-user", "erin"), ("impersonate-group", "beta")];
    desk.as_carol(&layer, &headers).await.assert_refused(403);
    desk.assert_denied("carol", Some("erin"), "narrowed_groups");
}

#[tokio::test]
async fn names_are_looked_up_and_a_sub_is_no_name() {
    let desk = Desk::new();
    let layer = with(&desk, resolve::header("impersonate-user").names());
    let seen = desk
        .as_carol(&layer, &[("impersonate-user", "Alice")])
        .await;
    seen.assert_ran_as("alice", Some("carol"));
    desk.assert_recorded("carol", Some("alice"));
    desk.as_carol(&layer, &[("impersonate-user", "alice")])
        .await
        .assert_refused(403);
    desk.assert_denied("carol", None, "target_not_found");
    desk.as_carol(&desk.layer(), &[("impersonate-user", "Alice")])
        .await
        .assert_refused(403);
    desk.assert_denied("carol", None, "target_not_found");
}

#[tokio::test]
async fn oneself_is_400_by_sub_and_by_name() {
    let desk = Desk::new();
    desk.as_carol(&desk.layer(), &[("impersonate-user", "carol")])
        .await
        .assert_refused(400);
    desk.assert_denied("carol", None, "self");
    let names = with(&desk, resolve::header("impersonate-user").names());
    desk.as_carol(&names, &[("impersonate-user", "Carol")])
        .await
        .assert_refused(400);
    desk.assert_denied("carol", Some("carol"), "self");
    // Whoever may not impersonate at all learns nothing.
    let seen = desk
        .send(
            &desk.layer(),
            get(&desk.alice(), &[("impersonate-user", "alice")]),
        )
        .await;
    seen.assert_refused(403);
    desk.assert_denied("alice", None, "in_group(support)");
}

#[tokio::test]
async fn the_header_never_contains_a_wild_card() {
    let desk = Desk::new();
    let layer = bare(&desk)
        .resolve(resolve::header("impersonate-user").also_allow("*"))
        .build()
        .unwrap();
    desk.as_carol(&layer, &[("impersonate-user", "*")])
        .await
        .assert_refused(403);
    desk.assert_denied("carol", None, "target_not_found");
}
