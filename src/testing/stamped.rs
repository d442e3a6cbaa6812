use std::fmt::{Debug, Write};

use crate::stamp::{self, fields};

/// A span or a log record as a backend got it: its name and its attributes.
///
/// Made of a name with pairs, and with the feature `otel` of what OpenTelemetry's exporters in memory
/// return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Observed {
    /// A span or log record of this name, with these attributes as text.
    pub fn new<K: Into<String>, V: Into<String>>(
        name: impl Into<String>,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let attributes = attributes.into_iter();
        Self {
            name: name.into(),
            attributes: attributes.map(|(k, v)| (k.into(), v.into())).collect(),
        }
    }

    fn values(&self, key: &str) -> Vec<&str> {
        let own = self.attributes.iter().filter(|(own, _)| own == key);
        own.map(|(_, value)| &**value).collect()
    }
}

impl<N: AsRef<str>, K: AsRef<str>, V: AsRef<str>> From<&(N, Vec<(K, V)>)> for Observed {
    fn from((name, attributes): &(N, Vec<(K, V)>)) -> Self {
        let pairs = attributes.iter().map(|(k, v)| (k.as_ref(), v.as_ref()));
        Self::new(name.as_ref(), pairs)
    }
}

/// Every one of these spans or log records carries both subs, each once, and a request's own span both
/// issuers, the mode and the strategy, too: for a test of your own that nothing of an impersonated request
/// goes unstamped.
///
/// ```
/// use tower_impersonate::testing::assert_all_stamped;
///
/// let spans = [("load_orders", vec![
///     ("impersonation.actor.sub", "carol-sub"),
///     ("impersonation.target.sub", "alice-sub"),
/// ])];
/// assert_all_stamped(&spans, "carol-sub", "alice-sub");
/// ```
///
/// # Panics
///
/// Where one is not, or is twice, naming all of them; and where there is nothing to look at.
#[track_caller]
pub fn assert_all_stamped<'a, T>(observed: &'a [T], actor: &str, target: &str)
where
    Observed: From<&'a T>,
{
    assert!(!observed.is_empty(), "nothing was observed");
    let subs = [(fields::ACTOR_SUB, actor), (fields::TARGET_SUB, target)];
    check(observed, |one, wrong| {
        for (key, expected) in subs {
            let values = one.values(key);
            if values != [expected] {
                tell(wrong, &one.name, key, &values);
            }
        }
        let whole = (one.name == stamp::OWN_SPAN).then_some(OF_REQUEST);
        for key in whole.iter().flatten() {
            let values = one.values(key);
            if values.len() != 1 {
                tell(wrong, &one.name, key, &values);
            }
        }
    });
}

/// What the own span of a request that acts as somebody has beside the subs.
const OF_REQUEST: [&str; 4] = [
    fields::ACTOR_ISS,
    fields::TARGET_ISS,
    fields::MODE,
    fields::STRATEGY,
];

/// None of these spans or log records carries a sub of an impersonation: the control beside
/// [`assert_all_stamped`].
///
/// # Panics
///
/// Where one does, naming all of them; and where there is nothing to look at.
#[track_caller]
pub fn assert_none_stamped<'a, T>(observed: &'a [T])
where
    Observed: From<&'a T>,
{
    assert!(!observed.is_empty(), "nothing was observed");
    check(observed, |one, wrong| {
        for key in [fields::ACTOR_SUB, fields::TARGET_SUB] {
            let values = one.values(key);
            if !values.is_empty() {
                tell(wrong, &one.name, key, &values);
            }
        }
    });
}

#[track_caller]
fn check<'a, T>(observed: &'a [T], judge: impl Fn(&Observed, &mut String))
where
    Observed: From<&'a T>,
{
    let mut wrong = String::new();
    for one in observed {
        judge(&Observed::from(one), &mut wrong);
    }
    assert!(wrong.is_empty(), "not stamped as they should be:{wrong}");
}

fn tell(wrong: &mut String, name: &str, key: &str, values: &dyn Debug) {
    // A text is always written.
    let _ = write!(wrong, "\n  {name}: {key} is {values:?}");
}
