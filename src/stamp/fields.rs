//! The names of the fields, as they stand on spans, in logs and in audit events.
//!
//! They are always these. Whoever declares one of them on a span of their own uses these constants'
//! text.
//!
//! `user.id` means the principal here, as in OpenTelemetry. The Elastic Common Schema means the
//! requester by the same name: search for `impersonation.actor.sub` to be certain.
//!
//! ```
//! use tower_impersonate::stamp::fields;
//!
//! assert_eq!(fields::USER_ID, "user.id");
//! assert!(fields::ALL.contains(&fields::ACTOR_SUB));
//! ```

/// The principal's `sub`: on every authenticated request.
pub const USER_ID: &str = "user.id";

/// The actor's `sub`: who is really there.
pub const ACTOR_SUB: &str = "impersonation.actor.sub";

/// The actor's issuer.
pub const ACTOR_ISS: &str = "impersonation.actor.iss";

/// The target's `sub`; absent for a role.
pub const TARGET_SUB: &str = "impersonation.target.sub";

/// The target's issuer; absent for a role.
pub const TARGET_ISS: &str = "impersonation.target.iss";

/// How far the impersonation goes: `full`, `read_only` or `scoped`.
pub const MODE: &str = "impersonation.mode";

/// How the request said that it impersonates.
pub const STRATEGY: &str = "impersonation.strategy";

/// The id of the grant under which it happens, 43 letters of base64url; a name, and no secret.
pub const GRANT_ID: &str = "impersonation.grant.id";

/// The groups of a role, or those that the target was narrowed to, joined by commas.
pub const GROUPS: &str = "impersonation.groups";

/// All of them.
pub const ALL: &[&str] = &[
    USER_ID, ACTOR_SUB, ACTOR_ISS, TARGET_SUB, TARGET_ISS, MODE, STRATEGY, GRANT_ID, GROUPS,
];
