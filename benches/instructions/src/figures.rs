//! The file of stored figures, and how counted ones stand beside them.

use std::fmt::Write as _;

use crate::BoxError;

/// What a line is given that is stored for the first time, in percent.
const MARGIN: u64 = 3;
const HEAD: &str = include_str!("head.txt");
const MACHINE: &str = "# machine: ";
const COLUMNS: &str = "subject\tinstructions\tmargin_percent";

/// What is in `counts.tsv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// Where they were counted: architecture, compiler, valgrind, C library.
    pub machine: String,
    pub lines: Vec<Line>,
}

/// One subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub subject: String,
    /// For one request.
    pub instructions: u64,
    /// How far a count may lie off, in percent.
    pub margin: u64,
}

/// What was counted now, for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    pub subject: String,
    pub instructions: u64,
}

/// How one subject stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Within,
    /// More than stored and margin: this fails.
    More,
    /// Less than stored by more than the margin: the stored figure is no guard any more.
    Fewer,
    /// Counted, and not stored: this fails.
    NotStored,
    /// Stored, and not counted: this fails.
    NotCounted,
}

impl Verdict {
    #[must_use]
    pub fn fails(self) -> bool {
        matches!(self, Self::More | Self::NotStored | Self::NotCounted)
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub subject: String,
    pub counted: Option<u64>,
    pub stored: Option<u64>,
    pub margin: u64,
    pub verdict: Verdict,
}

impl Finding {
    /// By how much the count differs from what is stored, in percent of that.
    #[must_use]
    pub fn change(&self) -> Option<f64> {
        let (counted, stored) = (self.counted? as f64, self.stored? as f64);
        Some((counted / stored - 1.0) * 100.0)
    }
}

impl Figures {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// When it has no line that says where its figures are from, or a line that is none.
    pub fn parse(text: &str) -> Result<Self, BoxError> {
        let machine = text.lines().find_map(|line| line.strip_prefix(MACHINE));
        let machine = machine.ok_or("it does not say on which machine it was stored")?;
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && *line != COLUMNS);
        let lines: Result<Vec<_>, BoxError> = lines.map(parse_line).collect();
        Ok(Self {
            machine: machine.to_owned(),
            lines: lines?,
        })
    }

    /// The file with these counts, and with the margins that it had.
    #[must_use]
    pub fn with(&self, machine: &str, counts: &[Count]) -> Self {
        let line = |count: &Count| Line {
            subject: count.subject.clone(),
            instructions: count.instructions,
            margin: self.line(&count.subject).map_or(MARGIN, |line| line.margin),
        };
        Self {
            machine: machine.to_owned(),
            lines: counts.iter().map(line).collect(),
        }
    }

    /// The text of the file.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("{HEAD}{MACHINE}{}\n{COLUMNS}\n", self.machine);
        for line in &self.lines {
            let (subject, count, margin) = (&line.subject, line.instructions, line.margin);
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{subject}\t{count}\t{margin}");
        }
        text
    }

    /// Each that was counted or is stored, once.
    #[must_use]
    pub fn compare(&self, counts: &[Count]) -> Vec<Finding> {
        let counted = counts.iter().map(|count| {
            let line = self.line(&count.subject);
            Finding {
                subject: count.subject.clone(),
                counted: Some(count.instructions),
                stored: line.map(|line| line.instructions),
                margin: line.map_or(MARGIN, |line| line.margin),
                verdict: line.map_or(Verdict::NotStored, |line| line.judge(count.instructions)),
            }
        });
        let missing = self.lines.iter().filter(|line| {
            let same = |count: &Count| count.subject == line.subject;
            !counts.iter().any(same)
        });
        let missing = missing.map(|line| Finding {
            subject: line.subject.clone(),
            counted: None,
            stored: Some(line.instructions),
            margin: line.margin,
            verdict: Verdict::NotCounted,
        });
        counted.chain(missing).collect()
    }

    fn line(&self, subject: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.subject == subject)
    }
}

impl Line {
    fn judge(&self, counted: u64) -> Verdict {
        let off = self.instructions * self.margin;
        let (counted, stored) = (counted * 100, self.instructions * 100);
        if counted > stored + off {
            Verdict::More
        } else if counted + off < stored {
            Verdict::Fewer
        } else {
            Verdict::Within
        }
    }
}

fn parse_line(line: &str) -> Result<Line, BoxError> {
    let parts: Vec<_> = line.split('\t').collect();
    let [subject, instructions, margin] = parts[..] else {
        return Err(format!("no line of three columns: {line}").into());
    };
    Ok(Line {
        subject: subject.to_owned(),
        instructions: instructions.parse()?,
        margin: margin.parse()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let line = |subject: &str, instructions, margin| Line {
            subject: subject.into(),
            instructions,
            margin,
        };
        Figures {
            machine: "x86_64, a compiler".into(),
            lines: vec![line("plain", 10_000, 3), line("cold", 50_000, 10)],
        }
    }

    fn count(subject: &str, instructions: u64) -> Count {
        Count {
            subject: subject.into(),
            instructions,
        }
    }

    #[test]
    fn a_count_is_judged_by_the_margin_of_its_line() {
        for (subject, counted, verdict) in [
            ("plain", 10_000, Verdict::Within),
            ("plain", 10_300, Verdict::Within),
            ("plain", 10_301, Verdict::More),
            ("plain", 9_700, Verdict::Within),
            ("plain", 9_699, Verdict::Fewer),
            ("cold", 55_000, Verdict::Within),
            ("cold", 55_001, Verdict::More),
            ("cold", 44_999, Verdict::Fewer),
            ("new", 1, Verdict::NotStored),
        ] {
            let found = figures().compare(&[count(subject, counted)]);
            assert_eq!(found[0].verdict, verdict, "{subject} {counted}");
        }
    }

    #[test]
    fn what_was_not_counted_fails() {
        let found = figures().compare(&[count("plain", 10_000)]);
        let verdicts: Vec<_> = found.iter().map(|found| found.verdict).collect();
        assert_eq!(verdicts, [Verdict::Within, Verdict::NotCounted]);
        let fail: Vec<_> = verdicts.iter().map(|verdict| verdict.fails()).collect();
        assert_eq!(fail, [false, true]);
    }

    #[test]
    fn what_is_stored_is_read_again_and_keeps_its_margins() {
        let stored = figures().with("aarch64", &[count("cold", 40_000), count("new", 7)]);
        let read = Figures::parse(&stored.render()).expect("its own text");
        assert_eq!(read, stored);
        assert_eq!(read.machine, "aarch64");
        let margins: Vec<_> = read.lines.iter().map(|line| line.margin).collect();
        assert_eq!(margins, [10, MARGIN]);
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        let good = figures().render();
        assert!(Figures::parse(&good).is_ok());
        for (what, text) in [
            ("no machine", good.replace(MACHINE, "# ")),
            ("two columns", good.clone() + "plain\t1\n"),
            ("no number", good.clone() + "plain\tmany\t3\n"),
            ("an empty line", good.clone() + "\n"),
        ] {
            assert!(Figures::parse(&text).is_err(), "{what}");
        }
    }
}
