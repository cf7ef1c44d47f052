//! What an expression can see: the names under `facts`, what they hold, and how they are filled.
//!
//! The names are for ever: policies are written with them. The page of the rule lists them.

use std::sync::Arc;

use cel::Value;
use cel::objects::{Key, Map};
use smol_str::SmolStr;

use crate::facts::{AdvisoryMatch, Change, ExoticDependency, Fact, FactKind, VersionFacts};
use crate::model::Timestamp;

/// What a name holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// A text, a number or a truth value.
    Scalar,
    /// Named values.
    Map(&'static [(&'static str, Shape)]),
    /// A list of the same.
    List(&'static Shape),
}

/// A list of texts.
const TEXTS: Shape = Shape::List(&Shape::Scalar);

const FROM_AND_TO: Shape = Shape::Map(&[("from", Shape::Scalar), ("to", Shape::Scalar)]);

const EXOTIC: Shape = Shape::List(&Shape::Map(&[
    ("name", Shape::Scalar),
    ("source", Shape::Scalar),
    ("written", Shape::Scalar),
]));

const ADVISORIES: Shape = Shape::List(&Shape::Map(&[
    ("id", Shape::Scalar),
    ("aliases", TEXTS),
    ("kind", Shape::Scalar),
    ("named", Shape::Scalar),
    ("cvss", Shape::Scalar),
    ("epss", Shape::Scalar),
    ("is_exploited", Shape::Scalar),
    ("is_reviewed", Shape::Scalar),
    ("fixed", TEXTS),
]));

const CHANGE: Shape = Shape::Map(&[
    ("since", Shape::Scalar),
    (
        "added_dependencies",
        Shape::List(&Shape::Map(&[
            ("package", Shape::Scalar),
            ("kind", Shape::Scalar),
        ])),
    ),
    ("added_hooks", TEXTS),
    ("added_exotic", EXOTIC),
    ("new_publisher", Shape::Scalar),
    ("new_maintainers", TEXTS),
    ("trust_lost", FROM_AND_TO),
    ("license", FROM_AND_TO),
    ("size_bytes", FROM_AND_TO),
]);

/// A name directly under `facts`.
#[derive(Debug)]
pub(super) struct Field {
    /// The name.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) shape: Shape,
    /// The fact it is made of; `None` for what is always known.
    pub(super) kind: Option<FactKind>,
    /// Its value.
    pub(super) read: fn(&VersionFacts) -> Fact<Value>,
}

const fn scalar(
    name: &'static str,
    kind: Option<FactKind>,
    read: fn(&VersionFacts) -> Fact<Value>,
) -> Field {
    Field {
        name,
        shape: Shape::Scalar,
        kind,
        read,
    }
}

/// Every name under `facts`, in the order of the page.
pub(super) static FIELDS: &[Field] = &[
    scalar("purl", None, |facts| known(facts.subject().to_string())),
    scalar("ecosystem", None, |facts| {
        known(facts.subject().name.ecosystem().as_str())
    }),
    scalar("name", None, |facts| {
        known(facts.subject().name.normalized())
    }),
    scalar("version", None, |facts| {
        known(facts.subject().version.as_str())
    }),
    scalar("file", None, |facts| known(facts.artifact.file.as_str())),
    scalar("upstream", None, |facts| {
        known(facts.package.upstream.as_str())
    }),
    scalar("route", None, |facts| optional(&facts.audience.route)),
    scalar("identity", None, |facts| optional(&facts.audience.identity)),
    scalar("published_at", Some(FactKind::PublishedAt), |facts| {
        map(&facts.published_at, |at| seconds(*at))
    }),
    scalar(
        "first_published_at",
        Some(FactKind::FirstPublishedAt),
        |facts| map(&facts.package.first_published_at, |at| seconds(*at)),
    ),
    scalar("size_bytes", None, |facts| {
        map(&facts.size_bytes, |size| number(*size))
    }),
    scalar("is_yanked", Some(FactKind::Yanked), |facts| {
        map(&facts.is_yanked, |reason| Value::Bool(reason.is_some()))
    }),
    scalar("deprecated", Some(FactKind::Deprecated), |facts| {
        map(&facts.deprecated, text)
    }),
    scalar("license", Some(FactKind::License), |facts| {
        map(&facts.license, text)
    }),
    Field {
        name: "install_hooks",
        shape: TEXTS,
        kind: Some(FactKind::InstallHooks),
        read: |facts| list(&facts.install_hooks, |hooks| texts(hooks)),
    },
    scalar("has_provenance", Some(FactKind::Provenance), |facts| {
        map(&facts.has_provenance, |has| Value::Bool(*has))
    }),
    scalar("publisher", Some(FactKind::Publisher), |facts| {
        map(&facts.publisher, text)
    }),
    scalar("status", Some(FactKind::Status), |facts| {
        map(&facts.package.status, text)
    }),
    scalar("rank", None, |facts| match facts.package.popularity {
        Some(popularity) => Fact::Known(number(u64::from(popularity.rank))),
        None => Fact::Absent,
    }),
    Field {
        name: "advisories",
        shape: ADVISORIES,
        kind: Some(FactKind::Advisories),
        read: |facts| list(&facts.advisories, |all| all.iter().map(advisory).collect()),
    },
    Field {
        name: "exotic_dependencies",
        shape: EXOTIC,
        kind: Some(FactKind::ExoticDependencies),
        read: |facts| list(&facts.exotic_dependencies, |all| exotic(all)),
    },
    Field {
        name: "change",
        shape: CHANGE,
        kind: Some(FactKind::Change),
        read: |facts| map(&facts.change, |change| changes(change)),
    },
    Field {
        name: "burst",
        shape: Shape::Map(&[("versions", Shape::Scalar), ("habit", Shape::Scalar)]),
        kind: Some(FactKind::Burst),
        read: |facts| {
            map(&facts.burst, |burst| {
                table([
                    ("versions", number(u64::from(burst.versions))),
                    ("habit", number(u64::from(burst.habit))),
                ])
            })
        },
    },
    Field {
        name: "similarity",
        shape: Shape::Map(&[
            ("score", Shape::Scalar),
            ("target", Shape::Scalar),
            ("technique", Shape::Scalar),
        ]),
        kind: Some(FactKind::Similarity),
        read: |facts| {
            map(&facts.package.similarity, |similarity| {
                table([
                    ("score", thousandths(similarity.score.0)),
                    ("target", text(&similarity.target)),
                    ("technique", text(&similarity.technique)),
                ])
            })
        },
    },
];

