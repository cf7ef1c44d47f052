//! The words of a refusal, shared by the adapters so that every client reads the same story.

use cordon_policy::model::Timestamp;
use cordon_policy::verdict::Effect;

use super::Denial;

/// Most characters of an HTTP/1.1 reason phrase: longer ones are cut or refused by some clients
/// (protocols.md §1).
pub const PHRASE_CHARS: usize = 150;

/// Characters of a reason that are shown at all; the record has the whole.
const REASON_CHARS: usize = 600;

/// Characters of a story told by an address; a path segment has at most 255.
const ADDRESS_CHARS: usize = 200;

/// The whole story in one line of visible ASCII, for bodies and notices:
/// `pkg:npm/x@1.2.3 blocked by Cordon (deny/denied): …; nearest allowed 1.2.2; why: http://…/why/…`.
///
/// The reason is cut to bring the line down to `limit` characters; subject and address never are.
pub fn sentence(denial: &Denial<'_>, limit: usize) -> String {
    let subject = ascii(&denial.subject, 300);
    let mut tail = String::new();
    if let Some(until) = untold(denial) {
        tail.push_str(&format!("; available after {until}"));
    }
    if let Some(nearest) = denial.nearest_allowed {
        tail.push_str(&format!("; nearest allowed {}", ascii(nearest, 100)));
    }
    if let Some(contact) = denial.contact {
        tail.push_str(&format!("; ask {}", ascii(contact, 100)));
    }
    tail.push_str(&format!("; why: {}", ascii(&denial.why_url, 300)));
    let head = format!(
        "{subject} {} ({}): ",
        what_happened(denial.effect),
        denial.code
    );
    let room = limit.saturating_sub(head.len() + tail.len());
    format!(
        "{head}{}{tail}",
        ascii(denial.reason, room.min(REASON_CHARS))
    )
}

/// When it ends, unless the reason says so: those of time rules do.
fn untold(denial: &Denial<'_>) -> Option<Timestamp> {
    denial
        .until
        .filter(|_| !denial.reason.contains("allowed from"))
}

/// The reason phrase: visible ASCII and spaces, at most [`PHRASE_CHARS`], with the decision id and,
/// when there is room, the address of the record.
pub fn phrase(denial: &Denial<'_>) -> String {
    let why = ascii(&denial.why_url, PHRASE_CHARS);
    let rule = denial.code.split('/').next().unwrap_or_default();
    let head = format!("{} ({rule}): ", what_happened(denial.effect));
    let with_url = format!("; why: {why}");
    let tail = if head.len() + with_url.len() <= PHRASE_CHARS {
        with_url
    } else {
        format!("; decision {}", denial.decision)
    };
    let room = PHRASE_CHARS.saturating_sub(head.len() + tail.len());
    format!("{head}{}{tail}", gist(denial, room))
}

/// As much of the story as fits into `room` characters: the reason with the way out; else the
/// reason; else, rather than half a reason, when it ends and what to take instead.
fn gist(denial: &Denial<'_>, room: usize) -> String {
    let reason = ascii(denial.reason, REASON_CHARS);
    let nearest = denial
        .nearest_allowed
        .map(|nearest| format!("nearest allowed {}", ascii(nearest, 100)));
    let until = denial.until.map(|until| format!("allowed from {until}"));
    let joined = |parts: [&Option<String>; 2]| {
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    };
    let whole = Some(reason.clone());
    [
        joined([&whole, &nearest]),
        whole,
        joined([&until, &nearest]),
        until,
    ]
    .into_iter()
    .flatten()
    .find(|text| text.len() <= room)
    .unwrap_or_else(|| ascii(&reason, room))
}

/// The address of the record with the story in its last segment, for clients that show a refusal's
/// address and nothing else: `http://…/why/…/blocked-by-Cordon.deny-denied.the-package-is-denied`.
/// It answers 403 with the page of the record.
pub fn telling_address(denial: &Denial<'_>) -> String {
    let mut story = format!(
        "{}.{}.{}",
        what_happened(denial.effect),
        denial.code,
        denial.reason
    );
    if let Some(until) = untold(denial) {
        story.push_str(&format!(".available after {until}"));
    }
    let tail = denial
        .nearest_allowed
        .map(|nearest| slug(&format!(".nearest allowed {nearest}"), ADDRESS_CHARS / 2))
        .unwrap_or_default();
    let head = slug(&story, ADDRESS_CHARS - tail.len());
    format!("{}/{head}{tail}", denial.why_url)
}

