//! Plain lists: one digest, host or text a line; what begins with `#` is a comment.

use std::ops::Range;

use data_encoding::HEXLOWER_PERMISSIVE;

use super::limits::{LONGEST_TEXT, SHORTEST_TEXT};
use crate::config::source::SourceFile;
use crate::config::text::shown;

/// The lines of a list that say something, each with its place.
fn lines(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut next = 0;
    text.split_inclusive('\n').filter_map(move |raw| {
        let start = next + (raw.len() - raw.trim_start().len());
        next += raw.len();
        let line = raw.trim();
        let is_empty = line.is_empty() || line.starts_with('#');
        (!is_empty).then(|| (line, start..start + line.len()))
    })
}

/// SHA-256 digests in hexadecimal, each the first word of its line, as `sha256sum` writes them.
pub(super) fn hashes(file: &SourceFile<'_>, text: &str) -> Vec<[u8; 32]> {
    let read = lines(text).filter_map(|(line, at)| {
        let word = line.split_ascii_whitespace().next().unwrap_or_default();
        let bytes = HEXLOWER_PERMISSIVE.decode(word.as_bytes()).ok();
        let digest = bytes.and_then(|it| <[u8; 32]>::try_from(it).ok());
        if digest.is_none() {
            let message = format!("`{}` is not a SHA-256 digest", shown(word));
            file.error(
                "indicator-hash",
                &at,
                message,
                "write 64 hexadecimal digits",
            );
        }
        digest
    });
    read.collect()
}

/// Hosts, in lower case.
pub(super) fn domains(file: &SourceFile<'_>, text: &str) -> Vec<String> {
    let read = lines(text).filter_map(|(line, at)| {
        let word = line.split_ascii_whitespace().next().unwrap_or_default();
        let host = word.trim_start_matches("*.").trim_end_matches('.');
        let host = host.to_ascii_lowercase();
        let is_part = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_');
        let is_host = host.contains('.')
            && (SHORTEST_TEXT..=253).contains(&host.len())
            && host.chars().all(is_part)
            && host.split('.').all(|label| !label.is_empty());
        if !is_host {
            let message = format!("`{}` is not the name of a host", shown(word));
            let help = "write it without scheme, port and path: evil.example";
            file.error("indicator-domain", &at, message, help);
        }
        is_host.then_some(host)
    });
    read.collect()
}

/// Texts: the line without the spaces around it.
pub(super) fn strings<'t>(file: &SourceFile<'_>, text: &'t str) -> Vec<&'t str> {
    let read = lines(text).filter_map(|(line, at)| {
        let is_fit = (SHORTEST_TEXT..=LONGEST_TEXT).contains(&line.len());
        if !is_fit {
            let message = format!("a text of {} bytes", line.len());
            let help = format!("give {SHORTEST_TEXT} to {LONGEST_TEXT} bytes");
            file.error("indicator-text", &at, message, help);
        }
        is_fit.then_some(line)
    });
    read.collect()
}
