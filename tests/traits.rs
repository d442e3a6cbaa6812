//! What every public type can do, and what none of them shows.

mod support;

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Full;
use support::{Desk, ISSUER, get};
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{AuditError, AuditSink, Completion, Event};
use tower_impersonate::directory::{Directory, LookupError};
use tower_impersonate::middleware::{BoxError, ResponseBody};
use tower_impersonate::policy::{self, Attempt, Policy, Ruling};
use tower_impersonate::rejection::{Rejection, RespondToRejection};
use tower_impersonate::resolve::{self, Requested, Resolution, Resolve};
use tower_impersonate::secret::Secret;
use tower_impersonate::terms::{Ask, Mode, Reason, Strategy, TargetRef};
use tower_impersonate::time::{Clock, Timestamp};
use tower_impersonate::token::{
    Authenticator, ExtractToken, Extraction, FetchError, FetchKeys, FetchLimits, Fetched,
    StaticKeys,
};
use tower_impersonate::{Identity, ImpersonationLayer, Issuer, Principal, audit};

fn shared<T: Send + Sync + Debug + 'static>() {}
fn cloned<T: Clone + Send + Sync + Debug + 'static>() {}
fn copied<T: Copy + PartialEq + Send + Sync + Debug + 'static>() {}
fn error<T: std::error::Error + Send + Sync + 'static>() {}

