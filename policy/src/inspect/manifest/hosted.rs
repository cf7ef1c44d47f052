//! Repositories on the hosting services npm has shorthands for: many spellings of one place.
//!
//! Publishing writes `user/repository` as `github:user/repository` or as `git+ssh://…`, depending on
//! the tool and its year; the archive keeps what the author wrote.

/// A service: its shorthand and its host.
const SERVICES: [(&str, &str); 3] = [
    ("github", "github.com"),
    ("gitlab", "gitlab.com"),
    ("bitbucket", "bitbucket.org"),
];

/// The specification in one spelling, if it is of a repository on such a service; unchanged if not.
pub(super) fn normalized(specification: &str) -> String {
    let text = specification.trim();
    let (place, commit) = match text.split_once('#') {
        Some((place, commit)) => (place, Some(commit)),
        None => (text, None),
    };
    match service_and_path(place) {
        None => text.to_owned(),
        Some((service, path)) => {
            let path = path.strip_suffix('/').unwrap_or(path);
            let path = path.strip_suffix(".git").unwrap_or(path);
            let commit = commit.filter(|it| !it.is_empty());
            let commit = commit.map_or(String::new(), |it| format!("#{it}"));
            format!("{service}:{path}{commit}")
        }
    }
}

fn service_and_path(place: &str) -> Option<(&'static str, &str)> {
    for (service, host) in SERVICES {
        let shorthand = place
            .strip_prefix(service)
            .and_then(|it| it.strip_prefix(':'));
        if let Some(path) = shorthand {
            return Some((service, path));
        }
        let address = place.strip_prefix("git+").unwrap_or(place);
        // Archives of a service are addresses of files, not of repositories.
        let is_repository = address.len() < place.len()
            || address.ends_with(".git")
            || !address.starts_with("http");
        let rest = match address.split_once("://") {
            Some((_, rest)) if is_repository => rest,
            Some(_) => continue,
            None => address,
        };
        let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
        let path = rest
            .strip_prefix(host)
            .and_then(|it| it.strip_prefix(['/', ':']));
        if let Some(path) = path {
            return Some((service, path));
        }
    }
    let is_word = |it: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !it.is_empty() && !it.starts_with('.') && it.chars().all(is_plain)
    };
    let (user, repository) = place.split_once('/')?;
    (is_word(user) && is_word(repository)).then_some(("github", place))
}

#[cfg(test)]
mod tests {
    use super::normalized;

    #[test]
    fn every_spelling_of_a_repository_is_one() {
        for spelling in [
            "ada/engine",
            "github:ada/engine",
            "git://github.com/ada/engine.git",
            "git+https://github.com/ada/engine.git",
            "git+ssh://git@github.com/ada/engine.git",
            "ssh://git@github.com/ada/engine",
            "git@github.com:ada/engine.git",
            "https://github.com/ada/engine.git",
        ] {
            assert_eq!(normalized(spelling), "github:ada/engine", "{spelling}");
            let at = format!("{spelling}#v1");
            assert_eq!(normalized(&at), "github:ada/engine#v1", "{spelling}");
        }
    }

    #[test]
    fn everything_else_stays() {
        for other in [
            "^1.0.0",
            "npm:@ada/engine@1",
            "file:../engine",
            "./ada/engine",
            "../engine",
            "https://github.com/ada/engine/archive/main.tar.gz",
            "https://files.example/ada/engine.tgz",
            "git+https://code.example/ada/engine.git",
            "@ada/engine",
        ] {
            assert_eq!(normalized(other), other);
        }
    }
}
