//! Without the feature there are no codes.

use utoipa::openapi::ComponentsBuilder;

use crate::manage::ManageError;
use crate::manage::desk::Desk;
use crate::manage::routes::Route;

#[derive(Default)]
pub(in crate::manage) struct Wanted;

pub(in crate::manage) struct Offered;

impl Wanted {
    #[allow(clippy::unnecessary_wraps, reason = "its twin can fail")]
    pub(in crate::manage) fn check(self) -> Result<Offered, ManageError> {
        Ok(Offered)
    }
}

pub(in crate::manage) fn routes(_: &Desk) -> &'static [Route] {
    &[]
}

pub(in crate::manage) fn schemas(_: &Desk, components: ComponentsBuilder) -> ComponentsBuilder {
    components
}
