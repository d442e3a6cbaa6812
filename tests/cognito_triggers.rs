//! The triggers of a user pool, from the service's answer to the layer: who signs in by a code, what tokens
//! say, and that whatever is wrong is wrong alike.

#![cfg(feature = "jwks")]

#[path = "support/over_http.rs"]
mod over_http;
#[path = "support/paper_pool.rs"]
mod paper_pool;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use paper_pool::{Attempt, CODES, Failed, PaperPool, WEB};
use serde_json::{Value, json};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::StoreError;
use tower_impersonate::grant::codes::{ChallengeId, SignInCode};
use tower_impersonate::lambda::{
    Confirm, Confirmed, PoolUser, Proof, Question, Redemption, TriggerErrorKind, Triggers,
    TriggersError, client,
};
use tower_impersonate::manage::SignIn;

const SOURCES: [&str; 5] = [
    "TokenGeneration_HostedAuth",
    "TokenGeneration_Authentication",
    "TokenGeneration_NewPasswordChallenge",
    "TokenGeneration_AuthenticateDevice",
    "TokenGeneration_RefreshTokens",
];

#[track_caller]
fn assert_error<T>(answered: Result<T, Failed>, kind: TriggerErrorKind) {
    match answered {
        Err(Failed::Error(error)) => assert_eq!(error.kind(), kind, "{error:?}"),
        Err(Failed::Refused(said)) => panic!("refused: {said:?}"),
        Ok(_) => panic!("it went on"),
    }
}

#[track_caller]
fn refused<T>(answered: Result<T, Failed>) -> Vec<Value> {
    match answered {
        Err(Failed::Refused(said)) => said,
        Err(Failed::Error(error)) => panic!("{error:?}"),
        Ok(_) => panic!("it went on"),
    }
}

#[tokio::test]
async fn by_a_code_the_actor_signs_in_as_the_target_and_every_token_names_it() {
    let pool = PaperPool::start().await;
    let (grant, code) = pool.carol_as_alice().await;
    let issued = pool.sink.named(EventName::Issued);
    assert_eq!(issued.len(), 1, "a code is recorded: {issued:?}");
    let tokens = pool.sign_in(Attempt::by(&code)).await.unwrap();
    let named = json!({
        "act": { "sub": "carol-sub", "iss": pool.issuer.name() },
        "grant_id": grant,
        "mode": "full",
    });
    assert_eq!((&tokens.claims, &tokens.id_claims), (&named, &named));

    for token in [&tokens.access, &tokens.id] {
        pool.sink.clear();
        let seen = pool.me(token).await;
        seen.assert_ran_as("alice-sub", Some("carol-sub"));
        assert_eq!(seen.body["groups"], json!(["customers"]));
        let requests = pool.sink.named(EventName::Request);
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0]["impersonation.actor.sub"], "carol-sub");
        assert_eq!(requests[0]["impersonation.target.sub"], "alice-sub");
        assert_eq!(requests[0]["impersonation.grant.id"], grant);
    }
    // Cognito's own API, where nobody stamps, does not take it.
    assert!(!support_scope(&tokens.access).contains(paper_pool::ADMIN_SCOPE));

    pool.revoke(&grant).await;
    for token in [&tokens.access, &tokens.id] {
        assert_eq!(pool.me(token).await.status, StatusCode::UNAUTHORIZED);
    }
}

/// Cognito's own tokens know no mode: who may only read gets none of the target's.
#[tokio::test]
async fn a_narrower_grant_makes_no_code_unless_the_service_says_so() {
    for (body, made) in [
        (json!({ "mode": "full" }), true),
        (json!({ "mode": "read_only" }), false),
        (
            json!({ "mode": "scoped", "scopes": ["orders:read"] }),
            false,
        ),
    ] {
        let pool = PaperPool::start().await;
        let grant = pool.begin(&pool.carol(), "alice", body.clone()).await;
        pool.sink.clear();
        let path = format!("/grants/{grant}/sign-in-code");
        let seen = pool.post(&path, &pool.carol(), Value::Null).await;
        let denied = pool.sink.named(EventName::Denied);
        assert_eq!(pool.sink.named(EventName::Issued).len(), usize::from(made));
        if made {
            assert_eq!((seen.status.as_u16(), denied.len()), (200, 0), "{body}");
            continue;
        }
        assert_eq!((seen.status.as_u16(), denied.len()), (403, 1), "{body}");
        assert_eq!(denied[0]["impersonation.deny.rule"], "sign_in_code_mode");
        assert_eq!(denied[0]["impersonation.grant.id"], grant);
        assert!(!seen.body.to_string().contains("code\""), "{seen:?}");
    }
}

#[tokio::test]
async fn a_scoped_grant_has_its_scopes_and_a_read_only_one_its_mode_in_the_token() {
    let pool = PaperPool::with(SignIn::danger_narrower_modes).await;
    let body = json!({ "mode": "scoped", "scopes": ["orders:read", "orders:write"] });
    let grant = pool.begin(&pool.carol(), "alice", body).await;
    let code = pool.code(&pool.carol(), &grant).await;
    let tokens = pool.sign_in(Attempt::by(&code)).await.unwrap();
    assert_eq!(support_scope(&tokens.access), "orders:read orders:write");
    let seen = pool.me(&tokens.access).await;
    seen.assert_ran_as("alice-sub", Some("carol-sub"));
    assert_eq!(seen.body["mode"], "scoped");
    pool.revoke(&grant).await;

    let grant = pool
        .begin(&pool.carol(), "alice", json!({ "mode": "read_only" }))
        .await;
    let code = pool.code(&pool.carol(), &grant).await;
    let tokens = pool.sign_in(Attempt::by(&code)).await.unwrap();
    assert_eq!(pool.me(&tokens.access).await.body["mode"], "read_only");
}

