//! Paths in a Nexus repository, and regular expressions about them, as names of packages.
//!
//! What comes out covers at least what was meant. Where it covers more, because a pattern here is
//! about names and not about files, that is said.

/// Most names one pattern is expanded to.
const MAX_NAMES: usize = 64;

/// Deepest nesting of groups.
const MAX_DEPTH: usize = 16;

/// Folders before the name of a package, in the layouts of the three ecosystems.
const FOLDERS: [&str; 5] = ["api/v1/crates", "simple", "crates", "packages", "pypi"];

/// How a path is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparing {
    /// The whole path is the text.
    Whole,
    /// The path begins with the text.
    Start,
    /// The whole path matches a regular expression.
    Expression,
}

/// The packages a path is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Names and patterns as a policy writes them.
    pub(super) names: Vec<String>,
    /// Whether they hold more than the path does.
    pub(super) is_wider: bool,
}

/// The packages a comparison of a path is about.
///
/// # Errors
/// Why it names none.
pub(super) fn named(
    comparing: Comparing,
    text: &str,
    has_scopes: bool,
) -> Result<Named, &'static str> {
    let mut found = Named::default();
    let globs = match comparing {
        Comparing::Whole => vec![text.to_owned()],
        Comparing::Start => vec![format!("{text}*")],
        Comparing::Expression => {
            let mut reading = Reading {
                rest: text.chars().peekable(),
                is_wider: false,
            };
            let globs = reading.any(0)?;
            if reading.rest.peek().is_some() {
                return Err("a `)` is not expected");
            }
            found.is_wider = reading.is_wider;
            globs
        }
    };
    for glob in globs {
        found.add(&glob, has_scopes)?;
    }
    found.names.dedup();
    match found.names.len() {
        0..=MAX_NAMES => Ok(found),
        _ => Err("it names too many packages"),
    }
}

impl Named {
    /// Adds what a pattern of paths names.
    fn add(&mut self, glob: &str, has_scopes: bool) -> Result<(), &'static str> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.~@/*?".contains(c);
        if !glob.chars().all(is_plain) {
            return Err("it holds what no name can");
        }
        let path = glob.trim_start_matches('/');
        let inside = FOLDERS
            .iter()
            .find_map(|folder| path.strip_prefix(folder)?.strip_prefix('/'));
        let path = inside.unwrap_or(path);
        let mut segments = path.split('/').map(single_stars);
        let mut first = segments.next().unwrap_or_default();
        let mut rest: Vec<String> = segments.collect();
        // `.*/name/…`: the name stands behind whatever comes before it.
        let is_anywhere = first.starts_with('*');
        if first == "*" && !rest.is_empty() {
            first = rest.remove(0);
        }
        if !first.chars().any(char::is_alphanumeric) {
            return Err("it names every package");
        }
        if first.starts_with('@') {
            let name = match rest.is_empty() {
                true => String::new(),
                false => rest.remove(0),
            };
            let name = if name.is_empty() { "*" } else { &name };
            self.names.push(format!("{first}/{name}"));
        } else {
            if is_anywhere && has_scopes {
                self.names.push(format!("@*/{first}"));
                if first.starts_with('*') {
                    self.names.push(format!("@{first}/*"));
                }
            }
            self.names.push(first);
        }
        let is_file = |segment: &String| segment.chars().any(char::is_alphanumeric);
        self.is_wider |= rest.iter().any(is_file);
        Ok(())
    }
}

/// Stars that follow each other are one.
fn single_stars(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for c in segment.chars() {
        if c != '*' || !out.ends_with('*') {
            out.push(c);
        }
    }
    out
}

/// Reads a regular expression as the patterns it stands for.
struct Reading<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    is_wider: bool,
}

/// A part of an expression.
enum Part {
    /// One of a set of characters.
    Class,
    /// One of some texts.
    Texts(Vec<String>),
}

