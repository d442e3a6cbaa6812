//! The one pass over a text, which checks all that is asked of it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use smallvec::SmallVec;

use crate::token::json::document::{Kind, Node, Nodes};

/// The values of a text that is one object, in the order in which they begin.
pub(super) fn read(text: &str) -> Option<Nodes<'_>> {
    let mut input = serde_json::Deserializer::from_str(text);
    let mut nodes = Nodes::new();
    let root = Member {
        nodes: &mut nodes,
        depth: MAX_DEPTH,
        name: Cow::Borrowed(""),
    };
    root.deserialize(&mut input).ok()?;
    input.end().ok()?;
    // The number that `arbitrary_precision` disguises as an object has been undisguised by now.
    matches!(nodes.first()?.kind, Kind::Object(_)).then_some(nodes)
}

const MAX_DEPTH: usize = 16;

/// How many values there may be. A few bytes of JSON make a value of fifty and more in memory.
const MAX_VALUES: usize = 1024;

/// How `serde_json` hands over numbers when any crate of the build turns its feature
/// `arbitrary_precision` on: as an object with this one member, whose value is the digits.
const DISGUISED_NUMBER: &str = "$serde_json::private::Number";

/// So many names are compared each with each other; more are sorted.
const FEW: usize = 32;

/// A value that comes next, and its name where it has one.
struct Member<'n, 'de> {
    nodes: &'n mut Nodes<'de>,
    depth: usize,
    name: Cow<'de, str>,
}

impl<'de> DeserializeSeed<'de> for Member<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        let at = self.nodes.len();
        if at == MAX_VALUES {
            return Err(D::Error::custom("too many values"));
        }
        let (name, kind) = (self.name, Kind::Null);
        self.nodes.push(Node { name, kind });
        let value = Strict {
            nodes: &mut *self.nodes,
            depth: self.depth,
        };
        let kind = input.deserialize_any(value)?;
        self.nodes[at].kind = kind;
        Ok(())
    }
}

/// What the node that was put down last is.
struct Strict<'n, 'de> {
    nodes: &'n mut Nodes<'de>,
    depth: usize,
}

impl Strict<'_, '_> {
    fn deeper<E: Error>(&self) -> Result<usize, E> {
        let deeper = self.depth.checked_sub(1);
        deeper.ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> Visitor<'de> for Strict<'_, 'de> {
    type Value = Kind<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind<'de>, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind<'de>, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind<'de>, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind<'de>, E> {
        Ok(Number::from_f64(value).map_or(Kind::Null, Kind::Number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Kind<'de>, E> {
        Ok(Kind::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind<'de>, E> {
        Ok(Kind::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Kind<'de>, E> {
        Ok(Kind::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind<'de>, A::Error> {
        let (before, depth) = (self.nodes.len(), self.deeper()?);
        loop {
            let item = Member {
                nodes: &mut *self.nodes,
                depth,
                name: Cow::Borrowed(""),
            };
            if items.next_element_seed(item)?.is_none() {
                return Ok(Kind::Array(self.nodes.len() - before));
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Kind<'de>, A::Error> {
        let before = self.nodes.len();
        while let Some(name) = members.next_key_seed(Name)? {
            if name == DISGUISED_NUMBER {
                return number(self.nodes.len() == before, members);
            }
            members.next_value_seed(Member {
                depth: self.deeper()?,
                nodes: &mut *self.nodes,
                name,
            })?;
        }
        let inside = &self.nodes[before..];
        if has_duplicates(inside) {
            return Err(A::Error::custom("duplicate member"));
        }
        Ok(Kind::Object(inside.len()))
    }
}

/// The reserved member may only stand alone and hold a number; an object that a client made up
/// with it reads as that number, which `serde_json` itself could not tell apart either.
fn number<'de, A: MapAccess<'de>>(is_first: bool, mut members: A) -> Result<Kind<'de>, A::Error> {
    let digits: String = members.next_value()?;
    let alone = is_first && members.next_key::<String>()?.is_none();
    match serde_json::from_str::<Number>(&digits) {
        Ok(number) if alone => Ok(Kind::Number(number)),
        _ => Err(A::Error::custom("reserved member")),
    }
}

/// The name of a member, without its escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// Whether two members of an object have one name; `inside` is all that stands in it.
fn has_duplicates(inside: &[Node<'_>]) -> bool {
    let mut names: SmallVec<[&str; FEW]> = SmallVec::new();
    let mut rest = inside;
    while let Some((next, _)) = rest.split_first() {
        if !names.spilled() && names.contains(&&*next.name) {
            return true;
        }
        names.push(&next.name);
        rest = &rest[next.kind.places()..];
    }
    if !names.spilled() {
        return false;
    }
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}
