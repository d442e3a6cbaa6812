//! A request's way from its credential to its principal.

mod steps;
mod verdict;

use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::request::Parts;
use tracing::Span;

use crate::answer::Answer;
use crate::audit::{AuditError, Recorded};
use crate::directory::LookupError;
use crate::gate::Refusal;
use crate::identity::{Identity, Names};
use crate::measure::Measurement;
use crate::middleware::config::Config;
use crate::middleware::pipeline::steps::{judged, recorded};
use crate::middleware::session::Session;
use crate::policy::Permit;
use crate::rejection::{Fault, Rejection};
use crate::resolve::{Requested, Resolution, Seen};
use crate::time::Timestamp;
use crate::token::{Claims, TokenError, Verified};

#[cfg(feature = "manage")]
pub(super) use self::steps::kind_of;
pub(super) use self::verdict::Verdict;

/// A request's way from its credential to its principal.
///
/// A step whose answer is there goes on to the next by itself. [`Pipeline::advance`] is called again when
/// what has to be waited for is there.
pub(super) struct Pipeline {
    /// Read once, at the start.
    now: Timestamp,
    /// When it began, where somebody measures.
    began: Option<Duration>,
    /// What of the request could ask for an impersonation, once its token was verified.
    seen: Seen,
    /// Counts the steps that were waited for, so that each has its own deadline.
    step: u32,
    stage: Stage,
}

enum Stage {
    Start,
    Verifying(Answer<Result<Verified<Claims>, TokenError>>),
    Rechecking {
        claims: Verified<Claims>,
        answer: Answer<Result<Names, LookupError>>,
    },
    Resolving {
        claims: Verified<Claims>,
        found: Option<Requested>,
        next: usize,
        answer: Answer<Resolution>,
    },
    Deciding {
        span: Span,
        /// Under a grant, who asks, as it came.
        came: Option<Verified<Identity>>,
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

/// The next stage, or an end.
type Next = Result<Stage, Verdict>;

impl Pipeline {
    pub(super) fn new() -> Self {
        Self {
            now: Timestamp::from_unix_seconds(0),
            began: None,
            seen: Seen::default(),
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
        let polled = catch_unwind(AssertUnwindSafe(|| self.run(config, parts, cx)))
            .unwrap_or_else(|_| Poll::Ready(Verdict::unavailable(Fault::Panic)));
        if let Poll::Ready(verdict) = &polled {
            self.measure(config, verdict);
        }
        polled
    }

    fn measure(&self, config: &Config, verdict: &Verdict) {
        // Without a beginning the clock itself failed, or nobody measures.
        let Some(began) = self.began else { return };
        config.measures.tell(|| Measurement::Decision {
            outcome: verdict.outcome(),
            strategy: verdict.strategy(),
            took: config.clock.monotonic().saturating_sub(began),
        });
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
    pub(super) fn give_up(&mut self, config: &Config) {
        if let Stage::Recording { session, .. } = &mut self.stage {
            session.fail();
        }
        if matches!(self.stage, Stage::Recording { .. } | Stage::Refusing { .. }) {
            config.measures.tell(|| Measurement::AuditFailure);
        }
        self.stage = Stage::Ended(Some(Verdict::unavailable(Fault::Deadline)));
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
                Stage::Rechecking { claims, mut answer } => match ready(&mut answer, &mut cx) {
                    Poll::Ready(lapsed) => self.rechecked(config, parts, claims, lapsed),
                    Poll::Pending => return self.stay(Stage::Rechecking { claims, answer }),
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
                Stage::Deciding {
                    span,
                    came,
                    mut answer,
                } => {
                    let polled = span.in_scope(|| ready(&mut answer, &mut cx));
                    match polled {
                        Poll::Ready(admitted) => {
                            self.decided(config, parts, (span, came), admitted)
                        }
                        Poll::Pending => return self.stay(Stage::Deciding { span, came, answer }),
                    }
                }
                Stage::Recording {
                    mut session,
                    mut answer,
                } => {
                    let polled = {
                        let _entered = session.enter();
                        ready(&mut answer, &mut cx)
                    };
                    match polled {
                        Poll::Ready(written) => recorded(config, self.seen, session, written),
                        Poll::Pending => return self.stay(Stage::Recording { session, answer }),
                    }
                }
                Stage::Refusing {
                    rejection,
                    mut answer,
                } => match ready(&mut answer, &mut cx) {
                    Poll::Ready(written) => Err(judged(config, rejection, written)),
                    Poll::Pending => return self.stay(Stage::Refusing { rejection, answer }),
                },
                Stage::Ended(verdict) => {
                    Err(verdict.unwrap_or_else(|| Verdict::unavailable(Fault::Panic)))
                }
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
}

fn ready<T>(answer: &mut Answer<T>, cx: &mut Option<&mut Context<'_>>) -> Poll<T> {
    match cx {
        Some(cx) => Pin::new(answer).poll(cx),
        None => answer.take_now().map_or(Poll::Pending, Poll::Ready),
    }
}
