use http::request::Parts;

use crate::policy::Permit;
use crate::principal::Impersonation;

impl Impersonation {
    /// What was permitted, and recorded.
    pub(crate) fn permitted(&self) -> &Permit {
        self.permit()
    }

    /// The outline of the request that it was permitted for.
    pub(crate) fn request(&self) -> Parts {
        self.recorded.request()
    }
}
