//! What the cache of verified tokens takes, for whom it takes it, and where it ends; seen by requests
//! through the whole layer.

#[path = "support/key_server.rs"]
mod key_server;
#[path = "support/keys.rs"]
mod keys;
#[path = "support/known.rs"]
mod known;
mod support;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keys::*;
use known::{cost, cost_of_claims, is_known, plain, quick};
use serde_json::{Value, json};
use support::{AUDIENCE, Desk, ISSUER};
use tower_impersonate::testing::{TestIssuer, TokenBuilder};
use tower_impersonate::time::Clock;
use tower_impersonate::token::{Algorithm, CacheLimits};

#[tokio::test]
async fn a66_a_token_is_known_by_its_whole_text() {
    let desk = Desk::new();
    let layer = plain(&desk);
    let known = token(&desk).sign();
    let other = token(&desk).groups(["admins"]).sign();
    assert_served(&ask(&layer, &known).await);

    let parts = |token: &str| -> [String; 3] {
        let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
        parts.try_into().unwrap()
    };
    let ([header, claims, signature], [_, other_claims, other_signature]) =
        (parts(&known), parts(&other));
    // The last letter holds two bits of the signature and four that must be zero.
    let (most, last) = signature.split_at(signature.len() - 1);
    let spare_bits_set = char::from(last.as_bytes()[0] + 1);
    let one_bit_else = if last == "A" { "Q" } else { "A" };
    let spaced = json!({ "typ": "JWT", "kid": "rsa-1", "alg": "RS256" });
    let spaced = encoded(&format!(" {spaced}"));
    let (broken, malformed) = (
        "signature does not fit",
        "token is not three base64url parts",
    );
    for (token, cause) in [
        (format!("{header}.{claims}.{other_signature}"), broken),
        (format!("{header}.{other_claims}.{signature}"), broken),
        (format!("{spaced}.{claims}.{signature}"), broken),
        (format!("{header}.{claims}.{most}{one_bit_else}"), broken),
        (
            format!("{header}.{claims}.{most}{spare_bits_set}"),
            malformed,
        ),
        (format!("{header}.{claims}."), malformed),
        (known[..known.len() - 2].to_owned(), broken),
        (format!("{known}A"), broken),
        (format!("{known}AA"), broken),
        (format!("{known}="), malformed),
        (format!("{known}."), malformed),
        (format!("{known}.{signature}"), malformed),
        (format!("{header}.{claims}"), malformed),
    ] {
        assert_invalid(&ask(&layer, &token).await, cause);
        assert!(is_known(&layer, &known));
    }
    desk.assert_silent();
}

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Everything by which a cache might take one token for another is equal, and nobody is somebody
/// else.
#[tokio::test]
async fn a66_equal_names_of_tokens_make_no_equal_tokens() {
    let desk = Desk::new();
    let layer = plain(&desk);
    let named = |sub: &str, groups: &[&str]| {
        let token = desk.token(sub, groups).claim("jti", "the same");
        let token = token.claim("sid", "the same").header("x", "the same");
        token.algorithm(Algorithm::EdDSA).sign()
    };
    let carol = named("carol", &["support"]);
    let demoted = named("carol", &[]);
    let alice = named("alice", &["support"]);
    let same = carol
        .bytes()
        .zip(demoted.bytes())
        .take_while(|(a, b)| a == b);
    assert!(same.count() > 150, "a long beginning is equal");
    for _ in 0..2 {
        for (token, sub, groups) in [
            (&carol, "carol", json!(["support"])),
            (&demoted, "carol", json!([])),
            (&alice, "alice", json!(["support"])),
        ] {
            let seen = ask(&layer, token).await;
            seen.assert_ran_as(sub, None);
            assert_eq!(seen.groups(), groups);
        }
    }
    assert!(is_known(&layer, &carol) && is_known(&layer, &demoted) && is_known(&layer, &alice));
}

