//! Words people add to a name: which of them mislead, and which are an honest family.

use crate::ecosystem::{CARGO, NPM, PYPI};
use crate::model::Ecosystem;

/// What a word added to a popular name claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Affix {
    /// The language or the registry itself: `lodash-js`, `python-requests`.
    Language,
    /// A version: `react-v18`, `pino-sdk-v2`, `discordpy3`.
    Version,
    /// That it is the newest, the mended or the only true one: `chalk-next`, `requests-official`.
    Better,
    /// A part of it: `react-core`, `axios-utils`.
    Part,
    /// Any other word.
    Other,
}

const LANGUAGES: [&str; 30] = [
    "app",
    "bin",
    "browser",
    "cargo",
    "cjs",
    "crate",
    "crates",
    "dll",
    "esm",
    "go",
    "java",
    "javascript",
    "js",
    "mjs",
    "node",
    "nodejs",
    "npm",
    "package",
    "pip",
    "pkg",
    "py",
    "pypi",
    "python",
    "python2",
    "python3",
    "rs",
    "rust",
    "rustlang",
    "ts",
    "typescript",
];

const BETTER: [&str; 34] = [
    "advanced",
    "beta",
    "better",
    "compat",
    "dev",
    "easy",
    "enhanced",
    "fast",
    "fix",
    "fixed",
    "fork",
    "free",
    "full",
    "install",
    "installer",
    "latest",
    "legacy",
    "lite",
    "mini",
    "modern",
    "new",
    "next",
    "official",
    "original",
    "patch",
    "patched",
    "plus",
    "pro",
    "real",
    "safe",
    "secure",
    "simple",
    "stable",
    "super",
];

const PARTS: [&str; 36] = [
    "addon",
    "api",
    "base",
    "build",
    "builder",
    "bundle",
    "check",
    "cli",
    "client",
    "common",
    "config",
    "core",
    "engine",
    "extra",
    "extras",
    "framework",
    "helper",
    "helpers",
    "kit",
    "lib",
    "library",
    "loader",
    "manager",
    "module",
    "plugin",
    "sdk",
    "server",
    "service",
    "test",
    "tool",
    "toolkit",
    "tools",
    "util",
    "utilities",
    "utils",
    "wrapper",
];

/// What a word says.
pub(super) fn affix(word: &[u8]) -> Affix {
    let is_among = |list: &[&str]| list.binary_search_by(|at| at.as_bytes().cmp(word)).is_ok();
    if is_version(word) {
        Affix::Version
    } else if is_among(&LANGUAGES) {
        Affix::Language
    } else if is_among(&BETTER) {
        Affix::Better
    } else if is_among(&PARTS) {
        Affix::Part
    } else {
        Affix::Other
    }
}

/// Whether a word is a version: digits, perhaps after `v`.
pub(super) fn is_version(word: &[u8]) -> bool {
    let digits = word.strip_prefix(b"v").unwrap_or(word);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Words that are run together with a name as well as set apart: `mysqljs`, `pytyper`.
pub(super) const JOINED: [&str; 12] = [
    "api", "http", "js", "lib", "node", "pip", "py", "python", "rs", "rust", "sdk", "ts",
];

/// The families that are made by putting a word before a name: plug-ins, types, bindings. Whoever
/// installs one means it; the name says of what kind it is, not that it were the thing itself.
fn before(ecosystem: &Ecosystem) -> &'static [&'static str] {
    if *ecosystem == PYPI {
        &[
            "airflow",
            "apache",
            "backports",
            "celery",
            "conda",
            "django",
            "drf",
            "fastapi",
            "flake8",
            "flask",
            "jupyter",
            "jupyterlab",
            "llama",
            "langchain",
            "mkdocs",
            "mypy",
            "opentelemetry",
            "pelican",
            "pydantic",
            "pylint",
            "pytest",
            "sphinx",
            "sphinxcontrib",
            "streamlit",
            "stubs",
            "tox",
            "trac",
            "types",
            "wagtail",
        ]
    } else if *ecosystem == NPM {
        &[
            "babel",
            "cordova",
            "create",
            "cypress",
            "ember",
            "eslint",
            "gatsby",
            "generator",
            "grunt",
            "gulp",
            "hubot",
            "jest",
            "karma",
            "nuxt",
            "postcss",
            "prettier",
            "remark",
            "rehype",
            "rollup",
            "storybook",
            "strapi",
            "stylelint",
            "tailwindcss",
            "vite",
            "vue",
            "webpack",
        ]
    } else if *ecosystem == CARGO {
        &[
            "axum",
            "bevy",
            "cargo",
            "embassy",
            "opentelemetry",
            "protobuf",
            "rocket",
            "serde",
            "sqlx",
            "tokio",
            "tower",
            "tracing",
        ]
    } else {
        &[]
    }
}

/// The families that are made by putting a word behind a name.
fn behind(ecosystem: &Ecosystem) -> &'static [&'static str] {
    if *ecosystem == CARGO {
        &[
            "codegen",
            "derive",
            "ffi",
            "impl",
            "internal",
            "internals",
            "macro",
            "macros",
            "shared",
            "src",
            "sys",
        ]
    } else if *ecosystem == PYPI {
        &["stubs", "types"]
    } else if *ecosystem == NPM {
        &["loader", "types", "typings"]
    } else {
        &[]
    }
}

/// Whether a name is of an honest family because it begins with that word.
pub(super) fn is_family_before(ecosystem: &Ecosystem, word: &[u8]) -> bool {
    before(ecosystem).iter().any(|at| at.as_bytes() == word)
}

/// Whether a name is of an honest family because it ends with that word.
pub(super) fn is_family_behind(ecosystem: &Ecosystem, word: &[u8]) -> bool {
    behind(ecosystem).iter().any(|at| at.as_bytes() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_for_searching() {
        assert!(LANGUAGES.is_sorted() && BETTER.is_sorted() && PARTS.is_sorted());
        assert_eq!(affix(b"js"), Affix::Language);
        assert_eq!(affix(b"v18"), Affix::Version);
        assert_eq!(affix(b"next"), Affix::Better);
        assert_eq!(affix(b"utils"), Affix::Part);
        assert_eq!(affix(b"v"), Affix::Other);
    }
}
