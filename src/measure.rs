//! What can be counted and timed: numbers for dashboards, by a closure of one's own.
//!
//! The layer calls it ([`Builder::measure`](crate::middleware::Builder::measure)) for each decision,
//! denial, look-up in the token cache, fetch of keys and failure of the audit. With the feature
//! `otel`, `otel::metrics` is such a closure for OpenTelemetry.
//!
//! Rules: every value is one of a bounded set that the code or the configuration names. No `sub`, no
//! `kid`, no group and no free text is ever in a measurement, so no caller can make a backend keep a
//! series of its own for each of a million values. Without a closure nothing is computed and no clock
//! is read; with one, nothing is allocated here.
//!
//! Caveat: the closure runs on the thread of the request, so it must neither block nor wait. One that
//! panics is logged and measures nothing further; the request goes on.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use tower_impersonate::measure::{Measurement, RuleKind};
//!
//! let denials = Arc::new(AtomicU64::new(0));
//! let counter = Arc::clone(&denials);
//! let measure = move |measurement: &Measurement<'_>| {
//!     if let Measurement::Denial { .. } = measurement {
//!         counter.fetch_add(1, Ordering::Relaxed);
//!     }
//! };
//! measure(&Measurement::Denial { rule: RuleKind::of("in_group(support)") });
//! assert_eq!(denials.load(Ordering::Relaxed), 1);
//! assert_eq!(RuleKind::of("in_group(support)").as_str(), "in_group");
//! assert_eq!(RuleKind::of("whatever somebody wrote").as_str(), "other");
//! ```

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::terms::Strategy;

/// Something that happened once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Measurement<'a> {
    /// A request was decided: it goes on to the handler, or it was refused.
    Decision {
        /// `plain`, `impersonated`, `anonymous` or `preflight`, or the name of the
        /// [`RejectionKind`](crate::rejection::RejectionKind), such as `forbidden`.
        outcome: &'static str,
        /// How the request said that it impersonates, where it does.
        strategy: Option<Strategy>,
        /// From the first look at the request to the decision, waiting included.
        took: Duration,
    },
    /// An attempt to impersonate was refused; also where the limit left it out of the audit.
    Denial {
        /// What refused it.
        rule: RuleKind,
    },
    /// A token was looked up among the verified ones.
    TokenCache(Lookup),
    /// A fetch of keys ended.
    KeyRefresh {
        /// The issuer, as its configuration names it.
        issuer: &'a str,
        /// How.
        outcome: Fetched,
    },
    /// The audit did not take an event that a request waited for.
    AuditFailure,
}

/// What a cache said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookup {
    /// It is there.
    Hit,
    /// It is not.
    Miss,
}

/// What became of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fetched {
    /// The keys are there.
    Ok,
    /// They are not.
    Failed,
}

/// The kind of rule that denied: its name without what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleKind(&'static str);

impl RuleKind {
    /// A token or a header that makes no sense.
    pub const MALFORMED: Self = Self("malformed");

    /// The kind of a rule, by its name in the audit. What is not one of the crate's rules is `other`.
    #[must_use]
    pub fn of(rule: &str) -> Self {
        let end = rule.find(['(', ':']).unwrap_or(rule.len());
        let known = KINDS.iter().find(|kind| **kind == &rule[..end]);
        Self(known.copied().unwrap_or("other"))
    }

    /// The name, as on a metric.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for RuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Where measurements go; nowhere by default. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Measures(Option<Arc<Closure>>);

type Measure = dyn Fn(&Measurement<'_>) + Send + Sync;

struct Closure {
    measure: Box<Measure>,
    broken: AtomicBool,
}

impl Measures {
    pub(crate) fn by(measure: impl Fn(&Measurement<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Closure {
            measure: Box::new(measure),
            broken: AtomicBool::new(false),
        })))
    }

    /// Whether anybody wants to know.
    pub(crate) fn are_taken(&self) -> bool {
        self.0.is_some()
    }

    /// Computes the measurement only where somebody wants it.
    pub(crate) fn tell<'a>(&self, measurement: impl FnOnce() -> Measurement<'a>) {
        if let Some(closure) = &self.0 {
            closure.tell(measurement);
        }
    }
}

impl Closure {
    fn tell<'a>(&self, measurement: impl FnOnce() -> Measurement<'a>) {
        if self.broken.load(Ordering::Relaxed) {
            return;
        }
        // Called from destructors, too, where a panic would end the process.
        let told = catch_unwind(AssertUnwindSafe(|| (self.measure)(&measurement())));
        if told.is_err() && !self.broken.swap(true, Ordering::Relaxed) {
            tracing::error!(
                target: "impersonation",
                "the closure that measures panicked: nothing is measured any more"
            );
        }
    }
}

impl fmt::Debug for Measures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Measures").field(&self.are_taken()).finish()
    }
}

/// All rules of the crate, those that the configuration cannot switch off included.
const KINDS: &[&str] = &[
    "actor_ambiguous",
    "actor_disabled",
    "actor_enabled",
    "allow_all",
    "claim",
    "custom",
    "deny_all",
    "fresh_login",
    "from_issuer",
    "in_group",
    "in_tenant",
    "machine",
    "machine_by_header",
    "machines",
    "may_act",
    "narrowed_groups",
    "no_directory",
    "not",
    "not_while_impersonating",
    "pairs",
    "rank",
    "read_only",
    "reason_required",
    "role_not_offered",
    "role_without_group",
    "role_without_target",
    "scope",
    "self",
    "staff",
    "takes_group",
    "target_ambiguous",
    "target_disabled",
    "target_in_group",
    "target_not_found",
    "target_without_role",
    "tenant",
    "unknown",
    "unknown_issuer",
    "unread_claim",
    "untrusted_act",
    "untrusted_claim",
    "untrusted_grant_id",
    "upgrade",
    "vouched_by",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_names_without_what_a_rule_was_given() {
        for (rule, kind) in [
            ("in_group(support)", "in_group"),
            ("not(target_in_group(admins))", "not"),
            ("unknown:target_enabled", "unknown"),
            ("tenant", "tenant"),
            ("", "other"),
            ("(in_group(a) and staff)", "other"),
            ("in_groups(support)", "other"),
            ("alice-sub", "other"),
        ] {
            assert_eq!(RuleKind::of(rule).as_str(), kind, "{rule}");
        }
    }

    #[test]
    fn nothing_is_computed_for_nobody() {
        Measures::default().tell(|| unreachable!("nobody asked"));
    }

    #[test]
    fn a_panic_is_the_last_measurement() {
        static CALLS: AtomicBool = AtomicBool::new(false);
        let measures = Measures::by(|_| {
            assert!(!CALLS.swap(true, Ordering::SeqCst), "called twice");
            panic!("broken for the test");
        });
        for _ in 0..2 {
            measures.tell(|| Measurement::AuditFailure);
        }
        assert!(measures.0.unwrap().broken.load(Ordering::SeqCst));
    }
}
