use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use crate::middleware::config::Config;
use crate::middleware::{Builder, ImpersonationService};
use crate::token::ConnectError;

/// Wraps services so that they run as whom the request's token, and perhaps an impersonation, says.
///
/// See the [module](super) for what it does and [`Builder`] for how to configure it. Cheap to clone.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is applied to a service"]
pub struct ImpersonationLayer {
    pub(super) config: Arc<Config>,
}

impl ImpersonationLayer {
    /// Starts to configure a layer.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(super) fn new(config: Config) -> Self {
        Self {
            config: Arc::new(config),
        }
    }

    /// Fetches the keys of all issuers now. Without it, they come with the first request.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] names the first issuer, in the order of the configuration, whose keys could not
    /// be had; those of the others may be there.
    pub async fn connect(&self) -> Result<(), ConnectError> {
        self.config.authenticator.connect().await
    }
}

impl<S> Layer<S> for ImpersonationLayer {
    type Service = ImpersonationService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ImpersonationService::new(inner, Arc::clone(&self.config))
    }
}

impl fmt::Debug for ImpersonationLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImpersonationLayer").finish_non_exhaustive()
    }
}
