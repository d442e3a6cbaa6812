//! Events as AWS's guide shows them, and those of the crate `aws_lambda_events` (MIT), where it lies among the
//! dependencies: they pass, and what is not known in them survives.

use std::path::PathBuf;
use std::process::Command;

use aws_lambda_events::event::cognito::{
    CognitoEventUserPoolsCreateAuthChallenge, CognitoEventUserPoolsDefineAuthChallenge,
    CognitoEventUserPoolsVerifyAuthChallenge,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower_impersonate::answer::Answer;
use tower_impersonate::grant::StoreError;
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::lambda::{
    Confirm, Confirmed, Question, Redemption, TriggerErrorKind, Triggers,
};
use tower_impersonate::terms::{GrantId, Mode};

/// Says that every code is good, and that everybody is the actor and the target of one grant.
struct Everybody;

impl Confirm for Everybody {
    fn redeem(&self, _: &Redemption) -> Answer<Result<bool, StoreError>> {
        Answer::now(Ok(true))
    }

    fn confirm(&self, question: &Question) -> Answer<Result<Option<Confirmed>, StoreError>> {
        let user = IdentityKey::new(&*question.user.issuer, &*question.user.subject);
        let grant = GrantId::from_bytes([0; 32]);
        Answer::now(Ok(Some(Confirmed::new(
            grant,
            user.clone(),
            user,
            Mode::Full,
        ))))
    }
}

/// All app clients of the events are for codes, or none is.
fn triggers(clients: &[&str]) -> Triggers {
    let builder = Triggers::builder(Everybody).sign_in_clients(clients.iter().copied());
    builder.build().unwrap()
}

fn without_response(mut event: Value) -> Value {
    event.as_object_mut().unwrap().remove("response");
    event
}

/// Whether others can read what was answered. That crate's types of pre-token generation want groups in every
/// answer, which would change them.
fn is_readable(event: &Value) -> bool {
    fn reads<T: DeserializeOwned>(event: &Value) -> bool {
        serde_json::from_value::<T>(event.clone()).is_ok()
    }
    match event["triggerSource"].as_str().unwrap() {
        "DefineAuthChallenge_Authentication" => {
            reads::<CognitoEventUserPoolsDefineAuthChallenge>(event)
        }
        "CreateAuthChallenge_Authentication" => {
            reads::<CognitoEventUserPoolsCreateAuthChallenge>(event)
        }
        "VerifyAuthChallengeResponse_Authentication" => {
            reads::<CognitoEventUserPoolsVerifyAuthChallenge>(event)
        }
        source => panic!("{source}"),
    }
}

/// The fixtures of `aws_lambda_events`, by their names.
fn fixtures() -> Vec<(String, Value)> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{metadata:?}");
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages
        .iter()
        .find(|package| package["name"] == "aws_lambda_events");
    let manifest = PathBuf::from(package.unwrap()["manifest_path"].as_str().unwrap());
    let folder = manifest.parent().unwrap().join("src/fixtures");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("example-cognito-event-userpools-") {
            let text = std::fs::read(&path).unwrap();
            found.push((name, serde_json::from_slice(&text).unwrap()));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

#[tokio::test]
async fn the_fixtures_of_others_pass_and_what_is_not_known_survives() {
    let (mut passed, mut unsupported) = (0, 0);
    for (name, event) in fixtures() {
        let client = event["callerContext"]["clientId"]
            .as_str()
            .unwrap()
            .to_owned();
        for clients in [&[][..], &[&*client]] {
            let mut event = event.clone();
            event["request"]["aNewMember"] = json!({ "deep": [1, 2, { "er": null }] });
            event["aNewMember"] = json!(7);
            let answered = triggers(clients).handle(event.clone()).await;
            let ours = ["define-auth", "create-auth", "verify-auth", "pretokengen"];
            if !ours.iter().any(|kind| name.contains(kind)) {
                assert_eq!(
                    answered.unwrap_err().kind(),
                    TriggerErrorKind::Unsupported,
                    "{name}"
                );
                unsupported += 1;
                continue;
            }
            let is_token = name.contains("pretokengen");
            if !clients.is_empty() && (is_token || name.contains("verify-auth")) {
                // Not of a sign-in that began here.
                let kind = answered.unwrap_err().kind();
                let expected = match is_token {
                    true => TriggerErrorKind::Refused,
                    false => TriggerErrorKind::Malformed,
                };
                assert_eq!(kind, expected, "{name}");
                continue;
            }
            let answered = answered.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(
                without_response(answered.clone()),
                without_response(event.clone()),
                "{name}"
            );
            if is_token {
                assert_eq!(answered, event, "{name}");
            } else {
                assert!(is_readable(&answered), "{name}: {answered}");
            }
            if name.contains("define-auth") {
                assert_eq!(answered["response"]["issueTokens"], false, "{name}");
                assert_eq!(answered["response"]["failAuthentication"], true, "{name}");
            }
            passed += 1;
        }
    }
    assert!(passed >= 20 && unsupported >= 10, "{passed} {unsupported}");
}

/// As the guide's pages on the triggers show them, with a grant asked for.
fn guide(version: &str, source: &str) -> Value {
    let mut event = json!({
        "version": version,
        "triggerSource": source,
        "region": "us-east-1",
        "userPoolId": "us-east-1_EXAMPLE",
        "userName": "testqq",
        "callerContext": { "awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "1example23456789" },
        "request": {
            "userAttributes": {
                "sub": "a1b2c3d4-5678-90ab-cdef-EXAMPLE11111",
                "cognito:user_status": "CONFIRMED",
                "email_verified": "true",
                "email": "testqq@example.com",
            },
            "groupConfiguration": {
                "groupsToOverride": ["new-group-A", "new-group-B"],
                "iamRolesToOverride": ["arn:aws:iam::123456789012:role/new_roleA"],
                "preferredRole": "arn:aws:iam::123456789012:role/new_role",
            },
            "scopes": ["aws.cognito.signin.user.admin", "openid", "email"],
            "clientMetadata": { "impersonation_grant": "A".repeat(43) },
        },
        "response": { "claimsAndScopeOverrideDetails": null },
    });
    if version == "1" {
        event["request"].as_object_mut().unwrap().remove("scopes");
        event["response"] = json!({ "claimsOverrideDetails": null });
    }
    if source == "TokenGeneration_ClientCredentials" {
        event["request"]
            .as_object_mut()
            .unwrap()
            .remove("userAttributes");
        event["userName"] = json!("ClientCredentials");
    }
    event
}

#[tokio::test]
async fn events_of_every_version_and_source_are_answered_as_the_guide_says() {
    let sources = [
        "HostedAuth",
        "Authentication",
        "NewPasswordChallenge",
        "AuthenticateDevice",
        "RefreshTokens",
    ];
    for version in ["1", "2", "3"] {
        for source in sources
            .iter()
            .chain((version == "3").then_some(&"ClientCredentials"))
        {
            let event = guide(version, &format!("TokenGeneration_{source}"));
            let answered = triggers(&[]).handle(event.clone()).await.unwrap();
            assert_eq!(without_response(answered.clone()), without_response(event));
            let text = answered["response"].to_string();
            assert!(
                text.contains("impersonating") && !text.contains("groupOverrideDetails"),
                "{text}"
            );
            if version == "1" {
                let details = &answered["response"]["claimsOverrideDetails"];
                let claims = details["claimsToAddOrOverride"].as_object().unwrap();
                assert!(claims.values().all(Value::is_string), "{claims:?}");
            }
        }
    }
}
