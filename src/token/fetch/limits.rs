use std::time::Duration;

/// How long a fetch may take and how much it may bring.
///
/// The defaults, which cannot be raised: two seconds to connect, five for everything that one
/// renewal needs, 256 KiB of decoded body.
#[derive(Debug, Clone)]
pub struct FetchLimits {
    connect: Duration,
    whole: Duration,
    bytes: usize,
}

impl FetchLimits {
    /// Until the connection stands.
    #[must_use]
    pub fn connect(&self) -> Duration {
        self.connect
    }

    /// Until the last byte.
    #[must_use]
    pub fn whole(&self) -> Duration {
        self.whole
    }

    /// The length of the body, counted after any content coding was undone.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            whole: Duration::from_secs(5),
            bytes: 256 * 1024,
        }
    }
}
