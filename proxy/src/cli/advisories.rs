//! `cordon advisories`: what the advisory data says about versions, by itself, without a policy.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use cordon_policy::advisory::{AdvisoryIndex, IndexBuilder, PackageAdvisories};
use cordon_policy::ecosystem::schemes;
use cordon_policy::model::{Ecosystem, Scheme, Version, parse_purl};
use cordon_storage::Chain;
use cordon_storage::generations::Generations;
use smol_str::SmolStr;

use super::batch::{Next, next_line};
use super::{Common, fail, output, unusable};
use crate::engine::{Clock as _, SystemClock};
use crate::feeds::gather::gather;
use crate::feeds::installed;

#[derive(Debug, Subcommand)]
pub(super) enum Advisories {
    /// Print the ids of the records that name a version
    Match(Match),
}

impl Advisories {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        match self {
            Self::Match(matching) => matching.run(common),
        }
    }
}

/// What the records of the advisory data say, evaluated as the OSV schema describes: records taken
/// back are left out, aliases are not merged, no policy is applied.
#[derive(Debug, Args)]
pub(super) struct Match {
    /// A version as a package URL, e.g. `pkg:npm/left-pad@1.3.0`
    #[arg(value_name = "PURL", required_unless_present = "batch")]
    purl: Option<String>,
    /// Read lines `ecosystem<TAB>package<TAB>version` from standard input and print, for each, one
    /// line: the ids, sorted and joined by commas, or nothing
    #[arg(long, conflicts_with = "purl")]
    batch: bool,
    /// Use this dump (`.zip`), folder or record of an ecosystem, in place of the data folder's
    /// feeds; may be given several times
    #[arg(long = "from", value_name = "ECOSYSTEM=PATH", value_parser = parse_source)]
    sources: Vec<Source>,
}

/// Where records of an ecosystem lie.
#[derive(Clone, Debug)]
struct Source {
    scheme: Chosen,
    path: PathBuf,
}

/// A scheme that can be printed.
#[derive(Clone, Copy)]
struct Chosen(&'static dyn Scheme);

impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.0.ecosystem(), f)
    }
}

fn parse_source(text: &str) -> Result<Source, String> {
    let wanted = "write npm=FILE, pypi=FILE or cargo=FILE";
    let (ecosystem, path) = text.split_once('=').ok_or(wanted)?;
    let scheme = scheme_named(ecosystem).ok_or(wanted)?;
    Ok(Source {
        scheme: Chosen(scheme),
        path: path.into(),
    })
}

/// An ecosystem by its purl type or by the name OSV gives it, in any case.
fn scheme_named(text: &str) -> Option<&'static dyn Scheme> {
    schemes().into_iter().find(|scheme| {
        let names = [scheme.ecosystem().as_str(), scheme.osv_name()];
        names.iter().any(|name| name.eq_ignore_ascii_case(text))
    })
}

type Indexes = BTreeMap<Ecosystem, AdvisoryIndex>;

impl Match {
    fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let indexes = match self.sources.as_slice() {
            [] => installed(common)?,
            sources => build(sources)?,
        };
        match &self.purl {
            Some(purl) => single(&indexes, purl),
            None => batch(&indexes),
        }
    }
}

/// Indexes of the dumps named on the command line.
fn build(sources: &[Source]) -> Result<Indexes, ExitCode> {
    let mut builders: BTreeMap<Ecosystem, IndexBuilder> = BTreeMap::new();
    for Source { scheme, path } in sources {
        let ecosystem = scheme.0.ecosystem().clone();
        let builder = builders
            .entry(ecosystem)
            .or_insert_with(|| IndexBuilder::new(scheme.0));
        let gathered = gather(builder, path).map_err(|error| fail(&error))?;
        for refusal in &gathered.refusals {
            output::complain(Chain(refusal));
        }
    }
    let built = builders.into_iter().map(|(ecosystem, builder)| {
        let finished = builder.finish(SystemClock.now());
        let index = finished.and_then(|(bytes, _)| AdvisoryIndex::open(bytes));
        Ok((ecosystem, index.map_err(|error| fail(&error))?))
    });
    built.collect()
}

