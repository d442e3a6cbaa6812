//! JSON as a security token needs it: one object, no duplicate member at any depth, bounded depth
//! and size.
//!
//! `serde_json` keeps the last of two equal members and another parser may keep the first, so that
//! two services would read two different people out of one signed token.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads an object that fills the whole input, or nothing.
pub(crate) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut input = serde_json::Deserializer::from_str(text);
    let left = Cell::new(MAX_VALUES);
    let strict = Strict {
        depth: MAX_DEPTH,
        left: &left,
    };
    let value = strict.deserialize(&mut input).ok()?;
    input.end().ok()?;
    // The number that `arbitrary_precision` disguises as an object has been undisguised by now.
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

const MAX_DEPTH: usize = 16;

/// How many values there may be. A few bytes of JSON make a value of fifty and more in memory.
const MAX_VALUES: usize = 1024;

/// How `serde_json` hands over numbers when any crate of the build turns its feature
/// `arbitrary_precision` on: as an object with this one member, whose value is the digits.
const DISGUISED_NUMBER: &str = "$serde_json::private::Number";

#[derive(Clone, Copy)]
struct Strict<'b> {
    depth: usize,
    /// How many more values there may be, in the whole text.
    left: &'b Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(E::custom("nested too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(D::Error::custom("too many values"));
        };
        self.left.set(left);
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if name == DISGUISED_NUMBER {
                return number(&map, members);
            }
            let value = members.next_value_seed(self.deeper()?)?;
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        Ok(Value::Object(map))
    }
}

/// The reserved member may only stand alone and hold a number; an object that a client made up
/// with it reads as that number, which `serde_json` itself could not tell apart either.
fn number<'de, A: MapAccess<'de>>(
    before: &Map<String, Value>,
    mut members: A,
) -> Result<Value, A::Error> {
    let digits: String = members.next_value()?;
    let alone = before.is_empty() && members.next_key::<String>()?.is_none();
    match serde_json::from_str::<Number>(&digits) {
        Ok(number) if alone => Ok(Value::Number(number)),
        _ => Err(A::Error::custom("reserved member")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        let text = r#"{"a":[1,-2,3.5,true,null,"xé"],"b":{"c":{}},"d":18446744073709551615}"#;
        let expected: Value = serde_json::from_str(text).expect("valid");
        assert_eq!(object(text.as_bytes()).map(Value::Object), Some(expected));
    }

    #[test]
    fn a24_a40_duplicates_at_any_depth() {
        for text in [
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"sub":"a","\u0073ub":"b"}"#,
            r#"{"x":1,"act":{"sub":"a","sub":"a"}}"#,
            r#"{"x":[{"a":1,"a":2}]}"#,
        ] {
            assert!(object(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a25_a41_not_one_object() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(16), "]".repeat(16));
        for text in [
            "",
            "[]",
            "\"x\"",
            "1",
            "null",
            "{} {}",
            "{},",
            "\u{feff}{}",
            "{\"a\":1e400}x",
            "{a:1}",
            &deep,
            "{\"$serde_json::private::Number\":\"1\"}",
        ] {
            assert!(object(text.as_bytes()).is_none(), "{text}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_none(), "not UTF-8");
        let within = format!("{{\"a\":{}1{}}}", "[".repeat(15), "]".repeat(15));
        assert!(object(within.as_bytes()).is_some());
    }

    #[test]
    fn few_bytes_do_not_become_much_memory() {
        let many = |count: usize| format!("{{\"a\":[{}1]}}", "1,".repeat(count));
        assert!(object(many(1000).as_bytes()).is_some());
        assert!(object(many(1100).as_bytes()).is_none());
    }

    #[test]
    fn numbers_survive_the_disguise_of_arbitrary_precision() {
        let number = object(br#"{"exp":{"$serde_json::private::Number":"1700000000"}}"#);
        let number = number.and_then(|map| map.get("exp").and_then(Value::as_i64));
        assert_eq!(number, Some(1_700_000_000));
        for text in [
            r#"{"exp":{"$serde_json::private::Number":"1","x":2}}"#,
            r#"{"exp":{"x":2,"$serde_json::private::Number":"1"}}"#,
            r#"{"exp":{"$serde_json::private::Number":"one"}}"#,
        ] {
            assert!(object(text.as_bytes()).is_none(), "{text}");
        }
    }
}
