mod builder;
mod error;
mod unverified;

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "manage")]
use std::time::Duration;

use crate::answer::Answer;
use crate::measure::{Lookup as Cached, Measurement, Measures};
use crate::time::{Clock, Timestamp};
use crate::token::authenticator::unverified::Unverified;
use crate::token::cache::{Found, Place, Signed, TokenCache};
use crate::token::claims::Claims;
use crate::token::compact::{self, Room, text};
use crate::token::error::{TokenError, TokenErrorKind};
use crate::token::extract::Presented;
use crate::token::issuer::IssuerFacts;
use crate::token::issuers::Issuers;
use crate::token::judge::judge;
use crate::token::keys::{Connecting, Key, Lookup, Waiting};
use crate::token::verified::Verified;
#[cfg(feature = "manage")]
use crate::token::window::Window;

pub use self::builder::AuthenticatorBuilder;
pub use self::error::{AuthenticatorError, ConnectError};

/// Turns tokens into [`Verified<Claims>`].
///
/// Holds the issuers, their keys and the cache of verified tokens. Cheap to clone; clones share
/// all of it.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    issuers: Arc<Issuers>,
    cache: TokenCache,
    clock: Arc<dyn Clock>,
    max_token_bytes: usize,
    measures: Measures,
}

impl Authenticator {
    /// Starts the configuration.
    pub fn builder() -> AuthenticatorBuilder {
        AuthenticatorBuilder::new()
    }

    /// Judges a token.
    ///
    /// The answer is there at once unless the token names a key that has to be fetched; a token
    /// that is in the cache costs no allocation. Keys are fetched on a task of their own, so that
    /// outside of a tokio runtime they count as unavailable.
    pub fn authenticate(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Answer<Result<Verified<Claims>, TokenError>> {
        self.authenticate_presented(token.into(), now)
    }

    /// As [`authenticate`](Self::authenticate), of bytes that need not even be text.
    pub(crate) fn authenticate_presented(
        &self,
        token: Presented<'_>,
        now: Timestamp,
    ) -> Answer<Result<Verified<Claims>, TokenError>> {
        match self.0.begin(token.expose(), now) {
            Step::Done(done) => Answer::now(done.inspect_err(refused)),
            Step::Wait(token, kid, waiting, place) => {
                let inner = Arc::clone(&self.0);
                // Nothing but the text is kept while waiting: claims that nobody verified would take
                // many times its memory.
                let token: Box<str> = token.into();
                Answer::later(async move {
                    let done = match waiting.key(kid.as_deref()).await {
                        Ok(key) => inner.go_on(&token, &key, place, now),
                        Err(error) => Err(error),
                    };
                    done.inspect_err(refused)
                })
            }
        }
    }

    /// Judges a token that has expired by the last second in which it counted. For who ends what stands behind it,
    /// and for nobody else.
    #[cfg(feature = "manage")]
    pub(crate) async fn authenticate_expired(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<Claims>, TokenError> {
        let last = self.0.last_second(token).filter(|then| *then < now);
        match last {
            Some(then) => self.authenticate(token, then).await,
            None => self.authenticate(token, now).await,
        }
    }

    /// Fetches the keys of every issuer now, all at once; for those who want to fail early.
    ///
    /// Of a Cognito pool, which has two names, the keys of one are enough.
    ///
    /// # Errors
    ///
    /// The first issuer, in the order of the configuration, whose keys cannot be had.
    pub async fn connect(&self) -> Result<(), ConnectError> {
        let issuers = &self.0.issuers;
        // All are under way before the first is waited for.
        let under_way: Vec<(&str, Vec<Connecting>)> = issuers
            .profiles()
            .iter()
            .map(|profile| {
                let sources = issuers.sources(profile);
                let connecting = sources.filter_map(|source| source.connect()).collect();
                (profile.facts.issuer(), connecting)
            })
            .collect();
        for (issuer, sources) in under_way {
            let mut outcome = Ok(());
            for source in sources {
                outcome = source.done().await;
                if outcome.is_ok() {
                    break;
                }
            }
            outcome.map_err(|failure| ConnectError::new(issuer, failure))?;
        }
        Ok(())
    }

    /// What the configuration says of the issuer with exactly this canonical name.
    #[must_use]
    pub fn issuer_facts(&self, issuer: &str) -> Option<&IssuerFacts> {
        self.issuers().find(|facts| facts.issuer() == issuer)
    }

    /// All configured issuers, in the order of the configuration.
    pub fn issuers(&self) -> impl Iterator<Item = &IssuerFacts> {
        self.0
            .issuers
            .profiles()
            .iter()
            .map(|profile| &profile.facts)
    }

    /// The clock that everything here reads.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }
}

enum Step<'t> {
    Done(Result<Verified<Claims>, TokenError>),
    Wait(&'t str, Option<Box<str>>, Waiting, Place),
}

impl Inner {
    fn begin<'t>(&self, token: &'t [u8], now: Timestamp) -> Step<'t> {
        if token.len() > self.max_token_bytes {
            return Step::Done(Err(TokenErrorKind::TooLong.into()));
        }
        if let Err(kind) = compact::begins_an_object(token) {
            return Step::Done(Err(kind.into()));
        }
        let found = self.cache.find(token, now);
        self.measures.tell(|| {
            Measurement::TokenCache(match found {
                Found::Claims(_) | Found::Signed(..) => Cached::Hit,
                Found::Nothing(_) => Cached::Miss,
            })
        });
        match found {
            Found::Claims(known) => Step::Done(known.map_err(Into::into)),
            Found::Signed(text, signed) => Step::Done(self.read_again(text, &signed, now)),
            Found::Nothing(place) => match text(token) {
                Ok(token) => self.read(token, place, now),
                Err(kind) => Step::Done(Err(kind.into())),
            },
        }
    }

