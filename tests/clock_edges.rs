//! clocks at the ends of their numbers, and clocks that differ by the leeway.

mod support;

use std::time::Duration;

use support::{Desk, Seen, get};
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::middleware::ConfigError;
use tower_impersonate::time::Timestamp;

const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

/// The last second of the year 9999, beyond which no time of a token is taken.
const LAST: i64 = 253_402_300_799;
const LIFE: i64 = 300;

fn with_leeway(desk: &Desk, seconds: u64) -> ImpersonationLayer {
    let issuer = desk.accepted().leeway(Duration::from_secs(seconds));
    let builder = desk.bare().issuer(issuer);
    let builder = builder.resolve(tower_impersonate::resolve::header("impersonate-user"));
    let rule = tower_impersonate::policy::in_group("support");
    builder.policy(rule).build().unwrap()
}

fn at(desk: &Desk, seconds: i64) {
    desk.clock.set_wall(Timestamp::from_unix_seconds(seconds));
}

/// Carol's token with these times.
fn token(desk: &Desk, issued: i64, expires: i64) -> String {
    let token = desk.token("carol", &["support"]);
    token.claim("iat", issued).claim("exp", expires).sign()
}

#[track_caller]
fn assert_refused(seen: &Seen, cause: &str) {
    seen.assert_refused(401);
    assert_eq!(seen.cause(), cause);
}

#[tokio::test]
async fn a156_a_token_ends_to_the_second_wherever_the_clock_stands() {
    for leeway in [0, 1, 60, 300] {
        let desk = Desk::new();
        let wide = i64::try_from(leeway).unwrap();
        for now in [
            0,
            1,
            wide,
            1_483_228_800,
            i64::from(i32::MAX) - LIFE,
            i64::from(i32::MAX),
            i64::from(i32::MAX) + 1,
            i64::from(u32::MAX) - LIFE,
            i64::from(u32::MAX),
            i64::from(u32::MAX) + 1,
            LAST - LIFE,
        ] {
            let layer = with_leeway(&desk, leeway);
            let token = token(&desk, now, now + LIFE);
            let fresh = with_leeway(&desk, leeway);
            for moment in [now, now - wide, now + LIFE, now + LIFE + wide - 1] {
                at(&desk, moment);
                let seen = desk.send(&layer, get(&token, AS_ALICE)).await;
                let over = moment >= now + LIFE + wide;
                if over {
                    assert_refused(&seen, "token has expired");
                } else {
                    seen.assert_ran_as("alice", Some("carol"));
                    desk.assert_recorded("carol", Some("alice"));
                }
            }
            // Known from before, and seen for the first time.
            for layer in [&layer, &fresh] {
                at(&desk, now + LIFE + wide);
                let seen = desk.send(layer, get(&token, AS_ALICE)).await;
                assert_refused(&seen, "token has expired");
                at(&desk, now - wide - 1);
                let seen = desk.send(layer, get(&token, AS_ALICE)).await;
                assert_refused(&seen, "token is not valid yet");
            }
            desk.assert_silent();
        }
    }
}

#[tokio::test]
async fn a156_two_nodes_may_differ_by_the_leeway() {
    let desk = Desk::new();
    const NOW: i64 = 1_700_000_000;
    let token = token(&desk, NOW, NOW + LIFE);
    for (node, cause) in [
        (NOW - 60, None),
        (NOW - 61, Some("token is not valid yet")),
        (NOW + LIFE + 59, None),
        (NOW + LIFE + 60, Some("token has expired")),
        // A leap second comes twice.
        (NOW + 1, None),
        (NOW, None),
    ] {
        at(&desk, node);
        let seen = desk.send(&desk.layer(), get(&token, &[])).await;
        match cause {
            Some(cause) => assert_refused(&seen, cause),
            None => seen.assert_ran_as("carol", None),
        }
    }
}

#[tokio::test]
async fn a156_a_clock_beyond_every_calendar_lets_nobody_in_and_brings_nothing_down() {
    let desk = Desk::new();
    for leeway in [0, 300] {
        let layer = with_leeway(&desk, leeway);
        for now in [
            i64::MIN,
            i64::MIN + 1,
            -1_000,
            LAST + 1_000,
            i64::MAX - 1,
            i64::MAX,
        ] {
            at(&desk, now);
            for (issued, expires) in [(0, LIFE), (LAST - LIFE, LAST)] {
                let token = token(&desk, issued, expires);
                let seen = desk.send(&layer, get(&token, AS_ALICE)).await;
                let early = now < issued;
                let cause = if early {
                    "token is not valid yet"
                } else {
                    "token has expired"
                };
                assert_refused(&seen, cause);
            }
        }
        desk.assert_silent();
    }
    // No time outside of the calendar is taken, and none that would end later than the clock.
    at(&desk, 1_700_000_000);
    for (issued, expires, claim) in [
        (1_700_000_000, LAST + 1, "exp"),
        (1_700_000_000, i64::MAX, "exp"),
        (i64::MIN, 1_700_000_300, "iat"),
        (-1, 1_700_000_300, "iat"),
    ] {
        let token = token(&desk, issued, expires);
        let seen = desk.send(&desk.layer(), get(&token, &[])).await;
        assert_refused(&seen, &format!("claim is missing or malformed: {claim}"));
    }
    let seen = desk
        .send(&desk.layer(), get(&token(&desk, 0, LAST), &[]))
        .await;
    assert_refused(&seen, "token is valid for too long");
    let seen = desk.send(&desk.layer(), get(&desk.carol(), &[])).await;
    seen.assert_ran_as("carol", None);
}

#[tokio::test]
async fn a156_the_record_tells_the_time_beyond_2038_and_2106() {
    let desk = Desk::new();
    for (now, told) in [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (i64::from(i32::MAX) + 1, "2038-01-19T03:14:08.000000000Z"),
        (i64::from(u32::MAX) + 1, "2106-02-07T06:28:16.000000000Z"),
        (LAST - 1, "9999-12-31T23:59:58.000000000Z"),
    ] {
        at(&desk, now);
        let token = token(&desk, now, now + 1);
        let seen = desk.send(&desk.layer(), get(&token, AS_ALICE)).await;
        seen.assert_ran_as("alice", Some("carol"));
        for event in desk.sink.events() {
            assert_eq!(event["time"], told);
        }
        desk.assert_recorded("carol", Some("alice"));
    }
}

#[test]
fn a156_a_leeway_beyond_five_minutes_is_refused_when_the_layer_is_built() {
    let desk = Desk::new();
    for seconds in [301, 86_400, u64::from(u32::MAX), u64::MAX] {
        let issuer = desk.accepted().leeway(Duration::from_secs(seconds));
        let built = ImpersonationLayer::builder().issuer(issuer).build();
        assert!(matches!(built, Err(ConfigError::Token(_))), "{seconds}");
    }
    let issuer = desk.accepted().leeway(Duration::from_secs(300));
    assert!(ImpersonationLayer::builder().issuer(issuer).build().is_ok());
}
