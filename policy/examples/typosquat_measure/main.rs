//! Measures the typosquat detector on labelled sets of names, beside what else there is.
//!
//! ```text
//! typosquat_measure [FOLDER]
//! ```
//!
//! `FOLDER` holds the sets (`dev-npm.tsv` …, or `NAME-npm.tsv` …); without it they are sought in
//! `data/typosquat` below the folder `CORDON_SHARED` names or `../shared`. For every set and
//! detector: recall with at most one honest name in a thousand flagged (the threshold is chosen on
//! the set's honest names), by tier and as a mean over targets, how often the target named is the
//! true one, and how many hard honest names (near a more popular one) are flagged. Then the same
//! at Cordon's default threshold, and names a second.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program of its own, which reads files and the clock"
)]
#![expect(
    clippy::print_stdout,
    reason = "a program of its own, whose answer it is"
)]

mod baselines;
mod sets;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use baselines::{DamerauLevenshtein, SpellBound, Typomania};
use cordon_policy::model::Scheme;
use cordon_policy::typosquat::Detector;
use sets::{Label, Row, Set};

/// The threshold the rule has without a policy saying otherwise.
const DEFAULT_THRESHOLD: f64 = 0.8;

/// How likely a name is an imitation, and of what.
type Guess = (f64, String);

/// What can be measured.
trait Scorer {
    fn name(&self) -> &'static str;
    fn guess(&self, normalized: &str) -> Option<Guess>;
}

struct Cordon(Detector);

impl Scorer for Cordon {
    fn name(&self) -> &'static str {
        "Cordon"
    }

    fn guess(&self, normalized: &str) -> Option<Guess> {
        let found = self.0.score_text(normalized)?;
        Some((f64::from(found.score.0) / 1_000.0, found.target.into()))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = folder();
    let sets = sets::read(&folder)?;
    if sets.is_empty() {
        return Err(format!("no set in {}", folder.display()).into());
    }
    println!("load average: {}", load());
    for set in &sets {
        let scorers = scorers(set.scheme)?;
        println!(
            "\n{}: {} squats of {} targets, {} honest names\n",
            set.name,
            set.squats().count(),
            set.targets(),
            set.honest.len()
        );
        println!(
            "| | threshold | flagged | recall | mean over targets | by tier | target right | hard flagged |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for scorer in &scorers {
            let judged = Judged::new(set, scorer.as_ref());
            judged.print(scorer.name(), judged.threshold(), "");
        }
        if let Some(cordon) = scorers.first() {
            let judged = Judged::new(set, cordon.as_ref());
            // Reached, not passed: the rule holds a name of exactly the threshold.
            judged.print(cordon.name(), DEFAULT_THRESHOLD - 1e-9, " at the default");
        }
    }
    println!();
    for set in &sets {
        speed(set)?;
    }
    println!("load average: {}", load());
    Ok(())
}

fn folder() -> PathBuf {
    let given = std::env::args().nth(1).map(PathBuf::from);
    given.unwrap_or_else(|| {
        let shared = std::env::var_os("CORDON_SHARED");
        let shared = shared.map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
        shared.join("data/typosquat")
    })
}

fn scorers(scheme: &'static dyn Scheme) -> Result<Vec<Box<dyn Scorer>>, Box<dyn Error>> {
    let detector = Detector::built_in(scheme).ok_or("no list of popular names")?;
    let popular = detector.popular().clone();
    Ok(vec![
        Box::new(Cordon(detector)),
        Box::new(DamerauLevenshtein::new(&popular)),
        Box::new(Typomania::new(&popular)),
        Box::new(SpellBound::new(&popular)),
    ])
}

