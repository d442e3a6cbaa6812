//! An app client that asks the service that keeps the grants, by forms (RFC 6749, section 2.3.1).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Response};

use crate::grant::StoreError;
use crate::secret::Secret;
use crate::token::UrlRule;

pub(crate) struct AppClient {
    client: Option<Client>,
    sound: bool,
    credentials: Secret<'static>,
}

impl AppClient {
    pub(crate) fn new(id: &str, secret: &Secret<'_>) -> Self {
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .build()
            .ok();
        let credentials = STANDARD.encode(format!("{id}:{}", secret.expose()));
        Self {
            client,
            sound: plain(id) && plain(secret.expose()),
            credentials: Secret::from(format!("Basic {credentials}")),
        }
    }

    /// What could not work once it asks there.
    pub(crate) fn check(&self, url: &str) -> Result<(), &'static str> {
        if UrlRule::HttpsOrLoopback.check(url).is_err() {
            Err("the URL to ask is not https, nor http of this machine")
        } else if !self.sound {
            Err("client id and secret are letters, digits and `-._~`")
        } else if self.client.is_none() {
            Err("no HTTP client can be had")
        } else {
            Ok(())
        }
    }

    /// The body of an answer that is 200.
    pub(crate) async fn post(
        &self,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<BytesMut, StoreError> {
        let Some(client) = &self.client else {
            return Err(StoreError::unavailable("no HTTP client"));
        };
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = client
            .post(url)
            .header(AUTHORIZATION, self.credentials.expose())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(form);
        let sent = request.send().await;
        let response = sent.map_err(|error| StoreError::unavailable(error.without_url()))?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            return Err(StoreError::unavailable(format!(
                "the service of the grants answered {status}"
            )));
        }
        read(response).await
    }
}

async fn read(mut response: Response) -> Result<BytesMut, StoreError> {
    let mut body = BytesMut::new();
    let failed = |error: reqwest::Error| StoreError::unavailable(error.without_url());
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_BODY {
            let too_much = "the service of the grants answered too much";
            return Err(StoreError::unavailable(too_much));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

const CONNECT: Duration = Duration::from_secs(2);
const WHOLE: Duration = Duration::from_secs(5);
const MAX_BODY: usize = 64 * 1024;