/// The same bytes, and the same questions to the service.
#[tokio::test]
async fn incident_a15_whatever_is_wrong_with_a_code_or_a_user_the_answer_is_the_same() {
    let pool = PaperPool::start().await;
    let other = SignInCode::random().unwrap();
    let (grant, used) = pool.carol_as_alice().await;
    pool.sign_in(Attempt::by(&used)).await.unwrap();
    let expired = pool.code(&pool.carol(), &grant).await;
    pool.clock.advance(Duration::from_secs(60));
    let good = pool.code(&pool.carol(), &grant).await;

    let wrong: Vec<(&str, Attempt<'_>)> = vec![
        ("another code", Attempt::by(&other)),
        ("used", Attempt::by(&used)),
        ("expired", Attempt::by(&expired)),
        (
            "of another user",
            Attempt {
                username: "bob",
                subject: "bob-sub",
                ..Attempt::by(&good)
            },
        ),
        (
            "of another sub (A-130)",
            Attempt {
                subject: "alice-again-sub",
                ..Attempt::by(&good)
            },
        ),
        (
            "of another username",
            Attempt {
                username: "bob",
                ..Attempt::by(&good)
            },
        ),
        (
            "of another pool",
            Attempt {
                pool: "eu-west-1_Other",
                ..Attempt::by(&good)
            },
        ),
        (
            "unknown user",
            Attempt {
                is_unknown: true,
                ..Attempt::by(&good)
            },
        ),
        (
            "unknown user, wrong",
            Attempt {
                is_unknown: true,
                ..Attempt::by(&other)
            },
        ),
        (
            "nothing",
            Attempt {
                answer: json!(""),
                ..Attempt::by(&good)
            },
        ),
        (
            "no text",
            Attempt {
                answer: json!(5),
                ..Attempt::by(&good)
            },
        ),
        (
            "null",
            Attempt {
                answer: Value::Null,
                ..Attempt::by(&good)
            },
        ),
        (
            "the receipt",
            Attempt {
                answer: json!(good.hash().to_string()),
                ..Attempt::by(&good)
            },
        ),
        (
            "a long text",
            Attempt {
                answer: json!("x".repeat(9000)),
                ..Attempt::by(&good)
            },
        ),
    ];
    let mut answers = Vec::new();
    for (what, attempt) in wrong {
        let said = refused(pool.sign_in(attempt).await);
        assert_eq!(said[1], json!({ "answerCorrect": false }), "{what}");
        answers.push((what, json!(said).to_string()));
    }
    for (what, answer) in &answers {
        assert_eq!(answer, &answers[0].1, "{what}");
    }
    // The control: the code was good all the time.
    pool.sign_in(Attempt::by(&good)).await.unwrap();

    // And one of a grant that ended.
    let code = pool.code(&pool.carol(), &grant).await;
    pool.revoke(&grant).await;
    let said = refused(pool.sign_in(Attempt::by(&code)).await);
    assert_eq!(json!(said).to_string(), answers[0].1);
}

/// Whatever attributes Cognito makes up for somebody whom it does not know; and the code is not spent by it.
#[tokio::test]
async fn an_unknown_user_takes_no_code() {
    let pool = PaperPool::start().await;
    let (_, code) = pool.carol_as_alice().await;
    for (is_unknown, correct) in [(true, false), (false, true)] {
        let mut event = Attempt::by(&code).event("VerifyAuthChallengeResponse_Authentication");
        event["request"]["userNotFound"] = json!(is_unknown);
        event["request"]["challengeAnswer"] = json!(code.expose().expose());
        let challenge = SignInCode::random().unwrap().hash().to_string();
        event["request"]["privateChallengeParameters"] = json!({ "challenge": challenge });
        let answered = pool.run(event).await.unwrap();
        assert_eq!(answered["response"], json!({ "answerCorrect": correct }));
    }
}

/// A code and its receipt are for the `sub` that the grant was made for, not for whoever has its name now.
#[tokio::test]
async fn a130_who_has_the_name_of_the_target_now_is_somebody_else() {
    let pool = PaperPool::start().await;
    let (grant, code) = pool.carol_as_alice().await;
    let successor = |code| Attempt {
        subject: "alice-again-sub",
        ..Attempt::by(code)
    };
    refused(pool.sign_in(successor(&code)).await);
    pool.sign_in(Attempt::by(&code)).await.unwrap();
    let made = pool.tokens("2", successor(&code).event(SOURCES[1])).await;
    assert_error(made, TriggerErrorKind::Refused);
    // And who has the actor's name has not its grants.
    let named = json!({ "impersonation_grant": grant });
    for (subject, is_named) in [("carol-again-sub", false), ("carol-sub", true)] {
        let carol = Attempt::at_web("carol", subject, named.clone());
        let tokens = pool.tokens("2", carol.event(SOURCES[1])).await.unwrap();
        assert_eq!(tokens.claims != json!({}), is_named, "{subject}");
    }
}

