//! The manual: one page for each thing that you decide.
//!
//! | page | the question |
//! |---|---|
//! | [`strategies`] | How does a request say that it impersonates? |
//! | [`policies`] | Who may act as whom? |
//! | [`issuers`] | Whose tokens count, and with which keys are they checked? |
//! | [`errors`] | What does the layer answer, and what is logged? |
//! | [`observability`] | What stands on spans, in logs and in the audit? |
//! | [`performance`] | What does it cost, and how large should the cache be? |
//! | [`embedding`] | Where does the layer stand in axum, hyper and tonic? |
//! | [`grants`] | How does a token for a user begin, and how does it end? |
//! | `cognito` (feature `cognito`) | How do Cognito user pools come in, and which strategy fits? |
//! | [`guards`] | What must not happen while somebody impersonates? |
//! | [`cognito_triggers`] | How does somebody sign in at a Cognito user pool as somebody else? |
//! | [`security`] | What is guaranteed, what is not, and which test holds it? |
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | actor | who really sends the request: a person with the right, or an app client. From the verified credential and from nothing else. |
//! | target | the user being impersonated |
//! | principal | the identity that handlers see: the target while impersonating, else the caller |
//! | identity key | `(iss, sub)`: how people are compared. Never a username, never an e-mail address. |
//! | facts | groups, scopes, tenant, rank, enabled, login. Each is known or unknown. |
//! | group | of one issuer: who is in `admins` at one issuer is in no group of another |
//! | tenant | whom an actor may reach: actor's and target's must be equal unless the actor is staff |
//! | mode | how far an impersonation goes: `full`, `read_only` or `scoped` |
//! | grant | the stored permission for one actor to act as one target, from a start to an end |
//! | strategy | how a request says that it impersonates |
//! | role | a strategy without a target: the actor stays itself and has, for one request, named groups and no scopes |
//! | policy | the one decision whether this actor may do this now |
//! | stamp | the two subs on spans and logs |
//! | machine | an app client: its `sub` is the token's `client_id`, also as `act.sub`, or a Cognito access token has no `username` |
//!
//! # The samples
//!
//! Every sample is compiled, and run. What they share is hidden: `people()` is a directory with Alice
//! and Bob, two customers, Carol of the support team and Root, an administrator; `carol(&issuer)` is
//! Carol's token; `send` passes a request through a layer to a handler that answers with the
//! principal it saw, such as `alice-sub in customers`. `TestIssuer` signs real tokens; it comes with
//! the feature `testing` and stands for your identity provider.

#[doc = include_str!("strategies.md")]
pub mod strategies {}

#[doc = include_str!("policies.md")]
pub mod policies {}

#[doc = include_str!("issuers.md")]
pub mod issuers {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("observability.md")]
pub mod observability {}

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("embedding.md")]
pub mod embedding {}

#[doc = include_str!("grants.md")]
pub mod grants {}
#[cfg(feature = "cognito")]
#[cfg_attr(docsrs, doc(cfg(feature = "cognito")))]
#[doc = include_str!("cognito.md")]
pub mod cognito {}

#[doc = include_str!("guards.md")]
pub mod guards {}

#[doc = include_str!("cognito_triggers.md")]
pub mod cognito_triggers {}

#[doc = include_str!("security.md")]
pub mod security {}
