//! Variants that take turns within one run, and what comes of it.
//!
//! Every variant is called in batches, in turn; who begins moves on from round to round. Figures are medians over
//! the rounds and their tenth percentile; a ratio is the median of the ratios within a round, so that a slow moment of the
//! machine weighs on all alike. A few calls that are not timed go before each batch, so that none finds its code
//! warmer than another. Allocations are counted exactly, on the calling thread, for one call after warming up: the
//! fewest of three, because a table grows now and then.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Instant;

use allocation_counter::AllocationInfo;
use axum::body::Body;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, HeaderName, HeaderValue, USER_AGENT,
};
use http::{Request, Response, StatusCode};
use tokio::runtime::{Builder, Runtime};
use tower::{Service, ServiceExt};

/// Calls before each batch that are not timed.
pub(crate) const LEAD: usize = 3;

/// What a request has besides the headers that all have.
pub(crate) type Headers = Rc<[(HeaderName, HeaderValue)]>;

/// One subject.
pub(crate) struct Variant {
    pub(crate) name: String,
    /// The position of what it is compared with; the first one, unless it says otherwise.
    pub(crate) against: usize,
    batch: usize,
    /// Those of the next request; not timed.
    headers: Box<dyn FnMut() -> Headers>,
    /// Builds a request with each and sends it.
    pub(crate) call: Box<dyn Fn(Vec<Headers>)>,
}

/// What was measured of one.
pub(crate) struct Measured {
    pub(crate) nanos: Vec<f64>,
    /// Of its nanoseconds to those of what it is compared with, round by round.
    pub(crate) ratios: Vec<f64>,
    pub(crate) allocated: AllocationInfo,
}

impl Variant {
    /// A service that must answer 200, asked so often in a batch.
    pub(crate) fn new<S, B>(
        runtime: &Rc<Runtime>,
        name: impl Into<String>,
        batch: usize,
        service: S,
        headers: impl FnMut() -> Headers + 'static,
    ) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    {
        let runtime = Rc::clone(runtime);
        let call = move |headers| runtime.block_on(answer(&service, headers));
        Self {
            name: name.into(),
            against: 0,
            batch,
            headers: Box::new(headers),
            call: Box::new(call),
        }
    }

    /// Compared with the variant at that position.
    pub(crate) fn against(mut self, position: usize) -> Self {
        self.against = position;
        self
    }

    fn prepare(&mut self, times: usize) -> Vec<Headers> {
        (0..times).map(|_| (self.headers)()).collect()
    }

    fn send(&mut self, times: usize) {
        let headers = self.prepare(times);
        (self.call)(headers);
    }
}

/// Sends a request with each.
pub(crate) async fn answer<S, B>(service: &S, headers: Vec<Headers>)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    for own in headers {
        let Ok(response) = service.clone().oneshot(request(&own)).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}

/// `Authorization: Bearer <token>`, as a server has it: a piece of a buffer that is shared, so that a clone copies nothing.
pub(crate) fn bearer(token: &str) -> Headers {
    let value = HeaderValue::try_from(format!("Bearer {token}")).expect("a header value");
    drop(value.clone());
    Rc::new([(AUTHORIZATION, value)])
}

/// One thread, this one.
pub(crate) fn runtime() -> Rc<Runtime> {
    let runtime = Builder::new_current_thread().enable_all().build();
    Rc::new(runtime.expect("a runtime"))
}

/// As many rounds as the command line says, or that many.
pub(crate) fn rounds(without: usize) -> usize {
    let said = std::env::args().find_map(|argument| argument.parse().ok());
    said.unwrap_or(without).max(1)
}

/// Runs them all.
pub(crate) fn measure(variants: &mut [Variant], rounds: usize) -> Vec<Measured> {
    let count = variants.len();
    let allocated: Vec<_> = variants.iter_mut().map(allocations).collect();
    let mut nanos = vec![Vec::with_capacity(rounds); count];
    for round in 0..rounds {
        for turn in 0..count {
            let index = (turn + round) % count;
            let variant = &mut variants[index];
            variant.send(LEAD);
            let headers = variant.prepare(variant.batch);
            let start = Instant::now();
            (variant.call)(headers);
            nanos[index].push(start.elapsed().as_nanos() as f64 / variant.batch as f64);
        }
    }
    let own = |(index, allocated): (usize, AllocationInfo)| {
        let own: &Vec<f64> = &nanos[index];
        let floor = &nanos[variants[index].against];
        Measured {
            nanos: own.clone(),
            ratios: own
                .iter()
                .zip(floor)
                .map(|(own, floor)| own / floor)
                .collect(),
            allocated,
        }
    };
    allocated.into_iter().enumerate().map(own).collect()
}

/// One line for each.
pub(crate) fn print(variants: &[Variant], measured: &[Measured]) {
    println!(
        "{:<40} {:>9} {:>9} {:>8} {:>7} {:>6} {:>8}",
        "variant", "ns", "p10", "x floor", "allocs", "more", "bytes"
    );
    for (variant, own) in variants.iter().zip(measured) {
        println!(
            "{:<40} {:>9.0} {:>9.0} {:>8.2} {:>7} {:>+6} {:>8}",
            variant.name,
            rank(&own.nanos, 0.5),
            rank(&own.nanos, 0.1),
            rank(&own.ratios, 0.5),
            own.allocated.count_total,
            more(own, &measured[variant.against]),
            own.allocated.bytes_total,
        );
    }
}

/// How many times more often it allocates.
pub(crate) fn more(own: &Measured, floor: &Measured) -> i64 {
    own.allocated.count_total as i64 - floor.allocated.count_total as i64
}

/// The value that this share of them does not exceed.
pub(crate) fn rank(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[(values.len() as f64 * share) as usize]
}

fn allocations(variant: &mut Variant) -> AllocationInfo {
    variant.send(variant.batch);
    variant.send(LEAD);
    // Now and then the index of the cache grows.
    let mut fewest = count(variant);
    for _ in 0..9 {
        let again = count(variant);
        if again.count_total < fewest.count_total {
            fewest = again;
        }
    }
    fewest
}

fn count(variant: &mut Variant) -> AllocationInfo {
    let one = variant.prepare(1);
    allocation_counter::measure(|| (variant.call)(one))
}

fn request(own: &Headers) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    let headers = request.headers_mut();
    let fixed = [
        (HOST, "api.example.com"),
        (USER_AGENT, "benchmark"),
        (ACCEPT, "*/*"),
        (ACCEPT_ENCODING, "gzip"),
        (HeaderName::from_static("x-request-id"), "1"),
    ];
    // As hyper does, which has counted them.
    headers.reserve(fixed.len() + own.len());
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.extend(own.iter().cloned());
    request
}
