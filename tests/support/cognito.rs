//! User pools: those of emulators, asked by the client of the AWS SDK, and one that only has faults.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::convert::Infallible;
use std::env;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_sdk_cognitoidentityprovider as aws;
use aws_smithy_http_client::Builder;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::answer::Answer;
use tower_impersonate::cognito::{
    ApiError, ApiErrorKind, Filter, Page, Pool, PoolUser, RefreshToken, UserPoolApi,
};
use tower_impersonate::{Impersonation, ImpersonationLayer, Issuer, Principal};

pub const REGION: &str = "us-east-1";

/// A server that speaks Cognito's API.
#[derive(Clone)]
pub struct Emulator {
    pub name: &'static str,
    url: String,
}

impl Emulator {
    pub fn ministack() -> Self {
        Self::at("ministack", "MINISTACK_URL")
    }

    pub fn moto() -> Self {
        Self::at("moto", "MOTO_URL")
    }

    pub fn both() -> [Self; 2] {
        [Self::ministack(), Self::moto()]
    }

    fn at(name: &'static str, variable: &str) -> Self {
        let url = env::var(variable);
        let url =
            url.unwrap_or_else(|_| panic!("{variable} is not set: run this with ./tests/run"));
        Self { name, url }
    }

    pub fn named(name: &str, url: &str) -> Self {
        let name = if name == "moto" { "moto" } else { "ministack" };
        let url = url.to_owned();
        Self { name, url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn client(&self) -> aws::Client {
        let config = aws::Config::builder()
            .behavior_version(aws::config::BehaviorVersion::v2025_08_07())
            .endpoint_url(&self.url)
            .region(aws::config::Region::new(REGION))
            .credentials_provider(aws::config::Credentials::new(
                "test", "test", None, None, "test",
            ))
            .http_client(Builder::new().build_http());
        aws::Client::from_conf(config.build())
    }

    /// A pool of its own. Carol and Dora are of the support team, Carol is in `org-shared` besides; Alice is
    /// in `org-acme` and `org-shared`, Bob in `org-acme` and `org-globex`; Dave is disabled, and nobody has
    /// ever used the account of Erin.
    pub async fn pool(&self) -> TestPool {
        let client = self.client();
        let made = client
            .create_user_pool()
            .pool_name("desk")
            .send()
            .await
            .unwrap();
        let id = made.user_pool().unwrap().id().unwrap().to_owned();
        let made = { client.create_user_pool_client() }
            .user_pool_id(&id)
            .client_name("web")
            .explicit_auth_flows(aws::types::ExplicitAuthFlowsType::AllowUserPasswordAuth)
            .explicit_auth_flows(aws::types::ExplicitAuthFlowsType::AllowRefreshTokenAuth)
            .send();
        let made = made.await.unwrap();
        let web = made
            .user_pool_client()
            .unwrap()
            .client_id()
            .unwrap()
            .to_owned();
        let pool = TestPool {
            emulator: self.clone(),
            client,
            id,
            web,
        };
        for group in ["support", "org-acme", "org-globex", "org-shared"] {
            pool.make_group(group).await;
        }
        for (name, groups) in PEOPLE {
            pool.make_user(name, groups).await;
        }
        pool.set_password("erin", false).await;
        { pool.client.admin_disable_user() }
            .user_pool_id(&pool.id)
            .username("dave")
            .send()
            .await
            .unwrap();
        pool
    }
}

const PEOPLE: [(&str, &[&str]); 6] = [
    ("carol", &["support", "org-shared"]),
    ("dora", &["support"]),
    ("alice", &["org-acme", "org-shared"]),
    ("bob", &["org-acme", "org-globex"]),
    ("dave", &[]),
    ("erin", &[]),
];

/// A pool at an emulator.
#[derive(Clone)]
pub struct TestPool {
    pub emulator: Emulator,
    pub client: aws::Client,
    pub id: String,
    pub web: String,
}

impl TestPool {
    /// One that is there already.
    pub fn known(emulator: Emulator, id: String, web: String) -> Self {
        Self {
            client: emulator.client(),
            emulator,
            id,
            web,
        }
    }

    pub fn pool(&self) -> Pool {
        Pool::new(REGION, &self.id, self.client.clone())
    }

    pub fn issuer_name(&self) -> String {
        self.pool().issuer().unwrap().to_owned()
    }

    pub fn issuer(&self) -> Issuer {
        Issuer::cognito(REGION, &self.id)
            .client_ids([&self.web])
            .jwks_url(format!(
                "{}/{}/.well-known/jwks.json",
                self.emulator.url, self.id
            ))
            .insecure_loopback_http()
    }

    pub async fn make_group(&self, name: &str) {
        let call = self.client.create_group().user_pool_id(&self.id);
        call.group_name(name).send().await.unwrap();
    }

    pub async fn make_user(&self, name: &str, groups: &[&str]) {
        let attribute = |name: &str, value: String| {
            let attribute = aws::types::AttributeType::builder().name(name).value(value);
            attribute.build().unwrap()
        };
        { self.client.admin_create_user() }
            .user_pool_id(&self.id)
            .username(name)
            .message_action(aws::types::MessageActionType::Suppress)
            .user_attributes(attribute("email", format!("{name}@example.com")))
            .user_attributes(attribute("email_verified", "true".to_owned()))
            .send()
            .await
            .unwrap();
        self.set_password(name, true).await;
        for group in groups {
            { self.client.admin_add_user_to_group() }
                .user_pool_id(&self.id)
                .username(name)
                .group_name(*group)
                .send()
                .await
                .unwrap();
        }
    }

    async fn set_password(&self, name: &str, permanent: bool) {
        { self.client.admin_set_user_password() }
            .user_pool_id(&self.id)
            .username(name)
            .password(PASSWORD)
            .permanent(permanent)
            .send()
            .await
            .unwrap();
    }

    pub async fn sub(&self, name: &str) -> String {
        let call = self.client.admin_get_user().user_pool_id(&self.id);
        let user = call.username(name).send().await.unwrap();
        let sub = user
            .user_attributes()
            .iter()
            .find(|one| one.name() == "sub");
        sub.unwrap().value().unwrap().to_owned()
    }

    pub async fn groups(&self, name: &str) -> BTreeSet<String> {
        let call = self
            .client
            .admin_list_groups_for_user()
            .user_pool_id(&self.id);
        let found = call.username(name).send().await.unwrap();
        let names = found.groups().iter().filter_map(|group| group.group_name());
        names.map(str::to_owned).collect()
    }

    /// Access and refresh token of a person that signs in by password.
    pub async fn sign_in(&self, name: &str) -> (String, String) {
        let parameters = [("USERNAME", name), ("PASSWORD", PASSWORD)];
        let tokens = self.authenticate(aws::types::AuthFlowType::UserPasswordAuth, &parameters);
        let tokens = tokens.await.unwrap_or_else(|error| panic!("{error}"));
        let refresh = tokens.refresh_token().unwrap_or_default().to_owned();
        (tokens.access_token().unwrap().to_owned(), refresh)
    }

    /// A new access token, if there is one for that refresh token.
    pub async fn refresh(&self, token: &str) -> Option<String> {
        let parameters = [("REFRESH_TOKEN", token)];
        let tokens = self.authenticate(aws::types::AuthFlowType::RefreshTokenAuth, &parameters);
        Some(tokens.await.ok()?.access_token()?.to_owned())
    }

    async fn authenticate(
        &self,
        flow: aws::types::AuthFlowType,
        parameters: &[(&str, &str)],
    ) -> Result<aws::types::AuthenticationResultType, String> {
        let call = self
            .client
            .initiate_auth()
            .client_id(&self.web)
            .auth_flow(flow);
        let call = parameters.iter().fold(call, |call, (name, value)| {
            call.auth_parameters(*name, *value)
        });
        let answer = call.send().await.map_err(|error| format!("{error:?}"))?;
        let tokens = answer.authentication_result().cloned();
        tokens.ok_or_else(|| "no tokens".to_owned())
    }
}

const PASSWORD: &str = "Some-Pass-1!";

/// The impersonation of a request that this layer lets through.
pub async fn impersonation(
    layer: &ImpersonationLayer,
    token: &str,
    headers: &[(&str, &str)],
) -> Impersonation {
    let kept: Arc<Mutex<Option<Impersonation>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let handler = service_fn(move |request: Request<Full<Bytes>>| {
        let principal = request.extensions().get::<Principal>();
        *keep.lock().unwrap() = principal.and_then(Principal::impersonation).cloned();
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    });
    let mut request = Request::get("/lend").header("authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::default()).unwrap();
    let response = layer.layer(handler).oneshot(request).await.unwrap();
    let kept = kept.lock().unwrap().take();
    kept.unwrap_or_else(|| panic!("{}: nobody is impersonated", response.status()))
}

/// Waits for what comes about in the background.
pub async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within 30 s: {what}");
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Fails(ApiErrorKind),
    /// It is done, and the answer is lost.
    DoneAndFails,
    Hangs,
}

/// A pool in memory for what no emulator does: faults, pages of one entry, linked profiles and the aliases
/// of a real pool. Clones share it.
#[derive(Clone, Default)]
pub struct FaultyPool(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    users: Vec<PoolUser>,
    /// Under which other names `AdminGetUser` finds a user.
    aliases: HashMap<String, String>,
    /// Under which values `ListUsers` finds usernames besides.
    listed: HashMap<String, Vec<String>>,
    groups: BTreeMap<String, BTreeSet<String>>,
    calls: Vec<String>,
    faults: HashMap<&'static str, VecDeque<Fault>>,
    endless: bool,
}

impl FaultyPool {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn user(self, user: PoolUser, groups: &[&str]) -> Self {
        let name = user.username().to_owned();
        let mut state = self.locked();
        state.users.push(user);
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        state.groups.insert(name, groups);
        drop(state);
        self
    }

    pub fn alias(self, alias: &str, username: &str) -> Self {
        self.locked()
            .aliases
            .insert(alias.to_owned(), username.to_owned());
        self
    }

    pub fn lists(self, value: &str, username: &str) -> Self {
        let mut state = self.locked();
        let listed = state.listed.entry(value.to_owned()).or_default();
        listed.push(username.to_owned());
        drop(state);
        self
    }

    pub fn endless(self) -> Self {
        self.locked().endless = true;
        self
    }

    /// The next calls of that operation go like this, one after the other.
    pub fn faults(&self, operation: &'static str, faults: &[Fault]) {
        let mut state = self.locked();
        state.faults.entry(operation).or_default().extend(faults);
    }

    pub fn well_again(&self) {
        self.locked().faults.clear();
    }

    pub fn calls(&self) -> Vec<String> {
        self.locked().calls.clone()
    }

    pub fn forget_calls(&self) {
        self.locked().calls.clear();
    }

    pub fn groups(&self, username: &str) -> Vec<String> {
        let groups = self.locked().groups.get(username).cloned();
        groups.unwrap_or_default().into_iter().collect()
    }

    pub fn set_groups(&self, username: &str, groups: &[&str]) {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        self.locked().groups.insert(username.to_owned(), groups);
    }

    pub fn remove_user(&self, username: &str) {
        self.locked()
            .users
            .retain(|user| user.username() != username);
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn does<T: Send + 'static>(
        &self,
        operation: &'static str,
        about: &str,
        work: impl FnOnce(&mut State) -> T,
    ) -> Answer<Result<T, ApiError>> {
        let mut state = self.locked();
        state.calls.push(format!("{operation} {about}"));
        let fault = state
            .faults
            .get_mut(operation)
            .and_then(VecDeque::pop_front);
        match fault {
            None => {
                let done = work(&mut state);
                Answer::later(async move {
                    tokio::task::yield_now().await;
                    Ok(done)
                })
            }
            Some(Fault::Fails(kind)) => Answer::now(Err(ApiError::new(kind))),
            Some(Fault::DoneAndFails) => {
                work(&mut state);
                Answer::now(Err(ApiError::new(ApiErrorKind::Unavailable)))
            }
            Some(Fault::Hangs) => Answer::later(std::future::pending()),
        }
    }
}

/// One name a page, and an empty page first.
fn page(names: &[String], page: Option<&str>, endless: bool) -> Page {
    let at: usize = page.map_or(0, |page| page.parse().unwrap());
    let name = at.checked_sub(1).and_then(|at| names.get(at));
    Page {
        names: name.into_iter().cloned().collect(),
        next: (endless || at < names.len()).then(|| (at + 1).to_string()),
    }
}

impl UserPoolApi for FaultyPool {
    fn list_users(&self, filter: &Filter, at: Option<&str>) -> Answer<Result<Page, ApiError>> {
        let (attribute, value) = filter.as_str().split_once(" = ").unwrap();
        let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        self.does("list", filter.as_str(), |state| {
            let fits = |user: &&PoolUser| user.attribute(attribute) == Some(value);
            let mut names: Vec<String> = { state.users.iter().filter(fits) }
                .map(|user| user.username().to_owned())
                .collect();
            names.extend(state.listed.get(value).into_iter().flatten().cloned());
            page(&names, at, state.endless)
        })
    }

    fn get_user(&self, username: &str) -> Answer<Result<Option<PoolUser>, ApiError>> {
        self.does("get", username, |state| {
            let name = state.aliases.get(username).map_or(username, String::as_str);
            state
                .users
                .iter()
                .find(|user| user.username() == name)
                .cloned()
        })
    }

    fn groups_of(&self, username: &str, at: Option<&str>) -> Answer<Result<Page, ApiError>> {
        self.does("groups", username, |state| {
            let groups = state.groups.get(username).cloned().unwrap_or_default();
            page(&groups.into_iter().collect::<Vec<_>>(), at, state.endless)
        })
    }

    fn add_to_group(&self, username: &str, group: &str) -> Answer<Result<(), ApiError>> {
        self.does("add", &format!("{username} {group}"), |state| {
            let groups = state.groups.entry(username.to_owned()).or_default();
            groups.insert(group.to_owned());
        })
    }

    fn remove_from_group(&self, username: &str, group: &str) -> Answer<Result<(), ApiError>> {
        self.does("remove", &format!("{username} {group}"), |state| {
            let groups = state.groups.entry(username.to_owned()).or_default();
            groups.remove(group);
        })
    }

    fn sign_out(&self, username: &str) -> Answer<Result<(), ApiError>> {
        self.does("sign_out", username, |_| ())
    }

    fn revoke_token(&self, token: &RefreshToken) -> Answer<Result<(), ApiError>> {
        let about = format!("{} {}", token.client_id(), token.expose());
        self.does("revoke", &about, |_| ())
    }
}
