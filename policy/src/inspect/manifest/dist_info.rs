//! Core metadata: `METADATA` of a wheel, `PKG-INFO` of a source archive.

use std::collections::BTreeMap;

use super::Manifest;
use super::headers::Headers;
use super::keeper::Keeper;
use super::requirement;

/// Core metadata as it was read.
#[derive(Debug)]
pub(super) struct CoreMetadata {
    pub(super) manifest: Manifest,
    /// What readers take differently.
    pub(super) odd: Vec<String>,
    pub(super) is_cut: bool,
}

/// Reads core metadata.
///
/// # Errors
/// If it cannot be read at all; the text says why.
pub(super) fn read(bytes: &[u8]) -> Result<CoreMetadata, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8: {error}"))?;
    let headers = Headers::read(text)?;
    let mut keeper = Keeper::new();
    let mut odd = headers.odd.clone();
    for field in ["metadata-version", "name", "version"] {
        if headers.first(field).is_none() {
            odd.push(format!("it has no `{field}`"));
        }
    }
    let mut dependencies = Vec::new();
    for written in headers.all("requires-dist") {
        match requirement::read(written, &mut keeper) {
            Some(dependency) => dependencies.push(dependency),
            None if keeper.is_cut() => break,
            None => odd.push(format!("`Requires-Dist: {written}` names no package")),
        }
    }
    dependencies.sort();
    dependencies.dedup();
    let mut kept = |field: &str| keeper.text(headers.first(field)?);
    let (name, version) = (kept("name"), kept("version"));
    let license = kept("license-expression").or_else(|| kept("license"));
    let manifest = Manifest {
        name,
        version,
        dependencies: Some(dependencies),
        requires_python: headers
            .first("requires-python")
            .and_then(|it| keeper.text(&requirement::requires_python(it))),
        extras: Some(keeper.sorted(headers.all("provides-extra").map(requirement::extra))),
        dynamic: keeper.sorted(headers.all("dynamic").map(str::to_ascii_lowercase)),
        license,
        ..Manifest::default()
    };
    Ok(CoreMetadata {
        manifest,
        odd,
        is_cut: keeper.is_cut(),
    })
}

/// The programs `entry_points.txt` names, with the object behind each. What is in no known form is
/// passed over, as installers do.
pub(super) fn programs(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut keeper = Keeper::new();
    let mut programs = BTreeMap::new();
    let mut is_program = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            is_program = matches!(section.trim(), "console_scripts" | "gui_scripts");
        } else if is_program
            && !line.starts_with(['#', ';'])
            && let Some((name, object)) = line.split_once('=')
            && let Some(name) = keeper.text(name.trim())
            && let Some(object) = keeper.text(object.trim())
        {
            programs.insert(name, object);
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_those_of_two_sections() {
        let text = b"[other]\na = b:c\n[console_scripts]\n# x = y\nrun = foo.cli:main [extra]\n\n\
                     [gui_scripts]\nshow=foo:gui\n";
        let programs = programs(text);
        let pairs: Vec<_> = programs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(pairs, ["run=foo.cli:main [extra]", "show=foo:gui"]);
    }

    #[test]
    fn metadata_of_a_real_shape_is_read() {
        let text = "Metadata-Version: 2.4\nName: Foo_Bar\nVersion: 1.0\nLicense-Expression: MIT\n\
                    Requires-Python: >=3.8, !=3.9.*\nRequires-Dist: zed>=1\n\
                    Requires-Dist: alpha ; extra == \"x\"\nProvides-Extra: X\nDynamic: License-File\n\
                    \nRequires-Dist: not-this\n";
        let read = read(text.as_bytes()).unwrap();
        assert!(read.odd.is_empty(), "{:?}", read.odd);
        let manifest = read.manifest;
        assert_eq!(manifest.requires_python.as_deref(), Some("!=3.9.*,>=3.8"));
        assert_eq!(manifest.extras.unwrap(), ["x"]);
        assert_eq!(manifest.dynamic, ["license-file"]);
        let names: Vec<_> = manifest
            .dependencies
            .unwrap()
            .into_iter()
            .map(|it| it.name)
            .collect();
        assert_eq!(names, ["alpha", "zed"]);
    }

    #[test]
    fn metadata_without_a_name_or_not_in_utf_8_is_told() {
        let odd = read(b"Metadata-Version: 2.1\nVersion: 1\nRequires-Dist: >=1\n\n")
            .unwrap()
            .odd;
        assert_eq!(odd.len(), 2, "{odd:?}");
        assert!(read(b"Name: \xff\n").is_err());
    }
}
