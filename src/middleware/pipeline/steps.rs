//! The steps of the pipeline, in the order in which a request takes them.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, header};
use tracing::Span;

use crate::answer::Answer;
use crate::audit::{AuditError, Recorded};
use crate::directory::LookupError;
use crate::gate::{Live, Refusal};
use crate::identity::{Identity, Names};
use crate::measure::{Measurement, RuleKind};
use crate::middleware::config::{Config, Decision, Preflight, WithoutCredential};
use crate::middleware::own;
use crate::middleware::pipeline::verdict::{Passage, Verdict};
use crate::middleware::pipeline::{Next, Pipeline, Stage};
use crate::middleware::session::Session;
use crate::middleware::upgrades::{Upgrades, asks_for_upgrade};
use crate::policy::{Demand, Permit, Refused};
use crate::principal::Principal;
use crate::rejection::{DeniedBy, Rejection, RejectionKind};
use crate::resolve::{
    Asked, Requested, Resolution, Resolve, ResolveError, ResolveErrorKind, sender, settle,
};
use crate::stamp;
use crate::terms::{Ask, Mode, Strategy};
use crate::token::{Claims, Extraction, TokenError, TokenErrorKind, Verified};

impl Pipeline {
    pub(super) fn start(&mut self, config: &Config, parts: &Parts) -> Next {
        self.now = config.clock.now();
        self.began = config
            .measures
            .are_taken()
            .then(|| config.clock.monotonic());
        if parts.extensions.get::<Principal>().is_some() {
            return Err(RejectionKind::LayerAppliedTwice.into());
        }
        match config.extract.extract(parts) {
            Extraction::Found(token) => {
                let answer = config.authenticator.authenticate(token.expose(), self.now);
                Ok(Stage::Verifying(answer))
            }
            Extraction::Malformed => Err(RejectionKind::MalformedCredential.into()),
            Extraction::CrossSite => Err(RejectionKind::CrossSite.into()),
            Extraction::OtherScheme => Err(RejectionKind::OtherScheme.into()),
            Extraction::Absent => Err(without_credential(config, parts)),
        }
    }

    pub(super) fn verified(
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
        if config.minting.is_for_another(&claims) && !own::only_ends(parts) {
            let error = TokenError::new(TokenErrorKind::Audience);
            return Err(Rejection::because(RejectionKind::InvalidToken, error).into());
        }
        let names_groups = |groups: &Names| !groups.is_empty();
        match &config.recheck {
            Some(recheck) if claims.identity().groups().is_some_and(names_groups) => {
                let answer = recheck.lapsed(&claims);
                Ok(Stage::Rechecking { claims, answer })
            }
            _ => self.inspect(config, parts, claims),
        }
    }

    /// The groups that the token names and nobody has any more are known.
    pub(super) fn rechecked(
        &self,
        config: &Config,
        parts: &Parts,
        claims: Verified<Claims>,
        lapsed: Result<Names, LookupError>,
    ) -> Next {
        let lapsed = lapsed.map_err(Verdict::unavailable)?;
        self.inspect(config, parts, claims.without_groups(&lapsed))
    }

    fn inspect(&self, config: &Config, parts: &Parts, claims: Verified<Claims>) -> Next {
        let sound = { config.settlement.inspect(&claims) }
            .and_then(|()| config.settlement.own_headers().check(&parts.headers));
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
        let due = |strategy: &Arc<dyn Resolve>| {
            found.is_none() || strategy.nature().asked == Asked::Always
        };
        let mut rest = config.strategies.iter().enumerate().skip(index);
        match rest.find(|(_, strategy)| due(strategy)) {
            Some((asked, strategy)) => {
                let answer = strategy.resolve(&claims, parts);
                let next = asked + 1;
                Ok(Stage::Resolving {
                    claims,
                    found,
                    next,
                    answer,
                })
            }
            None => self.settled(config, parts, claims, found),
        }
    }