/// Words as one path segment, at most `limit` characters: letters, digits and `._-` stay, a run of
/// anything else becomes one `-`.
fn slug(text: &str, limit: usize) -> String {
    let mut slug = String::with_capacity(text.len().min(limit));
    for character in text.chars() {
        if slug.len() == limit {
            break;
        }
        match character {
            c if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') => slug.push(c),
            _ if slug.ends_with(['-', '.']) => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

/// A title for problem documents: `blocked by Cordon`.
pub const fn what_happened(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allowed by Cordon",
        Effect::Hide => "withheld by Cordon",
        Effect::Quarantine => "quarantined by Cordon",
        Effect::Block => "blocked by Cordon",
    }
}

/// Visible ASCII and single spaces only, at most `limit` characters; what was cut shows as `...`.
pub fn ascii(text: &str, limit: usize) -> String {
    let mut line = String::with_capacity(text.len().min(limit));
    for character in text.chars() {
        if line.len() > limit {
            break;
        }
        match character {
            ' '..='~' => line.push(character),
            '\u{2013}' | '\u{2014}' => line.push('-'),
            '\u{2018}' | '\u{2019}' => line.push('\''),
            '\u{201c}' | '\u{201d}' => line.push('"'),
            c if c.is_whitespace() || c.is_control() => {
                if !line.ends_with(' ') {
                    line.push(' ');
                }
            }
            _ => line.push('?'),
        }
    }
    if line.len() > limit {
        line.truncate(limit.saturating_sub(3));
        line.push_str("...");
        line.truncate(limit);
    }
    line
}

#[cfg(test)]
mod tests {
    use cordon_policy::decision::DecisionId;
    use proptest::prelude::*;

    use super::super::DenialScope;
    use super::*;

    fn denial<'a>(reason: &'a str, why_url: &str, decision: &'a DecisionId) -> Denial<'a> {
        Denial {
            subject: "pkg:npm/left-pad@1.3.0".to_owned(),
            scope: DenialScope::Artifact,
            effect: Effect::Block,
            code: "deny/denied".to_owned(),
            reason,
            until: None,
            nearest_allowed: Some("1.2.0"),
            decision,
            why_url: why_url.to_owned(),
            contact: None,
        }
    }

    #[test]
    fn a_refusal_reads_as_one_sentence() {
        let id = DecisionId::from_random(7);
        let denial = denial("the package is denied", "http://127.0.0.1:4873/why/x", &id);
        assert_eq!(
            sentence(&denial, 1000),
            "pkg:npm/left-pad@1.3.0 blocked by Cordon (deny/denied): the package is denied; \
             nearest allowed 1.2.0; why: http://127.0.0.1:4873/why/x"
        );
        assert_eq!(
            phrase(&denial),
            "blocked by Cordon (deny): the package is denied; nearest allowed 1.2.0; \
             why: http://127.0.0.1:4873/why/x"
        );
    }

    #[test]
    fn a_phrase_too_short_for_the_reason_tells_the_way_out_instead() {
        let id = DecisionId::from_random(7);
        let long = "left-pad 1.3.0 was published 52 h ago; versions must be 30 days old; \
                    allowed from 2026-12-19T23:05Z";
        let mut denial = denial(long, "http://127.0.0.1:4873/why/zcf5hwmhtpfv", &id);
        denial.code = "minimum-age/too-young".to_owned();
        denial.until = Timestamp::parse("2026-12-19T23:05:00Z").ok();
        assert_eq!(
            phrase(&denial),
            "blocked by Cordon (minimum-age): allowed from 2026-12-19T23:05:00Z; \
             nearest allowed 1.2.0; why: http://127.0.0.1:4873/why/zcf5hwmhtpfv"
        );
    }

    #[test]
    fn a_story_told_by_an_address_is_one_plain_segment() {
        let id = DecisionId::from_random(7);
        let denial = denial(
            "\u{201c}left-pad\u{201d} is denied: see / and \u{2026}",
            "http://127.0.0.1:4873/why/x",
            &id,
        );
        assert_eq!(
            telling_address(&denial),
            "http://127.0.0.1:4873/why/x/blocked-by-Cordon.deny-denied.\
             left-pad-is-denied-see-and.nearest-allowed-1.2.0"
        );
    }

    #[test]
    fn an_address_too_long_for_a_phrase_gives_way_to_the_decision_id() {
        let id = DecisionId::from_random(7);
        let url = format!("http://{}.example/why/{id}", "a".repeat(140));
        let phrase = phrase(&denial("no", &url, &id));
        assert_eq!(
            phrase,
            format!("blocked by Cordon (deny): no; nearest allowed 1.2.0; decision {id}")
        );
    }

    proptest! {
        #[test]
        fn any_reason_gives_a_printable_line(reason in "\\PC{0,300}|[\\x00-\\x7f]{0,300}", limit in 0_usize..400) {
            let id = DecisionId::from_random(7);
            let url = format!("http://127.0.0.1:4873/why/{id}");
            let denial = denial(&reason, &url, &id);
            let phrase = phrase(&denial);
            prop_assert!(phrase.len() <= PHRASE_CHARS);
            prop_assert!(phrase.contains(id.as_str()));
            let address = telling_address(&denial);
            let story = address.strip_prefix(&url).and_then(|rest| rest.strip_prefix('/'));
            let story = story.expect("below the record");
            prop_assert!(story.len() <= ADDRESS_CHARS && !story.contains('/'));
            prop_assert!(address.parse::<http::Uri>().is_ok());
            for line in [phrase, sentence(&denial, limit)] {
                prop_assert!(line.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
            }
            prop_assert!(ascii(&reason, limit).len() <= limit);
        }
    }
}
