use std::time::Duration;

use super::*;
use crate::identity::{Affiliation, Identity, Kind, Login, Names};
use crate::terms::{Ask, Mode, Reason, Strategy, TargetRef};
use crate::time::Timestamp;
use crate::token::Verified;

const ISS: &str = "https://issuer.example.com";
const STAFF: &str = "https://staff.example.com";

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_700_000_000)
}

fn person(sub: &str) -> Identity {
    Identity::new(ISS, sub)
        .with_tenant("acme")
        .enabled_account()
}

fn carol() -> Identity {
    person("carol").with_groups(["support"])
}

fn ask_for(sub: &str) -> Ask {
    Ask::user(TargetRef::subject(ISS, sub), Strategy::Header)
}

fn decide(
    policy: &dyn Policy,
    actor: Identity,
    ask: Ask,
    target: Identity,
) -> Result<Permit, Denial> {
    screen(policy, Verified::for_test(actor), ask, now())
        .and_then(|eligible| eligible.decide(policy, target, now()))
        .map_err(|refused| refused.denial)
}

fn rule_of(result: Result<Permit, Denial>) -> String {
    result.expect_err("a denial").rule.into_owned()
}

#[test]
fn the_group_is_the_actors_and_nobody_elses() {
    let policy = in_group("support");
    let alice = person("alice").with_groups(["support"]);
    assert!(decide(&policy, carol(), ask_for("alice"), alice.clone()).is_ok());
    let bob = person("bob").with_groups(["customers"]);
    assert_eq!(
        rule_of(decide(&policy, bob, ask_for("alice"), alice.clone())),
        "in_group(support)"
    );
    let star = person("eve").with_groups(["*"]);
    assert!(decide(&policy, star, ask_for("alice"), alice).is_err());
}

#[test]
fn a_pinned_group_counts_at_that_issuer_only() {
    let policy = in_group("support").of(STAFF);
    assert!(decide(&policy, carol(), ask_for("alice"), person("alice")).is_err());
    let staff = Identity::new(STAFF, "carol")
        .with_groups(["support"])
        .with_affiliation(Affiliation::Staff);
    assert!(decide(&policy, staff, ask_for("alice"), person("alice")).is_ok());
}

#[test]
fn an_unknown_fact_denies_and_so_does_its_negation() {
    let unknown = person("eve");
    for policy in [
        in_group("support").and(allow_all()),
        not(in_group("blocked")),
    ] {
        let eligible = screen(
            &policy,
            Verified::for_test(unknown.clone()),
            ask_for("alice"),
            now(),
        );
        let eligible = eligible.expect("unknown passes the first step");
        assert!(eligible.decide(&policy, person("alice"), now()).is_err());
    }
    let except = allow_all().except(target_in_group("admins"));
    let rule = rule_of(decide(&except, carol(), ask_for("alice"), person("alice")));
    assert_eq!(rule, "unknown:target_in_group(admins)");
    let alice = Identity::new(ISS, "alice").with_tenant("acme");
    let rule = rule_of(decide(&allow_all(), carol(), ask_for("alice"), alice));
    assert_eq!(rule, "unknown:target_enabled");
}

#[test]
fn facts_from_the_directory_complete_the_token_and_do_not_overrule_it() {
    let policy = in_group("support").and(allow_all());
    let found = carol();
    let screened = |actor: Identity| {
        screen(&policy, Verified::for_test(actor), ask_for("alice"), now())
            .and_then(|eligible| eligible.with_actor_facts(&policy, found.clone(), now()))
    };
    assert!(screened(person("carol")).is_ok());
    assert!(screened(person("carol").with_groups(Names::default())).is_err());
}

#[test]
fn without_the_right_the_first_step_denies_before_a_reason_is_asked_for() {
    let policy = reason_required().and(in_group("support"));
    let bob = person("bob").with_groups(["customers"]);
    let denial = decide(&policy, bob, ask_for("alice"), person("alice")).expect_err("denied");
    assert_eq!((&*denial.rule, denial.demand), ("in_group(support)", None));
    let denial = decide(&policy, carol(), ask_for("alice"), person("alice")).expect_err("denied");
    assert_eq!(denial.demand, Some(Demand::Reason));
    let with_reason = ask_for("alice").with_reason(Reason::parse("why", 9).expect("a reason"));
    assert!(decide(&policy, carol(), with_reason, person("alice")).is_ok());
}

