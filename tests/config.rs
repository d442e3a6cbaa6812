//! What cannot work is found when the layer is built, and told in a sentence.

mod support;

use std::error::Error;
use std::time::Duration;

use support::{Desk, ISSUER};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{AuditError, AuditSink, Completion, Event};
use tower_impersonate::middleware::{Builder, ConfigError};
use tower_impersonate::mint::{Minter, SigningKey};
use tower_impersonate::token::{Algorithm, StaticKeys};
use tower_impersonate::{ImpersonationLayer, Issuer, audit, policy, resolve};

/// The message and, where there is one, its cause's.
#[track_caller]
fn refused(builder: Builder) -> String {
    let error: ConfigError = builder
        .build()
        .expect_err("a configuration that cannot work");
    match error.source() {
        None => error.to_string(),
        Some(source) => format!("{error}: {source}"),
    }
}

/// Everything but a directory: an issuer without groups, and audit and policy as asked.
fn tokens_only(desk: &Desk, issuer: Issuer) -> Builder {
    ImpersonationLayer::builder()
        .issuer(issuer)
        .audit(desk.sink.clone())
}

fn without_groups(desk: &Desk) -> Issuer {
    Issuer::static_keys(ISSUER, StaticKeys::jwks(desk.issuer.jwks())).audiences(["desk-api"])
}

#[test]
fn strategies_need_a_policy_and_an_audit() {
    let desk = Desk::new();
    let strategies = || {
        let builder = ImpersonationLayer::builder().issuer(desk.accepted());
        builder
            .resolve(resolve::header("impersonate-user"))
            .directory(desk.users.clone())
    };
    assert_eq!(
        refused(strategies().audit(desk.sink.clone())),
        "strategies are configured, but no policy: call `policy`"
    );
    assert_eq!(
        refused(strategies().policy(policy::in_group("support"))),
        "strategies are configured, but no audit: call `audit`"
    );
    let whole = strategies().policy(policy::in_group("support"));
    assert!(whole.audit(desk.sink.clone()).build().is_ok());
    let plain = ImpersonationLayer::builder().issuer(desk.accepted());
    assert!(plain.build().is_ok(), "authentication alone needs neither");
}

#[test]
fn an_audit_that_is_not_ready_is_refused() {
    struct Unready;

    impl AuditSink for Unready {
        fn record(&self, _: &Event<'_>) -> Answer<Result<(), AuditError>> {
            Answer::now(Ok(()))
        }

        fn complete(&self, _: Completion) {}

        fn check(&self) -> Result<(), AuditError> {
            Err(AuditError::new("no such folder"))
        }
    }
    let desk = Desk::new();
    let message = "the audit sink is not ready: the audit event could not be written";
    assert_eq!(refused(desk.unrecorded().audit(Unready)), message);
    let nowhere = audit::jsonl("/nonexistent/folder/audit.jsonl");
    assert_eq!(refused(desk.unrecorded().audit(nowhere)), message);
}

#[test]
fn a_strategy_that_lets_anybody_be_named_needs_a_directory() {
    let desk = Desk::new();
    let builder = tokens_only(&desk, desk.accepted()).policy(policy::in_group("support"));
    assert_eq!(
        refused(builder.resolve(resolve::header("impersonate-user"))),
        "a strategy lets the actor name anybody: call `directory`"
    );
}

#[test]
fn a_policy_without_a_strategy_and_a_strategy_that_nobody_is_trusted_for_are_refused() {
    let desk = Desk::new();
    let bare = || {
        desk.bare()
            .issuer(desk.accepted())
            .policy(policy::allow_all())
    };
    assert_eq!(
        refused(bare()),
        "a policy is configured, but no strategy: call `resolve`"
    );
    assert_eq!(
        refused(bare().resolve(resolve::act())),
        "a strategy is not configured soundly: no issuer is trusted for the claim `act`: call `trust_act`"
    );
}

