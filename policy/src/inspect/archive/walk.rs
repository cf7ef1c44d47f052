//! What is known while an archive is read, whatever its format.

use std::borrow::Cow;

use super::collide::{Again, Kind, Seen};
use super::root::Root;
use super::show::Showing;
use super::stream::{Budget, Stop, Stream};
use super::{Format, Looked, Member, Reading, Sink, autoexec, names, nested};
use crate::inspect::fault::{Fault, FaultCode, Faults, printable};
use crate::inspect::sheet::{Mark, MarkKind, Sheet};
use crate::model::ArtifactId;

/// Set-user-id, set-group-id, and writable by everybody.
const RISKY_BITS: u32 = 0o6002;

/// The state of one reading.
pub(super) struct Walk<'a> {
    budget: &'a Budget<'a>,
    sink: &'a mut dyn Sink,
    format: Format,
    faults: Faults,
    marks: Vec<Mark>,
    files: u64,
    unpacked_bytes: u64,
    seen: Seen,
    root: Root,
    kept: Vec<u8>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        artifact: &ArtifactId,
        format: Format,
        budget: &'a Budget<'a>,
        sink: &'a mut dyn Sink,
    ) -> Self {
        Self {
            budget,
            sink,
            format,
            faults: Faults::default(),
            marks: Vec::new(),
            files: 0,
            unpacked_bytes: 0,
            seen: Seen::default(),
            root: Root::of(format, artifact),
            kept: Vec::new(),
        }
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    pub(super) fn budget(&self) -> &'a Budget<'a> {
        self.budget
    }

    /// Notes what is wrong with an entry.
    pub(super) fn fault(&mut self, code: FaultCode, place: &str, detail: &str) {
        self.faults.push(Fault::new(code, place, detail));
    }

    /// Notes something worth telling, as long as there is room.
    pub(super) fn mark(&mut self, kind: MarkKind, place: &str) {
        let of_kind = self.marks.iter().filter(|it| it.kind == kind).count();
        if of_kind < Sheet::MARKS {
            let place = printable(place, Fault::PLACE_CHARS).into();
            self.marks.push(Mark { kind, place });
        }
    }

    /// Judges an entry's name. Gives the path the entry has, or `None` if it is not to be shown.
    pub(super) fn name<'n>(
        &mut self,
        raw: &'n [u8],
        kind: Kind,
    ) -> Result<Option<Cow<'n, str>>, Stop> {
        let path = match names::text(raw) {
            Ok(path) => path,
            Err((code, detail)) => {
                self.fault(code, &String::from_utf8_lossy(raw), &detail);
                return Ok(None);
            }
        };
        let path = match kind {
            Kind::Folder => path.strip_suffix('/').unwrap_or(path),
            Kind::File | Kind::Link => path,
        };
        let path = self.without_dots(path);
        if path.is_empty() && kind == Kind::Folder {
            // The folder the archive is unpacked in.
            return Ok(None);
        }
        if let Err((code, detail)) = names::check(&path, self.budget.limits()) {
            self.fault(code, &path, &detail);
            return Ok(None);
        }
        if let Err(detail) = self.root.add(&path, kind == Kind::Folder) {
            self.fault(FaultCode::Root, &path, &detail);
        }
        let known = self.seen.add(&path, kind);
        if self.seen.count() > self.budget.limits().entries.saturating_mul(2) {
            return Err(Stop::whole(FaultCode::Limit, "there are too many folders"));
        }
        match known {
            Ok(()) => Ok(Some(path)),
            // Some builders put a file into a tar twice, under its own name or that of a README as
            // cargo expects it. That is one file if the content is the same, whichever is kept.
            Err((FaultCode::Dup | FaultCode::Collision, _))
                if kind == Kind::File && self.is_tar() && self.seen.has_content(&path) =>
            {
                Ok(Some(path))
            }
            Err((code, detail)) => {
                self.fault(code, &path, detail);
                Ok(None)
            }
        }
    }

    /// Real tars have components that are a single dot, and all readers of tars drop them. Not so at
    /// the start of an npm package, where the dot would be the folder npm removes, or of a crate,
    /// where it is another folder than cargo's; nor in a ZIP.
    fn without_dots<'n>(&self, path: &'n str) -> Cow<'n, str> {
        let (start, rest) = match self.format {
            Format::SdistTar(_) => ("", path),
            Format::NpmPackage | Format::Crate => match path.split_once('/') {
                Some((first, rest)) => (first, rest),
                None => return path.into(),
            },
            _ => return path.into(),
        };
        if !rest.split('/').any(|component| component == ".") {
            return path.into();
        }
        let kept = rest.split('/').filter(|component| *component != ".");
        let parts: Vec<&str> = [start]
            .into_iter()
            .filter(|start| !start.is_empty())
            .chain(kept)
            .collect();
        parts.join("/").into()
    }

    /// Marks what an entry's permission bits give away.
    pub(super) fn mode(&mut self, path: &str, mode: u32) {
        if mode & RISKY_BITS != 0 {
            self.mark(MarkKind::Mode, path);
        }
    }

    /// Reads a file to its end and shows it.
    pub(super) fn file(&mut self, member: &Member<'_>, body: &mut dyn Stream) -> Result<(), Stop> {
        let runs = autoexec::Runs::of(self.format, member.path);
        let wanted = self.sink.wants(member).max(runs.bytes_needed());
        let mut showing = Showing::new(body, &mut self.kept, wanted)?;
        let head = showing.head().to_vec();
        nested::look(&mut showing, &head, 1, &self.budget.nested())?;
        showing.stopped()?;
        let (read, sha256) = showing.finish()?;
        self.unpacked_bytes = self.unpacked_bytes.saturating_add(read);
        if read != member.size_bytes {
            // A fault of its own, told by who knows where the file should end.
            return Ok(());
        }
        match self.seen.content(member.path, sha256) {
            Again::Same => return Ok(()),
            Again::Other((code, detail)) => self.fault(code, member.path, detail),
            // Looked at under this name as well: it may be one that runs.
            Again::First | Again::SameOfAlike => {}
        }
        self.files += 1;
        if runs.unasked(&self.kept) {
            self.mark(MarkKind::Autoexec, member.path);
        }
        self.sink.file(Looked {
            member,
            sha256,
            bytes: &self.kept,
        });
        Ok(())
    }

    fn is_tar(&self) -> bool {
        matches!(
            self.format,
            Format::NpmPackage | Format::Crate | Format::SdistTar(_)
        )
    }

    /// What was found, with what stopped the reading.
    pub(super) fn finish(mut self, stopped: Result<(), Stop>) -> std::io::Result<Reading> {
        match stopped {
            Ok(()) => {}
            Err(Stop::Input(error)) => return Err(error),
            Err(Stop::Fault(fault)) => self.faults.push(fault),
            Err(Stop::Below) => self.fault(FaultCode::Compression, "", "a layer stopped early"),
        }
        Ok(Reading {
            files: self.files,
            unpacked_bytes: self.unpacked_bytes,
            faults: self.faults,
            marks: self.marks,
            root: self.root.folder(),
        })
    }
}
