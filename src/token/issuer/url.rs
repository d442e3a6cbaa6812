use http::Uri;

/// Which URLs may be asked, for keys or for metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UrlRule {
    Https,
    /// Also `http` to this machine, for tests.
    HttpsOrLoopback,
}

impl UrlRule {
    /// The URL, if keys may be fetched from it.
    pub(crate) fn check(self, text: &str) -> Result<Uri, &'static str> {
        if text.contains('#') {
            return Err("a fragment in the URL");
        }
        let url: Uri = text.parse().map_err(|_| "not a URL")?;
        let authority = url.authority().ok_or("a URL without a host")?;
        if authority.as_str().contains('@') {
            return Err("credentials in the URL");
        }
        let loopback = LOOPBACK.contains(&authority.host());
        match (url.scheme_str(), self) {
            (Some("https"), _) => Ok(url),
            (Some("http"), Self::HttpsOrLoopback) if loopback => Ok(url),
            _ => Err(
                "a URL that is not https; for a provider on this machine call `insecure_loopback_http`",
            ),
        }
    }
}

const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a60_urls() {
        for good in ["https://a.example/keys", "https://a.example:8443/k?x=1"] {
            assert!(UrlRule::Https.check(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/keys",
            "http://127.0.0.1/keys",
            "file:///etc/passwd",
            "https://u:p@a.example/k",
            "a.example",
            "/keys",
            "",
            "https://",
            "ftp://a.example",
            "https://a.example/#x",
        ] {
            assert!(UrlRule::Https.check(bad).is_err(), "{bad}");
        }
        for good in [
            "http://127.0.0.1:1/k",
            "http://[::1]:1/k",
            "http://localhost/k",
        ] {
            assert!(UrlRule::HttpsOrLoopback.check(good).is_ok(), "{good}");
        }
        for bad in [
            "http://127.0.0.1.evil.example/k",
            "http://127.0.0.1@evil.example/k",
            "http://10.0.0.1/k",
        ] {
            assert!(UrlRule::HttpsOrLoopback.check(bad).is_err(), "{bad}");
        }
    }
}
