use std::time::Duration;

/// How long grants live, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "limits do nothing until they are given to grants"]
pub struct GrantLimits {
    pub(super) lifetime: Duration,
    pub(super) longest: Duration,
    pub(super) idle: Option<Duration>,
    pub(super) per_machine: usize,
    pub(super) keep_ended: Duration,
    pub(super) ended_per_actor: usize,
}

impl Default for GrantLimits {
    /// One hour, extended to at most eight; no idle limit; 100 for an app client; 30 days of those that
    /// ended, and 1,000 of them per actor.
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(3600),
            longest: Duration::from_secs(8 * 3600),
            idle: None,
            per_machine: 100,
            keep_ended: Duration::from_secs(30 * 86_400),
            ended_per_actor: 1_000,
        }
    }
}

impl GrantLimits {
    /// How long a grant lives; one hour by default, 1 s to 24 h. Who asks for less gets less, who asks
    /// for more gets this.
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How long it may live with all its extensions; eight hours by default, at least its lifetime and at
    /// most 24 h.
    pub const fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// How long it may lie unused, counted from request to request; without a limit by default, at least
    /// one second. What streams or sockets do meanwhile is no use of it.
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// How many grants an app client may have at once; 100 by default, 1 to 10,000. A person has one.
    pub const fn per_machine(mut self, grants: usize) -> Self {
        self.per_machine = grants;
        self
    }

    /// How long a grant that ended can still be read; 30 days by default, at least one hour. Sooner it is
    /// forgotten where its actor has too [many](Self::ended_per_actor), or the store is full.
    pub const fn keep_ended(mut self, keep: Duration) -> Self {
        self.keep_ended = keep;
        self
    }

    /// How many of an actor's grants that ended can still be read; 1,000 by default, 1 to 100,000. Those
    /// that started first are forgotten when another one starts, so that nobody fills the store alone. The
    /// audit keeps them all.
    pub const fn ended_per_actor(mut self, grants: usize) -> Self {
        self.ended_per_actor = grants;
        self
    }

    /// What is wrong with it, by the name of the setting and its bounds.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        const HOUR: Duration = Duration::from_secs(3600);
        const DAY: Duration = Duration::from_secs(86_400);
        const SECOND: Duration = Duration::from_secs(1);
        let sound = [
            (
                (SECOND..=DAY).contains(&self.lifetime),
                "grants.lifetime",
                "between 1 s and 24 h",
            ),
            (
                (self.lifetime..=DAY).contains(&self.longest),
                "grants.longest",
                "between the lifetime and 24 h",
            ),
            (
                self.idle.is_none_or(|idle| (SECOND..=DAY).contains(&idle)),
                "grants.idle",
                "between 1 s and 24 h",
            ),
            (
                (1..=10_000).contains(&self.per_machine),
                "grants.per_machine",
                "between 1 and 10,000",
            ),
            (
                (HOUR..=DAY * 3660).contains(&self.keep_ended),
                "grants.keep_ended",
                "between 1 h and 3,660 days",
            ),
            (
                (1..=100_000).contains(&self.ended_per_actor),
                "grants.ended_per_actor",
                "between 1 and 100,000",
            ),
        ];
        match sound.into_iter().find(|(sound, ..)| !sound) {
            Some((_, setting, bounds)) => Err((setting, bounds)),
            None => Ok(()),
        }
    }
}
