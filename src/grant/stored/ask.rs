use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::person::{NamesText, PersonText};
use super::{Moment, Nonsense, Span, present};
use crate::terms::{Ask, GrantId, Mode, Reason, Strategy, TargetRef, Ticket, Wanted, Who};

/// What was asked for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskText<'a> {
    wanted: WantedText<'a>,
    strategy: StrategyText,
    mode: Cow<'a, str>,
    #[serde(deserialize_with = "present")]
    reason: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "present")]
    ticket: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "present")]
    scopes: Option<NamesText<'a>>,
    #[serde(deserialize_with = "present")]
    ttl: Option<Span>,
    #[serde(deserialize_with = "present")]
    grant: Option<String>,
    #[serde(deserialize_with = "present")]
    asked_at: Option<Moment>,
    #[serde(deserialize_with = "present")]
    vouched: Option<PersonText<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum WantedText<'a> {
    User {
        iss: Cow<'a, str>,
        by: ByText<'a>,
        #[serde(deserialize_with = "present")]
        narrowed: Option<NamesText<'a>>,
    },
    Role(NamesText<'a>),
    OfGrant,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ByText<'a> {
    Sub(Cow<'a, str>),
    Name(Cow<'a, str>),
}

/// Its names are those of [`Strategy::as_str`].
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StrategyText {
    Claim,
    Act,
    Header,
    Cookie,
    Role,
    Custom,
}

impl<'a> AskText<'a> {
    pub(super) fn of(ask: &'a Ask) -> Self {
        Self {
            wanted: match ask.wanted() {
                Wanted::User { target, narrowed } => WantedText::User {
                    iss: target.issuer().into(),
                    by: match target.who() {
                        Who::Subject(sub) => ByText::Sub(Cow::Borrowed(sub)),
                        Who::Name(name) => ByText::Name(Cow::Borrowed(name)),
                    },
                    narrowed: narrowed.map(NamesText::of),
                },
                Wanted::Role(groups) => WantedText::Role(NamesText::of(groups)),
                Wanted::OfGrant => WantedText::OfGrant,
            },
            strategy: ask.strategy().into(),
            mode: ask.mode().as_str().into(),
            reason: ask.reason().map(|reason| reason.as_str().into()),
            ticket: ask.ticket().map(|ticket| ticket.as_str().into()),
            scopes: ask.scopes().map(NamesText::of),
            ttl: ask.ttl().map(Into::into),
            grant: ask.grant().map(ToString::to_string),
            asked_at: ask.asked_at().map(Into::into),
            vouched: ask.vouched().map(PersonText::of),
        }
    }

    pub(super) fn ask(self) -> Result<Ask, Nonsense> {
        let strategy = self.strategy.into();
        let mut ask = match self.wanted {
            WantedText::User { iss, by, narrowed } => {
                let target = match by {
                    ByText::Sub(sub) => TargetRef::subject(iss, sub),
                    ByText::Name(name) => TargetRef::name(iss, name),
                };
                let ask = Ask::user(target, strategy);
                match narrowed {
                    Some(groups) => ask.narrowed_to(groups.names()),
                    None => ask,
                }
            }
            WantedText::Role(groups) => Ask::role(groups.names()).said_by(strategy),
            WantedText::OfGrant => Ask::of_any_grant(strategy),
        };
        ask = ask.with_mode(self.mode.parse::<Mode>().map_err(|_| Nonsense)?);
        if let Some(text) = self.reason {
            let reason = Reason::parse(&text, usize::MAX).ok();
            let reason = reason.filter(|reason| *reason.as_str() == *text);
            ask = ask.with_reason(reason.ok_or(Nonsense)?);
        }
        if let Some(text) = self.ticket {
            let ticket = Ticket::parse(&text).ok();
            let ticket = ticket.filter(|ticket| *ticket.as_str() == *text);
            ask = ask.with_ticket(ticket.ok_or(Nonsense)?);
        }
        if let Some(scopes) = self.scopes {
            ask = ask.with_scopes(scopes.names());
        }
        if let Some(ttl) = self.ttl.map(|ttl| ttl.duration()).transpose()? {
            ask = ask.with_ttl(ttl);
        }
        if let Some(grant) = self.grant {
            let grant = grant.parse::<GrantId>().map_err(|_| Nonsense)?;
            ask = ask.under(grant);
        }
        if let Some(asked_at) = self.asked_at.map(|at| at.timestamp()).transpose()? {
            ask = ask.since(asked_at);
        }
        if let Some(vouched) = self.vouched.map(PersonText::identity).transpose()? {
            ask = ask.vouched_for(vouched);
        }
        Ok(ask)
    }
}

impl From<Strategy> for StrategyText {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::Claim => Self::Claim,
            Strategy::Act => Self::Act,
            Strategy::Header => Self::Header,
            Strategy::Cookie => Self::Cookie,
            Strategy::Role => Self::Role,
            Strategy::Custom => Self::Custom,
        }
    }
}

impl From<StrategyText> for Strategy {
    fn from(strategy: StrategyText) -> Self {
        match strategy {
            StrategyText::Claim => Self::Claim,
            StrategyText::Act => Self::Act,
            StrategyText::Header => Self::Header,
            StrategyText::Cookie => Self::Cookie,
            StrategyText::Role => Self::Role,
            StrategyText::Custom => Self::Custom,
        }
    }
}
