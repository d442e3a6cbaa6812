//! `POST /grants/{id}/sign-in-code`: for the actor of a grant, after another decision.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::OfGrant;
use crate::gate::Refusal;
use crate::grant::Grant;
use crate::grant::codes::{KeptCode, SignInCode};
use crate::identity::Identity;
use crate::manage::caller::Caller;
use crate::manage::desk::{Desk, too_many};
use crate::manage::grants::named;
use crate::manage::http::{Answered, At, Call, Fields, Problem, Query, json, object};
use crate::manage::issue;
use crate::manage::sign_in::SignIn;
use crate::manage::start::GRANT_OVER;
use crate::policy::{Permit, Refused};
use crate::rejection::{Rejection, RejectionKind};
use crate::terms::{Ask, Strategy, TargetRef};
use crate::time::Timestamp;
use crate::token::Verified;

/// A code for that grant, by JSON:API.
#[derive(Serialize, ToSchema)]
pub(in crate::manage) struct CodeIssued {
    data: CodeData,
}

#[derive(Serialize, ToSchema)]
pub(in crate::manage) struct CodeData {
    /// The id of the grant.
    id: String,
    /// Always `sign-in-code`.
    #[serde(rename = "type")]
    kind: &'static str,
    attributes: CodeAttributes,
}

#[derive(Serialize, ToSchema)]
pub(in crate::manage) struct CodeAttributes {
    /// The answer to the challenge `CUSTOM_CHALLENGE`: whoever holds it signs in as the user, once.
    code: String,
    /// How long the code counts, in seconds.
    expires_in: u64,
    /// The app client at which it counts.
    client_id: String,
    /// Who signs in, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    client_metadata: CodeMetadata,
}

/// What goes to Cognito as `ClientMetadata`, beside the answer.
#[derive(Serialize, ToSchema)]
pub(in crate::manage) struct CodeMetadata {
    /// The hash of the code, by which the tokens name their actor.
    impersonation_receipt: String,
}

pub(in crate::manage) async fn issue(desk: Arc<Desk>, call: Call) -> Answered {
    let Call { at, body } = call;
    let Some(sign_in) = desk.sign_in.get() else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there are no sign-in codes here").into());
    };
    let caller = Caller::itself(&desk, &at).await?;
    let taken = desk.starts.take(caller.key(), desk.monotonic());
    taken.map_err(too_many)?;
    Query::read(&at.parts, &[])?;
    let found = named(&desk, &at).await?;
    let At { parts, now, .. } = at;
    let Some(grant) = found.filter(|grant| caller.owns(grant)) else {
        let refused = Refused::unasked(caller.actor, "grant_of_others", None);
        return Err(desk.refuse(Box::new(refused), &parts, now).await);
    };
    let mut fields = Fields::new(object(&parts, body).await?);
    let client = client(sign_in, fields.text("client_id")?)?;
    fields.end()?;
    let permit = again(&desk, caller.actor, &grant, &parts, now).await?;
    if !sign_in.serves(permit.mode()) {
        return Err(desk
            .refuse(permit.refuse("sign_in_code_mode"), &parts, now)
            .await);
    }
    let code = SignInCode::random().map_err(|error| {
        desk.reject(
            Rejection::because(RejectionKind::Unavailable, error),
            &parts,
        )
    })?;
    let expires_at = now
        .saturating_add(sign_in.valid_for())
        .min(grant.deadline());
    let kept = KeptCode {
        hash: code.hash(),
        grant: *grant.id(),
        actor: permit.actor().key().clone(),
        target: permit.principal().key().clone(),
        username: permit.principal().username().map(Into::into),
        client,
        expires_at,
        keep_until: grant.latest(),
        taken: None,
    };
    let issued = issued(&code, &kept, now);
    let step = OfGrant::Issues {
        client: Some(&kept.client),
    };
    issue::record(&desk, step, permit, &parts, now).await?;
    desk.stored(sign_in.codes().keep(kept, now), &parts).await?;
    json(StatusCode::OK, &issued)
}

/// The app client that is named; the only one where there is one.
fn client(sign_in: &SignIn, asked: Option<String>) -> Result<Arc<str>, Box<Response>> {
    let clients = sign_in.clients();
    let found = match (asked, clients) {
        (Some(asked), clients) => clients.iter().find(|client| ***client == *asked),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    { found.cloned() }.ok_or_else(|| {
        let title = "name an app client at which codes count";
        Problem::field("client_id", title).into()
    })
}

async fn again(
    desk: &Desk,
    actor: Verified<Identity>,
    grant: &Grant,
    parts: &Parts,
    now: Timestamp,
) -> Result<Permit, Box<Response>> {
    let target = TargetRef::from(grant.target().key());
    let ask = Ask::user(target, Strategy::Act).with_mode(grant.mode());
    let admitted = desk.gate.admit(actor, ask.under(*grant.id()), now);
    match desk.within(admitted, parts).await? {
        Ok(permit) => Ok(permit),
        Err(Refusal::Denied(refused)) if refused.denial.rule.starts_with("grant_") => {
            let problem = Problem::new(StatusCode::CONFLICT, GRANT_OVER);
            Err(desk.conflict(&refused, problem, parts, now).await)
        }
        Err(refusal) => Err(desk.refuse(refusal, parts, now).await),
    }
}

fn issued(code: &SignInCode, kept: &KeptCode, now: Timestamp) -> CodeIssued {
    CodeIssued {
        data: CodeData {
            id: kept.grant.to_string(),
            kind: "sign-in-code",
            attributes: CodeAttributes {
                code: code.expose().expose().to_owned(),
                expires_in: kept.expires_at.saturating_since(now).as_secs(),
                client_id: kept.client.to_string(),
                username: kept.username.as_deref().map(str::to_owned),
                client_metadata: CodeMetadata {
                    impersonation_receipt: kept.hash.to_string(),
                },
            },
        },
    }
}
