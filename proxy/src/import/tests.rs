use cordon_policy::config::{PolicySource, load};
use proptest::prelude::*;

use super::*;

const FORMATS: [Format; 6] = [
    Format::Verdaccio,
    Format::Artifactory,
    Format::Nexus,
    Format::Pnpm,
    Format::OsvScanner,
    Format::CargoDeny,
];

fn terms() -> Terms {
    Terms {
        owner: "platform team".to_owned(),
        ticket: "OPS-512".to_owned(),
        until: Timestamp::parse("2027-02-19T00:00:00Z").expect("a time"),
    }
}

fn assert_loads(policy: &str) {
    let source = PolicySource {
        name: "imported.toml".to_owned(),
        text: policy.to_owned(),
    };
    if let Err(problems) = load(&[source]) {
        panic!("{problems:#?}\n{policy}");
    }
}

/// The policy and the remarks as one text.
fn imported(format: Format, text: &str) -> String {
    let imported = import(format, text, &terms()).expect("it can be read");
    if let Some(policy) = &imported.policy {
        assert_loads(policy);
    }
    let remarks: Vec<String> = imported
        .remarks
        .iter()
        .map(|remark| {
            let loss = if remark.is_loss { "LOST: " } else { "" };
            format!("line {}: {loss}{}", remark.line, remark.text)
        })
        .collect();
    format!(
        "{}---\n{}",
        imported.policy.unwrap_or_else(|| "nothing\n".to_owned()),
        remarks.join("\n")
    )
}

#[test]
fn verdaccio_packages() {
    insta::assert_snapshot!(imported(
        Format::Verdaccio,
        "\
storage: ./storage
uplinks:
  main:
    url: https://registry.example/
packages:
  '@acme/public-*':
    access: $all
    proxy: main
  '@acme/*':
    access: $authenticated
    publish: $authenticated
  'acme-*':
    access: $all
  '@beta/**':
    access: $all
  '!(left)-pad':
    access: $all
  'event-stream':
    access: nobody
  '@*/*':
    access: $all
    proxy: main
  '**':
    access: $all
    proxy: main
"
    ));
}

#[test]
fn verdaccio_restrictions_are_kept_whole_and_what_nobody_may_read_is_denied() {
    insta::assert_snapshot!(imported(
        Format::Verdaccio,
        "\
packages:
  '@acme/pub':
    access: $all
    proxy: main
  '@acme/*':
    access: $all
  'event-@(stream|source)':
    access: nobody
    proxy: main
  '+(a|b)':
    access: nobody
    proxy: main
  'react':
    access: $all
    proxy: main
  '**':
    access: nobody
    proxy: main
"
    ));
}

#[test]
fn verdaccio_that_proxies_nothing_cannot_be_taken_over() {
    let text = "packages:\n  '**':\n    access: $all\n";
    let imported = import(Format::Verdaccio, text, &terms()).expect("it can be read");
    assert_eq!(imported.policy, None);
    assert_eq!(imported.remarks.len(), 1, "{:?}", imported.remarks);
}

#[test]
fn artifactory_repositories() {
    insta::assert_snapshot!(imported(
        Format::Artifactory,
        r#"[
  { "key": "npm-remote", "rclass": "remote", "packageType": "npm",
    "includesPattern": "**/*",
    "excludesPattern": "left-pad/-/left-pad-1.3.0.tgz, @evil/**, .npm/event-stream/**, **/*-SNAPSHOT*" },
  { "key": "pypi-remote", "packageType": "PyPI",
    "includesPattern": "simple/requests/**,packages/**/x*",
    "excludesPattern": "" },
  { "key": "maven", "packageType": "maven", "excludesPattern": "com/evil/**" },
  { "key": "none", "packageType": "npm" }
]"#
    ));
    insta::assert_snapshot!(imported(
        Format::Artifactory,
        "packageType=cargo\nexcludesPattern=crates/evil/**\n"
    ));
}