/// Two issuers of one layer share its cache, with the same names of keys, people and tokens and with
/// other rules.
#[tokio::test]
async fn a66_issuers_that_share_the_cache_share_no_token() {
    let desk = Desk::new();
    let other = TestIssuer::offline("https://other.example.com").with_clock(desk.clock.clone());
    let strict = other.issuer().audiences(["other-api"]).at_jwt();
    let builder = desk.bare().issuer(desk.accepted()).issuer(strict);
    let layer = builder.build().unwrap();
    let alike = |token: TokenBuilder, audience: &str| {
        let token = token.claim("jti", "the same").audience(audience).at_jwt();
        token.algorithm(Algorithm::EdDSA)
    };
    let here = || alike(desk.issuer.token("carol"), AUDIENCE);
    let there = || alike(other.token("carol"), "other-api");
    let (ours, theirs) = (here().sign(), there().sign());
    assert_eq!(ours.split('.').next(), theirs.split('.').next());
    let broken = "signature does not fit";
    for _ in 0..2 {
        for (token, issuer) in [(&ours, ISSUER), (&theirs, other.name())] {
            let seen = ask(&layer, token).await;
            seen.assert_ran_as("carol", None);
            assert_eq!(seen.body["iss"], issuer);
        }
        // Each with the name of the other, and each with the rules of the other.
        let forged = here().claim("iss", other.name()).audience("other-api");
        assert_invalid(&ask(&layer, &forged.sign()).await, broken);
        let forged = there().claim("iss", ISSUER).audience(AUDIENCE);
        assert_invalid(&ask(&layer, &forged.sign()).await, broken);
        let audience = "audience is missing or another one";
        let astray = here().audience("other-api").sign();
        assert_invalid(&ask(&layer, &astray).await, audience);
        let astray = there().audience(AUDIENCE).sign();
        assert_invalid(&ask(&layer, &astray).await, audience);
    }
    assert!(is_known(&layer, &ours) && is_known(&layer, &theirs));
    desk.assert_silent();
}

#[tokio::test]
async fn a67_garbage_is_never_known_and_pushes_nothing_out() {
    let desk = Desk::new();
    let limits = CacheLimits::new(100, 1 << 20);
    let builder = desk.bare().issuer(desk.accepted()).token_cache(limits);
    let layer = builder.build().unwrap();
    let known: Vec<_> = (0..20).map(|_| quick(&desk).sign()).collect();
    for token in &known {
        assert_served(&ask(&layer, token).await);
    }
    let known: Vec<_> = known
        .into_iter()
        .filter(|token| is_known(&layer, token))
        .collect();
    assert!(known.len() > 10, "there is room for them");

    let attacker = TestIssuer::offline(ISSUER).with_clock(desk.clock.clone());
    for n in 0..3_000 {
        let forged = attacker.token("carol").audience(AUDIENCE);
        let forged = forged.algorithm(Algorithm::EdDSA);
        let (bad, cause) = match n % 3 {
            0 => (forged.sign(), "signature does not fit"),
            1 => (
                forged.header("kid", format!("k{n}")).sign(),
                "issuer has no such key",
            ),
            _ => (
                quick(&desk).audience("x").sign(),
                "audience is missing or another one",
            ),
        };
        for _ in 0..2 {
            assert_invalid(&ask(&layer, &bad).await, cause);
        }
    }
    for token in &known {
        assert!(is_known(&layer, token), "garbage took its place");
    }
    desk.assert_silent();
}

#[tokio::test]
async fn a67_the_cache_ends_at_its_bounds_and_what_is_pushed_out_is_as_good_as_before() {
    let desk = Desk::new();
    let wide = || quick(&desk).claim("note", "x".repeat(2000));
    let sign =
        |token: &dyn Fn() -> TokenBuilder| -> Vec<_> { (0..200).map(|_| token().sign()).collect() };
    for (limits, most, tokens) in [
        // So many tokens.
        (CacheLimits::new(50, 1 << 30), 50, sign(&|| quick(&desk))),
        // So many bytes: a token counts its text of 3,200 letters, the 2,000 of the note, and what is around.
        (CacheLimits::new(10_000, 400_000), 60, sign(&wide)),
    ] {
        let builder = desk.bare().issuer(desk.accepted()).token_cache(limits);
        let layer = builder.build().unwrap();
        for token in &tokens {
            assert_served(&ask(&layer, token).await);
        }
        // Asking makes known, so each is asked once, from the last to the first.
        let known = tokens.iter().rev().filter(|token| is_known(&layer, token));
        let known = known.count();
        assert!((1..=most).contains(&known), "{known} of at most {most}");
        for token in &tokens {
            assert_served(&ask(&layer, token).await);
        }
    }
}

