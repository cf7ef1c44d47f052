//! Looking into held archives: their files, the text of one, and what changed against another
//! version. Nothing of them is ever run or written anywhere; what is shown is bounded, and printed so
//! that it can do nothing to a terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Seek};

use cordon_policy::inspect::Limits;
use cordon_policy::inspect::archive::{self, Looked, Member, Reading, Sink};
use cordon_policy::model::ArtifactId;
use similar::TextDiff;

use crate::telemetry::escape::is_hostile;

/// Files listed of one archive.
pub const MOST_FILES: usize = 20_000;

/// Bytes of one file shown or compared.
pub const MOST_SHOWN_BYTES: u64 = 1 << 20;

/// Bytes of the differences shown.
pub const MOST_DIFFERENCE_BYTES: usize = 1 << 20;

/// Bytes held of all files of one archive that are compared.
const MOST_COMPARED_BYTES: u64 = 64 << 20;

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its path, as stored.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its permission bits; 0 where the format has none.
    pub mode: u32,
    /// SHA-256 of it.
    pub sha256: [u8; 32],
    /// Its beginning, as far as it was wanted.
    bytes: Vec<u8>,
}

/// What an archive holds.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Its files in the order of their paths; of several under one path all.
    pub files: Vec<Listed>,
    /// How many there are, those beyond [`MOST_FILES`] included.
    pub count: u64,
    /// What reading it showed.
    pub reading: Reading,
}

/// Reads an archive, keeping the beginning of the files that are wanted.
struct Gather<'a> {
    wants: &'a dyn Fn(&str) -> bool,
    left_bytes: u64,
    count: u64,
    files: Vec<Listed>,
}

impl Sink for Gather<'_> {
    fn wants(&mut self, member: &Member<'_>) -> u64 {
        match (self.wants)(member.path) {
            true => MOST_SHOWN_BYTES.min(self.left_bytes),
            false => 0,
        }
    }

    fn file(&mut self, looked: Looked<'_>) {
        self.count += 1;
        if self.files.len() >= MOST_FILES {
            return;
        }
        // More may be given than was wanted.
        let most = usize::try_from(MOST_SHOWN_BYTES.min(self.left_bytes)).unwrap_or(usize::MAX);
        let kept = match (self.wants)(looked.member.path) {
            true => looked
                .bytes
                .get(..most.min(looked.bytes.len()))
                .unwrap_or_default(),
            false => &[],
        };
        self.left_bytes = self.left_bytes.saturating_sub(kept.len() as u64);
        self.files.push(Listed {
            path: looked.member.path.to_owned(),
            size_bytes: looked.member.size_bytes,
            mode: looked.member.mode,
            sha256: looked.sha256,
            bytes: kept.to_vec(),
        });
    }
}

/// What an archive holds, within the limits of inspection, with the beginning of the files whose paths
/// are wanted.
///
/// # Errors
/// If the bytes cannot be read.
pub fn contents(
    artifact: &ArtifactId,
    input: &mut (impl Read + Seek),
    limits: &Limits,
    wants: &dyn Fn(&str) -> bool,
) -> io::Result<Contents> {
    let mut gather = Gather {
        wants,
        left_bytes: MOST_COMPARED_BYTES,
        count: 0,
        files: Vec::new(),
    };
    let reading = archive::read(artifact, input, limits, &mut gather)?;
    let Gather {
        mut files, count, ..
    } = gather;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Contents {
        files,
        count,
        reading,
    })
}

/// Text from an archive for a terminal: lines stay lines, everything else that a terminal would act
/// on, hide or reorder is written as its code.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push('\n'),
            '\t' => out.push('\t'),
            hostile if is_hostile(hostile) => {
                write!(out, "\\u{{{:x}}}", u32::from(hostile))
                    .expect("writing to a string does not fail");
            }
            plain => out.push(plain),
        }
    }
    out
}

/// A path or another name from an archive: on one line.
pub fn shown_name(text: &str) -> String {
    shown(text).replace('\n', "\\n").replace('\t', "\\t")
}

impl Listed {
    /// Its text, as far as it is kept; `None` when that is none.
    pub fn text(&self) -> Option<String> {
        let is_binary = self.bytes.contains(&0);
        let text = String::from_utf8_lossy(&self.bytes);
        let odd = text
            .chars()
            .filter(|it| *it == char::REPLACEMENT_CHARACTER)
            .count();
        (!is_binary && odd * 20 <= text.chars().count()).then(|| text.into_owned())
    }

    /// Whether all of it is kept.
    pub fn is_whole(&self) -> bool {
        self.bytes.len() as u64 == self.size_bytes
    }
}

