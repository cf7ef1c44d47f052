//! `cordon typosquat`: what a name looks like, by itself, without a policy.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use cordon_policy::ecosystem::schemes;
use cordon_policy::facts::{Score, Similarity};
use cordon_policy::model::Scheme;
use cordon_policy::typosquat::Detector;

use super::batch::{Next, next_line};
use super::{fail, output, unusable};

/// Longest line of a batch, in bytes: no registry takes a name of a tenth of it.
const MAX_LINE_BYTES: u64 = 4 * 1024;

/// How much names look like popular ones: a line each, `name<TAB>score<TAB>target<TAB>technique`.
/// Without a likeness the score is `0.000` and the rest is empty. A name the registry would not
/// accept is scored as it stands.
#[derive(Debug, Args)]
pub(super) struct Typosquat {
    /// Whose popular names to compare with
    #[arg(long, ignore_case = true, value_parser = ecosystems())]
    ecosystem: Chosen,
    /// Names
    #[arg(value_name = "NAME", required_unless_present = "batch")]
    names: Vec<String>,
    /// Read names from standard input, one a line; what follows a tab is passed over
    #[arg(long, conflicts_with = "names")]
    batch: bool,
}

/// A scheme that can be printed.
#[derive(Clone, Copy)]
struct Chosen(&'static dyn Scheme);

impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.0.ecosystem(), f)
    }
}

/// An ecosystem by its purl type or, crates.io, by the name OSV gives it.
fn ecosystems() -> impl TypedValueParser<Value = Chosen> {
    PossibleValuesParser::new(["npm", "pypi", "cargo", "crates.io"])
        .map(|text| scheme_named(&text).expect("the values are names of schemes"))
}

fn scheme_named(text: &str) -> Option<Chosen> {
    let is_named = |scheme: &&dyn Scheme| {
        let names = [scheme.ecosystem().as_str(), scheme.osv_name()];
        names.iter().any(|name| name.eq_ignore_ascii_case(text))
    };
    schemes().into_iter().find(is_named).map(Chosen)
}

impl Typosquat {
    pub(super) fn run(&self) -> Result<ExitCode, ExitCode> {
        let Some(detector) = Detector::built_in(self.ecosystem.0) else {
            let ecosystem = self.ecosystem.0.ecosystem();
            output::complain(format_args!(
                "there is no list of popular names of {ecosystem}"
            ));
            return Err(unusable());
        };
        let scorer = Scorer {
            scheme: self.ecosystem.0,
            detector,
        };
        let mut answer = BufWriter::new(io::stdout().lock());
        let written = match self.batch {
            true => scorer.batch(io::stdin().lock(), &mut answer)?,
            false => self
                .names
                .iter()
                .try_for_each(|name| scorer.answer(name, &mut answer))
                .map(|()| 0),
        };
        match written.and_then(|unusable| answer.flush().map(|()| unusable)) {
            Ok(0) => Ok(ExitCode::SUCCESS),
            Ok(_) => Err(ExitCode::FAILURE),
            // A reader that went away is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            Err(error) => Err(fail(&error)),
        }
    }
}

struct Scorer {
    scheme: &'static dyn Scheme,
    detector: Detector,
}

impl Scorer {
    /// Answers line by line, and tells how many lines could not be used: each has an empty answer.
    /// The inner result is that of writing.
    fn batch(
        &self,
        mut input: impl io::BufRead,
        answer: &mut impl Write,
    ) -> Result<io::Result<u64>, ExitCode> {
        let mut line = Vec::new();
        let mut unusable = 0;
        for number in 1_u64.. {
            let written = match next_line(&mut input, MAX_LINE_BYTES, &mut line) {
                Ok(Next::End) => break,
                Ok(Next::TooLong) => {
                    unusable += 1;
                    output::complain(format_args!(
                        "line {number} has more than {MAX_LINE_BYTES} bytes; write one name a line"
                    ));
                    writeln!(answer, "\t\t\t")
                }
                Ok(Next::Line) => {
                    let text = String::from_utf8_lossy(&line);
                    self.answer(text.split('\t').next().unwrap_or_default(), answer)
                }
                Err(error) => return Err(fail(&error)),
            };
            if let Err(error) = written {
                return Ok(Err(error));
            }
        }
        Ok(Ok(unusable))
    }

    fn answer(&self, name: &str, answer: &mut impl Write) -> io::Result<()> {
        let found = match self.scheme.package(name) {
            Ok(package) => self.detector.score(&package),
            Err(_) => self.detector.score_text(&name.to_lowercase()),
        };
        let Similarity {
            score,
            target,
            technique,
        } = found.unwrap_or_else(|| Similarity {
            score: Score(0),
            target: "".into(),
            technique: "".into(),
        });
        match name.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => write!(answer, "{name}")?,
            false => write!(answer, "{}", output::printable(name))?,
        }
        writeln!(answer, "\t{score}\t{target}\t{technique}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(ecosystem: &str, lines: &[u8]) -> (String, u64) {
        let scheme = scheme_named(ecosystem).unwrap().0;
        let scorer = Scorer {
            scheme,
            detector: Detector::built_in(scheme).unwrap(),
        };
        let mut answer = Vec::new();
        let unusable = scorer.batch(lines, &mut answer).unwrap().unwrap();
        (String::from_utf8(answer).unwrap(), unusable)
    }

    #[test]
    fn a_batch_has_a_line_for_every_line() {
        let lines = b"lodahs\nlodash\r\n\nno such name\x1b[2J\n\xff\nraect\tand more";
        let (text, unusable) = answers("npm", lines);
        assert_eq!(unusable, 0);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split('\t').collect())
            .collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert!(lines.iter().all(|fields| fields.len() == 4), "{text}");
        assert_eq!(lines[0][2..], ["lodash", "two letters swapped"]);
        assert_eq!(lines[1][1..], ["0.000", "", ""]);
        assert_eq!(lines[5][..1], ["raect"]);
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn a_line_that_is_too_long_has_an_empty_answer_and_the_rest_its_own() {
        let long = "a".repeat(5_000);
        let lines = format!("reqeusts\n{long}\nreqeusts\n{long}");
        let (text, unusable) = answers("pypi", lines.as_bytes());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), unusable), (4, 2), "{text}");
        assert_eq!(lines[0], lines[2]);
        assert!(lines[0].contains("requests"), "{text}");
        assert_eq!([lines[1], lines[3]], ["\t\t\t"; 2]);
    }

    #[test]
    fn ecosystems_go_by_both_their_names() {
        for name in ["npm", "PyPI", "cargo", "crates.io"] {
            assert!(scheme_named(name).is_some(), "{name}");
        }
        assert!(scheme_named("gems").is_none());
    }
}
