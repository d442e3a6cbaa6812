use ::tracing::subscriber::NoSubscriber;
use ::tracing::{Level, dispatcher, error, event};

use crate::answer::Answer;
use crate::audit::{AuditError, AuditSink, Completion, Event, EventName};
use crate::identity::{Identity, IdentityKey};
use crate::terms::{Ask, Mode};
use crate::visible;

/// Writes every event as a tracing event of the target `impersonation.audit`.
///
/// Denials are warnings, everything else is information. An event that no subscriber takes is not
/// recorded, so a filter that drops the target refuses impersonated requests instead of losing
/// their record; a subscriber that is there when the layer is built and does not take the target is an
/// error of the builder. Where the events end up after that is the subscriber's business: this alone is
/// no audit trail that withstands a lost log shipper.
pub fn tracing() -> TracingSink {
    TracingSink { _private: () }
}

/// The sink made by [`tracing()`].
#[derive(Debug, Clone)]
#[must_use = "a sink does nothing until it is given to the builder"]
pub struct TracingSink {
    _private: (),
}

impl AuditSink for TracingSink {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        Answer::now(emit(event))
    }

    fn complete(&self, done: Completion) {
        if let Err(error) = emit(&done.event()) {
            error!(target: "impersonation::audit", %error, "a completion could not be written");
        }
    }

    fn check(&self) -> Result<(), AuditError> {
        // One may still be installed after the layer is built.
        if !is_anybody_there() {
            return Ok(());
        }
        EventName::ALL.iter().try_for_each(|name| taken(*name))
    }
}

/// One tracing event with all fields; its name and level must be constants.
macro_rules! emit {
    ($event:ident, $name:literal, $level:expr) => {{
        let (target, request) = ($event.target, $event.request);
        // As text, which formatters quote: free text must not look like further fields.
        let reason = $event.reason().map(visible::text);
        let ticket = $event.ticket().map(visible::text);
        event!(
            name: $name,
            target: "impersonation.audit",
            $level,
            event.name = $name,
            event.id = %$event.id,
            impersonation.schema.version = crate::audit::SCHEMA_VERSION,
            impersonation.outcome = $event.outcome.as_str(),
            impersonation.deny.rule = $event.rule,
            user.id = $event.user_id(),
            impersonation.actor.sub = $event.actor.subject(),
            impersonation.actor.iss = $event.actor.issuer(),
            impersonation.actor.tenant = $event.actor.tenant(),
            impersonation.target.sub = target.map(Identity::subject),
            impersonation.target.iss = target.map(Identity::issuer),
            impersonation.target.tenant = target.and_then(Identity::tenant),
            impersonation.wanted = $event.wanted(),
            impersonation.wanted.iss = $event.wanted_issuer(),
            impersonation.strategy = $event.ask.map(|ask| ask.strategy().as_str()),
            impersonation.mode = $event.mode.map(Mode::as_str),
            impersonation.groups = $event.groups.map(::tracing::field::debug),
            impersonation.reason = reason.as_deref(),
            impersonation.ticket = ticket.as_deref(),
            impersonation.scopes = $event.ask.and_then(Ask::scopes).map(::tracing::field::debug),
            impersonation.grant.id = $event.grant.map(::tracing::field::display),
            impersonation.denials.left_out = ($event.left_out > 0).then_some($event.left_out),
            impersonation.audit.lost = ($event.lost > 0).then_some($event.lost),
            http.request.method = request.map(|request| request.method),
            url.path = request.map(|request| request.path),
            user_agent.original = request.and_then(|request| request.user_agent),
            http.request.id = request.and_then(|request| request.request_id),
            impersonation.request.event.id =
                $event.completed.map(|done| ::tracing::field::display(done.request)),
            http.response.status_code =
                $event.completed.and_then(|done| Some(done.status?.as_u16())),
            impersonation.duration_ms =
                $event.completed.map(|done| u64::try_from(done.duration.as_millis()).unwrap_or(u64::MAX)),
        );
    }};
}

/// What becomes of a grant: other fields, because an event has at most 32.
macro_rules! emit_of_grant {
    ($event:ident, $name:literal) => {{
        let (target, request) = ($event.target, $event.request);
        let reason = $event.reason().map(visible::text);
        let ticket = $event.ticket().map(visible::text);
        let by = $event.end.and_then(|end| end.by);
        event!(
            name: $name,
            target: "impersonation.audit",
            Level::INFO,
            event.name = $name,
            event.id = %$event.id,
            impersonation.schema.version = crate::audit::SCHEMA_VERSION,
            impersonation.outcome = $event.outcome.as_str(),
            user.id = $event.user_id(),
            impersonation.actor.sub = $event.actor.subject(),
            impersonation.actor.iss = $event.actor.issuer(),
            impersonation.actor.tenant = $event.actor.tenant(),
            impersonation.target.sub = target.map(Identity::subject),
            impersonation.target.iss = target.map(Identity::issuer),
            impersonation.target.tenant = target.and_then(Identity::tenant),
            impersonation.strategy = $event.ask.map(|ask| ask.strategy().as_str()),
            impersonation.mode = $event.mode.map(Mode::as_str),
            impersonation.reason = reason.as_deref(),
            impersonation.ticket = ticket.as_deref(),
            impersonation.scopes = $event.ask.and_then(Ask::scopes).map(::tracing::field::debug),
            impersonation.grant.id = $event.grant.map(::tracing::field::display),
            impersonation.grant.deadline = $event.deadline.map(::tracing::field::display),
            impersonation.end.reason = $event.end.map(|end| end.reason.as_str()),
            impersonation.end.by.sub = by.map(IdentityKey::subject),
            impersonation.end.by.iss = by.map(IdentityKey::issuer),
            impersonation.audit.lost = ($event.lost > 0).then_some($event.lost),
            http.request.method = request.map(|request| request.method),
            url.path = request.map(|request| request.path),
            user_agent.original = request.and_then(|request| request.user_agent),
            http.request.id = request.and_then(|request| request.request_id),
        );
    }};
}

fn is_anybody_there() -> bool {
    dispatcher::get_default(|current| !current.is::<NoSubscriber>())
}

fn taken(name: EventName) -> Result<(), AuditError> {
    let taken = match name {
        EventName::Denied => ::tracing::enabled!(target: "impersonation.audit", Level::WARN),
        _ => ::tracing::enabled!(target: "impersonation.audit", Level::INFO),
    };
    // A call site that every subscriber wants counts as enabled on a thread that has none.
    if taken && is_anybody_there() {
        Ok(())
    } else {
        Err(AuditError::new(
            "no tracing subscriber takes the target impersonation.audit",
        ))
    }
}

fn emit(event: &Event<'_>) -> Result<(), AuditError> {
    taken(event.name)?;
    match event.name {
        EventName::Request => emit!(event, "impersonation.request", Level::INFO),
        EventName::Denied => emit!(event, "impersonation.denied", Level::WARN),
        EventName::Completed => emit!(event, "impersonation.completed", Level::INFO),
        EventName::Started => emit_of_grant!(event, "impersonation.started"),
        EventName::Issued => emit_of_grant!(event, "impersonation.issued"),
        EventName::Extended => emit_of_grant!(event, "impersonation.extended"),
        EventName::Ended => emit_of_grant!(event, "impersonation.ended"),
        EventName::Expired => emit_of_grant!(event, "impersonation.expired"),
        EventName::Revoked => emit_of_grant!(event, "impersonation.revoked"),
    }
    Ok(())
}
