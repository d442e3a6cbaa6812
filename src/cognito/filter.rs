use std::fmt;

/// A filter of `ListUsers`: one attribute that must be exactly this value.
///
/// The API takes a filter as one text, in which the value stands between quotation marks. A value that
/// could end there before its end makes no filter at all: a quotation mark, a backslash or a control
/// character is in no `sub`, and an e-mail address with one of them is not looked for.
///
/// ```
/// use tower_impersonate::cognito::Filter;
///
/// assert_eq!(Filter::sub("6d3f").unwrap().as_str(), r#"sub = "6d3f""#);
/// assert_eq!(Filter::sub(r#"x" or sub ^= ""#), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// Whoever has that `sub`.
    #[must_use]
    pub fn sub(value: &str) -> Option<Self> {
        Self::exactly("sub", value)
    }

    /// Whoever has that e-mail address, verified or not.
    #[must_use]
    pub fn email(value: &str) -> Option<Self> {
        Self::exactly("email", value)
    }

    fn exactly(attribute: &'static str, value: &str) -> Option<Self> {
        let opens = |c: char| c.is_control() || matches!(c, '"' | '\\');
        let sound = (1..=MAX_VALUE).contains(&value.len()) && !value.contains(opens);
        sound.then(|| Self(format!("{attribute} = \"{value}\"")))
    }

    /// As the API takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The filter as a whole may have 256 characters.
const MAX_VALUE: usize = 240;

// By hand: the value may be an e-mail address.
impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attribute = self.0.split(' ').next();
        f.debug_tuple("Filter").field(&attribute).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_never_ends_before_its_end() {
        for value in [
            "\"",
            "\\",
            "x\" or email ^= \"",
            "x\\\" or sub ^= \\\"",
            "a\nb",
            "a\0",
            "\u{7f}",
            "\u{85}",
            "",
            &"x".repeat(241),
        ] {
            assert_eq!(Filter::sub(value), None, "{value:?}");
            assert_eq!(Filter::email(value), None, "{value:?}");
        }
        for value in ["a'b", "a b", "ä@example.com", "%*", &"x".repeat(240)] {
            let filter = Filter::email(value).unwrap();
            assert_eq!(filter.as_str(), format!("email = \"{value}\""));
            assert_eq!(format!("{filter:?}"), r#"Filter(Some("email"))"#);
        }
    }
}