#[test]
fn nexus_selectors() {
    insta::assert_snapshot!(imported(
        Format::Nexus,
        "\
# age rules
format == \"pypi\" and age < 7
(format == \"npm\" or format == \"cargo\") and age <= 2
format == \"npm\" and path =^ \"/@acme/\" and age < 30
format == \"npm\" and path =~ \"^/event-stream/.*\"
format == \"maven2\" and age < 7
format == \"npm\" and age > 900
format == \"npm\" and path =~ \"/(a|b)/.*\"
format == \"npm\"
age < 7
format ==
format == \"npm\" and path =~ \".*event-stream.*\"
format == \"npm\" and age <= 4294967295
format == \"npm\" and age <= 18446744073709551615
format == \"npm\" and path =^ \"/left-pad/\" and path =^ \"/right-pad/\"
format == \"npm\" and path =^ \"/left-pad/\" and path =~ \".*1[.]3.*\" and age > 900
format == \"npm\" and path =~ \"(?i)/a/.*\" and age < 7
format == \"npm\" and coordinate.group == \"acme\" and coordinate.name == \"widget\"
"
    ));
    let json = "[{\"name\": \"young\", \"expression\": \"format == 'pypi' and age < 3\"}]";
    insta::assert_snapshot!(imported(Format::Nexus, json));
}

#[test]
fn pnpm_settings() {
    insta::assert_snapshot!(imported(
        Format::Pnpm,
        "\
packages:
  - 'apps/*'
minimumReleaseAge: 1440
minimumReleaseAgeExclude:
  - '@acme/*'
  - react
  - 'webpack@4.47.0 || 5.102.1'
  - '@babel/core@7.28.0'
  - '!react-dom'
trustPolicy: no-downgrade
"
    ));
    insta::assert_snapshot!(imported(
        Format::Pnpm,
        "registry=https://registry.example/\nminimum-release-age=2880\nminimum-release-age-exclude[]=@acme/*\n"
    ));
}

#[test]
fn osv_scanner_ignores() {
    insta::assert_snapshot!(imported(
        Format::OsvScanner,
        "\
[[IgnoredVulns]]
id = \"GO-2022-0968\"
ignoreUntil = 2022-11-09
reason = \"not used\"

[[IgnoredVulns]]
id = \"CVE-2021-23337\"

[[IgnoredVulns]]
id = \"MAL-2026-1\"
reason = \"it is ours\"

[[PackageOverrides]]
name = \"lodash\"
version = \"4.17.20\"
ecosystem = \"npm\"
ignore = true
effectiveUntil = 2027-01-31 # then we are done
reason = \"no untrusted templates\"

[[PackageOverrides]]
name = \"@acme/widget\"
ecosystem = \"npm\"
vulnerability.ignore = true

[[PackageOverrides]]
ecosystem = \"Go\"
name = \"stdlib\"
ignore = true

[[PackageOverrides]]
ecosystem = \"PyPI\"
name = \"requests\"
license.override = [\"Apache-2.0\"]
"
    ));
}

#[test]
fn cargo_deny_bans_and_ignores() {
    insta::assert_snapshot!(imported(
        Format::CargoDeny,
        "\
[graph]
all-features = true

[advisories]
ignore = [
  \"RUSTSEC-2023-0071\",
  { id = \"RUSTSEC-2024-0436\", reason = \"paste is done, not dangerous\" },
  \"yanked@0.1.1\",
  { crate = \"foo@0.1.0\", reason = \"yanked by mistake\" },
]
yanked = \"deny\"
unmaintained = \"workspace\"

[licenses]
allow = [\"MIT\"]

[bans]
multiple-versions = \"warn\"
deny = [
  \"openssl-sys\",
  { crate = \"time@<0.3\", reason = \"segfaults\" },
  { name = \"atty\", version = \"=0.2.14\" },
  { crate = \"cmake\", wrappers = [\"aws-lc-sys\"] },
  { crate = \"not a name\" },
]

[sources]
unknown-registry = \"deny\"
"
    ));
}

#[test]
fn what_is_something_else_is_said_to_be() {
    for format in FORMATS {
        assert!(import(format, "", &terms()).is_err(), "{format:?}");
        assert!(
            import(format, "\u{feff}# nothing\n", &terms()).is_err(),
            "{format:?}"
        );
    }
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\npackages: *b\n";
    let refused = import(Format::Verdaccio, bomb, &terms()).expect_err("is refused");
    assert!(refused.to_string().contains("aliases"), "{refused}");
    let long = " ".repeat(MAX_BYTES + 1);
    assert_eq!(
        import(Format::Pnpm, &long, &terms()),
        Err(ImportError::TooLarge(MAX_BYTES + 1))
    );
    let deep = "[".repeat(10_000);
    assert!(import(Format::Verdaccio, &deep, &terms()).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_an_import_panic_and_what_comes_out_loads(
        start in prop::sample::select(vec![
            "packages:\n", "minimumReleaseAge: 5\nminimumReleaseAgeExclude:\n", "",
            "[[PackageOverrides]]\n", "[bans]\ndeny = [", "packageType=npm\nexcludesPattern=",
        ]),
        rest in "[ \\-a-z0-9@/*'\"=:,.{}\\[\\]<>()|!\n\u{e9}#&]{0,60}"
    ) {
        for format in FORMATS {
            if let Ok(Imported { policy: Some(policy), .. }) =
                import(format, &format!("{start}{rest}"), &terms())
            {
                assert_loads(&policy);
            }
        }
    }
}
