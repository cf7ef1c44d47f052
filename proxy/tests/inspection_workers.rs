//! The worker that is shipped: that it works, and what it costs. Prints figures.
//!
//! ```text
//! CORDON_SPEED_INSPECTIONS=20000 cargo test --release -p cordon --test inspection_workers -- --nocapture
//! ```

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "the figures are what the test is for")]

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use cordon::config::InspectionConfig;
use cordon::inspection::{InProcess, Inspector, Job, Source, Workers};
use cordon::telemetry::Metrics;
use cordon_policy::ecosystem::{NPM, scheme_for};
use cordon_policy::inspect::Depth;
use cordon_policy::model::{ArtifactId, ArtifactKind, FileName, PackageVersion};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt as _, stream};

fn artifact() -> ArtifactId {
    let scheme = scheme_for(&NPM).expect("npm is known");
    ArtifactId {
        subject: PackageVersion {
            name: scheme.package("left-pad").expect("a name"),
            version: scheme.version("1.0.0").expect("a version"),
        },
        file: FileName::new("left-pad-1.0.0.tgz").expect("a file name"),
        kind: ArtifactKind::Archive,
    }
}

/// A small archive: a manifest and a file of code, in ustar.
fn archive() -> Bytes {
    let manifest = r#"{"name":"left-pad","version":"1.0.0","main":"index.js"}"#;
    let code = "module.exports = (text, width) => String(text).padStart(width);\n";
    let mut tar = Vec::new();
    for (name, text) in [
        ("package/package.json", manifest),
        ("package/index.js", code),
    ] {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[108..116].copy_from_slice(b"0000000\0");
        header[116..124].copy_from_slice(b"0000000\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", text.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[148..156].fill(b' ');
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(text.as_bytes());
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1_024, 0);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&tar).expect("memory takes it");
    packed.finish().expect("memory takes it").into()
}

fn job(data: &Bytes) -> Job {
    Job {
        artifact: artifact(),
        depth: Depth::Content,
        indicators: None,
        source: Source::Memory(data.clone()),
    }
}

fn workers(memory_mib: u64) -> Workers {
    let config = InspectionConfig {
        workers: 1,
        memory_bytes: memory_mib << 20,
        ..InspectionConfig::default()
    };
    let cordon = PathBuf::from(env!("CARGO_BIN_EXE_cordon"));
    let metrics = Arc::new(Metrics::new(&["npm"]));
    Workers::of_program(cordon, &config, metrics).expect("a thread")
}

/// The only child of this process: nextest gives each test a process of its own, and there is one
/// test that has children.
fn child() -> u32 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("threads");
    let mut children = tasks.filter_map(|task| {
        let children = task.ok()?.path().join("children");
        std::fs::read_to_string(children).ok()?.trim().parse().ok()
    });
    children.next().expect("a worker")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_worker_finds_what_is_found_here_and_quickly() {
    let data = archive();
    let here = InProcess::default().inspect(job(&data)).await;
    let expected = here.expect("a sheet");
    for memory_mib in [256, 512] {
        let workers = workers(memory_mib);
        let started = Instant::now();
        let first = workers.inspect(job(&data)).await.expect("a sheet");
        let first_took = started.elapsed();
        assert_eq!(first, expected);
        let process = child();
        let count = std::env::var("CORDON_SPEED_INSPECTIONS");
        let count = count.map_or(Ok(500), |text| text.parse());
        let count: u32 = count.expect("a number");
        let started = Instant::now();
        let mut sheets = stream::iter(0..count)
            .map(|_| workers.inspect(job(&data)))
            .buffered(8);
        while let Some(sheet) = sheets.next().await {
            assert_eq!(sheet.expect("a sheet"), expected);
        }
        let took = started.elapsed();
        let memory = match std::fs::read_to_string(format!("/proc/{process}/status")) {
            Ok(status) => status
                .lines()
                .filter(|line| line.starts_with("VmRSS") || line.starts_with("RssAnon"))
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
                .join(", "),
            // After a thousand archives it is replaced.
            Err(_) => "of a worker that was replaced".to_owned(),
        };
        println!(
            "worker of {memory_mib} MiB: first answer after {first_took:?}; {count} archives of \
             {} bytes in {took:?}, {:.0} a second; idle: {memory}",
            data.len(),
            f64::from(count) / took.as_secs_f64()
        );
    }
}
