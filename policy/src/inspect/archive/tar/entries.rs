//! The entries of a tar, one after the other.

use super::header::{BLOCK, Header};
use super::links::Links;
use super::padding;
use super::pax::Records;
use crate::inspect::archive::collide::Kind;
use crate::inspect::archive::stream::{Limited, Stop, Stream, read_up_to, skip};
use crate::inspect::archive::walk::Walk;
use crate::inspect::archive::{Format, Member};
use crate::inspect::fault::FaultCode;
use crate::inspect::sheet::MarkKind;

/// Bytes of a header that only describes the next entry. Some readers pass over longer ones.
const META_BYTES: u64 = 1 << 20;

/// Bytes of a name in a header without a prefix.
const NAME_BYTES: usize = 100;

/// What was said about the entry that comes next.
#[derive(Default)]
struct Pending {
    pax: Option<Records>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// Whether a global header came last: some readers want an entry after that, too.
    is_global: bool,
}

impl Pending {
    fn is_open(&self) -> bool {
        self.pax.is_some() || self.name.is_some() || self.link.is_some() || self.is_global
    }
}

/// Reads a tar to its end.
pub(crate) fn read(stream: &mut dyn Stream, walk: &mut Walk<'_>) -> Result<(), Stop> {
    let mut tar = Tar {
        stream,
        walk,
        links: Links::default(),
    };
    tar.entries()?;
    for path in tar.links.chains() {
        tar.walk
            .fault(FaultCode::Link, path, "the link leads to another link");
    }
    Ok(())
}

struct Tar<'t, 'a> {
    stream: &'t mut dyn Stream,
    walk: &'t mut Walk<'a>,
    links: Links,
}

impl Tar<'_, '_> {
    fn entries(&mut self) -> Result<(), Stop> {
        let mut pending = Pending::default();
        let mut block = [0; BLOCK];
        let mut is_first = true;
        loop {
            match read_up_to(self.stream, &mut block)? {
                BLOCK => {}
                0 => return Err(tar("", "the end of the archive is missing")),
                _ => return Err(tar("", "the archive is cut in a header")),
            }
            if block.iter().all(|byte| *byte == 0) {
                if pending.is_open() {
                    return Err(tar("", "a long name or PAX header has no entry"));
                }
                if is_first {
                    return Err(tar("", "there is nothing in it"));
                }
                return self.end();
            }
            let header = Header::parse(&block).map_err(|detail| {
                let is_tar = !is_first || block.get(257..262) == Some(b"ustar");
                let code = if is_tar {
                    FaultCode::Tar
                } else {
                    FaultCode::Type
                };
                Stop::whole(code, &detail)
            })?;
            is_first = false;
            self.walk.budget().entry()?;
            match header.kind {
                b'x' | b'g' | b'L' | b'K' => self.meta(&header, &mut pending)?,
                _ => self.entry(header, std::mem::take(&mut pending))?,
            }
        }
    }

    /// After the first block of zeros, only zeros may follow.
    fn end(&mut self) -> Result<(), Stop> {
        loop {
            let ready = self.stream.fill()?;
            let count = ready.len();
            if count == 0 {
                return Ok(());
            }
            if ready.iter().any(|byte| *byte != 0) {
                let detail = "there is more after the end of the archive";
                return Err(Stop::whole(FaultCode::TarTrailing, detail));
            }
            self.stream.consume(count);
        }
    }

