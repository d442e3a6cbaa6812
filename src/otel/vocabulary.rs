//! What the fields are called, and how much of a person is in them.

use opentelemetry::{KeyValue, StringValue, Value};

use crate::otel::hash::HashKey;
use crate::stamp::{Stamp, fields, is_signed};

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

/// What stands for a person in `user.id`, the two subs, their aliases, and whom a denied request asked
/// for. A reason, which is free text, leaves only with [`Raw`](Self::Raw).
///
/// Values of other types, such as a number that an application takes for its `user.id`, are hashed by
/// their text. It goes by these names: what an application says of people under others, in the name of a
/// span or in the text of a log line, leaves as it is.
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
    /// Nothing: that somebody impersonated is seen, on the request's own span and the one around it, and not
    /// who.
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
    pub(super) fn tell(&self, stamp: &Stamp, mut put: impl FnMut(&'static str, StringValue)) {
        let mut covered = |key, value: StringValue| match self.cover(key, || value.to_string()) {
            Cover::None => put(key, value),
            Cover::By(shown) => put(key, shown),
            Cover::Whole => {}
        };
        tell_fields(stamp, |key, value| match self.preset {
            Preset::Ecs if key == fields::USER_ID => {
                covered(key, stamp.actor().shared_subject().into());
            }
            _ => covered(key, value),
        });
        if let (Preset::Ecs, Some(target)) = (self.preset, stamp.target()) {
            covered(EFFECTIVE, target.shared_subject().into());
        }
    }

    /// Brings the attributes of a span, or of an event or link on it, into this vocabulary.
    ///
    /// Of a field that is there twice, the one stays that the layer wrote, whoever wrote before or after
    /// it; where that cannot be told, the first: the layer writes before the handler runs.
    pub(super) fn rewrite(&self, attributes: &mut Vec<KeyValue>) {
        if !attributes.iter().any(is_ours) {
            return;
        }
        let field_of = |key: &str| fields::ALL.iter().position(|field| *field == key);
        let mut stays: [Option<(usize, bool)>; MOST] = [None; MOST];
        for (index, attribute) in attributes.iter().enumerate() {
            let key = attribute.key.as_str();
            let Some(field) = field_of(key) else { continue };
            let signed = is_signed(key);
            if stays[field].is_none_or(|(_, was_signed)| signed && !was_signed) {
                stays[field] = Some((index, signed));
            }
        }
        let mut indices = 0..;
        attributes.retain(|attribute| {
            let (field, index) = (field_of(attribute.key.as_str()), indices.next());
            field.is_none_or(|field| stays[field].map(|(stays, _)| stays) == index)
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
            match self.cover(attribute.key.as_str(), || attribute.value.to_string()) {
                Cover::None => true,
                Cover::By(shown) => {
                    attribute.value = Value::String(shown);
                    true
                }
                Cover::Whole => false,
            }
        });
    }

    /// Whether what stands under this name does not leave as it is.
    pub(super) fn covers(&self, key: &str) -> bool {
        !matches!(self.identifiers, Identifiers::Raw) && (names_a_person(key) || key == REASON)
    }

    /// How a value is covered, whatever its type.
    pub(super) fn cover(&self, key: &str, text: impl FnOnce() -> String) -> Cover {
        if !self.covers(key) {
            return Cover::None;
        }
        match &self.identifiers {
            // Free text says more than a name.
            Identifiers::KeyedHash(hash) if key != REASON => Cover::By(hash.hash(&text()).into()),
            _ => Cover::Whole,
        }
    }
}

/// How much of a value is seen.
pub(super) enum Cover {
    /// All of it.
    None,
    /// What stands for it.
    By(StringValue),
    /// Nothing.
    Whole,
}

/// `user.id` becomes the actor, and the target gets a name of its own. A denial has no effective user: its
/// span has no `user.id` beside the target that was refused, and its event names the rule.
fn tell_requester(attributes: &mut Vec<KeyValue>) {
    let find = |key| {
        let mut own = attributes.iter();
        own.find(|attribute| attribute.key.as_str() == key)
            .map(|attribute| attribute.value.clone())
    };
    let Some(actor) = find(fields::ACTOR_SUB) else {
        return;
    };
    let took_effect = find(fields::USER_ID).is_some() && find(DENY_RULE).is_none();
    let target = find(fields::TARGET_SUB).filter(|_| took_effect);
    attributes.retain(|a| !matches!(a.key.as_str(), fields::USER_ID | EFFECTIVE));
    attributes.push(KeyValue::new(fields::USER_ID, actor));
    attributes.extend(target.map(|target| KeyValue::new(EFFECTIVE, target)));
}

/// Whether it has, or may have, a name of the stamp's.
pub(super) fn is_ours(attribute: &KeyValue) -> bool {
    let key = attribute.key.as_str();
    matches!(key, fields::USER_ID | EFFECTIVE) || key.starts_with("impersonation.")
}

fn names_a_person(key: &str) -> bool {
    matches!(
        key,
        fields::USER_ID | fields::ACTOR_SUB | fields::TARGET_SUB | EFFECTIVE | WANTED
    )
}

/// The subs of a stamp, as values that are shared, not copied. One by one, because moving them about would
/// take as long as sharing them.
pub(super) fn tell_subs(stamp: &Stamp, mut put: impl FnMut(&'static str, StringValue)) {
    let (actor, target) = (stamp.actor(), stamp.target());
    let principal = target.unwrap_or(actor);
    put(fields::USER_ID, principal.shared_subject().into());
    put(fields::ACTOR_SUB, actor.shared_subject().into());
    if let Some(target) = target {
        put(fields::TARGET_SUB, target.shared_subject().into());
    }
}

/// All fields of a stamp, likewise.
pub(super) fn tell_fields(stamp: &Stamp, mut put: impl FnMut(&'static str, StringValue)) {
    tell_subs(stamp, &mut put);
    put(fields::ACTOR_ISS, stamp.actor().shared_issuer().into());
    if let Some(target) = stamp.target() {
        put(fields::TARGET_ISS, target.shared_issuer().into());
    }
    put(fields::MODE, stamp.mode().as_str().into());
    put(fields::STRATEGY, stamp.strategy().as_str().into());
    if let Some(grant) = stamp.shared_grant() {
        put(fields::GRANT_ID, grant.into());
    }
    if let Some(groups) = stamp.groups().and_then(|_| groups_of(stamp)) {
        put(fields::GROUPS, groups.into());
    }
}

fn groups_of(stamp: &Stamp) -> Option<String> {
    let mut all = stamp.fields();
    all.find_map(|(key, value)| (key == fields::GROUPS).then(|| value.into_owned()))
}

/// As many fields as a stamp can have.
pub(super) const MOST: usize = fields::ALL.len();

const EFFECTIVE: &str = "user.effective.id";

/// Whom a denied request asked for, as it said so.
const WANTED: &str = "impersonation.wanted";

/// What an event of a denial has, and no other.
const DENY_RULE: &str = "impersonation.deny.rule";

const REASON: &str = "impersonation.reason";
