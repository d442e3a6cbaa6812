//! What is left of a server's throughput behind this layer, over real sockets?
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml --bin loopback          # about 40 s
//! cargo run --release --manifest-path benches/peers/Cargo.toml --bin loopback -- 10    # fewer rounds
//! ```
//!
//! HTTP/1.1 with keep-alive on 127.0.0.1, hyper, 32 connections, the same bytes to each server: one
//! request with a token of RS256 after the other. A server without any layer, one behind this crate with
//! the token in its cache, one behind the fastest peer. Each has threads of its own; the client has one
//! more, and only one server is asked at a time, in slices of 0.4 s, in turn. Ratios are medians of the
//! ratios within a round. The client writes the same bytes and reads as many as the first answer
//! had, which costs it far less than it costs the server.
//!
//! A server with one worker has the first core, the client the second. How busy that worker was shows
//! whether it was at its limit, without which requests per second say little: where neighbours take the
//! core away, or the client is too slow, look at the time that its thread ran for one request, in the
//! kernel and outside, which nobody else's load adds to. On a machine with two cores the client takes its
//! share of both while there are two workers, so the second table is no server's scaling: see `benches/threads.rs`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};
use std::{fs, thread};

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use peers::figures::{median, rank, ratios};
use peers::tokens::Keys;
use peers::{BoxError, ours, peers as others};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tower::{Service, ServiceExt};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::Algorithm;

const CONNECTIONS: usize = 32;
const SLICE: Duration = Duration::from_millis(400);
const ROUNDS: usize = 20;

/// A server, and the connections to it.
struct Target {
    name: &'static str,
    address: SocketAddr,
    /// Where the system says how long each of its threads ran.
    threads: Arc<Mutex<Vec<PathBuf>>>,
    connections: Vec<TcpStream>,
    answer_bytes: usize,
    slices: Vec<Slice>,
}

/// What one server did in one slice.
struct Slice {
    per_second: f64,
    /// Of all its threads, 1 is one core.
    busy: f64,
    /// In microseconds.
    times: Vec<f64>,
}

impl Slice {
    fn at(&self, share: f64) -> f64 {
        rank(self.times.clone(), share)
    }

    /// Of the server's threads for one request, in microseconds.
    fn cost(&self) -> f64 {
        self.busy / self.per_second * 1e6
    }
}

fn main() -> Result<(), BoxError> {
    let rounds = std::env::args().find_map(|argument| argument.parse().ok());
    let rounds: usize = rounds.unwrap_or(ROUNDS);
    let keys = Keys {
        issuer: TestIssuer::offline("https://issuer.example.com"),
        algorithm: Algorithm::RS256,
    };
    let request = request_bytes(&keys.token().sign());
    for workers in [1, 2] {
        let mut targets = vec![
            serve("bare", workers, ours::bare())?,
            serve("tower-impersonate, warm", workers, ours::plain(&keys)?)?,
            serve(
                "axum-jwt-auth",
                workers,
                others::axum_jwt_auth::service(&keys)?,
            )?,
        ];
        let rounds = if workers == 1 { rounds } else { rounds / 2 };
        let asking = thread::scope(|scope| {
            let asking = scope.spawn(|| {
                if workers == 1 {
                    pin(1);
                }
                let client = Builder::new_current_thread().enable_all().build()?;
                client.block_on(ask_all(&mut targets, &request, rounds))
            });
            asking.join()
        });
        asking.map_err(|_| "the client failed")??;
        print(&targets, workers);
    }
    Ok(())
}

/// Serves on a free port, on threads of its own, to the end of the process.
fn serve<S, B>(name: &'static str, workers: usize, service: S) -> Result<Target, BoxError>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let threads = Arc::new(Mutex::new(Vec::new()));
    let started = Arc::clone(&threads);
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        if workers == 1 {
            pin(0);
            note_thread(&started);
        }
        let runtime = runtime(workers, started)?;
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            send.send(listener.local_addr()?)?;
            // On a worker, where it runs without waking another thread.
            tokio::spawn(accept(listener, service)).await?;
            Ok::<(), BoxError>(())
        })
    });
    Ok(Target {
        name,
        address: receive.recv()?,
        threads,
        connections: Vec::new(),
        answer_bytes: 0,
        slices: Vec::new(),
    })
}

fn runtime(workers: usize, started: Arc<Mutex<Vec<PathBuf>>>) -> Result<Runtime, BoxError> {
    let mut builder = match workers {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if workers > 1 {
        builder.worker_threads(workers);
        builder.on_thread_start(move || note_thread(&started));
    }
    Ok(builder.enable_all().build()?)
}

/// Keeps this thread on one core, where there is such a core and the system lets it.
fn pin(index: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if let Some(core) = cores.get(index) {
        core_affinity::set_for_current(*core);
    }
}

fn note_thread(threads: &Mutex<Vec<PathBuf>>) {
    // Without Linux there is no such file, and the column stays empty.
    if let Ok(own) = fs::read_link("/proc/thread-self") {
        let mut threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(PathBuf::from("/proc").join(own).join("schedstat"));
    }
}

async fn accept<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            stream.set_nodelay(true).ok();
            let call = service_fn(move |request: Request<Incoming>| {
                service.clone().oneshot(request.map(Body::new))
            });
            // A client that has left is no fault.
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), call);
            drop(served.await);
        });
    }
}