#[test]
fn every_public_type_can_be_shared_shown_and_cloned_as_it_fits() {
    use tower_impersonate::{
        directory, extract, gate, identity, lambda, manage, measure, middleware, mint, otel,
        principal, rejection, resolve, stamp, terms, testing, time, token,
    };
    #[cfg(feature = "cognito")]
    {
        use tower_impersonate::cognito::{self, lease};

        cloned::<cognito::CognitoDirectory>();
        shared::<cognito::DirectoryBuilder>();
        cloned::<cognito::Pool>();
        cloned::<cognito::SdkPool>();
        cloned::<cognito::PoolUser>();
        copied::<cognito::AccountStatus>();
        cloned::<cognito::Filter>();
        cloned::<cognito::Page>();
        cloned::<cognito::RefreshToken>();
        cloned::<cognito::SignOut>();
        cloned::<cognito::RevokeTokens>();
        copied::<cognito::ApiErrorKind>();
        error::<cognito::ApiError>();
        error::<cognito::ConfigError>();
        cloned::<lease::Leases>();
        shared::<lease::LeasesBuilder>();
        cloned::<lease::Lease>();
        copied::<lease::Stage>();
        copied::<lease::Begun>();
        copied::<lease::Standing>();
        cloned::<lease::Membership>();
        cloned::<lease::Loan>();
        cloned::<lease::MemoryLeases>();
        cloned::<lease::Recheck>();
        copied::<lease::LeaseErrorKind>();
        error::<lease::LeaseError>();
    }
    type Inner = BoxCloneSyncService<Request<()>, Response<Full<Bytes>>, BoxError>;

    cloned::<ImpersonationLayer>();
    cloned::<middleware::ImpersonationService<Full<Bytes>>>();
    cloned::<tower_impersonate::Principal>();
    cloned::<principal::Impersonation>();
    cloned::<Identity>();
    cloned::<identity::IdentityKey>();
    cloned::<identity::Names>();
    cloned::<identity::Login>();
    cloned::<stamp::Stamp>();
    cloned::<stamp::Carrier>();
    copied::<measure::Measurement<'static>>();
    copied::<measure::RuleKind>();
    copied::<measure::Lookup>();
    copied::<measure::Fetched>();
    cloned::<otel::StampSampler>();
    shared::<otel::StampLogProcessor>();
    shared::<otel::StampExporter<opentelemetry_sdk::trace::InMemorySpanExporter>>();
    cloned::<otel::Vocabulary>();
    copied::<otel::Preset>();
    cloned::<otel::Identifiers>();
    cloned::<otel::HashKey>();
    error::<otel::WeakKey>();
    shared::<otel::LogSink<opentelemetry_sdk::logs::SdkLogger>>();
    cloned::<otel::Config>();
    shared::<otel::Guard>();
    copied::<otel::Protocol>();
    error::<otel::SetupError>();
    cloned::<testing::Observed>();
    cloned::<rejection::Rejection>();
    cloned::<rejection::Problem>();
    cloned::<terms::Ask>();
    cloned::<terms::Wanted<'static>>();
    cloned::<terms::Reason>();
    cloned::<terms::TargetRef>();
    cloned::<terms::Who>();
    cloned::<policy::Rule>();
    cloned::<policy::Pinned>();
    cloned::<policy::Ruling>();
    cloned::<policy::Denial>();
    cloned::<policy::Gap>();
    cloned::<audit::Event<'static>>();
    cloned::<audit::Completion>();
    cloned::<audit::Recorded>();
    cloned::<audit::FanOut>();
    cloned::<audit::TracingSink>();
    cloned::<audit::AuditError>();
    cloned::<audit::EventIdError>();
    cloned::<audit::Queued>();
    cloned::<audit::Witnessed>();
    cloned::<directory::MemoryDirectory>();
    cloned::<resolve::Act>();
    cloned::<resolve::Claim>();
    cloned::<resolve::Header>();
    cloned::<resolve::Role>();
    cloned::<token::Authenticator>();
    cloned::<token::Claims>();
    cloned::<token::Verified<token::Claims>>();
    cloned::<token::Verified<Identity>>();
    cloned::<token::Extraction<'static>>();
    cloned::<token::Fetched>();
    cloned::<token::FetchLimits>();
    cloned::<token::HttpClient>();
    cloned::<token::Issuer>();
    cloned::<token::IssuerFacts>();
    cloned::<tower_impersonate::grant::Introspect>();
    cloned::<manage::Client>();
    cloned::<manage::Endpoint>();
    cloned::<manage::Manage>();
    cloned::<manage::ManageError>();
    copied::<manage::Credential>();
    shared::<manage::ManageBuilder>();
    error::<manage::ManageError>();
    cloned::<manage::SignIn>();
    cloned::<tower_impersonate::grant::codes::SignInCode>();
    copied::<tower_impersonate::grant::codes::CodeHash>();
    copied::<tower_impersonate::grant::codes::ChallengeId>();
    copied::<tower_impersonate::grant::codes::Taking>();
    error::<tower_impersonate::grant::codes::CodeHashError>();
    cloned::<tower_impersonate::grant::codes::KeptCode>();
    cloned::<tower_impersonate::grant::codes::MemoryCodes>();
    cloned::<lambda::Triggers>();
    shared::<lambda::TriggersBuilder>();
    cloned::<lambda::Remote>();
    cloned::<lambda::Redemption>();
    cloned::<lambda::Question>();
    copied::<lambda::Proof>();
    cloned::<lambda::PoolUser>();
    cloned::<lambda::Confirmed>();
    error::<lambda::TriggerError>();
    copied::<lambda::TriggerErrorKind>();
    error::<lambda::TriggersError>();
    cloned::<policy::Entitlement>();
    copied::<policy::Right>();
    cloned::<mint::KeyError>();
    cloned::<mint::MintRequest>();
    cloned::<mint::Minted>();
    cloned::<mint::Minter>();
    cloned::<mint::MinterError>();
    cloned::<mint::SigningKey>();
    copied::<mint::MintError>();
    copied::<mint::MintErrorKind>();
    copied::<mint::Rotation>();
    shared::<mint::MinterBuilder>();
    error::<mint::KeyError>();
    error::<mint::MintError>();
    error::<mint::MinterError>();
    cloned::<token::StaticKeys>();
    cloned::<Secret<'static>>();
    cloned::<time::SystemClock>();
    cloned::<testing::ManualClock>();
    cloned::<testing::RecordingSink>();
    cloned::<testing::TestIssuer>();
    cloned::<testing::TokenBuilder>();

    cloned::<audit::chain::NoteKey>();
    cloned::<audit::chain::Report>();
    copied::<audit::Rotation>();
    copied::<audit::SyncOn>();
    copied::<audit::chain::BadCheckpoint>();
    copied::<audit::chain::BadRecord>();
    copied::<audit::chain::CheckpointFault>();
    copied::<audit::chain::Fault>();
    copied::<audit::chain::KeyError>();
    copied::<audit::CompletedInfo>();
    copied::<audit::DenialLimit>();
    copied::<audit::EventId>();
    copied::<audit::EventName>();
    copied::<audit::On>();
    copied::<audit::Outcome>();
    copied::<audit::WhenFull>();
    copied::<directory::LookupErrorKind>();
    copied::<extract::ExtractRejection>();
    copied::<identity::Affiliation>();
    copied::<identity::Kind>();
    copied::<policy::Demand>();
    copied::<policy::Limits>();
    copied::<policy::Needs>();
    copied::<rejection::RejectionKind>();
    copied::<resolve::Asked>();
    copied::<resolve::ResolveErrorKind>();
    copied::<resolve::Targets>();
    copied::<Mode>();
    copied::<Strategy>();
    copied::<Timestamp>();
    copied::<token::Algorithm>();
    copied::<token::CacheLimits>();
    copied::<token::FetchErrorKind>();
    copied::<token::IssuerErrorKind>();
    copied::<token::TokenErrorKind>();

    shared::<audit::chain::Chained>();
    shared::<audit::chain::CheckpointReader<std::io::Empty>>();
    shared::<audit::chain::Checkpoints>();
    shared::<audit::chain::Signer>();
    shared::<audit::JsonLines>();
    shared::<middleware::Builder>();
    shared::<gate::Gate>();
    shared::<gate::Refusal>();
    shared::<policy::Eligible>();
    shared::<policy::Permit>();
    shared::<policy::Refused>();
    shared::<policy::Attempt<'static>>();
    shared::<audit::JsonLines>();
    shared::<audit::Open>();
    shared::<audit::RequestInfo<'static>>();
    shared::<audit::Trail>();
    shared::<directory::CachedDirectory<directory::MemoryDirectory>>();
    shared::<extract::NotImpersonated>();
    shared::<resolve::Requested>();
    shared::<resolve::Resolution>();
    shared::<stamp::subscriber::StampLayer>();
    shared::<token::AuthenticatorBuilder>();
    shared::<token::BearerHeader>();
    shared::<ResponseBody<Full<Bytes>>>();

    error::<middleware::ConfigError>();
    error::<audit::AuditError>();
    error::<audit::EventIdError>();
    error::<directory::CacheError>();
    error::<LookupError>();
    error::<extract::ExtractRejection>();
    error::<Rejection>();
    error::<resolve::ResolveError>();
    error::<terms::ReasonError>();
    error::<token::AuthenticatorError>();
    error::<token::ConnectError>();
    error::<FetchError>();
    error::<token::IssuerError>();
    error::<token::TokenError>();

    fn sent<T: Send + Debug + 'static>() {}
    sent::<Answer<()>>();
    sent::<middleware::ResponseFuture<Inner, ()>>();
}

