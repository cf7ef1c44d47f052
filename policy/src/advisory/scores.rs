//! What other lists say of a vulnerability, joined by its CVE number: how likely it is exploited
//! (EPSS), and whether it was (CISA KEV).

use std::collections::BTreeMap;

use serde::Deserialize;
use smol_str::SmolStr;

/// A list that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScoresError {
    /// The EPSS file has no line with the columns needed.
    #[error("the EPSS file is not CSV with the columns `cve` and `epss`: {0}")]
    Epss(&'static str),
    /// The KEV file is not JSON of the form published.
    #[error("the KEV file is not JSON with `vulnerabilities[].cveID`: {0}")]
    Kev(String),
}

/// Probability by CVE number, in thousandths.
#[derive(Debug, Default)]
pub(super) struct Epss(BTreeMap<SmolStr, u16>);

/// CVE numbers known to be exploited.
#[derive(Debug, Default)]
pub(super) struct Kev(Vec<SmolStr>);

/// Longest list of CVE numbers kept: several times what there are.
const MAX_ENTRIES: usize = 4_000_000;

impl Epss {
    /// Reads the CSV FIRST publishes: an optional comment line, a line of column names, one line
    /// for each CVE number.
    pub(super) fn read(csv: &str) -> Result<Self, ScoresError> {
        if !csv.is_empty() && !csv.ends_with('\n') {
            // The file as published ends with a line break, so what has none is cut.
            return Err(ScoresError::Epss("its last line is cut"));
        }
        let mut lines = csv.lines().filter(|line| !line.starts_with('#'));
        let header = lines.next().ok_or(ScoresError::Epss("it is empty"))?;
        let column = |name: &str| header.split(',').position(|column| column.trim() == name);
        let (Some(cve), Some(epss)) = (column("cve"), column("epss")) else {
            return Err(ScoresError::Epss("a column is missing"));
        };
        let mut scores = BTreeMap::new();
        for line in lines
            .filter(|line| !line.trim().is_empty())
            .take(MAX_ENTRIES)
        {
            let field = |index| line.split(',').nth(index).map(str::trim);
            let (Some(cve), Some(epss)) = (field(cve), field(epss)) else {
                return Err(ScoresError::Epss("a line is too short"));
            };
            let probability: f64 = epss
                .parse()
                .ok()
                .filter(|value| (0.0..=1.0).contains(value))
                .ok_or(ScoresError::Epss("a probability is not between 0 and 1"))?;
            scores.insert(cve.into(), (probability * 1000.0).round() as u16);
        }
        if scores.is_empty() {
            return Err(ScoresError::Epss("it has no entries"));
        }
        Ok(Self(scores))
    }

    /// How many CVE numbers it has.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The highest probability of these ids.
    pub(super) fn highest<'i>(&self, ids: impl Iterator<Item = &'i SmolStr>) -> Option<u16> {
        ids.filter_map(|id| self.0.get(id).copied()).max()
    }
}

impl Kev {
    /// Reads the JSON CISA publishes.
    pub(super) fn read(json: &[u8]) -> Result<Self, ScoresError> {
        #[derive(Deserialize)]
        struct File {
            vulnerabilities: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            #[serde(rename = "cveID")]
            cve: SmolStr,
        }
        let file: File =
            serde_json::from_slice(json).map_err(|error| ScoresError::Kev(error.to_string()))?;
        let mut ids: Vec<SmolStr> = file.vulnerabilities.into_iter().map(|e| e.cve).collect();
        if ids.is_empty() {
            return Err(ScoresError::Kev("it has no entries".to_owned()));
        }
        ids.sort();
        ids.dedup();
        Ok(Self(ids))
    }

    /// How many CVE numbers it has.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of these ids is in the list.
    pub(super) fn holds_any<'i>(&self, mut ids: impl Iterator<Item = &'i SmolStr>) -> bool {
        ids.any(|id| self.0.binary_search(id).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epss_is_read_with_and_without_its_comment_line() {
        let plain = "cve,epss,percentile\nCVE-2020-1,0.5001,0.9\nCVE-2020-2,0,0\n";
        let commented = format!("#model_version:v2025.03.14,score_date:2026-01-01\n{plain}");
        for text in [plain, commented.as_str()] {
            let epss = Epss::read(text).unwrap();
            let ids = ["CVE-2020-1".into(), "CVE-2020-2".into()];
            assert_eq!(epss.highest(ids.iter()), Some(500));
            assert_eq!(epss.highest(["CVE-2020-3".into()].iter()), None);
        }
    }

    #[test]
    fn an_epss_file_of_another_form_is_refused() {
        for text in [
            "",
            "cve,percentile\nCVE-2020-1,0.9\n",
            "cve,epss\n",
            "cve,epss\nCVE-2020-1\n",
            "cve,epss\nCVE-2020-1,2\n",
            "cve,epss\nCVE-2020-1,NaN\n",
            "cve,epss\nCVE-2020-1,0.5\nCVE-2020-2,0.9",
            "cve,epss\nCVE-2020-1,0.5\nCVE-2020-2,",
            "<html></html>",
        ] {
            assert!(Epss::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn kev_is_read_and_an_empty_one_refused() {
        let kev = Kev::read(br#"{"vulnerabilities":[{"cveID":"CVE-2020-1","x":1}]}"#).unwrap();
        assert!(kev.holds_any(["CVE-2020-1".into()].iter()));
        assert!(!kev.holds_any(["CVE-2020-2".into()].iter()));
        assert!(Kev::read(br#"{"vulnerabilities":[]}"#).is_err());
        assert!(Kev::read(b"[]").is_err());
    }
}