#[tokio::test]
async fn a_code_is_for_one_app_client_and_others_have_no_custom_challenge() {
    let pool = PaperPool::start().await;
    let (_, code) = pool.carol_as_alice().await;
    let said = refused(
        pool.sign_in(Attempt {
            client: WEB,
            ..Attempt::by(&code)
        })
        .await,
    );
    assert_eq!(said.len(), 1, "it does not even begin: {said:?}");
    // Another app client for codes, at which this one does not count.
    let two = Triggers::builder(pool.manage.clone())
        .sign_in_clients([CODES, "other"])
        .build()
        .unwrap();
    let verify = |client| {
        let mut event = Attempt {
            client,
            ..Attempt::by(&code)
        }
        .event("VerifyAuthChallengeResponse_Authentication");
        let challenge = SignInCode::random().unwrap().hash().to_string();
        event["request"]["privateChallengeParameters"] = json!({ "challenge": challenge });
        event["request"]["challengeAnswer"] = json!(code.expose().expose());
        event
    };
    let answered = two.handle(verify("other")).await.unwrap();
    assert_eq!(answered["response"], json!({ "answerCorrect": false }));
    let answered = two.handle(verify(CODES)).await.unwrap();
    assert_eq!(answered["response"], json!({ "answerCorrect": true }));
    // About an app client of others nobody is even asked.
    let counting = knowing("carol-sub", "alice-sub");
    let one = Triggers::builder(counting.clone()).sign_in_clients([CODES]);
    let answered = one.build().unwrap().handle(verify("other")).await.unwrap();
    assert_eq!(answered["response"], json!({ "answerCorrect": false }));
    assert_eq!(counting.asked.load(Ordering::SeqCst), 0);
}

/// Cognito runs a trigger up to three times; a replay is another challenge.
#[tokio::test]
async fn the_same_challenge_may_ask_again_and_no_other_one() {
    let pool = PaperPool::start().await;
    let (_, code) = pool.carol_as_alice().await;
    let mut event = Attempt::by(&code).event("VerifyAuthChallengeResponse_Authentication");
    event["request"]["challengeAnswer"] = json!(code.expose().expose());
    for (challenge, correct) in [(1, true), (1, true), (2, false), (1, true)] {
        let id = SignInCode::parse(
            &"AEI"
                .chars()
                .cycle()
                .skip(challenge)
                .take(42)
                .chain(['A'])
                .collect::<String>(),
        );
        let id = id.unwrap().expose().expose().to_owned();
        event["request"]["privateChallengeParameters"] = json!({ "challenge": id });
        let answered = pool.run(event.clone()).await.unwrap();
        assert_eq!(
            answered["response"]["answerCorrect"], correct,
            "{challenge}"
        );
    }
}

/// Somebody who read the code was first: the audit has the taking, and the actor's own try.
#[tokio::test]
async fn that_a_code_was_taken_is_recorded_and_so_is_a_second_try() {
    let pool = PaperPool::start().await;
    let (grant, code) = pool.carol_as_alice().await;
    let verify = |challenge: u8, client: &'static str| {
        let mut event = Attempt {
            client,
            ..Attempt::by(&code)
        }
        .event("VerifyAuthChallengeResponse_Authentication");
        let challenge = ChallengeId::from_bytes([challenge; 32]).to_string();
        event["request"]["privateChallengeParameters"] = json!({ "challenge": challenge });
        event["request"]["challengeAnswer"] = json!(code.expose().expose());
        event
    };
    let (issued, denied) = (EventName::Issued, EventName::Denied);
    // What is wrong with a code that is not taken leaves no event, and the same challenge no second one.
    for (challenge, client, correct, event) in [
        (1, WEB, false, None),
        (1, CODES, true, Some(issued)),
        (1, CODES, true, None),
        (2, CODES, false, Some(denied)),
    ] {
        pool.sink.clear();
        let answered = pool.run(verify(challenge, client)).await.unwrap();
        assert_eq!(answered["response"]["answerCorrect"], correct);
        let events = pool.sink.events();
        assert_eq!(events.len(), usize::from(event.is_some()), "{events:?}");
        let Some(event) = event else { continue };
        let said = &events[0];
        assert_eq!(said["event.name"], event.as_str());
        assert_eq!(said["impersonation.actor.sub"], "carol-sub");
        assert_eq!(said["impersonation.target.sub"], "alice-sub");
        assert_eq!(said["impersonation.grant.id"], grant);
        assert_eq!(said["url.path"], "/oauth2/sign-in/redeem");
        let (client, rule) = match event {
            EventName::Issued => (json!(CODES), Value::Null),
            _ => (Value::Null, json!("sign_in_code_taken")),
        };
        let of = |name: &str| said.get(name).cloned().unwrap_or_default();
        assert_eq!(of("impersonation.client.id"), client);
        assert_eq!(of("impersonation.deny.rule"), rule);
    }
    // Still told when the code has expired.
    pool.clock.advance(Duration::from_secs(60));
    pool.sink.clear();
    pool.run(verify(3, CODES)).await.unwrap();
    assert_eq!(pool.sink.named(EventName::Denied).len(), 1);

    // Triggers in the same process leave the same record; what the audit does not take is not taken.
    let code = pool.code(&pool.carol(), &grant).await;
    let issuer = pool.issuer.name();
    let user = PoolUser::new(issuer, "alice-sub", "alice", CODES);
    let redemption = Redemption::new(code.hash(), ChallengeId::from_bytes([4; 32]), user);
    pool.sink.clear();
    pool.full.turn(true);
    assert!(pool.manage.redeem(&redemption).await.is_err());
    pool.full.turn(false);
    assert!(pool.manage.redeem(&redemption).await.unwrap());
    let events = pool.sink.named(EventName::Issued);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["url.path"], "/oauth2/sign-in/redeem");
}

#[tokio::test]
async fn one_code_for_many_at_once_signs_one_in() {
    let pool = Arc::new(PaperPool::start().await);
    let (_, code) = pool.carol_as_alice().await;
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (pool, attempt) = (Arc::clone(&pool), Attempt::by(&code));
            tokio::spawn(async move { pool.sign_in(attempt).await.is_ok() })
        })
        .collect();
    let mut signed_in = 0;
    for one in tries {
        signed_in += usize::from(one.await.unwrap());
    }
    assert_eq!(signed_in, 1);
}

