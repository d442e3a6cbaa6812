use std::fmt;
use std::time::Duration;

use crate::audit::chain::checkpoint::Signer;

/// When a chain is signed, by whom, and where that goes.
///
/// A checkpoint is made when the layer is built, so that a signer that cannot sign is found there,
/// then every 1,000 records or 60 seconds, whichever is first, and when the last clone of the layer
/// is dropped, and before a file is set aside, which waits for it. It is appended to
/// `<path>.checkpoints`.
///
/// That file is read when the layer is built, and must have nothing in it but checkpoints by the same
/// key: after a change of the key, move it aside first.
#[must_use = "checkpoints do nothing until they are given to a chain"]
pub struct Checkpoints {
    pub(super) signer: Signer,
    pub(super) records: u64,
    pub(super) period: Duration,
    pub(super) anchor: Option<Box<Anchor>>,
}

type Anchor = dyn Fn(&str) + Send + Sync;

impl Checkpoints {
    /// Signed by this one.
    pub fn signed_by(signer: Signer) -> Self {
        Self {
            signer,
            records: 1000,
            period: Duration::from_secs(60),
            anchor: None,
        }
    }

    /// After so many records, at least one.
    pub fn every_records(mut self, records: u64) -> Self {
        self.records = records;
        self
    }

    /// After so much time, 10 ms to 24 h, if there is a record that no checkpoint covers.
    pub fn every(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// Where else each checkpoint goes: a bucket that cannot be overwritten, a witness, a mailbox.
    ///
    /// It is called with the signed note, after that was written beside the chain, on the thread of
    /// the sink: hand it to a queue. It must not fail the chain, so nothing is asked of it, and one
    /// that panics is only logged. The last clone of the layer, when it is dropped, waits for it: it
    /// must not itself wait for the thread on which that happens, such as that of a runtime with one
    /// thread.
    pub fn anchor<F>(mut self, anchor: F) -> Self
    where
        F: Fn(&str) + Send + Sync + 'static,
    {
        self.anchor = Some(Box::new(anchor));
        self
    }

    pub(super) fn is_usable(&self) -> bool {
        let periods = Duration::from_millis(10)..=Duration::from_secs(24 * 60 * 60);
        self.records > 0 && periods.contains(&self.period)
    }
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoints")
            .field("signer", &self.signer)
            .field("records", &self.records)
            .field("period", &self.period)
            .field("anchor", &self.anchor.is_some())
            .finish()
    }
}
