//! JSON as a security token needs it: one object, no duplicate member at any depth, bounded depth
//! and size.
//!
//! `serde_json` keeps the last of two equal members and another parser may keep the first, so that
//! two services would read two different people out of one signed token.
//!
//! It is read in one pass and borrowed ([`Document`]); values of their own are made of that by whoever needs
//! them.

mod document;
mod size;
mod strict;

use serde_json::{Map, Value};

pub(crate) use self::document::{Document, Item};
pub(crate) use self::size::BLOCK;

/// Reads an object that fills the whole input, or nothing.
pub(crate) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(bytes).ok()?;
    Document::read(text).map(|document| document.to_map())
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
