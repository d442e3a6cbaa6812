use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// What a request carries under one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie<'r> {
    Absent,
    One(&'r str),
    /// Two of one name, or bytes that no cookie has: there is no telling which is meant.
    Malformed,
}

/// Looks for a cookie (RFC 6265, section 4.2.1) in all `Cookie` headers: HTTP/2 may send several.
pub(crate) fn find<'r>(headers: &'r HeaderMap, name: &str) -> Cookie<'r> {
    let mut found = Cookie::Absent;
    for header in headers.get_all(COOKIE) {
        let Ok(text) = header.to_str() else {
            return Cookie::Malformed;
        };
        for pair in text.split(';') {
            let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
            if own.trim() != name {
                continue;
            }
            if found != Cookie::Absent {
                return Cookie::Malformed;
            }
            found = Cookie::One(value.trim());
        }
    }
    found
}

/// Takes a cookie off the request, and leaves the others as they are.
pub(crate) fn hide(headers: &mut HeaderMap, name: &str) {
    if find(headers, name) == Cookie::Absent {
        return;
    }
    let is_other = |pair: &&str| {
        let own = pair.split_once('=').map_or(*pair, |(own, _)| own);
        own.trim() != name
    };
    let mut rest = Vec::new();
    for header in headers.get_all(COOKIE) {
        // What cannot be read cannot be left in part either.
        let Ok(text) = header.to_str() else { continue };
        let kept: Vec<_> = text.split(';').filter(is_other).map(str::trim).collect();
        if !kept.is_empty() {
            rest.extend(HeaderValue::from_str(&kept.join("; ")));
        }
    }
    headers.remove(COOKIE);
    for mut header in rest {
        header.set_sensitive(true);
        headers.append(COOKIE, header);
    }
}

/// `Set-Cookie` for a cookie that only this host gets, over TLS, that no script reads and that no other
/// site's page makes a browser send.
///
/// It has no end of its own: were it gone by itself, what is meant for the target would run as the actor.
#[cfg(feature = "manage")]
pub(crate) fn set(name: &str, value: &str) -> Option<HeaderValue> {
    told(name, value, "")
}

/// `Set-Cookie` that takes it away.
pub(crate) fn clear(name: &str) -> Option<HeaderValue> {
    told(name, "", "; Max-Age=0")
}

fn told(name: &str, value: &str, end: &str) -> Option<HeaderValue> {
    let text = format!("{name}={value}{end}; Path=/; Secure; HttpOnly; SameSite=Strict");
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(COOKIE, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn one_of_a_name() {
        for (values, found) in [
            (&[][..], Cookie::Absent),
            (&["b=1"], Cookie::Absent),
            (&["aa=1; ba=2; a b=3"], Cookie::Absent),
            (&["a=1"], Cookie::One("1")),
            (&["b=2; a=1 ;c"], Cookie::One("1")),
            (&["b=2", "a=1=2"], Cookie::One("1=2")),
            (&["a"], Cookie::One("")),
            (&["a=1; a=1"], Cookie::Malformed),
            (&["a=1", "a=2"], Cookie::Malformed),
        ] {
            assert_eq!(find(&headers(values), "a"), found, "{values:?}");
        }
    }

    #[test]
    fn the_others_stay() {
        let mut all = headers(&["b=2; a=1; c=3", "a=4", "d=5"]);
        hide(&mut all, "a");
        let left: Vec<_> = all.get_all(COOKIE).iter().collect();
        assert_eq!(left, ["b=2; c=3", "d=5"]);
    }

    #[test]
    fn what_a_browser_is_told() {
        let told = clear("__Host-x").unwrap();
        let text = "__Host-x=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict";
        assert_eq!(told.to_str().unwrap(), text);
        assert!(told.is_sensitive());
    }
}
