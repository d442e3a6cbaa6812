use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::answer::Answer;
use crate::cognito::{ApiError, ApiErrorKind};

/// The time that a piece of work has for all its calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget(Instant);

impl Budget {
    pub(super) fn of(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Asks, and asks again when it was too often, as long as there is time.
    pub(super) async fn call<T>(
        self,
        ask: impl Fn() -> Answer<Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let asked = timeout_at(self.0, ask()).await;
            let error = match asked {
                Ok(Err(error)) if error.kind() == ApiErrorKind::Throttled => error,
                Ok(answer) => return answer,
                Err(elapsed) => return Err(ApiError::because(ApiErrorKind::Unavailable, elapsed)),
            };
            let wait = jittered(pause);
            if Instant::now() + wait >= self.0 {
                return Err(error);
            }
            sleep(wait).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// All pages of a list. One that does not end is an error.
    pub(super) async fn all(
        self,
        ask: impl Fn(Option<&str>) -> Answer<Result<crate::cognito::Page, ApiError>>,
    ) -> Result<Vec<String>, ApiError> {
        let (mut names, mut next) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let page = self.call(|| ask(next.as_deref())).await?;
            names.extend(page.names);
            match page.next {
                Some(token) => next = Some(token),
                None => return Ok(names),
            }
        }
        Err(ApiError::because(
            ApiErrorKind::Unavailable,
            "a list of the user pool does not end",
        ))
    }
}

/// Half of the pause, and a random part of the other half, so that those that were refused together do
/// not come back together.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0];
    let part = getrandom::fill(&mut byte).map_or(u32::from(u8::MAX), |()| u32::from(byte[0]));
    pause / 2 + (pause / 2) * part / u32::from(u8::MAX)
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const MOST_PAGES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_between_its_half_and_its_whole() {
        let pause = Duration::from_millis(100);
        for _ in 0..1000 {
            assert!((pause / 2..=pause).contains(&jittered(pause)));
        }
    }
}