#[tokio::test]
async fn no_tokens_without_exactly_one_code() {
    let pool = PaperPool::start().await;
    let code = SignInCode::random().unwrap();
    let step = |name: &str, result: Value, metadata: &str| json!({ "challengeName": name, "challengeResult": result, "challengeMetadata": metadata });
    let good = step("CUSTOM_CHALLENGE", json!(true), "IMPERSONATION_CODE");
    let bad = step("CUSTOM_CHALLENGE", json!(false), "IMPERSONATION_CODE");
    let foreign = step("CUSTOM_CHALLENGE", json!(true), "CAPTCHA_CHALLENGE");
    let srp = step("SRP_A", json!(true), "");
    let password = step("PASSWORD_VERIFIER", json!(true), "");
    let define = |session: Value, client, is_unknown| {
        let attempt = Attempt {
            session,
            client,
            is_unknown,
            ..Attempt::by(&code)
        };
        let event = attempt.event("DefineAuthChallenge_Authentication");
        pool.triggers.define(event).unwrap()["response"].clone()
    };
    let challenge = json!({ "challengeName": "CUSTOM_CHALLENGE", "issueTokens": false, "failAuthentication": false });
    let tokens = json!({ "challengeName": null, "issueTokens": true, "failAuthentication": false });
    let failure =
        json!({ "challengeName": null, "issueTokens": false, "failAuthentication": true });
    for (session, expected) in [
        (json!([]), &challenge),
        (Value::Null, &challenge),
        (json!([good]), &tokens),
        (json!([bad]), &failure),
        (json!([bad, good]), &failure),
        (json!([good, bad]), &failure),
        (json!([good, good]), &failure),
        (json!([foreign]), &failure),
        (json!([srp]), &failure),
        (json!([srp, password]), &failure),
        (json!([srp, password, good]), &failure),
        (json!([password]), &failure),
        (
            json!([step(
                "CUSTOM_CHALLENGE",
                json!("true"),
                "IMPERSONATION_CODE"
            )]),
            &failure,
        ),
        (
            json!([step("CUSTOM_CHALLENGE", Value::Null, "IMPERSONATION_CODE")]),
            &failure,
        ),
    ] {
        assert_eq!(
            define(session.clone(), CODES, false),
            *expected,
            "{session}"
        );
        // At any other app client nobody gets tokens by a custom challenge.
        assert_eq!(define(session.clone(), WEB, false), failure, "{session}");
        let unknown = if expected == &tokens {
            &failure
        } else {
            expected
        };
        assert_eq!(define(session.clone(), CODES, true), *unknown, "{session}");
    }
}

