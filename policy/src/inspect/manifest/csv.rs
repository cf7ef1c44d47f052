//! The lines of a wheel's RECORD.

/// One line: path, digest, size.
pub(super) type Row = [String; 3];

/// Reads a line of comma-separated values with `"` around those that hold commas.
///
/// # Errors
/// If it is not three values in the form Python's `csv` writes; the text says why.
pub(super) fn row(line: &str) -> Result<Row, &'static str> {
    let mut row = Row::default();
    let mut rest = Some(line);
    for value in &mut row {
        let text = rest.take().ok_or("it has fewer than three values")?;
        let (read, following) = match text.strip_prefix('"') {
            Some(quoted) => self::quoted(quoted)?,
            None => {
                let (read, following) = match text.split_once(',') {
                    Some((read, following)) => (read, Some(following)),
                    None => (text, None),
                };
                if read.contains(['"', '\r']) {
                    return Err("a value holds a quotation mark or a carriage return");
                }
                (read.to_owned(), following)
            }
        };
        *value = read;
        rest = following;
    }
    match rest {
        None => Ok(row),
        Some(_) => Err("it has more than three values"),
    }
}

/// The value up to its closing quotation mark, and what follows the comma behind it.
fn quoted(mut text: &str) -> Result<(String, Option<&str>), &'static str> {
    let mut read = String::new();
    loop {
        let (part, rest) = text
            .split_once('"')
            .ok_or("a quotation mark is not closed")?;
        read.push_str(part);
        match rest.strip_prefix('"') {
            Some(more) => {
                read.push('"');
                text = more;
            }
            None if rest.is_empty() => return Ok((read, None)),
            None => {
                let rest = rest.strip_prefix(',');
                let rest = rest.ok_or("something follows a closing quotation mark")?;
                return Ok((read, Some(rest)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn values_are_plain_or_quoted() {
        assert_eq!(row("a,b,c").unwrap(), ["a", "b", "c"]);
        assert_eq!(row("a/RECORD,,").unwrap(), ["a/RECORD", "", ""]);
        assert_eq!(row(r#""a,""b""",c,1"#).unwrap(), [r#"a,"b""#, "c", "1"]);
        assert_eq!(row(r#"a,b,"""#).unwrap(), ["a", "b", ""]);
    }

    #[test]
    fn anything_else_is_told() {
        for odd in [
            "",
            "a",
            "a,b",
            "a,b,c,d",
            "\"a,b,c",
            "\"a\"b,c,d",
            "a\"b,c,d",
            "a\rb,c,d",
            "a,b,c,",
        ] {
            assert!(row(odd).is_err(), "{odd:?}");
        }
    }
}
