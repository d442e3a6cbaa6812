use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{self, AUTHORIZATION};
use http::request::Parts;
use http::{HeaderMap, Method};
use tracing::Span;

use crate::answer::Answer;
use crate::audit::{AuditError, Recorded};
use crate::gate::Refusal;
use crate::middleware::config::{Config, Decision, Preflight, WithoutCredential};
use crate::middleware::session::Session;
use crate::policy::{Demand, Denial, Permit, Refused};
use crate::principal::Principal;
use crate::rejection::{Rejection, RejectionKind};
use crate::resolve::{
    Asked, Requested, Resolution, ResolveError, ResolveErrorKind, finish, inspect, sender, settle,
};
use crate::stamp;
use crate::terms::{Mode, Strategy};
use crate::time::Timestamp;
use crate::token::{Claims, Extraction, TokenError, TokenErrorKind, Verified};

/// A request's way from its credential to its principal.
///
/// The steps stand here once, in order; [`Pipeline::advance`] goes on until something has to be
/// waited for, and is called again when it is there.
pub(super) struct Pipeline {
    now: Timestamp,
    /// Counts the steps, so that each that waits has its own deadline.
    step: u32,
    stage: Stage,
}

enum Stage {
    Start,
    Verifying(Answer<Result<Verified<Claims>, TokenError>>),
    Resolving {
        claims: Verified<Claims>,
        found: Option<Requested>,
        next: usize,
        answer: Answer<Resolution>,
    },
    Deciding {
        span: Span,
        answer: Answer<Result<Permit, Refusal>>,
    },
    Recording {
        session: Box<Session>,
        answer: Answer<Result<Recorded, AuditError>>,
    },
    Refusing {
        rejection: Rejection,
        answer: Answer<Result<(), AuditError>>,
    },
    Ended(Option<Verdict>),
}

/// What becomes of a request.
pub(super) enum Verdict {
    Pass(Passage),
    Reject(Rejection),
}

/// How a request goes on to the handler.
pub(super) struct Passage {
    principal: Option<Principal>,
    session: Option<Box<Session>>,
}

/// The next stage, or an end.
type Next = Result<Stage, Verdict>;

impl From<Rejection> for Verdict {
    fn from(rejection: Rejection) -> Self {
        Self::Reject(rejection)
    }
}

impl From<RejectionKind> for Verdict {
    fn from(kind: RejectionKind) -> Self {
        Rejection::new(kind).into()
    }
}

