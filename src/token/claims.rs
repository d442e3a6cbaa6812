use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::identity::{Identity, IdentityKey, Kind, Names, Pieces, Text};
use crate::time::Timestamp;
use crate::token::cache::Kept;
use crate::token::error::TokenErrorKind;
use crate::token::issuer::{IssuerFacts, Profile};
use crate::token::issuers::Issuers;
use crate::token::json::Document;
use crate::token::name_set::NameSet;
use crate::token::person::{client, known_by_issuer};
use crate::token::telling::{Telling, is_telling};
use crate::token::verified::{Evidence, Origin, Verified};
use crate::token::window::Window;

/// The claims of a token.
///
/// There are no unverified ones: they come as [`Verified<Claims>`] from
/// [`Authenticator::authenticate`](crate::token::Authenticator::authenticate), or not at all.
/// Cheap to clone; `Debug` shows who it is, not what is claimed.
#[derive(Clone)]
pub struct Claims(Arc<Data>);

struct Data {
    /// With all claims as its attributes.
    identity: Identity,
    window: Window,
    marks: Marks,
    profile: Arc<Profile>,
    issuers: Arc<Issuers>,
    /// Whom it names beside its own subject, shared by all requests with it.
    named: OnceLock<Arc<str>>,
    /// Who acts, where its `act` is believed.
    acting: OnceLock<Identity>,
    /// `None` where the cache does not keep claims.
    kept: Option<Kept>,
}

/// What is asked of the claims on each request, so that none has to be looked up among the others.
#[derive(Clone)]
pub(super) struct Marks {
    client: Option<Text>,
    token_id: Option<Text>,
    /// `None` where several are named.
    #[cfg(feature = "mint")]
    audience: Option<Text>,
    names: NameSet,
    telling: Telling,
}

impl Marks {
    pub(super) fn read(claims: &Document<'_>, pieces: &Pieces<'_>, facts: &IssuerFacts) -> Self {
        let text = |text| pieces.text(text);
        Self {
            client: client(claims).map(text),
            token_id: claims.text("jti").map(text),
            #[cfg(feature = "mint")]
            audience: claims.text("aud").map(text),
            names: claims.members().map(|(name, _)| name).collect(),
            telling: Telling::read(claims, facts),
        }
    }
}

impl Claims {
    /// The memory of those of one token, without what stands elsewhere.
    pub(super) const SIZE: usize = size_of::<Data>();

    pub(super) fn verified(
        identity: Identity,
        window: Window,
        marks: Marks,
        profile: Arc<Profile>,
        issuers: Arc<Issuers>,
        kept: Option<Kept>,
    ) -> Verified<Self> {
        let data = Data {
            identity,
            window,
            marks,
            profile,
            issuers,
            named: OnceLock::new(),
            acting: OnceLock::new(),
            kept,
        };
        Verified::new(Self(Arc::new(data)), ())
    }

    /// What the cache keeps with them.
    pub(super) fn kept(&self) -> Option<&Kept> {
        self.0.kept.as_ref()
    }

