//! Picks the manifest out of an archive while it is read.

use super::record::Files;
use super::{Manifest, Nested, cargo, dist_info, npm};
use crate::ecosystem::{CARGO, NPM, PYPI, scheme_for};
use crate::inspect::archive::{Looked, Member, Sink};
use crate::inspect::fault::{Fault, FaultCode, Faults, printable};
use crate::inspect::limits::Limits;
use crate::model::{ArtifactId, Digest, Version};

/// Bytes of the `package.json` of a nested package that are looked at.
const NESTED_BYTES: u64 = 256 << 10;

/// Bytes of a `Cargo.toml` that are looked at. Real ones have a few hundred kilobytes at most, and
/// reading TOML takes many times its size in memory.
const CARGO_TOML_BYTES: u64 = 2 << 20;

/// Nested packages kept.
const MAX_NESTED: usize = 4_096;

/// `.dist-info` folders kept; one is right.
const MAX_FOLDERS: usize = 4;

/// Which manifest an archive has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// npm: `package.json`.
    PackageJson,
    /// cargo: `Cargo.toml`.
    CargoToml,
    /// A source archive of PyPI: `PKG-INFO`.
    PkgInfo,
    /// A wheel: `METADATA`.
    Wheel,
    /// None that is known.
    None,
}

impl Form {
    fn of(artifact: &ArtifactId) -> Self {
        let ecosystem = artifact.subject.name.ecosystem();
        let file = artifact.file.as_str().to_ascii_lowercase();
        let is_source = || {
            let endings = [
                ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".zip",
            ];
            endings.iter().any(|ending| file.ends_with(ending))
        };
        if *ecosystem == NPM {
            Self::PackageJson
        } else if *ecosystem == CARGO {
            Self::CargoToml
        } else if *ecosystem == PYPI && file.ends_with(".whl") {
            Self::Wheel
        } else if *ecosystem == PYPI && is_source() {
            Self::PkgInfo
        } else {
            Self::None
        }
    }

    /// The name of the manifest, directly in the archive's folder.
    fn file(self) -> &'static str {
        match self {
            Self::PackageJson => "package.json",
            Self::CargoToml => "Cargo.toml",
            Self::PkgInfo => "PKG-INFO",
            Self::Wheel => "METADATA",
            Self::None => "",
        }
    }
}

/// Picks the manifest out of an archive while it is read.
#[derive(Debug)]
pub struct Reader {
    artifact: ArtifactId,
    form: Form,
    manifest_bytes: u64,
    /// The manifests found, two at most, and how many there are.
    manifests: Vec<File>,
    count: usize,
    /// Another spelling of the manifest's name.
    misspelled: Option<String>,
    /// `binding.gyp` or `build.rs` beside the manifest.
    has_build_file: bool,
    nested: Vec<Nested>,
    has_more_nested: bool,
    wheel: Wheel,
}

/// What is picked out of a wheel besides its METADATA.
#[derive(Debug, Default)]
struct Wheel {
    /// The top folders with such a name.
    folders: Vec<String>,
    record: Option<File>,
    entry_points: Option<Vec<u8>>,
    files: Files,
}

/// A file that is kept.
#[derive(Debug)]
struct File {
    path: String,
    bytes: Vec<u8>,
    is_whole: bool,
    sha256: [u8; 32],
}

impl File {
    fn of(looked: Looked<'_>) -> Self {
        Self {
            path: looked.member.path.to_owned(),
            bytes: looked.bytes.to_vec(),
            is_whole: looked.is_whole(),
            sha256: looked.sha256,
        }
    }
}

/// What a file of the archive is to the reader.
enum Role<'p> {
    Manifest,
    Misspelled,
    BuildFile,
    Nested(&'p str),
    Record,
    EntryPoints,
    Other,
}

impl Reader {
    /// For one archive.
    pub fn new(artifact: &ArtifactId, limits: &Limits) -> Self {
        let form = Form::of(artifact);
        Self {
            artifact: artifact.clone(),
            form,
            manifest_bytes: match form {
                Form::CargoToml => limits.manifest_bytes.min(CARGO_TOML_BYTES),
                _ => limits.manifest_bytes,
            },
            manifests: Vec::new(),
            count: 0,
            misspelled: None,
            has_build_file: false,
            nested: Vec::new(),
            has_more_nested: false,
            wheel: Wheel::default(),
        }
    }

