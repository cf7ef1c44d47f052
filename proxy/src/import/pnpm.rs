//! pnpm: `minimumReleaseAge` and its exceptions, from `pnpm-workspace.yaml` or `.npmrc`.
//!
//! pnpm counts in minutes and has one clock. Exceptions for a package become overrides without a
//! wait; exceptions for versions (`react@18.2.0 || 18.3.0`) become exemptions, which end.

use super::draft::{Draft, Item, quote};
use super::{ImportError, yaml};

const ECOSYSTEM: &str = "npm";

/// Settings of pnpm that are close to what is imported and have no counterpart here.
const RELATED: [(&str, &str); 4] = [
    (
        "minimumReleaseAgeStrict",
        "Cordon always withholds what is too young",
    ),
    (
        "minimumReleaseAgeIgnoreMissingTime",
        "set `when_missing` of the rule minimum-age if you need it",
    ),
    (
        "trustPolicy",
        "the rules about what a version changes are for that",
    ),
    (
        "trustPolicyExclude",
        "exempt the packages from the rules about what a version changes",
    ),
];

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), ImportError> {
    let is_ini = text.lines().any(|line| {
        let line = line.trim();
        line.starts_with("minimum-release-age") && line.contains('=')
    });
    let settings = if is_ini {
        from_npmrc(text)
    } else {
        from_yaml(text, draft)?
    };
    if settings.age.is_none() && settings.excluded.is_empty() {
        return Err(ImportError::Nothing(
            "neither `minimumReleaseAge` nor `minimumReleaseAgeExclude` is set",
        ));
    }
    settings.write(draft);
    Ok(())
}

#[derive(Default)]
struct Settings {
    age: Option<(usize, String)>,
    excluded: Vec<(usize, String)>,
}

fn from_yaml(text: &str, draft: &mut Draft) -> Result<Settings, ImportError> {
    let root = yaml::read(text)?;
    for (name, instead) in RELATED {
        if let Some(node) = root.get(name) {
            draft.remark(node.line, format!("`{name}` is not taken over: {instead}"));
        }
    }
    let age = root.get("minimumReleaseAge");
    let excluded = root.get("minimumReleaseAgeExclude");
    Ok(Settings {
        age: age.and_then(|node| Some((node.line, node.text()?.to_owned()))),
        excluded: excluded.map_or_else(Vec::new, |node| {
            let texts = node.texts().into_iter();
            texts.map(|(line, text)| (line, text.to_owned())).collect()
        }),
    })
}

fn from_npmrc(text: &str) -> Settings {
    let mut settings = Settings::default();
    for (at, line) in text.lines().enumerate() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches(['"', '\'']).to_owned();
        match key.trim() {
            "minimum-release-age" => settings.age = Some((at + 1, value)),
            "minimum-release-age-exclude[]" | "minimum-release-age-exclude" => {
                settings.excluded.push((at + 1, value));
            }
            _ => {}
        }
    }
    settings
}

impl Settings {
    fn write(self, draft: &mut Draft) {
        if let Some((line, age)) = self.age {
            match age.trim().parse::<u32>() {
                Ok(minutes) => draft.add(
                    line,
                    Item::Age {
                        ecosystem: ECOSYSTEM,
                        packages: Vec::new(),
                        age: format!("{minutes}min"),
                    },
                ),
                Err(_) => draft.lost(line, format!("{} is no number of minutes", quote(&age))),
            }
        }
        for (line, excluded) in self.excluded {
            exclude(line, &excluded, draft);
        }
    }
}

fn exclude(line: usize, written: &str, draft: &mut Draft) {
    let written = written.trim();
    if written.starts_with('!') {
        let text = format!(
            "{}: what is excluded again has no counterpart",
            quote(written)
        );
        return draft.remark(line, text);
    }
    // The first character may be the `@` of a scope.
    let at = written.char_indices().skip(1).find(|(_, c)| *c == '@');
    let Some((at, _)) = at else {
        return draft.add(
            line,
            Item::Age {
                ecosystem: ECOSYSTEM,
                packages: vec![written.to_owned()],
                age: "0s".to_owned(),
            },
        );
    };
    let (name, versions) = (&written[..at], &written[at + 1..]);
    draft.add(
        line,
        Item::Exempt {
            package: format!("pkg:{ECOSYSTEM}/{}", name.replace('@', "%40")),
            versions: Some(versions.trim().to_owned()),
            rule: "minimum-age",
            reason: format!("excluded from pnpm's minimumReleaseAge, line {line}"),
            until: None,
        },
    );
    draft.remark(
        line,
        format!("{} has no end in pnpm; here it ends", quote(written)),
    );
}
