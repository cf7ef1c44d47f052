//! What goes where in one file: fetched and decoded data that is run, and the environment that is
//! sent, however many names stand between.

use std::collections::BTreeMap;
use std::ops::Range;

use super::analyse::{Analysis, Detail, Found};
use super::capability::Capability;
use super::facts::When;
use super::flow::Flow;
use super::follow_python::follow_python;
use super::follow_rust::follow_rust;
use super::strings::{self, Command};
use super::token::{Language, Source, TokenKind};

/// Tokens after a connection is opened in which something is sent over it.
const SENDS_WITHIN: usize = 250;
/// Calls of one capability that are followed.
const FOLLOWED: usize = 200;

/// Places that mean something only with others, each in order.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// Calls that decode something, whatever.
    pub(super) decodes: Vec<usize>,
    /// Mentions of the whole environment.
    pub(super) environments: Vec<usize>,
    /// Calls that receive something from a connection.
    pub(super) receives: Vec<usize>,
    /// Calls that give a line to a shell.
    pub(super) shells: Vec<usize>,
    /// Where the file of another package is looked up.
    pub(super) others: Vec<usize>,
    /// Calls that load a module or library from a file.
    pub(super) loads: Vec<usize>,
    /// Where functions of libraries are replaced, and by what.
    pub(super) replaced: Vec<(usize, Range<usize>)>,
    /// Where memory is made executable.
    pub(super) memories: Vec<usize>,
    /// Where something at an address is made a function.
    pub(super) addresses: Vec<usize>,
    /// Whether the file carries bytes that are no text.
    pub(super) has_bytes: bool,
    /// Where the settings of Python's installer are named.
    pub(super) installer_settings: Vec<usize>,
    /// Where an index of packages is named.
    pub(super) indexes: Vec<usize>,
    /// Where a folder is walked through: the name before the bracket.
    pub(super) walks: Vec<usize>,
    /// The brackets that open the arguments of what was found, by its place.
    pub(super) opens: BTreeMap<usize, usize>,
}

/// Places kept of each.
const HINTS: usize = 2_000;

impl Hints {
    /// Whether something was noticed that only Python has.
    fn is_of_python(&self) -> bool {
        let noticed = [
            &self.loads,
            &self.memories,
            &self.installer_settings,
            &self.walks,
        ];
        !self.replaced.is_empty() || noticed.iter().any(|it| !it.is_empty())
    }

    pub(super) fn keep(list: &mut Vec<usize>, at: usize) {
        if list.len() < HINTS {
            list.push(at);
        }
    }

    /// Remembers where the arguments of a call begin.
    pub(super) fn opened(&mut self, at: usize, open: Option<usize>) {
        if let Some(open) = open
            && self.opens.len() < HINTS
        {
            self.opens.insert(at, open);
        }
    }
}

/// Looks where things go, and tells it with what was found.
pub(super) fn follow(
    language: Language,
    source: &Source<'_>,
    hints: &Hints,
    analysis: &mut Analysis,
) {
    let at_of = |capability: Capability| -> Vec<usize> {
        let of_it = analysis
            .found
            .iter()
            .filter(|it| it.capability == capability);
        of_it.map(|it| it.at).take(FOLLOWED).collect()
    };
    let networks = at_of(Capability::Network);
    let runs = !at_of(Capability::DynamicCode).is_empty();
    let is_sent = !networks.is_empty() && !hints.environments.is_empty();
    let is_commanded = !hints.shells.is_empty();
    let writes = match hints.others.is_empty() {
        true => Vec::new(),
        false => at_of(Capability::Write),
    };
    let is_python = language == Language::Python && (hints.is_of_python() || !networks.is_empty());
    let is_rust = language == Language::Rust && !networks.is_empty();
    if !runs && !is_sent && !is_commanded && writes.is_empty() && !is_python && !is_rust {
        return;
    }
    let mut fetched = networks.clone();
    fetched.extend(&hints.receives);
    fetched.sort_unstable();
    let follow = Follow {
        source,
        flow: Flow::of(language, source),
        language,
        hints,
        networks,
        fetched,
    };
    let mut left = FOLLOWED;
    for found in &mut analysis.found {
        let is_run = found.capability == Capability::DynamicCode;
        let is_command =
            found.capability == Capability::Process && hints.shells.contains(&found.at);
        if (!is_run && !is_command) || left == 0 {
            continue;
        }
        left -= 1;
        let detail = match is_run {
            true => follow.of_code(found.at),
            false => follow.of_command(found.at),
        };
        let is_told = matches!(found.detail, Detail::Command(_))
            && matches!(detail, Some(Detail::Command(_)));
        if let Some(detail) = detail.filter(|_| !is_told) {
            found.detail = detail;
        }
    }
    analysis.found.extend(follow.sent_environment());
    let written = writes.into_iter().filter_map(|it| follow.of_other(it));
    analysis.found.extend(written.take(1));
    if language == Language::Python {
        follow_python(source, &follow.flow, hints, &follow.fetched, analysis);
    }
    if is_rust {
        follow_rust(source, &follow.flow, analysis);
    }
}

