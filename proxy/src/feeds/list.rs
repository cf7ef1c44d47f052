//! Own indicators of malware: a plain text list becomes OSV records.
//!
//! A line names what is meant, a tab, and why. What is meant is a package URL with or without a
//! version, or a name with, after a blank, versions (`1.2.3`) and bounds (`>=1.0.0 <1.4.2`). Empty
//! lines and those that begin with `#` say nothing.

use cordon_policy::ecosystem::schemes;
use cordon_policy::model::{Digest, PackageName, Scheme, parse_purl};
use cordon_policy::reason::ascii;
use serde_json::json;

/// Longest line, in bytes.
const MAX_LINE_BYTES: usize = 4096;

/// A list that cannot be used: one line that means nothing is a typing error, and leaving it out
/// would let in what somebody wanted out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the list, `{text}`, {why}")]
pub struct ListError {
    /// The line, from 1.
    pub line: usize,
    /// What it says, cut.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// The records of a list.
///
/// # Errors
/// The first line that means nothing.
pub(super) fn records(
    text: &str,
    scheme: &'static dyn Scheme,
) -> Result<Vec<(String, Vec<u8>)>, ListError> {
    let mut records = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why: String| ListError {
            line: number + 1,
            text: ascii(line, 80),
            why,
        };
        if line.len() > MAX_LINE_BYTES {
            return Err(wrong(format!("has more than {MAX_LINE_BYTES} bytes")));
        }
        let (meant, reason) = line.split_once('\t').unwrap_or((line, "on the own list"));
        let indicator = Indicator::read(meant.trim(), scheme).map_err(wrong)?;
        records.push(indicator.record(reason.trim(), scheme));
    }
    Ok(records)
}

/// What one line means.
struct Indicator {
    package: PackageName,
    versions: Vec<String>,
    events: Vec<(&'static str, String)>,
}

impl Indicator {
    fn read(meant: &str, scheme: &'static dyn Scheme) -> Result<Self, String> {
        if meant.starts_with("pkg:") {
            let target =
                parse_purl(meant, &schemes()).map_err(|error| format!("is wrong: {error}"))?;
            if target.name.ecosystem() != scheme.ecosystem() {
                return Err(format!("is not about {}", scheme.ecosystem()));
            }
            return Ok(Self {
                package: target.name,
                versions: target.version.iter().map(ToString::to_string).collect(),
                events: Vec::new(),
            });
        }
        let mut words = meant.split_whitespace();
        let name = words.next().unwrap_or_default();
        let package = scheme
            .package(name)
            .map_err(|error| format!("is wrong: {error}"))?;
        let mut indicator = Self {
            package,
            versions: Vec::new(),
            events: Vec::new(),
        };
        for word in words {
            indicator.add(word.trim_end_matches(','), scheme)?;
        }
        Ok(indicator)
    }

    fn add(&mut self, word: &str, scheme: &dyn Scheme) -> Result<(), String> {
        let bounds = [
            (">=", "introduced"),
            ("<=", "last_affected"),
            ("<", "fixed"),
        ];
        let (kind, text) = bounds
            .iter()
            .find_map(|(sign, kind)| Some((*kind, word.strip_prefix(sign)?)))
            .unwrap_or(("", word.trim_start_matches('=')));
        let version = scheme
            .version(text)
            .map_err(|error| format!("is wrong: {error}; write 1.2.3, or >=1.0.0 <2.0.0"))?;
        match kind {
            "" => self.versions.push(version.to_string()),
            kind if self.events.iter().any(|(known, _)| *known == kind) => {
                return Err(format!("bounds the same side twice (`{word}`)"));
            }
            kind => self.events.push((kind, version.to_string())),
        }
        Ok(())
    }