#[test]
fn nobody_acts_as_itself_as_the_disabled_or_across_tenants() {
    let policy = allow_all();
    let denial = decide(&policy, carol(), ask_for("carol"), carol()).expect_err("denied");
    assert_eq!(denial.demand, Some(Demand::AnotherTarget));
    let by_name = Ask::user(TargetRef::name(ISS, "Carol"), Strategy::Header);
    assert_eq!(rule_of(decide(&policy, carol(), by_name, carol())), "self");
    let dave = person("dave").disabled_account();
    assert_eq!(
        rule_of(decide(&policy, carol(), ask_for("dave"), dave)),
        "target_disabled"
    );
    let other = Identity::new(ISS, "zoe")
        .with_tenant("other")
        .enabled_account();
    assert_eq!(
        rule_of(decide(&policy, carol(), ask_for("zoe"), other.clone())),
        "tenant"
    );
    let unknown = Identity::new(ISS, "zoe").enabled_account();
    assert_eq!(
        rule_of(decide(&policy, carol(), ask_for("zoe"), unknown)),
        "tenant"
    );
    let staff = carol().with_affiliation(Affiliation::Staff);
    assert!(decide(&policy, staff, ask_for("zoe"), other).is_ok());
    let gone = carol().disabled_account();
    assert_eq!(
        rule_of(decide(&policy, gone, ask_for("alice"), person("alice"))),
        "actor_disabled"
    );
}

#[test]
fn a_rank_must_be_higher_and_known() {
    let policy = rank(Identity::rank);
    let of = |rank: i64| person("alice").with_rank(rank);
    let ranks = [(2, true), (3, false), (4, false)];
    for (target, allowed) in ranks {
        let actor = carol().with_rank(3);
        assert_eq!(
            decide(&policy, actor, ask_for("alice"), of(target)).is_ok(),
            allowed
        );
    }
    assert!(decide(&policy, carol(), ask_for("alice"), of(1)).is_err());
    assert!(
        decide(
            &policy,
            carol().with_rank(3),
            ask_for("alice"),
            person("alice")
        )
        .is_err()
    );
}

#[test]
fn a_machine_is_denied_unheard_unless_it_is_named() {
    let bot = || {
        person("bot")
            .with_kind(Kind::Machine)
            .with_groups(["support"])
    };
    let target = || person("alice");
    let rule = rule_of(decide(&allow_all(), bot(), ask_for("alice"), target()));
    assert_eq!(rule, "machine");
    assert!(decide(&machines(["bot"]), bot(), ask_for("alice"), target()).is_ok());
    assert!(
        decide(
            &machines(["bot"]).of(STAFF),
            bot(),
            ask_for("alice"),
            target()
        )
        .is_err()
    );
    let fresh = machines(["bot"]).and(fresh_login(Duration::from_secs(60)));
    assert!(decide(&fresh, bot(), ask_for("alice"), target()).is_err());
    // A person of that name is no machine.
    assert!(decide(&machines(["carol"]), carol(), ask_for("alice"), target()).is_err());
}

#[test]
fn a_login_must_be_recent_and_not_in_the_future() {
    let policy = fresh_login(Duration::from_secs(900));
    let logged_in = |ago: i64| {
        let mut login = Login::unknown();
        login.at = Some(Timestamp::from_unix_seconds(now().unix_seconds() - ago));
        carol().with_login(login)
    };
    for (ago, allowed) in [
        (0, true),
        (900, true),
        (901, false),
        (-60, true),
        (-61, false),
    ] {
        let result = decide(&policy, logged_in(ago), ask_for("alice"), person("alice"));
        assert_eq!(result.is_ok(), allowed, "{ago}");
    }
    let silent = carol().with_login(Login::unknown());
    let denial = decide(&policy, silent, ask_for("alice"), person("alice")).expect_err("denied");
    assert_eq!(
        denial.demand,
        Some(Demand::FreshLogin {
            max_age: Duration::from_secs(900)
        })
    );
}