#[test]
fn a_wrapped_service_goes_where_the_inner_one_goes() {
    let desk = Desk::new();
    let service = desk.layer().layer(tower::service_fn(
        |request: Request<Full<Bytes>>| async move {
            Ok::<_, BoxError>(Response::new(request.into_body()))
        },
    ));
    let _: BoxCloneSyncService<_, Response<ResponseBody<Full<Bytes>>>, BoxError> =
        BoxCloneSyncService::new(service);
}

#[tokio::test]
async fn the_traits_are_object_safe_and_closures_do_where_one_method_is_enough() {
    #[derive(Debug)]
    struct Noon;
    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_seconds(1_700_000_000)
        }
        fn monotonic(&self) -> std::time::Duration {
            std::time::Duration::ZERO
        }
    }
    struct Nothing;
    impl AuditSink for Nothing {
        fn record(&self, _: &Event<'_>) -> Answer<Result<(), AuditError>> {
            Answer::now(Ok(()))
        }
        fn complete(&self, _: Completion) {}
    }
    fn absent(_: &Parts) -> Extraction<'_> {
        Extraction::Absent
    }

    let extract: Arc<dyn ExtractToken> = Arc::new(absent);
    let fetch: Arc<dyn FetchKeys> =
        Arc::new(|_: &http::Uri, _: &FetchLimits| Err::<Fetched, _>(FetchError::status(404)));
    let judge: Arc<dyn Policy> = Arc::new(|_: &Attempt<'_>| Ruling::deny("never"));
    let resolve: Arc<dyn Resolve> = Arc::new(resolve::custom(|_, _| Resolution::NotRequested));
    let now: Arc<dyn Directory> =
        Arc::new(|_: &TargetRef| Err::<Identity, _>(LookupError::not_found()));
    let later: Arc<dyn Directory> =
        Arc::new(|_: &TargetRef| Answer::later(async { Err(LookupError::not_found()) }));
    let sink: Arc<dyn AuditSink> = Arc::new(Nothing);
    let respond: Arc<dyn RespondToRejection> =
        Arc::new(|_: &Rejection, _: &Parts| Response::new(Bytes::new()));
    let clock: Arc<dyn Clock> = Arc::new(Noon);

    let parts = Request::new(()).into_parts().0;
    assert!(matches!(extract.extract(&parts), Extraction::Absent));
    let url = http::Uri::from_static("https://issuer.example.com/");
    assert!(fetch.fetch(&url, &FetchLimits::default()).await.is_err());
    let alice = TargetRef::subject(ISSUER, "alice");
    assert!(now.find(&alice).await.is_err());
    assert!(later.find(&alice).await.is_err());
    assert!(sink.check().is_ok());
    assert_eq!(clock.now().unix_seconds(), 1_700_000_000);
    assert!(resolve.headers().is_empty());
    let _ = respond;

    // What is shared already is given to the builder as it is.
    let desk = Desk::new();
    let builder = ImpersonationLayer::builder().issuer(desk.accepted());
    let builder = builder.resolve(resolve::header("impersonate-user"));
    let built = builder.policy(judge).directory(now).audit(sink).build();
    assert!(built.is_ok(), "{built:?}");
}