    fn role<'p>(&self, path: &'p str) -> Role<'p> {
        let path = path.strip_prefix("./").unwrap_or(path);
        let Some((folder, name)) = path.rsplit_once('/') else {
            return Role::Other;
        };
        if folder.contains('/') {
            return match self.form {
                Form::PackageJson if name == "package.json" && is_package_folder(folder) => {
                    Role::Nested(folder)
                }
                _ => Role::Other,
            };
        }
        match (self.form, name) {
            (Form::None, _) => Role::Other,
            (Form::Wheel, _) if !is_dist_info(folder) => Role::Other,
            (Form::Wheel, "RECORD") => Role::Record,
            (Form::Wheel, "entry_points.txt") => Role::EntryPoints,
            (Form::PackageJson, "binding.gyp") | (Form::CargoToml, "build.rs") => Role::BuildFile,
            (form, name) if name == form.file() => Role::Manifest,
            (form, name) if name.eq_ignore_ascii_case(form.file()) => Role::Misspelled,
            _ => Role::Other,
        }
    }

    fn nested(&mut self, folder: &str, looked: Looked<'_>) {
        if self.nested.len() >= MAX_NESTED {
            self.has_more_nested = true;
            return;
        }
        let (name, version) = match looked.is_whole() {
            true => npm::identity(looked.bytes),
            false => (None, None),
        };
        let own = folder
            .rsplit_once("node_modules/")
            .map_or(folder, |(_, own)| own);
        self.nested.push(Nested {
            place: printable(folder, 300),
            name: printable(name.as_deref().unwrap_or(own), 214),
            version: version.map(|version| printable(&version, 256)),
        });
    }

    /// What the manifest says; what is wrong with it becomes a fault.
    pub fn finish(mut self, root: Option<&str>, faults: &mut Faults) -> Option<Manifest> {
        if self.form == Form::None {
            return None;
        }
        self.check_number(faults);
        let wheel = std::mem::take(&mut self.wheel);
        let folder = match self.form {
            Form::Wheel => wheel.folders.first().map(String::as_str),
            _ => root,
        };
        let is_in_folder = |file: &&File| {
            let path = file.path.strip_prefix("./").unwrap_or(&file.path);
            path.split('/').next() == folder
        };
        let manifest = self.manifests.iter().find(is_in_folder);
        let manifest = manifest.or_else(|| self.manifests.first());
        let mut read = manifest.and_then(|file| self.read(file, faults));
        if let Some(manifest) = &mut read {
            self.check_identity(manifest, faults);
        }
        if self.form == Form::Wheel {
            let programs = wheel.entry_points.as_deref().map(dist_info::programs);
            if let Some(manifest) = &mut read {
                manifest.bin = Some(programs.unwrap_or_default());
            }
            self.check_wheel(wheel, faults);
        }
        if self.has_more_nested {
            let detail = format!("it holds more than {MAX_NESTED} other packages");
            faults.push(Fault::new(FaultCode::Limit, "", &detail));
        }
        if let Some(manifest) = &mut read {
            self.nested.sort();
            manifest.nested = self.nested;
        }
        read
    }

    fn check_number(&self, faults: &mut Faults) {
        let name = self.form.file();
        let detail = match (self.count, &self.misspelled) {
            (0, Some(other)) => format!("there is no {name}, only `{other}`"),
            (0, None) => format!("there is no {name} where it belongs"),
            (1, None) => return,
            (1, Some(other)) => format!("there is also `{other}`"),
            (count, _) => format!("there are {count} of them"),
        };
        let place = self.manifests.first().map_or(name, |file| &file.path);
        faults.push(Fault::new(FaultCode::Manifest, place, &detail));
    }

    fn read(&self, file: &File, faults: &mut Faults) -> Option<Manifest> {
        if !file.is_whole {
            let detail = format!("it has more than {} bytes", self.manifest_bytes);
            faults.push(Fault::new(FaultCode::Limit, &file.path, &detail));
            return None;
        }
        let read = match self.form {
            Form::PackageJson => npm::found(&file.bytes, self.has_build_file)
                .map(|read| (read.manifest, read.odd, read.is_cut)),
            Form::CargoToml => cargo::found(&file.bytes, self.has_build_file)
                .map(|read| (read.manifest, read.odd, read.is_cut)),
            Form::PkgInfo | Form::Wheel => {
                dist_info::read(&file.bytes).map(|read| (read.manifest, read.odd, read.is_cut))
            }
            Form::None => return None,
        };
        let (mut manifest, odd, is_cut) = match read {
            Ok(read) => read,
            Err(why) => {
                faults.push(Fault::new(FaultCode::Manifest, &file.path, &why));
                return None;
            }
        };
        for odd in odd {
            faults.push(Fault::new(FaultCode::Manifest, &file.path, &odd));
        }
        if is_cut {
            let detail = "it says more than is looked at";
            faults.push(Fault::new(FaultCode::Limit, &file.path, detail));
        }
        if self.form == Form::Wheel {
            manifest.core_metadata_sha256 = Some(Digest::sha256(file.sha256));
        }
        Some(manifest)
    }

    /// The manifest's own name and version against those the archive was asked for by.
    fn check_identity(&self, manifest: &Manifest, faults: &mut Faults) {
        let mut check = |what: &str, found: Option<&str>, is_same: bool| {
            if !is_same {
                let found = found.unwrap_or("(none)");
                let subject = &self.artifact.subject;
                let detail = format!("it gives its {what} as `{found}` and is {subject}");
                faults.push(Fault::new(FaultCode::Identity, self.form.file(), &detail));
            }
        };
        let name = manifest.name.as_deref();
        let version = manifest.version.as_deref();
        check("name", name, name.is_some_and(|it| self.is_name(it)));
        check(
            "version",
            version,
            version.is_some_and(|it| self.is_version(it)),
        );
    }

    fn is_name(&self, name: &str) -> bool {
        let own = &self.artifact.subject.name;
        let scheme = scheme_for(own.ecosystem());
        scheme.is_some_and(|scheme| scheme.package(name.trim()).is_ok_and(|it| it == *own))
    }

    fn is_version(&self, version: &str) -> bool {
        let own = &self.artifact.subject.version;
        let version = match self.form {
            Form::PackageJson => npm::clean_version(version),
            _ => version.trim(),
        };
        // Only PyPI has several spellings of one version.
        version == own.as_str()
            || self.form == Form::PackageJson && version == npm::clean_version(own.as_str())
            || matches!(self.form, Form::Wheel | Form::PkgInfo)
                && scheme_for(self.artifact.subject.name.ecosystem())
                    .is_some_and(|it| it.compare(&Version::verbatim(version), own).is_eq())
    }

    fn check_wheel(&self, wheel: Wheel, faults: &mut Faults) {
        let [folder] = wheel.folders.as_slice() else {
            let detail = match wheel.folders.as_slice() {
                [] => "there is no .dist-info folder".to_owned(),
                several => format!("there are several: {}", several.join(", ")),
            };
            faults.push(Fault::new(FaultCode::Distinfo, "", &detail));
            return;
        };
        let stem = folder.strip_suffix(DIST_INFO).unwrap_or(folder);
        let named = stem.rsplit_once('-');
        if !named.is_some_and(|(name, version)| self.is_name(name) && self.is_version(version)) {
            let detail = format!("the folder is not named after {}", self.artifact.subject);
            faults.push(Fault::new(FaultCode::Identity, folder, &detail));
        }
        match wheel.record {
            None => {
                let place = format!("{folder}/RECORD");
                faults.push(Fault::new(FaultCode::Record, &place, "there is no RECORD"));
            }
            Some(record) if !record.is_whole => {
                let detail = format!("it has more than {} bytes", self.manifest_bytes);
                faults.push(Fault::new(FaultCode::Limit, &record.path, &detail));
            }
            Some(record) => wheel.files.check(folder, &record.bytes, faults),
        }
    }
}

