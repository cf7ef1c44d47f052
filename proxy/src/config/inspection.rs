//! Inspection: how many look into archives, what they may take, and who else is asked.

use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use ::url::Url;
use cordon_policy::config::reader::{Spanned, TableReader};
use cordon_policy::config::text::shown;
use cordon_policy::inspect::Limits;
use smol_str::SmolStr;

use super::raw::{GIB, HOUR, KIB, MIB, SECOND, TIB, count, duration, size};
use super::secret::{self, Secret, SecretSource, Strength};
use super::upstream::Context;
use super::url;

/// Longest id of a scanner: it is a label of metrics.
const MAX_ID_BYTES: usize = 32;

/// Most scanners.
const MAX_SCANNERS: usize = 16;

/// Time a scanner has when nothing is said.
const SCANNER_TIMEOUT: Duration = Duration::from_secs(60);

/// How archives are looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectionConfig {
    /// Worker processes; 0 for half as many as there are processors.
    pub workers: usize,
    /// Bytes of memory each worker may have.
    pub memory_bytes: u64,
    /// Time for an archive, and once more for every 32 MiB of it, at most ten times.
    pub timeout: Duration,
    /// Whether a worker that cannot be confined does not work.
    pub is_sandbox_required: bool,
    /// How far an archive is looked into.
    pub limits: Limits,
    /// Others that are asked about every archive.
    pub scanners: Vec<ScannerConfig>,
}

/// A scanner other than Cordon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannerConfig {
    /// Its id, unique.
    pub id: SmolStr,
    /// How it is asked.
    pub target: ScannerTarget,
    /// Time it has for an archive.
    pub timeout: Duration,
    /// Whether archives are held when it gives no answer.
    pub is_required: bool,
}

/// How a scanner is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannerTarget {
    /// A program, by its whole path, and its arguments.
    Command(Vec<String>),
    /// A service.
    Url {
        /// Where archives are posted to.
        url: Url,
        /// Signs what is sent.
        secret: Secret,
    },
}

impl Default for InspectionConfig {
    fn default() -> Self {
        Self {
            workers: 0,
            memory_bytes: 512 * MIB,
            timeout: Duration::from_secs(60),
            is_sandbox_required: true,
            limits: Limits::default(),
            scanners: Vec::new(),
        }
    }
}

impl InspectionConfig {
    /// Worker processes on this machine, at least one.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => {
                let processors = std::thread::available_parallelism();
                processors
                    .map_or(1, |processors| processors.get() / 2)
                    .max(1)
            }
            given => given,
        }
    }
}

/// `[inspection]` as written.
#[derive(Debug, Default)]
pub(super) struct RawInspection {
    /// All but the scanners.
    bounds: InspectionConfig,
    scanners: Vec<RawScanner>,
}

#[derive(Debug)]
struct RawScanner {
    at: Range<usize>,
    id: Option<Spanned<String>>,
    command: Option<Vec<Spanned<String>>>,
    url: Option<Spanned<String>>,
    secret: Option<SecretSource>,
    timeout: Duration,
    is_required: bool,
}

/// Reads `[inspection]`.
pub(super) fn read(mut table: TableReader<'_, '_>) -> RawInspection {
    let mut config = InspectionConfig::default();
    let t = &mut table;
    count(t, "workers", 0..=256, &mut config.workers);
    size(t, "memory", 64 * MIB..=64 * GIB, &mut config.memory_bytes);
    duration(t, "timeout", SECOND..=HOUR, &mut config.timeout);
    let choices = [("required", true), ("best-effort", false)];
    if let Some(sandbox) = t.choice("sandbox", &choices) {
        config.is_sandbox_required = sandbox.value;
    }
    limits(t, &mut config.limits);
    let scanners = t.tables("scanner").into_iter().map(scanner).collect();
    table.finish();
    RawInspection {
        bounds: config,
        scanners,
    }
}

/// How far an archive is looked into. What bounds names, and archives in archives by their ratio, is
/// no matter of an installation.
fn limits(table: &mut TableReader<'_, '_>, far: &mut Limits) {
    number(table, "entries", 1_000..=10_000_000, &mut far.entries);
    let unpacked = &mut far.unpacked_bytes;
    size(table, "unpacked_size", 64 * MIB..=TIB, unpacked);
    number(table, "ratio", 10..=100_000, &mut far.ratio);
    // What holds for all of it holds for what is not in archives inside it.
    far.nested_ratio = far.nested_ratio.max(far.ratio);
    number(table, "nested_depth", 0..=16, &mut far.nested_depth);
    let looked_at = &mut far.looked_at_bytes;
    size(table, "looked_at_size", 64 * KIB..=64 * MIB, looked_at);
    let manifest = &mut far.manifest_bytes;
    size(table, "manifest_size", MIB..=64 * MIB, manifest);
}

fn number<T: TryFrom<i64>>(
    table: &mut TableReader<'_, '_>,
    key: &str,
    allowed: RangeInclusive<i64>,
    into: &mut T,
) {
    let read = table.integer(key, allowed);
    if let Some(value) = read.and_then(|read| T::try_from(read.value).ok()) {
        *into = value;
    }
}

