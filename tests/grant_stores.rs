//! One contract, every store.

mod support;

#[path = "support/sinks.rs"]
mod sinks;

use tower_impersonate::grant::{self, MemoryStore};
use tower_impersonate::testing::{StoreToTest, assert_grant_store};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory() {
    assert_grant_store(|| {
        let store = MemoryStore::bounded(300);
        let same = store.clone();
        StoreToTest::new(store)
            .holds(300)
            .reopened_by(move || same.clone())
    })
    .await;
    // With nothing else known of it.
    assert_grant_store(grant::memory).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite() {
    let folder = sinks::Folder::new();
    let number = std::sync::atomic::AtomicUsize::new(0);
    assert_grant_store(|| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.path().join(format!("{number}.sqlite"));
        let open = move || {
            let busy = std::time::Duration::from_secs(5);
            grant::sqlite(&path).busy_timeout(busy).most(300)
        };
        StoreToTest::new(open()).holds(300).reopened_by(open)
    })
    .await;
}
