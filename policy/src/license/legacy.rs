//! What people wrote before there was SPDX, put into its words.

use std::borrow::Cow;

use serde_json::Value;

/// Most licences of one array or list of classifiers.
const MAX_JOINED: usize = 16;

/// Common names, in lower case and without "the", and the licence each can only mean.
const NAMES: [(&str, &str); 52] = [
    ("apache 2", "Apache-2.0"),
    ("apache 2.0", "Apache-2.0"),
    ("apache license 2.0", "Apache-2.0"),
    ("apache license version 2.0", "Apache-2.0"),
    ("apache license, version 2.0", "Apache-2.0"),
    ("apache software license 2.0", "Apache-2.0"),
    ("apache-2", "Apache-2.0"),
    ("apache2", "Apache-2.0"),
    ("apache2.0", "Apache-2.0"),
    ("apachev2", "Apache-2.0"),
    ("2-clause bsd", "BSD-2-Clause"),
    ("bsd 2-clause", "BSD-2-Clause"),
    ("bsd 2-clause license", "BSD-2-Clause"),
    ("bsd-2", "BSD-2-Clause"),
    ("simplified bsd", "BSD-2-Clause"),
    ("simplified bsd license", "BSD-2-Clause"),
    ("3-clause bsd", "BSD-3-Clause"),
    ("3-clause bsd license", "BSD-3-Clause"),
    ("bsd 3-clause", "BSD-3-Clause"),
    ("bsd 3-clause license", "BSD-3-Clause"),
    ("bsd-3", "BSD-3-Clause"),
    ("modified bsd license", "BSD-3-Clause"),
    ("new bsd", "BSD-3-Clause"),
    ("new bsd license", "BSD-3-Clause"),
    ("cc0", "CC0-1.0"),
    ("cc0 1.0 universal", "CC0-1.0"),
    ("isc license", "ISC"),
    ("expat", "MIT"),
    ("mit licence", "MIT"),
    ("mit license", "MIT"),
    ("mit licensed", "MIT"),
    ("mpl 2.0", "MPL-2.0"),
    ("mpl2", "MPL-2.0"),
    ("mpl2.0", "MPL-2.0"),
    ("mozilla public license 2.0", "MPL-2.0"),
    ("unlicense", "Unlicense"),
    ("wtfpl", "WTFPL"),
    ("zlib license", "Zlib"),
    ("agplv3", "AGPL-3.0-only"),
    ("agplv3+", "AGPL-3.0-or-later"),
    ("gpl v2", "GPL-2.0-only"),
    ("gpl v3", "GPL-3.0-only"),
    ("gpl-2", "GPL-2.0-only"),
    ("gpl-3", "GPL-3.0-only"),
    ("gplv2", "GPL-2.0-only"),
    ("gplv2+", "GPL-2.0-or-later"),
    ("gplv3", "GPL-3.0-only"),
    ("gplv3+", "GPL-3.0-or-later"),
    ("lgplv2.1", "LGPL-2.1-only"),
    ("lgplv2.1+", "LGPL-2.1-or-later"),
    ("lgplv3", "LGPL-3.0-only"),
    ("lgplv3+", "LGPL-3.0-or-later"),
];

/// Python's classifiers below `License :: `, and the licence each can only mean. Those that name a
/// family (`BSD License`, `GNU General Public License (GPL)`, `Apache Software License`) are not here.
const CLASSIFIERS: [(&str, &str); 24] = [
    ("OSI Approved :: Academic Free License (AFL)", "AFL-3.0"),
    (
        "OSI Approved :: Boost Software License 1.0 (BSL-1.0)",
        "BSL-1.0",
    ),
    (
        "OSI Approved :: European Union Public Licence 1.2 (EUPL 1.2)",
        "EUPL-1.2",
    ),
    (
        "OSI Approved :: GNU Affero General Public License v3",
        "AGPL-3.0-only",
    ),
    (
        "OSI Approved :: GNU Affero General Public License v3 or later (AGPLv3+)",
        "AGPL-3.0-or-later",
    ),
    (
        "OSI Approved :: GNU General Public License v2 (GPLv2)",
        "GPL-2.0-only",
    ),
    (
        "OSI Approved :: GNU General Public License v2 or later (GPLv2+)",
        "GPL-2.0-or-later",
    ),
    (
        "OSI Approved :: GNU General Public License v3 (GPLv3)",
        "GPL-3.0-only",
    ),
    (
        "OSI Approved :: GNU General Public License v3 or later (GPLv3+)",
        "GPL-3.0-or-later",
    ),
    (
        "OSI Approved :: GNU Lesser General Public License v2 (LGPLv2)",
        "LGPL-2.0-only",
    ),
    (
        "OSI Approved :: GNU Lesser General Public License v2 or later (LGPLv2+)",
        "LGPL-2.0-or-later",
    ),
    (
        "OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)",
        "LGPL-3.0-only",
    ),
    (
        "OSI Approved :: GNU Lesser General Public License v3 or later (LGPLv3+)",
        "LGPL-3.0-or-later",
    ),
    ("OSI Approved :: ISC License (ISCL)", "ISC"),
    ("OSI Approved :: MIT License", "MIT"),
    (
        "OSI Approved :: MIT No Attribution License (MIT-0)",
        "MIT-0",
    ),
    (
        "OSI Approved :: Mozilla Public License 1.1 (MPL 1.1)",
        "MPL-1.1",
    ),
    (
        "OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)",
        "MPL-2.0",
    ),
    (
        "OSI Approved :: Python Software Foundation License",
        "PSF-2.0",
    ),
    ("OSI Approved :: The Unlicense (Unlicense)", "Unlicense"),
    (
        "OSI Approved :: Universal Permissive License (UPL)",
        "UPL-1.0",
    ),
    ("OSI Approved :: Zope Public License", "ZPL-2.1"),
    (
        "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication",
        "CC0-1.0",
    ),
    ("Other/Proprietary License", "UNLICENSED"),
];