impl Pipeline {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            step: 0,
            stage: Stage::Start,
        }
    }

    /// Goes on as far as it can. Without a context it does not wait: it says pending instead.
    ///
    /// A panic in a plug-in ends the request, not the connection it came over.
    pub(super) fn advance(
        &mut self,
        config: &Config,
        parts: &Parts,
        cx: Option<&mut Context<'_>>,
    ) -> Poll<Verdict> {
        catch_unwind(AssertUnwindSafe(|| self.run(config, parts, cx)))
            .unwrap_or_else(|_| Poll::Ready(unavailable(Fault::Panic)))
    }

    /// The step that is waited for and must not take longer than the deadline. Keys are not one: they
    /// have a deadline of their own.
    pub(super) fn bounded_step(&self) -> Option<u32> {
        match self.stage {
            Stage::Verifying(_) => None,
            _ => Some(self.step),
        }
    }

    /// The deadline of the step has passed.
    pub(super) fn give_up(&mut self) {
        if let Stage::Recording { session, .. } = &mut self.stage {
            session.fail();
        }
        self.stage = Stage::Ended(Some(unavailable(Fault::Deadline)));
    }

    fn run(
        &mut self,
        config: &Config,
        parts: &Parts,
        mut cx: Option<&mut Context<'_>>,
    ) -> Poll<Verdict> {
        loop {
            let stage = mem::replace(&mut self.stage, Stage::Ended(None));
            let next = match stage {
                Stage::Start => self.start(config, parts),
                Stage::Verifying(mut answer) => match ready(&mut answer, &mut cx) {
                    Poll::Ready(verified) => self.verified(config, parts, verified),
                    Poll::Pending => return self.stay(Stage::Verifying(answer)),
                },
                Stage::Resolving {
                    claims,
                    found,
                    next,
                    mut answer,
                } => match ready(&mut answer, &mut cx) {
                    Poll::Ready(said) => self.resolved(config, parts, claims, found, next, said),
                    Poll::Pending => {
                        return self.stay(Stage::Resolving {
                            claims,
                            found,
                            next,
                            answer,
                        });
                    }
                },
                Stage::Deciding { span, mut answer } => {
                    let polled = span.in_scope(|| ready(&mut answer, &mut cx));
                    match polled {
                        Poll::Ready(admitted) => self.decided(config, parts, span, admitted),
                        Poll::Pending => return self.stay(Stage::Deciding { span, answer }),
                    }
                }
                Stage::Recording {
                    session,
                    mut answer,
                } => {
                    let polled = {
                        let _entered = session.enter();
                        ready(&mut answer, &mut cx)
                    };
                    match polled {
                        Poll::Ready(written) => recorded(session, written),
                        Poll::Pending => return self.stay(Stage::Recording { session, answer }),
                    }
                }
                Stage::Refusing {
                    rejection,
                    mut answer,
                } => match ready(&mut answer, &mut cx) {
                    Poll::Ready(Ok(())) => Err(rejection.into()),
                    Poll::Ready(Err(error)) => Err(unavailable(error)),
                    Poll::Pending => return self.stay(Stage::Refusing { rejection, answer }),
                },
                Stage::Ended(verdict) => Err(verdict.unwrap_or_else(|| unavailable(Fault::Panic))),
            };
            match next {
                Ok(stage) => {
                    self.stage = stage;
                    self.step += 1;
                }
                Err(verdict) => return Poll::Ready(verdict),
            }
        }
    }

    fn stay(&mut self, stage: Stage) -> Poll<Verdict> {
        self.stage = stage;
        Poll::Pending
    }

    fn start(&self, config: &Config, parts: &Parts) -> Next {
        if parts.extensions.get::<Principal>().is_some() {
            return Err(RejectionKind::LayerAppliedTwice.into());
        }
        match config.extract.extract(parts) {
            Extraction::Found(token) => {
                let answer = config.authenticator.authenticate(token.expose(), self.now);
                Ok(Stage::Verifying(answer))
            }
            Extraction::Malformed => Err(RejectionKind::MalformedCredential.into()),
            Extraction::OtherScheme => Err(RejectionKind::OtherScheme.into()),
            Extraction::Absent => Err(without_credential(config, parts)),
        }
    }

    fn verified(
        &self,
        config: &Config,
        parts: &Parts,
        verified: Result<Verified<Claims>, TokenError>,
    ) -> Next {
        let claims = verified.map_err(|error| match error.kind() {
            TokenErrorKind::KeysUnavailable => {
                let after = error.retry_after();
                Rejection::because(RejectionKind::KeysUnavailable, error).retry_after(after)
            }
            _ => Rejection::because(RejectionKind::InvalidToken, error),
        })?;
        let sound = inspect(&claims).and_then(|()| config.own_headers.check(&parts.headers));
        match sound {
            Ok(()) => self.ask_from(0, config, parts, claims, None),
            Err(error) => self.fail(config, parts, &claims, error),
        }
    }

    /// Asks the strategies, beginning with the one at `index`.
    fn ask_from(
        &self,
        index: usize,
        config: &Config,
        parts: &Parts,
        claims: Verified<Claims>,
        found: Option<Requested>,
    ) -> Next {
        let due = |strategy: &&Arc<dyn crate::resolve::Resolve>| {
            found.is_none() || strategy.asked() == Asked::Always
        };
        match config.strategies.iter().skip(index).find(due) {
            Some(strategy) => {
                let skipped = config
                    .strategies
                    .iter()
                    .skip(index)
                    .take_while(|s| !due(s))
                    .count();
                let answer = strategy.resolve(&claims, parts);
                Ok(Stage::Resolving {
                    claims,
                    found,
                    next: index + skipped + 1,
                    answer,
                })
            }
            None => self.settled(config, parts, claims, found),
        }
    }

    fn resolved(
        &self,
        config: &Config,
        parts: &Parts,
        claims: Verified<Claims>,
        found: Option<Requested>,
        next: usize,
        said: Resolution,
    ) -> Next {
        match settle(found, said) {
            Ok(found) => self.ask_from(next, config, parts, claims, found),
            Err(error) => self.fail(config, parts, &claims, error),
        }
    }

    /// Every strategy was asked.
    fn settled(
        &self,
        config: &Config,
        parts: &Parts,
        claims: Verified<Claims>,
        found: Option<Requested>,
    ) -> Next {
        let own = &config.own_headers;
        match finish(found, &claims, &parts.headers, own, config.max_reason) {
            Ok(Some(requested)) => Ok(self.decide(config, requested)),
            Ok(None) => {
                stamp::record_user(claims.identity().subject());
                Err(Verdict::Pass(Passage::of(Principal::caller(claims))))
            }
            Err(error) => self.fail(config, parts, &claims, error),
        }
    }

    /// A token of which the signature is good, and a request that makes no sense beside it.
    fn fail(
        &self,
        config: &Config,
        parts: &Parts,
        claims: &Verified<Claims>,
        error: ResolveError,
    ) -> Next {
        let kind = match error.kind() {
            ResolveErrorKind::Token => RejectionKind::InvalidToken,
            ResolveErrorKind::Request => RejectionKind::MalformedImpersonation,
            ResolveErrorKind::Nested => RejectionKind::Nested,
            ResolveErrorKind::Forbidden => RejectionKind::Forbidden,
            ResolveErrorKind::Unavailable => return Err(unavailable(error)),
        };
        let refused = Refused::unasked(sender(claims), error.detail());
        stamp::record_user(refused.actor.subject());
        Ok(self.refuse(config, parts, &refused, Rejection::because(kind, error)))
    }

    fn decide(&self, config: &Config, requested: Requested) -> Stage {
        let Some(Decision { gate, .. }) = &config.decision else {
            return Stage::Ended(Some(RejectionKind::Forbidden.into()));
        };
        let Requested { actor, ask } = requested;
        let span = stamp::open_span(actor.key(), ask.strategy());
        let answer = span.in_scope(|| gate.admit(actor, ask, self.now));
        Stage::Deciding { span, answer }
    }

    fn decided(
        &self,
        config: &Config,
        parts: &Parts,
        span: Span,
        admitted: Result<Permit, Refusal>,
    ) -> Next {
        let permit = match admitted {
            Ok(permit) => permit,
            Err(Refusal::Unavailable(error)) => return Err(unavailable(error)),
            Err(Refusal::Denied(refused)) => {
                let kind = kind_of(&refused.denial);
                return Ok(self.deny(config, parts, &span, &refused, kind));
            }
        };
        let beyond = if permit.mode() == Mode::ReadOnly && !(config.reads)(parts) {
            Some(("read_only", RejectionKind::ReadOnly))
        } else {
            asks_for_upgrade(parts).then_some(("upgrade", RejectionKind::Upgrade))
        };
        if let Some((rule, kind)) = beyond {
            return Ok(self.deny(config, parts, &span, &permit.refuse(rule), kind));
        }
        let Some(Decision { trail, .. }) = &config.decision else {
            return Err(RejectionKind::Forbidden.into());
        };
        let session = Session::begin(trail, permit, span, self.now);
        let answer = {
            let _entered = session.enter();
            session.open.write(parts)
        };
        Ok(Stage::Recording { session, answer })
    }

    fn deny(
        &self,
        config: &Config,
        parts: &Parts,
        span: &Span,
        refused: &Refused,
        kind: RejectionKind,
    ) -> Stage {
        if let Some(target) = &refused.target {
            span.record(stamp::fields::TARGET_SUB, target.subject());
            span.record(stamp::fields::TARGET_ISS, target.issuer());
        }
        stamp::record_user(refused.actor.subject());
        let rejection = Rejection::because(kind, DeniedBy(refused.denial.rule.to_string()));
        span.in_scope(|| self.refuse(config, parts, refused, rejection))
    }

    fn refuse(
        &self,
        config: &Config,
        parts: &Parts,
        refused: &Refused,
        rejection: Rejection,
    ) -> Stage {
        let answer = match &config.decision {
            Some(Decision { trail, .. }) => trail.denied(refused, parts, self.now),
            None => Answer::now(Ok(())),
        };
        Stage::Refusing { rejection, answer }
    }
}

