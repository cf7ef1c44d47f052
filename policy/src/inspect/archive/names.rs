//! Names of entries: what every reader and every file system takes for the same path.

use crate::inspect::fault::FaultCode;
use crate::inspect::limits::Limits;

/// What is wrong with an entry's name, with the detail.
pub(super) type Problem = (FaultCode, String);

/// The name as text.
pub(super) fn text(raw: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(raw).map_err(|_| (FaultCode::Name, "the name is not UTF-8".to_owned()))
}

/// Judges a path without its leading `./` and its trailing `/`.
pub(super) fn check(path: &str, limits: &Limits) -> Result<(), Problem> {
    lengths(path, limits)?;
    characters(path)?;
    if path.starts_with(['/', '\\']) || has_drive(path) {
        return path_problem("the path is absolute");
    }
    if path.split(['/', '\\']).any(|component| component == "..") {
        return path_problem("the path leads upwards");
    }
    if path.contains('\\') {
        return name_problem("there is a backslash, which some readers take for a separator");
    }
    path.split('/').try_for_each(component)
}

fn path_problem(detail: &str) -> Result<(), Problem> {
    Err((FaultCode::Path, detail.to_owned()))
}

fn name_problem(detail: &str) -> Result<(), Problem> {
    Err((FaultCode::Name, detail.to_owned()))
}

fn lengths(path: &str, limits: &Limits) -> Result<(), Problem> {
    if path.is_empty() {
        return name_problem("the name is empty");
    }
    if path.len() > limits.path_bytes {
        return name_problem(&format!("the path has {} bytes", path.len()));
    }
    let mut depth = 0_usize;
    for component in path.split('/') {
        depth += 1;
        if component.len() > limits.component_bytes {
            return name_problem(&format!("a component has {} bytes", component.len()));
        }
    }
    if depth > limits.path_depth {
        return name_problem(&format!("the path has {depth} components"));
    }
    Ok(())
}

fn characters(path: &str) -> Result<(), Problem> {
    if path.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return Ok(());
    }
    if path.contains('\0') {
        return name_problem("there is a NUL, where some readers end the name");
    }
    if path.contains(char::is_control) {
        return name_problem("there is a control character");
    }
    if path.contains(turns_direction) {
        return name_problem("there is a character that turns the direction of what is shown");
    }
    Ok(())
}

fn turns_direction(character: char) -> bool {
    matches!(
        character,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// `C:` at the start, with or without a separator after it.
fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

fn component(component: &str) -> Result<(), Problem> {
    match component {
        "" => return name_problem("a component is empty"),
        "." => return name_problem("a component is a single dot"),
        _ => {}
    }
    if component.contains(':') {
        return name_problem("there is a colon: Windows takes what follows for a stream");
    }
    if component.ends_with(['.', ' ']) {
        return name_problem("a component ends with a dot or space, which Windows drops");
    }
    let stem = component.split('.').next().unwrap_or_default();
    if is_device(stem.trim_end_matches(' ')) {
        return name_problem("a component is a device on Windows");
    }
    Ok(())
}

/// The names Windows keeps for devices, in every folder and with every extension.
fn is_device(stem: &str) -> bool {
    const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
    if DEVICES.iter().any(|it| stem.eq_ignore_ascii_case(it)) {
        return true;
    }
    let Some((port, number)) = stem.split_at_checked(3) else {
        return false;
    };
    let is_port = ["com", "lpt"]
        .iter()
        .any(|it| port.eq_ignore_ascii_case(it));
    is_port
        && matches!(
            number,
            "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
        )
}
