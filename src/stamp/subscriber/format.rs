use std::cell::RefCell;
use std::fmt::{self, Write};

use tracing_core::field::{Field, Visit};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::stamp::subscriber::layer::{carried_by, is_any_carried};
use crate::stamp::value::Stamp;
use crate::stamp::{ambient, fields};
use crate::visible;

/// Formats log lines as another format does, and puts the stamp on each line of an impersonating
/// request: once, whatever its spans show.
///
/// A line of somebody who does not impersonate is left as it is. A key that the line has already,
/// because its event declares it, is not written again.
///
/// The line is stamped where it is written, so a format under this one cannot see the colours of the
/// terminal: give it `with_ansi(true)` if stamped lines should have some.
#[derive(Debug, Clone)]
#[must_use = "a format does nothing until it is given to a layer"]
pub struct StampFormat<F> {
    format: F,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Json,
    Text,
}

impl<F> StampFormat<F> {
    /// Around a format that writes one JSON object a line: the stamp's keys are its first members.
    pub const fn json(format: F) -> Self {
        let shape = Shape::Json;
        Self { format, shape }
    }

    /// Around a format that writes text: the stamp stands at the end of the line, as
    /// `user.id="alice-sub"` and so on.
    pub const fn text(format: F) -> Self {
        let shape = Shape::Text;
        Self { format, shape }
    }
}

impl<S, N, F> FormatEvent<S, N> for StampFormat<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let stamp = ambient::current().or_else(|| {
            let span = is_any_carried().then(|| ctx.parent_span())??;
            carried_by(&span)
        });
        let Some(stamp) = stamp else {
            return self.format.format_event(ctx, writer, event);
        };
        let mut line = String::with_capacity(512);
        self.format
            .format_event(ctx, Writer::new(&mut line), event)?;
        let declared = event.metadata().fields();
        let said = |name: &str| {
            declared.field(name).is_some()
                && match self.shape {
                    Shape::Json => has_member(&line, name),
                    Shape::Text => has_value(event, name),
                }
        };
        if fields::ALL.iter().any(|name| said(name)) {
            let mut members = String::new();
            self.shape.write(&stamp, |name| !said(name), &mut members);
            self.shape.splice(&line, &members, &mut writer)
        } else {
            remembered(&stamp, self.shape, |members| {
                self.shape.splice(&line, members, &mut writer)
            })
        }
    }
}

impl Shape {
    fn write(self, stamp: &Stamp, wanted: impl Fn(&str) -> bool, to: &mut String) {
        let mut value = Vec::new();
        for (name, text) in stamp.fields().filter(|(name, _)| wanted(name)) {
            value.clear();
            // A text is always written.
            let _ = visible::write_json(&text, &mut value);
            let value = String::from_utf8_lossy(&value);
            let _ = match self {
                Self::Json if to.is_empty() => write!(to, "\"{name}\":{value}"),
                Self::Json => write!(to, ",\"{name}\":{value}"),
                Self::Text => write!(to, " {name}={value}"),
            };
        }
    }

    fn splice(self, line: &str, members: &str, writer: &mut Writer<'_>) -> fmt::Result {
        match self {
            Self::Json => match line.strip_prefix('{') {
                Some(rest) if members.is_empty() => write!(writer, "{{{rest}"),
                Some(rest) if rest.starts_with('}') => write!(writer, "{{{members}{rest}"),
                Some(rest) => write!(writer, "{{{members},{rest}"),
                None => writer.write_str(line),
            },
            Self::Text => {
                let text = line.trim_end_matches('\n');
                writer.write_str(text)?;
                writer.write_str(members)?;
                writer.write_str(&line[text.len()..])
            }
        }
    }
}

/// Whether the event gives the field a value; a field that is empty is declared, too.
fn has_value(event: &Event<'_>, name: &str) -> bool {
    struct Find<'a>(&'a str, bool);

    impl Visit for Find<'_> {
        fn record_debug(&mut self, field: &Field, _: &dyn fmt::Debug) {
            self.1 |= field.name() == self.0;
        }
    }

    let mut find = Find(name, false);
    event.record(&mut find);
    find.1
}

/// Whether a JSON object on one line has a member of this name itself, and not one of its members.
fn has_member(object: &str, name: &str) -> bool {
    let mut depth = 0_usize;
    let mut rest = object;
    while let Some(at) = rest.find(['{', '}', '[', ']', '"']) {
        let (sign, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        rest = after;
        match sign {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {
                let end = end_of_text(after);
                rest = after.get(end + 1..).unwrap_or_default();
                if depth == 1 && after[..end] == *name && rest.starts_with(':') {
                    return true;
                }
            }
        }
    }
    false
}

/// Where the quote stands that ends a JSON text.
fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.unwrap_or(text.len())
}

/// What was written for the last stamp on this thread: the lines of a request mostly follow one another.
fn remembered<T>(stamp: &Stamp, shape: Shape, then: impl FnOnce(&str) -> T) -> T {
    let last = LAST.with_borrow_mut(Option::take);
    let last = last
        .filter(|last| last.shape == shape && last.stamp == *stamp)
        .unwrap_or_else(|| {
            let mut members = String::new();
            shape.write(stamp, |_| true, &mut members);
            Last {
                stamp: stamp.clone(),
                shape,
                members,
            }
        });
    let done = then(&last.members);
    LAST.set(Some(last));
    done
}

struct Last {
    stamp: Stamp,
    shape: Shape,
    members: String,
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}
