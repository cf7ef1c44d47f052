//! Manifests picked out of archives, and what registries declare in their place.
//!
//! The archives are lists of files: what is wrong with an archive itself is not this module's.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

use super::{Disagreement, Manifest, Reader, agree, cargo, npm};
use crate::ecosystem::{CARGO, NPM, PYPI, scheme_for};
use crate::inspect::archive::{Looked, Member, Sink};
use crate::inspect::fault::{FaultCode, Faults};
use crate::inspect::limits::Limits;
use crate::model::{
    ArtifactId, ArtifactKind, Digest, Ecosystem, FileName, PackageVersion, Version,
};

type Files<'a> = [(&'a str, &'a str)];

fn artifact(ecosystem: &Ecosystem, name: &str, version: &str, file: &str) -> ArtifactId {
    let scheme = scheme_for(ecosystem).unwrap();
    ArtifactId {
        subject: PackageVersion {
            name: scheme.package(name).unwrap(),
            version: Version::verbatim(version),
        },
        file: FileName::new(file).unwrap(),
        kind: ArtifactKind::Archive,
    }
}

fn read(artifact: &ArtifactId, files: &Files<'_>) -> (Option<Manifest>, Faults) {
    let limits = Limits::default();
    let mut reader = Reader::new(artifact, &limits);
    for (path, text) in files {
        let member = Member {
            path,
            size_bytes: text.len() as u64,
            mode: 0o644,
        };
        let wanted = usize::try_from(reader.wants(&member)).unwrap();
        let bytes = text.as_bytes();
        reader.file(Looked {
            member: &member,
            sha256: Sha256::digest(bytes).into(),
            bytes: &bytes[..bytes.len().min(wanted)],
        });
    }
    let mut faults = Faults::default();
    let root = files.first().and_then(|(path, _)| path.split('/').next());
    let manifest = reader.finish(root, &mut faults);
    (manifest, faults)
}

fn codes(faults: &Faults) -> Vec<FaultCode> {
    faults.first().iter().map(|fault| fault.code).collect()
}

fn npm(files: &Files<'_>) -> (Option<Manifest>, Faults) {
    read(&artifact(&NPM, "acme", "1.0.0", "acme-1.0.0.tgz"), files)
}

fn crate_file(files: &Files<'_>) -> (Option<Manifest>, Faults) {
    read(
        &artifact(&CARGO, "acme", "1.0.0", "acme-1.0.0.crate"),
        files,
    )
}

fn sdist(files: &Files<'_>) -> (Option<Manifest>, Faults) {
    read(
        &artifact(&PYPI, "acme-tool", "1.0", "acme_tool-1.0.tar.gz"),
        files,
    )
}

fn wheel(files: &Files<'_>) -> (Option<Manifest>, Faults) {
    let file = "acme_tool-1.0-py3-none-any.whl";
    read(&artifact(&PYPI, "acme-tool", "1.0", file), files)
}

const PACKAGE_JSON: &str = r#"{"name":"acme","version":"1.0.0"}"#;
const CARGO_TOML: &str = "[package]\nname = \"acme\"\nversion = \"1.0.0\"\n";
const METADATA: &str = "Metadata-Version: 2.1\nName: Acme.Tool\nVersion: 1.0.0\n\n";
const INFO: &str = "acme_tool-1.0.dist-info";

/// The line of RECORD for a file.
fn line(path: &str, text: &str) -> String {
    let digest = BASE64URL_NOPAD.encode(&Sha256::digest(text.as_bytes()));
    format!("{path},sha256={digest},{}\n", text.len())
}

/// A wheel with a module and RECORD as given, METADATA listed.
fn wheel_with_record(record: &str) -> Faults {
    let metadata = line(&format!("{INFO}/METADATA"), METADATA);
    let files = [
        ("acme/__init__.py", "pass\n"),
        (&*format!("{INFO}/METADATA"), METADATA),
        (&*format!("{INFO}/RECORD"), &*format!("{metadata}{record}")),
    ];
    wheel(&files).1
}

// ---- what is wrong with the manifest itself

