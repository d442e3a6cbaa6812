use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

use crate::audit::Recorded;
use crate::mint::builder::MAX_LIFETIME;
use crate::mint::payload::{self, Behalf, Payload};
use crate::mint::request::times;
use crate::mint::ring::Ring;
use crate::mint::{
    MintError, MintErrorKind, MintRequest, Minted, MinterBuilder, MinterError, Rotation, SigningKey,
};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::token::{Algorithm, Issuer, LiveKeys, StaticKeys};

/// Makes access tokens.
///
/// Cheap to clone; clones share the keys. Signing waits for nobody but a rotation that swaps a pointer.
#[derive(Clone)]
pub struct Minter(Arc<Inner>);

struct Inner {
    issuer: Box<str>,
    audiences: Vec<Box<str>>,
    own_audience: Box<str>,
    scopes: Vec<Box<str>>,
    lifetime: Duration,
    ring: RwLock<Arc<Ring>>,
    /// What layers of this process check with.
    live: LiveKeys,
}

/// What a builder has checked.
pub(super) struct Parts {
    pub(super) issuer: Box<str>,
    pub(super) audiences: Vec<Box<str>>,
    pub(super) own_audience: Box<str>,
    pub(super) scopes: Vec<Box<str>>,
    pub(super) lifetime: Duration,
    pub(super) ring: Ring,
}

impl Minter {
    /// Starts the configuration; `issuer` is the `iss` of its tokens.
    pub fn builder(issuer: impl Into<String>) -> MinterBuilder {
        MinterBuilder::new(issuer.into())
    }

    pub(super) fn new(parts: Parts) -> Result<Self, MinterError> {
        let live = LiveKeys::from_jwks(parts.ring.jwks(), &parts.issuer);
        Ok(Self(Arc::new(Inner {
            issuer: parts.issuer,
            audiences: parts.audiences,
            own_audience: parts.own_audience,
            scopes: parts.scopes,
            lifetime: parts.lifetime,
            live: live.map_err(MinterError::KeySet)?,
            ring: RwLock::new(Arc::new(parts.ring)),
        })))
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.0.issuer
    }