/// The licence of an object (`{"type": "MIT"}`), or those of an array, of which old npm meant any.
pub(super) fn from_json(text: &str) -> Option<String> {
    match serde_json::from_str(text).ok()? {
        Value::Array(items) if items.len() <= MAX_JOINED => {
            let ids: Option<Vec<String>> = items.iter().map(of_value).collect();
            ids.filter(|ids| !ids.is_empty()).map(|ids| match &ids[..] {
                [one] => one.clone(),
                several => format!("({})", several.join(") OR (")),
            })
        }
        value => of_value(&value),
    }
}

fn of_value(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text,
        Value::Object(members) => ["type", "name", "license"]
            .iter()
            .find_map(|key| members.get(*key)?.as_str())?,
        _ => return None,
    };
    let text = text.trim();
    (!text.is_empty()).then(|| by_name(text).unwrap_or(text).to_owned())
}

/// The licences of classifiers, one a line or separated by `;`. Several must all be met: the
/// classifiers do not tell, and the stricter reading harms nobody.
pub(super) fn from_classifiers(text: &str) -> Option<String> {
    let classifiers = text
        .split(['\n', ';'])
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let mut ids = Vec::new();
    for line in classifiers.take(MAX_JOINED) {
        let below = line.strip_prefix("License :: ")?;
        let (_, id) = CLASSIFIERS.iter().find(|(name, _)| *name == below)?;
        ids.push(*id);
    }
    (!ids.is_empty()).then(|| ids.join(" AND "))
}

/// The licence a common name means.
pub(super) fn by_name(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix("the ").unwrap_or(&lower);
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, id)| *id)
}

/// Whether nobody may use it.
pub(super) fn is_unlicensed(text: &str) -> bool {
    // `Unlicense` is a licence, and one that gives everything away.
    [
        "UNLICENSED",
        "Proprietary",
        "All rights reserved",
        "Private",
    ]
    .iter()
    .any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether the terms stand somewhere else.
pub(super) fn is_elsewhere(text: &str) -> bool {
    let begins = |word: &str| {
        text.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    [
        "SEE LICENSE",
        "SEE LICENCE",
        "SEE FILE",
        "LICENSE.",
        "Custom",
    ]
    .iter()
    .any(|word| begins(word))
}

/// Words that are ids or operators but for their case, in the case they should have.
pub(super) fn in_proper_case(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        out.push_str(&proper(word));
        let next = after.find(is_word).unwrap_or(after.len());
        let (between, after) = after.split_at(next);
        out.push_str(between);
        rest = after;
    }
    out
}

fn proper(word: &str) -> Cow<'_, str> {
    for operator in ["AND", "OR", "WITH"] {
        if word.eq_ignore_ascii_case(operator) {
            return Cow::Borrowed(operator);
        }
    }
    let licenses = spdx::identifiers::LICENSES
        .iter()
        .map(|license| license.name);
    let exceptions = spdx::identifiers::EXCEPTIONS
        .iter()
        .map(|exception| exception.name);
    licenses
        .chain(exceptions)
        .find(|id| id.eq_ignore_ascii_case(word))
        .map_or(Cow::Borrowed(word), Cow::Borrowed)
}
