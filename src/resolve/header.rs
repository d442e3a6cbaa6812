use std::fmt;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::answer::Answer;
use crate::identity::{Affiliation, Kind, Names};
use crate::resolve::values::{GROUP, ISSUER, REASON, issuer, name};
use crate::resolve::{Nature, Requested, Resolution, Resolve, ResolveError};
use crate::terms::{Ask, Strategy, TargetRef};
use crate::token::{Claims, Verified};

/// A request header beside the actor's own token names the target.
///
/// The header carries the target's `sub`, once, in ASCII letters, digits and `._@:+-`, at most 128 of
/// them. Beside `impersonate-reason`, which any strategy takes, two more headers may stand with it:
///
/// - `impersonate-group`, one group per header line: only these of the target's groups;
/// - `impersonate-issuer`: the target's issuer, exactly as it is configured; by default the actor's
///   own, or the one of [`Header::target_issuer`]. A staff actor must say it where the layer has several issuers,
///   a minter's own among them, and none is configured there.
///
/// The headers never reach the handler. What stands beside no user is refused, and so is a
/// duplicate, a twin spelled with `_`, or one listed in `Connection`. The user header may have any name
/// but those of the other three, such as HTTP has given away, like `cookie`, and the two that the audit
/// records, `user-agent` and `x-request-id`.
pub fn header(name: &str) -> Header {
    let headers = match HeaderName::try_from(name) {
        Ok(user) => vec![user, GROUP, ISSUER],
        Err(_) => Vec::new(),
    };
    Header {
        headers,
        by: By::Subject,
        also: Box::default(),
        target_issuer: None,
        machines: Machines::Refused,
    }
}

/// The strategy made by [`header`].
#[derive(Clone)]
#[must_use = "a strategy does nothing until it is given to the builder"]
pub struct Header {
    /// The user header first; empty when its name is none.
    headers: Vec<HeaderName>,
    by: By,
    also: Box<str>,
    target_issuer: Option<Box<str>>,
    machines: Machines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Subject,
    Name,
}

/// Whether app clients may use a header at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machines {
    Refused,
    Judged,
}

impl Header {
    /// The header carries a name for look-up, such as a username, in place of a `sub`.
    pub fn names(mut self) -> Self {
        self.by = By::Name;
        self
    }

    /// Also takes these characters, for issuers whose subjects have them, such as `|`.
    ///
    /// Only visible ASCII is taken; a comma, a semicolon or a quote is refused when the layer is built.
    pub fn also_allow(mut self, characters: &str) -> Self {
        self.also = characters.into();
        self
    }

    /// Targets are looked for at this issuer, unless the request says another.
    pub fn target_issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.target_issuer = Some(issuer.into());
        self
    }

    /// App clients may use the header, too, where the policy names them.
    pub fn machines(mut self) -> Self {
        self.machines = Machines::Judged;
        self
    }

    fn read(
        &self,
        claims: &Verified<Claims>,
        headers: &HeaderMap,
    ) -> Result<Option<Requested>, ResolveError> {
        let Some(user) = self.headers.first() else {
            return Ok(None);
        };
        let Some(value) = single(headers, user)? else {
            return Ok(None);
        };
        let who = name(value, &self.also)
            .ok_or_else(|| ResolveError::request("the user header is malformed"))?;
        let caller = claims.caller();
        if caller.kind() == Kind::Machine && self.machines == Machines::Refused {
            return Err(ResolveError::forbidden("machine_by_header"));
        }
        let target_issuer = self.issuer_of_target(&caller.affiliation(), headers, claims)?;
        let target = match self.by {
            By::Subject => TargetRef::subject(target_issuer, who),
            By::Name => TargetRef::name(target_issuer, who),
        };
        let mut ask = Ask::user(target, Strategy::Header);
        if headers.contains_key(GROUP) {
            ask = ask.narrowed_to(groups(headers, &self.also)?);
        }
        Ok(Some(Requested::built_in(caller, ask).with_headers()))
    }

    fn issuer_of_target<'a>(
        &'a self,
        affiliation: &Affiliation,
        headers: &'a HeaderMap,
        claims: &'a Verified<Claims>,
    ) -> Result<std::sync::Arc<str>, ResolveError> {
        if let Some(value) = single(headers, &ISSUER)? {
            return issuer(value)
                .map(|named| claims.canonical(named))
                .ok_or_else(|| ResolveError::request("the issuer header is malformed"));
        }
        if let Some(configured) = &self.target_issuer {
            return Ok(claims.canonical(configured));
        }
        if *affiliation == Affiliation::Staff {
            let must_say = || ResolveError::request("staff must say the target's issuer");
            return claims.only_issuer().ok_or_else(must_say);
        }
        Ok(claims.identity().key().shared_issuer())
    }
}

/// The one value of a header that may stand once.
pub(super) fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, ResolveError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(ResolveError::request(
            "an impersonation header stands twice",
        ));
    }
    Ok(first)
}

/// The groups that are named, each on a line of its own.
pub(super) fn groups(headers: &HeaderMap, also: &str) -> Result<Names, ResolveError> {
    let malformed = || ResolveError::request("the group header is malformed");
    let values = headers.get_all(GROUP);
    if values.iter().count() > MAX_GROUPS {
        return Err(malformed());
    }
    values
        .iter()
        .map(|value| name(value, also).ok_or_else(malformed))
        .collect()
}

const MAX_GROUPS: usize = 32;

/// Headers that would be missed, as ours come off the request.
const TAKEN: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "te",
    "upgrade",
    "user-agent",
    "x-request-id",
];

impl Resolve for Header {
    fn resolve(&self, claims: &Verified<Claims>, parts: &Parts) -> Answer<Resolution> {
        Answer::now(self.read(claims, &parts.headers).into())
    }

    fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    fn nature(&self) -> Nature<'_> {
        Nature::default().reads_nothing_else()
    }

    fn check(&self) -> Result<(), String> {
        if self.headers.is_empty() {
            return Err("the user header's name is no name of a header".to_owned());
        }
        if self.headers[1..].contains(&self.headers[0]) || self.headers[0] == REASON {
            return Err("the user header has the name of another impersonation header".to_owned());
        }
        if TAKEN.contains(&self.headers[0].as_str()) {
            let name = &self.headers[0];
            return Err(format!(
                "the user header cannot be `{name}`, which HTTP or the audit reads otherwise: call it \
                 `impersonate-user`, for instance"
            ));
        }
        if self
            .also
            .chars()
            .any(|c| !c.is_ascii_graphic() || ",;\"'".contains(c))
        {
            return Err("also_allow takes visible ASCII without list separators".to_owned());
        }
        Ok(())
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("user", &self.headers.first())
            .field("by", &self.by)
            .field("machines", &self.machines)
            .finish_non_exhaustive()
    }
}
