//! Measures one dump: building its index, opening it, asking it, and the memory each takes.
//!
//! ```text
//! cargo run --release -p cordon --example advisory_load -- build npm all.zip npm.index
//! cargo run --release -p cordon --example advisory_load -- ask npm.index
//! ```
//!
//! Two commands, because what building took of memory would hide what asking takes.
#![expect(clippy::print_stdout, reason = "figures are its purpose")]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use cordon::feeds::gather::gather;
use cordon_policy::advisory::{AdvisoryIndex, IndexBuilder};
use cordon_policy::ecosystem::schemes;
use cordon_policy::model::{PackageName, Timestamp, Version};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["build", ecosystem, dump, index] => build(ecosystem, Path::new(dump), Path::new(index)),
        ["ask", index] => ask(Path::new(index)),
        _ => Err("build ECOSYSTEM DUMP INDEX, or ask INDEX".into()),
    }
}

fn build(ecosystem: &str, dump: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let scheme = schemes()
        .into_iter()
        .find(|scheme| scheme.ecosystem().as_str() == ecosystem)
        .ok_or("no such ecosystem")?;
    let before = memory("VmRSS");
    let began = Instant::now();
    let mut builder = IndexBuilder::new(scheme);
    let gathered = gather(&mut builder, dump)?;
    let read = began.elapsed();
    let (bytes, report) = builder.finish(Timestamp::from_millis(0))?;
    let built = began.elapsed();
    std::fs::write(to, &bytes)?;
    println!("{report:#?}");
    println!("records read        {}", gathered.records);
    println!("records' bytes      {}", gathered.bytes);
    println!("reading             {} ms", read.as_millis());
    println!("altogether          {} ms", built.as_millis());
    println!("memory before       {before} KiB");
    println!("memory at its most  {} KiB", memory("VmHWM"));
    Ok(())
}

fn ask(from: &Path) -> Result<(), Box<dyn Error>> {
    let bytes = std::fs::read(from)?;
    let size = bytes.len();
    let before = memory("VmRSS");
    let began = Instant::now();
    let index = AdvisoryIndex::open(bytes)?;
    let opened = began.elapsed();
    println!("size                {size} bytes");
    println!("opening             {} us", opened.as_micros());
    println!(
        "memory              {} KiB before, {} KiB after",
        before,
        memory("VmRSS")
    );
    let names: Vec<PackageName> = index.package_names().collect();
    let scheme = index.scheme();
    let unnamed: Vec<PackageName> = (0..names.len())
        .filter_map(|number| scheme.package(&format!("unnamed-{number}")).ok())
        .collect();
    let version = Version::verbatim("1.4.2");
    each("unnamed package", &unnamed, |name| {
        black_box(index.for_package(name).is_none());
    });
    each("named package", &names, |name| {
        black_box(index.matches(name, &version));
    });
    let most = |name: &&PackageName| {
        let mut package = index.for_package(name);
        package
            .as_mut()
            .map(|package| package.record_ids(&version).len())
    };
    let Some(name) = names.iter().max_by_key(most) else {
        return Ok(());
    };
    let versions: Vec<Version> = (0..2_000)
        .map(|number| Version::verbatim(format!("{}.{}.0", number / 100, number % 100)))
        .collect();
    let began = Instant::now();
    let mut package = index.for_package(name).ok_or("it was there")?;
    let found: usize = versions
        .iter()
        .map(|version| package.matches(version).len())
        .sum();
    println!(
        "2,000 versions of {} ({found} matches): {} us",
        name.normalized(),
        began.elapsed().as_micros()
    );
    println!("memory              {} KiB at the end", memory("VmRSS"));
    Ok(())
}

/// The time of one call, over all names several times.
fn each(what: &str, names: &[PackageName], mut call: impl FnMut(&PackageName)) {
    const ROUNDS: u32 = 20;
    let began = Instant::now();
    for _ in 0..ROUNDS {
        names.iter().for_each(&mut call);
    }
    let calls = ROUNDS * u32::try_from(names.len()).unwrap_or(u32::MAX).max(1);
    let one: Duration = began.elapsed() / calls;
    println!(
        "{what:19} {} ns (over {} names)",
        one.as_nanos(),
        names.len()
    );
}

/// A line of what the kernel says of this process's memory, in KiB; 0 where there is none.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    let digits: String = found
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap_or(0)
}
