use std::fmt;

/// Something that an application does beside what it was asked for, and that would be wrong while
/// somebody else is there than the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Noting when and from where the user was last seen.
    LastLogin,
    /// E-mails, text messages and notifications to the user.
    Mail,
    /// Calls to other systems that take them for the user's doing.
    Webhook,
    /// Counting the visit, recording the session, taking part in experiments.
    Analytics,
    /// Making the user set up a second factor, change the password or consent to terms before going
    /// on: whoever impersonates must neither do it nor be stopped by it.
    EnrolmentGate,
}

/// Which side effects a request may have: all when it is plain, none while somebody impersonates
/// unless [`Builder::allow_effects`](crate::middleware::Builder::allow_effects) says so.
///
/// ```
/// use tower_impersonate::principal::{Effect, SideEffects};
///
/// let effects: SideEffects = [Effect::Webhook].into_iter().collect();
/// assert!(effects.allow(Effect::Webhook));
/// assert!(!effects.allow(Effect::LastLogin));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SideEffects(u32);

impl SideEffects {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// All of them, those of later versions included.
    pub const ALL: Self = Self(u32::MAX);

    /// Whether the request may have this one.
    #[must_use]
    pub const fn allow(self, effect: Effect) -> bool {
        self.0 & bit(effect) != 0
    }
}

const fn bit(effect: Effect) -> u32 {
    1 << effect as u32
}

impl FromIterator<Effect> for SideEffects {
    fn from_iter<I: IntoIterator<Item = Effect>>(effects: I) -> Self {
        let bits = effects.into_iter().map(bit);
        Self(bits.fold(0, |all, bit| all | bit))
    }
}

impl fmt::Debug for SideEffects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allowed = EFFECTS.into_iter().filter(|effect| self.allow(*effect));
        f.debug_set().entries(allowed).finish()
    }
}

const EFFECTS: [Effect; 5] = [
    Effect::LastLogin,
    Effect::Mail,
    Effect::Webhook,
    Effect::Analytics,
    Effect::EnrolmentGate,
];
