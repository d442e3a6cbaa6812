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

    /// Few names are compared in another way than many.
    #[test]
    fn a24_a40_duplicates_among_many() {
        for count in [2, 31, 32, 33, 34, 200] {
            let member = |n: usize| format!("\"m{n}\":{{\"x\":[{n}]}}");
            let members: Vec<_> = (0..count).map(member).collect();
            let text = |members: &[String]| format!("{{\"in\":{{{}}}}}", members.join(","));
            assert!(object(text(&members).as_bytes()).is_some(), "{count}");
            for twin in [0, count / 2, count - 1] {
                let mut twins = members.clone();
                twins.push(format!("\"\\u006d{twin}\":1"));
                assert!(
                    object(text(&twins).as_bytes()).is_none(),
                    "{twin} of {count}"
                );
            }
        }
    }

    #[test]
    fn what_is_borrowed_says_the_same_as_its_values() {
        let text = r#"{"s":"a","e":"\u0061\n","n":-7,"f":1.5,"t":["x","\"",""],"m":["x",1],"o":{"a":[[1],{}],"s":"b"},"z":null,"b":true,"l":[]}"#;
        let document = Document::read(text).expect("an object");
        assert_eq!(
            Value::Object(document.to_map()),
            serde_json::from_str::<Value>(text).expect("JSON")
        );
        let item = |name: &str| document.get(name).expect("it is there");
        let texts = |item: Item<'_, '_>| {
            item.texts()
                .map(|texts| texts.map(str::to_owned).collect::<Vec<_>>())
        };
        let either = |item: Item<'_, '_>| {
            item.text_or_texts()
                .map(|texts| texts.map(str::to_owned).collect::<Vec<_>>())
        };
        for (name, text, list, one_or_more) in [
            ("s", Some("a"), None, Some(vec!["a"])),
            ("e", Some("a\n"), None, Some(vec!["a\n"])),
            ("n", None, None, None),
            (
                "t",
                None,
                Some(vec!["x", "\"", ""]),
                Some(vec!["x", "\"", ""]),
            ),
            ("m", None, None, None),
            ("o", None, None, None),
            ("z", None, None, None),
            ("l", None, Some(vec![]), Some(vec![])),
        ] {
            let owned = |list: Option<Vec<&str>>| {
                list.map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>())
            };
            assert_eq!(document.text(name), text, "{name}");
            assert_eq!(texts(item(name)), owned(list), "{name}");
            assert_eq!(either(item(name)), owned(one_or_more), "{name}");
        }
        assert_eq!(
            item("n").as_number().and_then(serde_json::Number::as_i64),
            Some(-7)
        );
        assert_eq!((item("o").len(), item("t").len()), (2, 0));
        assert_eq!(item("o").get("s").and_then(Item::as_str), Some("b"));
        assert!(item("o").get("a").is_some() && item("t").get("").is_none());
        assert!(document.has("z") && !document.has("a") && !document.has("x"));
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
