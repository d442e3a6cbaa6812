//! The steps of the pipeline, in the order in which a request takes them.

use http::request::Parts;
use http::{Method, header};
use tracing::Span;

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
use crate::resolve::{Requested, Resolution, ResolveError, ResolveErrorKind, Seen, agree, sender};
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
                let answer = config.authenticator.authenticate_presented(token, self.now);
                match answer.try_now() {
                    Ok(verified) => self.verified(config, parts, verified),
                    Err(answer) => Ok(Stage::Verifying(answer)),
                }
            }
            Extraction::TooLong => Err(bad_token(TokenErrorKind::TooLong.into(), parts)),
            Extraction::Malformed => Err(RejectionKind::MalformedCredential.into()),
            Extraction::CrossSite => Err(RejectionKind::CrossSite.into()),
            Extraction::OtherScheme => Err(RejectionKind::OtherScheme.into()),
            Extraction::Absent => Err(without_credential(config, parts)),
        }
    }

    pub(super) fn verified(
        &mut self,
        config: &Config,
        parts: &Parts,
        verified: Result<Verified<Claims>, TokenError>,
    ) -> Next {
        let claims = verified.map_err(|error| bad_token(error, parts))?;
        if config.minting.is_for_another(&claims) && !own::only_ends(parts) {
            return Err(bad_token(TokenErrorKind::Audience.into(), parts));
        }
        let names_groups = |groups: &Names| !groups.is_empty();
        match &config.recheck {
            Some(recheck) if claims.identity().groups().is_some_and(names_groups) => {
                match recheck.lapsed(&claims).try_now() {
                    Ok(lapsed) => self.rechecked(config, parts, claims, lapsed),
                    Err(answer) => Ok(Stage::Rechecking { claims, answer }),
                }
            }
            _ => self.inspect(config, parts, claims),
        }
    }

    /// The groups that the token names and nobody has any more are known.
    pub(super) fn rechecked(
        &mut self,
        config: &Config,
        parts: &Parts,
        claims: Verified<Claims>,
        lapsed: Result<Names, LookupError>,
    ) -> Next {
        let lapsed = lapsed.map_err(Verdict::unavailable)?;
        self.inspect(config, parts, claims.without_groups(&lapsed))
    }

    fn inspect(&mut self, config: &Config, parts: &Parts, claims: Verified<Claims>) -> Next {
        match config.settlement.inspect(&claims, &parts.headers) {
            Ok(seen) => self.seen = seen,
            Err(error) => return self.fail(config, parts, &claims, error),
        }
        if self.seen.asks_nothing() {
            return Err(self.plain(config, claims));
        }
        self.ask_from(0, config, parts, claims, None)
    }

    /// Asks the strategies, beginning with the one at `index`.
    fn ask_from(
        &self,
        index: usize,
        config: &Config,
        parts: &Parts,
        claims: Verified<Claims>,
        mut found: Option<Requested>,
    ) -> Next {
        for (asked, strategy) in config.strategies.iter().enumerate().skip(index) {
            let spoke = found.is_some();
            let Some(answer) = strategy.resolve(&claims, parts, self.seen, spoke) else {
                continue;
            };
            let said = match answer.try_now() {
                Ok(said) => said,
                Err(answer) => {
                    let next = asked + 1;
                    return Ok(Stage::Resolving {
                        claims,
                        found,
                        next,
                        answer,
                    });
                }
            };
            if let Err(error) = add(&mut found, said) {
                return self.fail(config, parts, &claims, error);
            }
        }
        self.settled(config, parts, claims, found)
    }

    pub(super) fn resolved(
        &self,
        config: &Config,
        parts: &Parts,
        claims: Verified<Claims>,
        mut found: Option<Requested>,
        next: usize,
        said: Resolution,
    ) -> Next {
        match add(&mut found, said) {
            Ok(()) => self.ask_from(next, config, parts, claims, found),
            Err(error) => self.fail(config, parts, &claims, error),
        }
    }

    /// Every strategy was asked.
    fn settled(
        &self,
        config: &Config,
        parts: &Parts,
        claims: Verified<Claims>,
        mut found: Option<Requested>,
    ) -> Next {
        let asked = found.as_mut();
        let settlement = &config.settlement;
        if let Err(error) = settlement.finish(asked, &claims, &parts.headers, self.seen) {
            return self.fail(config, parts, &claims, error);
        }
        match found {
            Some(requested) if own::only_ends(parts) => {
                config.outer.record_user(requested.actor.subject());
                own::keep(parts, requested);
                Err(Verdict::Pass(self.passage(None)))
            }
            Some(requested) => self.decide(config, parts, requested),
            None => Err(self.plain(config, claims)),
        }
    }

    /// Nobody impersonates.
    fn plain(&self, config: &Config, claims: Verified<Claims>) -> Verdict {
        config.outer.record_user(claims.identity().subject());
        Verdict::Pass(self.passage(Some(Principal::caller(claims))))
    }

    fn passage(&self, principal: Option<Principal>) -> Passage {
        Passage {
            principal,
            session: None,
            seen: self.seen,
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
        self.refuse(config, parts, &refused, rule, rejection)
    }

    fn decide(&self, config: &Config, parts: &Parts, requested: Requested) -> Next {
        let Some(Decision { gate, .. }) = &config.decision else {
            return Err(RejectionKind::Forbidden.into());
        };
        let Requested { actor, ask, .. } = requested;
        let span = stamp::open_span(actor.key(), ask.strategy());
        let came = ask.grant().map(|_| actor.clone());
        let answer = {
            let _entered = stamp::enter_span(&span);
            gate.admit(actor, ask, self.now)
        };
        match answer.try_now() {
            Ok(admitted) => self.decided(config, parts, (span, came), admitted),
            Err(answer) => Ok(Stage::Deciding { span, came, answer }),
        }
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
                return self.deny(config, parts, &span, &refused, kind);
            }
        };
        if let Some(kind) = beyond(config, permit.mode(), parts) {
            let refused = permit.refuse(kind.as_str());
            return self.deny(config, parts, &span, &refused, kind);
        }
        let Some(Decision { gate, trail, .. }) = &config.decision else {
            return Err(RejectionKind::Forbidden.into());
        };
        let live = came.and_then(|came| Live::of(gate, &config.clock, came, &permit));
        let mut session = Session::begin(trail, permit, live, span, (parts, self.now));
        match session.write().try_now() {
            Ok(written) => recorded(config, self.seen, session, written),
            Err(answer) => Ok(Stage::Recording { session, answer }),
        }
    }

    fn deny(
        &self,
        config: &Config,
        parts: &Parts,
        span: &Span,
        refused: &Refused,
        kind: RejectionKind,
    ) -> Next {
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
    ) -> Next {
        config.measures.tell(|| Measurement::Denial { rule });
        let written = match &config.decision {
            Some(Decision { trail, .. }) => trail.denied(refused, parts, self.now).try_now(),
            None => Ok(Ok(())),
        };
        match written {
            Ok(written) => Err(judged(config, rejection, written)),
            Err(answer) => Ok(Stage::Refusing { rejection, answer }),
        }
    }
}

