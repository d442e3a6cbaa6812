use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::gate::{Gate, Refusal};
use crate::identity::Identity;
use crate::policy::Permit;
use crate::terms::{Ask, GrantId};
use crate::time::{Clock, Timestamp};
use crate::token::Verified;

/// An impersonation under a grant, as it goes on: whoever holds it can wait for its end. Cheap to clone.
#[derive(Clone)]
pub struct Live(Arc<Going>);

struct Going {
    gate: Arc<Gate>,
    clock: Arc<dyn Clock>,
    actor: Verified<Identity>,
    ask: Ask,
    grant: GrantId,
}

impl Live {
    /// What goes on by that permit; `None` where there is no grant that could end. The actor is the one who
    /// came, before the directory added anything: what it said then must not stand in for what it says later.
    pub(crate) fn of(
        gate: &Arc<Gate>,
        clock: &Arc<dyn Clock>,
        came: Verified<Identity>,
        permit: &Permit,
    ) -> Option<Self> {
        let ask = permit.ask();
        Some(Self(Arc::new(Going {
            gate: Arc::clone(gate),
            clock: Arc::clone(clock),
            actor: came,
            ask: ask.clone(),
            grant: *ask.grant()?,
        })))
    }

    /// Waits until it is over: the grant ended, or what was decided does not hold any more.
    ///
    /// In the process that ends the grant it is told at once. What others do to the grant, its deadline,
    /// and what becomes of actor and target is looked at once a second. While nobody can say, it goes on
    /// for five seconds.
    ///
    /// Needs a tokio runtime with a timer.
    pub async fn ended(&self) {
        let Going {
            gate, clock, grant, ..
        } = &*self.0;
        let mut listener = gate.kept().map(|grants| grants.listen(grant));
        let mut silent_since: Option<Duration> = None;
        loop {
            // It was just decided.
            match &mut listener {
                Some(listener) => {
                    let told = listener.told();
                    // Told or not, it is looked at again.
                    drop(tokio::time::timeout(BETWEEN_LOOKS, told).await);
                }
                None => tokio::time::sleep(BETWEEN_LOOKS).await,
            }
            if gate.kept().is_some_and(|grants| grants.is_ending(grant)) {
                return;
            }
            let asked_at = clock.monotonic();
            // Whoever does not answer meanwhile must not keep an end from being heard.
            let judged = tokio::time::timeout(BETWEEN_LOOKS, self.judge(clock.now())).await;
            match judged {
                Ok(Ok(())) => silent_since = None,
                Ok(Err(Refusal::Denied(_))) => return,
                Ok(Err(Refusal::Unavailable(_) | Refusal::GrantsUnavailable(_))) | Err(_) => {
                    let since = *silent_since.get_or_insert(asked_at);
                    if clock.monotonic().saturating_sub(since) >= MAX_SILENCE {
                        return;
                    }
                }
            }
        }
    }

    async fn judge(&self, now: Timestamp) -> Result<(), Refusal> {
        let Going {
            gate, actor, ask, ..
        } = &*self.0;
        let admitted = gate.still(actor.clone(), ask.clone(), now).await;
        admitted.map(drop)
    }
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(900);
const MAX_SILENCE: Duration = Duration::from_secs(5);

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("grant", &self.0.grant)
            .finish_non_exhaustive()
    }
}
