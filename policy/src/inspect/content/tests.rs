//! Both ways to read a file, and what is found in what they read.

use super::analyse::analyse;
use super::capability::Capability;
use super::facts::When;
use super::token::{Language, Source};
use super::{scan, tree::Parsers};

/// What a file does, in order: capability, line, when.
fn found(language: Language, source: &Source<'_>) -> Vec<(&'static str, u32, When)> {
    let analysis = analyse(language, source);
    let named = |it: &super::analyse::Found| (it.capability.name(), it.line, it.when);
    analysis.found.iter().map(named).collect()
}

/// What both ways to read find, which must be the same.
fn both(language: Language, text: &str) -> Vec<(&'static str, u32, When)> {
    let tree = Parsers::default().read(language, text);
    let by_tree = found(language, &tree.expect("the text is well formed"));
    let by_tokens = found(language, &scan::read(language, text));
    assert_eq!(by_tree, by_tokens, "{text}");
    by_tree
}

fn names(language: Language, text: &str) -> Vec<&'static str> {
    let found = both(language, text);
    found.into_iter().map(|(name, _, _)| name).collect()
}

#[test]
fn javascript_is_followed_through_imports_aliases_and_spellings() {
    for (text, expected) in [
        ("require('child_process').exec(a)", &["process"][..]),
        (
            "const cp = require('node:child_process');\ncp.execSync(a)",
            &["process"],
        ),
        (
            "const { exec: run } = require('child_' + 'process'); run(a)",
            &["process"],
        ),
        (
            "import { spawn as x } from 'child_process';\nx(a)",
            &["process"],
        ),
        (
            "import * as cp from 'child_process'; cp['ex' + 'ec'](a)",
            &["process"],
        ),
        (r"require('\x63hild_process').exec(a)", &["process"]),
        (
            "var _c = _interopRequireDefault(require('child_process')); (0, _c.default.exec)(a)",
            &["process"],
        ),
        (
            "const run = promisify(require('child_process').exec); run(a)",
            &["process"],
        ),
        ("(await import('child_process')).exec(a)", &["process"]),
        (
            "const { default: x } = await import('child_process'); x.exec(a)",
            &["process"],
        ),
        ("globalThis['fetch'](a)", &["network"]),
        ("new XMLHttpRequest()", &["network"]),
        (
            "fetch(`${a}`, { body: JSON.stringify(process['env']) })",
            &["network", "environment"],
        ),
        ("spawn(a, { env: process.env })", &[]),
        (
            "eval(a); eval('1'); new Function('return this')()",
            &["dynamic-code"],
        ),
        ("regex.exec(a); /child_process.exec(a)/.test(b)", &[]),
        (
            "// require('child_process').exec(a)\n'child_process.exec(a)'",
            &[],
        ),
        ("if (process.env.NPM_TOKEN) {}", &["secret-variable"]),
        ("window.fetch = function (a) {}", &["network-hook"]),
        ("let e = require('child_process'); e = 1; e.exec(a)", &[]),
        ("a / b; require('child_process').exec(c) / d", &["process"]),
        (
            "`a ${`b ${require('child_process').exec(a)}`} c`",
            &["process"],
        ),
        (
            "fs.chmodSync(p, 0o755); require('fs').chmodSync(p, 0o755); require('fs').chmodSync(p, 0o644)",
            &["make-executable"],
        ),
    ] {
        assert_eq!(names(Language::JavaScript, text), expected, "{text}");
    }
}

#[test]
fn python_is_followed_through_imports_aliases_and_spellings() {
    for (text, expected) in [
        (
            "import os, subprocess as sp\nsp.run(a)\nos.system(b)\n",
            &["process", "process"][..],
        ),
        ("from os import system as s\ns(a)\n", &["process"]),
        ("from os import *\nsystem(a)\n", &["process"]),
        (
            "from subprocess import (\n    run,\n    Popen as P,\n)\nP(a)\n",
            &["process"],
        ),
        (
            "import urllib.request\nurllib.request.urlopen(a)\n",
            &["network"],
        ),
        ("import urllib.request as r\nr.urlopen(a)\n", &["network"]),
        ("__import__('o' 's').system(a)\n", &["process"]),
        ("import os\ngetattr(os, 'sys' + 'tem')(a)\n", &["process"]),
        (
            "import importlib\nimportlib.import_module('subprocess').run(a)\n",
            &["process"],
        ),
        ("requests = []\nrequests.get(a)\n", &[]),
        (
            "import base64\nexec(base64.b64decode('aGVsbG8gd29ybGQ='))\n",
            &["dynamic-code", "decode"],
        ),
        ("re.compile(a)\nmodel.eval()\n", &[]),
        ("# os.system(a)\n'''import os\nos.system(b)'''\n", &[]),
        (
            "import os\nd = dict(os.environ)\ne = os.environ['HOME']\nf(env=os.environ)\n",
            &["environment"],
        ),
        ("open(f'{home}/.aws/credentials')\n", &["credential-path"]),
    ] {
        assert_eq!(names(Language::Python, text), expected, "{text}");
    }
}

