//! glewlwyd, an OpenID provider in C, as a test asks it: tokens over HTTP, and new keys by its API.

#![allow(unreachable_pub, reason = "a test includes it")]

use http::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::counterparts::{oauth, send, text, variable};

/// Over SQLite it answers 500 to some of those who sign in at the same moment.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// One provider of several that the server has, with keys of its own.
pub struct Glewlwyd {
    server: String,
    name: &'static str,
    document: Value,
}

impl Glewlwyd {
    /// `rs256`, `es256` and `eddsa` are shared by all tests; `rotating` belongs to one.
    pub fn provider(name: &'static str) -> Self {
        let document = std::fs::read_to_string(variable("GLEWLWYD_SETUP")).unwrap();
        Self {
            server: variable("GLEWLWYD_URL"),
            name,
            document: serde_json::from_str(&document).unwrap(),
        }
    }

    pub fn issuer(&self) -> String {
        text(&self.document["providers"][self.name]["issuer"])
    }

    /// A person's token for that service.
    pub async fn person(&self, username: &str, service: &str) -> String {
        let _turn = ONE_AT_A_TIME.lock().await;
        let password = text(&self.document["people"][username]["password"]);
        let form = [
            ("grant_type", "password"),
            ("username", username),
            ("password", &password),
            ("scope", service),
        ];
        let client = &self.document["client"];
        let request = Request::post(format!("{}/token", self.issuer()));
        let answer = oauth(
            request,
            &text(&client["id"]),
            &text(&client["secret"]),
            &form,
        )
        .await;
        text(&answer["access_token"])
    }

    /// Puts the keys of that rotation, the first of which is 0: by the API of administrators, as the
    /// provider's manual tells. The provider takes them when it is turned off and on.
    pub async fn rotate(&self, rotation: usize) {
        let _turn = ONE_AT_A_TIME.lock().await;
        let url = format!("{}/api", self.server);
        let login = Request::post(format!("{url}/auth/"));
        let login = login.header("content-type", "application/json");
        let seen = send(login, self.document["admin"].to_string()).await;
        assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
        let cookie = seen.header("set-cookie").expect("a session");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();

        let plugin = format!("{url}/mod/plugin/{}", self.name);
        let next = &self.document["providers"][self.name]["rotations"][rotation];
        for (url, body) in [
            (plugin.clone(), next.clone()),
            (format!("{plugin}/disable"), json!({})),
            (format!("{plugin}/enable"), json!({})),
        ] {
            let request = Request::put(url)
                .header("content-type", "application/json")
                .header("cookie", &cookie);
            let seen = send(request, body.to_string()).await;
            assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
        }
    }
}