/// Everything that was shown.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<String>>>);

impl Shown {
    fn show(&self, thing: &dyn Debug) {
        let texts = [format!("{thing:?}"), format!("{thing:#?}")];
        self.0.lock().unwrap().extend(texts);
    }
}

impl AuditSink for Shown {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        self.show(event);
        Ok(()).into()
    }
    fn complete(&self, done: Completion) {
        self.show(&done);
        self.show(&done.event());
    }
}

#[test]
fn a_wrapped_service_shows_the_inner_one() {
    let service = Desk::new().layer().layer("the inner one");
    let shown = format!("{service:?}");
    assert_eq!(
        shown,
        r#"ImpersonationService { inner: "the inner one", .. }"#
    );
}

#[tokio::test]
async fn no_debug_shows_a_token_or_an_email_address() {
    const SECRET: &str = "whoever@example.com";
    let (desk, shown) = (Desk::new(), Shown::default());
    let pat = Identity::new(ISSUER, "pat")
        .with_username(SECRET)
        .with_attribute("email", SECRET)
        .with_groups(["customers"])
        .enabled_account();
    desk.users.insert(pat.clone());
    shown.show(&pat);
    shown.show(&desk);

    let token = desk.token("carol", &["support"]).username(SECRET);
    let token = token.claim("email", SECRET).claim("card", SECRET);
    shown.show(&token);
    let token = token.sign();
    shown.show(&Secret::from(&*token));
    shown.show(&Secret::from(token.clone()));
    shown.show(&Extraction::Found((&*token).into()));
    shown.show(&StaticKeys::jwks(desk.issuer.jwks()));

    let (in_rule, in_strategy) = (shown.clone(), shown.clone());
    let seeing = policy::custom(move |attempt| {
        in_rule.show(attempt);
        Ruling::allow()
    });
    let strategy = resolve::custom(move |claims, parts| {
        in_strategy.show(claims);
        in_strategy.show(&claims.caller());
        if !parts.headers.contains_key("x-act") {
            return Resolution::NotRequested;
        }
        let target = TargetRef::name(claims.issuer(), SECRET);
        let ask = Ask::user(target, Strategy::Custom);
        in_strategy.show(&ask);
        let resolution = Resolution::from(Requested::new(claims.caller(), ask));
        in_strategy.show(&resolution);
        resolution
    });
    let issuer: Issuer = desk.accepted();
    shown.show(&issuer);
    let builder = desk
        .bare_unrecorded()
        .issuer(issuer)
        .resolve(strategy)
        .policy(policy::in_group("support").and(seeing))
        .audit(shown.clone());
    shown.show(&builder);
    let layer = builder.build().unwrap();
    shown.show(&layer);
    let in_handler = shown.clone();
    let service = layer.layer(tower::service_fn(move |request: Request<Full<Bytes>>| {
        let principal = request.extensions().get::<Principal>().unwrap();
        in_handler.show(principal);
        in_handler.show(principal.identity());
        in_handler.show(&principal.impersonation());
        async move { Ok::<_, BoxError>(Response::new(request.into_body())) }
    }));
    let bob = desk
        .token("bob", &["customers"])
        .claim("email", SECRET)
        .sign();
    for (token, headers) in [
        (&*token, &[][..]),
        (&token, &[("x-act", "1")]),
        (&bob, &[("x-act", "1")]),
        (&token[..token.len() - 2], &[]),
    ] {
        let mut service = service.clone();
        let future = service.ready().await.unwrap().call(get(token, headers));
        shown.show(&future);
        let response = future.await.unwrap();
        shown.show(response.body());
        shown.show(&response.extensions().get::<Rejection>());
    }

    // The steps of the decision, and what a directory says.
    let authenticator = Authenticator::builder()
        .issuer(desk.accepted())
        .clock(Arc::new(desk.clock.clone()))
        .build()
        .unwrap();
    let claims = authenticator.authenticate(&token, desk.clock.now()).await;
    shown.show(&claims);
    shown.show(&authenticator);
    let rule = policy::in_group("support");
    let ask = Ask::user(TargetRef::name(ISSUER, SECRET), Strategy::Custom)
        .with_reason(Reason::parse("ticket 4711", 500).unwrap());
    let caller = claims.unwrap().caller();
    let eligible = policy::screen(&rule, caller, ask, desk.clock.now()).unwrap();
    shown.show(&eligible);
    let permit = eligible
        .decide(&rule, pat.with_tenant(ISSUER), desk.clock.now())
        .unwrap();
    shown.show(&permit);
    shown.show(&permit.refuse("for_show"));
    shown.show(&LookupError::unavailable(format!("no row for {SECRET}")));

    let shown = shown.0.lock().unwrap();
    assert!(shown.len() > 60, "{}", shown.len());
    for text in shown.iter() {
        assert!(!text.contains(SECRET), "{text}");
        for part in token.split('.') {
            assert!(!text.contains(&part[..part.len() - 2]), "{text}");
        }
    }
}

impl Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("issuer", &self.issuer)
            .field("clock", &self.clock)
            .field("sink", &self.sink)
            .field("users", &self.users)
            .finish()
    }
}
