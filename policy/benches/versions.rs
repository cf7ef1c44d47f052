//! What one comparison and one range test cost: both are done for every version of a document.

use std::hint::black_box;

use cordon_policy::ecosystem::{Cargo, Npm, PyPi};
use cordon_policy::model::{Scheme, Version};
use criterion::{Criterion, criterion_group, criterion_main};

fn versions(criterion: &mut Criterion) {
    let schemes: [(&str, &dyn Scheme, [&str; 4], &str); 3] = [
        (
            "npm",
            &Npm,
            [
                "18.2.0",
                "18.3.1",
                "19.0.0-rc.1",
                "19.0.0-beta-26f2496093-20240514",
            ],
            "^18.2",
        ),
        (
            "pypi",
            &PyPi,
            ["2.31.0", "2.32.3", "3.0.0rc1", "1!2.0.post1+local.1"],
            ">=2.28,<3",
        ),
        (
            "cargo",
            &Cargo,
            ["1.0.210", "1.0.219", "2.0.0-rc.1", "300.0.0+3.0.0"],
            "^1.0.210",
        ),
    ];
    for (name, scheme, texts, range) in schemes {
        let [a, b, pre, long] = texts.map(Version::verbatim);
        let range = scheme.range(range).expect("a valid range");
        let mut group = criterion.benchmark_group(name);
        group.bench_function("compare-releases", |bencher| {
            bencher.iter(|| scheme.compare(black_box(&a), black_box(&b)));
        });
        group.bench_function("compare-pre-releases", |bencher| {
            bencher.iter(|| scheme.compare(black_box(&pre), black_box(&long)));
        });
        group.bench_function("range", |bencher| {
            bencher.iter(|| range.contains(black_box(&b)));
        });
        group.finish();
    }
}

criterion_group!(benches, versions);
criterion_main!(benches);
