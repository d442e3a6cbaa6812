//! One file for each of the others: how it is set up at its fastest.

pub mod axum_jwt_auth;
pub mod axum_keycloak_auth;
pub mod from_fn;
pub mod huskarl_axum;
pub mod jwt_authorizer;
pub mod tower_oauth2_resource_server;