    fn read<'t>(&self, token: &'t str, place: Place, now: Timestamp) -> Step<'t> {
        let mut room = Room::new();
        let unverified = match Unverified::read(token, &mut room, &self.issuers) {
            Ok(unverified) => unverified,
            Err(error) => return Step::Done(Err(error)),
        };
        match unverified.route.source.find(unverified.kid()) {
            Lookup::Known(key) => Step::Done(self.finish(token, &unverified, &key, place, now)),
            Lookup::Refused(error) => Step::Done(Err(error)),
            Lookup::Later(waiting) => {
                Step::Wait(token, unverified.kid().map(Into::into), waiting, place)
            }
        }
    }

    /// A token whose key had to be waited for.
    fn go_on(
        &self,
        token: &str,
        key: &Arc<Key>,
        place: Place,
        now: Timestamp,
    ) -> Result<Verified<Claims>, TokenError> {
        let mut room = Room::new();
        let unverified = Unverified::read(token, &mut room, &self.issuers)?;
        self.finish(token, &unverified, key, place, now)
    }

    fn finish(
        &self,
        token: &str,
        unverified: &Unverified<'_>,
        key: &Arc<Key>,
        place: Place,
        now: Timestamp,
    ) -> Result<Verified<Claims>, TokenError> {
        unverified.verify(key)?;
        let route = unverified.route;
        let (claims, payload) = unverified.claims();
        let keep = TokenCache::keep(place, token, key, &route.source);
        let claims = judge(
            claims,
            payload,
            &route.profile,
            &self.issuers,
            keep.as_ref(),
            now,
        )?;
        self.cache
            .insert(place, token, &claims, (key, &route.source));
        Ok(claims)
    }

    /// When a token counted for the last time, by its own word.
    #[cfg(feature = "manage")]
    fn last_second(&self, token: &str) -> Option<Timestamp> {
        let mut room = Room::new();
        let read = Unverified::read(token, &mut room, &self.issuers).ok()?;
        let window = Window::read(read.claims().0, &read.route.profile).ok()?;
        Some(window.expires_at().saturating_sub(Duration::from_secs(1)))
    }

    /// A token of which the text was verified before, and nothing that it says is known.
    fn read_again(
        &self,
        token: &str,
        signed: &Signed,
        now: Timestamp,
    ) -> Result<Verified<Claims>, TokenError> {
        let mut room = Room::new();
        let read = Unverified::read(token, &mut room, &self.issuers)?;
        let (claims, payload) = read.claims();
        let claims = judge(
            claims,
            payload,
            &read.route.profile,
            &self.issuers,
            None,
            now,
        );
        claims.inspect_err(|_| self.cache.remove(signed))
    }
}

fn refused(error: &TokenError) {
    tracing::debug!(target: "impersonation::token", kind = ?error.kind(), "{error}");
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<&str> = self.issuers().map(IssuerFacts::issuer).collect();
        f.debug_struct("Authenticator")
            .field("issuers", &issuers)
            .field("cache", &self.0.cache)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "aws_lc_rs"))]
mod tests;
