//! Expressions: compiled and looked through once, when the policy is read.
//!
//! CEL always ends, but may take long or much memory first. What is allowed here is a part of it
//! in which neither can be: nothing joins or builds texts and lists, only lists are walked, and
//! how often each part of an expression can be evaluated is bounded and added up before it is
//! accepted. The same look finds names that do not exist and the facts an expression reads, so
//! that a fact that could not be learned holds a version whatever the expression would make of it.

use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::parser::{ParseErrors, PrattParser};
use cel::{Context, Env, Value};

use super::shape::{FIELDS, Field, Shape, field, longest_list, table};
use crate::config::text::{nearest, shown};
use crate::facts::{Fact, FactKind, VersionFacts};

/// Longest expression, in bytes.
pub(super) const MAX_BYTES: usize = 2_000;

/// Most elements of a list an expression may meet; longer lists hold the version, unlooked at.
pub(super) const MAX_LIST: usize = 128;

/// Most evaluations of parts of an expression. A part inside `exists` counts for each element the
/// list may have.
pub(super) const MAX_COST: usize = 100_000;

/// Deepest nesting the parser follows.
const MAX_NESTING: u16 = 24;

/// Most parts: operands, operators and calls.
const MAX_PARTS: usize = 500;

/// Deepest tree that is looked through and evaluated.
const MAX_DEPTH: usize = 24;

/// The variable that holds what is known.
const FACTS: &str = "facts";

/// Operators and functions that may be used.
const FUNCTIONS: [&str; 22] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::IN,
    operators::NOT_STRICTLY_FALSE,
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "double",
];

/// Those of them that give a number.
const NUMBERS: [&str; 8] = [
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
    "size",
    "double",
];

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// An expression that may be evaluated.
#[derive(Debug)]
pub(super) struct Expression {
    text: String,
    parsed: IdedExpr,
    reads: Vec<&'static Field>,
}

/// What came of an evaluation.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// It holds, or not.
    Is(bool),
    /// These facts were not asked for so far.
    Awaits(Vec<FactKind>),
    /// It cannot be told; why.
    Unknown(Option<FactKind>, String),
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What is wrong with it, and where in the text if that is known.
    pub(super) fn compile(text: &str) -> Result<Self, Refused> {
        if text.len() > MAX_BYTES {
            let why = format!("it has {} bytes, at most {MAX_BYTES} are read", text.len());
            return Err(Refused::anywhere(why));
        }
        let parsed = PrattParser::new()
            .max_recursion_depth(MAX_NESTING)
            .max_expression_node_count(MAX_PARTS)
            .parse(text)
            .map_err(|errors| Refused::syntax(text, &errors))?;
        let mut look = Look {
            text,
            variables: Vec::new(),
            reads: Vec::new(),
            cost: 0,
        };
        look.at(&parsed, 1, 0)?;
        let cost = look.cost;
        if cost > MAX_COST {
            let why = format!("it may take {cost} steps, at most {MAX_COST} are allowed");
            return Err(Refused::anywhere(why));
        }
        if !may_hold(&parsed) {
            return refuse("it gives a number, a text or a list, not true or false");
        }
        let reads = look.reads;
        if reads.is_empty() {
            constant(&parsed)?;
        }
        Ok(Self {
            text: text.to_owned(),
            parsed,
            reads,
        })
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The facts it reads.
    pub(super) fn kinds(&self) -> impl Iterator<Item = FactKind> + '_ {
        self.reads.iter().filter_map(|field| field.kind)
    }

    /// Evaluates it. A fact that could not be learned makes the outcome unknown even where the
    /// expression would come to the same without it.
    pub(super) fn evaluate(&self, facts: &VersionFacts) -> Outcome {
        let mut known = Vec::with_capacity(self.reads.len());
        let mut awaits = Vec::new();
        for field in &self.reads {
            match (field.read)(facts) {
                Fact::Known(value) if longest_list(&value) > MAX_LIST => {
                    let why = format!("`{}` has more than {MAX_LIST} elements", field.name);
                    return Outcome::Unknown(field.kind, why);
                }
                Fact::Known(value) => known.push((field.name, value)),
                // `has(facts.name)` is then false.
                Fact::Absent => {}
                Fact::Unavailable(cause) => {
                    let why = format!("`{}` could not be learned ({cause})", field.name);
                    return Outcome::Unknown(field.kind, why);
                }
                Fact::NotYet => match field.kind {
                    Some(kind) => awaits.push(kind),
                    None => {
                        return Outcome::Unknown(None, format!("`{}` is not known", field.name));
                    }
                },
            }
        }
        if !awaits.is_empty() {
            return Outcome::Awaits(awaits);
        }
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.add_variable_from_value(FACTS, table(known));
        match context.resolve(&self.parsed) {
            Ok(Value::Bool(holds)) => Outcome::Is(holds),
            Ok(other) => {
                let why = format!("it gives a {}, not true or false", other.type_of());
                Outcome::Unknown(None, why)
            }
            Err(error) => Outcome::Unknown(None, error.to_string()),
        }
    }
}