    /// The services that tokens may be made for.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.0.audiences.iter().map(|audience| &**audience)
    }

    /// The one of them that this service itself is.
    #[must_use]
    pub fn own_audience(&self) -> &str {
        &self.0.own_audience
    }

    /// The scopes to which an impersonation may be narrowed.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.scopes.iter().map(|scope| &**scope)
    }

    /// The public keys in JSON (RFC 7517): the one that signs, the next one and the one before.
    #[must_use]
    pub fn jwks(&self) -> Bytes {
        self.ring().jwks().clone()
    }

    /// The configuration that lets its tokens in, for a layer in this process: `at+jwt` alone, for
    /// [this service](Self::own_audience), with its `act`, its `sub_id` and its `groups` believed.
    ///
    /// The layer follows every rotation without a fetch. Another process takes
    /// [`Issuer::jwks`] with the URL under which [`jwks`](Self::jwks) is served, and says the same.
    pub fn issuer(&self) -> Issuer {
        self.issuer_for([self.own_audience()])
    }

    /// As [`issuer`](Self::issuer), for whoever tells by themselves what a token for another service may do here.
    pub(crate) fn issuer_for_any(&self) -> Issuer {
        self.issuer_for(self.audiences())
    }

    fn issuer_for<'a>(&self, audiences: impl IntoIterator<Item = &'a str>) -> Issuer {
        let keys = StaticKeys::from(self.0.live.clone());
        Issuer::static_keys(self.issuer_name(), keys)
            .audiences(audiences)
            .algorithms([Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256])
            .at_jwt()
            .max_lifetime(MAX_LIFETIME)
            .groups_claim("groups")
            .trust_act()
            .trust_sub_id()
            .trust_grant_id()
    }

    /// Takes the next step of a rollover; `key` is published from now on and signs after the next call.
    ///
    /// A key goes through three states: announced, signing, and still published. Where one is announced, it
    /// signs now and `key` is announced in its place; where none is, `key` is announced and nothing else
    /// changes. So no token is ever signed by a key that nobody could have fetched.
    ///
    /// Wait between two calls for as long as verifiers keep a key set (12 hours at most for
    /// [`Issuer`]s), and for the lifetime of a token: what was signed by the key before the one that
    /// signed until now ends at once. Nothing is written: after a restart the builder says again which keys
    /// there are.
    ///
    /// # Errors
    ///
    /// A key of that name is there already; nothing is changed then.
    pub fn rotate(&self, key: SigningKey) -> Result<Rotation, MinterError> {
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        let (next, rotation) = ring.advanced(key)?;
        self.0
            .live
            .replace(next.jwks(), &self.0.issuer)
            .map_err(MinterError::KeySet)?;
        *ring = Arc::new(next);
        Ok(rotation)
    }

    /// A token by which the actor acts as the target, as far as it was permitted and recorded.
    ///
    /// It expires after the lifetime, at `not_after`, or with the token that proved the actor, whichever comes
    /// first.
    ///
    /// # Errors
    ///
    /// The kind says which: the audience, the time that is left, a role in place of a target, an
    /// actor that is impersonated itself, a scope that is none of the minter's, too many groups, or no signature.
    pub fn mint(&self, recorded: &Recorded, request: &MintRequest) -> Result<Minted, MintError> {
        let permit = recorded.permit();
        let target = permit.target().ok_or(MintErrorKind::Role)?;
        let (actor, issuer) = (permit.actor(), self.issuer_name());
        let scopes = permit.ask().scopes().map(|scopes| scopes.iter());
        let known = |scope: &str| self.scopes().any(|known| known == scope);
        if !scopes.clone().into_iter().flatten().all(known) {
            return Err(MintErrorKind::Scope.into());
        }
        let own = || payload::client_id(actor, issuer);
        self.sign(Asked {
            subject: target.subject(),
            client_id: request.client.as_deref().unwrap_or_else(own),
            scope: payload::scope(scopes.into_iter().flatten())?,
            audience: request.audience.as_deref(),
            now: request.now,
            limits: [Some(actor.expires_at()), request.not_after],
            behalf: Some(Behalf::new(permit, target, issuer)?),
        })
    }

    /// A token for an app client that proved itself (RFC 6749, section 4.4): `sub` is the client, and nobody
    /// acts for anybody. Whoever calls this has checked the client's secret.
    ///
    /// # Errors
    ///
    /// The kind says which: the client's name, the audience, a malformed scope, or no signature.
    pub fn mint_client(
        &self,
        client_id: &str,
        scope: Option<&str>,
        audience: Option<&str>,
        now: Timestamp,
    ) -> Result<Minted, MintError> {
        if client_id.trim().is_empty() || client_id.len() > MAX_CLIENT {
            return Err(MintErrorKind::Client.into());
        }
        let scopes = scope.into_iter().flat_map(|scope| scope.split(' '));
        self.sign(Asked {
            subject: client_id,
            client_id,
            scope: payload::scope(scopes)?,
            audience,
            now,
            limits: [None, None],
            behalf: None,
        })
    }

    fn sign(&self, asked: Asked<'_>) -> Result<Minted, MintError> {
        let audience = self.audience(asked.audience)?;
        let limits = asked.limits.into_iter().flatten();
        let (issued_at, end) = times(asked.now, self.0.lifetime, limits)?;
        let token_id = token_id()?;
        let payload = Payload {
            iss: self.issuer_name(),
            sub: asked.subject,
            aud: audience,
            exp: end,
            iat: issued_at,
            jti: &token_id,
            client_id: asked.client_id,
            scope: asked.scope.as_deref(),
            behalf: asked.behalf,
        };
        let payload = serde_json::to_vec(&payload).map_err(|_| MintErrorKind::Signing)?;
        let token = self.ring().current().token(&payload)?;
        if token.len() > MAX_TOKEN {
            return Err(MintErrorKind::TooLarge.into());
        }
        let expires_at = Timestamp::from_unix_seconds(end);
        Ok(Minted {
            token: Secret::from(token),
            expires_in: expires_at.saturating_since(Timestamp::from_unix_seconds(issued_at)),
            expires_at,
            audience: audience.to_owned(),
            token_id,
            scope: asked.scope,
        })
    }

    fn audience(&self, asked: Option<&str>) -> Result<&str, MintError> {
        let mut audiences = self.audiences();
        match (asked, audiences.next(), audiences.next()) {
            (None, Some(only), None) => Ok(only),
            (None, ..) => Err(MintErrorKind::AudienceRequired.into()),
            (Some(asked), ..) => self
                .audiences()
                .find(|known| *known == asked)
                .ok_or_else(|| MintErrorKind::UnknownAudience.into()),
        }
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.0.ring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One token, before anything of it is checked against the configuration.
struct Asked<'a> {
    subject: &'a str,
    client_id: &'a str,
    scope: Option<String>,
    audience: Option<&'a str>,
    now: Timestamp,
    limits: [Option<Timestamp>; 2],
    behalf: Option<Behalf<'a>>,
}

fn token_id() -> Result<String, MintError> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|_| MintErrorKind::Signing)?;
    Ok(URL_SAFE_NO_PAD.encode(bits))
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minter")
            .field("issuer", &self.0.issuer)
            .field("audiences", &self.0.audiences)
            .field("own_audience", &self.0.own_audience)
            .field("current", self.ring().current())
            .finish_non_exhaustive()
    }
}

/// What layers take at most, unless they are told otherwise.
const MAX_TOKEN: usize = 8 * 1024;
const MAX_CLIENT: usize = 256;
