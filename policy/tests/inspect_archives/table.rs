//! The cases, what must come of them, and how they are read.

use std::io::{Cursor, Read, Seek};

use cordon_policy::ecosystem::schemes;
use cordon_policy::inspect::archive::{Looked, Member, Reading, Sink, read};
use cordon_policy::inspect::{Depth, FaultCode, Faults, Limits, Mark, inspect};
use cordon_policy::model::{ArtifactId, ArtifactKind, FileName, PackageVersion, Version};

/// Ecosystem and file name of `a` 1.0.0.
pub(crate) type File = (&'static str, &'static str);

pub(crate) const WHEEL: File = ("pypi", "a-1.0.0-py3-none-any.whl");
pub(crate) const SDIST: File = ("pypi", "a-1.0.0.tar.gz");
pub(crate) const SDIST_ZIP: File = ("pypi", "a-1.0.0.zip");
pub(crate) const NPM: File = ("npm", "a-1.0.0.tgz");
pub(crate) const CRATE: File = ("cargo", "a-1.0.0.crate");

/// What must come of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// This is the first fault.
    Fault(FaultCode),
    /// No fault, and this mark.
    Marked(&'static str),
    /// No fault, no mark.
    Fine,
}

/// One archive.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Its number in the catalogue; none for one that must pass.
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    pub(crate) expected: Expected,
    pub(crate) file: File,
    pub(crate) bytes: Vec<u8>,
    /// Whether it is a whole package, whose manifest is read as well.
    pub(crate) is_whole: bool,
}

/// What came of an archive.
pub(crate) struct Came {
    pub(crate) faults: Faults,
    pub(crate) marks: Vec<Mark>,
}

impl Case {
    /// Its manifest is read as well.
    pub(crate) fn whole(mut self) -> Self {
        self.is_whole = true;
        self
    }

    /// Reads it as inspection does.
    pub(crate) fn came(&self) -> Came {
        let mut input = Cursor::new(&self.bytes);
        if !self.is_whole {
            let Reading { faults, marks, .. } = reading(self.file, input);
            return Came { faults, marks };
        }
        let (artifact, limits) = (artifact(self.file), Limits::default());
        let sheet = inspect(&artifact, Depth::Structure, &mut input, &limits).unwrap();
        Came {
            faults: sheet.faults,
            marks: sheet.marks,
        }
    }

    pub(crate) fn fault(
        id: &'static str,
        what: &'static str,
        code: FaultCode,
        file: File,
        bytes: Vec<u8>,
    ) -> Self {
        Self {
            id,
            what,
            expected: Expected::Fault(code),
            file,
            bytes,
            is_whole: false,
        }
    }

    pub(crate) fn fine(id: &'static str, what: &'static str, file: File, bytes: Vec<u8>) -> Self {
        Self {
            id,
            what,
            expected: Expected::Fine,
            file,
            bytes,
            is_whole: false,
        }
    }

    pub(crate) fn marked(
        id: &'static str,
        what: &'static str,
        mark: &'static str,
        file: File,
        bytes: Vec<u8>,
    ) -> Self {
        Self {
            id,
            what,
            expected: Expected::Marked(mark),
            file,
            bytes,
            is_whole: false,
        }
    }
}

pub(crate) fn artifact((ecosystem, file): File) -> ArtifactId {
    let scheme = schemes()
        .into_iter()
        .find(|it| it.ecosystem().as_str() == ecosystem)
        .unwrap();
    ArtifactId {
        subject: PackageVersion {
            name: scheme.package("a").unwrap(),
            version: Version::verbatim("1.0.0"),
        },
        file: FileName::new(file).unwrap(),
        kind: ArtifactKind::Archive,
    }
}

/// What was shown: path, size, and the bytes that were wanted.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) files: Vec<(String, u64, Vec<u8>)>,
}

impl Sink for Shown {
    fn wants(&mut self, _: &Member<'_>) -> u64 {
        u64::MAX
    }

    fn file(&mut self, looked: Looked<'_>) {
        let member = looked.member;
        let bytes = looked.bytes.to_vec();
        self.files
            .push((member.path.to_owned(), member.size_bytes, bytes));
    }
}

/// Wants to see nothing.
struct Blind;

impl Sink for Blind {
    fn wants(&mut self, _: &Member<'_>) -> u64 {
        0
    }

    fn file(&mut self, _: Looked<'_>) {}
}

pub(crate) fn reading(file: File, mut input: impl Read + Seek) -> Reading {
    read(&artifact(file), &mut input, &Limits::default(), &mut Blind).unwrap()
}

pub(crate) fn shown(file: File, bytes: &[u8]) -> (Reading, Shown) {
    let mut shown = Shown::default();
    let limits = Limits::default();
    let reading = read(
        &artifact(file),
        &mut Cursor::new(bytes),
        &limits,
        &mut shown,
    )
    .unwrap();
    (reading, shown)
}

/// One line of the table; an error if it is not what was expected.
pub(crate) fn row(case: &Case) -> Result<String, String> {
    let reading = case.came();
    let codes: Vec<&str> = reading
        .faults
        .first()
        .iter()
        .map(|it| it.code.name())
        .collect();
    let mut marks: Vec<&str> = reading.marks.iter().map(|it| it.kind.name()).collect();
    marks.dedup();
    let is_right = match case.expected {
        // Other reasons stand before those of the manifest.
        Expected::Fault(code) if case.is_whole => codes.contains(&code.name()),
        Expected::Fault(code) => codes.first() == Some(&code.name()),
        Expected::Marked(mark) => codes.is_empty() && marks == [mark],
        Expected::Fine => codes.is_empty() && marks.is_empty(),
    };
    let outcome = match (codes.is_empty(), marks.is_empty()) {
        (false, _) => codes.join(", "),
        (true, false) => format!("allowed, marked {}", marks.join(", ")),
        (true, true) => "allowed".to_owned(),
    };
    let id = if case.id.is_empty() {
        "honest"
    } else {
        case.id
    };
    let extension = case.file.1.trim_start_matches("a-1.0.0");
    let row = format!("{id} | {} | {extension} | {outcome}", case.what);
    match is_right {
        true => Ok(row),
        false => Err(format!(
            "{row}\n    expected {:?}, found {:#?}",
            case.expected,
            reading.faults.first()
        )),
    }
}
