//! Grants that another service keeps, asked by introspection (RFC 7662).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use quick_cache::sync::Cache;
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::grant::StoreError;
use crate::grant::asking::AppClient;
use crate::grant::source::{AskElsewhere, GrantSource, Look, Source, Told};
use crate::identity::IdentityKey;
use crate::secret::Secret;
use crate::terms::{GrantId, Reason, Ticket};
use crate::time::Timestamp;
use crate::token::strict_object;

/// Asks the service that keeps the grants whether one is alive, at its introspection endpoint
/// (`POST /oauth2/introspect` of the feature `manage`), as an app client with the right `introspect`.
///
/// `url` is `https`, or `http` of this machine. Redirects are not followed; connecting may take 2 s, an answer
/// 5 s and 64 KiB. An answer is kept for 2 s, though never beyond its `exp`, and whoever asks meanwhile waits
/// for the one question that is under way. As long as the service cannot be asked, requests under grants are
/// refused with 503.
///
/// ```
/// use std::time::Duration;
/// use tower_impersonate::grant;
///
/// let desk = grant::introspect("https://desk.example.com/oauth2/introspect", "orders-api", "secret")
///     .keep(Duration::from_secs(1));
/// assert!(!format!("{desk:?}").contains("secret"));
/// ```
pub fn introspect(
    url: impl Into<String>,
    client_id: impl Into<String>,
    client_secret: impl Into<String>,
) -> Introspect {
    Introspect {
        url: url.into(),
        client_id: client_id.into(),
        client_secret: Secret::from(client_secret.into()),
        keep: Duration::from_secs(2),
    }
}

/// Where grants are asked about; made by [`introspect`] and given to
/// [`Builder::grants`](crate::middleware::Builder::grants).
#[derive(Clone)]
#[must_use = "it does nothing until it is given to the builder"]
pub struct Introspect {
    url: String,
    client_id: String,
    client_secret: Secret<'static>,
    keep: Duration,
}

impl Introspect {
    /// How long an answer is kept, and so how long a grant that ended is taken for alive here; 2 s by default,
    /// at most 5 s.
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }
}

impl From<Introspect> for GrantSource {
    fn from(introspect: Introspect) -> Self {
        Self::new(Source::Elsewhere(Arc::new(Asker::new(introspect))))
    }
}

impl fmt::Debug for Introspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspect")
            .field("url", &self.url)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

struct Asker {
    wrong: Option<&'static str>,
    shared: Arc<Shared>,
}

struct Shared {
    client: AppClient,
    url: String,
    keep: Duration,
    known: Cache<GrantId, Arc<Entry>>,
}

/// What is known of one grant. Whoever asks holds `asking`; `last` is held for no wait.
#[derive(Default)]
struct Entry {
    asking: tokio::sync::Mutex<()>,
    last: Mutex<Option<Said>>,
}

#[derive(Clone)]
struct Said {
    at: Timestamp,
    /// Counts the questions, so that those who waited for one take its answer, whatever it is.
    number: u64,
    look: Result<Look, StoreError>,
}

impl Asker {
    fn new(introspect: Introspect) -> Self {
        let Introspect {
            url,
            client_id,
            client_secret,
            keep,
        } = introspect;
        let client = AppClient::new(&client_id, &client_secret);
        let wrong = if keep > MAX_KEEP {
            Some("answers of introspection are kept for at most 5 s")
        } else {
            client.check(&url).err()
        };
        Self {
            wrong,
            shared: Arc::new(Shared {
                client,
                url,
                keep,
                known: Cache::new(MAX_KNOWN),
            }),
        }
    }
}

impl AskElsewhere for Asker {
    fn ask(&self, id: &GrantId, now: Timestamp) -> Answer<Result<Look, StoreError>> {
        let entry = self.shared.entry(id);
        if let Some(said) = self.shared.fresh(&entry, now) {
            return Answer::now(said.look);
        }
        let (shared, id) = (Arc::clone(&self.shared), *id);
        Answer::later(async move { shared.look(&id, &entry, now).await })
    }

    fn check(&self) -> Result<(), String> {
        self.wrong.map_or(Ok(()), |wrong| Err(wrong.to_owned()))
    }
}

impl Shared {
    fn entry(&self, id: &GrantId) -> Arc<Entry> {
        self.known.get(id).unwrap_or_else(|| {
            let fresh = Arc::<Entry>::default();
            self.known.insert(*id, Arc::clone(&fresh));
            fresh
        })
    }

    /// What was said, unless it is too old, or was no answer.
    fn fresh(&self, entry: &Entry, now: Timestamp) -> Option<Said> {
        let said = entry.last()?;
        let fresh = now >= said.at && now.saturating_since(said.at) < self.keep;
        // RFC 7662, section 4: nothing is kept beyond what it says itself.
        let counts = match &said.look {
            Ok(Look::Elsewhere(told)) => told.expires_at.is_none_or(|end| now < end),
            Ok(_) => true,
            Err(_) => false,
        };
        (fresh && counts).then_some(said)
    }

    async fn look(&self, id: &GrantId, entry: &Entry, now: Timestamp) -> Result<Look, StoreError> {
        let before = entry.last().map_or(0, |said| said.number);
        let asking = entry.asking.lock().await;
        if let Some(said) = entry.last().filter(|said| said.number > before) {
            return said.look;
        }
        let look = self.ask(id).await;
        let said = Said {
            at: now,
            number: before + 1,
            look: look.clone(),
        };
        *entry.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
        drop(asking);
        look
    }

