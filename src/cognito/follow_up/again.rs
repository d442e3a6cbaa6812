use std::time::Duration;

use tokio::runtime::Handle;

use crate::cognito::ApiError;
use crate::cognito::budget::Budget;

/// Does it on a task of its own, and again if it fails, some times within about five minutes. Whoever ended
/// the grant does not wait.
pub(super) fn in_the_background<F>(
    what: &'static str,
    attempt: impl Fn(Budget) -> F + Send + 'static,
) where
    F: Future<Output = Result<(), ApiError>> + Send,
{
    let Ok(runtime) = Handle::try_current() else {
        tracing::error!(target: "impersonation", what, "there is no runtime: the user pool was not told");
        return;
    };
    runtime.spawn(async move {
        for pause in PAUSES {
            match attempt(Budget::of(EACH)).await {
                Ok(()) => return,
                Err(error) => log(
                    &error,
                    what,
                    "the user pool was not told, and is told again",
                ),
            }
            tokio::time::sleep(pause).await;
        }
        if let Err(error) = attempt(Budget::of(EACH)).await {
            log(&error, what, "the user pool was not told");
        }
    });
}

fn log(error: &ApiError, what: &'static str, outcome: &'static str) {
    tracing::error!(target: "impersonation", %error, what, "{outcome}");
}

const EACH: Duration = Duration::from_secs(20);

const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
];