fn single(indexes: &Indexes, purl: &str) -> Result<ExitCode, ExitCode> {
    let target = match parse_purl(purl, &schemes()) {
        Ok(target) => target,
        Err(error) => {
            output::complain(Chain(&error));
            return Err(unusable());
        }
    };
    let Some(version) = target.version else {
        output::complain("the package URL names no version; write pkg:npm/left-pad@1.3.0");
        return Err(unusable());
    };
    let Some(index) = indexes.get(target.name.ecosystem()) else {
        return Err(no_data(target.name.ecosystem()));
    };
    let ids = index.for_package(&target.name);
    let ids = ids.map(|mut known| known.record_ids(&version));
    for id in ids.unwrap_or_default() {
        output::print(id)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn no_data(ecosystem: &Ecosystem) -> ExitCode {
    output::complain(format_args!(
        "there is no advisory data for {ecosystem}; import it with `cordon feeds import`, or name \
         it with --from"
    ));
    ExitCode::FAILURE
}

/// Longest line of a batch, in bytes.
const MAX_LINE_BYTES: u64 = 16 * 1024;

fn batch(indexes: &Indexes) -> Result<ExitCode, ExitCode> {
    let mut output = BufWriter::new(io::stdout().lock());
    let answered = answer_lines(indexes, &mut io::stdin().lock(), &mut output)?;
    match answered.and_then(|unusable| output.flush().map(|()| unusable)) {
        Ok(0) => Ok(ExitCode::SUCCESS),
        Ok(_) => Err(ExitCode::FAILURE),
        Err(error) => written(error),
    }
}

/// Answers line by line, and tells how many lines could not be used: each has an empty answer. The
/// inner result is that of writing.
fn answer_lines(
    indexes: &Indexes,
    input: &mut impl io::BufRead,
    output: &mut impl Write,
) -> Result<io::Result<u64>, ExitCode> {
    let mut asked = Asked::new(indexes);
    let (mut line, mut unusable) = (Vec::new(), 0_u64);
    for number in 1_u64.. {
        let answer = match next_line(input, MAX_LINE_BYTES, &mut line) {
            Ok(Next::End) => break,
            Ok(Next::TooLong) => Err(format!("it has more than {MAX_LINE_BYTES} bytes")),
            Ok(Next::Line) => asked.answer(&String::from_utf8_lossy(&line)),
            Err(error) => return Err(fail(&error)),
        };
        let answer = answer.unwrap_or_else(|problem| {
            unusable += 1;
            output::complain(format_args!("line {number}: {problem}"));
            Vec::new()
        });
        if let Err(error) = writeln!(output, "{}", answer.join(",")) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(unusable))
}

/// A reader that went away is no failure.
fn written(error: io::Error) -> Result<ExitCode, ExitCode> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        _ => Err(fail(&error)),
    }
}

/// Answers lines; those of one package after the other read its records once.
struct Asked<'i> {
    indexes: &'i Indexes,
    last: Option<Last<'i>>,
}

/// The package of the line before.
struct Last<'i> {
    ecosystem: Ecosystem,
    package: String,
    known: Option<PackageAdvisories<'i>>,
}

impl<'i> Asked<'i> {
    fn new(indexes: &'i Indexes) -> Self {
        Self {
            indexes,
            last: None,
        }
    }

    /// The ids of the records that name the version of a line; what follows a third tab is not read.
    fn answer(&mut self, line: &str) -> Result<Vec<SmolStr>, String> {
        let mut fields = line.split('\t');
        let (Some(ecosystem), Some(package), Some(version)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return Err("it is not ecosystem, package and version, with tabs between".to_owned());
        };
        // The line that names the columns.
        if (ecosystem, package, version) == ("ecosystem", "package", "version") {
            return Ok(Vec::new());
        }
        if package.is_empty() || version.is_empty() {
            return Err("its package or its version is empty".to_owned());
        }
        let scheme = scheme_named(ecosystem)
            .ok_or_else(|| format!("`{ecosystem}` is no ecosystem known here"))?;
        let index = self
            .indexes
            .get(scheme.ecosystem())
            .ok_or_else(|| format!("there is no advisory data for {}", scheme.ecosystem()))?;
        let is_same =
            |last: &Last<'_>| last.ecosystem == *scheme.ecosystem() && last.package == package;
        if !self.last.as_ref().is_some_and(is_same) {
            self.last = Some(Last {
                ecosystem: scheme.ecosystem().clone(),
                package: package.to_owned(),
                known: index.for_spelling(package),
            });
        }
        let known = self.last.as_mut().and_then(|last| last.known.as_mut());
        let version = Version::verbatim(version);
        Ok(known
            .map(|known| known.record_ids(&version))
            .unwrap_or_default())
    }
}

/// The indexes of the data folder.
fn installed(common: &Common) -> Result<Indexes, ExitCode> {
    let config = common.load(&common.overrides())?;
    let mut indexes = Indexes::new();
    for ecosystem in schemes().map(|scheme| scheme.ecosystem().clone()) {
        let generations = Generations::at(installed::folder(&config.data, &ecosystem));
        let found = installed::index(&generations).map_err(|error| fail(&error))?;
        indexes.extend(found.map(|index| (ecosystem, index)));
    }
    Ok(indexes)
}

#[cfg(test)]
mod tests {
    use cordon_policy::ecosystem::{PYPI, PyPi};

    use super::*;

    #[test]
    fn every_line_of_a_batch_has_its_answer_whatever_the_others_are() {
        let mut builder = IndexBuilder::new(&PyPi);
        let record = r#"{"id":"MAL-2026-1","affected":[{"package":{"ecosystem":"PyPI",
            "name":"post"},"versions":["1.0"]}]}"#;
        builder.add("record", record.as_bytes()).unwrap();
        let (bytes, _) = builder.finish(SystemClock.now()).unwrap();
        let indexes = Indexes::from([(PYPI, AdvisoryIndex::open(bytes).unwrap())]);
        let long = "x".repeat(100_000);
        let lines = format!(
            "ecosystem\tpackage\tversion\nPyPI\t{long}\t1.0\nPyPI\tpost\t\nPyPI\t\t1.0\n\
             PyPI\tpost\t1.0\r\n{long}"
        );
        let mut output = Vec::new();
        let unusable = answer_lines(&indexes, &mut lines.as_bytes(), &mut output);
        assert_eq!(unusable.unwrap().unwrap(), 4);
        let output = String::from_utf8(output).unwrap();
        assert_eq!(output, "\n\n\n\nMAL-2026-1\n\n");
    }
}