#[test]
fn a_policy_whose_facts_nothing_can_tell_is_refused() {
    let desk = Desk::new();
    let claim = || resolve::claim("impersonating");
    let actors = "the policy needs the actor's groups, which nothing that is configured can tell";
    let targets = "the policy needs the target's groups, which nothing that is configured can tell";

    let builder =
        tokens_only(&desk, without_groups(&desk).trust_claim("impersonating")).resolve(claim());
    assert_eq!(refused(builder.policy(policy::in_group("support"))), actors);
    let exception = || policy::allow_all().except(policy::target_in_group("admins"));
    let builder = tokens_only(&desk, desk.accepted().trust_claim("impersonating")).resolve(claim());
    assert_eq!(refused(builder.policy(exception())), targets);
    let builder = tokens_only(&desk, without_groups(&desk).trust_act()).resolve(resolve::act());
    assert_eq!(refused(builder.policy(exception())), targets);

    // Told by the token, told by the directory, not needed.
    let builder = tokens_only(&desk, desk.accepted().trust_claim("impersonating")).resolve(claim());
    assert!(builder.policy(policy::in_group("support")).build().is_ok());
    let builder = tokens_only(&desk, desk.accepted().trust_act()).resolve(resolve::act());
    assert!(builder.policy(exception()).build().is_ok());
    let builder =
        tokens_only(&desk, without_groups(&desk).trust_claim("impersonating")).resolve(claim());
    let rule = policy::in_group("support").except(policy::target_in_group("admins"));
    assert!(
        builder
            .directory(desk.users.clone())
            .policy(rule)
            .build()
            .is_ok()
    );
    let builder =
        tokens_only(&desk, without_groups(&desk).trust_claim("impersonating")).resolve(claim());
    assert!(builder.policy(policy::scope("impersonate")).build().is_ok());
}

#[test]
fn a_policy_that_asks_nothing_of_the_actor_is_refused() {
    let desk = Desk::new();
    let whole = |policy: policy::Rule| {
        let builder = ImpersonationLayer::builder().issuer(desk.accepted());
        builder
            .resolve(resolve::header("impersonate-user"))
            .resolve(resolve::role(["desk"]))
            .directory(desk.users.clone())
            .audit(desk.sink.clone())
            .policy(policy)
    };
    let quarter = Duration::from_secs(900);
    let reason = policy::reason_required;
    let support = || policy::in_group("support").and(policy::actor_enabled());
    for policy in [
        reason(),
        policy::read_only(),
        policy::fresh_login(quarter),
        policy::actor_enabled(),
        !policy::target_in_group("admins"),
        !reason(),
        reason().and(policy::fresh_login(quarter)),
        support().or(reason()),
        reason().or(support()),
        reason().except(policy::target_in_group("admins")),
        reason().except(policy::in_group("interns").and(policy::target_in_group("admins"))),
        reason().except(policy::takes_group(["desk"])),
        reason().except(policy::deny_all()),
        reason().except(policy::machines(["bot"])),
        reason().except(policy::vouched_by(ISSUER)),
        !policy::pairs([]),
    ] {
        let built = whole(policy.clone()).build();
        assert!(
            matches!(built, Err(ConfigError::PolicyForEverybody)),
            "{policy:?}"
        );
    }
    for policy in [
        support().and(reason()),
        reason().and(support()),
        support()
            .or(policy::staff())
            .except(policy::target_in_group("admins")),
        policy::takes_group(["desk"]),
        policy::allow_all(),
        policy::allow_all().and(reason()),
        policy::deny_all(),
        !policy::in_group("customers"),
        reason().except(policy::in_group("customers").or(policy::target_in_group("admins"))),
        policy::custom(|_| policy::Ruling::allow()),
    ] {
        assert!(whole(policy.clone()).build().is_ok(), "{policy:?}");
    }
    assert_eq!(
        refused(whole(reason())),
        "the policy asks nothing of the actor, so everybody could act as others: ask something, such as \
         `in_group`, or say `allow_all`"
    );
}

