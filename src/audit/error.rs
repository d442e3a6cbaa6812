use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// An event that could not be written.
///
/// Clones share the cause: several events may fail by one.
#[derive(Debug, Clone)]
pub struct AuditError {
    source: Arc<dyn Error + Send + Sync>,
}

impl AuditError {
    /// With what went wrong, for logs.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Arc::from(source.into()),
        }
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the audit event could not be written")
    }
}

impl Error for AuditError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
