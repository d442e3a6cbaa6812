//! What ends a grant, and for which reason.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tower_impersonate::Identity;
use tower_impersonate::grant::{self, GrantLimits, Grants};
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::middleware::{Builder, Upgrades};
use tower_impersonate::terms::EndReason;

use crate::desk_api::{self, Api};
use crate::shop::{Acting, Shop};
use crate::support::{AUDIENCE, Desk, ISSUER};

/// What ends a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Stop,
    StopById,
    Revoke,
    RevokeToken,
    ByTarget,
    Replaced,
    Expiry,
    Idle,
    SessionEnded,
    Application,
    Demoted,
    ActorDisabled,
    ActorGone,
    Promoted,
    TargetDisabled,
    TargetGone,
}

pub use Cause::{
    ActorDisabled, ActorGone, Application, ByTarget, Demoted, Expiry, Idle, Promoted, Replaced,
    Revoke, RevokeToken, SessionEnded, Stop, StopById, TargetDisabled, TargetGone,
};

/// With the reason that stays.
pub const CAUSES: [(Cause, &str); 16] = [
    (Stop, "stopped"),
    (StopById, "stopped"),
    (Revoke, "revoked"),
    (RevokeToken, "revoked"),
    (ByTarget, "revoked"),
    (Replaced, "replaced"),
    (Expiry, "expired"),
    (Idle, "idle"),
    (SessionEnded, "actor_session_ended"),
    (Application, "target_disabled"),
    (Demoted, "actor_demoted"),
    (ActorDisabled, "actor_disabled"),
    (ActorGone, "actor_disabled"),
    (Promoted, "target_promoted"),
    (TargetDisabled, "target_disabled"),
    (TargetGone, "target_gone"),
];

/// What the directory knows, which may be asked late.
pub const CONDITIONS: [Cause; 6] = [
    Demoted,
    ActorDisabled,
    ActorGone,
    Promoted,
    TargetDisabled,
    TargetGone,
];

pub fn person(sub: &str, groups: &[&str]) -> Identity {
    Identity::new(ISSUER, sub)
        .with_groups(groups.to_vec())
        .enabled_account()
}

impl Cause {
    pub async fn happens(self, acting: &Acting) {
        let Acting {
            api, minted, id, ..
        } = acting;
        let users = &api.desk.users;
        let status = match self {
            Stop => api.post("/grants/stop", minted, Value::Null).await.status,
            StopById => end(api, id, &api.carol()).await,
            Revoke => end(api, id, &api.security()).await,
            ByTarget => end(api, id, &api.desk.alice()).await,
            RevokeToken => {
                let form = [("token", &**minted)];
                let secret = api.auditor.expose();
                api.form("/oauth2/revoke", "auditor", secret, &form)
                    .await
                    .status
            }
            Replaced => {
                let order = json!({ "audience": AUDIENCE, "replace": true });
                api.post("/Bob/impersonate", &api.carol(), order)
                    .await
                    .status
            }
            _ => http::StatusCode::OK,
        };
        assert!(status.is_success(), "{self:?}: {status}");
        let (carol, alice) = (person("carol", &["support"]), person("alice", &[]));
        match self {
            Expiry => api.advance(60),
            Idle => api.advance(50),
            SessionEnded => {
                assert_eq!(
                    api.grants
                        .end_session(crate::support::ISSUER, "session-of-carol")
                        .await
                        .unwrap(),
                    1
                );
            }
            Application => {
                let alice = IdentityKey::new(ISSUER, "alice");
                let ending = api.grants.end_grants(&alice, EndReason::TargetDisabled);
                assert_eq!(ending.await.unwrap(), 1);
            }
            Demoted => drop(users.insert(carol.with_groups(["sales"]))),
            ActorDisabled => drop(users.insert(carol.disabled_account())),
            ActorGone => drop(users.remove(carol.key())),
            Promoted => drop(users.insert(alice.with_groups(["admins"]))),
            TargetDisabled => drop(users.insert(alice.disabled_account())),
            TargetGone => drop(users.remove(alice.key())),
            _ => {}
        }
    }

    /// With limits that this runs into and no other one.
    pub async fn world(self) -> Acting {
        self.world_at(Desk::new(), AUDIENCE, |builder| {
            builder.upgrades(Upgrades::HandlerWatches)
        })
        .await
    }

    pub async fn world_at(
        self,
        desk: Desk,
        audience: &str,
        layer: impl FnOnce(Builder) -> Builder,
    ) -> Acting {
        let limits = match self {
            Idle => GrantLimits::default().idle(Duration::from_secs(50)),
            _ => GrantLimits::default(),
        };
        let grants = Grants::with_limits(grant::memory(), limits);
        let api = Api::at(desk, grants, layer, |manage| manage).await;
        let carol = api.desk.token("carol", &["support"]);
        let carol = carol.claim("sid", "session-of-carol").sign();
        let mut order = json!({ "audience": audience, "reason": "case 4711" });
        if self == Expiry {
            order["ttl_seconds"] = 60.into();
        }
        let seen = api.post("/Alice/impersonate", &carol, order).await;
        let (minted, id) = desk_api::issued(&seen);
        let shop = Shop::behind(api.layer.clone()).await;
        Acting {
            api,
            shop,
            minted,
            id,
        }
    }
}

pub async fn end(api: &Api, id: &str, token: &str) -> http::StatusCode {
    let path = format!("/grants/{id}");
    let ended = api.call(Method::DELETE, &path, token, Value::Null);
    ended.await.status
}
