//! Who may act as whom, and what the handler then sees.

mod support;

use support::Desk;

#[tokio::test]
async fn k01_without_the_header_the_caller_is_the_principal() {
    let desk = Desk::new();
    let seen = desk.as_carol(&desk.layer(), &[]).await;
    seen.assert_ran_as("carol", None);
    assert!(desk.sink.events().is_empty());
}

#[tokio::test]
async fn k14_the_handler_runs_as_the_target_with_its_own_groups_only() {
    let desk = Desk::new();
    let seen = desk
        .as_carol(&desk.layer(), &[("impersonate-user", "alice")])
        .await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(
        seen.body["groups"],
        serde_json::json!(["customers", "beta"])
    );
    assert_eq!(seen.body["email"], "alice@example.com");
}