/// The root map.
pub(super) fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// The longest list in a value.
pub(super) fn longest_list(value: &Value) -> usize {
    match value {
        Value::List(items) => {
            let inside = items.iter().map(longest_list).max().unwrap_or(0);
            inside.max(items.len())
        }
        // The order of a map does not matter to a maximum.
        Value::Map(map) => map.map.values().map(longest_list).max().unwrap_or(0),
        _ => 0,
    }
}

/// A map of named values.
pub(super) fn table(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let pairs = entries
        .into_iter()
        .map(|(name, value)| (Key::from(name), value));
    // Hashed inside, which nothing can tell: no expression walks a map.
    Value::Map(Map {
        map: Arc::new(pairs.collect()),
    })
}

fn known(text: impl Into<String>) -> Fact<Value> {
    Fact::Known(Value::String(Arc::new(text.into())))
}

fn optional(text: &Option<SmolStr>) -> Fact<Value> {
    text.as_ref()
        .map_or(Fact::Absent, |text| known(text.as_str()))
}

fn map<T>(fact: &Fact<T>, value: impl FnOnce(&T) -> Value) -> Fact<Value> {
    match fact {
        Fact::Known(known) => Fact::Known(value(known)),
        Fact::Absent => Fact::Absent,
        Fact::Unavailable(cause) => Fact::Unavailable(cause.clone()),
        Fact::NotYet => Fact::NotYet,
    }
}

/// As [`map`]; that there is none is an empty list.
fn list<T>(fact: &Fact<T>, values: impl FnOnce(&T) -> Vec<Value>) -> Fact<Value> {
    match map(fact, |known| Value::List(Arc::new(values(known)))) {
        Fact::Absent => Fact::Known(Value::List(Arc::default())),
        other => other,
    }
}

fn text(text: &SmolStr) -> Value {
    Value::String(Arc::new(text.to_string()))
}

fn texts(texts: &[SmolStr]) -> Vec<Value> {
    texts.iter().map(text).collect()
}

fn word(value: impl serde::Serialize) -> Value {
    let word = serde_json::to_value(value);
    let word = word.as_ref().ok().and_then(serde_json::Value::as_str);
    Value::String(Arc::new(word.unwrap_or("unknown").to_owned()))
}

fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn thousandths(thousandths: u16) -> Value {
    Value::Float(f64::from(thousandths) / 1_000.0)
}

fn seconds(at: Timestamp) -> Value {
    Value::Int(at.as_millis().div_euclid(1_000))
}

fn advisory(advisory: &AdvisoryMatch) -> Value {
    let mut entries = vec![
        ("id", text(&advisory.id)),
        ("aliases", Value::List(Arc::new(texts(&advisory.aliases)))),
        ("kind", word(advisory.kind)),
        ("named", word(advisory.named)),
        ("is_exploited", Value::Bool(advisory.is_exploited)),
        ("is_reviewed", Value::Bool(advisory.is_reviewed)),
        ("fixed", Value::List(Arc::new(texts(&advisory.fixed)))),
    ];
    if let Some(tenths) = advisory.cvss_tenths {
        entries.push(("cvss", Value::Float(f64::from(tenths) / 10.0)));
    }
    if let Some(epss) = advisory.epss_thousandths {
        entries.push(("epss", thousandths(epss)));
    }
    table(entries)
}

fn exotic(all: &[ExoticDependency]) -> Vec<Value> {
    all.iter()
        .map(|one| {
            table([
                ("name", text(&one.name)),
                ("source", word(one.source)),
                ("written", text(&one.written)),
            ])
        })
        .collect()
}

fn changes(change: &Change) -> Value {
    let added = change.added_dependencies.iter().map(|added| {
        table([
            ("package", Value::String(Arc::new(added.package.purl()))),
            ("kind", word(added.kind)),
            ("is_of_known_owner", Value::Bool(added.is_of_known_owner)),
        ])
    });
    let listed = |values: Vec<Value>| Value::List(Arc::new(values));
    let from_to = |from, to| table([("from", from), ("to", to)]);
    let mut entries = vec![
        ("since", Value::String(Arc::new(change.since.to_string()))),
        ("added_dependencies", listed(added.collect())),
        ("added_hooks", listed(texts(&change.added_hooks))),
        ("added_exotic", listed(exotic(&change.added_exotic))),
        ("new_maintainers", listed(texts(&change.new_maintainers))),
    ];
    if let Some(publisher) = &change.new_publisher {
        entries.push(("new_publisher", text(publisher)));
    }
    if let Some(lost) = change.trust_lost {
        entries.push(("trust_lost", from_to(word(lost.from), word(lost.to))));
    }
    if let Some(license) = &change.license {
        entries.push(("license", from_to(text(&license.from), text(&license.to))));
    }
    if let Some((from, to)) = change.size_bytes {
        entries.push(("size_bytes", from_to(number(from), number(to))));
    }
    table(entries)
}