#[test]
fn honest_archives_have_no_faults() {
    let files = [
        ("package/package.json", PACKAGE_JSON),
        ("package/x/package.json", "{"),
    ];
    assert!(npm(&files).1.is_empty());
    let files = [
        ("acme-1.0.0/Cargo.toml", CARGO_TOML),
        ("acme-1.0.0/t/Cargo.toml", "?"),
    ];
    assert!(crate_file(&files).1.is_empty());
    let files = [
        ("acme_tool-1.0/PKG-INFO", METADATA),
        ("acme_tool-1.0/acme.egg-info/PKG-INFO", ""),
    ];
    assert!(sdist(&files).1.is_empty());
    let own = line("acme/__init__.py", "pass\n");
    let record = format!("{own}{INFO}/RECORD,,\n{INFO}/RECORD.jws,,\n");
    assert_eq!(wheel_with_record(&record).first(), []);
    // As written on Windows, and with padding.
    let crlf = record.replace('\n', "\r\n").replacen(",5\r", "=,5\r", 1);
    assert_eq!(wheel_with_record(&crlf).first(), []);
}

#[test]
fn a_37_a_file_that_record_does_not_list() {
    let faults = wheel_with_record("");
    assert_eq!(codes(&faults), [FaultCode::Record]);
    assert_eq!(faults.first()[0].place, "acme/__init__.py");
}

#[test]
fn a_38_record_that_is_missing_or_not_true() {
    let listed = line("acme/__init__.py", "pass\n");
    let other = line("acme/__init__.py", "gone\n");
    for record in [
        // A file that is not there.
        format!("{listed}{}", line("acme/gone.py", "")),
        // Another digest, another size, none, a weak one, one that cannot be checked.
        other,
        listed.replace(",5\n", ",6\n"),
        listed.replace(",5\n", ",five\n"),
        "acme/__init__.py,,\n".to_owned(),
        "acme/__init__.py,md5=1B2M2Y8AsgTpgAmY7PhCfg,5\n".to_owned(),
        "acme/__init__.py,sha512=AAAA,5\n".to_owned(),
        // Told twice, differently; no list at all.
        format!("{listed}acme/__init__.py,sha256=AAAA,5\n"),
        format!("{listed}only a path\n"),
        format!("{listed}../../outside,sha256=AAAA,1\n"),
    ] {
        assert_eq!(
            codes(&wheel_with_record(&record)),
            [FaultCode::Record],
            "{record}"
        );
    }
    let files = [(&*format!("{INFO}/METADATA"), METADATA)];
    assert_eq!(codes(&wheel(&files).1), [FaultCode::Record]);
}

#[test]
fn a_38_only_the_record_of_the_dist_info_folder_is_exempt() {
    let own = line("acme/__init__.py", "pass\n");
    let metadata = line(&format!("{INFO}/METADATA"), METADATA);
    let record = format!("{own}{metadata}");
    let files = [
        ("acme/__init__.py", "pass\n"),
        ("acme/RECORD", "x"),
        (&*format!("{INFO}/METADATA"), METADATA),
        (&*format!("{INFO}/RECORD"), &*record),
    ];
    assert_eq!(wheel(&files).1.first()[0].place, "acme/RECORD");
}

#[test]
fn a_39_no_or_two_dist_info_folders() {
    let record = format!(
        "{}{INFO}/RECORD,,\n",
        line(&format!("{INFO}/METADATA"), METADATA)
    );
    let (metadata, records) = (format!("{INFO}/METADATA"), format!("{INFO}/RECORD"));
    let two = [
        (&*metadata, METADATA),
        (&*records, &*record),
        ("other-1.0.DIST-INFO/WHEEL", ""),
    ];
    assert_eq!(codes(&wheel(&two).1), [FaultCode::Distinfo]);
    let none = [("acme/__init__.py", "")];
    assert_eq!(
        codes(&wheel(&none).1),
        [FaultCode::Manifest, FaultCode::Distinfo]
    );
    // Those of vendored packages are below.
    let vendored = [
        (&*metadata, METADATA),
        (
            &*records,
            &*format!("{record}{}", line("v/x-1.dist-info/METADATA", "")),
        ),
        ("v/x-1.dist-info/METADATA", ""),
    ];
    assert_eq!(wheel(&vendored).1.first(), []);
}

