//! Tokens whose form or header is forged. All but the algorithm's own tests are signed soundly, so that
//! nothing but the flaw can be the cause.
//!
//! A-17 stands in `authenticate_issuers`, A-20 (with a server as canary) in `keys`, A-26 in
//! `authenticate_issuers` and `standards_jwt`, A-27 to A-30 in `authenticate_kid`.

mod support;

#[path = "support/forge.rs"]
mod forge;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forge::{
    ALGORITHM, Forge, HEADER, MALFORMED, PAYLOAD, SIGNATURE, Trial, decode, encode, keys_in, with,
};
use http::Request;
use http::request::Parts;
use http_body_util::Full;
use serde_json::{Value, json};
use support::{AUDIENCE, ISSUER, get};
use tower_impersonate::Issuer;
use tower_impersonate::token::{Algorithm, Extraction, StaticKeys};

#[tokio::test]
async fn a15_an_algorithm_that_is_none_or_no_text_is_refused() {
    let forge = Forge::new();
    let trial = forge.trial();
    for alg in [
        json!("none"),
        json!("None"),
        json!("noNE"),
        json!("NONE"),
        json!(""),
        json!("eddsa"),
        json!("EdDSA "),
        json!("RS256\u{0}"),
        json!("HS256"),
        json!("ES256K"),
        Value::Null,
        json!(0),
        json!([]),
        json!(["EdDSA"]),
        json!({ "alg": "EdDSA" }),
    ] {
        let case = alg.to_string();
        let signed = forge.header_with("alg", alg);
        trial.refuses(&signed, ALGORITHM, &case).await;
        let (input, _) = signed.rsplit_once('.').unwrap();
        let unsigned = format!("{input}.AA");
        trial.refuses(&unsigned, ALGORITHM, &case).await;
        let bare = format!("{input}.");
        trial.refuses(&bare, MALFORMED, &case).await;
    }
    let absent = forge.header_without("alg");
    trial.refuses(&absent, ALGORITHM, "absent").await;
    trial.fetched_nothing(&forge.token()).await;
}

