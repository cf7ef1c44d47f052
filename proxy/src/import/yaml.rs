//! YAML as a tree that remembers lines. Aliases are refused: a few lines of them stand for gigabytes.

use saphyr_parser::{Event, Parser};

use super::ImportError;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// A value and its line.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Line of the file, from 1.
    pub(super) line: usize,
    /// What it is.
    pub(super) value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A text, a number, anything written as one.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file. Keys that are not texts are refused.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let found = self.entries().iter().find(|(name, _)| name == key);
        found.map(|(_, node)| node)
    }

    /// The entries of a mapping; nothing otherwise.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Text(_) | Value::List(_) => &[],
        }
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The texts of a list, or the one text, each with its line.
    pub(super) fn texts(&self) -> Vec<(usize, &str)> {
        match &self.value {
            Value::Text(text) => vec![(self.line, text)],
            Value::List(nodes) => nodes
                .iter()
                .filter_map(|node| Some((node.line, node.text()?)))
                .collect(),
            Value::Map(_) => Vec::new(),
        }
    }
}

/// Reads the first document of a file.
///
/// # Errors
/// What is no YAML, or an alias, with the line.
pub(super) fn read(text: &str) -> Result<Node, ImportError> {
    let mut open: Vec<(Node, Option<String>)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| ImportError::syntax(error.marker().line(), error.info()))?;
        let line = span.start.line();
        let value = match event {
            Event::Scalar(text, ..) => Value::Text(text.into_owned()),
            Event::SequenceStart(..) => {
                begin(&mut open, line, Value::List(Vec::new()))?;
                continue;
            }
            Event::MappingStart(..) => {
                begin(&mut open, line, Value::Map(Vec::new()))?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((node, _)) if open.is_empty() => return Ok(node),
                Some((node, _)) => {
                    put(&mut open, node)?;
                    continue;
                }
                None => continue,
            },
            Event::Alias(_) => {
                return Err(ImportError::syntax(
                    line,
                    "aliases (`*name`) are not followed; write out what they stand for",
                ));
            }
            _ => continue,
        };
        let node = Node { line, value };
        if open.is_empty() {
            return Ok(node);
        }
        put(&mut open, node)?;
    }
    Err(ImportError::Nothing("the file is empty"))
}

fn begin(
    open: &mut Vec<(Node, Option<String>)>,
    line: usize,
    value: Value,
) -> Result<(), ImportError> {
    if open.len() >= MAX_DEPTH {
        return Err(ImportError::syntax(line, "nested too deeply"));
    }
    open.push((Node { line, value }, None));
    Ok(())
}

/// Puts a finished value into what is open: an element, a key, or the value of the key before it.
fn put(open: &mut [(Node, Option<String>)], node: Node) -> Result<(), ImportError> {
    let Some((parent, key)) = open.last_mut() else {
        return Ok(());
    };
    match &mut parent.value {
        Value::List(nodes) => nodes.push(node),
        Value::Map(entries) => match key.take() {
            Some(name) => entries.push((name, node)),
            None => match node.value {
                Value::Text(name) => *key = Some(name),
                Value::List(_) | Value::Map(_) => {
                    return Err(ImportError::syntax(node.line, "a key that is not a text"));
                }
            },
        },
        Value::Text(_) => {}
    }
    Ok(())
}