#[test]
fn a_40_a_dist_info_folder_of_another_package() {
    for folder in [
        "other-1.0.dist-info",
        "acme_tool-2.0.dist-info",
        "acme.dist-info",
    ] {
        let metadata = format!("{folder}/METADATA");
        let record = line(&metadata, METADATA);
        let files = [
            (&*metadata, METADATA),
            (&*format!("{folder}/RECORD"), &*record),
        ];
        assert_eq!(codes(&wheel(&files).1), [FaultCode::Identity], "{folder}");
    }
    let metadata = "Acme.Tool-1.0.0.dist-info/METADATA";
    let record = line(metadata, METADATA);
    let files = [
        (metadata, METADATA),
        ("Acme.Tool-1.0.0.dist-info/RECORD", &*record),
    ];
    assert_eq!(wheel(&files).1.first(), []);
}

#[test]
fn a_41_metadata_of_another_package() {
    for (from, to) in [
        ("Acme.Tool", "acme-tools"),
        ("1.0.0", "1.0.1"),
        ("1.0.0", "1.0+x"),
    ] {
        let metadata = METADATA.replace(from, to);
        let files = [("acme_tool-1.0/PKG-INFO", &*metadata)];
        assert_eq!(codes(&sdist(&files).1), [FaultCode::Identity], "{to}");
    }
}

#[test]
fn a_41_package_json_and_cargo_toml_of_another_package() {
    for (from, to) in [
        ("acme", "Acme"),
        ("acme", "@x/acme"),
        ("1.0.0", "1.0.1"),
        ("1.0.0", ""),
    ] {
        let files = [("package/package.json", &*PACKAGE_JSON.replace(from, to))];
        assert_eq!(codes(&npm(&files).1), [FaultCode::Identity], "{to}");
    }
    for (from, to) in [("acme", "acmex"), ("1.0.0", "1.0.1"), ("1.0.0", "1.0.0+b")] {
        let files = [("acme-1.0.0/Cargo.toml", &*CARGO_TOML.replace(from, to))];
        assert_eq!(codes(&crate_file(&files).1), [FaultCode::Identity], "{to}");
    }
    // Publishing writes these as 1.0.0.
    for version in ["v1.0.0", " =1.0.0", "1.0.0+5cc2ccd"] {
        let files = [(
            "package/package.json",
            &*PACKAGE_JSON.replace("1.0.0", version),
        )];
        assert_eq!(npm(&files).1.first(), [], "{version}");
    }
}

#[test]
fn a_70_cargo_toml_in_two_spellings() {
    for other in ["cargo.toml", "CARGO.TOML"] {
        let path = format!("acme-1.0.0/{other}");
        let files = [("acme-1.0.0/Cargo.toml", CARGO_TOML), (&*path, CARGO_TOML)];
        assert_eq!(codes(&crate_file(&files).1), [FaultCode::Manifest]);
        assert_eq!(
            codes(&crate_file(&[(&path, CARGO_TOML)]).1),
            [FaultCode::Manifest]
        );
    }
}

#[test]
fn a_71_a_crate_without_a_manifest_where_it_belongs() {
    for path in [
        "acme-1.0.0/src/Cargo.toml",
        "Cargo.toml",
        "acme-1.0.0/Cargo.toml.orig",
    ] {
        let (manifest, faults) = crate_file(&[(path, CARGO_TOML)]);
        assert_eq!(
            (manifest, codes(&faults)),
            (None, vec![FaultCode::Manifest]),
            "{path}"
        );
    }
}

#[test]
fn a_71_a_manifest_that_cannot_be_read() {
    for text in [
        "[package\n",
        "a = 1\na = 2\n",
        "\u{feff}[package]\n",
        "",
        "package = 1\n",
    ] {
        let (_, faults) = crate_file(&[("acme-1.0.0/Cargo.toml", text)]);
        assert_eq!(faults.first()[0].code, FaultCode::Manifest, "{text}");
    }
    let both = format!("{CARGO_TOML}[build-dependencies]\n[build_dependencies]\nevil = '1'\n");
    let (manifest, faults) = crate_file(&[("acme-1.0.0/Cargo.toml", &both)]);
    assert_eq!(codes(&faults), [FaultCode::Manifest]);
    assert!(manifest.is_some());
}