    /// A header about the next entry, or about all that follow.
    fn meta(&mut self, header: &Header, pending: &mut Pending) -> Result<(), Stop> {
        let place = String::from_utf8_lossy(&header.name);
        if header.size > META_BYTES {
            let detail = format!("a long name or PAX header has {} bytes", header.size);
            return Err(Stop::at(FaultCode::Name, &place, &detail));
        }
        if !header.link.is_empty() {
            let detail =
                "a long name or PAX header has a link's target, and node-tar passes over it";
            return Err(tar(&place, detail));
        }
        let body = self.body(header.size)?;
        let is_double = match header.kind {
            b'x' => pending.pax.replace(records(&body, &place)?).is_some(),
            b'g' => {
                if !records(&body, &place)?.says_nothing() {
                    let detail = "a global PAX header says what other entries are";
                    return Err(Stop::at(FaultCode::Pax, &place, detail));
                }
                let was_open = pending.is_open();
                pending.is_global = true;
                was_open
            }
            b'L' => pending.name.replace(long(&body)?).is_some(),
            _ => pending.link.replace(long(&body)?).is_some(),
        };
        match is_double {
            true => Err(tar(&place, "there are two headers about one entry")),
            false => Ok(()),
        }
    }

    /// A small body, with nothing in its padding.
    fn body(&mut self, size: u64) -> Result<Vec<u8>, Stop> {
        let whole = size.saturating_add(padding(size));
        let mut body = vec![0; usize::try_from(whole).unwrap_or_default()];
        if read_up_to(self.stream, &mut body)? < body.len() {
            return Err(tar("", "the archive is cut in a long name or PAX header"));
        }
        // Some readers take the whole block for the name.
        let padding = body.split_off(usize::try_from(size).unwrap_or_default());
        if padding.iter().any(|byte| *byte != 0) {
            let detail = "there are bytes after the end of a long name or PAX header";
            return Err(tar("", detail));
        }
        Ok(body)
    }

    fn entry(&mut self, header: Header, pending: Pending) -> Result<(), Stop> {
        let pax = pending.pax.unwrap_or_default();
        let place = String::from_utf8_lossy(&header.name).into_owned();
        if pax.size.is_some_and(|size| size != header.size) {
            let detail = format!(
                "the PAX record says {} bytes, the header {}",
                pax.size.unwrap_or_default(),
                header.size
            );
            return Err(Stop::at(FaultCode::PaxSize, &place, &detail));
        }
        let short_name = header.name.clone();
        let name = one_of(pax.path, pending.name, header.name, &place)?;
        let link = one_of(pax.link, pending.link, header.link, &place)?;
        if !link.is_empty() && !matches!(header.kind, b'1' | b'2') {
            let detail = "what is no link has a link's target, and some readers pass over it";
            return Err(tar(&place, detail));
        }
        let is_slashed = name.ends_with(b"/");
        if matches!(header.kind, 0 | b'0')
            && is_slashed != short_name.ends_with(b"/")
            && !self.is_cut_at_slash(header.kind, &short_name, &name)
        {
            let detail =
                "the short name ends with a slash and the long one does not, or the reverse";
            return Err(Stop::at(FaultCode::Name, &place, detail));
        }
        match header.kind {
            b'5' => self.folder(&name, header.size, header.mode),
            // Before there was a type for them, folders were files with a slash at the end. Under the
            // magic of POSIX, which has a type for them, the tar crate makes a file of it.
            0 if is_slashed && !header.is_posix => self.folder(&name, header.size, header.mode),
            0 | b'0' => self.file(&name, header.size, header.mode),
            b'1' | b'2' => self.link(header.kind, &name, &link, header.size),
            kind => {
                let detail = format!(
                    "it is neither file nor folder (type {:?})",
                    char::from(kind)
                );
                Err(Stop::at(FaultCode::Type, &place, &detail))
            }
        }
    }

    /// Whether the short name is the long one cut at a slash by chance. What installs source archives
    /// and crates goes by the type then; older readers of npm's packages took such a file for a folder.
    fn is_cut_at_slash(&self, kind: u8, short: &[u8], long: &[u8]) -> bool {
        matches!(self.walk.format(), Format::SdistTar(_) | Format::Crate)
            && kind == b'0'
            && short.len() == NAME_BYTES
            && long.len() > NAME_BYTES
            && long.starts_with(short)
    }

