//! What looking into the archive of a test showed: named by the words policies use for it.

use std::sync::Arc;

use smol_str::SmolStr;

use super::read_parts::{names, read_subject};
use crate::config::reader::TableReader;
use crate::facts::{
    AdvisoryKind, AdvisoryMatch, ArchiveFacts, Bundled, Named, ScanOutcome, ScanReport,
    ScanVerdict, Scanned, ScannerVerdicts, SignatureFacts, SignatureVerdict,
};
use crate::inspect::content::{
    Binary, BinaryFormat, ContentChange, ContentFacts, Destination, InstallCode, InstallKind,
    Signal, SignalKind, When,
};
use crate::inspect::indicators::{Grade, IndicatorFacts, IndicatorHit};
use crate::inspect::manifest::{Disagreement, Field};
use crate::inspect::{Fault, FaultCode, Faults};
use crate::model::Version;
use crate::rules::content_signs::Sign;
use crate::rules::indicator::read_indicators;

/// Where everything is that a test tells.
const PLACE: &str = "the-test";

/// What an excerpt or a detail says.
const SAID_SO: &str = "as the test says";

/// What the archive of a test holds.
#[derive(Debug, Default)]
pub(super) struct Inside {
    faults: Vec<FaultCode>,
    disagreements: Vec<Field>,
    content: Option<Vec<SignalKind>>,
    content_change: Option<Vec<Sign>>,
    indicators: Option<Vec<(SmolStr, Grade)>>,
    bundled: Vec<Bundled>,
    scanner: Option<ScanVerdict>,
    signature: Option<SignatureVerdict>,
}

/// Reads what a test tells of its archive.
pub(super) fn read_inside(table: &mut TableReader<'_, '_>) -> Inside {
    let faults = FaultCode::ALL.iter().map(|(it, _)| (it.name(), *it));
    let faults: Vec<_> = faults.collect();
    let fields = Field::ALL.iter().map(|(it, _)| (it.name(), *it));
    let fields: Vec<_> = fields.collect();
    let signals = SignalKind::ALL.iter().map(|(it, name, _)| (*name, *it));
    let signals: Vec<_> = signals.collect();
    let signs: Vec<_> = Sign::all().map(|it| (it.name(), it)).collect();
    let scanners = [
        ScanVerdict::Clean,
        ScanVerdict::Suspicious,
        ScanVerdict::Malicious,
    ];
    let signatures = [
        ("valid", SignatureVerdict::Valid),
        ("missing", SignatureVerdict::Missing),
        ("unknown-key", SignatureVerdict::UnknownKey),
        ("expired-key", SignatureVerdict::ExpiredKey),
        ("invalid", SignatureVerdict::Invalid),
    ];
    Inside {
        faults: table.choices("archive_faults", &faults).unwrap_or_default(),
        disagreements: table.choices("disagreements", &fields).unwrap_or_default(),
        content: table.choices("content", &signals),
        content_change: table.choices("content_change", &signs),
        indicators: indicators(table),
        bundled: table
            .tables("bundled")
            .into_iter()
            .filter_map(bundled)
            .collect(),
        scanner: table
            .choice("scanner", &scanners.map(|it| (it.name(), it)))
            .map(|read| read.value),
        signature: table
            .choice("signature", &signatures)
            .map(|read| read.value),
    }
}

fn indicators(table: &mut TableReader<'_, '_>) -> Option<Vec<(SmolStr, Grade)>> {
    let malicious = read_indicators(table, "indicators");
    let watched = read_indicators(table, "watched_indicators");
    if malicious.is_none() && watched.is_none() {
        return None;
    }
    let malicious = malicious.into_iter().flatten();
    let watched = watched.into_iter().flatten();
    let all = malicious.map(|it| (it, Grade::Malicious));
    Some(all.chain(watched.map(|it| (it, Grade::Watch))).collect())
}

fn bundled(mut table: TableReader<'_, '_>) -> Option<Bundled> {
    table.require(
        "package",
        "name the version brought along: package = \"pkg:npm/left-pad@1.3.0\"",
    );
    let package = table.string("package");
    let subject = package.and_then(|written| read_subject(&table, &written));
    let malware = names(&mut table, "malware").into_iter().map(malware);
    let malware: Arc<[AdvisoryMatch]> = malware.collect();
    table.finish();
    let subject = subject?;
    Some(Bundled {
        place: format!("package/node_modules/{}", subject.name.as_published()).into(),
        subject,
        malware,
    })
}

