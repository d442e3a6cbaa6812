use std::error::Error;
use std::fmt;

use http::header::{HeaderName, ORIGIN, UPGRADE};
use http::request::Parts;
use http::{Method, Uri};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origins of the application's own pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(Vec<Box<str>>);

impl Origins {
    /// Pages of these origins, each as `https://host` or `https://host:port`; `http` for this machine
    /// alone.
    ///
    /// # Errors
    ///
    /// [`OriginError`] when there is none, or one of them is no origin.
    pub fn new(
        origins: impl IntoIterator<Item = impl Into<Box<str>>>,
    ) -> Result<Self, OriginError> {
        let origins: Vec<Box<str>> = origins.into_iter().map(Into::into).collect();
        match origins.iter().find(|origin| !is_origin(origin)) {
            Some(bad) => Err(OriginError(bad.clone())),
            None if origins.is_empty() => Err(OriginError("".into())),
            None => Ok(Self(origins)),
        }
    }

    /// Whether a request with cookies may have its way: it is safe, or a page of ours made it.
    #[must_use]
    pub fn allow(&self, request: &Parts) -> bool {
        let upgrades = request.headers.contains_key(UPGRADE) || request.method == Method::CONNECT;
        if request.method.is_safe() && !upgrades {
            return true;
        }
        let mut sites = request.headers.get_all(SEC_FETCH_SITE).iter();
        let mut origins = request.headers.get_all(ORIGIN).iter();
        let (site, origin) = (sites.next(), origins.next());
        if sites.next().is_some() || origins.next().is_some() {
            return false;
        }
        let ours = |origin: &[u8]| self.0.iter().any(|own| own.as_bytes() == origin);
        // Both must agree where there are both.
        match (
            site.map(|site| site.as_bytes()),
            origin.map(|origin| origin.as_bytes()),
        ) {
            (None, None) => false,
            (site, origin) => {
                site.is_none_or(|site| site == b"same-origin") && origin.is_none_or(ours)
            }
        }
    }
}

fn is_origin(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else {
        return false;
    };
    let Some(host) = uri.host() else {
        return false;
    };
    let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let scheme = match uri.scheme_str() {
        Some("https") => "https",
        Some("http") if local => "http",
        _ => return false,
    };
    let port = uri
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    // As browsers write it: nothing behind, no user, no capital letters.
    origin == format!("{scheme}://{host}{port}").to_ascii_lowercase()
}

/// What cannot be the origin of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginError(Box<str>);

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bad = &self.0;
        write!(
            f,
            "{bad:?} is no origin: write `https://host` or `https://host:port`, in small letters"
        )
    }
}

impl Error for OriginError {}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn what_is_an_origin() {
        for good in [
            "https://desk.example.com",
            "https://desk.example.com:8443",
            "http://localhost:3000",
            "http://127.0.0.1",
        ] {
            assert!(Origins::new([good]).is_ok(), "{good}");
        }
        for bad in [
            "",
            "null",
            "*",
            "desk.example.com",
            "https://desk.example.com/",
            "https://desk.example.com/a",
            "https://Desk.example.com",
            "https://me@desk.example.com",
            "http://desk.example.com",
            "https://",
        ] {
            assert!(Origins::new([bad]).is_err(), "{bad}");
        }
        assert!(Origins::new(Vec::<String>::new()).is_err());
    }

    #[test]
    fn a134_who_may_write() {
        let ours = Origins::new(["https://desk.example.com"]).unwrap();
        let allows = |method: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            ours.allow(&request.body(()).unwrap().into_parts().0)
        };
        let (own, site) = (("origin", "https://desk.example.com"), "sec-fetch-site");
        for good in [
            &[own][..],
            &[(site, "same-origin")],
            &[own, (site, "same-origin")],
        ] {
            assert!(allows("POST", good), "{good:?}");
            assert!(allows("GET", &[good, &[("upgrade", "websocket")]].concat()));
        }
        for bad in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "https://evil.example")],
            &[("origin", "https://desk.example.com:443")],
            &[("origin", "http://desk.example.com")],
            &[own, own],
            &[(site, "same-site")],
            &[(site, "cross-site")],
            &[(site, "none")],
            &[(site, "same-origin"), (site, "same-origin")],
            &[own, (site, "cross-site")],
            &[("origin", "https://evil.example"), (site, "same-origin")],
        ] {
            assert!(!allows("POST", bad), "{bad:?}");
            assert!(!allows("GET", &[bad, &[("upgrade", "websocket")]].concat()));
            assert!(allows("GET", bad), "{bad:?}");
        }
        assert!(!allows("CONNECT", &[]));
    }
}
