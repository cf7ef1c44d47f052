//! What a large index file costs: to parse, and to render again after a verdict changed
//! (performance.md). As large as the largest real ones, with lines as long as theirs.

use std::hint::black_box;

use bytes::Bytes;
use cordon::registry::cargo::Cargo;
use cordon::registry::{Document, Entry, Links, Listing, Registry, UpstreamDocument, View};
use cordon_policy::model::Digest;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use url::Url;

const VERSIONS: usize = 500;
const DEPENDENCIES: usize = 9;

fn index_file() -> String {
    let dependencies: Vec<String> = (0..DEPENDENCIES)
        .map(|at| {
            format!(
                "{{\"name\":\"dependency-{at}\",\"req\":\"^1.{at}\",\"features\":[],\
                 \"optional\":{},\"default_features\":true,\"target\":null,\"kind\":\"normal\"}}",
                at % 2 == 0
            )
        })
        .collect();
    (0..VERSIONS)
        .map(|at| {
            format!(
                "{{\"name\":\"giant\",\"vers\":\"{}.{}.0\",\"deps\":[{}],\"cksum\":\"{:064x}\",\
                 \"features\":{{\"default\":[\"derive\",\"parsing\",\"printing\",\"clone-impls\"],\
                 \"full\":[],\"derive\":[],\"extra-traits\":[],\"parsing\":[],\"printing\":[]}},\
                 \"yanked\":{},\"rust_version\":\"1.61\",\"pubtime\":\"2024-05-06T07:08:09Z\"}}\n",
                at / 100,
                at % 100,
                dependencies.join(","),
                at,
                at % 50 == 0
            )
        })
        .collect()
}

fn document(name: &str, body: String) -> UpstreamDocument {
    let bytes = Bytes::from(body);
    UpstreamDocument {
        digest: Digest::of(&bytes),
        bytes,
        content_type: "text/plain".into(),
        url: Url::parse(&format!("https://index.example/{name}")).expect("a constant address"),
        files: [].into(),
        last_modified: None,
        upstream: "public".into(),
    }
}

fn bench(criterion: &mut Criterion) {
    let package = Cargo
        .scheme()
        .package("giant")
        .expect("a constant, valid name");
    let index = document("gi/an/giant", index_file());
    let size = index.bytes.len() as u64;
    let config = document(
        "config.json",
        "{\"dl\":\"https://static.example/{crate}/{crate}-{version}.crate\"}".to_owned(),
    );
    let documents = [Some(index), Some(config)];
    let view = View::plain("index");
    let links = Links {
        base: Url::parse("http://127.0.0.1:4873/cargo/").expect("a constant address"),
    };
    let read = || {
        Cargo
            .read(&package, &documents)
            .expect("the document is well formed")
    };
    let parsed = read();
    let render = |parsed: &dyn Document, entries: &[Entry]| {
        parsed
            .render(&Listing { entries }, &view, &links)
            .expect("it can be rendered")
    };
    let all = vec![Entry::Listed; VERSIONS];
    let mixed: Vec<Entry> = (0..VERSIONS)
        .map(|at| match at % 3 {
            0 => Entry::Demoted,
            _ => Entry::Listed,
        })
        .collect();

    let mut group = criterion.benchmark_group(format!("index file of {size} bytes"));
    group.throughput(Throughput::Bytes(size));
    group.bench_function("parse", |b| b.iter(|| black_box(read())));
    group.bench_function("render, everything listed", |b| {
        b.iter(|| black_box(render(parsed.as_ref(), &all)));
    });
    group.bench_function("render, a third demoted", |b| {
        b.iter(|| black_box(render(parsed.as_ref(), &mixed)));
    });
    group.bench_function("parse and render", |b| {
        b.iter(|| black_box(render(read().as_ref(), &mixed)));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