#[tokio::test]
async fn a_challenge_tells_nothing_of_the_user() {
    let pool = PaperPool::start().await;
    let code = SignInCode::random().unwrap();
    let create = |is_unknown| {
        let mut event = Attempt {
            is_unknown,
            ..Attempt::by(&code)
        }
        .event("CreateAuthChallenge_Authentication");
        event["request"]["challengeName"] = json!("CUSTOM_CHALLENGE");
        pool.triggers.create(event).unwrap()["response"].clone()
    };
    let (known, unknown) = (create(false), create(true));
    for part in ["publicChallengeParameters", "challengeMetadata"] {
        assert_eq!(known[part], unknown[part]);
    }
    assert_eq!(
        known["publicChallengeParameters"],
        json!({ "challenge": "IMPERSONATION_CODE" })
    );
    let id = |said: &Value| {
        said["privateChallengeParameters"]["challenge"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!((id(&known).len(), id(&unknown).len()), (43, 43));
    assert_ne!(id(&known), id(&unknown));
}

/// At the app client for codes no token is made that does not name its actor.
#[tokio::test]
async fn without_a_receipt_of_a_grant_that_is_alive_there_is_no_token_for_the_target() {
    let pool = PaperPool::start().await;
    let (grant, code) = pool.carol_as_alice().await;
    let unused = pool.code(&pool.carol(), &grant).await;
    pool.sign_in(Attempt::by(&code)).await.unwrap();
    let receipt = |code: &SignInCode| json!(client::code_metadata(code));
    let by = |metadata: Value| Attempt {
        metadata,
        ..Attempt::by(&code)
    };

    for source in SOURCES {
        for (what, attempt) in [
            ("nothing", by(Value::Null)),
            ("empty", by(json!({}))),
            (
                "the grant alone",
                by(json!({ "impersonation_grant": grant })),
            ),
            ("no hash", by(json!({ "impersonation_receipt": "x" }))),
            ("no text", by(json!({ "impersonation_receipt": 5 }))),
            (
                "the code",
                by(json!({ "impersonation_receipt": code.expose().expose() })),
            ),
            ("not taken", by(receipt(&unused))),
            ("unknown", by(receipt(&SignInCode::random().unwrap()))),
            (
                "another user",
                Attempt {
                    username: "bob",
                    subject: "bob-sub",
                    ..by(receipt(&code))
                },
            ),
            (
                "another pool",
                Attempt {
                    pool: "eu-west-1_Other",
                    ..by(receipt(&code))
                },
            ),
        ] {
            let made = pool.tokens("2", attempt.event(source)).await;
            let Err(Failed::Error(error)) = made else {
                panic!("{source}, {what}");
            };
            assert_eq!(error.kind(), TriggerErrorKind::Refused, "{source}, {what}");
            assert_eq!(error.to_string(), "this sign-in is not allowed");
        }
        // The control, which is a refresh that names its code, too.
        let made = pool
            .tokens("2", by(receipt(&code)).event(source))
            .await
            .unwrap();
        assert_eq!(made.claims["act"]["sub"], "carol-sub");
        assert_error(
            pool.tokens("1", by(receipt(&code)).event(source)).await,
            TriggerErrorKind::Refused,
        );
    }

    pool.revoke(&grant).await;
    for source in SOURCES {
        let made = pool.tokens("2", by(receipt(&code)).event(source)).await;
        assert_error(made, TriggerErrorKind::Refused);
    }
}

/// A receipt does not sign in: at a sign-in it counts for the code that was taken last, and for five minutes.
#[tokio::test]
async fn a_receipt_counts_for_the_last_sign_in_and_its_refresh_alone() {
    let pool = PaperPool::start().await;
    let (_, carols) = pool.carol_as_alice().await;
    let dora = pool.token("dora", &["support"]);
    let grant = pool.begin(&dora, "alice", Value::Null).await;
    let doras = pool.code(&dora, &grant).await;
    pool.sign_in(Attempt::by(&carols)).await.unwrap();
    pool.sign_in(Attempt::by(&doras)).await.unwrap();
    let refresh = "TokenGeneration_RefreshTokens";
    let actor = async |code: &SignInCode, source: &str| {
        let tokens = pool.tokens("2", Attempt::by(code).event(source)).await;
        match tokens {
            Ok(tokens) => Some(tokens.claims["act"]["sub"].as_str().unwrap().to_owned()),
            Err(Failed::Error(error)) => {
                assert_eq!(error.kind(), TriggerErrorKind::Refused);
                None
            }
            Err(Failed::Refused(said)) => panic!("{said:?}"),
        }
    };
    let (carol, dora) = (Some("carol-sub".to_owned()), Some("dora-sub".to_owned()));
    for source in SOURCES {
        let others = carol.clone().filter(|_| source == refresh);
        assert_eq!(actor(&carols, source).await, others, "{source}");
        assert_eq!(actor(&doras, source).await, dora, "{source}");
    }
    pool.clock.advance(Duration::from_secs(299));
    assert_eq!(actor(&doras, SOURCES[1]).await, dora);
    pool.clock.advance(Duration::from_secs(1));
    for source in SOURCES {
        let later = dora.clone().filter(|_| source == refresh);
        assert_eq!(actor(&doras, source).await, later, "{source}");
    }
    let question = format!("{:?}", Proof::Receipt(doras.hash()));
    assert!(!question.contains(&doras.hash().to_string()), "{question}");
}

/// As Cognito makes them where the pool has lost its pre-token trigger.
#[tokio::test]
async fn a_token_of_the_client_for_codes_that_names_no_actor_is_a_bad_one() {
    let pool = PaperPool::start().await;
    let token = |client: &str, act: bool| {
        let access = pool.issuer.token("alice-sub").cognito_access();
        let access = access.client_id(client).claim("username", "alice");
        let id = pool.issuer.token("alice-sub").cognito_id();
        let id = id.claim("aud", client).claim("cognito:username", "alice");
        [access, id].map(|token| match act {
            true => token.claim("act", json!({ "sub": "carol-sub" })).sign(),
            false => token.sign(),
        })
    };
    for (client, act, status) in [(WEB, false, 200), (CODES, false, 401), (CODES, true, 200)] {
        for token in token(client, act) {
            let seen = pool.me(&token).await;
            assert_eq!(seen.status, status, "{client}, {act}: {seen:?}");
            let challenge = seen.header("www-authenticate").unwrap_or_default();
            assert_eq!(challenge.contains("invalid_token"), status == 401);
        }
    }
}

#[tokio::test]
async fn an_actor_with_a_grant_gets_a_token_that_names_the_target() {
    let pool = PaperPool::start().await;
    let grant = pool.begin(&pool.carol(), "alice", Value::Null).await;
    let carol = Attempt::at_web(
        "carol",
        "carol-sub",
        json!({ "impersonation_grant": grant }),
    );
    let named = json!({ "sub": "alice-sub", "grant_id": grant });
    for version in ["1", "2", "3"] {
        for source in SOURCES {
            let tokens = pool.tokens(version, carol.event(source)).await.unwrap();
            let (id, access) = match version {
                // A text, in the ID token alone.
                "1" => (json!({ "impersonating": named.to_string() }), json!({})),
                _ => (
                    json!({ "impersonating": named }),
                    json!({ "impersonating": named }),
                ),
            };
            assert_eq!((&tokens.id_claims, &tokens.claims), (&id, &access));
        }
        let tokens = pool.tokens(version, carol.event(SOURCES[1])).await.unwrap();
        let seen = pool.me(&tokens.id).await;
        seen.assert_ran_as("alice-sub", Some("carol-sub"));
        assert_eq!(seen.body["strategy"], "claim");
        let actor = (version == "1").then_some("carol-sub");
        let seen = pool.me(&tokens.access).await;
        match actor {
            Some(sub) => seen.assert_ran_as(sub, None),
            None => seen.assert_ran_as("alice-sub", Some("carol-sub")),
        }
    }

    // Without metadata, as every refresh by the old flow: a plain token of her own.
    let plain = Attempt::at_web("carol", "carol-sub", Value::Null);
    let tokens = pool
        .tokens("2", plain.event("TokenGeneration_RefreshTokens"))
        .await
        .unwrap();
    pool.me(&tokens.access)
        .await
        .assert_ran_as("carol-sub", None);

    let before = pool.tokens("2", carol.event(SOURCES[1])).await.unwrap();
    pool.revoke(&grant).await;
    assert_eq!(pool.me(&before.access).await.status, 401, "at once");
    for (version, source) in SOURCES
        .into_iter()
        .flat_map(|s| ["1", "2", "3"].map(|v| (v, s)))
    {
        let after = pool.tokens(version, carol.event(source)).await.unwrap();
        assert_eq!((after.claims, after.id_claims), (json!({}), json!({})));
        pool.me(&after.access)
            .await
            .assert_ran_as("carol-sub", None);
    }
}

#[tokio::test]
async fn forged_metadata_gives_nobody_a_claim() {
    let pool = PaperPool::start().await;
    let grant = pool.begin(&pool.carol(), "alice", Value::Null).await;
    let (_, dora) = ("", pool.token("dora", &["support"]));
    let other = pool.begin(&dora, "bob", Value::Null).await;
    let named = |grant: &str| json!({ "impersonation_grant": grant });
    let mut tried = 0;
    for (who, sub) in [
        ("bob", "bob-sub"),
        ("alice", "alice-sub"),
        ("dora", "dora-sub"),
    ] {
        for metadata in [
            named(&grant),
            named("x"),
            named(""),
            json!({ "impersonating": "alice-sub" }),
            json!({ "impersonating": { "sub": "alice-sub" }, "act": "carol-sub" }),
            json!({ "impersonation_grant": { "id": grant } }),
            json!({ "impersonation_receipt": grant }),
        ] {
            let attempt = Attempt::at_web(who, sub, metadata.clone());
            let tokens = pool.tokens("2", attempt.event(SOURCES[1])).await.unwrap();
            assert_eq!(tokens.claims, json!({}), "{who} {metadata}");
            assert_eq!(tokens.id_claims, json!({}));
            pool.me(&tokens.access).await.assert_ran_as(sub, None);
            tried += 1;
        }
    }
    assert_eq!(tried, 21);
    // The controls: each with the own grant. And Carol of another pool is somebody else.
    let carol = Attempt::at_web("carol", "carol-sub", named(&grant));
    let tokens = pool.tokens("2", carol.event(SOURCES[1])).await.unwrap();
    assert_eq!(tokens.claims["impersonating"]["sub"], "alice-sub");
    let dora = Attempt::at_web("dora", "dora-sub", named(&other));
    let tokens = pool.tokens("2", dora.event(SOURCES[1])).await.unwrap();
    assert_eq!(tokens.claims["impersonating"]["sub"], "bob-sub");
    let elsewhere = Attempt {
        pool: "eu-west-1_Other",
        ..carol
    };
    let tokens = pool.tokens("2", elsewhere.event(SOURCES[1])).await.unwrap();
    assert_eq!(tokens.claims, json!({}));
}

/// Whoever knows the id of a grant does not end it by asking, and has nobody looked up.
#[tokio::test]
async fn a_grant_of_somebody_else_is_not_judged() {
    let pool = PaperPool::start().await;
    let grant = pool.begin(&pool.carol(), "alice", Value::Null).await;
    let proof = Proof::Grant(grant.parse().unwrap());
    pool.clock.advance(Duration::from_secs(2 * 3600));
    pool.sink.clear();
    // That it is past its deadline is told once somebody looks.
    for (who, told) in [("dora", 0), ("carol", 1)] {
        let user = PoolUser::new(pool.issuer.name(), format!("{who}-sub"), who, WEB);
        let confirmed = pool.manage.confirm(&Question::new(proof, user)).await;
        assert!(confirmed.unwrap().is_none());
        assert_eq!(pool.sink.named(EventName::Expired).len(), told, "{who}");
    }
}

/// Counts what it is asked, and knows one grant.
#[derive(Clone, Default)]
struct Counting {
    asked: Arc<AtomicUsize>,
    known: Option<Confirmed>,
}

impl Confirm for Counting {
    fn redeem(&self, _: &Redemption) -> Answer<Result<bool, StoreError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Answer::now(Ok(self.known.is_some()))
    }

    fn confirm(&self, _: &Question) -> Answer<Result<Option<Confirmed>, StoreError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Answer::now(Ok(self.known.clone()))
    }
}