#[test]
fn rust_is_followed_through_use() {
    for (text, expected) in [
        (
            "use std::process::Command;\nfn main() { Command::new(\"sh\"); }",
            &["process"][..],
        ),
        (
            "use std::{net::{self, TcpStream as T}, process};\nfn f() { T::connect(a); process::Command::new(b); }",
            &["network", "process"],
        ),
        (
            "fn f() { ureq::post(\"https://x.invalid\"); std::env::vars(); }",
            &["network", "environment"],
        ),
        (
            "/* /* std::process::Command::new(a) */ */ fn f<'a>(x: &'a str) {}",
            &[],
        ),
        (
            "fn f() { let s = r#\"std::process::Command::new(\"a\")\"#; }",
            &[],
        ),
    ] {
        assert_eq!(names(Language::Rust, text), expected, "{text}");
    }
}

#[test]
fn typescript_is_read_with_its_types() {
    let text = "import { exec } from 'child_process';\nexport const run = (a: string): void => { exec(a as string) };\n";
    assert_eq!(names(Language::TypeScript, text), ["process"]);
    let text = "const a = <T extends unknown>(x: T) => <b>{fetch(x)}</b>;";
    let tree = Parsers::default().read(Language::Tsx, text);
    assert_eq!(found(Language::Tsx, &tree.expect("well formed")).len(), 1);
}

#[test]
fn what_runs_when_loaded_is_told_from_what_runs_when_called() {
    let process = |language, text: &str| {
        let all = both(language, text);
        let found = all.iter().find(|(name, _, _)| *name == "process");
        found.expect("a program is started").2
    };
    let head = "const { exec } = require('child_process');";
    for (text, when) in [
        ("exec(a)", When::Load),
        ("function f() { exec(a) }", When::Call),
        ("function f() { exec(a) }\nf()", When::Load),
        ("const f = async () => { exec(a) }\nf()", When::Load),
        ("(function () { exec(a) })()", When::Load),
        ("!function () { exec(a) }()", When::Load),
        ("(() => { exec(a) })()", When::Load),
        ("setTimeout(() => { exec(a) }, 1)", When::Load),
        ("class A { f() { exec(a) } }", When::Call),
        ("module.exports = function () { exec(a) }", When::Call),
        ("function g() { exec(a) }\nfunction f() { g() }", When::Call),
        ("if (a) { exec(a) }", When::Load),
    ] {
        let text = format!("{head}\n{text}\n");
        assert_eq!(process(Language::JavaScript, &text), when, "{text}");
    }
    for (text, when) in [
        ("os.system(a)", When::Load),
        ("def f():\n    os.system(a)\n", When::Call),
        ("def f():\n    os.system(a)\nf()\n", When::Load),
        ("class A:\n    os.system(a)\n", When::Load),
        ("try:\n    os.system(a)\nexcept E:\n    pass\n", When::Load),
        ("def f():\n    pass\nos.system(a)\n", When::Load),
    ] {
        let text = format!("import os\n{text}\n");
        assert_eq!(process(Language::Python, &text), when, "{text}");
    }
}

#[test]
fn only_the_grammar_knows_tests_and_main_programs() {
    let when = |language, text: &str| {
        let tree = Parsers::default()
            .read(language, text)
            .expect("well formed");
        found(language, &tree)[0].2
    };
    let text = "#[cfg(test)]\nmod tests { fn f() { std::process::Command::new(a); } }";
    assert_eq!(when(Language::Rust, text), When::Test);
    let text = "#[cfg(test)]\nuse a::b;\nfn f() { std::process::Command::new(a); }";
    assert_eq!(when(Language::Rust, text), When::Call);
    let text = "import os\nif __name__ == '__main__':\n    os.system(a)\n";
    assert_eq!(when(Language::Python, text), When::Call);
}

#[test]
fn heads_of_functions_without_brackets_end_no_scan() {
    for text in [
        "f(a => {",
        "(((a => { b(",
        "x = { y: f(async a => { child_process.exec(a",
    ] {
        scan::read(Language::JavaScript, text);
    }
}

#[test]
fn damaged_and_deep_source_is_read_by_its_tokens() {
    let deep = format!("{}require('child_process').exec(a)", "[".repeat(20_000));
    for text in [
        deep.as_str(),
        "const x = ;;; )))( require('child_process').exec(a) ]]]{{{",
    ] {
        let source = match Parsers::default().read(Language::JavaScript, text) {
            Some(source) => source,
            None => scan::read(Language::JavaScript, text),
        };
        let found = found(Language::JavaScript, &source);
        assert_eq!(found.len(), 1, "{found:?}");
        let by_tokens = scan::read(Language::JavaScript, text);
        let analysis = analyse(Language::JavaScript, &by_tokens);
        assert_eq!(analysis.found[0].capability, Capability::Process);
    }
}

proptest::proptest! {
    /// No text makes the readers fail, and none is told differently twice.
    #[test]
    fn any_text_is_read(text in "[a-z(){}\\[\\]'\"`$\\\\/*# \n.:=+,<!]{0,200}|\\PC{0,100}") {
        for language in [Language::JavaScript, Language::Tsx, Language::Python, Language::Rust] {
            let source = scan::read(language, &text);
            let first = found(language, &source);
            proptest::prop_assert_eq!(found(language, &scan::read(language, &text)), first);
            if let Some(tree) = Parsers::default().read(language, &text) {
                found(language, &tree);
            }
        }
    }
}
