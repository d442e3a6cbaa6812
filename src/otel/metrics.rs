use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::measure::{Fetched, Lookup, Measurement};

/// A closure for [`Builder::measure`](crate::middleware::Builder::measure) that counts and times.
///
/// | instrument | unit | attributes |
/// |---|---|---|
/// | counter `impersonation.requests` | `{request}` | `impersonation.outcome`; `impersonation.strategy` while impersonating |
/// | histogram `impersonation.decision.duration` | `s` | `impersonation.outcome` |
/// | counter `impersonation.denials` | `{denial}` | `impersonation.deny.kind` |
/// | counter `impersonation.token.cache.lookups` | `{lookup}` | `impersonation.cache.result`: `hit` or `miss` |
/// | counter `impersonation.key.refreshes` | `{refresh}` | `impersonation.issuer`; `impersonation.outcome`: `success` or `failure` |
/// | counter `impersonation.audit.failures` | `{failure}` | |
///
/// Outcomes are `plain`, `impersonated`, `anonymous`, `preflight`, or the name of a rejection such as
/// `forbidden`; kinds are those of [`RuleKind`](crate::measure::RuleKind). Who it was is never on a
/// metric.
///
/// ```
/// use opentelemetry::metrics::MeterProvider;
/// use opentelemetry_sdk::metrics::SdkMeterProvider;
/// use tower_impersonate::measure::{Measurement, RuleKind};
///
/// let provider = SdkMeterProvider::builder().build();
/// let measure = tower_impersonate::otel::metrics(&provider.meter("shop"));
/// measure(&Measurement::Denial { rule: RuleKind::of("tenant") });
/// ```
pub fn metrics(meter: &Meter) -> impl Fn(&Measurement<'_>) + Send + Sync + use<> {
    let requests = meter
        .u64_counter("impersonation.requests")
        .with_unit("{request}")
        .with_description("Requests that were decided, by what became of them.")
        .build();
    let duration = meter
        .f64_histogram("impersonation.decision.duration")
        .with_unit("s")
        .with_description("From the first look at a request to its decision, waiting included.")
        .with_boundaries(BOUNDARIES.to_vec())
        .build();
    let denials = meter
        .u64_counter("impersonation.denials")
        .with_unit("{denial}")
        .with_description("Attempts to impersonate that were refused, by the kind of rule.")
        .build();
    let lookups = meter
        .u64_counter("impersonation.token.cache.lookups")
        .with_unit("{lookup}")
        .with_description("Tokens that were looked up among the verified ones.")
        .build();
    let refreshes = meter
        .u64_counter("impersonation.key.refreshes")
        .with_unit("{refresh}")
        .with_description("Fetches of an issuer's keys.")
        .build();
    let failures = meter
        .u64_counter("impersonation.audit.failures")
        .with_unit("{failure}")
        .with_description("Events that the audit did not take, and requests refused for it.")
        .build();
    move |measurement| match *measurement {
        Measurement::Decision {
            outcome,
            strategy,
            took,
        } => {
            let outcome = KeyValue::new(OUTCOME, outcome);
            duration.record(took.as_secs_f64(), std::slice::from_ref(&outcome));
            match strategy {
                Some(strategy) => {
                    let strategy = KeyValue::new("impersonation.strategy", strategy.as_str());
                    requests.add(1, &[outcome, strategy]);
                }
                None => requests.add(1, &[outcome]),
            }
        }
        Measurement::Denial { rule } => {
            denials.add(
                1,
                &[KeyValue::new("impersonation.deny.kind", rule.as_str())],
            );
        }
        Measurement::TokenCache(lookup) => {
            let result = match lookup {
                Lookup::Hit => "hit",
                Lookup::Miss => "miss",
            };
            lookups.add(1, &[KeyValue::new("impersonation.cache.result", result)]);
        }
        Measurement::KeyRefresh { issuer, outcome } => {
            let outcome = match outcome {
                Fetched::Ok => "success",
                Fetched::Failed => "failure",
            };
            let issuer = KeyValue::new("impersonation.issuer", issuer.to_owned());
            refreshes.add(1, &[issuer, KeyValue::new(OUTCOME, outcome)]);
        }
        Measurement::AuditFailure => failures.add(1, &[]),
    }
}

const OUTCOME: &str = "impersonation.outcome";

/// In seconds: a decision takes microseconds from memory, and up to seconds where it has to wait.
const BOUNDARIES: [f64; 12] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5,
];
