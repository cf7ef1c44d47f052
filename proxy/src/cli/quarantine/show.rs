//! Tickets in words. Everything that came from outside is printed so that it can do nothing.

use crate::cli::output::{Lines, printable};
use crate::quarantine::{Change, Page, Plan, Standing, Ticket};

/// Tickets named in a plan on the screen; all of them are in the plan.
const PLANNED: usize = 50;

pub(super) fn list(page: &Page) -> Lines {
    let mut lines = Lines::default();
    for ticket in &page.tickets {
        line(ticket, &mut lines);
    }
    if page.tickets.is_empty() {
        lines.add("nothing");
    }
    if let Some(next) = page.next {
        lines.add(format_args!("there may be more: --before {next}"));
    }
    lines
}

fn line(ticket: &Ticket, lines: &mut Lines) {
    let decision = ticket.strictest().map_or(&ticket.id, |it| &it.decision);
    let asked = match ticket.requests.len() {
        0 => String::new(),
        count => format!("  ASKED FOR {count} x"),
    };
    lines.add(format_args!(
        "{decision}  {:8}  {}  since {}{asked}",
        ticket.state.name(),
        printable(&ticket.package),
        ticket.since
    ));
    lines.add(format_args!("  {}", printable(&ticket.because)));
}

pub(super) fn whole(ticket: &Ticket) -> Lines {
    let mut lines = Lines::default();
    lines.add(format_args!(
        "{}  {}  {}",
        ticket.id,
        ticket.state.name(),
        printable(&ticket.package)
    ));
    lines.add(format_args!("  because    {}", printable(&ticket.because)));
    lines.add(format_args!("  held since {}", ticket.since));
    lines.add(format_args!("  file       {}", printable(&ticket.file)));
    match &ticket.sha256 {
        Some(sha256) => lines.add(format_args!("  bytes      sha256:{sha256}")),
        None => lines.add(format_args!(
            "  bytes      not fetched; `cordon quarantine fetch {}` has them kept for review",
            ticket.id
        )),
    }
    for standing in &ticket.standing {
        stands(standing, &mut lines);
    }
    if let Some(approval) = &ticket.approval {
        lines.add(format_args!("  first of two voices: {}", told(approval)));
    }
    for request in &ticket.requests {
        let contact = request.contact.as_deref().map(|it| format!(" ({it})"));
        lines.add(format_args!(
            "  asked for  {} by {}{}: {}",
            request.at,
            printable(&request.client),
            printable(&contact.unwrap_or_default()),
            printable(&request.reason)
        ));
    }
    for change in &ticket.history {
        lines.add(format_args!("  {}", told(change)));
    }
    lines
}

fn stands(standing: &Standing, lines: &mut Lines) {
    let audience = match standing.audience.as_str() {
        "" => "everybody".to_owned(),
        audience => printable(audience),
    };
    lines.add(format_args!(
        "  decision   {}  {} for {audience}",
        standing.decision, standing.effect
    ));
    for finding in &standing.findings {
        let watched = match finding.is_enforced {
            true => "",
            false => " (only watched)",
        };
        lines.add(format_args!(
            "    {:10} {}{watched}\n               {}",
            finding.effect,
            printable(&finding.reason),
            printable(&finding.fingerprint)
        ));
    }
    for finding in &standing.waived {
        lines.add(format_args!(
            "    set aside  {} (exemption {})",
            printable(&finding.reason),
            printable(finding.waived_by.as_deref().unwrap_or_default())
        ));
    }
}

fn told(change: &Change) -> String {
    let and = change.approved_by.as_deref().map(|it| format!(" and {it}"));
    let until = change.until.as_deref().map(|it| format!(" until {it}"));
    printable(&format!(
        "{:9}  {} by {}{}{}: {}",
        change.act.name(),
        change.at,
        change.by,
        and.unwrap_or_default(),
        until.unwrap_or_default(),
        change.reason
    ))
}

pub(super) fn plan(plan: &Plan, act: &str) -> Lines {
    let mut lines = Lines::default();
    if !plan.done.is_empty() {
        for done in &plan.done {
            lines.add(printable(&done.said));
        }
        return lines;
    }
    for ticket in plan.tickets.iter().take(PLANNED) {
        line(ticket, &mut lines);
        for print in ticket.standing.iter().flat_map(Standing::fingerprints) {
            lines.add(format_args!("    {}", printable(print)));
        }
    }
    let more = plan.tickets.len().saturating_sub(PLANNED);
    if more > 0 {
        lines.add(format_args!("and {more} more; --json of `list` names them"));
    }
    match plan.tickets.len() {
        0 => lines.add("nothing matches"),
        count => lines.add(format_args!(
            "nothing was done; to {act} these {count}, say the same with --plan {}",
            plan.plan
        )),
    }
    lines
}
