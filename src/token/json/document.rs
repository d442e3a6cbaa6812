use std::borrow::Cow;

use serde_json::{Map, Number, Value};
use smallvec::SmallVec;

use crate::token::json::strict;

/// One object that was read strictly, borrowed from its text.
///
/// Nothing is allocated for a text of usual size, unless a string in it has escapes.
pub(crate) struct Document<'a>(Nodes<'a>);

pub(super) type Nodes<'a> = SmallVec<[Node<'a>; 32]>;

/// A value and, where it is the member of an object, its name. What stands inside follows it.
pub(super) struct Node<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) kind: Kind<'a>,
}

pub(super) enum Kind<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    /// So many nodes stand inside, at any depth.
    Array(usize),
    Object(usize),
}

impl Kind<'_> {
    /// How many nodes it takes, with itself.
    pub(super) fn places(&self) -> usize {
        match self {
            Self::Array(inside) | Self::Object(inside) => 1 + inside,
            _ => 1,
        }
    }
}

impl<'a> Document<'a> {
    /// `None` where the text is not one object that fills it, has duplicate members, or exceeds the bounds.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        strict::read(text).map(Self)
    }

    pub(super) fn root(&self) -> Item<'_, 'a> {
        Item(&self.0)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Item<'_, 'a>> {
        self.root().get(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A member that is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// Its members, with their names.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, Item<'_, 'a>)> {
        self.root().members()
    }

    pub(crate) fn to_map(&self) -> Map<String, Value> {
        self.root().to_map()
    }
}

/// One value, with all that stands inside of it; the first node is itself.
#[derive(Clone, Copy)]
pub(crate) struct Item<'d, 'a>(&'d [Node<'a>]);

impl<'d, 'a> Item<'d, 'a> {
    pub(super) fn kind(self) -> &'d Kind<'a> {
        self.0.first().map_or(&Kind::Null, |node| &node.kind)
    }

    fn inside(self) -> &'d [Node<'a>] {
        self.0.get(1..).unwrap_or_default()
    }

    /// Text that is borrowed where it has no escapes.
    pub(crate) fn as_text(self) -> Option<&'d Cow<'a, str>> {
        match self.kind() {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_str(self) -> Option<&'d str> {
        self.as_text().map(|text| &**text)
    }

    pub(crate) fn as_number(self) -> Option<&'d Number> {
        match self.kind() {
            Kind::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Each text of an array that holds nothing else.
    pub(crate) fn texts(self) -> Option<impl ExactSizeIterator<Item = &'d str> + Clone> {
        match self.kind() {
            Kind::Array(_) => all_texts(self.inside()),
            _ => None,
        }
    }

    /// The same, where a text stands for an array with it alone.
    pub(crate) fn text_or_texts(self) -> Option<impl ExactSizeIterator<Item = &'d str> + Clone> {
        match self.kind() {
            Kind::Text(_) => all_texts(self.0),
            Kind::Array(_) => all_texts(self.inside()),
            _ => None,
        }
    }

    /// How many members an object has.
    pub(crate) fn len(self) -> usize {
        match self.kind() {
            Kind::Object(_) => self.children().count(),
            _ => 0,
        }
    }

    /// The member of an object.
    pub(crate) fn get(self, name: &str) -> Option<Self> {
        let Kind::Object(_) = self.kind() else {
            return None;
        };
        let mut rest = self.inside();
        while let Some(node) = rest.first() {
            let (child, more) = rest.split_at_checked(node.kind.places())?;
            if node.name == name {
                return Some(Self(child));
            }
            rest = more;
        }
        None
    }

    pub(crate) fn members(self) -> impl Iterator<Item = (&'d str, Self)> {
        let children = match self.kind() {
            Kind::Object(_) => Some(self.children()),
            _ => None,
        };
        let named = |item: Self| Some((&*item.0.first()?.name, item));
        children.into_iter().flatten().filter_map(named)
    }

    /// The values of an array or an object.
    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        let mut rest = self.inside();
        std::iter::from_fn(move || {
            let (child, more) = rest.split_at_checked(rest.first()?.kind.places())?;
            rest = more;
            Some(Self(child))
        })
    }

    pub(crate) fn to_value(self) -> Value {
        match self.kind() {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(String::from(&**text)),
            Kind::Array(_) => {
                let mut values = Vec::with_capacity(self.children().count());
                values.extend(self.children().map(Self::to_value));
                Value::Array(values)
            }
            Kind::Object(_) => Value::Object(self.to_map()),
        }
    }

    fn to_map(self) -> Map<String, Value> {
        let own = |(name, item): (&str, Self)| (name.to_owned(), item.to_value());
        self.members().map(own).collect()
    }
}

fn all_texts<'d>(nodes: &'d [Node<'_>]) -> Option<impl ExactSizeIterator<Item = &'d str> + Clone> {
    let text = |node: &'d Node<'_>| match &node.kind {
        Kind::Text(text) => Some(&**text),
        _ => None,
    };
    let all = nodes.iter().all(|node| text(node).is_some());
    all.then(|| nodes.iter().map(move |node| text(node).unwrap_or_default()))
}