struct Follow<'s> {
    source: &'s Source<'s>,
    flow: Flow<'s>,
    language: Language,
    hints: &'s Hints,
    networks: Vec<usize>,
    fetched: Vec<usize>,
}

impl Follow<'_> {
    /// The bracket that opens the arguments of a call.
    fn open(&self, at: usize) -> Option<usize> {
        if let Some(open) = self.hints.opens.get(&at) {
            return Some(*open);
        }
        let tokens = self.source.tokens.get(at..)?;
        let open = tokens.iter().take(14).position(|it| it.is_mark("("))?;
        Some(at + open)
    }

    fn of_code(&self, at: usize) -> Option<Detail> {
        if self.source.tokens.get(at).is_some_and(|it| it.is_mark("@")) {
            return self.of_decorated(at);
        }
        let range = self.flow.arguments(self.open(at)?);
        if self.leads(range.clone(), &self.hints.decodes) {
            return Some(Detail::RunsDecoded);
        }
        if self.leads(range.clone(), &self.fetched) || self.is_in_callback(at) {
            return Some(Detail::RunsFetched);
        }
        let is_data = self.flow.holds_text(range, is_data_file);
        is_data.then_some(Detail::RunsDecoded)
    }

    fn leads(&self, range: Range<usize>, targets: &[usize]) -> bool {
        match self.language {
            Language::Python => self.flow.reaches_through(range, targets),
            _ => self.flow.reaches(range, targets),
        }
    }

    /// `@exec` over `@fetches`: what a decorator gives back is given to the one above.
    fn of_decorated(&self, at: usize) -> Option<Detail> {
        const DECORATORS: usize = 40;
        let tokens = self.source.tokens.get(at..)?.iter().take(DECORATORS);
        let mut below = tokens.take_while(|it| !matches!(it.name(), Some("class" | "def")));
        let is_fetched = below.any(|it| {
            it.name()
                .is_some_and(|it| self.flow.returns(it, &self.fetched))
        });
        is_fetched.then_some(Detail::RunsFetched)
    }

    /// `[python, '-c', fetched()]`: code that is given to a program in its line.
    fn of_inline(&self, at: usize) -> Option<Detail> {
        let all = self.flow.arguments(self.open(at)?);
        let is_option = |it: &usize| {
            let constant = self.source.tokens.get(*it).and_then(|it| it.constant());
            matches!(constant, Some("-c" | "-e"))
        };
        let option = all.clone().find(is_option)?;
        let code = option + 1..all.end.min(option + 14);
        let mut texts = self.source.tokens.get(code.clone())?.iter();
        let is_bare = texts.all(|it| it.kind != TokenKind::Text);
        let is_fetched = is_bare && self.leads(code, &self.fetched);
        is_fetched.then_some(Detail::RunsFetched)
    }

    /// A command that is what was received.
    fn of_command(&self, at: usize) -> Option<Detail> {
        if let Some(detail) = self.of_inline(at) {
            return Some(detail);
        }
        let range = self.flow.first_argument(self.open(at)?);
        let tokens = self.source.tokens.get(range.clone()).unwrap_or_default();
        // A line with words of its own is a command that is only given something.
        let is_bare = tokens.len() <= 30 && tokens.iter().all(|it| it.kind != TokenKind::Text);
        if is_bare && self.flow.reaches(range.clone(), &self.fetched) {
            return Some(Detail::RunsFetched);
        }
        let texts = match is_bare {
            true => self.flow.texts(range),
            false => Vec::new(),
        };
        let is_doubtful = |it: &Command| {
            matches!(
                it,
                Command::FetchesAndRuns | Command::Connects | Command::Encoded | Command::Fetches
            )
        };
        // What stands in several pieces is one line.
        let whole = strings::command(&texts.concat()).filter(is_doubtful);
        let of_one = || {
            texts
                .iter()
                .find_map(|it| strings::command(it).filter(is_doubtful))
        };
        whole.or_else(of_one).map(Detail::Command)
    }

    /// Whether a place is in what a call of the network calls back: `get(a, (r) => …)`,
    /// `get(a).then(…)`.
    fn is_in_callback(&self, at: usize) -> bool {
        const LENGTH: usize = 400;
        if !self.language.is_script() {
            return false;
        }
        let before = self.networks.partition_point(|it| *it < at);
        let near = self.networks.iter().take(before).rev().take(4);
        near.filter(|it| at - **it <= LENGTH).any(|network| {
            let Some(mut open) = self.open(*network) else {
                return false;
            };
            loop {
                let Some(close) = self.close(open, at) else {
                    return true;
                };
                let tokens = self.source.tokens.get(close + 1..).unwrap_or_default();
                let is_chained = matches!(tokens, [dot, name, mark, ..]
                    if dot.is_mark(".") && name.kind == TokenKind::Name && mark.is_mark("("));
                if !is_chained {
                    return false;
                }
                open = close + 3;
            }
        })
    }

    /// Where a bracket closes; `None` when that is behind `limit`.
    fn close(&self, open: usize, limit: usize) -> Option<usize> {
        let mut depth = 0_i32;
        for at in open..limit {
            let token = self.source.tokens.get(at)?;
            if token.kind == TokenKind::Mark {
                depth += i32::from(token.text == "(") - i32::from(token.text == ")");
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        None
    }

    /// The first mention of the environment that something sent comes from.
    fn sent_environment(&self) -> Option<Found> {
        let reaches = |open: usize| {
            let range = self.flow.arguments(open);
            self.flow.reaches(range, &self.hints.environments)
        };
        let is_sent = self.networks.iter().any(|network| {
            let own = self.open(*network).is_some_and(reaches);
            own || self.later_calls(*network).any(reaches)
        });
        let mentioned = self.hints.environments.first().copied();
        let at = mentioned.filter(|_| is_sent)?;
        self.found(Capability::Environment, at)
    }

    /// A file that is written and was looked up as one of another package.
    fn of_other(&self, at: usize) -> Option<Found> {
        let range = self.flow.first_argument(self.open(at)?);
        let is_other = self.flow.reaches(range, &self.hints.others);
        is_other.then_some(())?;
        self.found(Capability::ForeignPackage, at)
    }

    fn found(&self, capability: Capability, at: usize) -> Option<Found> {
        let token = self.source.tokens.get(at)?;
        Some(Found {
            capability,
            line: token.line,
            at,
            scope: token.scope,
            when: When::Call,
            detail: Detail::None,
        })
    }

    /// The brackets of the calls that send something over a connection, a little after it is opened.
    fn later_calls(&self, network: usize) -> impl Iterator<Item = usize> {
        let tokens = self.source.tokens.get(network..).unwrap_or_default();
        let windows = tokens.windows(3).take(SENDS_WITHIN).enumerate();
        windows.filter_map(move |(index, window)| {
            let [dot, name, open] = window else {
                return None;
            };
            let sends = matches!(
                &*name.text,
                "end"
                    | "write"
                    | "send"
                    | "json"
                    | "body"
                    | "form"
                    | "post"
                    | "send_string"
                    | "write_all"
                    | "sendall"
                    | "execute"
            );
            (dot.is_mark(".") && sends && open.is_mark("(")).then_some(network + index + 2)
        })
    }
}

/// Whether a text names a file that holds no code.
fn is_data_file(text: &str) -> bool {
    const EXTENSIONS: [&str; 15] = [
        "png", "jpg", "jpeg", "gif", "bmp", "ico", "webp", "woff", "woff2", "ttf", "mp3", "wav",
        "pyc", "dat", "svg",
    ];
    let Some((stem, extension)) = text.rsplit_once('.') else {
        return false;
    };
    text.len() < 200 && !stem.is_empty() && EXTENSIONS.contains(&extension)
}
