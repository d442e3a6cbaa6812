use crate::answer::Answer;
use crate::grant::StoreError;
use crate::grant::codes::{CodeHash, KeptCode, Taking};
use crate::identity::IdentityKey;
use crate::time::Timestamp;

/// Keeps what codes are bound to.
///
/// Every method is one transition: it happens as a whole or not at all, whoever else asks for one at the same
/// moment, and when it has answered it is not lost. A store does not decide, and does not look at a clock.
pub trait CodeStore: Send + Sync {
    /// Keeps a new code. A hash that is there already is an error, and so is one too many. What at `now` is
    /// past its [`keep_until`](KeptCode::keep_until), or was never taken and is past its
    /// [`expires_at`](KeptCode::expires_at), may be forgotten with it.
    fn keep(&self, code: KeptCode, now: Timestamp) -> Answer<Result<(), StoreError>>;

    /// What is known of a code; `None` where nothing is, or nothing any more.
    fn find(&self, hash: &CodeHash) -> Answer<Result<Option<KeptCode>, StoreError>>;

    /// Says that it was taken, unless it was before. Answers with the taking that stays, which is the first
    /// one; `None` where there is no such code.
    fn take(&self, hash: &CodeHash, taking: Taking) -> Answer<Result<Option<Taking>, StoreError>>;

    /// Which of the codes for that target at that app client was taken last, in the order in which they were taken
    /// and not by what clocks said; `None` where none was.
    fn last_taken(
        &self,
        target: &IdentityKey,
        client: &str,
    ) -> Answer<Result<Option<CodeHash>, StoreError>>;

    /// Whether it is ready; asked when the routes are built.
    ///
    /// # Errors
    ///
    /// Why it is not.
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
