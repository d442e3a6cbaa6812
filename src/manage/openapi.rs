//! The document of all routes (OpenAPI 3.1), from the table that makes them.

use std::collections::BTreeMap;

use http::StatusCode;
use utoipa::openapi::path::{
    Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    Content, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, Required, Response,
    ResponseBuilder,
};

use crate::manage::desk::Desk;
use crate::manage::oauth;
use crate::manage::router;
use crate::manage::routes::{Credential, ROUTES, Route, WELL_KNOWN};
use crate::manage::schemas;
use crate::manage::sign_in;
use crate::manage::start::ISSUER;

/// What stands in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Nothing,
    Json(&'static str),
    Problem,
    OAuthError,
}

/// What a body is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Json(&'static str),
    Form(&'static str),
}

pub(super) fn document(desk: &Desk) -> OpenApi {
    let mut paths = Paths::new();
    let base = oauth::issuer_path(desk.minter.issuer_name());
    for route in ROUTES.iter().chain(sign_in::routes(desk)) {
        let path = format!("{base}{}{}", desk.path, route.path);
        paths.add_path_operation(path, vec![method(route)], operation(route));
    }
    for route in WELL_KNOWN {
        paths.add_path_operation(
            router::path(desk, route),
            vec![method(route)],
            operation(route),
        );
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Impersonation")
                .version(env!("CARGO_PKG_VERSION"))
                .build(),
        )
        .paths(paths)
        .components(Some(schemas::components(desk)))
        .build()
}

fn method(route: &Route) -> HttpMethod {
    match route.method.as_str() {
        "POST" => HttpMethod::Post,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(route: &Route) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.name))
        .summary(Some(route.summary))
        .securities(Some(securities(route.credential)));
    for parameter in parameters(route) {
        operation = operation.parameter(parameter);
    }
    if let Some(body) = route.body {
        operation = operation.request_body(Some(request_body(body)));
    }
    let mut answers: BTreeMap<u16, Vec<Shape>> = BTreeMap::new();
    for (status, shape) in usual(route.credential).iter().chain(route.answers) {
        let shapes = answers.entry(*status).or_default();
        if !shapes.contains(shape) {
            shapes.push(*shape);
        }
    }
    for (status, shapes) in answers {
        operation = operation.response(status.to_string(), response(status, &shapes));
    }
    operation.build()
}

/// What every route answers that is authenticated like that.
fn usual(credential: Credential) -> &'static [(u16, Shape)] {
    match credential {
        Credential::Bearer => &[
            (400, Shape::Problem),
            (401, Shape::Problem),
            (403, Shape::Problem),
            (405, Shape::Problem),
            (409, Shape::Problem),
            (500, Shape::Problem),
            (503, Shape::Problem),
        ],
        Credential::Client => &[
            (400, Shape::OAuthError),
            (400, Shape::Problem),
            (401, Shape::OAuthError),
            (405, Shape::Problem),
            (413, Shape::Problem),
            (429, Shape::Problem),
            (503, Shape::OAuthError),
            (503, Shape::Problem),
        ],
        Credential::None => &[(405, Shape::Problem)],
    }
}

fn securities(credential: Credential) -> Vec<SecurityRequirement> {
    let needs = |scheme: &str| SecurityRequirement::new(scheme, Vec::<String>::new());
    match credential {
        Credential::Bearer => vec![needs(schemas::BEARER)],
        Credential::Client => vec![needs(schemas::BASIC), SecurityRequirement::default()],
        Credential::None => vec![SecurityRequirement::default()],
    }
}

fn parameters(route: &Route) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for name in ["username", "id"] {
        if route.path.contains(&format!("{{{name}}}")) {
            parameters.push(parameter(name, ParameterIn::Path, Required::True));
        }
    }
    for name in route.query {
        parameters.push(parameter(name, ParameterIn::Query, Required::False));
    }
    if route.path.ends_with("/impersonate") {
        let header = parameter(ISSUER.as_str(), ParameterIn::Header, Required::False);
        parameters.push(header);
    }
    parameters
}

fn parameter(name: &str, place: ParameterIn, required: Required) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .schema(Some(schemas::parameter(name)))
        .build()
}

fn request_body(body: Body) -> RequestBody {
    let (kind, name, required) = match body {
        Body::Json(name) => ("application/json", name, Required::False),
        Body::Form(name) => ("application/x-www-form-urlencoded", name, Required::True),
    };
    RequestBodyBuilder::new()
        .content(kind, content(name))
        .required(Some(required))
        .build()
}

fn response(status: u16, shapes: &[Shape]) -> Response {
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    let response = ResponseBuilder::new().description(reason.unwrap_or_default());
    let with_content = |response: ResponseBuilder, shape: &Shape| match shape {
        Shape::Nothing => response,
        Shape::Json(name) => response.content("application/json", content(name)),
        Shape::Problem => response.content("application/problem+json", content("Problem")),
        Shape::OAuthError => response.content("application/json", content("OAuthError")),
    };
    shapes.iter().fold(response, with_content).build()
}

fn content(name: &str) -> Content {
    Content::new(Some(Ref::from_schema_name(name)))
}
