//! Who in a pool is meant.

use crate::cognito::budget::Budget;
use crate::cognito::{ApiError, Filter, PoolUser, UserPoolApi};

/// What a look-up found.
#[derive(Debug)]
pub(super) enum Found {
    Nobody,
    One(PoolUser),
    Several,
}

/// Whoever has that `sub` now.
///
/// `ListUsers` finds usernames, and `AdminGetUser` says whose each is today: a profile that was linked to
/// another one is still listed under the `sub` that it had before.
pub(super) async fn by_sub(
    api: &dyn UserPoolApi,
    sub: &str,
    budget: Budget,
) -> Result<Found, ApiError> {
    let Some(filter) = Filter::sub(sub) else {
        return Ok(Found::Nobody);
    };
    let listed = budget.all(|page| api.list_users(&filter, page)).await?;
    let is_it = |_: &str, user: &PoolUser| user.sub() == Some(sub);
    only(api, listed, is_it, budget).await
}

/// Whoever bears that name now: a username, a verified e-mail address, `Provider_id` of an identity that
/// is linked, or the preferred username where the pool takes it for an alias.
pub(super) async fn by_name(
    api: &dyn UserPoolApi,
    name: &str,
    budget: Budget,
) -> Result<Found, ApiError> {
    // What the API would call an invalid parameter is nobody's name.
    if !(1..=128).contains(&name.chars().count()) || name.contains(char::is_control) {
        return Ok(Found::Nobody);
    }
    let mut candidates = vec![name.to_owned()];
    // The pool answers with one of those that bear an address, if it is an alias at all.
    if let Some(filter) = name.contains('@').then(|| Filter::email(name)).flatten() {
        candidates.extend(budget.all(|page| api.list_users(&filter, page)).await?);
    }
    // Whom the pool itself knows by that name. Who is only listed for the address must own it: users choose
    // their preferred username, which is a name only where the pool says so.
    let bears = |asked: &str, user: &PoolUser| {
        user.owns_email(name)
            || asked == name
                && (user.username().eq_ignore_ascii_case(name)
                    || user.is_linked_as(name)
                    || user.attribute("preferred_username") == Some(name))
    };
    only(api, candidates, bears, budget).await
}

/// The only one of these that fits, whatever it is called. Of too many nobody is asked for.
async fn only(
    api: &dyn UserPoolApi,
    mut usernames: Vec<String>,
    fits: impl Fn(&str, &PoolUser) -> bool,
    budget: Budget,
) -> Result<Found, ApiError> {
    usernames.sort_unstable();
    usernames.dedup();
    if usernames.len() > MOST_CANDIDATES {
        return Ok(Found::Several);
    }
    let mut found: Option<PoolUser> = None;
    for username in &usernames {
        let Some(user) = budget.call(|| api.get_user(username)).await? else {
            continue;
        };
        if user.sub().is_none() || !fits(username, &user) {
            continue;
        }
        let same =
            |other: &PoolUser| (other.sub(), other.username()) == (user.sub(), user.username());
        if !found.as_ref().is_none_or(same) {
            return Ok(Found::Several);
        }
        found = Some(user);
    }
    Ok(found.map_or(Found::Nobody, Found::One))
}

const MOST_CANDIDATES: usize = 10;
