//! The core cannot reach the outside: nothing in its dependency tree could take it there.

use std::collections::{BTreeMap, BTreeSet};

const MANIFEST: &str = include_str!("../Cargo.toml");
const LOCK: &str = include_str!("../../Cargo.lock");

/// Runtimes, sockets, stores, randomness.
const FORBIDDEN: [&str; 12] = [
    "async-std",
    "getrandom",
    "hyper",
    "mio",
    "rand",
    "reqwest",
    "rusqlite",
    "rustls",
    "sled",
    "socket2",
    "tokio",
    "ureq",
];

/// Dependencies the lock file shows because somebody else in the workspace asks for them, or only the
/// build does: moka, in the shell, makes ids with `uuid`, and the parser behind `cel` only reads constants
/// with it; `jobserver` shares out the processors while grammars are compiled.
const OF_OTHERS: [(&str, &str); 2] = [("uuid", "getrandom"), ("jobserver", "getrandom")];

#[test]
fn the_dependency_tree_holds_no_runtime_socket_store_or_randomness() {
    let manifest = toml_span::parse(MANIFEST).expect("the manifest is TOML");
    // What is optional is in no build unless somebody asks for it: YARA, which brings a runtime for
    // code of its own and is let run in confined workers alone.
    let is_optional = |options: &toml_span::Value<'_>| {
        let optional = options.pointer("/optional");
        optional.and_then(|it| it.as_bool()).unwrap_or(false)
    };
    let direct: Vec<String> = manifest
        .pointer("/dependencies")
        .and_then(|table| table.as_table())
        .expect("the manifest lists dependencies")
        .iter()
        .filter(|(_, options)| !is_optional(options))
        .map(|(key, _)| key.name.to_string())
        .collect();
    let tree = closure(direct);
    assert!(tree.len() > 20, "the tree was not read: {tree:?}");
    let reached: Vec<&str> = FORBIDDEN
        .into_iter()
        .filter(|name| tree.contains(*name))
        .collect();
    assert!(reached.is_empty(), "{reached:?}");
}

/// Everything the lock file says these packages need, over all features the workspace uses.
fn closure(mut open: Vec<String>) -> BTreeSet<String> {
    let lock = toml_span::parse(LOCK).expect("the lock file is TOML");
    let mut needs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let packages = lock.pointer("/package").and_then(|list| list.as_array());
    for package in packages.expect("a lock file lists packages") {
        let name = package.pointer("/name").and_then(|name| name.as_str());
        let name = name.expect("a locked package has a name");
        let dependencies = package
            .pointer("/dependencies")
            .and_then(|list| list.as_array())
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.as_str())
            // `name version` where several versions are locked.
            .filter_map(|entry| entry.split(' ').next())
            .filter(|needed| !OF_OTHERS.contains(&(name, *needed)))
            .map(str::to_owned);
        needs
            .entry(name.to_owned())
            .or_default()
            .extend(dependencies);
    }
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        if seen.insert(name.clone()) {
            open.extend(needs.get(&name).into_iter().flatten().cloned());
        }
    }
    seen
}
