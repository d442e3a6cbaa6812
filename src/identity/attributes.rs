use std::sync::{Arc, LazyLock, OnceLock};

use serde_json::{Map, Value};

/// What is known of somebody beside the facts. Of a token it is made when somebody asks for the first time.
pub(crate) struct Attributes {
    made: OnceLock<Arc<Map<String, Value>>>,
    /// What they are made of.
    claims: Option<Claimed>,
    /// The claim of the token that is a fact, and so none of them.
    groups_claim: Option<Arc<str>>,
}

/// The claims of a token, as they stand in it.
#[derive(Clone)]
pub(crate) struct Claimed {
    /// An object that was read before.
    pub(crate) text: Arc<str>,
    pub(crate) read: fn(&str) -> Map<String, Value>,
}

impl Attributes {
    pub(super) const fn none() -> Self {
        Self {
            made: OnceLock::new(),
            claims: None,
            groups_claim: None,
        }
    }

    /// The claims of a token, without the one that holds the groups and without `scope`.
    pub(super) fn of_token(claims: Claimed, groups_claim: Option<Arc<str>>) -> Self {
        Self {
            made: OnceLock::new(),
            claims: Some(claims),
            groups_claim,
        }
    }

    pub(super) fn of_map(map: Map<String, Value>, groups_claim: Option<Arc<str>>) -> Self {
        Self {
            made: Arc::new(map).into(),
            claims: None,
            groups_claim,
        }
    }

    /// None, where there were some.
    pub(super) fn emptied(&self) -> Self {
        Self {
            groups_claim: self.groups_claim.clone(),
            ..Self::none()
        }
    }

    pub(super) fn get(&self) -> &Map<String, Value> {
        match (self.made.get(), &self.claims) {
            (Some(made), _) => made,
            (None, Some(claims)) => self.made.get_or_init(|| self.read(claims)),
            (None, None) => &NONE,
        }
    }

    pub(super) fn insert(&mut self, name: String, value: Value) {
        self.get();
        self.made.get_or_init(Arc::default);
        if let Some(made) = self.made.get_mut() {
            Arc::make_mut(made).insert(name, value);
        }
    }

    pub(super) fn groups_claim(&self) -> Option<&str> {
        self.groups_claim.as_deref()
    }

    fn read(&self, claims: &Claimed) -> Arc<Map<String, Value>> {
        let mut map = (claims.read)(&claims.text);
        // Facts stand in one place only: a handler must not find the groups that a role took away.
        map.remove("scope");
        if let Some(name) = self.groups_claim() {
            map.remove(name);
        }
        Arc::new(map)
    }
}

/// Of a token's claims no second map is ever made: what shares them is made before.
impl Clone for Attributes {
    fn clone(&self) -> Self {
        if self.claims.is_some() {
            self.get();
        }
        Self {
            made: self.made.clone(),
            claims: None,
            groups_claim: self.groups_claim.clone(),
        }
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        self.groups_claim == other.groups_claim && self.get() == other.get()
    }
}

static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_read_when_somebody_asks_and_once() {
        static READ: AtomicUsize = AtomicUsize::new(0);
        let claims = Claimed {
            text: r#"{"a":1,"scope":"read","groups":["x"]}"#.into(),
            read: |text| {
                READ.fetch_add(1, Ordering::SeqCst);
                serde_json::from_str(text).expect("an object")
            },
        };
        let attributes = Attributes::of_token(claims, Some("groups".into()));
        assert_eq!(READ.load(Ordering::SeqCst), 0);
        let mut more = attributes.clone();
        more.insert("b".into(), json!(2));
        assert_eq!(attributes.get().get("a"), Some(&json!(1)));
        assert_eq!(attributes.get().len(), 1, "facts are no attributes");
        assert_eq!(more.get().len(), 2);
        assert_eq!(READ.load(Ordering::SeqCst), 1);
        assert!(more != attributes && attributes.clone() == attributes);
    }

    #[test]
    fn where_there_is_no_token_there_are_those_that_were_added() {
        let mut attributes = Attributes::none();
        assert!(attributes.get().is_empty());
        attributes.insert("a".into(), json!(1));
        let map = json!({ "a": 1 }).as_object().cloned().expect("an object");
        assert!(attributes == Attributes::of_map(map, None));
    }
}
