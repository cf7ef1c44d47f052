//! The headers of core metadata, as CPython's `email` package reads them.
//!
//! Installers do not agree on what ends the headers or continues a line. Here only the reading all
//! share is taken; anything else is told.

/// Fields, and what readers could take differently.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// Names in lower case with their values, continued lines joined by a space.
    fields: Vec<(String, String)>,
    /// What is odd, a few.
    pub(super) odd: Vec<String>,
}

/// Fields read, at most; the largest real file has some two thousand.
const MAX_FIELDS: usize = 20_000;

/// Oddities kept.
const MAX_ODD: usize = 8;

/// Fields that may stand once (core metadata 1.0 to 2.5) and that installers or people go by.
const SINGLE: [&str; 8] = [
    "metadata-version",
    "name",
    "version",
    "summary",
    "license",
    "license-expression",
    "requires-python",
    "description-content-type",
];

impl Headers {
    /// Reads the headers up to the first empty line.
    ///
    /// # Errors
    /// If there are too many.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut headers = Self::default();
        if text.starts_with('\u{feff}') {
            headers.odd("it begins with a byte order mark");
        }
        for line in text.trim_start_matches('\u{feff}').split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() {
                break;
            }
            if headers.fields.len() >= MAX_FIELDS {
                return Err(format!("it has more than {MAX_FIELDS} fields"));
            }
            headers.line(line);
        }
        for name in SINGLE {
            if headers.all(name).nth(1).is_some() {
                headers.odd(&format!("`{name}` stands twice"));
            }
        }
        Ok(headers)
    }

    fn line(&mut self, line: &str) {
        if line.contains(['\r', '\0']) {
            self.odd("a line holds a carriage return or a NUL");
        }
        if line.starts_with([' ', '\t']) {
            match self.fields.last_mut() {
                Some((_, value)) => {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                None => self.odd("it begins with a continued line"),
            }
            return;
        }
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
        match line.split_once(':') {
            Some((name, value)) if is_name(name) => {
                self.fields
                    .push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            _ => self.odd(&format!(
                "the line `{line}` before the first empty one is no field"
            )),
        }
    }

    fn odd(&mut self, what: &str) {
        if self.odd.len() < MAX_ODD {
            self.odd.push(what.to_owned());
        }
    }

    /// All values of a field, in order. `name` in lower case.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let of = move |(field, _): &&(String, String)| *field == name;
        self.fields
            .iter()
            .filter(of)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a field, `None` where it is missing, empty or `UNKNOWN`, as old tools write.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        let value = self.all(name).next()?;
        (!value.is_empty() && value != "UNKNOWN").then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_end_at_the_first_empty_line() {
        let headers =
            Headers::read("Name: a\r\nLicense: MIT\r\n  and: more\r\n\r\nVersion: 2\r\n").unwrap();
        assert_eq!(headers.first("name"), Some("a"));
        assert_eq!(headers.first("license"), Some("MIT and: more"));
        assert_eq!(headers.first("version"), None);
        assert!(headers.odd.is_empty());
    }

    #[test]
    fn what_readers_take_differently_is_told() {
        for odd in [
            "\u{feff}Name: a\n",
            " Name: a\n",
            "Name: a\rVersion: 1\n",
            "Name : a\n",
            "Name: a\nno field\nVersion: 1\n",
            "From somebody\nName: a\n",
            ": a\n",
            "Name: a\nname: b\n",
            "Name: a\0\n",
        ] {
            assert_eq!(Headers::read(odd).unwrap().odd.len(), 1, "{odd:?}");
        }
        assert!(Headers::read(&"A: b\n".repeat(MAX_FIELDS + 1)).is_err());
    }
}
