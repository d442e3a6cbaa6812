//! The start of a grant as text.

mod ask;
mod person;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use self::ask::AskText;
use self::person::PersonText;
use crate::grant::{ActorSession, Start};
use crate::terms::GrantId;
use crate::time::Timestamp;

impl Start {
    /// All that was agreed, as one JSON object, for a store to keep.
    ///
    /// It holds what the actor's token said, so keep it where personal data may be kept. It is not signed:
    /// whoever can write where it is kept can write grants.
    ///
    /// ```
    /// # #[cfg(feature = "testing")] {
    /// use tower_impersonate::grant::Start;
    /// use tower_impersonate::testing::TestGrant;
    ///
    /// let grant = TestGrant::new("carol", "alice").build();
    /// let text = grant.start().to_json();
    /// assert_eq!(Start::from_json(&text)?.id(), grant.id());
    /// assert!(Start::from_json(&text[1..]).is_err());
    /// # }
    /// # Ok::<(), tower_impersonate::grant::StartError>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        // Maps have texts as keys, and numbers are finite: it cannot fail.
        serde_json::to_string(&StartText::of(self)).unwrap_or_default()
    }

    /// Takes what [`to_json`](Self::to_json) wrote, whole: every member, and no other one.
    ///
    /// # Errors
    ///
    /// [`StartError`], when it was written by a version that this one does not know, or makes no sense.
    pub fn from_json(text: &str) -> Result<Self, StartError> {
        let damaged = match serde_json::from_str::<StartText<'_>>(text) {
            Ok(read) => match read.start() {
                Ok(start) => return Ok(start),
                Err(Nonsense) => StartError(Wrong::Value),
            },
            Err(error) => StartError(Wrong::Json {
                line: error.line(),
                column: error.column(),
            }),
        };
        // Another version may have members of which this one knows nothing.
        let other = serde_json::from_str::<Version>(text).is_ok_and(|read| read.v != VERSION);
        Err(if other {
            StartError(Wrong::Version)
        } else {
            damaged
        })
    }
}

const VERSION: u32 = 1;

#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StartText<'a> {
    v: u32,
    id: String,
    actor: PersonText<'a>,
    voucher: Cow<'a, str>,
    spoke_for_itself: bool,
    actor_was_found: bool,
    target: PersonText<'a>,
    ask: AskText<'a>,
    session: SessionText<'a>,
    #[serde(deserialize_with = "present")]
    client_id: Option<Cow<'a, str>>,
    started_at: Moment,
    latest: Moment,
    #[serde(deserialize_with = "present")]
    idle_limit: Option<Span>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionText<'a> {
    #[serde(deserialize_with = "present")]
    token_id: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "present")]
    origin_token_id: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "present")]
    session_id: Option<Cow<'a, str>>,
}

/// Seconds since 1970, and nanoseconds beyond them.
#[derive(Serialize, Deserialize)]
struct Moment(i64, u32);

/// Seconds, and nanoseconds beyond them.
#[derive(Serialize, Deserialize)]
struct Span(u64, u32);

impl<'a> StartText<'a> {
    fn of(start: &'a Start) -> Self {
        let session = &start.session;
        Self {
            v: VERSION,
            id: start.id.to_string(),
            actor: PersonText::of(&start.actor),
            voucher: start.voucher.as_ref().into(),
            spoke_for_itself: start.spoke_for_itself,
            actor_was_found: start.actor_was_found,
            target: PersonText::of(&start.target),
            ask: AskText::of(&start.ask),
            session: SessionText {
                token_id: session.token_id.as_deref().map(Cow::Borrowed),
                origin_token_id: session.origin_token_id.as_deref().map(Cow::Borrowed),
                session_id: session.session_id.as_deref().map(Cow::Borrowed),
            },
            client_id: start.client_id.as_deref().map(Cow::Borrowed),
            started_at: start.started_at.into(),
            latest: start.latest.into(),
            idle_limit: start.idle_limit.map(Into::into),
        }
    }

    fn start(self) -> Result<Start, Nonsense> {
        if self.v != VERSION {
            return Err(Nonsense);
        }
        let session = self.session;
        Ok(Start {
            id: self.id.parse::<GrantId>().map_err(|_| Nonsense)?,
            actor: self.actor.identity()?,
            voucher: self.voucher.into(),
            spoke_for_itself: self.spoke_for_itself,
            actor_was_found: self.actor_was_found,
            target: self.target.identity()?,
            ask: self.ask.ask()?,
            session: ActorSession {
                token_id: session.token_id.map(Into::into),
                origin_token_id: session.origin_token_id.map(Into::into),
                session_id: session.session_id.map(Into::into),
            },
            client_id: self.client_id.map(Into::into),
            started_at: self.started_at.timestamp()?,
            latest: self.latest.timestamp()?,
            idle_limit: self.idle_limit.map(|span| span.duration()).transpose()?,
        })
    }
}

impl Moment {
    fn timestamp(&self) -> Result<Timestamp, Nonsense> {
        let beyond = Duration::from_nanos(self.1.into());
        let time = Timestamp::from_unix_seconds(self.0).saturating_add(beyond);
        (self.1 < SECOND).then_some(time).ok_or(Nonsense)
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self(time.unix_seconds(), time.subsec_nanos())
    }
}

impl Span {
    fn duration(&self) -> Result<Duration, Nonsense> {
        let span = (self.1 < SECOND).then(|| Duration::new(self.0, self.1));
        span.ok_or(Nonsense)
    }
}

impl From<Duration> for Span {
    fn from(span: Duration) -> Self {
        Self(span.as_secs(), span.subsec_nanos())
    }
}

const SECOND: u32 = 1_000_000_000;

/// A value or `null`, but not nothing: what was lost must not read as what was never limited.
fn present<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(from)
}

/// A value that nobody wrote.
struct Nonsense;

/// A text that is not the start of a grant, or not one of this version. It quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartError(Wrong);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Version,
    Json { line: usize, column: usize },
    Value,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Wrong::Version => f.write_str("the start of a grant is of an unknown version"),
            Wrong::Json { line, column } => write!(
                f,
                "the start of a grant makes no sense at line {line}, column {column}"
            ),
            Wrong::Value => f.write_str("the start of a grant has a value that makes no sense"),
        }
    }
}

impl Error for StartError {}

#[cfg(test)]
mod tests;
