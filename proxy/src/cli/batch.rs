//! Lines of a batch, read one by one and never longer than agreed.

use std::io::{self, BufRead, Read as _};

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A line, in the buffer, without its end.
    Line,
    /// A line that is longer than it may be; it was passed over.
    TooLong,
    /// Nothing; that was all.
    End,
}

/// Reads the next line of at most `limit` bytes into `line`. One line that cannot be answered must
/// not leave the others without their answers.
///
/// # Errors
/// If the input cannot be read.
pub(super) fn next_line(
    input: &mut impl BufRead,
    limit: u64,
    line: &mut Vec<u8>,
) -> io::Result<Next> {
    line.clear();
    let mut limited = input.by_ref().take(limit.saturating_add(1));
    if limited.read_until(b'\n', line)? == 0 {
        return Ok(Next::End);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 > limit {
        line.clear();
        input.skip_until(b'\n')?;
        return Ok(Next::TooLong);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Next::Line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_rest_is_read() {
        let mut input: &[u8] = b"four\nfives\r\n\nsix666\n7777777\nlast";
        let mut line = Vec::new();
        let mut seen = Vec::new();
        loop {
            match next_line(&mut input, 5, &mut line).unwrap() {
                Next::End => break,
                Next::TooLong => seen.push("-".to_owned()),
                Next::Line => seen.push(String::from_utf8(line.clone()).unwrap()),
            }
        }
        assert_eq!(seen, ["four", "-", "", "-", "-", "last"]);
        let mut input: &[u8] = b"123456";
        assert_eq!(next_line(&mut input, 5, &mut line).unwrap(), Next::TooLong);
        assert_eq!(next_line(&mut input, 5, &mut line).unwrap(), Next::End);
    }
}
