//! What the support desk adds to the shop: one layer, and the endpoint that hands out tokens.

use std::error::Error;
use std::path::Path;

use tower_impersonate::audit::AuditSink;
use tower_impersonate::grant::{self, Grants};
use tower_impersonate::manage::{Client, Manage};
use tower_impersonate::mint::Minter;
use tower_impersonate::policy::{Right, right};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{
    Identity, ImpersonationLayer, Principal, audit, directory, otel, policy, resolve,
};

use crate::shop::CurrentUser;

/// Whose tokens the layer lets in: the people's issuer, and the minter of the desk itself.
pub(crate) fn layer(
    issuer: &TestIssuer,
    minter: &Minter,
    audit_file: &Path,
    telemetry: Option<&otel::Guard>,
) -> Result<ImpersonationLayer, Box<dyn Error>> {
    let users = people().map(|person| {
        Identity::new(issuer.name(), person.sub)
            .with_username(person.name)
            .with_groups(person.groups.to_vec())
            .enabled_account()
    });
    let mut sinks = vec![
        audit::shared(audit::jsonl(audit_file)),
        audit::shared(audit::tracing()),
    ];
    let mut builder = ImpersonationLayer::builder();
    if let Some(telemetry) = telemetry {
        let exported = otel::audit(telemetry.logger());
        // Without a collector it takes nothing, which the builder would refuse.
        if exported.check().is_ok() {
            sinks.push(audit::shared(exported));
        }
        builder = builder.measure(otel::metrics(&telemetry.meter()));
    }
    let layer = builder
        .issuer(issuer.issuer().audiences(["shop"]).groups_claim("groups"))
        .mint(minter)
        .grants(Grants::new(grant::memory()))
        .resolve(resolve::header("impersonate-user"))
        .policy(
            policy::in_group("support")
                .or(policy::machines([TICKET_SYSTEM]).of(minter.issuer_name()))
                .except(policy::target_in_group("support"))
                .and(policy::reason_required()),
        )
        .directory(directory::memory(users))
        .audit(audit::all(sinks))
        .map_principal(|principal: &Principal| CurrentUser {
            id: principal.subject().to_owned(),
            name: principal
                .identity()
                .username()
                .unwrap_or_default()
                .to_owned(),
            groups: principal
                .groups()
                .map(|g| g.iter().map(str::to_owned).collect())
                .unwrap_or_default(),
        })
        .build()?;
    Ok(layer)
}

/// The endpoint, for the people above and for one app client, whose secret comes back.
pub(crate) fn manage(layer: &ImpersonationLayer) -> Result<(Manage, String), Box<dyn Error>> {
    let (client, secret) = Client::generate(TICKET_SYSTEM)?;
    let manage = Manage::builder(layer)
        .rights([
            right(Right::GrantsRead, policy::in_group("security")),
            right(Right::GrantsRevoke, policy::in_group("security")),
        ])
        .client(client)
        .build()?;
    Ok((manage, secret.expose().to_owned()))
}

pub(crate) const TICKET_SYSTEM: &str = "ticket-system";

pub(crate) struct Person {
    pub(crate) sub: &'static str,
    pub(crate) name: &'static str,
    pub(crate) groups: &'static [&'static str],
}

/// Alice and Bob are customers, Carol works for the support team, Dora for the security team.
pub(crate) fn people() -> [Person; 4] {
    [
        Person {
            sub: "alice-sub",
            name: "Alice",
            groups: &["customers"],
        },
        Person {
            sub: "bob-sub",
            name: "Bob",
            groups: &["customers"],
        },
        Person {
            sub: "carol-sub",
            name: "Carol",
            groups: &["support"],
        },
        Person {
            sub: "dora-sub",
            name: "Dora",
            groups: &["security"],
        },
    ]
}

pub(crate) fn token(issuer: &TestIssuer, person: &Person) -> String {
    issuer
        .token(person.sub)
        .audience("shop")
        .username(person.name)
        .groups(person.groups.iter().copied())
        .expires_in(std::time::Duration::from_secs(3600))
        .sign()
}
