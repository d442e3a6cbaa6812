//! What does a grant cost, however many there are?
//!
//! ```text
//! cargo bench --bench grants                       # up to a million in memory
//! cargo bench --bench grants --features sqlite     # and up to 100,000 in a file
//! cargo bench --bench grants -- 10000              # no more than that
//! ```
//!
//! Each figure is the median of many calls, one after the other. What a grant takes in memory is what the
//! store asks for and keeps, counted exactly, the grant itself included. The longest wait is that of
//! another thread, which looks grants up all the while half of them lapse, are ended and forgotten; beside
//! it stands the same while as long as that another store is busy, because the machine interrupts both.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tower_impersonate::grant::{
    Filter, Grant, GrantStore, MemoryStore, Others, Page, StartLimit, Started,
};
use tower_impersonate::terms::GrantId;
use tower_impersonate::testing::TestGrant;
use tower_impersonate::time::Timestamp;

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
const CALLS: usize = 10_000;

fn main() {
    let most = std::env::args().find_map(|argument| argument.parse().ok());
    let most = most.unwrap_or(usize::MAX);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    println!("in memory");
    println!(
        "{:>9} {:>9} {:>9} {:>9} {:>9} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11}",
        "grants",
        "bytes",
        "find, ns",
        "start, ns",
        "end, ns",
        "person, us",
        "lapsed, us",
        "sweep, ns",
        "forget, ns",
        "wait, us",
        "else, us"
    );
    for size in SIZES.into_iter().filter(|size| *size <= most) {
        runtime.block_on(memory(size));
    }
    #[cfg(feature = "sqlite")]
    for size in SIZES.into_iter().filter(|size| *size <= most.min(100_000)) {
        runtime.block_on(file::sqlite(size));
    }
}

/// Every other one lives for a minute, the rest for an hour.
fn grant(number: usize) -> Grant {
    let lives = Duration::from_secs(if number % 2 == 0 { 60 } else { 3600 });
    TestGrant::new(format!("actor-{number}"), format!("user-{}", number % 1000))
        .lives(lives)
        .build()
}

fn of_person() -> Filter {
    let mut filter = Filter::default();
    filter.person = Some(grant(1).actor().key().clone());
    filter
}

fn noon() -> Timestamp {
    TestGrant::new("", "").build().started_at()
}

fn one() -> StartLimit {
    StartLimit {
        per_actor: 1,
        others: Others::Stay,
        keep_ended: 1_000,
        now: noon(),
    }
}

async fn memory(size: usize) {
    let store = MemoryStore::bounded(2 * size + CALLS);
    let mut ids = Vec::with_capacity(size);
    let counted = allocation_counter::measure(|| {
        for number in 0..size {
            let grant = grant(number);
            ids.push(*grant.id());
            let started = store.start(grant, one()).try_now();
            assert!(matches!(started, Ok(Ok(Started::New(..)))));
        }
    });
    let bytes = counted.bytes_current / size as i64;

    let (find, start, end) = calls(&store, &ids, size).await;
    let person = of_person();
    let person = median(200, async |_| {
        drop(black_box(store.list(&person, &Page::first()).await));
    });
    let soon = noon().saturating_add(Duration::from_secs(1));
    let lapsed = median(200, async |_| {
        assert!(store.lapsed(soon).await.expect("it answers").is_empty());
    });
    let (mut sweep, mut forget) = (0.0, 0.0);
    let began = Instant::now();
    let wait = longest_wait(&store, &ids, async || (sweep, forget) = swept(&store).await);
    let wait = wait.await;
    let took = began.elapsed();
    let elsewhere = MemoryStore::bounded(1);
    let idle = longest_wait(&store, &ids, async || {
        let began = Instant::now();
        while began.elapsed() < took {
            assert!(elsewhere.lapsed(soon).await.is_ok());
        }
    });
    let idle = idle.await;
    println!(
        "{size:>9} {bytes:>9} {find:>9.0} {start:>9.0} {end:>9.0} {:>11.1} {:>11.1} {sweep:>11.0} {forget:>11.0} {:>11.1} {:>11.1}",
        person.await / 1e3,
        lapsed.await / 1e3,
        wait.as_secs_f64() * 1e6,
        idle.as_secs_f64() * 1e6,
    );
}

