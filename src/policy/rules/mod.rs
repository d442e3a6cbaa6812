mod groups;
mod leaf;
mod limits;
mod people;

pub use self::groups::{Pinned, in_group, machines, takes_group, target_in_group};
pub use self::limits::{fresh_login, read_only, reason_required};
pub use self::people::{
    actor_enabled, allow_all, claim, custom, deny_all, from_issuer, in_tenant, pairs, rank, scope,
    staff, vouched_by,
};
