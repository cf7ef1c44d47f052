//! Group D of the reliability catalogue: what is refused, and that what was there before stays.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cordon_policy::ecosystem::{NPM, Npm};
use cordon_policy::model::Version;
use cordon_storage::generations::Generations;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use super::*;
use crate::config::{Config, Overrides, Platform};

/// A data folder for one ecosystem, and a place for dumps.
struct Place {
    folder: TempDir,
    generations: Generations,
    config: FeedsConfig,
}

const FEEDS: &str = "[[feeds.advisories]]\necosystem = 'npm'\nid = 'public'\nimported = true\n\
     [[feeds.advisories]]\necosystem = 'npm'\nid = 'own'\nlist = 'own.txt'\n\
     [[feeds.advisories]]\necosystem = 'npm'\nid = 'folder'\nfolder = 'records'\n\
     [feeds]\nkev_file = 'kev.json'\n";

fn place() -> Place {
    place_with("")
}

fn place_with(more: &str) -> Place {
    let folder = TempDir::new().unwrap();
    let text = format!("{FEEDS}{more}");
    let source = cordon_policy::config::PolicySource {
        name: "cordon.toml".to_owned(),
        text,
    };
    let overrides = Overrides {
        data: Some(folder.path().join("data")),
        ..Overrides::default()
    };
    let config = Config::read(Some(source), folder.path(), &overrides, &Platform).unwrap();
    Place {
        generations: Generations::open(folder.path().join("data/feeds/npm")).unwrap(),
        config: config.config.feeds,
        folder,
    }
}

const DAY: i64 = 86_400_000;

fn now() -> Timestamp {
    Timestamp::parse("2026-08-01T00:00:00Z").unwrap()
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn feed(&self, id: &str) -> &FeedConfig {
        self.config.of(&NPM).find(|feed| feed.id == id).unwrap()
    }

    fn import(&self, id: &str, path: &Path) -> Result<Imported, Refused> {
        self.import_at(id, path, now(), false)
    }

    fn force(&self, id: &str, path: &Path) -> Result<Imported, Refused> {
        self.import_at(id, path, now(), true)
    }

    fn import_at(
        &self,
        id: &str,
        path: &Path,
        now: Timestamp,
        is_forced: bool,
    ) -> Result<Imported, Refused> {
        let writing = self
            .generations
            .write()
            .unwrap()
            .expect("nobody else writes");
        let import = Import {
            writing: &writing,
            ecosystem: &NPM,
            bounds: &self.config,
            now,
            is_forced,
        };
        import.from_path(self.feed(id), path)
    }

    /// The ids that name version 1.0.0 of a package.
    fn named(&self, package: &str) -> Vec<String> {
        let index = super::super::installed::index(&self.generations).unwrap();
        let name = Npm.package(package).unwrap();
        let matches = index.unwrap().matches(&name, &Version::verbatim("1.0.0"));
        matches.iter().map(|it| it.id.to_string()).collect()
    }

    fn zip(&self, name: &str, records: &[(String, String)]) -> PathBuf {
        let path = self.path(name);
        let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        for (name, json) in records {
            zip.start_file(name.as_str(), SimpleFileOptions::default())
                .unwrap();
            zip.write_all(json.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        path
    }

    /// What a refusal must leave: the same generation, the same answers.
    fn stays(&self, id: &str, path: &Path, cause: &str) -> Refused {
        let before = (self.generations.pointer().unwrap(), self.named("package-0"));
        let refused = self.import(id, path).expect_err("it is refused");
        assert_eq!(refused.cause(), cause, "{refused}");
        assert!(Refused::CAUSES.contains(&refused.cause()));
        let after = (self.generations.pointer().unwrap(), self.named("package-0"));
        assert_eq!(before, after, "what was in force stays");
        refused
    }
}

fn record(n: usize, modified_day: i64) -> (String, String) {
    let modified = Timestamp::from_millis(now().as_millis() + (modified_day - 100) * DAY);
    let id = format!("MAL-2026-{n}");
    let json = format!(
        r#"{{"schema_version":"1.6.0","id":"{id}","modified":"{modified}","affected":[
            {{"package":{{"ecosystem":"npm","name":"package-{n}"}},"versions":["1.0.0"]}}]}}"#
    );
    (format!("{id}.json"), json)
}

