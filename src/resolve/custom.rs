use http::request::Parts;

use crate::answer::Answer;
use crate::resolve::{Resolution, Resolve};
use crate::token::{Claims, Verified};

/// A strategy of the application's own.
///
/// The closure answers with a [`Resolution`], or with an `Answer<Resolution>` if it has to wait.
/// Headers that it reads are not taken off the request; implement [`Resolve`] for that. It can name
/// anybody, so it needs a directory.
///
/// ```
/// use tower_impersonate::resolve::{self, Requested, Resolution};
/// use tower_impersonate::terms::{Ask, Strategy, TargetRef};
///
/// let by_extension = resolve::custom(|claims, parts| {
///     #[derive(Clone)]
///     struct ViewAs(String);
///     match parts.extensions.get::<ViewAs>() {
///         None => Resolution::NotRequested,
///         Some(ViewAs(sub)) => {
///             let target = TargetRef::subject(claims.issuer(), sub.as_str());
///             Requested::new(claims.caller(), Ask::user(target, Strategy::Custom)).into()
///         }
///     }
/// });
/// # let _: &dyn resolve::Resolve = &by_extension;
/// ```
pub fn custom<F, A>(resolve: F) -> impl Resolve
where
    F: Fn(&Verified<Claims>, &Parts) -> A + Send + Sync,
    A: Into<Answer<Resolution>>,
{
    Custom(resolve)
}

struct Custom<F>(F);

impl<F, A> Resolve for Custom<F>
where
    F: Fn(&Verified<Claims>, &Parts) -> A + Send + Sync,
    A: Into<Answer<Resolution>>,
{
    fn resolve(&self, claims: &Verified<Claims>, parts: &Parts) -> Answer<Resolution> {
        (self.0)(claims, parts).into()
    }
}
