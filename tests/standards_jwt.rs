//! RFC 8725 (JSON Web Token Best Current Practices) and its successor in the making, row by row.
//!
//! Without a test: B5, because nothing is signed here outside of `testing`. B8 and B15 hold because there is
//! no HMAC and no JWE; their tests are that both are refused. B14 stands in `standards_token_kinds`.

mod support;

#[path = "support/forge.rs"]
mod forge;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forge::{
    ALGORITHM, AUDIENCE_OF_OTHERS, Forge, HEADER, KID, MALFORMED, PAYLOAD, SIGNATURE, TYPE, Trial,
    UNKNOWN_KEY, encode, keys_in, with, without,
};
use serde_json::{Value, json};
use support::{AUDIENCE, ISSUER};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::Algorithm;
use tower_impersonate::{ImpersonationLayer, Issuer};

const OTHER: &str = "https://other.example.com";

#[tokio::test]
async fn b1_algorithms_are_a_list_of_what_is_allowed() {
    let forge = Forge::new();
    let issuer = &forge.desk.issuer;
    let mut keys = keys_in(&issuer.jwks());
    keys.push(forge.jwk());
    let allowed = forge::issuer().algorithms([Algorithm::EdDSA]);
    let trial = Trial::new(&forge.desk, allowed, &keys);
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::PS512] {
        let token = forge.desk.token("carol", &[]).algorithm(algorithm).sign();
        trial.refuses(&token, ALGORITHM, algorithm.name()).await;
    }
    // What is on no list cannot be put on one.
    for alg in ["HS256", "none", "RSA1_5", "dir", "ES512", "A128KW"] {
        let token = forge.header_with("alg", json!(alg));
        trial.refuses(&token, ALGORITHM, alg).await;
    }
    trial.fetched_nothing(&forge.token()).await;
}

#[tokio::test]
async fn b2_the_header_names_the_algorithm_of_the_key() {
    let forge = Forge::new();
    let rsa = keys_in(&forge.desk.issuer.jwks()).swap_remove(0);
    let rsa = with(rsa, "alg", json!("PS256"));
    let trial = Trial::new(&forge.desk, forge::issuer(), &[rsa, forge.jwk()]);
    let signed = |algorithm| forge.desk.token("carol", &[]).algorithm(algorithm).sign();
    for algorithm in [Algorithm::RS256, Algorithm::PS384, Algorithm::RS512] {
        let token = signed(algorithm);
        trial.refuses(&token, ALGORITHM, algorithm.name()).await;
    }
    let claimed = forge.header_with("alg", json!("PS256"));
    trial
        .refuses(&claimed, ALGORITHM, "another kind of key")
        .await;
    trial.accepts(&signed(Algorithm::PS256), "PS256").await;
    trial.accepts(&forge.token(), "EdDSA").await;
}

#[tokio::test]
async fn b3_a_key_serves_one_algorithm_or_none() {
    let forge = Forge::new();
    let rsa = keys_in(&forge.desk.issuer.jwks()).swap_remove(0);
    let rsa = without(rsa, "alg");
    let signed = |algorithm| forge.desk.token("carol", &[]).algorithm(algorithm).sign();
    let keys = [rsa, forge.jwk()];
    let listing = |listed: &[Algorithm]| {
        let listed = listed.iter().copied().chain([Algorithm::EdDSA]);
        Trial::new(&forge.desk, forge::issuer().algorithms(listed), &keys)
    };
    let both = listing(&[Algorithm::RS256, Algorithm::PS256]);
    for algorithm in [Algorithm::RS256, Algorithm::PS256] {
        let token = signed(algorithm);
        both.refuses(&token, UNKNOWN_KEY, algorithm.name()).await;
    }
    both.accepts(&forge.token(), "the key beside it").await;
    for (only, other) in [
        (Algorithm::RS256, Algorithm::PS256),
        (Algorithm::PS256, Algorithm::RS256),
    ] {
        let one = listing(&[only]);
        one.accepts(&signed(only), only.name()).await;
        one.refuses(&signed(other), ALGORITHM, other.name()).await;
    }
}

