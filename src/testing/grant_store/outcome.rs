use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use crate::grant::{
    End, Ended, Filter, Grant, GrantStore, Others, Page, StartLimit, Started, StoreError,
};
use crate::terms::{EndReason, GrantId};
use crate::testing::TestGrant;
use crate::time::Timestamp;

/// What a row saw that it should not have seen.
#[derive(Debug)]
pub(super) struct Saw(String);

pub(super) type Outcome<T = ()> = Result<T, Saw>;

impl Saw {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Saw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<StoreError> for Saw {
    fn from(error: StoreError) -> Self {
        let cause = std::error::Error::source(&error);
        let cause = cause.map(ToString::to_string).unwrap_or_default();
        Self(format!("an error: {error}: {cause}"))
    }
}

impl From<tokio::task::JoinError> for Saw {
    fn from(error: tokio::task::JoinError) -> Self {
        Self(format!("a task that failed: {error}"))
    }
}

pub(super) fn holds(what: &str, holds: bool) -> Outcome {
    match holds {
        true => Ok(()),
        false => Err(Saw::new(format!("not so: {what}"))),
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "what is compared is made for it"
)]
pub(super) fn same<T: PartialEq + Debug>(what: &str, saw: T, wanted: T) -> Outcome {
    match saw == wanted {
        true => Ok(()),
        false => Err(Saw(format!("{what}: {saw:?} and not {wanted:?}"))),
    }
}

/// Noon, from which moments are counted.
pub(super) const NOON: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

pub(super) fn after(seconds: u64) -> Timestamp {
    NOON.saturating_add(Duration::from_secs(seconds))
}

pub(super) fn before(seconds: u64) -> Timestamp {
    NOON.saturating_sub(Duration::from_secs(seconds))
}

pub(super) fn limit(per_actor: usize, others: Others, now: Timestamp) -> StartLimit {
    StartLimit {
        per_actor,
        others,
        keep_ended: 1_000,
        now,
    }
}

/// As a person's, at noon.
pub(super) fn one() -> StartLimit {
    limit(1, Others::Stay, NOON)
}

pub(super) fn stopped(at: Timestamp) -> End {
    End {
        reason: EndReason::Stopped,
        at,
        by: None,
    }
}

/// Starts it where nothing is in the way.
pub(super) async fn started(store: &Arc<dyn GrantStore>, grant: TestGrant) -> Outcome<Grant> {
    let grant = grant.build();
    let limit = limit(usize::MAX, Others::Stay, grant.started_at());
    match store.start(grant, limit).await? {
        Started::New(grant, replaced) if replaced.is_empty() => Ok(grant),
        other => Err(Saw(format!("it did not start: {other:?}"))),
    }
}

pub(super) async fn found(store: &Arc<dyn GrantStore>, id: &GrantId) -> Outcome<Grant> {
    let found = store.find(id).await?;
    found.ok_or_else(|| Saw::new("it is not found"))
}

pub(super) async fn ended(store: &Arc<dyn GrantStore>, id: &GrantId, end: End) -> Outcome<Ended> {
    let ended = store.end(id, end).await?;
    ended.ok_or_else(|| Saw::new("an end did not find it"))
}

pub(super) async fn listed(store: &Arc<dyn GrantStore>, filter: &Filter) -> Outcome<Vec<GrantId>> {
    Ok(ids(&store.list(filter, &Page::first()).await?))
}

pub(super) fn ids(grants: &[Grant]) -> Vec<GrantId> {
    grants.iter().map(|grant| *grant.id()).collect()
}

/// The same grant in the same state.
pub(super) fn same_grant(what: &str, saw: &Grant, wanted: &Grant) -> Outcome {
    same(what, saw.start().to_json(), wanted.start().to_json())?;
    same(what, saw.state(), wanted.state())
}
