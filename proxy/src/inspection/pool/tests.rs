//! Workers that misbehave: this very test program, started again with the name of [`child_worker`].
//! What it does instead of looking into an archive is written in the archive.

use std::hint::black_box;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;

use bytes::Bytes;
use cordon_policy::inspect::content::KnownFiles;
use cordon_policy::inspect::indicators::{
    IndicatorFacts, IndicatorFile, IndicatorSet, IndicatorSource,
};
use cordon_policy::inspect::{Depth, Faults, INSPECTOR, Input};
use cordon_policy::model::{ArtifactId, Digest};
use futures_util::{StreamExt as _, stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::*;
use crate::app;
use crate::inspection::protocol::{ANSWER_BYTES, METADATA_ANSWER_BYTES};
use crate::inspection::sandbox::Confinement;
use crate::inspection::tests::artifact;
use crate::inspection::{Source, worker};

const MEMORY_BYTES: u64 = 256 << 20;

/// Bytes of the longest file that is taken out.
const LARGE: usize = cordon_policy::inspect::CORE_METADATA_BYTES as usize;

/// How long something may take that takes no time.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
#[ignore = "other tests start it"]
fn child_worker() {
    let confinement = Confinement {
        memory_bytes: MEMORY_BYTES,
        is_required: true,
    };
    // Started by a person it has no socket and does nothing.
    let reading = worker::Reading {
        inspect: misbehave,
        core_metadata: take_out_wrongly,
    };
    let _ = worker::run(&confinement, &reading);
}

/// Does what the archive says.
fn misbehave(
    _: &ArtifactId,
    _: Depth,
    input: &mut dyn Input,
    limits: &Limits,
    set: Option<&IndicatorSet>,
    _: &mut KnownFiles,
) -> io::Result<Sheet> {
    let mut text = String::new();
    input.read_to_string(&mut text)?;
    let (what, number) = text.split_once(' ').unwrap_or((&text, "0"));
    let mut sheet = Sheet {
        inspector: INSPECTOR,
        limits: limits.id(),
        files: number.parse().unwrap_or(0),
        unpacked_bytes: limits.unpacked_bytes,
        faults: Faults::default(),
        marks: Vec::new(),
        manifest: None,
        content: None,
        indicators: None,
    };
    sheet.indicators = set.map(|set| Box::new(IndicatorFacts::of(set.id())));
    match what {
        "panic" => panic!("as planned\nin two lines"),
        "loop" => loop {
            std::hint::spin_loop();
        },
        "allocate" => {
            let mut all = Vec::new();
            loop {
                all.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        "recurse" => sheet.files = recurse(1),
        "exit" => std::process::exit(0),
        "garbage" => say(b"\0\0\0\x04nope"),
        "endless" => say(&[0xff; 8]),
        "huge" => {
            say(&(ANSWER_BYTES as u32 + 1).to_be_bytes());
            say(&vec![b' '; ANSWER_BYTES + 1]);
        }
        "cut" => {
            say(b"\0\0\x10\0{");
            std::process::exit(0);
        }
        "foretell" => say(&frame_of(0)),
        "unsearched" => sheet.indicators = None,
        "old" => sheet.inspector = INSPECTOR + 1,
        "wide" => sheet.limits = "0123456789abcdef".into(),
        "open" => drop(std::fs::File::open("/etc/passwd")),
        "create" => drop(std::fs::File::create("/tmp/cordon-worker-was-here")),
        "remove" => drop(std::fs::remove_file("/tmp/cordon-worker-was-here")),
        "connect" => drop(std::net::TcpStream::connect("127.0.0.1:1")),
        "resolve" => drop(std::net::UdpSocket::bind("127.0.0.1:0")),
        "program" => drop(std::process::Command::new("/bin/true").status()),
        "thread" => drop(std::thread::spawn(|| {}).join()),
        "murder" => {
            // Harmless if it were let through.
            let _ = rustix::process::test_kill_process(Pid::INIT);
        }
        "chatter" => {
            let line = "nothing to say, and much of it\n".repeat(40_000);
            io::Write::write_all(&mut io::stderr(), line.as_bytes())?;
        }
        "unreadable" => return Err(io::Error::other("a bad sector\u{1b}[2J")),
        "well" => {}
        other => panic!("{other} is nothing to do"),
    }
    Ok(sheet)
}

/// Takes out what the archive says.
fn take_out_wrongly(
    _: &ArtifactId,
    _: &Digest,
    input: &mut dyn Input,
    _: &Limits,
) -> io::Result<Option<Vec<u8>>> {
    let mut text = String::new();
    input.read_to_string(&mut text)?;
    match text.as_str() {
        "nothing" => Ok(None),
        "panic" => panic!("as planned"),
        "open" => Ok(Some(std::fs::read("/etc/passwd")?)),
        "large" => Ok(Some(vec![7; LARGE])),
        "too large" => Ok(Some(vec![7; METADATA_ANSWER_BYTES])),
        "unreadable" => Err(io::Error::other("a bad sector")),
        _ => Ok(Some(text.into_bytes())),
    }
}

fn recurse(depth: u64) -> u64 {
    let here = black_box([depth; 512]);
    match here[0] {
        0 => 0,
        depth => recurse(depth + 1) + here[511],
    }
}

/// Speaks out of turn.
fn say(words: &[u8]) {
    let mut rest = words;
    while let Ok(written) = rustix::io::write(rustix::stdio::stdin(), rest)
        && written > 0
    {
        rest = &rest[written..];
    }
}

/// An answer to a request that was never made.
fn frame_of(number: u64) -> Vec<u8> {
    use crate::inspection::protocol::{Answer, Outcome, frame};
    let outcome = Outcome::Input("forged".to_owned());
    frame(&Answer { number, outcome }, ANSWER_BYTES).expect("a short answer")
}

fn child(name: &str) -> Program {
    let arguments = [
        "--exact",
        &format!("inspection::pool::tests::{name}"),
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ];
    Program {
        path: std::env::current_exe().expect("this program"),
        arguments: arguments.map(OsString::from).to_vec(),
    }
}

fn settings(count: usize, seconds: u64) -> Settings {
    Settings {
        program: child("child_worker"),
        workers: count,
        memory_bytes: MEMORY_BYTES,
        timeout: Duration::from_secs(seconds),
        limits: Limits::default(),
    }
}

fn workers(count: usize, seconds: u64) -> Workers {
    Workers::with(settings(count, seconds), Arc::new(app::metrics())).expect("threads")
}

fn job(package: &str, text: String) -> Job {
    Job {
        artifact: artifact(package),
        depth: Depth::Structure,
        indicators: None,
        source: Source::Memory(Bytes::from(text)),
    }
}

async fn ask(workers: &Workers, text: &str) -> Result<Sheet, InspectFailure> {
    workers.inspect(job("left-pad", text.to_owned())).await
}

#[track_caller]
fn expect_well(result: Result<Sheet, InspectFailure>, number: u64) {
    let sheet = result.expect("a sheet");
    assert_eq!(sheet.files, number);
    assert_eq!(sheet.unpacked_bytes, Limits::default().unpacked_bytes);
}

/// Waits until a process is gone.
fn wait_for_end(process: u32) {
    let pid = Pid::from_raw(process.try_into().expect("a process")).expect("a process");
    // One that is gone already cannot be opened.
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    let mut handles = [PollFd::new(&handle, PollFlags::IN)];
    let patience = Timespec::try_from(PATIENCE).expect("a minute");
    let ended = poll(&mut handles, Some(&patience)).expect("a process can be waited for");
    assert_eq!(ended, 1, "process {process} goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_84_y_03_a_worker_that_breaks_costs_its_archive_alone() {
    let workers = workers(1, 60);
    expect_well(ask(&workers, "well 1").await, 1);
    for (what, expected) in [
        ("panic", "panicked: as planned\\nin two lines, at "),
        ("recurse", "signal 6"),
        ("exit", "exited with 0"),
        ("cut", "exited with 0"),
        ("nonsense", "panicked: nonsense is nothing to do, at "),
    ] {
        let failure = ask(&workers, what).await.expect_err(what);
        let InspectFailure::Crashed(how) = &failure else {
            panic!("{what}: {failure:?}");
        };
        assert!(how.contains(expected), "{what}: {how}");
        expect_well(ask(&workers, "well 2").await, 2);
    }
}

/// Asks for the file `wanted` of an archive that says `text`.
async fn take_out(
    workers: &Workers,
    text: &'static str,
    wanted: &[u8],
) -> Result<Option<Bytes>, InspectFailure> {
    let job = MetadataJob {
        artifact: artifact("left-pad"),
        sha256: Digest::of(wanted),
        source: Source::Memory(Bytes::from_static(text.as_bytes())),
    };
    workers.core_metadata(job).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_taken_out_is_the_one_that_was_asked_for_or_none() {
    let workers = workers(1, 60);
    let taken = take_out(&workers, "Name: a", b"Name: a").await;
    assert_eq!(taken, Ok(Some(Bytes::from_static(b"Name: a"))));
    assert_eq!(take_out(&workers, "nothing", b"Name: a").await, Ok(None));
    let large = vec![7; LARGE];
    let taken = take_out(&workers, "large", &large).await;
    assert_eq!(taken, Ok(Some(Bytes::from(large))));
    let other = take_out(&workers, "Name: b", b"Name: a").await;
    assert!(
        matches!(other, Err(InspectFailure::Garbage(_))),
        "{other:?}"
    );
    for (what, expected) in [
        ("panic", "as planned"),
        ("open", "may not do"),
        ("too large", "exited with 0"),
    ] {
        let failure = take_out(&workers, what, b"").await.expect_err(what);
        let InspectFailure::Crashed(how) = &failure else {
            panic!("{what}: {failure:?}");
        };
        assert!(how.contains(expected), "{what}: {how}");
        expect_well(ask(&workers, "well 9").await, 9);
    }
    let failure = take_out(&workers, "unreadable", b"").await;
    assert_eq!(failure, Err(InspectFailure::Input("a bad sector".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn y_07_an_answer_that_is_none_is_never_taken_for_one() {
    let workers = workers(1, 60);
    for what in ["garbage", "endless", "huge", "foretell", "old", "wide"] {
        let failure = ask(&workers, what).await.expect_err(what);
        assert!(
            matches!(failure, InspectFailure::Garbage(_)),
            "{what}: {failure:?}"
        );
        expect_well(ask(&workers, "well 3").await, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn y_08_a_worker_can_open_connect_start_and_kill_nothing() {
    let workers = workers(1, 60);
    for what in [
        "open", "create", "remove", "connect", "resolve", "program", "thread", "murder",
    ] {
        let failure = ask(&workers, what).await.expect_err(what);
        let InspectFailure::Crashed(how) = &failure else {
            panic!("{what}: {failure:?}");
        };
        assert!(how.contains("may not do"), "{what}: {how}");
        expect_well(ask(&workers, "well 4").await, 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_memory_than_a_worker_may_have_is_named_as_such() {
    let workers = workers(1, 60);
    for _ in 0..2 {
        let failure = ask(&workers, "allocate").await.expect_err("too much");
        assert_eq!(failure, InspectFailure::OutOfMemory(MEMORY_BYTES));
        expect_well(ask(&workers, "well 5").await, 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_ends_is_ended_and_not_tried_again() {
    let workers = workers(1, 1);
    let before = Instant::now();
    let failure = ask(&workers, "loop").await.expect_err("endless");
    assert_eq!(failure, InspectFailure::TimedOut(Duration::from_secs(1)));
    assert!(before.elapsed() >= Duration::from_secs(1));
    expect_well(ask(&workers, "well 6").await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_complains_of_stops_nobody() {
    let workers = workers(1, 60);
    expect_well(ask(&workers, "chatter 7").await, 7);
    let failure = ask(&workers, "unreadable").await.expect_err("unreadable");
    let shown = "a bad sector\\u{1b}[2J".into();
    assert_eq!(failure, InspectFailure::Input(shown));
    let process = workers.process_ids();
    expect_well(ask(&workers, "well 8").await, 8);
    // Neither was a reason for another worker.
    assert_eq!(workers.process_ids(), process);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_has_the_descriptors_it_needs_and_no_other() {
    // Something of ours that is open while it starts, and that children inherit.
    let ours = tempfile::tempfile().expect("a file");
    let inherited = rustix::io::FdFlags::empty();
    rustix::io::fcntl_setfd(&ours, inherited).expect("a file that is inherited");
    let workers = workers(1, 60);
    expect_well(ask(&workers, "well").await, 0);
    let process = workers.process_ids()[0];
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).expect("a listing");
    let mut open: Vec<_> = open
        .map(|it| std::fs::read_link(it.expect("an entry").path()).expect("a link"))
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    open.sort();
    let kinds: Vec<_> = open.iter().map(|it| it.split(':').next()).collect();
    let expected = ["/dev/null", "pipe", "socket", "socket"].map(Some);
    assert_eq!(kinds, expected, "{open:?}");
    let environment = std::fs::read(format!("/proc/{process}/environ")).expect("readable");
    assert!(environment.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_no_worker_holds_and_does_not_keep_anybody_waiting() {
    for (path, expected) in [
        ("/does/not/exist", "No such file"),
        ("/bin/true", "exited with 0"),
    ] {
        let mut settings = settings(2, 60);
        settings.program.path = PathBuf::from(path);
        let workers = Workers::with(settings, Arc::new(app::metrics())).expect("threads");
        let results = (0..8).map(|_| ask(&workers, "well"));
        for result in futures_util::future::join_all(results).await {
            let failure = result.expect_err("there is none");
            assert!(
                matches!(failure, InspectFailure::Unavailable(_)),
                "{failure:?}"
            );
            assert!(failure.to_string().contains(expected), "{failure}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inv_49_a_package_that_hangs_leaves_half_of_the_workers_to_others() {
    let workers = Arc::new(workers(2, 30));
    let hanging: Vec<_> = (0..4)
        .map(|_| {
            let workers = Arc::clone(&workers);
            tokio::spawn(async move { workers.inspect(job("greedy", "loop".into())).await })
        })
        .collect();
    for number in 0..50 {
        let result = workers
            .inspect(job("modest", format!("well {number}")))
            .await;
        expect_well(result, number);
    }
    assert!(hanging.iter().all(|it| !it.is_finished()));
    workers.close();
    for task in hanging {
        let failure = task.await.expect("no panic").expect_err("closed");
        let stopping = InspectFailure::Unavailable("Cordon is stopping".into());
        assert_eq!(failure, stopping);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_end_with_their_owner_busy_or_not() {
    let workers = Arc::new(workers(2, 60));
    expect_well(ask(&workers, "well").await, 0);
    let busy = tokio::spawn({
        let workers = Arc::clone(&workers);
        async move { workers.inspect(job("greedy", "loop".into())).await }
    });
    while workers.process_ids().len() < 2 {
        // One more has to start, unless the first took the loop.
        expect_well(ask(&workers, "well").await, 0);
    }
    let processes = workers.process_ids();
    workers.close();
    assert!(busy.await.expect("no panic").is_err());
    drop(workers);
    for process in processes {
        wait_for_end(process);
    }
}

#[test]
#[ignore = "another test starts it"]
fn child_parent() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let workers = Arc::new(workers(2, 3_600));
        let looping = Arc::clone(&workers);
        tokio::spawn(async move { looping.inspect(job("greedy", "loop".into())).await });
        // The other worker: it has nothing to do when this process is killed.
        while workers.process_ids().len() < 2 {
            let _ = workers.inspect(job("modest", "well".into())).await;
        }
        let processes = workers.process_ids();
        let mut out = io::stdout();
        io::Write::write_all(&mut out, format!("processes {processes:?}\n").as_bytes())
            .expect("somebody listens");
        std::future::pending::<()>().await;
    });
}

#[test]
fn no_worker_outlives_a_cordon_that_is_killed() {
    let program = child("child_parent");
    let mut parent = std::process::Command::new(&program.path)
        .args(&program.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program");
    let lines = BufReader::new(parent.stdout.take().expect("a pipe")).lines();
    let told = lines
        .map(|line| line.expect("text"))
        .find_map(|line| Some(line.split_once("processes [")?.1.to_owned()))
        .expect("the parent tells its workers");
    let processes: Vec<u32> = told
        .trim_end_matches(']')
        .split(", ")
        .map(|it| it.parse().expect("a number"))
        .collect();
    assert_eq!(processes.len(), 2);
    parent.kill().expect("a kill");
    parent.wait().expect("its end");
    for process in processes {
        wait_for_end(process);
    }
}

/// A thousand archives while workers are killed at random: what is answered is true, and most is.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_under_load_no_worker_gives_a_wrong_sheet() {
    const JOBS: u64 = 1_000;
    let workers = workers(4, 60);
    let (mut done, mut failed, mut kills) = (0, 0, 0);
    let mut random = 1_u64;
    let mut results = stream::iter(0..JOBS)
        .map(|number| {
            let workers = &workers;
            async move {
                let package = format!("p{}", number % 7);
                let job = job(&package, format!("well {number}"));
                (number, workers.inspect(job).await)
            }
        })
        .buffer_unordered(16);
    while let Some((number, result)) = results.next().await {
        match result {
            Ok(sheet) => {
                assert_eq!(sheet.files, number, "the sheet of another archive");
                done += 1;
            }
            Err(InspectFailure::Crashed(_)) => failed += 1,
            Err(other) => panic!("{number}: {other:?}"),
        }
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let processes = workers.process_ids();
        if (random >> 33).is_multiple_of(5) && !processes.is_empty() {
            let victim = processes[(random >> 40) as usize % processes.len()];
            let victim = Pid::from_raw(victim as i32).expect("a process");
            // It may have been replaced since.
            kills += u32::from(kill_process(victim, Signal::KILL).is_ok());
        }
    }
    assert_eq!(done + failed, JOBS);
    assert!(kills > 100, "only {kills} kills");
    assert!(
        done > JOBS * 9 / 10,
        "{done} done, {failed} failed, {kills} kills"
    );
    let text = workers.shared.metrics.encode();
    let counted = format!("cordon_inspections_total{{outcome=\"done\"}} {done}");
    assert!(text.contains(&counted), "{counted}\n{text}");
}

#[test]
fn larger_archives_get_more_time_up_to_a_bound() {
    let settings = settings(1, 60);
    let limit = |mib: u64| settings.time_limit(mib << 20).as_secs();
    assert_eq!([0, 31, 32, 200].map(limit), [60, 60, 120, 420]);
    assert_eq!([300, 2_048, 1 << 40].map(limit), [600, 600, 600]);
}

fn searched(text: &str, listed: &str) -> Job {
    let source = IndicatorSource {
        strings: vec![IndicatorFile {
            name: "texts.txt".to_owned(),
            text: listed.to_owned(),
        }],
        ..IndicatorSource::none()
    };
    let set = IndicatorSet::build(source).expect("a list");
    Job {
        indicators: Some(Arc::new(set)),
        ..job("left-pad", text.to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_looks_for_something_else_is_replaced() {
    let workers = workers(1, 60);
    let mut processes = Vec::new();
    for listed in ["first text", "first text", "second text"] {
        let job = searched("well 1", listed);
        let wanted = job.indicators.as_ref().map(|set| set.id().clone());
        let sheet = workers.inspect(job).await.expect("a sheet");
        assert_eq!(sheet.indicators.map(|it| it.set), wanted);
        processes.extend(workers.process_ids());
    }
    assert_eq!(processes[0], processes[1]);
    assert_ne!(processes[1], processes[2]);
    // What is asked for without indicators is answered without, by the same one.
    let sheet = ask(&workers, "well 1").await.expect("a sheet");
    assert_eq!(sheet.indicators, None);
    assert_eq!(workers.process_ids(), [processes[2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_that_was_not_searched_is_no_answer() {
    let workers = workers(1, 60);
    let failure = workers.inspect(searched("unsearched", "some text")).await;
    let failure = failure.expect_err("no sheet");
    assert!(matches!(failure, InspectFailure::Garbage(_)), "{failure:?}");
}
