//! Who somebody is: the pair `(iss, sub)` and the facts known about it.
//!
//! People are compared and bound by their [`IdentityKey`] and by nothing else: a username can be
//! given to somebody else tomorrow, a `sub` cannot. Usernames, e-mail addresses and the other
//! attributes of an [`Identity`] are for display and look-up.
//!
//! A fact (groups, tenant, rank, enabled, scopes, login) is known or unknown, and unknown is `None`:
//! a policy that needs an unknown fact denies. An empty list of groups is a fact, too.
//!
//! `Debug` shows the key and the facts, never the attributes: they may be personal data.
//!
//! ```
//! use tower_impersonate::Identity;
//!
//! let alice = Identity::new("https://issuer.example.com", "alice-sub")
//!     .with_username("alice")
//!     .with_groups(["customers"]);
//! assert_eq!(alice.key().subject(), "alice-sub");
//! assert!(alice.groups().is_some_and(|groups| groups.contains("customers")));
//! assert_eq!(alice.enabled(), None, "nobody said");
//! ```

mod attributes;
mod key;
mod names;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::time::Timestamp;

use self::attributes::Attributes;
pub(crate) use self::attributes::Claimed;
pub use self::key::IdentityKey;
use self::key::Who;
pub use self::names::Names;
pub(crate) use self::text::{Pieces, Text};

/// One person or app client, as data; whether it is actor, target or principal is said elsewhere.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    own: Arc<Data>,
    /// What somebody else knows of the same person, where its own says nothing. Beside it, because the two are
    /// put together on each request.
    more: Option<Arc<Data>>,
    /// The tenant of its issuer, where neither says one.
    tenant: Option<Arc<str>>,
}

#[derive(Clone, PartialEq)]
struct Data {
    who: Who,
    username: Option<Text>,
    groups: Option<Names>,
    scopes: Option<Names>,
    tenant: Option<Text>,
    rank: Option<i64>,
    enabled: Option<bool>,
    login: Option<Login>,
    kind: Kind,
    affiliation: Affiliation,
    attributes: Attributes,
}

/// Whether an identity is a person or an app client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A person, as far as anybody knows.
    Person,
    /// An app client: `sub` (or `act.sub`) equals `client_id`, or a Cognito access token without
    /// `username`.
    Machine,
}

/// Whether an identity's issuer is the one of a central staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Affiliation {
    /// Bound to its own tenant.
    Tenant,
    /// From an issuer that is configured as staff: the tenant rule does not bind it.
    Staff,
}

/// How and when somebody signed in, as the token says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Login {
    /// `auth_time`: when the person last authenticated; `None` when the token does not say.
    pub at: Option<Timestamp>,
    /// `acr`: the authentication context class.
    pub context_class: Option<Arc<str>>,
    /// `amr`: the methods used; empty when the token does not say.
    pub methods: Names,
}

impl Login {
    /// A login of which nothing is known yet.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            at: None,
            context_class: None,
            methods: Names::default(),
        }
    }
}

impl Data {
    /// Adds what `other` knows and this one does not, of what is not its own token's alone.
    fn complete(&mut self, other: &Self) {
        self.username = self.username.take().or_else(|| other.username.clone());
        self.groups = self.groups.take().or_else(|| other.groups.clone());
        self.tenant = self.tenant.take().or_else(|| other.tenant.clone());
        self.rank = self.rank.or(other.rank);
        self.enabled = self.enabled.or(other.enabled);
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.clone().whole() == other.clone().whole()
    }
}

impl Identity {
    /// Somebody of whom nothing but the key is known.
    pub fn new(issuer: impl Into<Arc<str>>, subject: impl Into<Arc<str>>) -> Self {
        Self::from_key(IdentityKey::new(issuer, subject))
    }

    /// Somebody of whom nothing but the key is known.
    #[must_use]
    pub fn from_key(key: IdentityKey) -> Self {
        Self::from_who(key.into())
    }

    /// The same, of a subject that may be a piece of a token.
    pub(crate) fn at(issuer: Arc<str>, subject: Text) -> Self {
        Self::from_who(Who::new(issuer, subject))
    }

    fn from_who(who: Who) -> Self {
        Self {
            own: Arc::new(Data {
                who,
                username: None,
                groups: None,
                scopes: None,
                tenant: None,
                rank: None,
                enabled: None,
                login: None,
                kind: Kind::Person,
                affiliation: Affiliation::Tenant,
                attributes: Attributes::none(),
            }),
            more: None,
            tenant: None,
        }
    }