/// A find, a start and an end, in nanoseconds.
async fn calls(store: &impl GrantStore, ids: &[GrantId], size: usize) -> (f64, f64, f64) {
    let find = median(CALLS, async |call| {
        // Not in the order in which they started.
        let id = ids[call.wrapping_mul(7919) % ids.len()];
        assert!(black_box(store.find(&id).await).is_ok_and(|found| found.is_some()));
    });
    let find = find.await;
    let fresh: Vec<_> = (0..CALLS.min(1000))
        .map(|number| grant(size + number))
        .collect();
    let start = median(fresh.len(), async |call| {
        assert!(store.start(fresh[call].clone(), one()).await.is_ok());
    });
    let start = start.await;
    let end = median(fresh.len(), async |call| {
        let end = tower_impersonate::grant::End {
            reason: tower_impersonate::terms::EndReason::Stopped,
            at: noon(),
            by: None,
        };
        assert!(store.end(fresh[call].id(), end).await.is_ok());
    });
    (find, start, end.await)
}

/// Ends and forgets half of them: nanoseconds for each.
async fn swept(store: &MemoryStore) -> (f64, f64) {
    let late = noon().saturating_add(Duration::from_secs(60));
    let began = Instant::now();
    let mut count = 0;
    loop {
        let lapsed = store.lapsed(late).await.expect("it answers");
        if lapsed.is_empty() {
            break;
        }
        count += lapsed.len();
        for grant in &lapsed {
            let end = grant.end_at(late).expect("it lapsed");
            assert!(store.end(grant.id(), end).await.is_ok());
        }
    }
    let sweep = began.elapsed();
    let began = Instant::now();
    let forgotten = store
        .forget(late.saturating_add(Duration::from_secs(1)))
        .await;
    let forgotten = forgotten.expect("it answers");
    let each = |time: Duration, count: f64| time.as_nanos() as f64 / count;
    (
        each(sweep, count as f64),
        each(began.elapsed(), forgotten as f64),
    )
}

/// The longest look-up of another thread meanwhile.
async fn longest_wait(
    store: &MemoryStore,
    ids: &[GrantId],
    meanwhile: impl AsyncFnOnce(),
) -> Duration {
    let (over, begin) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(2)));
    let other = {
        let (store, over, begin) = (store.clone(), Arc::clone(&over), Arc::clone(&begin));
        let ids: Vec<_> = ids.iter().copied().take(100_000).collect();
        thread::spawn(move || {
            begin.wait();
            let mut longest = Duration::ZERO;
            for id in ids.iter().cycle() {
                let began = Instant::now();
                drop(black_box(store.find(id)));
                longest = longest.max(began.elapsed());
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
            longest
        })
    };
    begin.wait();
    meanwhile().await;
    over.store(true, Ordering::Relaxed);
    other.join().expect("it looked")
}

/// Of that many calls, in nanoseconds.
async fn median(count: usize, call: impl AsyncFn(usize)) -> f64 {
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let began = Instant::now();
        call(number).await;
        times.push(began.elapsed().as_nanos() as f64);
    }
    times.sort_by(f64::total_cmp);
    times[count / 2]
}

#[cfg(feature = "sqlite")]
mod file {
    use super::{GrantStore, Page, calls, grant, median, of_person, one};
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection};

    /// All but a thousand of them are copies, made by SQLite itself.
    pub(super) async fn sqlite(size: usize) {
        let folder = std::env::temp_dir().join(format!("tower-impersonate-bench-{size}"));
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("grants.sqlite");
        let store = tower_impersonate::grant::sqlite(&path);
        let mut ids = Vec::new();
        for number in 0..1000 {
            let grant = grant(number);
            ids.push(*grant.id());
            store.start(grant, one()).await.expect("it starts");
        }
        let options = SqliteConnectOptions::new().filename(&path);
        let mut db = options.connect().await.expect("a database");
        let copies = sqlx::query(COPY)
            .bind((size - 1000) as i64)
            .execute(&mut db)
            .await;
        assert_eq!(copies.expect("copies").rows_affected(), size as u64 - 1000);
        db.close().await.expect("closed");

        let (find, start, end) = calls(&store, &ids, size).await;
        let person = of_person();
        let person = median(200, async |_| {
            assert!(store.list(&person, &Page::first()).await.is_ok());
        });
        let bytes = std::fs::metadata(&path).map_or(0, |file| file.len()) / size as u64;
        println!(
            "in a file: {size} grants, {bytes} bytes each; find {:.0} us, start {:.0} us, end {:.0} us, person {:.0} us",
            find / 1e3,
            start / 1e3,
            end / 1e3,
            person.await / 1e3
        );
        drop(std::fs::remove_dir_all(&folder));
    }

    const COPY: &str = "INSERT INTO ti_grant \
        SELECT randomblob(32), actor_sub || hex(randomblob(8)), actor_iss, target_sub, target_iss, \
        token_id, origin_token_id, session_id, started_at, idle_limit, deadline, last_used_at, over_at, \
        ended_at, end_reason, ended_by_sub, ended_by_iss, start \
        FROM ti_grant, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
        SELECT i FROM n) LIMIT ?";
}
