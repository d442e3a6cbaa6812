use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::terms::GrantId;

/// Tells whatever goes on under a grant, in this process, that something became of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Hub(Arc<Mutex<HashMap<GrantId, watch::Sender<()>>>>);

impl Hub {
    pub(super) fn tell(&self, id: &GrantId) {
        if let Some(sender) = self.locked().get(id) {
            sender.send_replace(());
        }
    }

    pub(super) fn listen(&self, id: &GrantId) -> Listener {
        let mut listening = self.locked();
        let sender = { listening.entry(*id) }.or_insert_with(|| watch::channel(()).0);
        Listener {
            told: sender.subscribe(),
            hub: self.clone(),
            id: *id,
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<GrantId, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn listening(&self) -> usize {
        self.locked().len()
    }
}

/// Who is told. The last one that leaves takes the entry along.
#[derive(Debug)]
pub(crate) struct Listener {
    told: watch::Receiver<()>,
    hub: Hub,
    id: GrantId,
}

impl Listener {
    /// Waits until something becomes of the grant, or became of it since the last time.
    pub(crate) async fn told(&mut self) {
        if self.told.changed().await.is_err() {
            // The sender lives as long as somebody listens.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listening = self.hub.locked();
        if listening
            .get(&self.id)
            .is_some_and(|sender| sender.receiver_count() <= 1)
        {
            listening.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_is_told_and_nothing_stays_behind() {
        let (hub, id) = (Hub::default(), GrantId::from_bytes([1; 32]));
        let (mut one, mut two) = (hub.listen(&id), hub.listen(&id));
        let mut other = hub.listen(&GrantId::from_bytes([2; 32]));
        hub.tell(&id);
        one.told().await;
        two.told().await;
        let left_alone = tokio::time::timeout(std::time::Duration::ZERO, other.told()).await;
        assert!(left_alone.is_err());
        drop(one);
        assert_eq!(hub.listening(), 2);
        drop((two, other));
        assert_eq!(hub.listening(), 0);
        hub.tell(&id);
    }
}