/// Why an expression is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// What is wrong.
    pub(super) why: String,
    /// The byte of the expression where it is, if that is known.
    pub(super) at: Option<usize>,
}

impl Refused {
    fn anywhere(why: String) -> Self {
        Self { why, at: None }
    }

    fn syntax(text: &str, errors: &ParseErrors) -> Self {
        let Some(first) = errors.errors.first() else {
            return Self::anywhere("it cannot be read".to_owned());
        };
        let (line, column) = first.pos;
        let before: usize = text
            .split_inclusive('\n')
            .take(usize::try_from(line - 1).unwrap_or(0))
            .map(str::len)
            .sum();
        let at = before + usize::try_from(column - 1).unwrap_or(0);
        Self {
            why: shown(&first.msg),
            at: Some(text.floor_char_boundary(at.min(text.len()))),
        }
    }
}

/// Looks through an expression, part by part.
struct Look<'a> {
    text: &'a str,
    /// Names bound by `exists` and its like around the part at hand.
    variables: Vec<(&'a str, Shape)>,
    reads: Vec<&'static Field>,
    cost: usize,
}

impl<'a> Look<'a> {
    /// Looks at a part that may be evaluated `times`, and says what it holds.
    fn at(&mut self, part: &'a IdedExpr, times: usize, depth: usize) -> Result<Shape, Refused> {
        self.cost = self.cost.saturating_add(times);
        if depth > MAX_DEPTH {
            return refuse(format!("it is nested deeper than {MAX_DEPTH}"));
        }
        match &part.expr {
            Expr::Literal(LiteralValue::Bytes(_)) => refuse("no fact is a sequence of bytes"),
            Expr::Literal(_) => Ok(Shape::Scalar),
            Expr::Ident(name) => self.identifier(name),
            Expr::Select(select) => {
                let held = self.operand(&select.operand, times, depth + 1)?;
                self.select(held, &select.field)
            }
            Expr::Call(call) => self.call(call, times, depth),
            Expr::List(list) => {
                for element in &list.elements {
                    if !matches!(element.expr, Expr::Literal(_)) {
                        return refuse("a list is written out, of texts and numbers");
                    }
                }
                if list.elements.len() > MAX_LIST {
                    let why = format!("a list of more than {MAX_LIST} elements");
                    return refuse(why);
                }
                self.cost = self.cost.saturating_add(times * list.elements.len());
                Ok(Shape::List(&Shape::Scalar))
            }
            Expr::Comprehension(walk) => self.walk(walk, times, depth),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                refuse("nothing is built in a condition")
            }
        }
    }

    /// The operand of a selection: `facts` may stand there, and nowhere else.
    fn operand(
        &mut self,
        part: &'a IdedExpr,
        times: usize,
        depth: usize,
    ) -> Result<Option<Shape>, Refused> {
        match &part.expr {
            Expr::Ident(name) if name == FACTS => Ok(None),
            _ => self.at(part, times, depth).map(Some),
        }
    }

    fn identifier(&self, name: &str) -> Result<Shape, Refused> {
        let bound = self
            .variables
            .iter()
            .rev()
            .find(|(bound, _)| *bound == name);
        if let Some((_, shape)) = bound {
            return Ok(*shape);
        }
        if name.starts_with('@') {
            return Ok(Shape::Scalar);
        }
        let why = match field(name) {
            Some(field) => format!("there is no `{name}`: write `{FACTS}.{}`", field.name),
            None if name == FACTS => format!("name a fact: `{FACTS}.name`"),
            None => format!("there is no `{}`: facts are under `{FACTS}`", shown(name)),
        };
        self.refuse_name(name, why)
    }

    fn select(&mut self, held: Option<Shape>, name: &str) -> Result<Shape, Refused> {
        let names: Vec<&'static str> = match held {
            None => {
                if let Some(field) = field(name) {
                    if !self.reads.iter().any(|read| read.name == field.name) {
                        self.reads.push(field);
                    }
                    return Ok(field.shape);
                }
                FIELDS.iter().map(|field| field.name).collect()
            }
            Some(Shape::Map(entries)) => {
                if let Some((_, shape)) = entries.iter().find(|(entry, _)| *entry == name) {
                    return Ok(*shape);
                }
                entries.iter().map(|(entry, _)| *entry).collect()
            }
            Some(Shape::Scalar | Shape::List(_)) => {
                let why = format!("there is nothing named `{}` in it", shown(name));
                return self.refuse_name(name, why);
            }
        };
        let help = match nearest(name, names.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        self.refuse_name(name, format!("there is no `{}`; {help}", shown(name)))
    }

    fn call(&mut self, call: &'a CallExpr, times: usize, depth: usize) -> Result<Shape, Refused> {
        let name = call.func_name.as_str();
        if !FUNCTIONS.contains(&name) && !counts(call) {
            let why = match name {
                operators::ADD => "`+` is not offered: nothing is joined in a condition".to_owned(),
                operators::INDEX | operators::OPT_INDEX => {
                    "`[]` is not offered: use `exists` for lists, and `.` for names".to_owned()
                }
                name => format!("there is no function `{}` here", shown(name)),
            };
            return self.refuse_name(name, why);
        }
        for part in call.target.iter().map(Box::as_ref).chain(&call.args) {
            self.at(part, times, depth + 1)?;
            // What is written out and cannot be worked out never can, whatever the facts.
            if matches!(part.expr, Expr::Call(_)) && is_constant(part) {
                resolve(part)?;
            }
        }
        Ok(Shape::Scalar)
    }

    /// `exists`, `all` and `exists_one`; those that build lists are refused.
    fn walk(
        &mut self,
        walk: &'a ComprehensionExpr,
        times: usize,
        depth: usize,
    ) -> Result<Shape, Refused> {
        if !matches!(walk.accu_init.expr, Expr::Literal(_)) {
            let why = "`map` and `filter` are not offered: use `exists`, `all` or `exists_one`";
            return refuse(why);
        }
        let Shape::List(element) = self.at(&walk.iter_range, times, depth + 1)? else {
            return refuse("only lists are walked");
        };
        if walk.iter_var == FACTS || walk.iter_var2.is_some() {
            let why = format!("the elements need one name of their own, not `{FACTS}`");
            return refuse(why);
        }
        self.variables.push((&walk.iter_var, *element));
        let most = match &walk.iter_range.expr {
            Expr::List(written) => written.elements.len(),
            _ => MAX_LIST,
        };
        let each = times.saturating_mul(most);
        for part in [&walk.loop_cond, &walk.loop_step] {
            self.at(part, each, depth + 1)?;
        }
        self.variables.pop();
        self.at(&walk.result, times, depth + 1)?;
        Ok(Shape::Scalar)
    }

    /// Refuses because of a name; points at it where it stands but once.
    fn refuse_name<T>(&self, name: &str, why: String) -> Result<T, Refused> {
        let mut places = self.text.match_indices(name).map(|(at, _)| at);
        let at = places.next().filter(|_| places.next().is_none());
        Err(Refused { why, at })
    }
}