#[test]
fn a_74_package_json_that_readers_take_differently() {
    for text in [
        "\u{feff}{\"name\":\"acme\",\"version\":\"1.0.0\"}",
        r#"{"name":"acme","version":"1.0.0","version":"1.0.0"}"#,
        r#"{"name":"acme","version":"1.0.0","scripts":{"install":"a","install":"b"}}"#,
        "// comment\n{\"name\":\"acme\",\"version\":\"1.0.0\"}",
        "{\"name\":\"acme\",\"version\":\"1.0.0\",}",
        "{name:\"acme\"}",
        r#"{"name":"acme","version":"1.0.0","dependencies":["evil"]}"#,
        "[]",
        "",
    ] {
        let (_, faults) = npm(&[("package/package.json", text)]);
        assert_eq!(codes(&faults), [FaultCode::Manifest], "{text}");
    }
}

#[test]
fn a_manifest_that_stands_twice_or_not_at_all_is_a_fault() {
    let twice = [
        ("package/package.json", PACKAGE_JSON),
        ("other/package.json", PACKAGE_JSON),
    ];
    assert_eq!(codes(&npm(&twice).1), [FaultCode::Manifest]);
    assert_eq!(
        codes(&npm(&[("package/index.js", "")]).1),
        [FaultCode::Manifest]
    );
    assert_eq!(
        codes(&sdist(&[("acme_tool-1.0/setup.py", "")]).1),
        [FaultCode::Manifest]
    );
}

#[test]
fn a_manifest_beyond_the_limits_is_a_fault() {
    let limits = Limits::default();
    let much = usize::try_from(limits.manifest_bytes).unwrap();
    let large = format!("{PACKAGE_JSON}{}", " ".repeat(much));
    let (manifest, faults) = npm(&[("package/package.json", &large)]);
    assert_eq!((manifest, codes(&faults)), (None, vec![FaultCode::Limit]));
    let many: Vec<String> = (0..20_000).map(|n| format!("\"d{n}\":\"1\"")).collect();
    let many = PACKAGE_JSON.replace('}', &format!(",\"dependencies\":{{{}}}}}", many.join(",")));
    let (manifest, faults) = npm(&[("package/package.json", &many)]);
    assert_eq!(codes(&faults), [FaultCode::Limit]);
    let size = serde_json::to_string(&manifest).unwrap().len();
    assert!(size < 1 << 20, "{size}");
}

#[test]
fn other_forms_of_archive_have_no_manifest() {
    let egg = artifact(&PYPI, "acme-tool", "1.0", "acme_tool-1.0-py3.11.egg");
    let (manifest, faults) = read(&egg, &[("EGG-INFO/PKG-INFO", METADATA)]);
    assert!(manifest.is_none() && faults.is_empty());
}

// ---- what a manifest says

