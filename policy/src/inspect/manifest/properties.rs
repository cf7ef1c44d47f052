//! Whatever an archive holds, reading its manifest ends, in bounds, and says the same each time.

use proptest::prelude::*;

use super::{Manifest, Reader, agree, cargo, npm};
use crate::ecosystem::{CARGO, NPM, PYPI, scheme_for};
use crate::inspect::archive::{Looked, Member, Sink};
use crate::inspect::fault::Faults;
use crate::inspect::limits::Limits;
use crate::model::{ArtifactId, ArtifactKind, Ecosystem, FileName, PackageVersion, Version};

fn read(ecosystem: &Ecosystem, file: &str, files: &[(String, Vec<u8>)]) -> Option<Manifest> {
    let artifact = ArtifactId {
        subject: PackageVersion {
            name: scheme_for(ecosystem).unwrap().package("acme").unwrap(),
            version: Version::verbatim("1.0.0"),
        },
        file: FileName::new(file).unwrap(),
        kind: ArtifactKind::Archive,
    };
    let mut reader = Reader::new(&artifact, &Limits::default());
    for (path, bytes) in files {
        let member = Member {
            path,
            size_bytes: bytes.len() as u64,
            mode: 0,
        };
        reader.wants(&member);
        reader.file(Looked {
            member: &member,
            sha256: [0; 32],
            bytes,
        });
    }
    let mut faults = Faults::default();
    let manifest = reader.finish(Some("root"), &mut faults);
    assert!(faults.first().iter().all(|it| it.detail.len() < 4_000));
    manifest
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("root/package.json".to_owned()),
        Just("root/Cargo.toml".to_owned()),
        Just("root/PKG-INFO".to_owned()),
        Just("acme-1.0.0.dist-info/METADATA".to_owned()),
        Just("acme-1.0.0.dist-info/RECORD".to_owned()),
        Just("acme-1.0.0.dist-info/entry_points.txt".to_owned()),
        Just("root/node_modules/a/package.json".to_owned()),
        "[a-z./-]{0,12}",
    ]
}

/// Texts in which the words of manifests are frequent.
fn content() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: [&str; 44] = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\n",
        "\r",
        "=",
        ".",
        " ",
        ";",
        "(",
        ")",
        "@",
        "\0",
        "name",
        "version",
        "acme",
        "1.0.0",
        "dependencies",
        "scripts",
        "install",
        "bin",
        "true",
        "null",
        "bundleDependencies",
        "peerDependenciesMeta",
        "[package]\n",
        "[dependencies]\n",
        "[target.x.dependencies]\n",
        "features",
        "package",
        "Name: acme\n",
        "Version: 1.0.0\n",
        "Requires-Dist: ",
        "Provides-Extra: ",
        "sha256=",
        "acme/a.py",
        "\"\"\"",
        "'",
        "é",
        "\u{feff}",
    ];
    let words = proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..60);
    prop_oneof![
        words.prop_map(|words| words.concat().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #[test]
    fn any_archive_is_read_without_a_panic_and_always_the_same(
        files in proptest::collection::vec((path(), content()), 0..8)
    ) {
        for (ecosystem, file) in [
            (&NPM, "acme-1.0.0.tgz"),
            (&CARGO, "acme-1.0.0.crate"),
            (&PYPI, "acme-1.0.0.tar.gz"),
            (&PYPI, "acme-1.0.0-py3-none-any.whl"),
        ] {
            let manifest = read(ecosystem, file, &files);
            prop_assert_eq!(&manifest, &read(ecosystem, file, &files));
            if let Some(manifest) = manifest {
                prop_assert_eq!(agree(&manifest, &manifest, ecosystem), []);
                let text = serde_json::to_string(&manifest).unwrap();
                prop_assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
            }
        }
    }

    #[test]
    fn any_declaration_is_read_without_a_panic(bytes in content()) {
        let declared = [npm::declared(&bytes), cargo::declared(&bytes)];
        for manifest in declared.into_iter().flatten() {
            prop_assert_eq!(agree(&manifest, &manifest, &NPM), []);
        }
    }
}