#[test]
fn what_counts_once_is_not_set_twice() {
    let desk = Desk::new();
    let twice: [(&str, &dyn Fn(Builder) -> Builder); 2] = [
        ("policy", &|b| b.policy(policy::in_group("desk"))),
        ("audit", &|b| b.audit(desk.sink.clone())),
    ];
    for (setting, set) in twice {
        let once = ImpersonationLayer::builder().issuer(desk.accepted());
        let message = format!("`{setting}` is called twice, and only one could count");
        assert_eq!(refused(set(set(once))), message);
        let said = refused(set(set(desk.builder()).replacing()));
        assert_eq!(said, message, "said too late");
        assert!(set(desk.builder().replacing()).build().is_ok());
    }
    let minter = || {
        let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let builder = Minter::builder("https://desk.example.com").key(key);
        builder.audiences(["desk-api"]).build().unwrap()
    };
    let twice = desk.builder().mint(&minter()).replacing().mint(&minter());
    assert_eq!(
        refused(twice),
        "`mint` is called twice, and only one could count"
    );
}

#[test]
fn a_strategy_that_is_not_sound_is_refused() {
    let desk = Desk::new();
    let prefix = "a strategy is not configured soundly: ";
    for (name, reason) in [
        ("", "the user header's name is no name of a header"),
        (
            "not a header",
            "the user header's name is no name of a header",
        ),
        (
            "impersonate-user:",
            "the user header's name is no name of a header",
        ),
        (
            "b\u{fc}rger",
            "the user header's name is no name of a header",
        ),
        (
            "impersonate-group",
            "the user header has the name of another impersonation header",
        ),
        (
            "Impersonate-Reason",
            "the user header has the name of another impersonation header",
        ),
        (
            "impersonate-issuer",
            "the user header has the name of another impersonation header",
        ),
    ] {
        let builder = desk.builder().resolve(resolve::header(name));
        assert_eq!(refused(builder), format!("{prefix}{reason}"), "{name}");
    }
    for name in ["cookie", "User-Agent", "x-request-id"] {
        let told = refused(desk.builder().resolve(resolve::header(name)));
        assert!(
            told.contains(&format!("`{}`", name.to_lowercase())),
            "{told}"
        );
    }
    for characters in [",", "|;", " ", "\"", "\u{fc}", "\n"] {
        let header = resolve::header("impersonate-user").also_allow(characters);
        let reason = "also_allow takes visible ASCII without list separators";
        assert_eq!(
            refused(desk.builder().resolve(header)),
            format!("{prefix}{reason}")
        );
    }
    let nothing: [&str; 0] = [];
    assert_eq!(
        refused(desk.builder().resolve(resolve::role(nothing))),
        format!("{prefix}a role needs groups to offer")
    );
}

#[test]
fn a_realm_that_cannot_stand_in_a_challenge_is_refused() {
    let desk = Desk::new();
    for realm in ["", "a\"b", "a\\b", "a\nb", "a\tb", "b\u{fc}rger", "a\u{7f}"] {
        let message = "the realm cannot stand in a challenge";
        assert_eq!(refused(desk.builder().realm(realm)), message, "{realm:?}");
    }
    assert!(desk.builder().realm("desk api, EU").build().is_ok());
}

#[test]
fn the_guest_is_of_the_mapped_type() {
    let desk = Desk::new();
    let builder = desk.builder().map_principal(|_| "somebody");
    let message = "`anonymous` gives a value of another type than `map_principal`";
    assert_eq!(refused(builder.anonymous(|| 7)), message);
    let builder = desk.builder().map_principal(|_| "somebody");
    assert!(builder.anonymous(|| "guest").build().is_ok());
}

#[test]
fn numbers_have_bounds() {
    let desk = Desk::new();
    for characters in [0, 2001, usize::MAX] {
        let message = "max_reason_chars must be between 1 and 2,000";
        assert_eq!(
            refused(desk.builder().max_reason_chars(characters)),
            message
        );
    }
    for deadline in [
        Duration::ZERO,
        Duration::from_micros(999),
        Duration::from_secs(31),
    ] {
        let message = "deadline must be between 1 ms and 30 s";
        assert_eq!(refused(desk.builder().deadline(deadline)), message);
    }
    for characters in [1, 2000] {
        assert!(desk.builder().max_reason_chars(characters).build().is_ok());
    }
    for deadline in [Duration::from_millis(1), Duration::from_secs(30)] {
        assert!(desk.builder().deadline(deadline).build().is_ok());
    }
}