fn withdrawn(n: usize, day: i64) -> (String, String) {
    let (name, json) = record(n, day);
    (
        name,
        json.replacen('{', r#"{"withdrawn":"2026-07-30T00:00:00Z","#, 1),
    )
}

/// `count` records, the newest of that day.
fn dump(count: usize, day: i64) -> Vec<(String, String)> {
    (0..count)
        .map(|n| record(n, day - i64::from(n % 7 != 0)))
        .collect()
}

fn new(imported: Result<Imported, Refused>) -> NewGeneration {
    match imported.unwrap() {
        Imported::New(new) => *new,
        Imported::Unchanged => panic!("it is new"),
    }
}

fn loaded(count: usize) -> Place {
    let place = place();
    let path = place.zip("all.zip", &dump(count, 10));
    new(place.import("public", &path));
    place
}

#[test]
fn a_dump_is_in_force_with_what_it_was_made_of() {
    let place = place();
    let path = place.zip("all.zip", &dump(20, 10));
    let made = new(place.import("public", &path));
    assert_eq!(made.generation.number, 1);
    assert_eq!((made.manifest.records, made.manifest.packages), (20, 20));
    let kept = made.manifest.feed("public").unwrap();
    assert_eq!((kept.records, kept.unusable), (20, 0));
    assert_eq!(kept.part, Digest::of(&fs::read(&path).unwrap()));
    assert_eq!(place.named("package-0"), ["MAL-2026-0"]);
    assert!(matches!(
        place.import("public", &path).unwrap(),
        Imported::Unchanged
    ));
}

#[test]
fn feeds_of_one_ecosystem_are_taken_together_and_each_is_exchanged_by_itself() {
    let place = loaded(20);
    fs::write(
        place.path("own.txt"),
        "pkg:npm/ours@1.0.0\tno\nours-too 1.0.0",
    )
    .unwrap();
    new(place.import("own", &place.path("own.txt")));
    fs::create_dir_all(place.path("records/below")).unwrap();
    let (name, json) = record(500, 3);
    fs::write(place.path("records/below").join(name), json).unwrap();
    new(place.import("folder", &place.path("records")));
    for package in ["package-0", "ours", "ours-too", "package-500"] {
        assert_eq!(place.named(package).len(), 1, "{package}");
    }
    fs::write(place.path("own.txt"), "# nothing any more\n").unwrap();
    new(place.import("own", &place.path("own.txt")));
    assert!(place.named("ours").is_empty(), "an own list may get empty");
    assert_eq!(place.named("package-500"), ["MAL-2026-500"]);
    let path = place.zip("newer.zip", &dump(21, 11));
    let made = new(place.import("public", &path));
    assert_eq!(made.manifest.records, 22);
    fs::write(place.path("own.txt"), "fine 1.0.0\nnot:a name\treason").unwrap();
    let refused = place.stays("own", &place.path("own.txt"), "damaged");
    assert!(refused.to_string().contains("line 2"), "{refused}");
}

#[test]
fn an_index_is_made_again_from_what_is_kept_without_what_is_no_longer_wanted() {
    let place = loaded(20);
    fs::write(place.path("own.txt"), "ours 1.0.0").unwrap();
    let before = new(place.import("own", &place.path("own.txt")));
    let writing = place.generations.write().unwrap().unwrap();
    let import = Import {
        writing: &writing,
        ecosystem: &NPM,
        bounds: &place.config,
        now: now(),
        is_forced: false,
    };
    let Imported::New(same) = import.again(&|_| true).unwrap() else {
        panic!("it is made again");
    };
    assert_eq!(same.generation.digest, before.generation.digest);
    import.again(&|feed| feed.id != "own").unwrap();
    assert!(place.named("ours").is_empty());
    assert_eq!(place.named("package-0").len(), 1);
}

#[test]
fn d_02_a_dump_cut_at_every_percent_or_with_a_flipped_bit_is_refused() {
    let place = loaded(200);
    let whole = fs::read(place.zip("next.zip", &dump(200, 11))).unwrap();
    let path = place.path("damaged.zip");
    for percent in 0..100 {
        fs::write(&path, &whole[..whole.len() * percent / 100]).unwrap();
        place.stays("public", &path, "damaged");
    }
    let mut refused = 0;
    for place_of_flip in (40..whole.len() / 2).step_by(whole.len() / 40) {
        let mut flipped = whole.clone();
        flipped[place_of_flip] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        // A flip in a local header's time or name says nothing about a record; the directory
        // counts.
        match place.import("public", &path) {
            Err(found) => {
                assert!(
                    ["damaged", "bad-records", "mixed"].contains(&found.cause()),
                    "{found}"
                );
                refused += 1;
            }
            Ok(_) => _ = place.force("public", &place.path("all.zip")).unwrap(),
        }
    }
    assert!(refused > 10, "{refused} flips were noticed");
}

#[test]
fn d_03_one_bad_record_among_few_refuses_the_dump_and_among_many_is_counted() {
    let place = loaded(20);
    let mut records = dump(200, 11);
    records[7].1 = "{\"id\":".to_owned();
    let path = place.zip("bad.zip", &records);
    let refused = place.stays("public", &path, "bad-records");
    assert!(
        cordon_storage::Chain(&refused)
            .to_string()
            .contains("MAL-2026-7")
    );
    let mut records = dump(2_000, 11);
    records[7].1 = "{\"id\":".to_owned();
    records[8].1 = "[]".to_owned();
    let path = place.zip("few.zip", &records);
    let made = new(place.import("public", &path));
    assert_eq!(made.manifest.feed("public").unwrap().unusable, 2);
    let mut records = dump(2_000, 12);
    for record in &mut records[5..8] {
        record.1 = String::new();
    }
    let path = place.zip("many.zip", &records);
    place.stays("public", &path, "bad-records");
}

#[test]
fn d_04_an_empty_dump_and_an_unlikely_shrink_are_refused_unless_forced() {
    let place = loaded(100);
    place.stays("public", &place.zip("empty.zip", &[]), "empty");
    let other: Vec<_> = dump(100, 11)
        .into_iter()
        .map(|(name, json)| (name, json.replace("npm", "PyPI")))
        .collect();
    place.stays("public", &place.zip("other.zip", &other), "empty");
    let smaller = place.zip("smaller.zip", &dump(89, 11));
    place.stays("public", &smaller, "shrunk");
    // Taking everything back is a way to lose it, too.
    let mut taken_back = dump(100, 11);
    for (n, record) in taken_back.iter_mut().take(11).enumerate() {
        *record = withdrawn(n, 11);
    }
    let path = place.zip("withdrawn.zip", &taken_back);
    place.stays("public", &path, "shrunk");
    let made = new(place.force("public", &smaller));
    assert!(made.forced.is_some_and(|why| why.contains("max_shrink")));
    assert!(made.manifest.feed("public").unwrap().forced.is_some());
    let path = place.zip("fewer.zip", &dump(81, 11));
    let made = new(place.import("public", &path));
    assert_eq!((made.manifest.records, made.forced), (81, None));
}

#[test]
fn d_05_a_dump_that_goes_back_is_refused_unless_forced() {
    let place = loaded(100);
    let older = place.zip("older.zip", &dump(110, 9));
    let refused = place.stays("public", &older, "rolled-back");
    assert!(refused.is_alarming());
    let undated: Vec<_> = dump(110, 9)
        .into_iter()
        .map(|(name, json)| (name, json.replace("modified", "changed")))
        .collect();
    place.stays("public", &place.zip("undated.zip", &undated), "rolled-back");
    new(place.force("public", &older));
    // As new as before is not older.
    new(place.import("public", &place.zip("same.zip", &dump(111, 9))));
}

#[test]
fn d_05_a_record_of_the_future_does_not_hide_that_a_dump_goes_back() {
    let place = place();
    let with_future = |count, day| {
        let mut records = dump(count, day);
        records[1] = record(1, 500);
        records
    };
    new(place.import("public", &place.zip("all.zip", &with_future(2_000, 10))));
    let older = place.zip("older.zip", &with_future(2_001, 9));
    place.stays("public", &older, "rolled-back");
    // Nor is every later dump older once somebody has mended it.
    let mended = place.zip("mended.zip", &dump(2_002, 11));
    let made = new(place.import("public", &mended));
    let newest = made.manifest.newest_modified.unwrap();
    assert!(newest < now());
}

#[test]
fn d_04_as_many_other_records_do_not_make_up_for_those_that_are_gone() {
    let place = loaded(200);
    let others: Vec<_> = (1_000..1_200).map(|n| record(n, 11)).collect();
    let path = place.zip("others.zip", &others);
    let refused = place.stays("public", &path, "shrunk");
    assert!(
        refused.to_string().contains("200 of the 200 records"),
        "{refused}"
    );
    // The same ids, each about another package.
    let renamed: Vec<_> = dump(200, 11)
        .into_iter()
        .map(|(name, json)| (name, json.replace("package-", "another-")))
        .collect();
    let path = place.zip("renamed.zip", &renamed);
    let refused = place.stays("public", &path, "shrunk");
    assert!(refused.to_string().contains("packages named"), "{refused}");
    // A few may go, and any number may come.
    let mut mended = dump(400, 11);
    mended.drain(..20);
    new(place.import("public", &place.zip("mended.zip", &mended)));
    new(place.force("public", &path));
    assert!(place.named("package-30").is_empty());
}

#[test]
fn d_05_a_dump_of_the_future_is_refused_and_locks_no_later_one_out() {
    let place = loaded(100);
    let future: Vec<_> = (0..100).map(|n| record(n, 30_000)).collect();
    let future = place.zip("future.zip", &future);
    let refused = place.stays("public", &future, "future");
    assert!(refused.is_alarming());
    // The real dumps are some hours ahead.
    let ahead = place.zip("ahead.zip", &dump(101, 101));
    new(place.import("public", &ahead));
    // Somebody forced it, or it was imported before there was this check: nothing is silenced.
    let made = new(place.force("public", &future));
    assert_eq!(made.manifest.newest_modified, None);
    new(place.import("public", &place.zip("good.zip", &dump(102, 11))));
}

#[test]
fn d_05_a_single_record_of_the_future_in_a_small_feed_does_not_count() {
    let place = place();
    let mut records = dump(10, 10);
    records[3] = record(3, 30_000);
    let made = new(place.import("public", &place.zip("all.zip", &records)));
    assert_eq!(
        made.manifest
            .newest_modified
            .map(|at| (at.as_millis() - now().as_millis()) / DAY),
        Some(-90)
    );
    records[4] = record(4, 30_000);
    place.stays("public", &place.zip("two.zip", &records), "future");
}

#[test]
fn d_07_two_different_records_of_one_id_are_a_mix() {
    let place = loaded(100);
    let mut mixed = dump(100, 11);
    mixed.push(("other/MAL-2026-5.json".to_owned(), record(5, 9).1));
    place.stays("public", &place.zip("mixed.zip", &mixed), "mixed");
    fs::create_dir_all(place.path("records/old")).unwrap();
    for (folder, day) in [("records", 11), ("records/old", 9)] {
        let (name, json) = record(5, day);
        fs::write(place.path(folder).join(name), json).unwrap();
    }
    place.stays("folder", &place.path("records"), "mixed");
}

#[test]
fn d_08_d_09_a_withdrawal_lifts_and_a_return_blocks_again() {
    let place = loaded(100);
    let mut records = dump(100, 11);
    records[0] = withdrawn(0, 12);
    new(place.import("public", &place.zip("withdrawn.zip", &records)));
    assert!(place.named("package-0").is_empty());
    records[0] = record(0, 13);
    new(place.import("public", &place.zip("again.zip", &records)));
    assert_eq!(place.named("package-0"), ["MAL-2026-0"]);
}

#[test]
fn d_18_what_is_too_large_is_refused_before_it_is_held() {
    let place = place_with("dump_size = '1 MiB'\ndump_records = 50\n");
    new(place.import("public", &place.zip("all.zip", &dump(40, 10))));
    place.stays("public", &place.zip("many.zip", &dump(60, 11)), "limit");
    let path = place.path("large.zip");
    fs::write(&path, vec![0; 1 << 21]).unwrap();
    place.stays("public", &path, "limit");
    // Small as it is sent, large as it unfolds.
    let (name, json) = record(0, 11);
    let mut records = vec![(name, json.replace("1.6.0", &"6".repeat(20 << 20)))];
    place.stays("public", &place.zip("one-record.zip", &records), "limit");
    records = (0..12)
        .map(|n| (record(n, 11).0, " ".repeat(1 << 20) + &record(n, 11).1))
        .collect();
    place.stays("public", &place.zip("unfolds.zip", &records), "limit");
}

#[test]
fn d_19_an_unknown_schema_refuses_the_whole_dump() {
    let place = loaded(100);
    let mut records = dump(2_000, 11);
    records[3].1 = records[3].1.replace("1.6.0", "99.0.0");
    place.stays("public", &place.zip("schema.zip", &records), "schema");
}

#[test]
fn d_23_no_clock_has_a_say_in_which_dump_is_newer() {
    let place = loaded(100);
    let newer = place.zip("newer.zip", &dump(100, 11));
    let older = place.zip("older.zip", &dump(100, 9));
    for years in [-1, 1] {
        let at = Timestamp::from_millis(now().as_millis() + years * 365 * DAY);
        let refused = place.import_at("public", &older, at, false).unwrap_err();
        assert_eq!(refused.cause(), "rolled-back");
    }
    let behind = Timestamp::from_millis(now().as_millis() - 365 * DAY);
    let made = new(place.import_at("public", &newer, behind, false));
    assert_eq!(made.generation.number, 2);
}

#[cfg(unix)]
#[test]
fn d_24_links_pipes_devices_and_folders_are_not_read() {
    let place = loaded(100);
    let real = place.zip("real.zip", &dump(100, 11));
    let link = place.path("link.zip");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let socket = place.path("socket");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let pipe = place.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    fs::create_dir(place.path("empty")).unwrap();
    for path in [&link, &socket, &pipe, &PathBuf::from("/dev/zero")] {
        place.stays("public", path, "irregular");
    }
    place.stays("own", &place.path("empty"), "irregular");
    place.stays("public", &place.path("empty"), "empty");
    let linked = place.path("linked");
    std::os::unix::fs::symlink(place.path("empty"), &linked).unwrap();
    place.stays("folder", &linked, "irregular");
    fs::create_dir(place.path("records")).unwrap();
    std::os::unix::fs::symlink(&real, place.path("records/a.json")).unwrap();
    place.stays("folder", &place.path("records"), "irregular");
}

#[test]
fn an_import_while_another_runs_waits_for_nothing() {
    let place = loaded(10);
    let _held = place.generations.write().unwrap().unwrap();
    assert!(place.generations.write().unwrap().is_none());
}

#[test]
fn d_04_scores_that_are_cut_or_lost_many_entries_are_refused() {
    let place = place_with("epss_file = 'epss.csv'\n");
    new(place.import("public", &place.zip("dump.zip", &dump(20, 10))));
    let epss = |count: usize| {
        let lines = (0..count).map(|n| format!("CVE-2026-{n},0.25,0.5\n"));
        format!("cve,epss,percentile\n{}", lines.collect::<String>())
    };
    let kev = |count: usize| {
        let entries: Vec<String> = (0..count)
            .map(|n| format!("{{\"cveID\":\"CVE-2026-{n}\"}}"))
            .collect();
        format!("{{\"vulnerabilities\":[{}]}}", entries.join(","))
    };
    let write = |name: &str, text: &str| {
        fs::write(place.path(name), text).unwrap();
        place.path(name)
    };
    let cut = epss(100);
    for (id, name, whole, smaller, cut) in [
        ("epss", "e.csv", epss(100), epss(89), &cut[..cut.len() - 4]),
        (
            "kev",
            "k.json",
            kev(100),
            kev(89),
            "{\"vulnerabilities\":[{",
        ),
    ] {
        let made = new(place.import(id, &write(name, &whole)));
        assert_eq!(made.manifest.feed(id).unwrap().records, 100);
        assert_eq!(made.manifest.records, 20, "scores are no records");
        place.stays(id, &write(name, cut), "damaged");
        let path = write(name, &smaller);
        place.stays(id, &path, "shrunk");
        assert!(new(place.force(id, &path)).forced.is_some(), "{id}");
    }
}
