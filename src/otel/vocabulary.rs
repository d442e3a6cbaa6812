//! What the fields are called, and how much of a person is in them.

use opentelemetry::{KeyValue, StringValue, Value};

use crate::otel::hash::HashKey;
use crate::stamp::{Stamp, fields};

/// How the fields of the stamp leave the process: under which names, and with which identifiers.
///
/// The fields of [`stamp::fields`](crate::stamp::fields) are always there; vocabularies contradict
/// one another about `user.id`, so a preset says what that one means.
///
/// [`StampExporter`](super::StampExporter) and [`StampLogProcessor`](super::StampLogProcessor) each
/// take one: give both the same.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    preset: Preset,
    identifiers: Identifiers,
}

/// What `user.id` means while somebody impersonates, and which names there are beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Preset {
    /// OpenTelemetry's: `user.id` is whose rights count, the target. What this crate's own spans say.
    #[default]
    OpenTelemetry,
    /// The Elastic Common Schema's: `user.id` is who asks, the actor, and `user.effective.id` is the
    /// target. In traces and logs alike.
    Ecs,
}

/// What stands for a person in `user.id`, the two subs and their aliases.
///
/// It holds for what is exported through [`StampExporter`](super::StampExporter) and
/// [`StampLogProcessor`](super::StampLogProcessor): not for lines on a terminal, and never for audit
/// events, which are worth nothing without the subs.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Identifiers {
    /// The `sub` itself.
    #[default]
    Raw,
    /// A keyed hash of the `sub`: equal people are equal, and only who has the key can tell who it is
    /// by trying. Whoever searches hashes first, by [`HashKey::hash`].
    KeyedHash(HashKey),
    /// Nothing: that somebody impersonated is seen, and not who.
    Drop,
}

impl Vocabulary {
    /// OpenTelemetry's meaning of `user.id`, and the subs themselves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What `user.id` means, and which aliases there are.
    #[must_use]
    pub fn preset(mut self, preset: Preset) -> Self {
        self.preset = preset;
        self
    }

    /// What stands for a person.
    #[must_use]
    pub fn identifiers(mut self, identifiers: Identifiers) -> Self {
        self.identifiers = identifiers;
        self
    }

    /// The fields of a stamp, in this vocabulary.
    pub(super) fn of(&self, stamp: &Stamp) -> impl Iterator<Item = (&'static str, StringValue)> {
        let effective = match (self.preset, stamp.target()) {
            (Preset::Ecs, Some(target)) => {
                Some((EFFECTIVE, StringValue::from(target.shared_subject())))
            }
            _ => None,
        };
        fields_of(stamp)
            .map(|(key, value)| match self.preset {
                Preset::Ecs if key == fields::USER_ID => {
                    (key, stamp.actor().shared_subject().into())
                }
                _ => (key, value),
            })
            .chain(effective)
            .filter_map(|(key, value)| Some((key, self.identifiers.show(key, value)?)))
    }

    /// Brings the attributes of a span, or of an event on it, into this vocabulary.
    ///
    /// Of a field that is there twice, the first stays: the layer writes before the handler runs.
    pub(super) fn rewrite(&self, attributes: &mut Vec<KeyValue>) {
        if !attributes.iter().any(is_ours) {
            return;
        }
        let mut seen = [false; MOST];
        attributes.retain(|attribute| {
            let field = fields::ALL
                .iter()
                .position(|field| *field == attribute.key.as_str());
            field.is_none_or(|field| !std::mem::replace(&mut seen[field], true))
        });
        if self.preset == Preset::Ecs {
            tell_requester(attributes);
        }
        if !matches!(self.identifiers, Identifiers::Raw) {
            self.hide(attributes);
        }
    }

    fn hide(&self, attributes: &mut Vec<KeyValue>) {
        attributes.retain_mut(|attribute| {
            let Value::String(value) = &attribute.value else {
                return true;
            };
            match self.identifiers.show(attribute.key.as_str(), value.clone()) {
                Some(shown) => {
                    attribute.value = Value::String(shown);
                    true
                }
                None => false,
            }
        });
    }
}

impl Identifiers {
    /// The value as it is told; `None` where it is not.
    fn show(&self, key: &str, value: StringValue) -> Option<StringValue> {
        if !names_a_person(key) {
            return Some(value);
        }
        match self {
            Self::Raw => Some(value),
            Self::KeyedHash(hash) => Some(hash.hash(value.as_str()).into()),
            Self::Drop => None,
        }
    }
}

/// `user.id` becomes the actor, and the target gets a name of its own. A denial has no effective
/// user: what was refused has no mode.
fn tell_requester(attributes: &mut Vec<KeyValue>) {
    let find = |key| {
        let mut own = attributes.iter();
        own.find(|attribute| attribute.key.as_str() == key)
            .map(|attribute| attribute.value.clone())
    };
    let Some(actor) = find(fields::ACTOR_SUB) else {
        return;
    };
    let target = find(fields::MODE).and_then(|_| find(fields::TARGET_SUB));
    attributes.retain(|a| !matches!(a.key.as_str(), fields::USER_ID | EFFECTIVE));
    attributes.push(KeyValue::new(fields::USER_ID, actor));
    attributes.extend(target.map(|target| KeyValue::new(EFFECTIVE, target)));
}

/// Whether it has, or may have, a name of the stamp's.
pub(super) fn is_ours(attribute: &KeyValue) -> bool {
    let key = attribute.key.as_str();
    key == fields::USER_ID || key.starts_with("impersonation.")
}

fn names_a_person(key: &str) -> bool {
    matches!(
        key,
        fields::USER_ID | fields::ACTOR_SUB | fields::TARGET_SUB | EFFECTIVE
    )
}

/// The fields of a stamp as values that are shared, not copied.
pub(super) fn fields_of(stamp: &Stamp) -> impl Iterator<Item = (&'static str, StringValue)> {
    let (actor, target) = (stamp.actor(), stamp.target());
    let principal = target.unwrap_or(actor);
    let groups = stamp.groups().and_then(|_| groups_of(stamp));
    [
        (fields::USER_ID, Some(principal.shared_subject().into())),
        (fields::ACTOR_SUB, Some(actor.shared_subject().into())),
        (fields::ACTOR_ISS, Some(actor.shared_issuer().into())),
        (
            fields::TARGET_SUB,
            target.map(|t| t.shared_subject().into()),
        ),
        (fields::TARGET_ISS, target.map(|t| t.shared_issuer().into())),
        (fields::MODE, Some(stamp.mode().as_str().into())),
        (fields::STRATEGY, Some(stamp.strategy().as_str().into())),
        (fields::GROUPS, groups.map(StringValue::from)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
}

fn groups_of(stamp: &Stamp) -> Option<String> {
    let mut all = stamp.fields();
    all.find_map(|(key, value)| (key == fields::GROUPS).then(|| value.into_owned()))
}

/// As many fields as a stamp can have.
pub(super) const MOST: usize = fields::ALL.len();

const EFFECTIVE: &str = "user.effective.id";