fn malware(id: SmolStr) -> AdvisoryMatch {
    AdvisoryMatch {
        id: id.as_str().into(),
        aliases: Vec::new(),
        kind: AdvisoryKind::Malware,
        named: Named::Listed,
        cvss_tenths: None,
        fixed: Vec::new(),
        is_reviewed: false,
        published_at: None,
        modified_at: None,
        summary: SAID_SO.into(),
        is_exploited: false,
        epss_thousandths: None,
    }
}

impl Inside {
    /// What reading the archive showed.
    pub(super) fn archive(&self) -> ArchiveFacts {
        let mut faults = Faults::default();
        for code in &self.faults {
            faults.push(Fault::new(*code, PLACE, SAID_SO));
        }
        ArchiveFacts {
            faults,
            ..ArchiveFacts::default()
        }
    }

    /// Where registry and archive differ.
    pub(super) fn disagreements(&self) -> Vec<Disagreement> {
        let fields = self.disagreements.iter().map(|field| Disagreement {
            field: *field,
            declared: "one thing".to_owned(),
            found: "another".to_owned(),
        });
        let mut all: Vec<Disagreement> = fields.collect();
        all.sort();
        all.dedup();
        all
    }

    /// What its files do.
    pub(super) fn content(&self) -> Option<ContentFacts> {
        let kinds = self.content.as_ref()?;
        Some(ContentFacts {
            signals: kinds.iter().copied().map(signal).collect(),
            ..ContentFacts::default()
        })
    }

    /// What they newly do, against that version.
    pub(super) fn content_change(&self, since: Option<&Version>) -> Option<ContentChange> {
        let signs = self.content_change.as_ref()?;
        let before = || Version::verbatim("the version before");
        let mut change = ContentChange {
            since: since.cloned().unwrap_or_else(before),
            archive_before: None,
            signals: Vec::new(),
            install: Vec::new(),
            binaries: Vec::new(),
            destinations: Vec::new(),
            capabilities: Vec::new(),
            has_first_minified: false,
        };
        for sign in signs {
            match sign {
                Sign::Signal(kind) => change.signals.push(signal(*kind)),
                Sign::InstallScript => change.install.push(InstallCode {
                    kind: InstallKind::Script,
                    file: PLACE.into(),
                    line: 1,
                    text: SAID_SO.into(),
                }),
                Sign::Binary => change.binaries.push(Binary {
                    file: PLACE.into(),
                    format: BinaryFormat::Elf,
                    sha256: "0".repeat(64).into(),
                    is_damaged: false,
                }),
                Sign::Destination => change.destinations.push(destination(false)),
                Sign::KeysSent => change.destinations.push(destination(true)),
            }
        }
        Some(change)
    }

    /// Which indicators are in them.
    pub(super) fn indicators(&self) -> Option<IndicatorFacts> {
        let names = self.indicators.as_ref()?;
        let mut facts = IndicatorFacts::of(&PLACE.into());
        for (name, grade) in names {
            let (pack, rule) = name.split_once('/').unwrap_or((name, ""));
            facts.push(IndicatorHit {
                pack: pack.into(),
                version: "1".into(),
                rule: rule.into(),
                title: SAID_SO.into(),
                grade: *grade,
                file: PLACE.into(),
                line: 1,
                excerpt: SAID_SO.into(),
            });
        }
        Some(facts)
    }

    /// The packages it brings along.
    pub(super) fn bundled(&self) -> &[Bundled] {
        &self.bundled
    }

    /// What a scanner says.
    pub(super) fn scanners(&self) -> Option<ScannerVerdicts> {
        let report = ScanReport {
            verdict: self.scanner?,
            findings: Vec::new(),
        };
        let scanned = Scanned {
            id: PLACE.into(),
            is_required: true,
            outcome: ScanOutcome::Answered(report),
        };
        Some(ScannerVerdicts {
            scanners: vec![scanned],
        })
    }

    /// What the registry's signature proves.
    pub(super) fn signature(&self) -> Option<SignatureFacts> {
        Some(SignatureFacts {
            verdict: self.signature?,
            about: PLACE.into(),
        })
    }
}

fn signal(kind: SignalKind) -> Signal {
    Signal {
        kind,
        file: PLACE.into(),
        line: 1,
        when: When::Load,
        excerpt: SAID_SO.into(),
    }
}

fn destination(has_keys: bool) -> Destination {
    Destination {
        host: "host.example".into(),
        file: PLACE.into(),
        line: 1,
        is_sent: true,
        has_keys,
        excerpt: SAID_SO.into(),
    }
}