fn recorded(mut session: Box<Session>, written: Result<Recorded, AuditError>) -> Next {
    match written {
        Ok(recorded) => {
            session.stamp_outer();
            let principal = Some(Principal::impersonated(recorded));
            Err(Verdict::Pass(Passage {
                principal,
                session: Some(session),
            }))
        }
        Err(error) => {
            session.fail();
            Err(unavailable(error))
        }
    }
}

fn without_credential(config: &Config, parts: &Parts) -> Verdict {
    if config.own_headers.any(&parts.headers) {
        return RejectionKind::MissingCredential.into();
    }
    if config.preflight == Preflight::Skipped && is_preflight(parts) {
        return Verdict::Pass(Passage {
            principal: None,
            session: None,
        });
    }
    match config.without_credential {
        WithoutCredential::Anonymous(_) => Verdict::Pass(Passage::of(Principal::anonymous())),
        WithoutCredential::Rejected => RejectionKind::MissingCredential.into(),
    }
}

fn kind_of(denial: &Denial) -> RejectionKind {
    match denial.demand {
        None => RejectionKind::Forbidden,
        Some(Demand::Reason) => RejectionKind::ReasonRequired,
        Some(Demand::FreshLogin { max_age }) => RejectionKind::StaleLogin { max_age },
        Some(Demand::AnotherTarget) => RejectionKind::OneSelf,
    }
}

fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ORIGIN)
        && parts
            .headers
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// A connection that becomes something else cannot be watched: RFC 9110, section 7.8, and CONNECT
/// with its extension for HTTP/2 (RFC 8441).
fn asks_for_upgrade(parts: &Parts) -> bool {
    parts.method == Method::CONNECT || parts.headers.contains_key(header::UPGRADE)
}

fn ready<T>(answer: &mut Answer<T>, cx: &mut Option<&mut Context<'_>>) -> Poll<T> {
    match cx {
        Some(cx) => std::pin::Pin::new(answer).poll(cx),
        None => answer.take_now().map_or(Poll::Pending, Poll::Ready),
    }
}

fn unavailable(cause: impl std::error::Error + Send + Sync + 'static) -> Verdict {
    Rejection::because(RejectionKind::Unavailable, cause).into()
}

impl Passage {
    fn of(principal: Principal) -> Self {
        Self {
            principal: Some(principal),
            session: None,
        }
    }

    /// Prepares the request for the handler: our headers come off, the principal goes in.
    pub(super) fn enter(
        self,
        config: &Config,
        parts: &mut Parts,
    ) -> Result<Option<Box<Session>>, Rejection> {
        config.own_headers.strip(&mut parts.headers);
        let Self {
            principal,
            mut session,
        } = self;
        let Some(principal) = principal else {
            return Ok(session);
        };
        hide_credential(&principal, &mut parts.headers);
        let install = match &config.without_credential {
            WithoutCredential::Anonymous(install) if principal.is_anonymous() => Some(install),
            _ => config.install.as_ref(),
        };
        if let Some(install) = install {
            let extensions = &mut parts.extensions;
            let installed = catch_unwind(AssertUnwindSafe(|| install(&principal, extensions)));
            if installed.is_err() {
                if let Some(session) = &mut session {
                    session.fail();
                }
                return Err(Rejection::because(RejectionKind::Unavailable, Fault::Panic));
            }
        }
        parts.extensions.insert(principal);
        Ok(session)
    }
}

/// A token that speaks as the actor must not act further on as the actor.
fn hide_credential(principal: &Principal, headers: &mut HeaderMap) {
    match principal
        .impersonation()
        .map(|impersonation| impersonation.strategy())
    {
        None | Some(Strategy::Act) => {
            if let Some(value) = headers.get_mut(AUTHORIZATION) {
                value.set_sensitive(true);
            }
        }
        Some(_) => {
            headers.remove(AUTHORIZATION);
        }
    }
}

/// What can go wrong with a plug-in besides its own errors.
#[derive(Debug)]
enum Fault {
    Panic,
    Deadline,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panic => "a plug-in panicked",
            Self::Deadline => "a plug-in did not answer in time",
        })
    }
}

impl std::error::Error for Fault {}

/// The rule that denied, for logs.
#[derive(Debug)]
struct DeniedBy(String);

impl fmt::Display for DeniedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "denied by {}", self.0)
    }
}

impl std::error::Error for DeniedBy {}
