//! From the table to axum.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use http::{HeaderValue, StatusCode};

use crate::manage::caught::caught;
use crate::manage::desk::Desk;
use crate::manage::http::{Call, Problem};
use crate::manage::oauth;
use crate::manage::routes::{Credential, METADATA, ROUTES, Route, Run, WELL_KNOWN, Way};
use crate::manage::sign_in;
use crate::manage::wanted::WantedIssuer;
use crate::middleware::{Asking, OwnRoute};

pub(super) fn routes(desk: &Arc<Desk>) -> Router {
    mount(desk, ROUTES).merge(mount(desk, sign_in::routes(desk)))
}

pub(super) fn well_known(desk: &Arc<Desk>) -> Router {
    mount(desk, WELL_KNOWN)
}

/// Where the route stands with that configuration.
pub(super) fn path(desk: &Desk, route: &Route) -> String {
    if route.path == METADATA {
        oauth::metadata_path(desk.minter.issuer_name())
    } else {
        route.path.to_owned()
    }
}

fn mount(desk: &Arc<Desk>, table: &'static [Route]) -> Router {
    table.iter().fold(Router::new(), |router, route| {
        let served = serve(desk, route);
        // All methods of a path have one fallback.
        router.route(&path(desk, route), served)
    })
}

fn serve(desk: &Arc<Desk>, route: &'static Route) -> MethodRouter {
    // Every method of the table has a filter of its own.
    let filter = MethodFilter::try_from(route.method.clone()).unwrap_or(MethodFilter::GET);
    let (own, run) = (Arc::clone(desk), route.run);
    let served = MethodRouter::new().on(filter, move |request| {
        answer(Arc::clone(&own), request, run)
    });
    let served = match route.credential {
        Credential::Bearer => {
            let way = route.way;
            let marked = from_fn(move |request, next| mark(request, next, way));
            served.layer(desk.layer.clone()).layer(marked)
        }
        Credential::Client | Credential::None => served,
    };
    let caching = match route.credential {
        Credential::None => HeaderValue::from_static("public, max-age=300"),
        Credential::Bearer | Credential::Client => HeaderValue::from_static("no-store"),
    };
    served.layer(from_fn(move |request, next| {
        finish(request, next, caching.clone())
    }))
}

async fn answer(desk: Arc<Desk>, request: Request, run: Run) -> Response {
    let now = desk.now();
    let answering = async {
        let call = Call::of(request, now).await?;
        run(desk, call).await
    };
    let answered = caught(answering).await.unwrap_or_else(|| {
        let title = "the service is temporarily unavailable";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, title).retry_after(1);
        Err(problem.into())
    });
    match answered {
        Ok(response) => response,
        Err(response) => *response,
    }
}

/// Says that the route is one of this crate, before the layer sees the request.
async fn mark(mut request: Request, next: Next, way: Way) -> Response {
    let wanted = WantedIssuer::take(request.headers_mut());
    let extensions = request.extensions_mut();
    extensions.insert(wanted);
    extensions.insert(OwnRoute);
    if way == Way::Ending {
        extensions.insert(Asking::default());
    }
    next.run(request).await
}

async fn finish(request: Request, next: Next, caching: HeaderValue) -> Response {
    let mut response = next.run(request).await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let (parts, _) = response.into_parts();
        response = Problem::new(parts.status, "this method is not for this path").into();
        let allow = parts.headers.get(http::header::ALLOW).cloned();
        response
            .headers_mut()
            .extend(allow.map(|allow| (http::header::ALLOW, allow)));
    }
    let cacheable = response.status() == StatusCode::OK;
    let headers = response.headers_mut();
    let caching = if cacheable {
        caching
    } else {
        HeaderValue::from_static("no-store")
    };
    if caching == "no-store" {
        // RFC 6749, section 5.1.
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    }
    headers.insert(CACHE_CONTROL, caching);
    if headers.contains_key(CONTENT_TYPE) {
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, nosniff);
    }
    response
}