impl Sink for Reader {
    fn wants(&mut self, member: &Member<'_>) -> u64 {
        match self.role(member.path) {
            Role::Manifest if self.manifests.len() < 2 => self.manifest_bytes,
            Role::Record if self.wheel.record.is_none() => self.manifest_bytes,
            Role::EntryPoints | Role::Nested(_) => NESTED_BYTES,
            _ => 0,
        }
    }

    fn file(&mut self, looked: Looked<'_>) {
        let path = looked.member.path;
        match self.role(path) {
            Role::Manifest => {
                self.count += 1;
                if self.manifests.len() < 2 {
                    self.manifests.push(File::of(looked));
                }
            }
            Role::Misspelled => self.misspelled = Some(printable(path, 200)),
            Role::BuildFile => self.has_build_file = true,
            Role::Nested(folder) => self.nested(folder, looked),
            Role::Record => {
                self.wheel.record.get_or_insert_with(|| File::of(looked));
            }
            Role::EntryPoints if looked.is_whole() => {
                self.wheel.entry_points = Some(looked.bytes.to_vec());
            }
            Role::EntryPoints | Role::Other => {}
        }
        if self.form == Form::Wheel {
            let top = path.split_once('/').map(|(top, _)| top);
            if let Some(top) = top.filter(|top| is_dist_info(top))
                && self.wheel.folders.len() < MAX_FOLDERS
                && self.wheel.folders.iter().all(|it| it != top)
            {
                self.wheel.folders.push(printable(top, 200));
            }
            self.wheel
                .files
                .add(path, looked.sha256, looked.member.size_bytes);
        }
    }
}

const DIST_INFO: &str = ".dist-info";

/// Whatever the case: a file system may not tell the difference.
fn is_dist_info(folder: &str) -> bool {
    let at = folder.len().checked_sub(DIST_INFO.len());
    let end = at.and_then(|at| folder.get(at..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(DIST_INFO))
}

/// Whether the folder is that of a package: directly below a `node_modules`, or below a scope there.
fn is_package_folder(folder: &str) -> bool {
    let mut components = folder.rsplit('/');
    let _own = components.next();
    match components.next() {
        Some("node_modules") => true,
        Some(scope) if scope.starts_with('@') => components.next() == Some("node_modules"),
        _ => false,
    }
}
