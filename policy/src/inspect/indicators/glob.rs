//! Which files a rule is about.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// The files of these patterns. One without a slash is about names, whatever folder they are in.
///
/// # Errors
/// What is wrong with which pattern, by its place in the list.
pub(super) fn files<'p>(
    patterns: impl IntoIterator<Item = &'p str>,
) -> Result<GlobSet, (usize, String)> {
    let mut all = GlobSetBuilder::new();
    for (at, pattern) in patterns.into_iter().enumerate() {
        let whole = match pattern.contains('/') {
            true => pattern.to_owned(),
            false => format!("**/{pattern}"),
        };
        let glob = GlobBuilder::new(&whole)
            .literal_separator(true)
            .case_insensitive(true)
            .build();
        all.add(glob.map_err(|error| (at, error.kind().to_string()))?);
    }
    all.build().map_err(|error| (0, error.kind().to_string()))
}
