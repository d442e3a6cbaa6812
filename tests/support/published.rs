//! Keys that an issuer publishes, replaces and takes away.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::Uri;
use tower_impersonate::Issuer;
use tower_impersonate::answer::Answer;
use tower_impersonate::middleware::Builder;
use tower_impersonate::token::{FetchError, FetchLimits, Fetched};

use crate::keys::DAY;
use crate::support::{AUDIENCE, Desk, ISSUER};

/// An endpoint in the process, so that nothing is waited for but what the test waits for.
#[derive(Clone)]
pub struct Published {
    set: Arc<Mutex<Option<String>>>,
    fetches: Arc<AtomicUsize>,
}

impl Published {
    pub fn new(set: String) -> Self {
        Self {
            set: Arc::new(Mutex::new(Some(set))),
            fetches: Arc::default(),
        }
    }

    pub fn builder(&self, desk: &Desk) -> Builder {
        let (set, fetches) = (Arc::clone(&self.set), Arc::clone(&self.fetches));
        let fetch = move |_: &Uri, _: &FetchLimits| -> Answer<Result<Fetched, FetchError>> {
            fetches.fetch_add(1, Ordering::SeqCst);
            let set = set.lock().unwrap().clone();
            Answer::now(set.map(Fetched::new).ok_or(FetchError::status(500)))
        };
        let issuer = Issuer::jwks(ISSUER, "https://issuer.example.com/keys");
        let issuer = issuer.audiences([AUDIENCE]).max_lifetime(3 * DAY);
        desk.bare().issuer(issuer).fetch_keys(fetch)
    }

    /// `None`: an outage.
    pub fn now(&self, set: Option<String>) {
        *self.set.lock().unwrap() = set;
    }

    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}