/// What a scorer says about every name of a set.
struct Judged<'s> {
    squats: Vec<(&'s Row, Option<Guess>)>,
    honest: Vec<(&'s Row, Option<Guess>)>,
}

impl<'s> Judged<'s> {
    fn new(set: &'s Set, scorer: &dyn Scorer) -> Self {
        let judge = |row: &'s Row| (row, scorer.guess(&row.normalized));
        Self {
            squats: set.squats().map(judge).collect(),
            honest: set.honest.iter().map(judge).collect(),
        }
    }

    /// Above which at most one honest name in a thousand scores.
    fn threshold(&self) -> f64 {
        let scores = self.honest.iter().map(|(_, guess)| score(guess));
        let mut scores: Vec<f64> = scores.collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores.get(scores.len() / 1_000).copied().unwrap_or(0.0)
    }

    fn print(&self, name: &str, threshold: f64, note: &str) {
        let is_flagged = |guess: &Option<Guess>| score(guess) > threshold;
        let mut tiers: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let mut targets: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let (mut found, mut right) = (0, 0);
        for (row, guess) in &self.squats {
            let hit = usize::from(is_flagged(guess));
            found += hit;
            let is_right = guess
                .as_ref()
                .is_some_and(|(_, target)| *target == row.target);
            right += usize::from(hit == 1 && is_right);
            for (hits, all) in [
                tiers.entry(&row.tier).or_default(),
                targets.entry(&row.target).or_default(),
            ] {
                *hits += hit;
                *all += 1;
            }
        }
        let per_target = targets.values().map(|(hits, all)| share(*hits, *all));
        let mean = per_target.sum::<f64>() / targets.len().max(1) as f64;
        let by_tier: Vec<String> = tiers
            .iter()
            .map(|(tier, (hits, all))| format!("{tier} {:.3} of {all}", share(*hits, *all)))
            .collect();
        let flagged = self
            .honest
            .iter()
            .filter(|(_, guess)| is_flagged(guess))
            .count();
        let hard = self
            .honest
            .iter()
            .filter(|(row, _)| row.label == Label::Hard);
        let (hard_flagged, hard) = hard.fold((0, 0), |(hits, all), (_, guess)| {
            (hits + usize::from(is_flagged(guess)), all + 1)
        });
        println!(
            "| {name}{note} | {threshold:.3} | {flagged} ({:.3} %) | {:.3} | {mean:.3} | {} | {:.3} | {:.1} % of {hard} |",
            100.0 * share(flagged, self.honest.len()),
            share(found, self.squats.len()),
            by_tier.join(", "),
            share(right, found),
            100.0 * share(hard_flagged, hard),
        );
    }
}

fn score(guess: &Option<Guess>) -> f64 {
    guess.as_ref().map_or(0.0, |(score, _)| *score)
}

fn share(part: usize, all: usize) -> f64 {
    if all == 0 {
        0.0
    } else {
        part as f64 / all as f64
    }
}

/// Names a second on one core, by the time the thread ran (which other work does not lengthen) and
/// by the clock.
fn speed(set: &Set) -> Result<(), Box<dyn Error>> {
    const LEAST: Duration = Duration::from_secs(2);
    let detector = Detector::built_in(set.scheme).ok_or("no list of popular names")?;
    let names: Vec<&str> = set.all().map(|row| row.normalized.as_str()).collect();
    let (began, ran) = (Instant::now(), ran());
    let (mut scored, mut likenesses) = (0_usize, 0_usize);
    while began.elapsed() < LEAST {
        likenesses += names
            .iter()
            .filter_map(|name| detector.score_text(name))
            .count();
        scored += names.len();
    }
    let per_second = |time: Duration| scored as f64 / time.as_secs_f64().max(1e-9);
    println!(
        "{}: {:.0} names a second of processor time, {:.0} by the clock ({scored} names, {likenesses} \
         likenesses; indexes of {:.1} MiB)",
        set.name,
        ran.and_then(|before| Some(per_second(self::ran()?.saturating_sub(before))))
            .unwrap_or(f64::NAN),
        per_second(began.elapsed()),
        detector.bytes() as f64 / f64::from(1 << 20)
    );
    Ok(())
}

/// How long this thread ran so far, where the system tells (Linux).
fn ran() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

fn load() -> String {
    let text = std::fs::read_to_string(Path::new("/proc/loadavg"));
    text.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}