    fn folder(&mut self, name: &[u8], size: u64, mode: u32) -> Result<(), Stop> {
        if size > 0 {
            let place = String::from_utf8_lossy(name);
            return Err(tar(
                &place,
                "a folder has content, which some readers pass over",
            ));
        }
        if let Some(path) = self.walk.name(name, Kind::Folder)? {
            self.walk.mode(&path, mode);
        }
        Ok(())
    }

    fn file(&mut self, name: &[u8], size: u64, mode: u32) -> Result<(), Stop> {
        let path = match name.ends_with(b"/") {
            true => {
                let place = String::from_utf8_lossy(name);
                let detail =
                    "a file's name ends with a slash, which some readers take for a folder";
                self.walk.fault(FaultCode::Name, &place, detail);
                None
            }
            false => self.walk.name(name, Kind::File)?,
        };
        let mut body = Limited::new(self.stream, size);
        if let Some(path) = path {
            self.walk.mode(&path, mode);
            let member = Member {
                path: &path,
                size_bytes: size,
                mode,
            };
            self.walk.file(&member, &mut body)?;
        }
        let left = body.left();
        let rest = left.saturating_add(padding(size));
        match skip(self.stream, rest)? == rest {
            true => Ok(()),
            false => Err(tar(
                &String::from_utf8_lossy(name),
                "the archive is cut in a file",
            )),
        }
    }

    fn link(&mut self, kind: u8, name: &[u8], target: &[u8], size: u64) -> Result<(), Stop> {
        let place = String::from_utf8_lossy(name);
        let target_text = String::from_utf8_lossy(target);
        if size > 0 {
            let detail = format!("a link to {target_text} with content");
            return Err(Stop::at(FaultCode::Link, &place, &detail));
        }
        if target.contains(&0) {
            let detail = "there is a NUL in the name of a link's target";
            self.walk.fault(FaultCode::Name, &place, detail);
        }
        let is_sdist = matches!(self.walk.format(), Format::SdistTar(_));
        let path = self.walk.name(name, Kind::Link)?;
        let added = match (path, std::str::from_utf8(target)) {
            (Some(path), Ok(target)) if is_sdist && kind == b'2' => self.links.add(&path, target),
            _ => Err("links do not belong here"),
        };
        match added {
            Ok(()) => self.walk.mark(MarkKind::Link, &place),
            Err(why) => {
                let detail = format!("a link to {target_text}: {why}");
                self.walk.fault(FaultCode::Link, &place, &detail);
            }
        }
        Ok(())
    }
}

fn tar(place: &str, detail: &str) -> Stop {
    Stop::at(FaultCode::Tar, place, detail)
}

fn records(body: &[u8], place: &str) -> Result<Records, Stop> {
    Records::parse(body).map_err(|(code, detail)| Stop::at(code, place, &detail))
}

/// A long name: up to its NUL, which must be the last byte. Of more the tar crate takes off one.
fn long(body: &[u8]) -> Result<Vec<u8>, Stop> {
    let end = body.iter().position(|byte| *byte == 0);
    let (text, rest) = body.split_at(end.unwrap_or(body.len()));
    match rest.len() <= 1 {
        true => Ok(text.to_vec()),
        false => Err(Stop::whole(
            FaultCode::Name,
            "there is a NUL in a long name",
        )),
    }
}

/// The name from the PAX record, the long name or the header.
fn one_of(
    pax: Option<Vec<u8>>,
    long: Option<Vec<u8>>,
    short: Vec<u8>,
    place: &str,
) -> Result<Vec<u8>, Stop> {
    match (pax, long) {
        (Some(pax), Some(long)) if pax != long => {
            let detail = "a PAX record and a long name give different names";
            Err(Stop::at(FaultCode::Pax, place, detail))
        }
        (Some(name), _) | (None, Some(name)) => Ok(name),
        (None, None) => Ok(short),
    }
}