#[test]
fn issuers_that_cannot_work_are_refused() {
    let desk = Desk::new();
    let oidc = |url| Issuer::oidc(url).audiences(["desk-api"]);
    let pool = |region, pool| Issuer::cognito(region, pool).client_ids(["desk"]);
    let good = "https://good.example.com";
    for (issuer, reason) in [
        (
            Issuer::oidc(good),
            "audiences are missing: call `audiences`",
        ),
        (oidc(good).audiences([" "]), "a blank value"),
        (oidc(good).groups_claim(""), "a blank value"),
        (
            oidc(good).leeway(Duration::from_secs(301)),
            "a leeway of more than 300 s",
        ),
        (
            oidc(good).max_lifetime(Duration::ZERO),
            "no token could be accepted",
        ),
        (oidc(good).algorithms([]), "no algorithm is allowed"),
        (oidc(good).id_tokens(), "id_tokens() is for Cognito"),
        (
            oidc(good).jwks_url("http://good.example.com/keys"),
            "a URL that is not https; for a provider on this machine call `insecure_loopback_http`",
        ),
        (
            oidc(good).jwks_url("https://me@good.example.com/"),
            "credentials in the URL",
        ),
    ] {
        let builder = ImpersonationLayer::builder().issuer(issuer);
        let message = format!("the issuers are not configured soundly: issuer {good:?}: {reason}");
        assert_eq!(refused(builder), message);
    }
    for (issuer, reason) in [
        (
            oidc("http://good.example.com"),
            r#"issuer "http://good.example.com": a URL that is not https; for a provider on this machine call `insecure_loopback_http`"#,
        ),
        (oidc(""), r#"issuer "": blank, too long or not printable"#),
        (
            Issuer::cognito("eu-west-1", "eu-west-1_Ab12Cd34E"),
            r#"issuer "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12Cd34E": client ids are missing: call `client_ids`"#,
        ),
        (
            pool("eu-west-1", "../evil"),
            r#"issuer "https://cognito-idp.eu-west-1.amazonaws.com/../evil": not a region and the ID of a pool there, as `eu-west-1` and `eu-west-1_Ab12Cd34E`"#,
        ),
        (
            pool("eu-west-1", "us-east-1_Ab12Cd34E"),
            r#"issuer "https://cognito-idp.eu-west-1.amazonaws.com/us-east-1_Ab12Cd34E": not a region and the ID of a pool there, as `eu-west-1` and `eu-west-1_Ab12Cd34E`"#,
        ),
        (
            pool("eu-west-1", "eu-west-1_Ab12Cd34E").at_jwt(),
            r#"issuer "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12Cd34E": Cognito makes no at+jwt tokens"#,
        ),
        (
            desk.accepted().jwks_url("https://issuer.example.com/keys"),
            r#"issuer "https://issuer.example.com": static keys and a URL for keys"#,
        ),
    ] {
        let message = format!("the issuers are not configured soundly: {reason}");
        assert_eq!(
            refused(ImpersonationLayer::builder().issuer(issuer)),
            message
        );
    }
}

#[test]
fn there_is_an_issuer_and_none_twice() {
    let desk = Desk::new();
    let prefix = "the issuers are not configured soundly: ";
    assert_eq!(
        refused(ImpersonationLayer::builder()),
        format!("{prefix}no issuer is configured")
    );
    assert_eq!(
        refused(desk.builder().issuer(desk.accepted())),
        format!(r#"{prefix}issuer "https://issuer.example.com" is configured twice"#)
    );
}

#[test]
fn keys_that_cannot_be_used_are_refused_and_not_shown() {
    for keys in [
        StaticKeys::jwks("not JSON: c2VjcmV0"),
        StaticKeys::jwks(r#"{"keys":[]}"#),
        StaticKeys::pem(
            "-----BEGIN PUBLIC KEY-----\nc2VjcmV0\n-----END PUBLIC KEY-----",
            Algorithm::ES256,
        ),
    ] {
        let issuer = Issuer::static_keys(ISSUER, keys).audiences(["desk-api"]);
        let error = ImpersonationLayer::builder()
            .issuer(issuer)
            .build()
            .unwrap_err();
        let shown = format!(
            "{error} {error:?} {:?}",
            error.source().map(ToString::to_string)
        );
        assert!(matches!(error, ConfigError::Token(_)), "{shown}");
        assert!(!shown.contains("c2VjcmV0"), "{shown}");
    }
}