    pub(super) fn resolved(
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
        match config.settlement.finish(found, &claims, &parts.headers) {
            Ok(Some(requested)) => {
                let sender = requested.actor.key().shared_subject();
                if let Some(requested) = own::keep(parts, requested) {
                    return Ok(self.decide(config, requested));
                }
                config.outer.record_user(&sender);
                Err(Verdict::Pass(Passage {
                    principal: None,
                    session: None,
                }))
            }
            Ok(None) => {
                config.outer.record_user(claims.identity().subject());
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
            ResolveErrorKind::CrossSite => RejectionKind::CrossSite,
            ResolveErrorKind::Nested => RejectionKind::Nested,
            ResolveErrorKind::Forbidden => RejectionKind::Forbidden,
            ResolveErrorKind::Unavailable => return Err(Verdict::unavailable(error)),
        };
        let refused = Refused::unasked(sender(claims), error.detail(), error.ask().cloned());
        config.outer.record_user(refused.actor.subject());
        let rule = match error.kind() {
            ResolveErrorKind::Token | ResolveErrorKind::Request => RuleKind::MALFORMED,
            _ => RuleKind::of(error.detail()),
        };
        let rejection = Rejection::because(kind, error);
        Ok(self.refuse(config, parts, &refused, rule, rejection))
    }

    fn decide(&self, config: &Config, requested: Requested) -> Stage {
        let Some(Decision { gate, .. }) = &config.decision else {
            return Stage::Ended(Some(RejectionKind::Forbidden.into()));
        };
        let Requested { actor, ask, .. } = requested;
        let span = stamp::open_span(actor.key(), ask.strategy());
        let came = ask.grant().map(|_| actor.clone());
        let answer = span.in_scope(|| gate.admit(actor, ask, self.now));
        Stage::Deciding { span, came, answer }
    }

    pub(super) fn decided(
        &self,
        config: &Config,
        parts: &Parts,
        (span, came): (Span, Option<Verified<Identity>>),
        admitted: Result<Permit, Refusal>,
    ) -> Next {
        let permit = match admitted {
            Ok(permit) => permit,
            Err(Refusal::Unavailable(error)) => return Err(Verdict::unavailable(error)),
            Err(Refusal::GrantsUnavailable(error)) => return Err(Verdict::unavailable(error)),
            Err(Refusal::Denied(refused)) => {
                let kind = kind_of(&refused);
                return Ok(self.deny(config, parts, &span, &refused, kind));
            }
        };
        if let Some(kind) = beyond(config, permit.mode(), parts) {
            let refused = permit.refuse(kind.as_str());
            return Ok(self.deny(config, parts, &span, &refused, kind));
        }
        let Some(Decision { gate, trail, .. }) = &config.decision else {
            return Err(RejectionKind::Forbidden.into());
        };
        let live = came.and_then(|came| Live::of(gate, &config.clock, came, &permit));
        let session = Session::begin(trail, permit, live, span, (parts, self.now));
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
        if let Some(grant) = { refused.ask.as_ref() }.and_then(Ask::grant) {
            span.record(stamp::fields::GRANT_ID, tracing::field::display(grant));
        }
        config.outer.record_user(refused.actor.subject());
        let rejection = Rejection::because(kind, DeniedBy(refused.denial.rule.to_string()));
        let rule = RuleKind::of(&refused.denial.rule);
        span.in_scope(|| self.refuse(config, parts, refused, rule, rejection))
    }

    fn refuse(
        &self,
        config: &Config,
        parts: &Parts,
        refused: &Refused,
        rule: RuleKind,
        rejection: Rejection,
    ) -> Stage {
        config.measures.tell(|| Measurement::Denial { rule });
        let answer = match &config.decision {
            Some(Decision { trail, .. }) => trail.denied(refused, parts, self.now),
            None => Answer::now(Ok(())),
        };
        Stage::Refusing { rejection, answer }
    }
}

pub(super) fn recorded(
    config: &Config,
    mut session: Box<Session>,
    written: Result<Recorded, AuditError>,
) -> Next {
    let Some(Decision { warden, .. }) = &config.decision else {
        return Err(RejectionKind::Forbidden.into());
    };
    match written {
        Ok(recorded) => {
            config.outer.record(session.stamp());
            let live = session.live().cloned();
            let principal = Some(Principal::impersonated(recorded, live, warden));
            Err(Verdict::Pass(Passage {
                principal,
                session: Some(session),
            }))
        }
        Err(error) => {
            session.fail();
            config.measures.tell(|| Measurement::AuditFailure);
            Err(Verdict::unavailable(error))
        }
    }
}

fn without_credential(config: &Config, parts: &Parts) -> Verdict {
    if config.settlement.is_asked_for(&parts.headers) {
        return RejectionKind::MissingCredential.into();
    }
    match config.without_credential {
        WithoutCredential::Anonymous(_) => Verdict::Pass(Passage::of(Principal::anonymous())),
        WithoutCredential::Rejected
            if config.preflight == Preflight::Skipped && is_preflight(parts) =>
        {
            Verdict::Pass(Passage {
                principal: None,
                session: None,
            })
        }
        WithoutCredential::Rejected => RejectionKind::MissingCredential.into(),
    }
}

pub(in crate::middleware) fn kind_of(refused: &Refused) -> RejectionKind {
    let by_cookie = { refused.ask.as_ref() }.is_some_and(|ask| ask.strategy() == Strategy::Cookie);
    match refused.denial.demand {
        None => RejectionKind::Forbidden,
        Some(Demand::AnotherToken) if by_cookie => RejectionKind::GrantEnded,
        Some(Demand::AnotherToken) => RejectionKind::InvalidToken,
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

/// What the request wants to do beyond what it may.
fn beyond(config: &Config, mode: Mode, parts: &Parts) -> Option<RejectionKind> {
    let judged_here = mode == Mode::ReadOnly && !own::is_judged_by_itself(parts);
    if judged_here && !config.reads.allow(parts) {
        return Some(RejectionKind::ReadOnly);
    }
    let is_upgrade = config.upgrades == Upgrades::Refused && asks_for_upgrade(parts);
    is_upgrade.then_some(RejectionKind::Upgrade)
}
