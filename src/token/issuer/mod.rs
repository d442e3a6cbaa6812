//! Issuers as the configuration describes them.

mod build;
mod cognito;
mod error;
mod facts;
#[cfg(feature = "cognito")]
pub(crate) mod pool_name;
mod profile;
mod url;

use std::fmt;
use std::time::Duration;

use crate::identity::Affiliation;
use crate::token::algorithm::Algorithm;
use crate::token::keys::StaticKeys;

pub(crate) use self::build::{Accepted, Origin};
pub use self::error::{IssuerError, IssuerErrorKind};
pub use self::facts::IssuerFacts;
pub(crate) use self::facts::{Act, GrantIds, SubId, Tenant};
pub(crate) use self::profile::{Accepts, Profile, Shape};
pub(crate) use self::url::UrlRule;

/// One token issuer: where its keys are, and what its tokens must say.
///
/// A Cognito user pool is one. Nothing is checked before the authenticator is built; what is wrong
/// comes back from there.
///
/// Unless said otherwise: leeway 60 s, at most 24 h between `iat` and `exp`, no claim and no `act`
/// is believed to start an impersonation, and the issuer is its own tenant.
///
/// An RSA key that names no algorithm of its own (`alg`) serves RS256, unless
/// [`algorithms`](Self::algorithms) lists several for RSA: then it is skipped.
///
/// ```
/// use tower_impersonate::token::{Authenticator, Issuer, IssuerErrorKind};
///
/// let pool = Issuer::cognito("eu-west-1", "eu-west-1_Ab12Cd34E").client_ids(["55pb79dl8gm0i1ho9hdre91r3k"]);
/// # #[cfg(all(feature = "jwks", any(feature = "aws_lc_rs", feature = "rust_crypto")))]
/// assert!(Authenticator::builder().issuer(pool).build().is_ok());
///
/// let anyone = Issuer::oidc("https://issuer.example.com");
/// let error = Authenticator::builder().issuer(anyone).build().err().map(|error| error.to_string());
/// # #[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
/// assert_eq!(error.as_deref(), Some(r#"issuer "https://issuer.example.com": audiences are missing: call `audiences`"#));
/// ```
#[derive(Clone)]
#[must_use]
pub struct Issuer {
    kind: Kind,
    jwks_url: Option<String>,
    client_ids: Vec<String>,
    acting_clients: Vec<String>,
    audiences: Vec<String>,
    algorithms: Option<Vec<Algorithm>>,
    groups_claim: Option<String>,
    tenant: TenantSetting,
    affiliation: Affiliation,
    trusted: Vec<String>,
    act: Act,
    sub_id: SubId,
    grant_id: GrantIds,
    leeway: Duration,
    max_lifetime: Duration,
    max_age: Option<Duration>,
    types: Types,
    single_key: SingleKey,
    url_rule: UrlRule,
}

#[derive(Clone)]
enum Kind {
    Cognito { region: String, pool: String },
    Oidc { url: String },
    Jwks { issuer: String },
    Static { issuer: String, keys: StaticKeys },
}

