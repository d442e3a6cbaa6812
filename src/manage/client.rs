use std::fmt;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::manage::ManageError;
use crate::secret::Secret;

/// An app client of the service itself: it proves itself by a secret of which only the SHA-256 is kept.
///
/// It can get a token for itself (RFC 6749, section 4.4), and end the grants by which it acts itself. What else it may, impersonating included, rules say that name it, as
/// `policy::machines([IdentityKey::new(minter_issuer, client_id)])`.
///
/// ```
/// use tower_impersonate::manage::Client;
///
/// let (client, secret) = Client::generate("ticket-system")?;
/// let kept = client.secret_hash().to_owned(); // in the configuration; the secret goes to the client
/// let again = Client::new("ticket-system", kept).scopes(["tickets:read"]);
/// assert_eq!(again.id(), "ticket-system");
/// assert!(!format!("{again:?}").contains(secret.expose()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "it does nothing until it is given to the builder"]
pub struct Client {
    id: String,
    secret_hash: String,
    scopes: Vec<String>,
    exchanges: Vec<String>,
}

impl Client {
    /// A client of that name whose secret has this SHA-256, as 64 hexadecimal digits.
    ///
    /// The name is 1 to 128 letters, digits and `-._~`. Whether both are sound is checked when the routes are built.
    pub fn new(id: impl Into<String>, secret_hash: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret_hash: secret_hash.into(),
            scopes: Vec::new(),
            exchanges: Vec::new(),
        }
    }

    /// A client with a fresh secret: 256 bits from the system's random source, in base64url. Nobody keeps it
    /// but whom it is handed to.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn generate(id: impl Into<String>) -> Result<(Self, Secret<'static>), getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let secret = URL_SAFE_NO_PAD.encode(bytes);
        let client = Self::new(id, hex(&Sha256::digest(&secret)));
        Ok((client, Secret::from(secret)))
    }

    /// The scopes (RFC 6749, section 3.3) that its own tokens may have; none by default.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// The services for which it may exchange a token that it was sent (RFC 8693), each one of the minter's
    /// audiences; none by default.
    ///
    /// Whoever may exchange for a service can go on there as everybody who comes to it: a client needs this for
    /// what it calls itself, and for nothing else.
    pub fn exchanges_for(mut self, audiences: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.exchanges.extend(audiences.into_iter().map(Into::into));
        self
    }

    /// The name: its `client_id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The SHA-256 of its secret, in hexadecimal digits.
    #[must_use]
    pub fn secret_hash(&self) -> &str {
        &self.secret_hash
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("scopes", &self.scopes)
            .field("exchanges", &self.exchanges)
            .finish_non_exhaustive()
    }
}

/// A client as it was checked.
pub(super) struct Known {
    pub(super) id: String,
    pub(super) scopes: Vec<String>,
    /// The services for which it may exchange.
    pub(super) exchanges: Vec<String>,
    secret_hash: [u8; 32],
}

/// All clients.
#[derive(Default)]
pub(super) struct Clients(Vec<Known>);

impl Clients {
    pub(super) fn check(clients: Vec<Client>, audiences: &[&str]) -> Result<Self, ManageError> {
        let mut known: Vec<Known> = Vec::with_capacity(clients.len());
        for client in clients {
            if known.iter().any(|other| other.id == client.id) {
                return Err(ManageError::DuplicateClient { id: client.id });
            }
            known.push(Known::check(client, audiences)?);
        }
        Ok(Self(known))
    }

    pub(super) fn find(&self, id: &str) -> Option<&Known> {
        self.0.iter().find(|client| client.id == id)
    }

    /// The client of that name, if this is its secret. It takes as long for a name that nobody has.
    pub(super) fn prove(&self, id: &str, secret: &str) -> Option<&Known> {
        let found = self.find(id);
        let expected = found.map_or([0; 32], |client| client.secret_hash);
        let given: [u8; 32] = Sha256::digest(secret).into();
        let same = bool::from(given.ct_eq(&expected));
        found.filter(|_| same)
    }
}

impl Known {
    fn check(client: Client, audiences: &[&str]) -> Result<Self, ManageError> {
        let Client {
            id,
            secret_hash,
            scopes,
            exchanges,
        } = client;
        let wrong = |detail| ManageError::Client {
            id: id.clone(),
            detail,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(plain) {
            return Err(wrong("a name is 1 to 128 letters, digits and `-._~`"));
        }
        let Some(secret_hash) = unhex(&secret_hash) else {
            return Err(wrong("the hash of a secret is 64 hexadecimal digits"));
        };
        if secret_hash == <[u8; 32]>::from(Sha256::digest("")) {
            return Err(wrong("this is the hash of no secret at all"));
        }
        if !scopes.iter().all(|scope| is_scope(scope)) {
            return Err(wrong(
                "a scope is 1 to 128 visible characters without quotes and backslashes",
            ));
        }
        if !exchanges
            .iter()
            .all(|audience| audiences.contains(&&**audience))
        {
            return Err(wrong(
                "a service for which it exchanges is none of the minter's audiences",
            ));
        }
        Ok(Self {
            id,
            scopes,
            exchanges,
            secret_hash,
        })
    }
}

/// A `scope-token` (RFC 6749, section 3.3) of reasonable length.
pub(super) fn is_scope(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    (1..=MAX_SCOPE).contains(&text.len()) && text.bytes().all(allowed)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(2 * at..2 * at + 2)?;
        let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        *byte = u8::from_str_radix(digits, 16).ok().filter(|_| plain)?;
    }
    Some(bytes)
}

const MAX_ID: usize = 128;
const MAX_SCOPE: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_itself_proves_a_client() {
        let (client, secret) = Client::generate("desk").unwrap();
        let hash = client.secret_hash().to_owned();
        let clients = Clients::check(vec![client], &[]).unwrap_or_default();
        assert!(clients.prove("desk", secret.expose()).is_some());
        for (id, wrong) in [
            ("desk", ""),
            ("desk", "x"),
            ("desk", &hash),
            ("other", secret.expose()),
            ("", ""),
        ] {
            assert!(clients.prove(id, wrong).is_none(), "{id} {wrong}");
        }
    }

    #[test]
    fn malformed_clients_are_found_when_they_are_checked() {
        let hash = "ab".repeat(32);
        for (client, sound) in [
            (Client::new("desk", &hash), true),
            (
                Client::new("desk", hash.to_uppercase()).scopes(["a:b"]),
                true,
            ),
            (Client::new("", &hash), false),
            (Client::new("a b", &hash), false),
            (Client::new("a:b", &hash), false),
            (Client::new("x".repeat(129), &hash), false),
            (Client::new("desk", &hash[1..]), false),
            (Client::new("desk", "+1".repeat(32)), false),
            (Client::new("desk", "é".repeat(32)), false),
            (Client::new("desk", hex(&Sha256::digest(""))), false),
            (Client::new("desk", hex(&Sha256::digest(" "))), true),
            (Client::new("desk", &hash).scopes(["a b"]), false),
            (Client::new("desk", &hash).scopes([""]), false),
            (Client::new("desk", &hash).exchanges_for(["api"]), true),
            (Client::new("desk", &hash).exchanges_for(["other"]), false),
        ] {
            assert_eq!(
                Clients::check(vec![client.clone()], &["api"]).is_ok(),
                sound,
                "{client:?}"
            );
        }
        let twice = vec![Client::new("desk", &hash), Client::new("desk", &hash)];
        assert!(Clients::check(twice, &[]).is_err());
    }
}
