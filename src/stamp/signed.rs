//! The names of the fields at an address that nobody else has.
//!
//! A backend that appends, as OpenTelemetry does, keeps what a span said of its user before anybody was
//! verified, and what a handler wrote over it. Names go through `tracing` and OpenTelemetry by reference,
//! so the one under which the layer wrote is told from all others of the same text by where it stands.
//! Where a library copies names, none is known, and the first of a name counts.

use std::str;

use crate::stamp::fields;

/// As `fields::ALL`, of the texts that only this crate's own records name.
pub(super) static NAMES: [&str; COUNT] = names(&TEXTS);

/// Whether the layer wrote under this name, or somebody else under one of the same text.
#[cfg(feature = "otel")]
pub(crate) fn is_signed(name: &str) -> bool {
    TEXTS.as_ptr_range().contains(&name.as_ptr())
}

pub(super) const COUNT: usize = fields::ALL.len();

// A static, so that it has an address of its own.
static TEXTS: [u8; LENGTH] = texts();

const LENGTH: usize = {
    let (mut length, mut i) = (0, 0);
    while i < COUNT {
        length += fields::ALL[i].len();
        i += 1;
    }
    length
};

const fn texts() -> [u8; LENGTH] {
    let mut texts = [0; LENGTH];
    let (mut at, mut i) = (0, 0);
    while i < COUNT {
        let name = fields::ALL[i].as_bytes();
        let mut letter = 0;
        while letter < name.len() {
            texts[at] = name[letter];
            letter += 1;
            at += 1;
        }
        i += 1;
    }
    texts
}

const fn names(texts: &'static [u8]) -> [&'static str; COUNT] {
    let mut names = [""; COUNT];
    let (mut rest, mut i) = (texts, 0);
    while i < COUNT {
        let (name, after) = rest.split_at(fields::ALL[i].len());
        if let Ok(name) = str::from_utf8(name) {
            names[i] = name;
        }
        rest = after;
        i += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_fields_and_stand_elsewhere() {
        assert_eq!(NAMES, fields::ALL);
        #[cfg(feature = "otel")]
        for (own, public) in NAMES.iter().zip(fields::ALL) {
            assert!(is_signed(own) && !is_signed(public), "{own}");
        }
    }
}