/// Adds what the next strategy says to what was said before.
fn add(found: &mut Option<Requested>, said: Resolution) -> Result<(), ResolveError> {
    let next = match said {
        Resolution::NotRequested => return Ok(()),
        Resolution::Failed(error) => return Err(error),
        Resolution::Requested(next) => next,
    };
    *found = Some(match found.take() {
        None => next,
        Some(before) => agree(before, next)?,
    });
    Ok(())
}

fn bad_token(error: TokenError, parts: &Parts) -> Verdict {
    let after = error.retry_after();
    let kind = match error.kind() {
        TokenErrorKind::KeysUnavailable => RejectionKind::KeysUnavailable,
        // Elsewhere than in the header (RFC 6750, section 2.1) it is a bad token like any other.
        TokenErrorKind::NotAToken if parts.headers.contains_key(header::AUTHORIZATION) => {
            return RejectionKind::MalformedCredential.into();
        }
        _ => RejectionKind::InvalidToken,
    };
    Rejection::because(kind, error).retry_after(after).into()
}

/// The audit knows of the refusal, or does not.
pub(super) fn judged(
    config: &Config,
    rejection: Rejection,
    written: Result<(), AuditError>,
) -> Verdict {
    match written {
        Ok(()) => rejection.into(),
        Err(error) => {
            config.measures.tell(|| Measurement::AuditFailure);
            Verdict::unavailable(error)
        }
    }
}

pub(super) fn recorded(
    config: &Config,
    seen: Seen,
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
                seen,
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
                seen: Seen::default(),
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