    async fn ask(&self, id: &GrantId) -> Result<Look, StoreError> {
        let id_text = id.to_string();
        let form = [("token", &*id_text), ("token_type_hint", "grant_id")];
        let body = self.client.post(&self.url, &form).await?;
        read(&body, id).ok_or_else(|| StoreError::unavailable("introspection made no sense"))
    }
}

impl Entry {
    fn last(&self) -> Option<Said> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What an answer says of that grant; `None` where it is none.
fn read(body: &[u8], id: &GrantId) -> Option<Look> {
    let said = strict_object(std::str::from_utf8(body).ok()?)?;
    if !said.get("active")?.as_bool()? {
        return Some(Look::Unknown);
    }
    let text = |name: &str| said.get(name).and_then(Value::as_str);
    if text("grant_id") != Some(&id.to_string()) {
        return None;
    }
    let told = Told {
        people: Some(people(&said)?),
        mode: Some(text("mode")?.parse().ok()?),
        reason: text("reason").and_then(|reason| Reason::parse(reason, MAX_REASON).ok()),
        ticket: text("ticket").and_then(|ticket| Ticket::parse(ticket).ok()),
        started_at: started_at(&said),
        expires_at: { said.get("exp").and_then(Value::as_i64) }.map(Timestamp::from_unix_seconds),
    };
    Some(Look::Elsewhere(Box::new(told)))
}

/// The actor and the target, each with its issuer; without one it is of the answer's own.
fn people(said: &Map<String, Value>) -> Option<[IdentityKey; 2]> {
    let own = said.get("iss").and_then(Value::as_str);
    let key = |person: &Map<String, Value>| {
        let named = |name: &str| person.get(name).map(Value::as_str);
        let issuer = named("iss").unwrap_or(own)?;
        Some(IdentityKey::new(issuer, named("sub")??))
    };
    let target = match said.get("sub_id") {
        Some(sub_id) => key(sub_id.as_object()?)?,
        None => key(said)?,
    };
    Some([key(said.get("act")?.as_object()?)?, target])
}

fn started_at(said: &Map<String, Value>) -> Option<Timestamp> {
    let text = said.get("started_at")?.as_str()?;
    let moment = humantime::parse_rfc3339(text).ok()?;
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_unix_seconds(0).saturating_add(since))
}

const MAX_KEEP: Duration = Duration::from_secs(5);
const MAX_KNOWN: usize = 10_000;
const MAX_REASON: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Mode;

    #[test]
    fn only_what_says_so_of_this_grant_is_alive() {
        let id = GrantId::from_bytes([1; 32]);
        let other = GrantId::from_bytes([2; 32]);
        let alive = format!(
            r#"{{"active":true,"iss":"https://d","sub":"a","act":{{"sub":"c","iss":"https://s"}},"grant_id":"{id}","mode":"read_only","reason":"r","started_at":"2023-11-14T22:13:20.000000000Z"}}"#
        );
        let Some(Look::Elsewhere(told)) = read(alive.as_bytes(), &id) else {
            panic!("alive");
        };
        assert_eq!(told.mode, Some(Mode::ReadOnly));
        let people = [("https://s", "c"), ("https://d", "a")];
        let people = people.map(|(iss, sub)| IdentityKey::new(iss, sub));
        assert_eq!(told.people, Some(people));
        assert_eq!(
            told.started_at,
            Some(Timestamp::from_unix_seconds(1_700_000_000))
        );
        assert!(matches!(
            read(br#"{"active":false}"#, &id),
            Some(Look::Unknown)
        ));
        for wrong in [
            alive.replace(&id.to_string(), &other.to_string()),
            alive.replace("read_only", "more"),
            alive.replace(r#""sub":"a","#, ""),
            alive.replace(r#""sub":"c","#, ""),
            alive.replace(r#""iss":"https://d","#, ""),
            alive.replace(r#""iss":"https://s""#, r#""iss":1"#),
            alive.replace("act\"", "actor\""),
            alive.replace(r#""act":"#, r#""sub_id":null,"act":"#),
            alive.replace("true", "1"),
            alive.replace("}", r#","active":true}"#),
            r#"{"active":true}"#.to_owned(),
            "{}".to_owned(),
            "[]".to_owned(),
            String::new(),
        ] {
            assert!(read(wrong.as_bytes(), &id).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_could_not_work_is_found_at_once() {
        let wrong = |url: &str, id: &str, secret: &str, keep: u64| {
            let asking = introspect(url, id, secret).keep(Duration::from_secs(keep));
            GrantSource::from(asking).check().is_err()
        };
        let url = "https://desk.example.com/oauth2/introspect";
        assert!(!wrong(url, "a", "s", 5));
        assert!(!wrong("http://127.0.0.1:1/i", "a", "s", 0));
        assert!(wrong("http://desk.example.com/i", "a", "s", 2));
        assert!(wrong(url, "", "s", 2));
        assert!(wrong(url, "a b", "s", 2));
        assert!(wrong(url, "a", "", 2));
        assert!(wrong(url, "a", "s", 6));
    }
}