impl Reading<'_> {
    fn any(&mut self, depth: usize) -> Result<Vec<String>, &'static str> {
        if depth > MAX_DEPTH {
            return Err("it is nested too deeply");
        }
        let mut found = self.sequence(depth)?;
        while self.rest.next_if_eq(&'|').is_some() {
            found.extend(self.sequence(depth)?);
        }
        bounded(found)
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<String>, &'static str> {
        let mut found = vec![String::new()];
        while let Some(c) = self.rest.next_if(|c| !"|)".contains(*c)) {
            let part = self.part(c, depth)?;
            let texts = self.repeated(part)?;
            let joined = found
                .iter()
                .flat_map(|left| texts.iter().map(move |right| format!("{left}{right}")));
            found = bounded(joined.collect())?;
        }
        Ok(found)
    }

    fn part(&mut self, first: char, depth: usize) -> Result<Part, &'static str> {
        let one = |text: String| Part::Texts(vec![text]);
        Ok(match first {
            '^' | '$' => one(String::new()),
            '.' => Part::Class,
            '[' => {
                let mut is_first = true;
                loop {
                    match self.rest.next() {
                        None => return Err("a `]` is missing"),
                        Some('^') if is_first => continue,
                        Some(']') if !is_first => break,
                        Some(_) => is_first = false,
                    }
                }
                self.is_wider |= self.rest.peek().is_none_or(|c| !"*+".contains(*c));
                Part::Class
            }
            '\\' => match self.rest.next() {
                Some('d' | 'w') => Part::Class,
                Some(c) if c.is_ascii_punctuation() => one(c.to_string()),
                _ => return Err("such escapes are not known here"),
            },
            '(' => {
                if self.rest.next_if_eq(&'?').is_some() && self.rest.next_if_eq(&':').is_none() {
                    return Err("such groups are not known here");
                }
                let inside = self.any(depth + 1)?;
                if self.rest.next() != Some(')') {
                    return Err("a `)` is missing");
                }
                Part::Texts(inside)
            }
            '*' | '+' | '?' | '{' => return Err("nothing is repeated"),
            c => one(c.to_string()),
        })
    }

    fn repeated(&mut self, part: Part) -> Result<Vec<String>, &'static str> {
        let is_often = self.rest.next_if(|c| "*+".contains(*c)).is_some();
        let is_optional = !is_often && self.rest.next_if_eq(&'?').is_some();
        if is_often {
            // How greedily it matches does not change what it matches.
            let _ = self.rest.next_if(|c| "?+".contains(*c));
        }
        if self.rest.peek() == Some(&'{') {
            return Err("counted repetition is not known here");
        }
        Ok(match part {
            Part::Class if is_often => vec!["*".to_owned()],
            Part::Class if is_optional => vec!["?".to_owned(), String::new()],
            Part::Class => vec!["?".to_owned()],
            Part::Texts(_) if is_often => {
                self.is_wider = true;
                vec!["*".to_owned()]
            }
            Part::Texts(mut texts) => {
                if is_optional {
                    texts.push(String::new());
                }
                texts
            }
        })
    }
}

fn bounded(found: Vec<String>) -> Result<Vec<String>, &'static str> {
    match found.len() {
        0..=MAX_NAMES => Ok(found),
        _ => Err("it has too many alternatives"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(comparing: Comparing, text: &str) -> String {
        match named(comparing, text, true) {
            Ok(named) => {
                let wider = if named.is_wider { " and more" } else { "" };
                format!("{}{wider}", named.names.join(" "))
            }
            Err(why) => why.to_owned(),
        }
    }

    #[test]
    fn expressions_name_packages() {
        for (text, meant) in [
            (
                "^/(event-stream|flatmap-stream)/.*",
                "event-stream flatmap-stream",
            ),
            (
                ".*event-stream.*",
                "@*/*event-stream* @*event-stream*/* *event-stream*",
            ),
            ("/event-stream.*", "event-stream*"),
            (".*/event-stream/.*", "@*/event-stream event-stream"),
            ("^/@acme/.*$", "@acme/*"),
            ("/@acme/(a|b)/.*", "@acme/a @acme/b"),
            (r"/(?:simple|packages)/left\-pad/[^/]+", "left-pad"),
            ("/colou?r/.*", "colour color"),
            ("/left.pad/-/.*", "left?pad"),
            (r"/left-pad/-/left-pad-1\.3\.0\.tgz", "left-pad and more"),
            ("/a[bc]/.*", "a? and more"),
            (".*", "it names every package"),
            ("/.*/.*", "it names every package"),
            ("(?i)/a/.*", "such groups are not known here"),
            ("/(a/.*", "a `)` is missing"),
            ("/a)/.*", "a `)` is not expected"),
            ("/[a", "a `]` is missing"),
            ("/a{3}/", "counted repetition is not known here"),
            (r"/a\b/", "such escapes are not known here"),
            ("/a b/", "it holds what no name can"),
        ] {
            assert_eq!(names(Comparing::Expression, text), meant, "{text}");
        }
        let wide = "(a|b)".repeat(10);
        assert_eq!(
            names(Comparing::Expression, &wide),
            "it has too many alternatives"
        );
        let deep = "(".repeat(100);
        assert_eq!(
            names(Comparing::Expression, &deep),
            "it is nested too deeply"
        );
    }

    #[test]
    fn texts_name_packages() {
        assert_eq!(names(Comparing::Start, "/@acme/"), "@acme/*");
        assert_eq!(names(Comparing::Start, "/@acme"), "@acme*/*");
        assert_eq!(names(Comparing::Start, "/left-pad/"), "left-pad");
        assert_eq!(names(Comparing::Start, "/left-pad"), "left-pad*");
        assert_eq!(names(Comparing::Start, "/"), "it names every package");
        let file = "/left-pad/-/left-pad-1.3.0.tgz";
        assert_eq!(names(Comparing::Whole, file), "left-pad and more");
        assert_eq!(
            named(Comparing::Expression, ".*evil.*", false)
                .expect("names")
                .names,
            ["*evil*"]
        );
    }
}