fn knowing(actor: &str, target: &str) -> Counting {
    use tower_impersonate::identity::IdentityKey;
    use tower_impersonate::terms::{GrantId, Mode};
    let key = |sub: &str| {
        IdentityKey::new(
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Desk",
            sub,
        )
    };
    let grant = GrantId::from_bytes([7; 32]);
    Counting {
        asked: Arc::default(),
        known: Some(Confirmed::new(grant, key(actor), key(target), Mode::Full)),
    }
}

fn grant_seven() -> Value {
    use tower_impersonate::terms::GrantId;
    json!(client::grant_metadata(&GrantId::from_bytes([7; 32])))
}

#[tokio::test]
async fn who_asks_for_nothing_is_not_asked_about_and_its_event_stays_as_it_is() {
    let counting = knowing("carol-sub", "alice-sub");
    let triggers = Triggers::builder(counting.clone())
        .sign_in_clients([CODES])
        .build()
        .unwrap();
    for version in ["1", "2", "3"] {
        let mut event = Attempt::at_web("alice", "alice-sub", Value::Null).event(SOURCES[1]);
        event["version"] = json!(version);
        event["response"] =
            json!({ "claimsOverrideDetails": null, "claimsAndScopeOverrideDetails": null });
        let answered = triggers.handle(event.clone()).await.unwrap();
        assert_eq!(answered.to_string(), event.to_string());
    }
    assert_eq!(counting.asked.load(Ordering::SeqCst), 0);
}