fn scanner(mut table: TableReader<'_, '_>) -> RawScanner {
    table.require("id", "give it a name: \"clamav\"");
    let mut timeout = SCANNER_TIMEOUT;
    duration(&mut table, "timeout", SECOND..=HOUR, &mut timeout);
    let scanner = RawScanner {
        at: table.bytes().clone(),
        id: table.string("id"),
        command: table.strings("command"),
        url: table.string("url"),
        secret: secret::read_source(&mut table, "secret"),
        timeout,
        is_required: table.boolean("required").is_none_or(|it| it.value),
    };
    table.finish();
    scanner
}

/// What was written, with every scanner checked.
pub(super) fn validate(raw: &RawInspection, context: Context<'_>) -> InspectionConfig {
    let mut config = raw.bounds.clone();
    for scanner in &raw.scanners {
        let Some(checked) = one(scanner, context) else {
            continue;
        };
        if config.scanners.iter().any(|it| it.id == checked.id) {
            let message = format!("two scanners have the id `{}`", checked.id);
            let help = "give each its own `id`";
            context
                .file
                .error("scanner-duplicate-id", &scanner.at, message, help);
        }
        config.scanners.push(checked);
    }
    if let Some(one_more) = raw.scanners.get(MAX_SCANNERS) {
        let message = format!("there are more than {MAX_SCANNERS} scanners");
        let help = "let one program ask the others";
        context
            .file
            .error("scanners-many", &one_more.at, message, help);
    }
    config
}

fn one(raw: &RawScanner, context: Context<'_>) -> Option<ScannerConfig> {
    let target = target(raw, context);
    // That it is missing was reported.
    let id = raw.id.as_ref()?;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_fit = (1..=MAX_ID_BYTES).contains(&id.value.len())
        && !id.value.starts_with('-')
        && id.value.bytes().all(is_word);
    if !is_fit {
        context.file.error(
            "scanner-id-invalid",
            &id.bytes,
            format!("`{}` cannot be the id of a scanner", shown(&id.value)),
            format!("lower-case letters, digits and hyphens, at most {MAX_ID_BYTES}"),
        );
        return None;
    }
    Some(ScannerConfig {
        id: id.value.as_str().into(),
        target: target?,
        timeout: raw.timeout,
        is_required: raw.is_required,
    })
}

fn target(raw: &RawScanner, context: Context<'_>) -> Option<ScannerTarget> {
    let file = context.file;
    match (&raw.command, &raw.url) {
        (Some(words), None) => {
            if let Some(secret) = &raw.secret {
                let message = "a program has no use for a secret";
                let help = "`secret_env` and `secret_file` go with `url`";
                file.warning("scanner-secret-unused", secret.bytes(), message, help);
            }
            command(words, raw, context)
        }
        (None, Some(text)) => {
            let address = address(text, context);
            let Some(source) = &raw.secret else {
                let message = "nothing proves to the scanner who asks";
                let help = "give `secret_env` or `secret_file`: it signs what is sent";
                file.error("scanner-secret-missing", &text.bytes, message, help);
                return None;
            };
            let strength = Strength::Strong;
            let (base, surroundings) = (context.base, context.surroundings);
            let secret = secret::fetch(source, strength, base, file, surroundings)?;
            Some(ScannerTarget::Url {
                url: address?,
                secret,
            })
        }
        (None, None) | (Some(_), Some(_)) => {
            let message = "a scanner is a program or a service";
            let help = "give one of `command` and `url`";
            file.error("scanner-target", &raw.at, message, help);
            None
        }
    }
}

fn command(
    words: &[Spanned<String>],
    raw: &RawScanner,
    context: Context<'_>,
) -> Option<ScannerTarget> {
    let Some(program) = words.first() else {
        let help = "write the program and its arguments: [\"/usr/local/bin/scan\", \"--json\"]";
        let file = context.file;
        file.error("scanner-command", &raw.at, "`command` is empty", help);
        return None;
    };
    // Where else it were looked for would depend on who starts Cordon.
    if !Path::new(&program.value).is_absolute() {
        context.file.error(
            "scanner-command",
            &program.bytes,
            format!("`{}` is not a whole path", shown(&program.value)),
            "write where the program is: \"/usr/local/bin/scan\"",
        );
        return None;
    }
    if !context.surroundings.is_file(Path::new(&program.value)) {
        context.file.error(
            "file-missing",
            &program.bytes,
            format!("`{}` is not a file", shown(&program.value)),
            "name a program of this machine",
        );
        return None;
    }
    let words = words.iter().map(|word| word.value.clone()).collect();
    Some(ScannerTarget::Command(words))
}

fn address(text: &Spanned<String>, context: Context<'_>) -> Option<Url> {
    let file = context.file;
    let mut url = match url::parse(&text.value) {
        Ok(url) => url,
        Err(problem) => {
            let message = format!("`url` {}", problem.what);
            file.error("scanner-url-invalid", &text.bytes, message, problem.help);
            return None;
        }
    };
    if !text.value.ends_with('/') {
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
    }
    if url.scheme() == "http" && !url::is_loopback(&url) {
        file.error(
            "scanner-plain-http",
            &text.bytes,
            "`url` is plain http to another machine: anybody on the way can call anything clean",
            "use https",
        );
        return None;
    }
    Some(url)
}
