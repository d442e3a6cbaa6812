//! The shapes in the document: of answers from the types that are written, of bodies as they are read.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ArrayBuilder, Components, ComponentsBuilder, Object, ObjectBuilder, Ref, RefOr, Schema, Type,
    schema::AdditionalProperties,
};

use crate::manage::desk::Desk;
use crate::manage::grants::{EndView, GrantList, GrantView, PersonView};
use crate::manage::oauth::{GRANT_TYPES, OAuthErrorView, TokenView};
use crate::manage::sign_in;
use crate::manage::start::{Issued, IssuedAttributes, IssuedData};

pub(super) const BEARER: &str = "bearer";
pub(super) const BASIC: &str = "client";

pub(super) fn components(desk: &Desk) -> Components {
    sign_in::schemas(desk, ComponentsBuilder::new())
        .schema_from::<Issued>()
        .schema_from::<IssuedData>()
        .schema_from::<IssuedAttributes>()
        .schema_from::<GrantView>()
        .schema_from::<GrantList>()
        .schema_from::<PersonView>()
        .schema_from::<EndView>()
        .schema_from::<TokenView>()
        .schema_from::<OAuthErrorView>()
        .schema("Problem", problem())
        .schema("Introspection", introspection())
        .schema("StartOrder", start_order())
        .schema("ExtendOrder", closed([("ttl_seconds", seconds())]))
        .schema("TokenOrder", token_order())
        .schema("TokenQuestion", token_question())
        .schema("Object", ObjectBuilder::new().schema_type(Type::Object))
        .schema("Empty", closed([]))
        .security_scheme(
            BEARER,
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        )
        .security_scheme(
            BASIC,
            SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)),
        )
        .build()
}

/// A parameter of a path, a query or a header.
pub(super) fn parameter(name: &str) -> Object {
    match name {
        "username" => bounded(1, 256),
        "state" => one_of(["active", "ended"]),
        "limit" => integer().minimum(Some(1)).maximum(Some(200)).build(),
        "id" => bounded(1, 64),
        _ => bounded(1, 512),
    }
}

fn problem() -> Object {
    let names = ["type", "title", "error", "field", "grant"];
    let texts = names.into_iter().map(|name| (name, text()));
    open(
        texts.chain([("status", integer().build())]),
        ["type", "title", "status"],
    )
}

fn introspection() -> Object {
    let texts = [
        "iss",
        "sub",
        "aud",
        "jti",
        "client_id",
        "scope",
        "token_type",
        "grant_id",
        "mode",
        "reason",
        "ticket",
        "started_at",
    ];
    let texts = texts.into_iter().map(|name| (name, text()));
    let times = ["exp", "iat"]
        .into_iter()
        .map(|name| (name, integer().build()));
    let active = (
        "active",
        ObjectBuilder::new().schema_type(Type::Boolean).build(),
    );
    let subject = open(
        ["format", "iss", "sub"].map(|name| (name, text())),
        ["format", "iss", "sub"],
    );
    let mut object = open(texts.chain(times).chain([active]), ["active"]);
    let person: RefOr<Schema> = Ref::from_schema_name("Person").into();
    object.properties.insert("act".to_owned(), person);
    object
        .properties
        .insert("sub_id".to_owned(), subject.into());
    object
}

fn start_order() -> Object {
    let texts = [
        ("reason", bounded(1, 2000)),
        ("ticket", bounded(1, 128)),
        ("mode", one_of(["full", "read_only", "scoped"])),
        ("ttl_seconds", seconds()),
        ("audience", bounded(1, 512)),
        ("replace", flag()),
        ("cookie", flag()),
    ];
    let mut order = closed(texts);
    let scopes = ArrayBuilder::new()
        .items(bounded(1, 128))
        .min_items(Some(1))
        .max_items(Some(64))
        .build();
    order.properties.insert("scopes".to_owned(), scopes.into());
    order
}

fn flag() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).build()
}

fn token_order() -> Object {
    let names = [
        "grant_type",
        "client_id",
        "client_secret",
        "scope",
        "audience",
        "resource",
        "subject_token",
        "subject_token_type",
        "requested_token_type",
    ];
    form(names, "grant_type", one_of(GRANT_TYPES))
}

fn token_question() -> Object {
    let names = ["token", "token_type_hint", "client_id", "client_secret"];
    let token = ObjectBuilder::new().schema_type(Type::String);
    form(names, "token", token.min_length(Some(1)).build())
}

/// One of them is required, and so not empty: an empty parameter is none (RFC 6749, section 3.2).
fn form<const N: usize>(names: [&str; N], required: &str, schema: Object) -> Object {
    let mut form = open(names.map(|name| (name, text())), [required]);
    let properties = &mut form.properties;
    properties.insert(required.to_owned(), schema.into());
    // What is not known is passed over, and nothing may stand twice.
    let once = AdditionalProperties::RefOr(text().into());
    form.additional_properties = Some(Box::new(once));
    form
}

fn open<'n>(
    properties: impl IntoIterator<Item = (&'n str, Object)>,
    required: impl IntoIterator<Item = &'n str>,
) -> Object {
    let object = ObjectBuilder::new().schema_type(Type::Object);
    let object = properties
        .into_iter()
        .fold(object, |object, (name, schema)| {
            object.property(name, schema)
        });
    required
        .into_iter()
        .fold(object, ObjectBuilder::required)
        .build()
}

pub(super) fn closed<'n>(properties: impl IntoIterator<Item = (&'n str, Object)>) -> Object {
    let mut object = open(properties, []);
    object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
    object
}

/// Texts that a form may hold.
#[cfg(feature = "lambda")]
pub(super) fn texts<'n>(names: impl IntoIterator<Item = &'n str>) -> Object {
    open(names.into_iter().map(|name| (name, text())), [])
}

fn text() -> Object {
    ObjectBuilder::new().schema_type(Type::String).build()
}

pub(super) fn bounded(least: usize, most: usize) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(least))
        .max_length(Some(most))
        .build()
}

fn one_of<const N: usize>(values: [&str; N]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(values))
        .build()
}

fn integer() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

fn seconds() -> Object {
    integer().minimum(Some(1)).build()
}
