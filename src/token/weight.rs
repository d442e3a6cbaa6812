//! How much memory a token takes that is kept with all that was read from it.
//!
//! Its length does not tell: a few bytes of JSON make a value of fifty and more.

use serde_json::{Map, Value};

use crate::identity::Names;
use crate::token::claims::Claims;

/// In bytes, rather too many than too few.
pub(crate) fn of(token: &str, claims: &Claims) -> u64 {
    let identity = claims.identity();
    let names = |names: Option<&Names>| names.map_or(0, of_names);
    let text = |text: Option<&str>| text.map_or(0, |text| BLOCK + text.len());
    let login = identity.login().map_or(0, |login| {
        of_names(&login.methods) + text(login.context_class.as_deref())
    });
    // The name of an issuer that is not configured stands nowhere else.
    let issuer = match identity.issuer() == claims.issuer() {
        true => 0,
        false => BLOCK + identity.issuer().len(),
    };
    let lists = names(identity.groups()) + names(identity.scopes());
    let facts = lists + login + text(identity.username()) + text(identity.tenant()) + issuer;
    let bytes = FIXED + token.len() + facts + of_object(identity.attributes());
    bytes as u64
}

fn of_names(names: &Names) -> usize {
    let texts = names.iter().map(|name| BLOCK + name.len());
    BLOCK + size_of::<Box<str>>() * names.len() + texts.sum::<usize>()
}

fn of_object(members: &Map<String, Value>) -> usize {
    // A map is made of nodes with room for eleven members each, of which five and more are taken.
    let nodes = match members.len() {
        0 => 0,
        1..=11 => 1,
        more => more / 6 + 1,
    };
    let texts = members
        .iter()
        .map(|(name, value)| BLOCK + name.len() + of_value(value));
    NODE * nodes + texts.sum::<usize>()
}

/// What a value takes besides the place where it stands.
fn of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 0,
        // Its digits, where any crate of the build turns `arbitrary_precision` on.
        Value::Number(_) => BLOCK,
        Value::String(text) => BLOCK + text.len(),
        Value::Array(values) => {
            let places = values.capacity() * size_of::<Value>();
            BLOCK + places + values.iter().map(of_value).sum::<usize>()
        }
        Value::Object(members) => of_object(members),
    }
}

/// The structures around claims and identity, and its key.
const FIXED: usize = 1024;
/// What an allocator adds to each block.
const BLOCK: usize = 16;
const NODE: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 112;
