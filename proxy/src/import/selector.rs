//! Nexus content selectors (CSEL): comparisons joined by `and`, `or` and parentheses.

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    /// What is compared: `format`, `path`, `age`.
    pub(super) left: String,
    /// `==`, `!=`, `=^`, `=~`, `<`, `<=`, `>`, `>=`.
    pub(super) operator: &'static str,
    /// With what.
    pub(super) right: String,
}

/// Most conjunctions a selector may have when it is multiplied out.
const MAX_ALTERNATIVES: usize = 64;

/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 32;

const OPERATORS: [&str; 8] = ["==", "!=", "=^", "=~", "<=", ">=", "<", ">"];

/// Reads a selector as alternatives, each a list of comparisons that must all hold.
///
/// # Errors
/// What cannot be read.
pub(super) fn alternatives(text: &str) -> Result<Vec<Vec<Comparison>>, String> {
    let mut reading = Reading {
        tokens: tokens(text)?,
        at: 0,
    };
    let found = reading.any(0)?;
    match reading.peek() {
        None => Ok(found),
        Some(token) => Err(format!("`{}` is not expected", token.text())),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Operator(&'static str),
    Word(String),
    Text(String),
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Open => "(",
            Self::Close => ")",
            Self::Operator(operator) => operator,
            Self::Word(text) | Self::Text(text) => text,
        }
    }

    fn is_word(&self, words: [&str; 2]) -> bool {
        matches!(self, Self::Word(word) if words.contains(&word.to_ascii_lowercase().as_str()))
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' => {
                found.push(Token::Open);
                1
            }
            ')' => {
                found.push(Token::Close);
                1
            }
            '"' | '\'' => {
                let inside = rest.get(1..).unwrap_or_default();
                let end = inside.find(first).ok_or("a text does not end")?;
                let text = inside.get(..end).unwrap_or_default();
                found.push(Token::Text(text.to_owned()));
                end + 2
            }
            _ => {
                let operator = OPERATORS.iter().find(|it| rest.starts_with(**it));
                let joined = ["&&", "||"].iter().find(|it| rest.starts_with(**it));
                if let Some(operator) = operator {
                    found.push(Token::Operator(operator));
                    operator.len()
                } else if let Some(joined) = joined {
                    found.push(Token::Word((*joined).to_owned()));
                    joined.len()
                } else {
                    let is_end = |c: char| c.is_whitespace() || "()\"'=<>!&|".contains(c);
                    let end = rest.find(is_end).unwrap_or(rest.len());
                    if end == 0 {
                        return Err(format!("`{first}` is not expected"));
                    }
                    found.push(Token::Word(rest.get(..end).unwrap_or_default().to_owned()));
                    end
                }
            }
        };
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(found)
}

struct Reading {
    tokens: Vec<Token>,
    at: usize,
}

impl Reading {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn any(&mut self, depth: usize) -> Result<Vec<Vec<Comparison>>, String> {
        let mut found = self.all(depth)?;
        while self.peek().is_some_and(|it| it.is_word(["or", "||"])) {
            self.at += 1;
            found.extend(self.all(depth)?);
        }
        bounded(found)
    }

    fn all(&mut self, depth: usize) -> Result<Vec<Vec<Comparison>>, String> {
        let mut found = self.one(depth)?;
        while self.peek().is_some_and(|it| it.is_word(["and", "&&"])) {
            self.at += 1;
            let right = self.one(depth)?;
            let joined = found.iter().flat_map(|left| {
                let right = right.iter();
                right.map(move |right| [left.as_slice(), right.as_slice()].concat())
            });
            found = bounded(joined.collect())?;
        }
        Ok(found)
    }

    fn one(&mut self, depth: usize) -> Result<Vec<Vec<Comparison>>, String> {
        if depth > MAX_DEPTH {
            return Err("nested too deeply".to_owned());
        }
        let left = match self.next() {
            Some(Token::Open) => {
                let inside = self.any(depth + 1)?;
                return match self.next() {
                    Some(Token::Close) => Ok(inside),
                    _ => Err("a `)` is missing".to_owned()),
                };
            }
            Some(Token::Word(word)) => word,
            Some(token) => return Err(format!("`{}` is not expected", token.text())),
            None => return Err("it ends too early".to_owned()),
        };
        let Some(Token::Operator(operator)) = self.next() else {
            return Err(format!("no comparison after `{left}`"));
        };
        match self.next() {
            Some(Token::Word(right) | Token::Text(right)) => Ok(vec![vec![Comparison {
                left,
                operator,
                right,
            }]]),
            _ => Err(format!("`{left}` is compared with nothing")),
        }
    }
}

fn bounded(found: Vec<Vec<Comparison>>) -> Result<Vec<Vec<Comparison>>, String> {
    match found.len() {
        0..=MAX_ALTERNATIVES => Ok(found),
        _ => Err(format!("more than {MAX_ALTERNATIVES} alternatives")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let found = alternatives(text).expect("it can be read");
        let word = |it: &Comparison| format!("{}{}{}", it.left, it.operator, it.right);
        found
            .iter()
            .map(|all| all.iter().map(word).collect::<Vec<_>>().join("&"))
            .collect()
    }

    #[test]
    fn alternatives_are_multiplied_out() {
        assert_eq!(
            words("(format == \"npm\" or format=='pypi') and age < 7"),
            ["format==npm&age<7", "format==pypi&age<7"]
        );
        assert_eq!(words("path =^ \"/a b/\" && age<=3"), ["path=^/a b/&age<=3"]);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let deep = "(".repeat(100);
        let wide = ["(a==1 or b==2)"; 10].join(" and ");
        for text in [
            "", "age", "age <", "(age < 7", "age < 7)", "= 3", "\"a", &deep, &wide,
        ] {
            assert!(alternatives(text).is_err(), "{text}");
        }
    }
}