    fn record(mut self, reason: &str, scheme: &dyn Scheme) -> (String, Vec<u8>) {
        let is_everything = self.versions.is_empty() && self.events.is_empty();
        let is_open_below = !self.events.iter().any(|(kind, _)| *kind == "introduced");
        if is_everything || (!self.events.is_empty() && is_open_below) {
            self.events.insert(0, ("introduced", "0".to_owned()));
        }
        let events: Vec<_> = self
            .events
            .iter()
            .map(|(kind, version)| json!({ *kind: version }))
            .collect();
        let ranges = match events.is_empty() {
            true => json!([]),
            false => json!([{ "type": "ECOSYSTEM", "events": events }]),
        };
        let package = self.package.as_published();
        let said = format!("{package} {:?} {:?}", self.versions, self.events);
        let mut id = Digest::of(said.as_bytes()).hex();
        id.truncate(12);
        // The prefix of records about malicious packages.
        let id = format!("MAL-LIST-{id}");
        let record = json!({
            "id": id,
            "summary": reason,
            "affected": [{
                "package": { "ecosystem": scheme.osv_name(), "name": package },
                "versions": self.versions,
                "ranges": ranges,
            }],
        });
        (id, record.to_string().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use cordon_policy::advisory::{AdvisoryIndex, IndexBuilder};
    use cordon_policy::ecosystem::{Npm, PyPi};
    use cordon_policy::facts::AdvisoryKind;
    use cordon_policy::model::{Timestamp, Version};

    use super::*;

    fn named(
        list: &str,
        scheme: &'static dyn Scheme,
        package: &str,
        versions: &[&str],
    ) -> Vec<bool> {
        let mut builder = IndexBuilder::new(scheme);
        for (id, json) in records(list, scheme).unwrap() {
            builder.add(&id, &json).unwrap();
        }
        let (bytes, _) = builder.finish(Timestamp::from_millis(0)).unwrap();
        let index = AdvisoryIndex::open(bytes).unwrap();
        let name = scheme.package(package).unwrap();
        let is_named = |version: &&str| {
            let matches = index.matches(&name, &Version::verbatim(*version));
            assert!(matches.iter().all(|it| it.kind == AdvisoryKind::Malware));
            !matches.is_empty()
        };
        versions.iter().map(is_named).collect()
    }

    #[test]
    fn every_way_of_naming_versions_names_exactly_those() {
        let list = "# our own\n\npkg:npm/one@1.0.0\tstole tokens\npkg:npm/all\n\
                    @scope/listed 1.0.0, 1.2.0\tsame author\nbelow <2.0.0\tx\n\
                    between >=1.0.0 <=1.5.0\nfrom >=3.0.0\n";
        let versions = ["0.9.0", "1.0.0", "1.2.0", "1.5.0", "2.0.0", "3.0.0"];
        for (package, expected) in [
            ("one", [false, true, false, false, false, false]),
            ("all", [true; 6]),
            ("@scope/listed", [false, true, true, false, false, false]),
            ("below", [true, true, true, true, false, false]),
            ("between", [false, true, true, true, false, false]),
            ("from", [false, false, false, false, false, true]),
            ("other", [false; 6]),
        ] {
            assert_eq!(named(list, &Npm, package, &versions), expected, "{package}");
        }
        let python = named("Foo_Bar ==1.0", &PyPi, "foo-bar", &["1.0"]);
        assert_eq!(python, [true], "names are normalised");
    }

    #[test]
    fn a_line_that_means_nothing_refuses_the_list_and_is_named() {
        for (line, why) in [
            ("pkg:pypi/x@1", "is not about npm"),
            ("pkg:npm/", "is wrong"),
            ("name not-a-version", "is wrong"),
            ("name >=1.0.0 >=2.0.0", "twice"),
            ("na me/x", "is wrong"),
        ] {
            let refused = records(&format!("good\n{line}\treason"), &Npm).unwrap_err();
            assert_eq!(refused.line, 2, "{line}");
            assert!(refused.why.contains(why), "{line}: {refused}");
        }
        let long = "x".repeat(MAX_LINE_BYTES + 1);
        assert!(records(&long, &Npm).is_err());
    }
}
