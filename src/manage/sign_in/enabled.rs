use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use utoipa::openapi::ComponentsBuilder;

use crate::grant::codes::CodeStore;
use crate::manage::desk::Desk;
use crate::manage::openapi::{Body, Shape};
use crate::manage::routes::{Credential, Route};
use crate::manage::sign_in::code::{self, CodeAttributes, CodeData, CodeIssued, CodeMetadata};
use crate::manage::sign_in::taking::REDEEM;
use crate::manage::{ManageBuilder, ManageError, oauth, schemas as shapes};
use crate::terms::Mode;

/// Where an actor may sign in as the target by a code; given to [`ManageBuilder::sign_in`].
#[derive(Clone)]
#[must_use = "it does nothing until it is given to the builder"]
pub struct SignIn {
    codes: Arc<dyn CodeStore>,
    clients: Vec<Arc<str>>,
    lifetime: Duration,
    modes: Modes,
}

/// Under which grants codes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Modes {
    Full,
    Any,
}

impl SignIn {
    /// Codes that are kept there, for these app clients of user pools: those that the triggers know as
    /// [theirs](crate::lambda::TriggersBuilder::sign_in_clients), which nobody signs in at otherwise.
    pub fn new<C: Into<Arc<str>>>(
        codes: impl CodeStore + 'static,
        clients: impl IntoIterator<Item = C>,
    ) -> Self {
        Self {
            codes: Arc::new(codes),
            clients: clients.into_iter().map(Into::into).collect(),
            lifetime: Duration::from_secs(60),
            modes: Modes::Full,
        }
    }

    /// How long a code counts; 60 s by default, 1 s to 5 min. Never past the grant's deadline.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Makes codes under grants of the modes `read_only` and `scoped`, too; without, they are refused (403).
    ///
    /// This weakens those modes: whoever signs in has a session of the target at Cognito. The tokens say the mode, and the
    /// layer holds to it; Cognito itself, and every service without the layer, take them as the target's own.
    pub fn danger_narrower_modes(mut self) -> Self {
        self.modes = Modes::Any;
        self
    }

    pub(super) fn serves(&self, mode: Mode) -> bool {
        self.modes == Modes::Any || mode == Mode::Full
    }

    pub(super) fn codes(&self) -> &dyn CodeStore {
        &*self.codes
    }

    pub(super) fn clients(&self) -> &[Arc<str>] {
        &self.clients
    }

    pub(super) fn valid_for(&self) -> Duration {
        self.lifetime
    }

    fn check(&self) -> Result<(), ManageError> {
        let sound = |id: &Arc<str>| (1..=MAX_CLIENT).contains(&id.len());
        if self.clients.is_empty() || !self.clients.iter().all(sound) {
            let detail = "name the app clients of the pool, each by its id".to_owned();
            return Err(ManageError::SignIn { detail });
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(300)).contains(&self.lifetime) {
            return Err(ManageError::OutOfBounds {
                setting: "the lifetime of a sign-in code",
                bounds: "between 1 s and 5 min",
            });
        }
        self.codes.check().map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let detail = cause.unwrap_or_else(|| error.to_string());
            ManageError::SignIn { detail }
        })
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("clients", &self.clients)
            .field("lifetime", &self.lifetime)
            .field("modes", &self.modes)
            .finish_non_exhaustive()
    }
}

/// What the builder was given.
#[derive(Default)]
pub(in crate::manage) struct Wanted(Option<SignIn>);

/// The same, checked.
pub(in crate::manage) struct Offered(Option<SignIn>);

impl Wanted {
    pub(in crate::manage) fn check(self) -> Result<Offered, ManageError> {
        self.0.as_ref().map_or(Ok(()), SignIn::check)?;
        Ok(Offered(self.0))
    }
}

impl Offered {
    pub(super) fn get(&self) -> Option<&SignIn> {
        self.0.as_ref()
    }
}

impl ManageBuilder {
    /// Lets actors sign in at a Cognito user pool as the target, by a code that counts once.
    ///
    /// Adds `POST /grants/{id}/sign-in-code` for the actor of a grant, and `POST /oauth2/sign-in/redeem` and
    /// `/oauth2/sign-in/confirm` for the app client that the pool's [triggers](crate::lambda) come as, which
    /// needs the right [`introspect`](crate::policy::Right::Introspect). The grant's target must be of that pool.
    pub fn sign_in(mut self, sign_in: SignIn) -> Self {
        self.sign_in = Wanted(Some(sign_in));
        self
    }
}

/// The routes, where codes are offered.
pub(in crate::manage) fn routes(desk: &Desk) -> &'static [Route] {
    match desk.sign_in.get() {
        Some(_) => ROUTES,
        None => &[],
    }
}

/// The shapes of those routes.
pub(in crate::manage) fn schemas(desk: &Desk, components: ComponentsBuilder) -> ComponentsBuilder {
    if desk.sign_in.get().is_none() {
        return components;
    }
    let order = shapes::closed([("client_id", shapes::bounded(1, MAX_CLIENT))]);
    let user = ["issuer", "subject", "username", "client"];
    let redeem = shapes::texts(["code_hash", "challenge"].into_iter().chain(user));
    let confirm = shapes::texts(["receipt", "grant_id", "step"].into_iter().chain(user));
    components
        .schema_from::<CodeIssued>()
        .schema_from::<CodeData>()
        .schema_from::<CodeAttributes>()
        .schema_from::<CodeMetadata>()
        .schema_from::<oauth::SignInView>()
        .schema("SignInOrder", order)
        .schema("SignInRedemption", redeem)
        .schema("SignInQuestion", confirm)
}

const ROUTES: &[Route] = &[
    Route::new(
        Method::POST,
        "/grants/{id}/sign-in-code",
        Credential::Bearer,
        |desk, call| Box::pin(code::issue(desk, call)),
    )
    .called(
        "signInCode",
        "Get a code by which the actor of the grant signs in at the user pool as the target",
    )
    .takes(Body::Json("SignInOrder"))
    .answers(&[
        (200, Shape::Json("CodeIssued")),
        (409, Shape::Problem),
        (413, Shape::Problem),
        (415, Shape::Problem),
        (429, Shape::Problem),
    ]),
    Route::new(Method::POST, REDEEM, Credential::Client, |desk, call| {
        Box::pin(oauth::redeem(desk, call))
    })
    .called("redeemSignInCode", "Take a code, for one challenge")
    .takes(Body::Form("SignInRedemption"))
    .answers(&[(200, Shape::Json("SignIn")), (403, Shape::OAuthError)]),
    Route::new(
        Method::POST,
        "/oauth2/sign-in/confirm",
        Credential::Client,
        |desk, call| Box::pin(oauth::confirm(desk, call)),
    )
    .called("confirmSignIn", "Ask what the tokens of a sign-in may say")
    .takes(Body::Form("SignInQuestion"))
    .answers(&[(200, Shape::Json("SignIn")), (403, Shape::OAuthError)]),
];

/// As Cognito has it.
pub(super) const MAX_CLIENT: usize = 128;