#[tokio::test]
async fn b4_current_algorithms_under_their_current_names() {
    let forge = Forge::new();
    let trial = forge.trial();
    for name in [
        "ES256K",
        "ES512",
        "Ed448",
        "ESP256",
        "ML-DSA-65",
        "RSA-OAEP",
        "ed25519",
    ] {
        let token = forge.header_with("alg", json!(name));
        trial.refuses(&token, ALGORITHM, name).await;
    }
    // RFC 9864 gives EdDSA with this curve a name of its own, for tokens and for keys.
    let named = forge.header_with("alg", json!("Ed25519"));
    trial.fetched_nothing(&named).await;
    let key = with(forge.jwk(), "alg", json!("Ed25519"));
    let trial = Trial::new(&forge.desk, forge::issuer(), &[key]);
    trial.accepts(&named, "Ed25519").await;
    trial.accepts(&forge.token(), "EdDSA").await;
}

/// Five parts, as RFC 7516 has them.
fn jwe(header: &Value) -> String {
    let parts = ["key", "iv", "ciphertext", "tag"].map(encode);
    format!("{}.{}", encode(header.to_string()), parts.join("."))
}

#[tokio::test]
async fn b6_an_encrypted_token_is_told_from_a_signed_one() {
    let forge = Forge::new();
    let trial = forge.trial();
    for header in [
        json!({ "alg": "RSA-OAEP", "enc": "A256GCM" }),
        json!({ "alg": "dir", "enc": "A128GCM", "kid": KID }),
        json!({ "alg": "EdDSA", "enc": "A128GCM", "kid": KID }),
        forge::header(),
    ] {
        let case = header.to_string();
        trial.refuses(&jwe(&header), MALFORMED, &case).await;
    }
    // Three parts and a header of the other kind; and one token inside of another.
    let posing = forge.header_and(r#""enc":"A128GCM""#);
    trial.refuses(&posing, HEADER, "enc").await;
    let nested = forge.sign(
        with(forge::header(), "cty", json!("JWT")).to_string(),
        forge.token(),
    );
    trial.refuses(&nested, HEADER, "cty").await;
    let nested = forge.saying(forge.token());
    trial.refuses(&nested, PAYLOAD, "a token as payload").await;
    trial.fetched_nothing(&forge.token()).await;
}

#[tokio::test]
async fn b7_a_key_that_is_no_point_of_its_curve_checks_nothing() {
    let forge = Forge::new();
    let keys = keys_in(&forge.desk.issuer.jwks());
    let p256 = &keys[1];
    let token = forge
        .desk
        .token("carol", &[])
        .algorithm(Algorithm::ES256)
        .sign();
    let x = p256["x"].clone();
    for (case, bad) in [
        ("off the curve", with(p256.clone(), "y", x.clone())),
        (
            "the origin",
            with(
                with(p256.clone(), "x", json!(encode([0; 32]))),
                "y",
                json!(encode([0; 32])),
            ),
        ),
        ("another curve", with(p256.clone(), "crv", json!("P-384"))),
        ("half a point", without(p256.clone(), "y")),
        (
            "a short point",
            with(p256.clone(), "y", json!(encode([1; 31]))),
        ),
        ("another kind", with(p256.clone(), "kty", json!("OKP"))),
    ] {
        let trial = Trial::new(&forge.desk, forge::issuer(), &[bad, forge.jwk()]);
        trial.refuses(&token, UNKNOWN_KEY, case).await;
        trial.accepts(&forge.token(), "the key beside it").await;
    }
    let trial = Trial::new(&forge.desk, forge::issuer(), &keys);
    trial.accepts(&token, "as it was published").await;
    // A signature of zeros (r = s = 0), which fits everything where the check forgets its bounds.
    let (input, _) = token.rsplit_once('.').unwrap();
    for zeros in [[0; 64].as_slice(), &[0; 1], &[0xff; 64]] {
        let blank = format!("{input}.{}", encode(zeros));
        trial.refuses(&blank, SIGNATURE, "zeros").await;
    }
}

#[tokio::test]
async fn b8_there_are_no_shared_secrets_long_or_short() {
    let forge = Forge::new();
    for secret in ["x", "password", &"k".repeat(64)] {
        let oct =
            |alg: &str| json!({ "kty": "oct", "kid": "shared", "alg": alg, "k": encode(secret) });
        for alg in ["HS256", "EdDSA", "RS256"] {
            let trial = Trial::new(&forge.desk, forge::issuer(), &[oct(alg), forge.jwk()]);
            let header = json!({ "alg": "HS256", "kid": "shared", "typ": "JWT" }).to_string();
            let input = format!("{}.{}", encode(header), encode(forge.claims().to_string()));
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
            let mac = aws_lc_rs::hmac::sign(&key, input.as_bytes());
            let token = format!("{input}.{}", encode(mac));
            trial.refuses(&token, ALGORITHM, secret).await;
            let named = forge.header_with("kid", json!("shared"));
            trial
                .refuses(&named, UNKNOWN_KEY, "a secret is no key")
                .await;
            trial.accepts(&forge.token(), "the key beside it").await;
        }
    }
}

#[tokio::test]
async fn b9_json_is_utf_8_and_nothing_else() {
    let forge = Forge::new();
    let trial = forge.trial();
    let name = with(forge.claims(), "name", json!("J\u{f6}rg")).to_string();
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let replaced = |bytes: &[u8]| {
        let (before, after) = name.split_once('\u{f6}').unwrap();
        [before.as_bytes(), bytes, after.as_bytes()].concat()
    };
    let payloads: [(&str, Vec<u8>); 7] = [
        ("a mark", format!("\u{feff}{name}").into()),
        ("UTF-16", utf16(&name)),
        (
            "UTF-16 with a mark",
            [&[0xff, 0xfe][..], &utf16(&name)].concat(),
        ),
        ("Latin-1", replaced(b"\xf6")),
        ("an overlong form", replaced(b"\xc1\xb6")),
        ("a surrogate", replaced(b"\xed\xa0\x80")),
        ("half a character", replaced(b"\xc3")),
    ];
    for (case, payload) in payloads {
        trial.refuses(&forge.saying(payload), PAYLOAD, case).await;
    }
    let header = with(forge::header(), "x", json!("\u{f6}")).to_string();
    let latin1: Vec<u8> = header.chars().map(|c| u8::try_from(c).unwrap()).collect();
    trial
        .refuses(&forge.headed(latin1), HEADER, "Latin-1")
        .await;
    trial.accepts(&forge.headed(header), "UTF-8").await;
    trial.accepts(&forge.saying(name), "UTF-8").await;
}

#[tokio::test]
async fn b10_keys_belong_to_their_issuer_and_subjects_do_too() {
    let desk = support::Desk::new();
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    let layer = ImpersonationLayer::builder()
        .clock(desk.clock.clone())
        .issuer(desk.accepted())
        .issuer(other.issuer())
        .build()
        .unwrap();
    let own = desk.token("carol", &[]).sign();
    let theirs = other.token("carol").sign();
    let posing = other.token("carol").audience(AUDIENCE).claim("iss", ISSUER);
    let posing = posing.sign();
    // Nothing that was verified before, of one or the other, lends its key or its name.
    for _ in 0..2 {
        let seen = desk.send(&layer, support::get(&posing, &[])).await;
        seen.assert_refused(401);
        assert_eq!(seen.cause(), SIGNATURE);
        for (token, issuer) in [(&own, ISSUER), (&theirs, OTHER)] {
            let seen = desk.send(&layer, support::get(token, &[])).await;
            seen.assert_ran_as("carol", None);
            assert_eq!(seen.body["iss"], issuer);
        }
    }
}

#[tokio::test]
async fn b11_each_issuer_has_audiences_of_its_own() {
    let forge = Forge::new();
    let trial = Trial::of(&forge.desk, &[forge.jwk()], |builder| {
        let other = Issuer::jwks(OTHER, forge::KEYS_URL).audiences(["other-api"]);
        builder.issuer(forge::issuer()).issuer(other)
    });
    let token = |iss: &str, aud: Value| {
        let claims = with(forge.claims(), "iss", json!(iss));
        forge.saying(with(claims, "aud", aud).to_string())
    };
    for (iss, own, others) in [
        (ISSUER, AUDIENCE, "other-api"),
        (OTHER, "other-api", AUDIENCE),
    ] {
        trial.accepts(&token(iss, json!(own)), own).await;
        trial.accepts(&token(iss, json!([others, own])), own).await;
        for aud in [json!(others), json!([others]), Value::Null] {
            let case = format!("{iss} {aud}");
            trial
                .refuses(&token(iss, aud), AUDIENCE_OF_OTHERS, &case)
                .await;
        }
    }
    let absent = forge.without_claim("aud");
    trial.refuses(&absent, AUDIENCE_OF_OTHERS, "absent").await;
}

#[tokio::test]
async fn b12_what_a_token_says_is_compared_and_never_followed() {
    let forge = Forge::new();
    let trial = forge.trial();
    trial.accepts(&forge.token(), "the good one").await;
    for kid in [
        "../../../etc/passwd",
        "/dev/null",
        "' OR 1=1 --",
        "\"; DROP TABLE keys; --",
        "| curl http://127.0.0.1/ |",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data/",
    ] {
        let token = forge.header_with("kid", json!(kid));
        trial.refuses(&token, UNKNOWN_KEY, kid).await;
        // An issuer that is a URL of the attacker's is a name that nobody configured.
        let token = forge.claim("iss", json!(kid));
        trial.refuses(&token, forge::UNKNOWN_ISSUER, kid).await;
    }
    assert_eq!(
        trial.fetches(),
        2,
        "the configured URL, once for each layer"
    );
}

#[tokio::test]
async fn b13_a_type_that_is_there_is_the_expected_one() {
    let forge = Forge::new();
    let usual = forge.trial();
    let claims = with(
        with(forge.claims(), "client_id", json!("desk")),
        "jti",
        json!("1"),
    );
    let strict = Trial::new(&forge.desk, forge::issuer().at_jwt(), &[forge.jwk()]);
    let typed = |typ: Value| {
        let header = with(forge::header(), "typ", typ).to_string();
        forge.sign(header, claims.to_string())
    };
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/At+Jwt",
    ] {
        usual.accepts(&typed(json!(typ)), typ).await;
        strict.accepts(&typed(json!(typ)), typ).await;
    }
    for typ in ["JWT", "jwt", "application/jwt", "APPLICATION/JWT"] {
        usual.accepts(&typed(json!(typ)), typ).await;
        strict.refuses(&typed(json!(typ)), TYPE, typ).await;
    }
    for typ in [
        json!("kb+jwt"),
        json!("JOSE"),
        json!("application/application/at+jwt"),
        json!("text/at+jwt"),
        json!("at+jwt; charset=utf-8"),
        json!(" at+jwt"),
        json!("at+jwt\u{0}"),
        json!("at jwt"),
        json!(""),
        json!("application/"),
        json!(7),
        json!(["JWT"]),
        Value::Null,
    ] {
        let case = typ.to_string();
        usual.refuses(&typed(typ.clone()), TYPE, &case).await;
        strict.refuses(&typed(typ), TYPE, &case).await;
    }
}