/// Whoever confirms could be wrong about whom it was asked; the trigger looks for itself.
#[tokio::test]
async fn what_is_confirmed_of_somebody_else_counts_for_nobody() {
    for (actor, grant, claims) in [
        ("carol-sub", grant_seven(), true),
        ("dora-sub", grant_seven(), false),
        (
            "carol-sub",
            json!({ "impersonation_grant": "A".repeat(43) }),
            false,
        ),
    ] {
        let triggers = Triggers::builder(knowing(actor, "alice-sub"))
            .sign_in_clients([CODES])
            .build()
            .unwrap();
        let mut event = Attempt::at_web("carol", "carol-sub", grant).event(SOURCES[1]);
        event["version"] = json!("2");
        let answered = triggers.handle(event).await.unwrap();
        assert_eq!(answered["response"] != json!({}), claims, "{answered}");
    }
    let code = SignInCode::random().unwrap();
    for (target, made) in [("alice-sub", true), ("bob-sub", false)] {
        let triggers = Triggers::builder(knowing("carol-sub", target))
            .sign_in_clients([CODES])
            .build()
            .unwrap();
        let mut event = Attempt::by(&code).event(SOURCES[1]);
        event["version"] = json!("2");
        assert_eq!(triggers.handle(event).await.is_ok(), made);
    }
}

