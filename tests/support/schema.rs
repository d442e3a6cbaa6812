//! Every event that a test produces is held to the published schema.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;
use tower_impersonate::audit::SCHEMA;
use tower_impersonate::testing::RecordingSink;

/// What is wrong with the event, if anything is.
pub fn faults(event: &Value) -> Vec<String> {
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
        let schema = serde_json::from_str(SCHEMA).unwrap();
        jsonschema::draft202012::new(&schema).unwrap()
    });
    VALIDATOR
        .iter_errors(event)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[track_caller]
pub fn assert_valid(event: &Value) {
    let faults = faults(event);
    assert!(faults.is_empty(), "{faults:#?}\n{event:#}");
}

/// Looks at what was recorded when the test is over.
pub struct Held(pub RecordingSink);

impl Drop for Held {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.events().iter().for_each(assert_valid);
        }
    }
}