/// Whether a part could be true or false. What a name holds is not looked into.
fn may_hold(part: &IdedExpr) -> bool {
    match &part.expr {
        Expr::Literal(literal) => matches!(literal, LiteralValue::Boolean(_)),
        Expr::List(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => false,
        Expr::Ident(_) | Expr::Select(_) | Expr::Comprehension(_) => true,
        Expr::Call(call) => match call.func_name.as_str() {
            operators::CONDITIONAL => call.args.iter().skip(1).all(may_hold),
            name => !NUMBERS.contains(&name),
        },
    }
}

/// Whether a part is written out, without a name in it.
fn is_constant(part: &IdedExpr) -> bool {
    match &part.expr {
        Expr::Literal(_) | Expr::List(_) => true,
        Expr::Call(call) => call
            .target
            .iter()
            .map(Box::as_ref)
            .chain(&call.args)
            .all(is_constant),
        _ => false,
    }
}

fn resolve(part: &IdedExpr) -> Result<Value, Refused> {
    let context = Context::with_env(Arc::clone(&ENVIRONMENT));
    let resolved = context.resolve(part);
    resolved.map_err(|error| Refused::anywhere(format!("it can never be judged: {error}")))
}

/// An expression that reads no fact.
fn constant(whole: &IdedExpr) -> Result<(), Refused> {
    match resolve(whole)? {
        Value::Bool(_) => Ok(()),
        other => refuse(format!("it gives a {}, not true or false", other.type_of())),
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::anywhere(why.into()))
}

/// The sum `exists_one` itself keeps.
fn counts(call: &CallExpr) -> bool {
    let is_own = |part: &IdedExpr| matches!(&part.expr, Expr::Ident(name) if name.starts_with('@'));
    call.func_name == operators::ADD && call.args.first().is_some_and(is_own)
}