/// The modulus of the issuer's RSA key, and the key as DER in both of its forms.
fn rsa_forms(jwk: &Value) -> [Vec<u8>; 3] {
    let modulus = decode(jwk["n"].as_str().unwrap());
    assert_eq!(modulus.len(), 256);
    let pkcs1 = [
        &[0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00][..],
        &modulus,
        &[0x02, 0x03, 0x01, 0x00, 0x01],
    ]
    .concat();
    let rsa_encryption = [
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let spki = [
        &[0x30, 0x82, 0x01, 0x22][..],
        &rsa_encryption,
        &[0x03, 0x82, 0x01, 0x0f, 0x00],
        &pkcs1,
    ]
    .concat();
    [modulus, pkcs1, spki]
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

#[tokio::test]
async fn a16_a_public_key_is_no_secret_to_make_macs_with() {
    let forge = Forge::new();
    let issuer = &forge.desk.issuer;
    let keys = keys_in(&issuer.jwks());
    let trial = Trial::new(&forge.desk, forge::issuer(), &keys);
    let [modulus, pkcs1, spki] = rsa_forms(&keys[0]);
    let secrets: [(&str, Vec<u8>); 7] = [
        ("PEM", pem(&spki).into()),
        (
            "PEM without the last line end",
            pem(&spki).trim_end().into(),
        ),
        ("DER", spki),
        ("PKCS#1", pkcs1),
        ("JWK", keys[0].to_string().into()),
        ("modulus", modulus),
        ("modulus as text", keys[0]["n"].as_str().unwrap().into()),
    ];
    let kid = issuer.kid(Algorithm::RS256);
    let claims = forge.claims().to_string();
    for (form, secret) in &secrets {
        for (alg, digest, cause) in [
            ("HS256", hmac::HMAC_SHA256, ALGORITHM),
            ("HS384", hmac::HMAC_SHA384, ALGORITHM),
            ("HS512", hmac::HMAC_SHA512, ALGORITHM),
            ("RS256", hmac::HMAC_SHA256, SIGNATURE),
        ] {
            let header = json!({ "alg": alg, "kid": kid, "typ": "JWT" }).to_string();
            let input = format!("{}.{}", encode(header), encode(&claims));
            let mac = hmac::sign(&hmac::Key::new(digest, secret), input.as_bytes());
            let token = format!("{input}.{}", encode(mac));
            trial.refuses(&token, cause, &format!("{alg} {form}")).await;
        }
    }
    let header = json!({ "alg": "RS256", "kid": kid, "typ": "JWT" }).to_string();
    let good = issuer.sign(Algorithm::RS256, &header, &claims);
    trial.accepts(&good, "RS256").await;
}

#[tokio::test]
async fn a18_critical_extensions_are_refused_whatever_they_name() {
    let forge = Forge::new();
    let trial = forge.trial();
    for members in [
        r#""crit":["x-unknown"],"x-unknown":1"#,
        r#""crit":["exp"]"#,
        r#""crit":["exp"],"exp":1"#,
        r#""crit":[]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["b64"],"b64":true"#,
        r#""crit":"b64""#,
        r#""crit":null"#,
        r#""cr\u0069t":["exp"]"#,
    ] {
        let token = forge.header_and(members);
        trial.refuses(&token, HEADER, members).await;
    }
    // Any other member that is unknown is passed over (RFC 7515, section 4).
    trial
        .accepts(&forge.header_and(r#""x-unknown":1"#), "")
        .await;
    assert_eq!(trial.fetches(), 2);
}

#[tokio::test]
async fn a19_a_payload_that_is_not_encoded_is_refused() {
    let forge = Forge::new();
    let trial = forge.trial();
    for member in [
        r#""b64":false"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""enc":"A128GCM""#,
        r#""cty":"JWT""#,
    ] {
        trial
            .refuses(&forge.header_and(member), HEADER, member)
            .await;
    }
    let header = with(forge::header(), "b64", json!(false)).to_string();
    let raw = forge.seal(&encode(header), &forge.claims().to_string());
    // Braces and quotes are no base64url, and a comma is no part of a bearer token at all.
    let desk = &forge.desk;
    let seen = desk.send(&desk.layer(), get(&raw, &[])).await;
    seen.assert_refused(400);
    let raw = forge.seal(&encode(forge::header().to_string()), "{}");
    trial.refuses(&raw, MALFORMED, "{}").await;
    trial.fetched_nothing(&forge.token()).await;
}

#[tokio::test]
async fn a20_a_key_that_a_token_brings_along_signs_nothing() {
    let forge = Forge::new();
    let attacker = Forge::new();
    let trial = forge.trial();
    let chain = json!([STANDARD.encode(b"a certificate")]);
    let members = [
        ("jwk", attacker.jwk()),
        ("jku", json!("https://evil.example.com/keys")),
        ("x5u", json!("https://evil.example.com/chain")),
        ("x5c", chain),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
    ];
    for (member, value) in members {
        let forged = attacker.header_with(member, value.clone());
        trial.refuses(&forged, SIGNATURE, member).await;
        // What the issuer itself writes there is passed over.
        let own = forge.header_with(member, value);
        trial.accepts(&own, member).await;
    }
    assert_eq!(
        trial.fetches(),
        2,
        "the configured URL, once for each layer"
    );
}

#[tokio::test]
async fn a21_anything_but_three_parts_is_refused() {
    let forge = Forge::new();
    let trial = forge.trial();
    let good = forge.token();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("three parts");
    };
    for token in [
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!(".{payload}.{signature}"),
        format!(".{good}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{header}.{header}.{payload}.{payload}.{signature}"),
        ".".to_owned(),
        "..".to_owned(),
        "....".to_owned(),
        ".".repeat(8192),
    ] {
        let case: String = token.chars().take(300).collect();
        trial.refuses(&token, MALFORMED, &case).await;
    }
    let nothing = format!("{header}..{signature}");
    trial.refuses(&nothing, PAYLOAD, "signs nothing").await;
    let dots = ".".repeat(100_000);
    trial.refuses(&dots, "token is too long", "dots").await;
    trial.fetched_nothing(&good).await;
}

/// The same bits in another last character, which a careless decoder takes for the same bytes.
fn stray_bits(part: &str) -> String {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = part.split_at(part.len() - 1);
    assert_ne!(part.len() % 4, 0, "no bit to spare");
    let next = LETTERS.find(last).unwrap() + 1;
    let stray = format!("{rest}{}", &LETTERS[next..=next]);
    assert_ne!(stray, part);
    stray
}

/// Of a length that no bytes have.
fn impossible(part: &str) -> String {
    format!("{part}{}", "A".repeat((5 - part.len() % 4) % 4))
}

#[tokio::test]
async fn a22_base64_of_any_other_kind_is_refused() {
    let forge = Forge::new();
    let trial = forge.trial();
    // Of a length that leaves bits over, which JSON allows to be made with spaces.
    let spaced = |text: String| format!("{text}{}", " ".repeat((4 - text.len() % 3) % 3));
    let header = encode(spaced(forge::header().to_string()));
    let payload = encode(spaced(forge.claims().to_string()));
    let good = forge.seal(&header, &payload);
    let (input, signature) = good.rsplit_once('.').unwrap();
    for token in [
        forge.seal(&format!("{header}="), &payload),
        forge.seal(&header, &format!("{payload}==")),
        format!("{good}=="),
        forge.seal(&stray_bits(&header), &payload),
        forge.seal(&header, &stray_bits(&payload)),
        format!("{input}.{}", stray_bits(signature)),
        forge.seal(&impossible(&header), &payload),
        forge.seal(&header, &impossible(&payload)),
        format!("{good}+"),
        format!("{good}/"),
        forge.seal(&format!("+{header}"), &payload),
        format!("{header}%2e{payload}%2e{signature}"),
        format!("{good}%0a"),
        format!("{good}~"),
    ] {
        trial.refuses(&token, MALFORMED, &token).await;
    }
    // White space does not get this far: it ends a bearer token.
    for token in [
        format!("{header} .{payload}.{signature}"),
        format!("{good}\t"),
    ] {
        let desk = &forge.desk;
        let seen = desk.send(&desk.layer(), get(&token, &[])).await;
        seen.assert_refused(400);
    }
    trial.fetched_nothing(&good).await;
}

#[tokio::test]
async fn a23_a_signature_in_json_is_refused() {
    let forge = Forge::new();
    let trial = forge.trial();
    let good = forge.token();
    let parts: Vec<&str> = good.split('.').collect();
    let signed = json!({ "protected": parts[0], "signature": parts[2] });
    let general = json!({ "payload": parts[1], "signatures": [signed] });
    let flattened = with(signed, "payload", json!(parts[1]));
    let unprotected =
        json!({ "header": forge::header(), "payload": parts[1], "signature": parts[2] });

    // A token that stands elsewhere than in the header has been through no parser of headers.
    let desk = &forge.desk;
    fn elsewhere(parts: &Parts) -> Extraction<'_> {
        let token = parts.extensions.get::<String>();
        token.map_or(Extraction::Absent, |token| {
            Extraction::Found(token.as_str().into())
        })
    }
    let keys = StaticKeys::jwks(json!({ "keys": [forge.jwk()] }).to_string());
    let issuer = Issuer::static_keys(ISSUER, keys);
    let layer = desk
        .bare()
        .issuer(issuer.audiences([AUDIENCE]))
        .extract_token(elsewhere)
        .build()
        .unwrap();
    let sent = async |token: &str| {
        let mut request = Request::new(Full::default());
        request.extensions_mut().insert(token.to_owned());
        desk.send(&layer, request).await
    };
    for form in [general, flattened, unprotected] {
        let text = form.to_string();
        let seen = desk.send(&desk.layer(), get(&text, &[])).await;
        seen.assert_refused(400);
        trial.refuses(&encode(&text), MALFORMED, &text).await;
        let seen = sent(&text).await;
        seen.assert_refused(401);
        assert_eq!(
            seen.cause(),
            "token has characters that no token has",
            "{text}"
        );
    }
    sent(&good).await.assert_ran_as("carol", None);
    desk.assert_silent();
    trial.fetched_nothing(&good).await;
}

#[tokio::test]
async fn a24_a_member_that_stands_twice_in_the_header_is_refused() {
    let forge = Forge::new();
    let trial = forge.trial();
    for member in [
        r#""alg":"EdDSA""#,
        r#""alg":"none""#,
        r#""\u0061lg":"EdDSA""#,
        r#""kid":"Forge-Key-1""#,
        r#""k\u0069d":"other""#,
        r#""typ":"JWT""#,
        r#""x":1,"x":1"#,
        r#""x":{"y":1,"y":2}"#,
        r#""x":[{"y":1,"\u0079":2}]"#,
    ] {
        trial
            .refuses(&forge.header_and(member), HEADER, member)
            .await;
    }
    let once = forge.header_and(r#""x":1,"X":1,"y":{"x":1}"#);
    trial.fetched_nothing(&once).await;
}

#[tokio::test]
async fn a25_a_header_that_is_not_one_small_object_is_refused() {
    let forge = Forge::new();
    let trial = forge.trial();
    let good = forge::header().to_string();
    let member = |value: &str| format!(r#"{{"x":{value},{}"#, &good[1..]);
    let headers: [(&str, Vec<u8>); 15] = [
        ("an array", format!("[{good}]").into()),
        ("positions", br#"["EdDSA","Forge-Key-1","JWT"]"#.to_vec()),
        ("a text", json!(good).to_string().into()),
        ("a number", b"7".to_vec()),
        ("null", b"null".to_vec()),
        ("no member", b"{}{}".to_vec()),
        ("two objects", format!("{good}{good}").into()),
        ("more behind", format!("{good},").into()),
        ("a mark", format!("\u{feff}{good}").into()),
        (
            "UTF-16",
            good.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ),
        ("no UTF-8", [member("\"").as_bytes(), b"\xff\"}"].concat()),
        ("a lone surrogate", member(r#""\ud800""#).into()),
        (
            "depth",
            member(&format!("{}{}", "[".repeat(200), "]".repeat(200))).into(),
        ),
        (
            "members",
            member(&format!("[{}1]", "1,".repeat(1100))).into(),
        ),
        ("no number", member("1e400").into()),
    ];
    for (case, header) in headers {
        trial.refuses(&forge.headed(header), HEADER, case).await;
    }
    trial.refuses(&forge.headed("{}"), ALGORITHM, "{}").await;
    let many: Vec<String> = (0..10_000).map(|n| format!("\"m{n}\":{n}")).collect();
    let many = forge.header_and(&many.join(","));
    trial.refuses(&many, "token is too long", "members").await;
    let wide = Trial::of(&forge.desk, &[forge.jwk()], |builder| {
        builder.issuer(forge::issuer()).max_token_bytes(64 * 1024)
    });
    let many: Vec<String> = (0..2_000).map(|n| format!("\"m{n}\":{n}")).collect();
    let many = forge.header_and(&many.join(","));
    wide.refuses(&many, HEADER, "two thousand members").await;
    assert_eq!(wide.fetches(), 0);
    let harmless = forge.header_and(r#""x":[[[1,2.5,null,"\u00e4"]]]"#);
    trial.fetched_nothing(&harmless).await;
}