fn request_bytes(token: &str) -> Arc<[u8]> {
    let head = "GET / HTTP/1.1\r\nhost: api.example.com\r\nuser-agent: benchmark\r\naccept: */*\r\n\
                accept-encoding: gzip\r\nx-request-id: 1\r\nauthorization: Bearer ";
    format!("{head}{token}\r\n\r\n").into_bytes().into()
}

async fn ask_all(
    targets: &mut [Target],
    request: &Arc<[u8]>,
    rounds: usize,
) -> Result<(), BoxError> {
    for target in &mut *targets {
        target.connect(request).await?;
    }
    let count = targets.len();
    for round in 0..rounds {
        for turn in 0..count {
            targets[(turn + round) % count].slice(request).await?;
        }
    }
    Ok(())
}

impl Target {
    /// Opens the connections, and sees on each that the answer is 200.
    async fn connect(&mut self, request: &[u8]) -> Result<(), BoxError> {
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            stream.write_all(request).await?;
            let mut answer = vec![0; 4096];
            let read = stream.read(&mut answer).await?;
            let answer = String::from_utf8_lossy(&answer[..read]);
            if !answer.starts_with("HTTP/1.1 200 ") || !answer.ends_with("\r\n\r\nhello") {
                return Err(format!("{} answered {answer:?}", self.name).into());
            }
            self.answer_bytes = read;
            self.connections.push(stream);
        }
        Ok(())
    }

    async fn slice(&mut self, request: &Arc<[u8]>) -> Result<(), BoxError> {
        let (before, began) = (self.ran(), Instant::now());
        let until = began + SLICE;
        let mut tasks = JoinSet::new();
        for stream in self.connections.drain(..) {
            tasks.spawn(drive(stream, Arc::clone(request), self.answer_bytes, until));
        }
        let mut times = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (stream, took) = done??;
            self.connections.push(stream);
            times.extend(took);
        }
        let (whole, ran) = (began.elapsed(), self.ran() - before);
        self.slices.push(Slice {
            per_second: times.len() as f64 / whole.as_secs_f64(),
            busy: ran / whole.as_secs_f64(),
            times,
        });
        Ok(())
    }

    /// How many seconds its threads ran so far.
    fn ran(&self) -> f64 {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let nanos = threads.iter().filter_map(|file| {
            let text = fs::read_to_string(file).ok()?;
            text.split(' ').next()?.parse::<f64>().ok()
        });
        nanos.sum::<f64>() / 1e9
    }
}

/// One request after the other; gives the connection back, and how long each took in microseconds.
async fn drive(
    mut stream: TcpStream,
    request: Arc<[u8]>,
    answer_bytes: usize,
    until: Instant,
) -> Result<(TcpStream, Vec<f64>), BoxError> {
    let mut answer = vec![0; answer_bytes];
    let mut times = Vec::new();
    let mut began = Instant::now();
    while began < until {
        stream.write_all(&request).await?;
        stream.read_exact(&mut answer).await?;
        if !answer.starts_with(b"HTTP/1.1 200 ") {
            return Err("an answer that is not 200".into());
        }
        let now = Instant::now();
        times.push((now - began).as_secs_f64() * 1e6);
        began = now;
    }
    Ok((stream, times))
}

fn print(targets: &[Target], workers: usize) {
    println!("\nworkers: {workers}, {} rounds", targets[0].slices.len());
    println!(
        "{:<26} {:>9} {:>7} {:>6} {:>8} {:>7} {:>8} {:>8} {:>8} {:>7} {:>7}",
        "server",
        "req/s",
        "x bare",
        "busy",
        "ran us",
        "x bare",
        "p50 us",
        "p99 us",
        "p99.9",
        "p99 x",
        "p99.9 x"
    );
    let of = |target: &Target, value: &dyn Fn(&Slice) -> f64| -> Vec<f64> {
        target.slices.iter().map(value).collect()
    };
    let against = |one: &Target, other: &Target, value: &dyn Fn(&Slice) -> f64| {
        median(ratios(&of(one, value), &of(other, value)))
    };
    let bare = &targets[0];
    for target in targets {
        println!(
            "{:<26} {:>9.0} {:>7.3} {:>6.2} {:>8.2} {:>7.3} {:>8.0} {:>8.0} {:>8.0} {:>7.2} {:>7.2}",
            target.name,
            median(of(target, &|slice| slice.per_second)),
            against(target, bare, &|slice| slice.per_second),
            median(of(target, &|slice| slice.busy)),
            median(of(target, &Slice::cost)),
            against(target, bare, &Slice::cost),
            median(of(target, &|slice| slice.at(0.5))),
            median(of(target, &|slice| slice.at(0.99))),
            median(of(target, &|slice| slice.at(0.999))),
            against(target, bare, &|slice| slice.at(0.99)),
            against(target, bare, &|slice| slice.at(0.999)),
        );
    }
    let (own, peer) = (&targets[1], &targets[2]);
    println!(
        "ours serves {:.2} times as many requests per second as the peer, in {:.2} of its time for each",
        against(own, peer, &|slice| slice.per_second),
        against(own, peer, &Slice::cost),
    );
}