#[derive(Clone)]
enum TenantSetting {
    Own,
    Fixed(String),
    Claim(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Types {
    Usual,
    WithIdTokens,
    AtJwt,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SingleKey {
    NeedsKid,
    Fallback,
}

impl Issuer {
    /// An Amazon Cognito user pool; [`client_ids`](Self::client_ids) are required.
    ///
    /// Tokens may carry either form of the pool's issuer; identities carry the original one,
    /// `https://cognito-idp.<region>.amazonaws.com/<pool>`. Access tokens are let in; ID tokens with
    /// [`id_tokens`](Self::id_tokens). Groups come from `cognito:groups`.
    pub fn cognito(region: impl Into<String>, pool: impl Into<String>) -> Self {
        Self::new(Kind::Cognito {
            region: region.into(),
            pool: pool.into(),
        })
    }

    /// An OpenID Connect provider, whose discovery document says where its keys are;
    /// [`audiences`](Self::audiences) are required. The document must name exactly this `url`.
    pub fn oidc(url: impl Into<String>) -> Self {
        Self::new(Kind::Oidc { url: url.into() })
    }

    /// An issuer whose key set has a known URL; [`audiences`](Self::audiences) are required.
    pub fn jwks(issuer: impl Into<String>, jwks_url: impl Into<String>) -> Self {
        let issuer = issuer.into();
        Self::new(Kind::Jwks { issuer }).jwks_url(jwks_url)
    }

    /// An issuer whose keys stand in the configuration; [`audiences`](Self::audiences) are
    /// required.
    pub fn static_keys(issuer: impl Into<String>, keys: StaticKeys) -> Self {
        let issuer = issuer.into();
        Self::new(Kind::Static { issuer, keys })
    }

    fn new(kind: Kind) -> Self {
        Self {
            kind,
            jwks_url: None,
            client_ids: Vec::new(),
            acting_clients: Vec::new(),
            audiences: Vec::new(),
            algorithms: None,
            groups_claim: None,
            tenant: TenantSetting::Own,
            affiliation: Affiliation::Tenant,
            trusted: Vec::new(),
            act: Act::Ignored,
            sub_id: SubId::OwnPeople,
            grant_id: GrantIds::OfOthers,
            leeway: Duration::from_secs(60),
            max_lifetime: Duration::from_secs(24 * 60 * 60),
            max_age: None,
            types: Types::Usual,
            single_key: SingleKey::NeedsKid,
            url_rule: UrlRule::Https,
        }
    }

    /// The app clients whose tokens are let in: `client_id` of an access token (else `azp`), `aud`
    /// of a Cognito ID token. Where none is listed for an issuer other than Cognito, the claim is
    /// not looked at.
    pub fn client_ids(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.client_ids.extend(ids.into_iter().map(Into::into));
        self
    }

    /// Those of the [`client_ids`](Self::client_ids) of a Cognito pool at which actors sign in as their targets, by
    /// [codes](crate::manual::cognito_triggers): a token of theirs without `act` is refused (401), as they make it where
    /// the pool has lost its trigger. Needs [`trust_act`](Self::trust_act). None by default.
    pub fn acting_clients(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.acting_clients.extend(ids.into_iter().map(Into::into));
        self
    }

    /// This service's names: `aud` must contain one. For Cognito access tokens, which usually have
    /// no `aud`, it must if it is there; an app client's ID is as good.
    pub fn audiences(mut self, audiences: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.audiences.extend(audiences.into_iter().map(Into::into));
        self
    }

    /// The algorithms that this issuer may use. Without: RS256 for Cognito, every [`Algorithm`]
    /// elsewhere.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let listed = self.algorithms.get_or_insert_default();
        listed.extend(algorithms);
        self
    }

    /// The claim that lists somebody's groups, an array of strings. A token without it says that
    /// there are none; one that is anything else says nothing.
    pub fn groups_claim(mut self, name: impl Into<String>) -> Self {
        self.groups_claim = Some(name.into());
        self
    }

    /// Puts everybody of this issuer into this tenant, which other issuers may share.
    pub fn tenant(mut self, name: impl Into<String>) -> Self {
        self.tenant = TenantSetting::Fixed(name.into());
        self
    }

    /// Takes the tenant from a claim of each token; absent or blank, it is unknown. It must be a claim that nobody can
    /// write for himself: of a Cognito pool an attribute that no app client may write, or what a pre-token trigger adds.
    /// Cognito's access tokens have no attributes but by such a trigger. The same holds for what the trigger copies, and
    /// for where a directory takes the tenant from.
    pub fn tenant_claim(mut self, name: impl Into<String>) -> Self {
        self.tenant = TenantSetting::Claim(name.into());
        self
    }

    /// Says that this is a central staff, which the tenant rule does not bind.
    pub fn staff(mut self) -> Self {
        self.affiliation = Affiliation::Staff;
        self
    }

    /// Believes this claim of its tokens when it asks for an impersonation.
    pub fn trust_claim(mut self, name: impl Into<String>) -> Self {
        self.trusted.push(name.into());
        self
    }

    /// Believes its tokens when they name an actor (`act`, RFC 8693): whoever can make tokens there
    /// can speak in anybody's name.
    pub fn trust_act(mut self) -> Self {
        self.act = Act::Trusted;
        self
    }

    /// Believes its tokens when they are made for somebody of another issuer: `sub_id` of the format
    /// `iss_sub` (RFC 9493, section 3.2.4), as a [minter](crate::manual::issuers#people-of-another-issuer) writes it.
    ///
    /// The identity's key is then `(sub_id.iss, sub)`, its groups are those that the token names, and its
    /// tenant is the one that the configuration gives everybody of that issuer. Where that issuer is not
    /// configured, groups and tenant are unknown. Such a token must say in `act` who really sends it: it
    /// makes targets, and nobody an actor. Either form of a Cognito issuer becomes the canonical one.
    ///
    /// Whether or not this is called, a token is refused whose `sub_id` is of another format, is not
    /// exactly `format`, `iss` and `sub`, or has another `sub` than the token; and without this, one
    /// whose `sub_id` names another issuer. What cannot be compared with `sub` may mean somebody else.
    pub fn trust_sub_id(mut self) -> Self {
        self.sub_id = SubId::Trusted;
        self
    }

    /// Believes its tokens when they go on under a grant (`grant_id`) that is [kept
    /// here](crate::middleware::Builder::grants): what was known of the actor when it started counts for them.
    ///
    /// A minter's own [issuer](crate::manual::grants) does so by itself. It is for a service that shares the
    /// store with the one that mints, and knows its keys by their URL. From any other issuer such a token is
    /// refused (403), whoever it names.
    pub fn trust_grant_id(mut self) -> Self {
        self.grant_id = GrantIds::Trusted;
        self
    }

    /// Fetches the keys from here, in place of where they would be.
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks_url = Some(url.into());
        self
    }

    /// How far the issuer's clock may be off; at most 300 s.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The longest time from `iat` to `exp`.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// Refuses tokens that were issued longer ago, whatever their `exp`.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Lets a Cognito pool's ID tokens in beside its access tokens.
    pub fn id_tokens(mut self) -> Self {
        self.types = Types::WithIdTokens;
        self
    }

    /// Lets in only access tokens by RFC 9068: `typ` `at+jwt`, and each of `iss`, `exp`, `aud`,
    /// `sub`, `client_id`, `iat` and `jti`.
    pub fn at_jwt(mut self) -> Self {
        self.types = Types::AtJwt;
        self
    }

    /// Checks a token that names no key with the only key of the set, if there is just one.
    pub fn single_key_fallback(mut self) -> Self {
        self.single_key = SingleKey::Fallback;
        self
    }

    /// Lets keys be fetched without TLS from this very machine (`127.0.0.1`, `[::1]`,
    /// `localhost`). For tests.
    pub fn insecure_loopback_http(mut self) -> Self {
        self.url_rule = UrlRule::HttpsOrLoopback;
        self
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("issuer", &self.name())
            .finish_non_exhaustive()
    }
}
