//! Files that Rust fetches, writes and then runs or loads, a few statements apart.

use super::analyse::{Analysis, Detail, Found};
use super::capability::Capability;
use super::flow::Flow;
use super::token::{Source, TokenKind};

/// Calls that are followed.
const FOLLOWED: usize = 100;

/// Tells what runs a file that the same function writes after it connects. What only loads
/// libraries, or runs tools over what it writes, names another file.
pub(super) fn follow_rust(source: &Source<'_>, flow: &Flow<'_>, analysis: &mut Analysis) {
    let of = |capability: Capability| {
        let found = analysis.found.iter();
        found.filter(move |it| it.capability == capability)
    };
    let connects = |scope: u32, at: usize| {
        let mut networks = of(Capability::Network).take(FOLLOWED);
        networks.any(|it| it.scope == scope && it.at < at)
    };
    let runs = [Capability::NativeCode, Capability::Process];
    let runs = runs.into_iter().flat_map(|it| of(it).take(FOLLOWED));
    let found = runs.filter_map(|run| {
        let file = first_name(source, flow, run.at)?;
        let mut writes = of(Capability::Write).take(FOLLOWED);
        let is_written = writes.any(|write| {
            write.scope == run.scope
                && write.at < run.at
                && first_name(source, flow, write.at) == Some(file)
        });
        (is_written && connects(run.scope, run.at)).then(|| Found {
            capability: Capability::DynamicCode,
            detail: Detail::RunsFetched,
            ..run.clone()
        })
    });
    let found: Vec<Found> = found.collect();
    analysis.found.extend(found);
}

/// The name that is the first argument of a call: `new(&file)`.
fn first_name<'s>(source: &'s Source<'s>, flow: &Flow<'_>, at: usize) -> Option<&'s str> {
    let tokens = source.tokens.get(at..)?;
    let open = tokens.iter().take(14).position(|it| it.is_mark("("))?;
    let range = flow.first_argument(at + open);
    let mut tokens = source.tokens.get(range)?.iter();
    let first = tokens.find(|it| !it.is_mark("&"))?;
    let is_alone = tokens.next().is_none();
    (is_alone && first.kind == TokenKind::Name).then_some(&*first.text)
}
