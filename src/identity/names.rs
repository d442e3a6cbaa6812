use std::fmt;
use std::hash::{Hash, Hasher};
use std::slice;
use std::sync::Arc;

use crate::identity::text::{Pieces, Text};

/// A list of names, compared byte for byte: groups, scopes, authentication methods.
///
/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Names(List);

#[derive(Clone, Default)]
enum List {
    #[default]
    None,
    One(Text),
    /// As they stand in one text, with spaces between them.
    Spaced {
        text: Text,
        count: u32,
    },
    /// As they stand in one text, with quotation marks around what is between them.
    Quoted {
        text: Text,
        count: u32,
    },
    Several(Arc<[Text]>),
}

impl Names {
    /// Those of a list that is separated by spaces (RFC 6749, section 3.3).
    pub(crate) fn spaced(text: Text) -> Self {
        let count = split(&text).count();
        match u32::try_from(count) {
            Ok(0) => Self::default(),
            Ok(count) => Self(List::Spaced { text, count }),
            Err(_) => split(&text).collect(),
        }
    }

    /// Those of a list in JSON, as pieces of its text where they stand in it as they are.
    pub(crate) fn of_json<'t>(
        names: impl ExactSizeIterator<Item = &'t str> + Clone,
        pieces: &Pieces<'_>,
    ) -> Self {
        let ends = names.clone().next().zip(names.clone().last());
        let span = ends.and_then(|(first, last)| pieces.span(first, last));
        let count = u32::try_from(names.len()).ok().filter(|count| *count > 1);
        let quoted = span.zip(count);
        let quoted = quoted.map(|(text, count)| Self(List::Quoted { text, count }));
        // What is not as it is between its quotation marks is read otherwise.
        match quoted.filter(|quoted| quoted.iter().eq(names.clone())) {
            Some(quoted) => quoted,
            None => Self::of(names.map(|name| pieces.text(name))),
        }
    }

    /// One allocation at most where the length is known beforehand.
    pub(crate) fn of(mut names: impl ExactSizeIterator<Item = Text>) -> Self {
        match (names.len(), names.next()) {
            (1, Some(only)) => Self(List::One(only)),
            (_, Some(first)) => Self(List::Several([first].into_iter().chain(names).collect())),
            (_, None) => Self::default(),
        }
    }

    /// How much memory it takes beside the texts themselves.
    pub(crate) fn places(&self) -> usize {
        match &self.0 {
            List::Several(names) => size_of::<Text>() * names.len(),
            _ => 0,
        }
    }

    /// Whether `name` is in the list, exactly.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match &self.0 {
            List::None => false,
            List::One(only) => **only == *name,
            List::Several(names) => names.iter().any(|one| **one == *name),
            List::Spaced { .. } | List::Quoted { .. } => self.iter().any(|one| one == name),
        }
    }

    /// The names, in the order in which they were given.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        let rest = match &self.0 {
            List::None => Rest::Listed([].iter()),
            List::One(name) => Rest::Listed(slice::from_ref(name).iter()),
            List::Spaced { text, .. } => Rest::Spaced(text),
            List::Quoted { text, .. } => Rest::Quoted(Some(text)),
            List::Several(names) => Rest::Listed(names.iter()),
        };
        let left = self.len();
        Iter { left, rest }
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            List::None => 0,
            List::One(_) => 1,
            List::Spaced { count, .. } | List::Quoted { count, .. } => *count as usize,
            List::Several(names) => names.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Into<Box<str>>> FromIterator<T> for Names {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let name = |name: T| -> Text { Arc::<str>::from(name.into()).into() };
        let names: Vec<Text> = names.into_iter().map(name).collect();
        Self::of(names.into_iter())
    }
}

impl<T: Into<Box<str>>, const N: usize> From<[T; N]> for Names {
    fn from(names: [T; N]) -> Self {
        names.into_iter().collect()
    }
}

impl<T: Into<Box<str>>> From<Vec<T>> for Names {
    fn from(names: Vec<T>) -> Self {
        names.into_iter().collect()
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Names {}

impl Hash for Names {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.iter().for_each(|name| name.hash(state));
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[derive(Clone)]
struct Iter<'a> {
    left: usize,
    rest: Rest<'a>,
}

#[derive(Clone)]
enum Rest<'a> {
    Listed(slice::Iter<'a, Text>),
    Spaced(&'a str),
    Quoted(Option<&'a str>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let next = match &mut self.rest {
            Rest::Listed(names) => names.next().map(|name| &**name),
            Rest::Spaced(text) => {
                let trimmed = text.trim_start_matches(' ');
                let (name, rest) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
                *text = rest;
                (!name.is_empty()).then_some(name)
            }
            Rest::Quoted(rest) => rest.take().map(|text| {
                let Some((name, after)) = text.split_once('"') else {
                    return text;
                };
                // Up to the next quotation mark there is a comma, and white space.
                *rest = after.split_once('"').map(|(_, next)| next);
                name
            }),
        };
        self.left = self.left.saturating_sub(usize::from(next.is_some()));
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Text {
        Arc::<str>::from(text).into()
    }

    #[test]
    fn however_they_are_kept_equal_lists_are_equal() {
        for names in [&[][..], &["a"], &["a", "b"], &["read", "desk/write", "ä"]] {
            let listed: Names = names.iter().copied().collect();
            let spaced = Names::spaced(text(&names.join(" ")));
            let loosely = Names::spaced(text(&format!("  {}   ", names.join("  "))));
            let of = Names::of(names.iter().map(|name| text(name)));
            for list in [&listed, &spaced, &loosely, &of] {
                assert_eq!(list, &listed);
                assert_eq!(list.iter().collect::<Vec<_>>(), names);
                assert_eq!((list.len(), list.iter().len()), (names.len(), names.len()));
                assert_eq!(list.is_empty(), names.is_empty());
                assert!(names.iter().all(|name| list.contains(name)));
                assert!(!list.contains("") && !list.contains("a b"));
                assert_eq!(hash(list), hash(&listed));
            }
        }
        let json = String::from(r#"["a" , "b, c","", "\\"]"#);
        let pieces = Pieces::of(&json);
        let parts = [&json[2..3], &json[8..12], &json[15..15]];
        let few = Names::of_json(parts.into_iter(), &pieces);
        assert!(matches!(few.0, List::Quoted { count: 3, .. }));
        assert_eq!(few.iter().collect::<Vec<_>>(), ["a", "b, c", ""]);
        assert_eq!(
            (few.len(), few.contains("b"), few.contains(" , ")),
            (3, false, false)
        );
        // One that is written otherwise than it reads.
        let names = ["a", "b, c", "", "\\"];
        let owned = String::from("\\");
        let parts = [parts[0], parts[1], parts[2], &owned];
        let all = Names::of_json(parts.into_iter(), &pieces);
        assert!(matches!(all.0, List::Several(_)));
        assert_eq!(all.iter().collect::<Vec<_>>(), names);
        let other: Names = ["b", "a"].into();
        assert_ne!(other, Names::spaced(text("a b")));
    }

    fn hash(names: &Names) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        names.hash(&mut hasher);
        hasher.finish()
    }
}
