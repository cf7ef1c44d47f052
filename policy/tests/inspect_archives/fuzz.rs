//! The fuzz targets, for a moment: every seed, and as many changes of it as there is time for.

#[expect(unreachable_pub, reason = "a library of its own where it is fuzzed")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::io::Read as _;
use std::time::{Duration, Instant};

use super::cases;
use targets::TARGETS;

/// Changed seeds of a target.
const CHANGED: usize = 500;

/// No input may take longer; unoptimised code takes a few times as long as what is served with.
const LONGEST: Duration = Duration::from_secs(1);

const PACKAGE_JSON: [&str; 4] = [
    r#"{"name":"a","version":"1.0.0"}"#,
    r#"{"name":"a","version":"1.0.0","scripts":{"install":"node x"},"bin":"x.js","gypfile":false}"#,
    r#"{"name":"a","version":"v1.0.0","dependencies":{"b":"^1"},"optionalDependencies":{"b":"^1"},"bundleDependencies":["b"],"peerDependenciesMeta":{"c":{"optional":true}}}"#,
    r#"{"name":"\u0061","version":"1.0.0","license":{"type":"MIT"},"directories":{"bin":"x"},"licenses":[{"type":"MIT"}]}"#,
];

const METADATA: [&str; 4] = [
    "Metadata-Version: 2.1\nName: a\nVersion: 1.0.0\n\n",
    "Metadata-Version: 2.4\nName: a\nVersion: 1\nRequires-Dist: b[x]>=1; python_version<'3' and extra == 'y'\nProvides-Extra: y\nRequires-Python: >=3.8\nLicense-Expression: MIT\n\ntext\0a/__init__.py,sha256=1-Gz,6\na-1.0.0.dist-info/RECORD,,\n\0[console_scripts]\na = a:main\n",
    "Name: a\r\nVersion: 1.0.0\r\nDescription: one\r\n  two\r\nDynamic: Requires-Dist\r\n\0\"a\"\"b\",sha256=,1\n",
    "Metadata-Version: 2.1\nName: a\nName: b\nVersion: 1.0.0\nLicense: MIT\n",
];

const CARGO_TOML: [&str; 4] = [
    "[package]\nname = \"a\"\nversion = \"1.0.0\"\n",
    "[package]\nname = \"a\"\nversion = \"1.0.0\"\nlinks = \"z\"\nbuild = \"b.rs\"\n[lib]\nproc-macro = true\n[dependencies.b]\nversion = \"1\"\noptional = true\ndefault-features = false\nfeatures = [\"x\"]\n[features]\ndefault = [\"dep:b\"]\n",
    "[package]\nname = \"a\"\nversion = \"1.0.0\"\n[target.'cfg(windows)'.dependencies]\nc = { package = \"d\", version = \"2\", registry-index = \"https://x.example\" }\n[build-dependencies]\ne = \"*\"\n",
    r#"{"name":"a","vers":"1.0.0","deps":[{"name":"b","req":"^1","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal","package":"c"}],"features":{},"features2":{"x":["dep:b"]},"cksum":"00"}"#,
];

/// The seeds of a target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let texts = |texts: [&str; 4]| texts.map(|it| it.as_bytes().to_vec()).to_vec();
    match target {
        "package_json" => return texts(PACKAGE_JSON),
        "metadata" => return texts(METADATA),
        "cargo_toml" => return texts(CARGO_TOML),
        _ => {}
    }
    let mut seeds = Vec::new();
    for case in cases() {
        let (ecosystem, file) = case.file;
        let is_zip = file.ends_with(".whl") || file.ends_with(".zip");
        let is_gzip = file.ends_with(".tgz") || file.ends_with(".gz") || file.ends_with(".crate");
        let choice = match (ecosystem, file.ends_with(".zip")) {
            ("cargo", _) | (_, true) => 1,
            ("pypi", _) if is_gzip => 2,
            _ => 0,
        };
        let bytes = match target {
            "zip" if is_zip => case.bytes,
            "gzip" if is_gzip => case.bytes,
            "tar" if is_gzip => {
                let mut tar = Vec::new();
                let mut inflate = flate2::read::GzDecoder::new(&case.bytes[..]);
                // As far as it goes.
                let _ = inflate.read_to_end(&mut tar);
                tar
            }
            _ => continue,
        };
        if bytes.len() <= 1 << 16 {
            seeds.push([&[choice], &bytes[..]].concat());
        }
    }
    seeds
}

/// Numbers that look random, the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound.max(1)
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        const ODD: [u8; 12] = [
            0, 1, 0x20, 0x22, 0x2f, 0x30, 0x39, 0x50, 0x7f, 0x80, 0xfe, 0xff,
        ];
        let at = self.below(bytes.len());
        let end = (at + 1 + self.below(600)).min(bytes.len());
        match self.below(6) {
            0 | 1 if at < bytes.len() => bytes[at] = ODD[self.below(ODD.len())],
            2 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            3 => bytes.truncate(at),
            4 => bytes.extend_from_within(at.min(end)..end),
            _ => drop(bytes.drain(at.min(end)..end)),
        }
    }
}

#[test]
fn every_target_ends_in_time_for_every_seed_and_for_changed_ones() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
        let timed = |input: &[u8]| {
            let start = Instant::now();
            target(input);
            let took = start.elapsed();
            assert!(took < LONGEST, "{name}: {took:?} for {input:?}");
        };
        seeds.iter().for_each(|seed| timed(seed));
        for turn in 0..CHANGED {
            let mut input = seeds[turn % seeds.len()].clone();
            for _ in 0..=numbers.below(3) {
                numbers.change(&mut input);
            }
            timed(&input);
        }
    }
}

/// Writes the seeds where `CORDON_FUZZ_SEEDS` says, a folder for each target.
#[test]
#[ignore = "writes files for fuzzing"]
fn seeds_for_fuzzing() {
    let Some(folder) = std::env::var_os("CORDON_FUZZ_SEEDS") else {
        return;
    };
    // Of the repository, wherever tests are run.
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for (name, _) in TARGETS {
        let folder = root.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, seed) in seeds(name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
        }
    }
}