    /// The memory of one, without what stands elsewhere.
    pub(crate) const SIZE: usize = size_of::<Data>();

    /// Adds the name it is shown by.
    #[must_use]
    pub fn with_username(self, username: impl Into<Arc<str>>) -> Self {
        self.named(username.into().into())
    }

    /// Says which groups it is in; this is the whole list, an empty one included.
    #[must_use]
    pub fn with_groups(self, groups: impl Into<Names>) -> Self {
        self.change(|data| data.groups = Some(groups.into()))
    }

    /// Says which scopes its credential carries.
    #[must_use]
    pub fn with_scopes(self, scopes: impl Into<Names>) -> Self {
        self.change(|data| data.scopes = Some(scopes.into()))
    }

    /// Says which tenant it belongs to. Without it, its issuer's tenant counts.
    #[must_use]
    pub fn with_tenant(self, tenant: impl Into<Arc<str>>) -> Self {
        self.in_tenant(tenant.into().into())
    }

    /// Says how high it stands; a greater number is higher. The numbers are the application's.
    #[must_use]
    pub fn with_rank(self, rank: i64) -> Self {
        self.change(|data| data.rank = Some(rank))
    }

    /// Says that the account may be used. Nobody can act as an account of which the directory does not
    /// say so.
    #[must_use]
    pub fn enabled_account(self) -> Self {
        self.change(|data| data.enabled = Some(true))
    }

    /// Says that the account is disabled, locked or expired: nobody can act as it, and it can act as
    /// nobody.
    #[must_use]
    pub fn disabled_account(self) -> Self {
        self.change(|data| data.enabled = Some(false))
    }

    /// Says when and how it signed in.
    #[must_use]
    pub fn with_login(self, login: Login) -> Self {
        self.change(|data| data.login = Some(login))
    }

    /// Adds one attribute of its profile, or replaces it.
    #[must_use]
    pub fn with_attribute(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.change(|data| data.attributes.insert(name.into(), value.into()))
    }

    pub(crate) fn named(self, username: Text) -> Self {
        self.change(|data| data.username = Some(username))
    }

    pub(crate) fn in_tenant(self, tenant: Text) -> Self {
        self.change(|data| data.tenant = Some(tenant))
    }

    /// What a token said, read before: without the claim that holds the groups and without `scope`.
    pub(crate) fn with_attributes(
        self,
        attributes: Map<String, Value>,
        groups_claim: Option<&str>,
    ) -> Self {
        let groups_claim = groups_claim.map(Into::into);
        self.change(|data| data.attributes = Attributes::of_map(attributes, groups_claim))
    }

    /// The claims of its own token, which are read when somebody asks for one.
    pub(crate) fn with_claims(self, claims: Claimed, groups_claim: Option<Arc<str>>) -> Self {
        self.change(|data| data.attributes = Attributes::of_token(claims, groups_claim))
    }

    pub(crate) fn attributes(&self) -> &Map<String, Value> {
        self.own.attributes.get()
    }

    /// Whether a claim of that name would be a fact and no attribute, so that its absence says nothing.
    pub(crate) fn keeps_as_fact(&self, claim: &str) -> bool {
        claim == "scope" || self.groups_claim() == Some(claim)
    }

    /// The claim of its token that holds the groups.
    pub(crate) fn groups_claim(&self) -> Option<&str> {
        self.own.attributes.groups_claim()
    }

    pub(crate) fn with_kind(self, kind: Kind) -> Self {
        self.change(|data| data.kind = kind)
    }

    pub(crate) fn with_affiliation(self, affiliation: Affiliation) -> Self {
        self.change(|data| data.affiliation = affiliation)
    }

    /// Adds the facts that `other` knows and this one does not; what both know, `self` decides.
    ///
    /// Scopes, login and attributes stay as they are: they are what one's own token says.
    pub(crate) fn completed_by(mut self, other: Self) -> Self {
        if self.more.is_none() && other.more.is_none() {
            self.more = Some(other.own);
            self.tenant = self.tenant.or(other.tenant);
            return self;
        }
        self.change(|data| data.complete(&other.whole()))
    }

    /// In the tenant of its issuer, where none is known.
    pub(crate) fn in_tenant_of_issuer(mut self, tenant: Arc<str>) -> Self {
        self.tenant.get_or_insert(tenant);
        self
    }

