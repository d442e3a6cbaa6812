//! What becomes of grants: they are listed, read, extended and ended.

mod cursor;
mod end;
mod extend;
mod list;
mod read;
mod stop;
mod view;

pub(super) use self::end::end;
pub(super) use self::extend::extend;
pub(super) use self::list::list;
pub(super) use self::read::read;
pub(super) use self::stop::stop;
pub(super) use self::view::{EndView, GrantList, GrantView, PersonView};

use axum::response::Response;

use crate::grant::Grant;
use crate::manage::desk::Desk;
use crate::manage::http::At;
use crate::terms::GrantId;

/// The grant that the path names; none where nobody could have such an id.
pub(super) async fn named(desk: &Desk, at: &At) -> Result<Option<Grant>, Box<Response>> {
    match at.named.parse::<GrantId>() {
        Ok(id) => desk.found(&id, &at.parts).await,
        Err(_) => Ok(None),
    }
}
