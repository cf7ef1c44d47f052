//! Parse, filter and render large PyPI pages, of the size of the largest popular projects.
//!
//! `wheels` has few versions with many files each (1.8 MB); `releases` many versions with two files
//! each (1.9 MB).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench on made pages stops where one is not as meant, and says what it measures"
)]

use std::hint::black_box;

use cordon::registry::pypi::PyPi;
use cordon::registry::{Document, Entry, Links, Listing, Registry, UpstreamDocument, View};
use cordon_policy::model::{Digest, PackageName};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use url::Url;

const JSON: &str = "application/vnd.pypi.simple.v1+json";

fn file(name: &str, index: usize) -> Value {
    let digest = Digest::of(name.as_bytes()).hex();
    let metadata = if name.ends_with(".whl") {
        json!({"sha256": Digest::of(digest.as_bytes()).hex()})
    } else {
        json!(false)
    };
    json!({
        "core-metadata": metadata,
        "data-dist-info-metadata": metadata,
        "filename": name,
        "hashes": {"sha256": digest},
        "provenance": null,
        "requires-python": ">=3.9",
        "size": 10_000_000 + index,
        "upload-time": format!("20{:02}-0{}-11T10:09:08.070605Z", 10 + index % 16, 1 + index % 9),
        "url": format!(
            "https://files.example/packages/{}/{}/{}/{name}",
            &digest[..2], &digest[2..4], &digest[4..]
        ),
        "yanked": false,
    })
}

fn page(versions: &[String], names: &[String]) -> Vec<u8> {
    let files: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(index, name)| file(name, index))
        .collect();
    json!({
        "alternate-locations": [],
        "files": files,
        "meta": {"_last-serial": 27_182_818, "api-version": "1.4"},
        "name": "large-page",
        "project-status": {"status": "active"},
        "versions": versions,
    })
    .to_string()
    .into_bytes()
}

fn wheels() -> Vec<u8> {
    let versions: Vec<String> = (0..48).map(|n| format!("2.{n}.0")).collect();
    let mut names = Vec::new();
    for version in &versions {
        for python in [
            "cp310", "cp311", "cp312", "cp313", "cp313t", "cp314", "cp314t",
        ] {
            for platform in [
                "macosx_10_14_x86_64",
                "macosx_11_0_arm64",
                "manylinux_2_27_aarch64.manylinux_2_28_aarch64",
                "manylinux_2_27_x86_64.manylinux_2_28_x86_64",
                "musllinux_1_2_aarch64",
                "musllinux_1_2_x86_64",
                "win32",
                "win_amd64",
                "win_arm64",
            ] {
                let abi = python;
                names.push(format!(
                    "large_page-{version}-{python}-{abi}-{platform}.whl"
                ));
            }
        }
        names.push(format!("large_page-{version}.tar.gz"));
    }
    page(&versions, &names)
}

fn releases() -> Vec<u8> {
    let versions: Vec<String> = (0..1900)
        .map(|n| format!("1.{}.{}", n / 100, n % 100))
        .collect();
    let names: Vec<String> = versions
        .iter()
        .flat_map(|version| {
            [
                format!("large_page-{version}-py3-none-any.whl"),
                format!("large-page-{version}.tar.gz"),
            ]
        })
        .collect();
    page(&versions, &names)
}

fn upstream(content_type: &str, bytes: Vec<u8>) -> UpstreamDocument {
    UpstreamDocument {
        digest: Digest::of(&bytes),
        bytes: bytes.into(),
        content_type: content_type.into(),
        url: Url::parse("https://registry.example/simple/large-page/").unwrap(),
        files: [].into(),
        last_modified: None,
        upstream: "bench".into(),
    }
}

fn read(package: &PackageName, document: &UpstreamDocument) -> Box<dyn Document> {
    let documents = [Some(document.clone())];
    PyPi.read(package, &documents).unwrap()
}

fn render(document: &dyn Document, entries: &[Entry], form: &'static str) -> usize {
    let links = Links {
        base: Url::parse("http://127.0.0.1:4873/pypi/").unwrap(),
    };
    let listing = Listing { entries };
    let rendered = document.render(&listing, &View::plain(form), &links);
    rendered.unwrap().body.len()
}

fn bench(criterion: &mut Criterion) {
    let package = PyPi.scheme().package("large-page").unwrap();
    for (name, bytes) in [("wheels", wheels()), ("releases", releases())] {
        let json = upstream(JSON, bytes);
        let document = read(&package, &json);
        let count = document.candidates().len();
        println!(
            "{name}: {} bytes, {count} files, {} bytes held",
            json.bytes.len(),
            document.weight_bytes()
        );
        let all = vec![Entry::Listed; count];
        let some: Vec<Entry> = (0..count)
            .map(|index| {
                if index % 10 == 0 {
                    Entry::Hidden
                } else {
                    Entry::Listed
                }
            })
            .collect();
        let links = Links {
            base: Url::parse("https://registry.example/").unwrap(),
        };
        let listing = Listing { entries: &all };
        let html = document
            .render(&listing, &View::plain("simple-html"), &links)
            .unwrap();
        let html = upstream("text/html", html.body.to_vec());

        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(json.bytes.len() as u64));
        group.bench_function("read json", |b| b.iter(|| read(&package, black_box(&json))));
        group.bench_function("read html", |b| b.iter(|| read(&package, black_box(&html))));
        group.bench_function("render json, all", |b| {
            b.iter(|| render(document.as_ref(), &all, "simple-json"));
        });
        group.bench_function("render json, a tenth hidden", |b| {
            b.iter(|| render(document.as_ref(), &some, "simple-json"));
        });
        group.bench_function("render html, a tenth hidden", |b| {
            b.iter(|| render(document.as_ref(), &some, "simple-html"));
        });
        group.bench_function("read and render json", |b| {
            b.iter(|| render(read(&package, &json).as_ref(), &some, "simple-json"));
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
