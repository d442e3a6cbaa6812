//! Without the feature there are no codes.

use utoipa::openapi::ComponentsBuilder;

use crate::manage::ManageError;
use crate::manage::desk::Desk;
use crate::manage::routes::Route;

/// Without the feature nobody can make one.
enum Never {}

#[derive(Default)]
pub(in crate::manage) struct Wanted(Option<Never>);

pub(in crate::manage) struct Offered(Option<Never>);

impl Wanted {
    #[allow(clippy::unnecessary_wraps, reason = "its twin can fail")]
    pub(in crate::manage) fn check(self) -> Result<Offered, ManageError> {
        Ok(Offered(self.0))
    }
}

pub(in crate::manage) fn routes(desk: &Desk) -> &'static [Route] {
    match &desk.sign_in.0 {
        Some(never) => match *never {},
        None => &[],
    }
}

pub(in crate::manage) fn schemas(_: &Desk, components: ComponentsBuilder) -> ComponentsBuilder {
    components
}