    /// To be kept for longer than its token: without what was known of the account, which is asked anew each
    /// time, and with texts of its own.
    pub(crate) fn kept_for_long(self) -> Self {
        self.change(|data| {
            data.enabled = None;
            data.who = data.who.key().clone().into();
            // A copy is made of values, and no longer of the claims.
            data.attributes = data.attributes.clone();
            let own = |text: &mut Text| *text = text.shared().into();
            { data.username.iter_mut() }
                .chain(&mut data.tenant)
                .for_each(own);
            let own = |names: &mut Names| *names = names.iter().collect();
            { data.groups.iter_mut() }
                .chain(&mut data.scopes)
                .for_each(own);
            if let Some(login) = &mut data.login {
                login.methods = login.methods.iter().collect();
            }
        })
    }

    /// As [`completed_by`](Self::completed_by), with what its own token said when a grant started.
    pub(crate) fn resumed_from(self, start: &Self) -> Self {
        let start = start.clone().whole();
        self.change(|data| {
            data.complete(&start);
            data.scopes = data.scopes.take().or_else(|| start.scopes.clone());
            data.login = data.login.take().or_else(|| start.login.clone());
            if data.attributes.get().is_empty() {
                data.attributes = start.attributes.clone();
            }
            if start.kind == Kind::Machine {
                data.kind = Kind::Machine;
            }
        })
    }

    /// The same person in another role: these groups, and nothing else that could carry a right.
    pub(crate) fn in_role(self, groups: Names) -> Self {
        self.change(|data| {
            data.groups = Some(groups);
            data.scopes = None;
            data.rank = None;
            data.attributes = data.attributes.emptied();
        })
    }

    fn change(self, f: impl FnOnce(&mut Data)) -> Self {
        let mut own = self.whole();
        f(Arc::make_mut(&mut own));
        Self {
            own,
            more: None,
            tenant: None,
        }
    }

    /// All that is known, in one place.
    fn whole(self) -> Arc<Data> {
        let Self {
            mut own,
            more,
            tenant,
        } = self;
        if more.is_none() && tenant.is_none() {
            return own;
        }
        let data = Arc::make_mut(&mut own);
        if let Some(more) = more {
            data.complete(&more);
        }
        data.tenant = data.tenant.take().or(tenant.map(Into::into));
        own
    }

    /// What is known first by itself, or else by whoever knows more.
    fn known<'a, T>(&'a self, fact: impl Fn(&'a Data) -> Option<T>) -> Option<T> {
        fact(&self.own).or_else(|| fact(self.more.as_deref()?))
    }

    /// Issuer and subject.
    #[must_use]
    pub fn key(&self) -> &IdentityKey {
        self.own.who.key()
    }

    /// The issuer; short for `key().issuer()`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.own.who.issuer()
    }

    /// The `sub`; short for `key().subject()`.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.own.who.subject()
    }

    /// The name to show; never a key.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.known(|data| data.username.as_deref())
    }

    /// The groups at its own issuer; `None` when they are unknown.
    #[must_use]
    pub fn groups(&self) -> Option<&Names> {
        self.known(|data| data.groups.as_ref())
    }

    /// The scopes of its own credential; `None` when they are unknown.
    #[must_use]
    pub fn scopes(&self) -> Option<&Names> {
        self.own.scopes.as_ref()
    }

    /// The tenant; `None` when it is unknown.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.known(|data| data.tenant.as_deref())
            .or(self.tenant.as_deref())
    }

    /// The rank that a directory gave; `None` when it is unknown.
    #[must_use]
    pub fn rank(&self) -> Option<i64> {
        self.known(|data| data.rank)
    }

    /// Whether the account may be used; `None` when it is unknown.
    #[must_use]
    pub fn enabled(&self) -> Option<bool> {
        self.known(|data| data.enabled)
    }

    /// How it signed in; `None` when its own token is not at hand.
    #[must_use]
    pub fn login(&self) -> Option<&Login> {
        self.own.login.as_ref()
    }

    /// Person or app client.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.own.kind
    }

    /// Staff or bound to a tenant.
    #[must_use]
    pub fn affiliation(&self) -> Affiliation {
        self.own.affiliation
    }

    /// One attribute: a claim of its own token, or what the directory knows.
    ///
    /// The claims that hold the groups and the scopes are not among them: they are facts, and may
    /// have been narrowed.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes().get(name)
    }

    /// One attribute, where it is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attribute(name).and_then(Value::as_str)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("iss", &self.issuer())
            .field("sub", &self.subject())
            .field("groups", &self.groups())
            .field("tenant", &self.tenant())
            .field("rank", &self.rank())
            .field("enabled", &self.enabled())
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}