#[test]
fn scripts_run_in_their_order_and_binding_gyp_stands_for_one() {
    let with = |fields: &str, files: &Files<'_>| {
        let text = PACKAGE_JSON.replace('}', &format!(",{fields}}}"));
        let mut all = vec![("package/package.json", &*text)];
        all.extend(files);
        let manifest = npm(&all).0.unwrap();
        let scripts = manifest.install_scripts().into_iter();
        scripts
            .map(|(name, command)| format!("{name}: {command}"))
            .collect::<Vec<_>>()
    };
    let gyp: &Files<'_> = &[("package/binding.gyp", "{}")];
    let scripts = r#""scripts":{"postinstall":"c","install":" ","preinstall":"a","prepare":"x"}"#;
    assert_eq!(with(scripts, &[]), ["preinstall: a", "postinstall: c"]);
    assert_eq!(with(scripts, gyp), ["preinstall: a", "postinstall: c"]);
    assert_eq!(with(r#""scripts":{}"#, gyp), ["install: node-gyp rebuild"]);
    assert_eq!(with(r#""scripts":{"install":"b"}"#, gyp), ["install: b"]);
    assert!(with(r#""gypfile":false"#, gyp).is_empty());
    assert!(with(r#""gypfile":true"#, &[("package/deps/binding.gyp", "")]).is_empty());
}

#[test]
fn m_26_packages_the_archive_brings_along_are_told_with_their_versions() {
    let text = PACKAGE_JSON.replace('}', r#","bundledDependencies":["evil"]}"#);
    let files = [
        ("package/package.json", &*text),
        (
            "package/node_modules/evil/package.json",
            r#"{"name":"evil","version":"6.6.6"}"#,
        ),
        (
            "package/node_modules/@s/b/package.json",
            r#"{"version":"1.0.0"}"#,
        ),
        ("package/node_modules/c/node_modules/d/package.json", "{"),
        (
            "package/node_modules/c/lib/package.json",
            r#"{"name":"no"}"#,
        ),
        (
            "package/test/node_modules/t/package.json",
            r#"{"name":"t","version":"1.0.0"}"#,
        ),
    ];
    let (manifest, faults) = npm(&files);
    assert!(faults.is_empty());
    let manifest = manifest.unwrap();
    assert_eq!(manifest.bundled.unwrap(), ["evil"]);
    let told: Vec<String> = manifest
        .nested
        .iter()
        .map(|it| {
            let version = it.version.as_deref().unwrap_or("?");
            format!("{}@{version} {}", it.name, it.is_bundled())
        })
        .collect();
    assert_eq!(
        told,
        [
            "@s/b@1.0.0 true",
            "d@? true",
            "evil@6.6.6 true",
            "t@1.0.0 false"
        ]
    );
}

#[test]
fn build_scripts_and_procedural_macros_are_told() {
    let with = |text: &str, has_file: bool| {
        let text = CARGO_TOML.replace("[package]\n", &format!("[package]\n{text}\n"));
        let mut files = vec![("acme-1.0.0/Cargo.toml", &*text)];
        if has_file {
            files.push(("acme-1.0.0/build.rs", ""));
        }
        crate_file(&files).0.unwrap().build_script
    };
    assert_eq!(with("", true).as_deref(), Some("build.rs"));
    assert_eq!(with("", false), None);
    assert_eq!(with("build = false", true), None);
    assert_eq!(
        with("build = 'b/main.rs'", false).as_deref(),
        Some("b/main.rs")
    );
    let text = format!("{CARGO_TOML}[lib]\nproc-macro = true\n");
    let manifest = crate_file(&[("acme-1.0.0/Cargo.toml", &text)]).0.unwrap();
    assert_eq!(manifest.is_proc_macro, Some(true));
}

#[test]
fn a_wheel_tells_its_programs_and_the_digest_of_its_metadata() {
    let (metadata, points) = (
        format!("{INFO}/METADATA"),
        format!("{INFO}/entry_points.txt"),
    );
    let programs = "[console_scripts]\nacme = acme:main\n";
    let record = format!("{}{}", line(&metadata, METADATA), line(&points, programs));
    let files = [
        (&*metadata, METADATA),
        (&*points, programs),
        (&*format!("{INFO}/RECORD"), &*record),
    ];
    let (manifest, faults) = wheel(&files);
    assert_eq!(faults.first(), []);
    let manifest = manifest.unwrap();
    assert_eq!(
        manifest.core_metadata_sha256,
        Some(Digest::of(METADATA.as_bytes()))
    );
    assert_eq!(manifest.bin.unwrap()["acme"], "acme:main");
}

// ---- whether the registry says the same

fn told(disagreements: &[Disagreement]) -> Vec<String> {
    disagreements.iter().map(ToString::to_string).collect()
}

fn npm_against(declared: &str, found: &str, files: &Files<'_>) -> Vec<String> {
    let mut all = vec![("package/package.json", found)];
    all.extend(files);
    let found = npm(&all).0.unwrap();
    let declared = npm::declared(declared.as_bytes()).unwrap();
    told(&agree(&declared, &found, &NPM))
}

#[test]
fn m_01_a_dependency_the_registry_does_not_show() {
    let found = r#"{"name":"acme","version":"1.0.0","dependencies":{"a":"^1","evil":"1"}}"#;
    let declared = r#"{"name":"acme","version":"1.0.0","dependencies":{"a":"^2"}}"#;
    assert_eq!(
        npm_against(declared, found, &[]),
        [
            "dependencies: the registry has `a ^2`, the archive `a ^1`",
            "dependencies: the registry has `none`, the archive `evil 1`",
        ]
    );
    // The other way round, and as another kind.
    let declared = r#"{"dependencies":{"a":"^1","evil":"1","b":"1"}}"#;
    assert_eq!(
        npm_against(declared, found, &[]),
        ["dependencies: the registry has `b 1`, the archive `none`"]
    );
    let declared = r#"{"dependencies":{"a":"^1"},"peerDependencies":{"evil":"1"}}"#;
    assert_eq!(npm_against(declared, found, &[]).len(), 2);
}

#[test]
fn m_02_an_install_script_the_registry_does_not_show() {
    let plain = r#"{"name":"acme","version":"1.0.0","scripts":{"test":"t"}}"#;
    for hook in ["preinstall", "install", "postinstall"] {
        let found = plain.replace("\"t\"", &format!("\"t\",\"{hook}\":\"node x\""));
        assert_eq!(
            npm_against(plain, &found, &[]),
            [format!(
                "scripts: the registry has `none`, the archive `{hook}: node x`"
            )]
        );
    }
    let gyp: &Files<'_> = &[("package/binding.gyp", "")];
    let none = "scripts: the registry has `none`, the archive `install: node-gyp rebuild`";
    assert_eq!(npm_against(plain, plain, gyp), [none]);
    // What only its developers run is nobody else's.
    let found = plain.replace("\"t\"", "\"u\",\"prepare\":\"p\",\"prepublishOnly\":\"q\"");
    assert!(npm_against(plain, &found, &[]).is_empty());
}

#[test]
fn m_03_another_name_or_version_than_the_registry_s() {
    let found = r#"{"name":"acme","version":"1.0.0"}"#;
    assert_eq!(
        npm_against(r#"{"name":"acme2","version":"1.0.1"}"#, found, &[]).len(),
        2
    );
    assert!(npm_against(r#"{"name":"acme","version":"1.0.0"}"#, found, &[]).is_empty());
}

#[test]
fn m_01_what_publishing_rewrites_is_no_contradiction() {
    let found = r#"{"name":"@s/acme","version":"v1.0.0","bin":"./cli.js",
        "optionalDependencies":{"o":"1"},"bundledDependencies":["b"],
        "dependencies":{"z":"1 ","r":"ada/engine"},
        "scripts":{"test":"t","empty":""},"publishConfig":{"access":"public"}}"#;
    let declared = r#"{"name":"@s/acme","version":"1.0.0","bin":{"acme":"cli.js"},
        "optionalDependencies":{"o":"1"},"bundleDependencies":["b"],
        "dependencies":{"o":"1","r":"git+ssh://git@github.com/ada/engine.git","z":"1","b":"*"},
        "scripts":{"install":"node-gyp rebuild","test":"t"},"gypfile":true,
        "_id":"@s/acme@1.0.0","_npmUser":{"name":"x"},"gitHead":"0"}"#;
    let files = [("package/package.json", found), ("package/binding.gyp", "")];
    let scoped = artifact(&NPM, "@s/acme", "1.0.0", "acme-1.0.0.tgz");
    let (manifest, faults) = read(&scoped, &files);
    assert_eq!(faults.first(), []);
    let declared = npm::declared(declared.as_bytes()).unwrap();
    assert_eq!(agree(&declared, &manifest.unwrap(), &NPM), []);
}

#[test]
fn programs_and_bundles_the_registry_does_not_show() {
    let plain = r#"{"name":"acme","version":"1.0.0"}"#;
    let found = r#"{"name":"acme","version":"1.0.0","bin":{"npm":"x.js"},
        "bundleDependencies":["b"],"dependencies":{"b":"1"}}"#;
    assert_eq!(
        npm_against(plain, found, &[]),
        [
            "dependencies: the registry has `none`, the archive `b 1`",
            "bundled: the registry has `none`, the archive `b`",
            "bin: the registry has `none`, the archive `npm: x.js`",
        ]
    );
    // A folder of programs is read at publishing.
    let folder = r#"{"name":"acme","version":"1.0.0","directories":{"bin":"b"}}"#;
    let declared = r#"{"name":"acme","version":"1.0.0","bin":{"x":"b/x"}}"#;
    assert!(npm_against(declared, folder, &[]).is_empty());
}

#[test]
fn m_38_metadata_beside_the_wheel_that_is_not_inside_it() {
    let metadata = format!("{INFO}/METADATA");
    let text = METADATA.replace("\n\n", "\nRequires-Python: >=3.8\n\n");
    let record = line(&metadata, &text);
    let files = [(&*metadata, &*text), (&*format!("{INFO}/RECORD"), &*record)];
    let found = wheel(&files).0.unwrap();
    let mut declared = Manifest {
        core_metadata_sha256: Some(Digest::of(text.as_bytes())),
        requires_python: Some(" >= 3.8".to_owned()),
        ..Manifest::default()
    };
    assert_eq!(agree(&declared, &found, &PYPI), []);
    declared.core_metadata_sha256 = Some(Digest::of(b"Requires-Dist: evil"));
    declared.requires_python = Some(">=3.9".to_owned());
    let told = told(&agree(&declared, &found, &PYPI));
    assert_eq!(told.len(), 2);
    assert!(
        told[0].starts_with("metadata: the registry has `sha256:"),
        "{told:?}"
    );
    assert_eq!(
        told[1],
        "requires-python: the registry has `>=3.9`, the archive `>=3.8`"
    );
}

fn cargo_against(line: &str, found: &str) -> Vec<String> {
    let found = crate_file(&[("acme-1.0.0/Cargo.toml", found)]).0.unwrap();
    let declared = cargo::declared(line.as_bytes()).unwrap();
    told(&agree(&declared, &found, &CARGO))
}

#[test]
fn m_59_a_dependency_the_index_does_not_show() {
    let line = r#"{"name":"acme","vers":"1.0.0","deps":[],"features":{},"links":null}"#;
    for (text, expected) in [
        ("[dependencies]\nevil = '1'\n", "evil ^1"),
        ("[build-dependencies]\nevil = '1'\n", "evil ^1 (build)"),
        (
            "[target.'cfg(unix)'.dependencies.evil]\nversion='1'\n",
            "evil ^1 on cfg(unix)",
        ),
        (
            "[dependencies.x]\npackage='evil'\nversion='*'\noptional=true\n",
            "evil * as x if wanted",
        ),
    ] {
        let expected = format!("dependencies: the registry has `none`, the archive `{expected}`");
        assert_eq!(
            cargo_against(line, &format!("{CARGO_TOML}{text}")),
            [expected]
        );
    }
    // Nobody else gets those for development.
    let text = format!("{CARGO_TOML}[dev-dependencies]\nevil = '1'\n");
    assert!(cargo_against(line, &text).is_empty());
    let text = format!("{CARGO_TOML}links = 'z'\n[features]\nf = ['dep:x']\n");
    assert_eq!(
        cargo_against(line, &text),
        [
            "features: the registry has `none`, the archive `f: dep:x`",
            "links: the registry has `none`, the archive `z`",
        ]
    );
}

#[test]
fn m_59_what_publishing_rewrites_is_no_contradiction() {
    let line = r#"{"name":"acme","vers":"1.0.0","links":"z","deps":[
        {"name":"x","package":"real","req":"^1.2","features":["b","a"],"optional":true,
         "default_features":false,"target":"cfg(any(unix, windows))","kind":"normal"},
        {"name":"t","req":"*","features":[],"optional":false,"default_features":true,
         "target":null,"kind":"dev"},
        {"name":"cc","req":"^1","features":[""],"optional":false,"default_features":true,
         "target":null,"kind":"build","registry":null}],
        "features":{"default":["f"]},"features2":{"f":["dep:x","cc?/y"]},"v":2}"#;
    let found = format!(
        "{CARGO_TOML}links = 'z'\n[target.'cfg(any(unix,windows,))'.dependencies.x]\n\
         version = '1.2'\npackage = 'real'\noptional = true\ndefault-features = false\n\
         features = ['a', 'b']\nregistry-index = 'https://index.example/'\n\
         [build-dependencies]\ncc = '1'\n[features]\ndefault = ['f']\nf = ['cc?/y', 'dep:x']\n"
    );
    assert_eq!(cargo_against(line, &found), [] as [&str; 0]);
}

#[test]
fn disagreements_are_printable_and_bounded() {
    let many: Vec<String> = (0..500)
        .map(|n| format!("\"\\u001b\\u202e{n}\":\"1\""))
        .collect();
    let found = format!(
        r#"{{"name":"acme","version":"1.0.0","dependencies":{{{}}}}}"#,
        many.join(",")
    );
    let all = npm_against("{}", &found, &[]);
    assert_eq!(all.len(), Disagreement::MOST);
    assert!(all.iter().all(|it| !it.contains(['\u{1b}', '\u{202e}'])));
}