/// The bound is one of memory: also for tokens that say much in few letters.
#[test]
fn a67_the_bytes_of_the_bound_are_those_that_are_taken() {
    const BOUND: usize = 1 << 20;
    const ENTRIES: usize = 1_000;
    let desk = Desk::new();
    let members = |count: usize| -> Value {
        let member = |n: usize| (format!("m{n}"), json!(n));
        Value::Object((0..count).map(member).collect())
    };
    let singles: Vec<String> = (0..200).map(|n| (n % 10).to_string()).collect();
    for (name, token) in [
        ("usual", quick(&desk)),
        ("long", quick(&desk).claim("note", "x".repeat(2000))),
        ("members", quick(&desk).claim("m", members(60))),
        ("nulls", quick(&desk).claim("n", vec![(); 200])),
        (
            "nested",
            quick(&desk).claim("n", vec![json!([[[[]]], {"a": {"b": 1}}]); 4]),
        ),
        ("texts", quick(&desk).claim("n", singles.clone())),
        (
            "groups",
            quick(&desk).groups(singles[..100].iter().map(|one| &**one)),
        ),
        ("scopes", quick(&desk).scope(&"a ".repeat(200))),
        ("username", quick(&desk).username(&"x".repeat(2500))),
        ("escapes", quick(&desk).username(&"\\".repeat(1200))),
        ("tenant", quick(&desk).claim("org", "x".repeat(2500))),
        (
            "login",
            quick(&desk)
                .claim("auth_time", desk.clock.now().unix_seconds())
                .claim("acr", "x".repeat(2500)),
        ),
    ] {
        let limits = CacheLimits::new(ENTRIES, BOUND);
        let tokens: Vec<_> = (0..300)
            .map(|n| token.clone().claim("jti", format!("{n:05}")).sign())
            .collect();
        // Claims are made values of when a handler asks for one, and there is room for that.
        let kept = [cost, cost_of_claims].map(|ask| {
            let issuer = desk.accepted().tenant_claim("org");
            let builder = desk.bare().issuer(issuer).token_cache(limits);
            let layer = builder.build().unwrap();
            let info = allocation_counter::measure(|| {
                for token in &tokens {
                    ask(&layer, token);
                }
            });
            info.bytes_current
        });
        let most = (BOUND + 150 * ENTRIES) as i64;
        assert!(kept[1] <= most, "{name}: {kept:?} of {most}");
        // And it is not left empty for fear of that.
        assert!(kept[1] * 5 > BOUND as i64 * 2, "{name}: only {kept:?}");
        assert!(kept[0] < kept[1], "{name}: {kept:?}");
    }
}

/// What is hashed is the text of tokens that the issuer signed, with a seed that nobody knows; the
/// outside sees no more of it than that thousands of tokens, alike but for a few letters, are all
/// found again and told apart.
#[tokio::test]
async fn a71_tokens_that_are_nearly_alike_are_all_known() {
    let desk = Desk::new();
    let limits = CacheLimits::new(100_000, 1 << 30);
    let builder = desk.bare().issuer(desk.accepted()).token_cache(limits);
    let layer = builder.build().unwrap();
    let numbered = |n: usize| {
        let token = desk.token("carol", &["support"]).claim("jti", "the same");
        let token = token.username(&format!("{n:05}"));
        token.algorithm(Algorithm::EdDSA).sign()
    };
    let tokens: Vec<_> = (0..2_000).map(numbered).collect();
    for token in &tokens {
        assert_served(&ask(&layer, token).await);
    }
    for (n, token) in tokens.iter().enumerate() {
        assert!(is_known(&layer, token), "{n}");
        assert_eq!(ask(&layer, token).await.body["username"], format!("{n:05}"));
    }
}