    /// The issuer, by its canonical name.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer_facts().issuer()
    }

    /// What the configuration says of the issuer.
    #[must_use]
    pub fn issuer_facts(&self) -> &IssuerFacts {
        &self.0.profile.facts
    }

    /// The token's own `sub`, with what the token says of it.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// One claim, as it stands in the token.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.find(name, NameSet::of(name))
    }

    /// As [`get`](Self::get), for a name of which the set is known.
    pub(crate) fn find(&self, name: &str, set: NameSet) -> Option<&Value> {
        if !self.names().may_have(set) {
            return None;
        }
        let told = self.0.marks.telling.get(name);
        told.or_else(|| match is_telling(name, self.issuer_facts()) {
            true => None,
            false => self.0.identity.attribute(name),
        })
    }

    /// The names of the claims, to ask for many at once whether any is there.
    pub(crate) fn names(&self) -> NameSet {
        self.0.marks.names
    }

    /// `exp`, without leeway.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.0.window.expires_at()
    }

    /// `jti`.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.0.marks.token_id.as_deref()
    }

    /// The app client that the token was issued to: `client_id`, else `azp`.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.0.marks.client.as_deref()
    }

    /// Whether the issuer's configuration believes this claim when it asks for an impersonation.
    #[must_use]
    pub fn trusts_claim(&self, name: &str) -> bool {
        self.issuer_facts().trusts_claim(name)
    }

    /// Whether the issuer's configuration believes its `act`.
    #[must_use]
    pub fn trusts_act(&self) -> bool {
        self.issuer_facts().trusts_act()
    }

    /// The configured name of an issuer that has several; any other as it is.
    pub(crate) fn canonical(&self, issuer: &str) -> Arc<str> {
        match self.0.issuers.profile(issuer) {
            Some(profile) => profile.facts.shared_issuer(),
            None => issuer.into(),
        }
    }

    /// The name of somebody of whom it tells, shared: a token tells of one, on every request.
    pub(crate) fn shared_name(&self, name: &str) -> Arc<str> {
        let shared = self.0.named.get_or_init(|| name.into());
        match **shared == *name {
            true => Arc::clone(shared),
            false => name.into(),
        }
    }

    /// The one service that the token is for; `None` where it names several, or none.
    #[cfg(feature = "mint")]
    pub(crate) fn only_audience(&self) -> Option<&str> {
        self.0.marks.audience.as_deref()
    }

    /// The one issuer that is configured; `None` where there are several.
    pub(crate) fn only_issuer(&self) -> Option<Arc<str>> {
        match self.0.issuers.profiles() {
            [only] => Some(only.facts.shared_issuer()),
            _ => None,
        }
    }

    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), TokenErrorKind> {
        self.0.window.check(now)
    }
}

impl Verified<Claims> {
    /// The one to whom the token was issued.
    #[must_use]
    pub fn caller(&self) -> Verified<Identity> {
        Verified::new(self.identity().clone(), self.evidence(Origin::Own))
    }

    /// The same token, as if it did not name these groups.
    pub(crate) fn without_groups(self, lapsed: &Names) -> Self {
        let Some(groups) = self.identity().groups().filter(|_| !lapsed.is_empty()) else {
            return self;
        };
        let left: Names = { groups.iter() }
            .filter(|group| !lapsed.contains(group))
            .collect();
        Claims::verified(
            self.identity().clone().with_groups(left),
            self.0.window.clone(),
            self.0.marks.clone(),
            Arc::clone(&self.0.profile),
            Arc::clone(&self.0.issuers),
            None,
        )
    }

    /// The actor that the token names in `act`; `None` unless the issuer is trusted for that.
    ///
    /// Nothing is known of the actor but what the configuration says of its issuer: whether it is
    /// staff, and its tenant where that is fixed; and that it is a machine when it is the app client
    /// to which the token was issued. Either form of a Cognito issuer becomes the canonical one.
    #[must_use]
    pub fn acting(&self, actor: IdentityKey) -> Option<Verified<Identity>> {
        if !self.trusts_act() || !self.names_in_act(&actor) {
            return None;
        }
        // It can only be this one.
        let identity = self.0.acting.get_or_init(|| self.known(actor)).clone();
        Some(Verified::new(identity, self.evidence(Origin::NamedByAct)))
    }
}

impl Claims {
    fn evidence(&self, origin: Origin) -> Evidence {
        Evidence {
            voucher: self.issuer_facts().shared_issuer(),
            expires_at: self.expires_at(),
            origin,
        }
    }

    /// What the token and the configuration say of the actor.
    fn known(&self, actor: IdentityKey) -> Identity {
        let identity = match self.0.issuers.profile(actor.issuer()) {
            None => Identity::from_key(actor),
            Some(profile) => known_by_issuer(actor.shared_subject().into(), &profile.facts),
        };
        // An app client that acts for somebody names itself; who speaks of other issuers' people names
        // their app clients, too.
        let its_client = identity.issuer() == self.issuer() || self.issuer_facts().trusts_sub_id();
        if its_client && self.client_id() == Some(identity.subject()) {
            identity.with_kind(Kind::Machine)
        } else {
            identity
        }
    }

    /// Whether the outermost `act` names this actor: nobody else can be one.
    fn names_in_act(&self, actor: &IdentityKey) -> bool {
        let Some(act) = self.get("act") else {
            return false;
        };
        let named = |name: &str| act.get(name).and_then(Value::as_str);
        let issuer = self.canonical(named("iss").unwrap_or(self.issuer()));
        named("sub") == Some(actor.subject()) && issuer == self.canonical(actor.issuer())
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("iss", &self.issuer())
            .field("sub", &self.0.identity.subject())
            .finish_non_exhaustive()
    }
}