#[tokio::test]
async fn b15_nothing_is_derived_or_inflated_for_an_encrypted_token() {
    let forge = Forge::new();
    let trial = forge.trial();
    let bomb = json!({
        "alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "zip": "DEF", "p2c": 2_147_483_647,
        "p2s": encode("salt"),
    });
    trial.refuses(&jwe(&bomb), MALFORMED, "five parts").await;
    let signed = forge.headed(bomb.to_string());
    trial.refuses(&signed, HEADER, "three parts").await;
    let count = json!({ "alg": "PBES2-HS512+A256KW", "p2c": 2_147_483_647, "kid": KID });
    let signed = forge.headed(count.to_string());
    trial.refuses(&signed, ALGORITHM, "no enc").await;
    trial.fetched_nothing(&forge.token()).await;
}

#[tokio::test]
async fn b16_no_character_but_base64url_and_dots() {
    let forge = Forge::new();
    let trial = forge.trial();
    let good = forge.token();
    for byte in (b'!'..=b'~').filter(|byte| !byte.is_ascii_alphanumeric()) {
        if matches!(byte, b'-' | b'_' | b'.' | b',') {
            continue;
        }
        let odd = char::from(byte);
        for token in [
            format!("{odd}{good}"),
            good.replacen('.', &format!("{odd}."), 1),
            format!("{good}{odd}"),
        ] {
            trial.refuses(&token, MALFORMED, &token).await;
        }
    }
    let decoded = URL_SAFE_NO_PAD
        .decode(good.split('.').next().unwrap())
        .unwrap();
    assert_eq!(decoded, forge::header().to_string().as_bytes());
    trial.fetched_nothing(&good).await;
}