/// What the files of one archive have in common with another's but for the one folder everything is
/// in, which names the version in some ecosystems.
fn relative<'p>(path: &'p str, root: Option<&str>) -> &'p str {
    let below = root.and_then(|root| path.strip_prefix(root)?.strip_prefix('/'));
    below.unwrap_or(path)
}

/// The differences between two archives as a unified diff: what was added, removed and changed.
/// Binary files are told of, not shown.
pub fn difference(old: &Contents, new: &Contents) -> String {
    let index = |contents: &Contents| -> BTreeMap<String, Listed> {
        let root = contents.reading.root.as_deref();
        let files = contents.files.iter();
        files
            .map(|file| (relative(&file.path, root).to_owned(), file.clone()))
            .collect()
    };
    let (before, after) = (index(old), index(new));
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort();
    paths.dedup();
    let mut out = String::new();
    for path in paths {
        let piece = match (before.get(path), after.get(path)) {
            (Some(before), Some(after)) if before.sha256 == after.sha256 => continue,
            (before, after) => compare(path, before, after),
        };
        out.push_str(&piece);
        if out.len() > MOST_DIFFERENCE_BYTES {
            let mut end = MOST_DIFFERENCE_BYTES;
            while !out.is_char_boundary(end) {
                end -= 1;
            }
            out.truncate(end);
            out.push_str("\n... there is more; name a path to see it\n");
            break;
        }
    }
    out
}

fn compare(path: &str, before: Option<&Listed>, after: Option<&Listed>) -> String {
    let name = shown_name(path);
    let what = match (before, after) {
        (None, Some(file)) => format!("added    {name} ({} bytes)\n", file.size_bytes),
        (Some(file), None) => format!("removed  {name} ({} bytes)\n", file.size_bytes),
        (Some(old), Some(new)) => format!(
            "changed  {name} ({} to {} bytes)\n",
            old.size_bytes, new.size_bytes
        ),
        (None, None) => String::new(),
    };
    let text = |file: Option<&Listed>| match file {
        None => Some(String::new()),
        Some(file) if !file.is_whole() => None,
        Some(file) => file.text(),
    };
    let (Some(old), Some(new)) = (text(before), text(after)) else {
        return format!("{what}  not shown: binary or large\n");
    };
    let diff = TextDiff::configure()
        .timeout(std::time::Duration::from_secs(5))
        .diff_lines(&old, &new);
    let lines = diff
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .to_string();
    format!("{what}{}", shown(&lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Listed {
        Listed {
            path: path.to_owned(),
            size_bytes: text.len() as u64,
            mode: 0o644,
            sha256: cordon_policy::model::Digest::of(text.as_bytes())
                .as_bytes()
                .try_into()
                .expect("32 bytes"),
            bytes: text.as_bytes().to_vec(),
        }
    }

    fn archive(root: Option<&str>, files: &[(&str, &str)]) -> Contents {
        Contents {
            files: files.iter().map(|(path, text)| file(path, text)).collect(),
            count: files.len() as u64,
            reading: Reading {
                root: root.map(Into::into),
                ..Reading::default()
            },
        }
    }

    #[test]
    fn what_a_terminal_would_act_on_is_shown_as_its_code() {
        let text = "a\x1b[2Jb\u{202e}c\r\n\td\u{9b}31m\u{200b}";
        assert_eq!(
            shown(text),
            "a\\u{1b}[2Jb\\u{202e}c\\u{d}\n\td\\u{9b}31m\\u{200b}"
        );
        assert_eq!(shown_name("a\nb\t"), "a\\nb\\t");
    }

    #[test]
    fn the_folder_that_names_the_version_is_no_difference() {
        let old = archive(
            Some("a-1.0"),
            &[("a-1.0/x.py", "1\n2\n"), ("a-1.0/y.py", "y\n")],
        );
        let new = archive(
            Some("a-1.1"),
            &[
                ("a-1.1/x.py", "1\n3\n"),
                ("a-1.1/\x1b[z.py", "z\n"),
                ("a-1.1/b", "\0"),
            ],
        );
        let told = difference(&old, &new);
        for line in [
            "changed  x.py (4 to 4 bytes)",
            "-2",
            "+3",
            "removed  y.py (2 bytes)",
            "added    \\u{1b}[z.py (2 bytes)",
            "not shown: binary or large",
        ] {
            assert!(told.contains(line), "{line}: {told}");
        }
        assert!(!told.contains('\x1b'), "{told}");
        assert_eq!(difference(&old, &old.clone()), "");
    }

    #[test]
    fn differences_without_end_are_cut() {
        let long: String = (0..400_000).map(|n| format!("{n}\n")).collect();
        let told = difference(&archive(None, &[]), &archive(None, &[("a", &long)]));
        assert!(told.len() < MOST_DIFFERENCE_BYTES + 100, "{}", told.len());
        assert!(told.ends_with("name a path to see it\n"));
    }
}