#[test]
fn the_narrower_mode_holds() {
    let policy = in_group("support").and(read_only());
    let permit = decide(&policy, carol(), ask_for("alice"), person("alice")).expect("allowed");
    assert_eq!(permit.mode(), Mode::ReadOnly);
    let asked = ask_for("alice").with_mode(Mode::ReadOnly);
    let permit = decide(&allow_all(), carol(), asked, person("alice")).expect("allowed");
    assert_eq!(permit.mode(), Mode::ReadOnly);
}

#[test]
fn named_groups_narrow_the_targets_and_never_add() {
    let alice = || person("alice").with_groups(["customers", "beta"]);
    let asking = |group: &str| ask_for("alice").narrowed_to(Names::from([group]));
    let permit = decide(&allow_all(), carol(), asking("beta"), alice()).expect("allowed");
    assert_eq!(permit.principal().groups(), Some(&Names::from(["beta"])));
    let rule = rule_of(decide(&allow_all(), carol(), asking("admins"), alice()));
    assert_eq!(rule, "narrowed_groups");
    assert!(decide(&allow_all(), carol(), asking("support"), alice()).is_err());
}

#[test]
fn every_group_of_a_role_is_judged_by_itself() {
    let policy = in_group("support")
        .and(takes_group(["org:acme", "org:beta"]))
        .except(target_in_group("org:beta"));
    let role = |groups: &[&'static str]| {
        screen(
            &policy,
            Verified::for_test(carol()),
            Ask::role(groups.to_vec().into()),
            now(),
        )
        .and_then(|eligible| eligible.decide_role(&policy, now()))
    };
    let permit = role(&["org:acme"]).expect("allowed");
    assert_eq!(
        permit.principal().groups(),
        Some(&Names::from(["org:acme"]))
    );
    assert_eq!(permit.principal().subject(), "carol");
    assert!(permit.target().is_none());
    for groups in [&["org:acme", "org:beta"][..], &["org:other"], &[]] {
        assert!(role(groups).is_err(), "{groups:?}");
    }
    assert!(decide(&policy, carol(), ask_for("alice"), person("alice")).is_err());
}

#[test]
fn a_voucher_speaks_for_those_it_names_and_for_no_bearer() {
    let policy = vouched_by(STAFF);
    let named = Verified::for_test_by_act(person("admin"), STAFF);
    let eligible = screen(&policy, named, ask_for("alice"), now()).expect("eligible");
    assert!(eligible.decide(&policy, person("alice"), now()).is_ok());
    let bearer = Verified::for_test(Identity::new(STAFF, "admin").with_tenant("acme"));
    assert!(screen(&policy, bearer, ask_for("alice"), now()).is_err());
    let elsewhere = Verified::for_test_by_act(person("admin"), ISS);
    assert!(screen(&policy, elsewhere, ask_for("alice"), now()).is_err());
}

#[test]
fn only_the_listed_pairs_pass() {
    let policy = pairs([(carol().key().clone(), person("alice").key().clone())]);
    assert!(decide(&policy, carol(), ask_for("alice"), person("alice")).is_ok());
    assert!(decide(&policy, carol(), ask_for("bob"), person("bob")).is_err());
    let dora = Verified::for_test(person("dora"));
    assert!(
        screen(&policy, dora, ask_for("alice"), now()).is_err(),
        "before any look-up"
    );
}

#[test]
fn a_combined_rule_is_called_by_all_its_parts() {
    let (support, admins) = (|| in_group("support"), || target_in_group("admins"));
    let [one, other] = [support(), admins()].map(|rule| Policy::name(&rule).into_owned());
    for (rule, name) in [
        (support().and(admins()), format!("({one} and {other})")),
        (support().or(admins()), format!("({one} or {other})")),
        (not(support()), format!("not({one})")),
    ] {
        assert_eq!(Policy::name(&rule), name);
    }
}
