/// How much the cache of verified tokens may hold, and what it holds of each.
///
/// ```
/// use tower_impersonate::token::CacheLimits;
///
/// // The default: 10,000 tokens, 32 MiB.
/// assert_eq!(CacheLimits::default(), CacheLimits::new(10_000, 32 << 20));
/// // A million tokens in a third of a gigabyte, each of them read anew on every request.
/// assert_ne!(CacheLimits::digests(1_000_000), CacheLimits::new(1_000_000, 320 << 20));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits(Mode);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Off,
    Tokens { entries: usize, bytes: usize },
    Digests { entries: usize },
}

impl CacheLimits {
    /// At most so many tokens and so many bytes; zero of either turns the cache off.
    ///
    /// The bytes are those of the tokens and of what is read from them, estimated a little above
    /// the truth: also of all claims as values, which are made when a handler or a rule asks for one that is no
    /// fact. The index comes on top, with less than 150 bytes for each of `entries`.
    #[must_use]
    pub const fn new(entries: usize, bytes: usize) -> Self {
        match (entries, bytes) {
            (0, _) | (_, 0) => Self(Mode::Off),
            _ => Self(Mode::Tokens { entries, bytes }),
        }
    }

    /// At most so many digests of tokens, in place of the tokens and of what they say; zero turns the cache off.
    ///
    /// For very many tokens, or where no token is to stay in memory: less than 320 bytes each, the index
    /// included, however long they are. That a text was signed by which key is known by its SHA-256, so that the
    /// signature is not checked again; but the text is hashed, decoded, read and judged on each request, which
    /// takes a few microseconds and about as many allocations as the first time. A token that has expired
    /// keeps its place until it is seen again or another one needs it.
    #[must_use]
    pub const fn digests(entries: usize) -> Self {
        match entries {
            0 => Self(Mode::Off),
            _ => Self(Mode::Digests { entries }),
        }
    }

    pub(super) const fn mode(self) -> Mode {
        self.0
    }

    /// Whether there can be room for so much.
    pub(crate) fn are_sound(self) -> bool {
        match self.0 {
            Mode::Off => true,
            Mode::Tokens { entries, bytes } => entries <= MOST && bytes as u64 <= 64 << 30,
            Mode::Digests { entries } => entries <= MOST,
        }
    }
}

impl Default for CacheLimits {
    /// 10,000 tokens, 32 MiB.
    fn default() -> Self {
        Self::new(10_000, 32 * 1024 * 1024)
    }
}

const MOST: usize = 10_000_000;
