use tower_layer::Layer;

use crate::guard::Guarded;

/// A layer for what nobody may do while impersonating; see the [module](super).
pub fn deny_while_impersonating() -> DenyWhileImpersonating {
    DenyWhileImpersonating { _private: () }
}

/// Keeps services from running while somebody impersonates; [`deny_while_impersonating`] makes it.
#[derive(Debug, Clone, Copy)]
#[must_use = "a layer does nothing until it is applied to a service"]
pub struct DenyWhileImpersonating {
    _private: (),
}

impl<S> Layer<S> for DenyWhileImpersonating {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded::new(inner)
    }
}
