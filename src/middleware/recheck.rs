use crate::answer::Answer;
use crate::directory::LookupError;
use crate::identity::Names;
use crate::token::{Claims, Verified};

/// Says which groups that a token names its bearer does not have any more.
///
/// A token says who was in which group when it was minted, and goes on saying so until it expires. Where a
/// membership can end before that, as with [leases](crate::cognito::lease), this is asked on every request
/// whose token names a group, before strategies and policy: the groups that it answers with are taken off
/// the identity, for the policy and for handlers alike.
///
/// Anything that is `Fn(&Verified<Claims>)` and returns a `Result<Names, LookupError>`, or an [`Answer`]
/// of one, is a recheck. It must not block the thread; an answer that waits is given up after the layer's
/// [deadline](crate::middleware::Builder::deadline).
///
/// # Errors
///
/// What it cannot say is a fault, and the request fails with 503.
pub trait RecheckGroups: Send + Sync {
    /// The groups to be taken off; none in nearly every case, which should cost nothing.
    fn lapsed(&self, claims: &Verified<Claims>) -> Answer<Result<Names, LookupError>>;
}

impl<F, R> RecheckGroups for F
where
    F: Fn(&Verified<Claims>) -> R + Send + Sync,
    R: Into<Answer<Result<Names, LookupError>>>,
{
    fn lapsed(&self, claims: &Verified<Claims>) -> Answer<Result<Names, LookupError>> {
        self(claims).into()
    }
}