/// Groups stay as they are, what others wrote stays, and our claims are not suppressed by it.
#[tokio::test]
async fn what_stands_in_the_response_stays_and_twice_is_once() {
    let triggers = Triggers::builder(knowing("carol-sub", "alice-sub"))
        .sign_in_clients([CODES])
        .build()
        .unwrap();
    let named =
        json!({ "sub": "alice-sub", "grant_id": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc" });
    let mut event = Attempt::at_web("carol", "carol-sub", grant_seven()).event(SOURCES[1]);
    event["version"] = json!("2");
    event["response"] = json!({
        "claimsAndScopeOverrideDetails": {
            "idTokenGeneration": { "claimsToAddOrOverride": { "a": 1 }, "claimsToSuppress": ["email", "impersonating"] },
            "accessTokenGeneration": { "scopesToAdd": ["x"], "claimsToSuppress": null },
            "groupOverrideDetails": { "groupsToOverride": ["g"] },
            "new": 1,
        },
        "other": 2,
    });
    let once = triggers.handle(event.clone()).await.unwrap();
    assert_eq!(
        once["response"],
        json!({
            "claimsAndScopeOverrideDetails": {
                "idTokenGeneration": { "claimsToAddOrOverride": { "a": 1, "impersonating": named }, "claimsToSuppress": ["email"] },
                "accessTokenGeneration": { "scopesToAdd": ["x"], "claimsToSuppress": null, "claimsToAddOrOverride": { "impersonating": named } },
                "groupOverrideDetails": { "groupsToOverride": ["g"] },
                "new": 1,
            },
            "other": 2,
        })
    );
    for _ in 0..2 {
        assert_eq!(triggers.handle(event.clone()).await.unwrap(), once);
        assert_eq!(
            triggers.handle(once.clone()).await.unwrap()["response"],
            once["response"]
        );
    }

    // An empty or null object would take all groups away: it is not there.
    for (version, details) in [
        ("1", "claimsOverrideDetails"),
        ("2", "claimsAndScopeOverrideDetails"),
    ] {
        for response in [
            json!({}),
            json!({ details: null }),
            json!({ details: { "groupOverrideDetails": null } }),
        ] {
            event["version"] = json!(version);
            event["response"] = response;
            let answered = triggers.handle(event.clone()).await.unwrap();
            let details = answered["response"][details].as_object().unwrap();
            assert!(!details.contains_key("groupOverrideDetails"), "{answered}");
        }
    }
}

#[tokio::test]
async fn an_app_client_of_its_own_names_a_target_by_version_3() {
    let event = |client: &str, metadata: Value| {
        json!({
            "version": "3",
            "triggerSource": "TokenGeneration_ClientCredentials",
            "region": "eu-west-1",
            "userPoolId": "eu-west-1_Desk",
            "userName": "ClientCredentials",
            "callerContext": { "awsSdkVersion": "x", "clientId": client },
            "request": { "scopes": ["desk/read"], "groupConfiguration": {}, "clientMetadata": metadata },
            "response": { "claimsAndScopeOverrideDetails": null },
        })
    };
    let triggers = Triggers::builder(knowing("bot", "alice-sub"))
        .sign_in_clients([CODES])
        .build()
        .unwrap();
    let plain = event("bot", Value::Null);
    assert_eq!(triggers.handle(plain.clone()).await.unwrap(), plain);
    let answered = triggers.handle(event("bot", grant_seven())).await.unwrap();
    let access = &answered["response"]["claimsAndScopeOverrideDetails"]["accessTokenGeneration"];
    assert_eq!(
        access["claimsToAddOrOverride"]["impersonating"]["sub"],
        "alice-sub"
    );
    let other = event("bot-2", grant_seven());
    assert_eq!(triggers.handle(other.clone()).await.unwrap(), other);
    assert!(triggers.handle(event(CODES, grant_seven())).await.is_err());
}

#[tokio::test]
async fn an_event_that_makes_no_sense_fails_the_sign_in() {
    let triggers = Triggers::builder(knowing("carol-sub", "alice-sub"))
        .sign_in_clients([CODES])
        .build()
        .unwrap();
    let code = SignInCode::random().unwrap();
    let define = Attempt::by(&code).event("DefineAuthChallenge_Authentication");
    let mut create = Attempt::by(&code).event("CreateAuthChallenge_Authentication");
    create["request"]["challengeName"] = json!("CUSTOM_CHALLENGE");
    let mut verify = Attempt::by(&code).event("VerifyAuthChallengeResponse_Authentication");
    verify["request"]["privateChallengeParameters"] =
        json!({ "challenge": code.hash().to_string() });
    verify["request"]["challengeAnswer"] = json!("x");
    let mut token = Attempt::at_web("carol", "carol-sub", grant_seven()).event(SOURCES[1]);
    token["version"] = json!("2");
    for event in [&define, &create, &verify, &token] {
        triggers.handle(event.clone()).await.unwrap();
    }

    let without = |event: &Value, path: &str| {
        let mut event = event.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        event
            .pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(name);
        event
    };
    let with = |event: &Value, path: &str, value: Value| {
        let mut event = event.clone();
        *event.pointer_mut(path).unwrap() = value;
        event
    };
    let mut malformed = vec![Value::Null, json!([]), json!("x"), json!({})];
    for event in [&define, &create, &verify, &token] {
        for path in [
            "/version",
            "/triggerSource",
            "/callerContext",
            "/callerContext/clientId",
            "/request",
        ] {
            malformed.push(without(event, path));
            malformed.push(with(event, path, json!(5)));
            malformed.push(with(event, path, Value::Null));
        }
        malformed.push(with(event, "/response", json!([])));
    }
    for event in [&define, &verify] {
        malformed.push(with(event, "/request/userNotFound", json!("true")));
    }
    malformed.extend([
        with(&define, "/request/session", json!({})),
        with(&define, "/request/session", json!([null])),
        without(&create, "/request/challengeName"),
        with(
            &create,
            "/request/challengeName",
            json!("PASSWORD_VERIFIER"),
        ),
        without(&verify, "/request/privateChallengeParameters"),
        with(
            &verify,
            "/request/privateChallengeParameters",
            json!({ "challenge": "x" }),
        ),
        without(&verify, "/request/userAttributes"),
        without(&verify, "/region"),
        without(&verify, "/userPoolId"),
        without(&verify, "/userName"),
        with(&token, "/version", json!("0")),
        with(&token, "/version", json!("4")),
        with(&token, "/version", json!(2)),
        without(&token, "/request/userAttributes"),
        without(&token, "/userPoolId"),
    ]);
    for event in malformed {
        let error = triggers.handle(event.clone()).await.unwrap_err();
        assert_eq!(error.kind(), TriggerErrorKind::Malformed, "{event}");
        assert_eq!(error.to_string(), "the event makes no sense");
    }
    for source in [
        "PreSignUp_SignUp",
        "DefineAuthChallenge_Other",
        "PostAuthentication_Authentication",
        "",
    ] {
        let error = triggers
            .handle(with(&define, "/triggerSource", json!(source)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), TriggerErrorKind::Unsupported, "{source}");
    }
}

/// Never answers, or fails.
struct Faulty {
    hangs: bool,
}

impl Faulty {
    fn answer<T: Send + 'static>(&self) -> Answer<Result<T, StoreError>> {
        match self.hangs {
            true => Answer::later(std::future::pending()),
            false => Answer::now(Err(StoreError::unavailable("the secret cause"))),
        }
    }
}

impl Confirm for Faulty {
    fn redeem(&self, _: &Redemption) -> Answer<Result<bool, StoreError>> {
        self.answer()
    }

    fn confirm(&self, _: &Question) -> Answer<Result<Option<Confirmed>, StoreError>> {
        self.answer()
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_confirmed_in_time_fails_the_sign_in_that_asked() {
    let code = SignInCode::random().unwrap();
    for hangs in [true, false] {
        let triggers = Triggers::builder(Faulty { hangs })
            .sign_in_clients([CODES])
            .build()
            .unwrap();
        let mut verify = Attempt::by(&code).event("VerifyAuthChallengeResponse_Authentication");
        verify["request"]["privateChallengeParameters"] =
            json!({ "challenge": code.hash().to_string() });
        verify["request"]["challengeAnswer"] = json!(code.expose().expose());
        let mut unknown = verify.clone();
        unknown["request"]["userNotFound"] = json!(true);
        let mut as_target = Attempt::by(&code).event(SOURCES[1]);
        as_target["version"] = json!("2");
        let as_actor = Attempt::at_web("carol", "carol-sub", grant_seven()).event(SOURCES[1]);
        for event in [verify, unknown, as_target, as_actor] {
            let began = tokio::time::Instant::now();
            let error = triggers.handle(event).await.unwrap_err();
            assert_eq!(error.kind(), TriggerErrorKind::Unavailable);
            assert_eq!(error.to_string(), "this sign-in cannot be checked now");
            // By the paused clock: below the 5 s that Cognito waits.
            let expected = if hangs {
                Duration::from_secs(3)
            } else {
                Duration::ZERO
            };
            assert_eq!(began.elapsed(), expected);
        }
        // Who asks for nothing signs in.
        let plain = Attempt::at_web("alice", "alice-sub", Value::Null).event(SOURCES[1]);
        assert!(triggers.handle(plain).await.is_ok());
    }
}

#[test]
fn what_could_not_work_is_an_error_of_build() {
    let builder = || Triggers::builder(Counting::default());
    assert!(builder().build().is_ok());
    for (built, name) in [
        (builder().sign_in_clients([""]).build(), "Client"),
        (
            builder().sign_in_clients(["x".repeat(129)]).build(),
            "Client",
        ),
        (
            builder().deadline(Duration::from_millis(99)).build(),
            "OutOfBounds",
        ),
        (
            builder().deadline(Duration::from_secs(5)).build(),
            "OutOfBounds",
        ),
    ] {
        let error = built.unwrap_err();
        assert!(format!("{error:?}").starts_with(name), "{error:?}");
        assert!(!error.to_string().is_empty());
    }
    for (url, id, secret) in [
        ("http://desk.example.com", "a", "s"),
        ("https://desk.example.com/", "a", "s"),
        ("https://desk.example.com", "", "s"),
        ("https://desk.example.com", "a", "s s"),
    ] {
        let error = tower_impersonate::lambda::remote(url, id, secret.to_owned()).unwrap_err();
        assert!(matches!(error, TriggersError::Confirm { .. }), "{url}");
        assert!(!format!("{error:?} {error}").contains("s s"));
    }
}

/// The `scope` of a token.
fn support_scope(token: &str) -> String {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    claims["scope"].as_str().unwrap().to_owned()
}
