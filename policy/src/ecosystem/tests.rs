//! What holds for all ecosystems alike; each ecosystem's own edges are in `tests/`.

use super::*;

fn v(text: &str) -> Version {
    Version::verbatim(text)
}

#[test]
fn a_range_holds_what_its_ecosystem_says_it_holds() {
    for (scheme, range, version, expected) in [
        (&Npm as &dyn Scheme, "^1.2.3", "1.9.0", true),
        (&Npm, "^1.2.3", "2.0.0-a", false),
        (&Npm, "1.x", "1.0.0-beta", true),
        (&Npm, "1.0.0", "1.0.0+build", true),
        (&Npm, "1.2 - 2.3", "2.3.9", true),
        (&Npm, "> 1.2", "1.2.9", false),
        (&Npm, "*", "junk", true),
        (&Npm, ">=0.0.0", "junk", false),
        (&PyPi, "==1.0", "1.0.0", true),
        (&PyPi, "==1.2.*", "1", false),
        (&PyPi, "<2", "2.0rc1", false),
        (&PyPi, "~=1.4.2", "1.4.9", true),
        (&PyPi, "*", "junk", true),
        (&Cargo, "=1.0.0", "1.0.0+x", true),
        (&Cargo, "1.2", "1.9.0-beta", true),
        (&Cargo, "^0.0.3", "0.0.4", false),
        (&Cargo, "*", "junk", true),
    ] {
        assert_eq!(
            scheme.range(range).unwrap().contains(&v(version)),
            expected,
            "{range} {version}"
        );
    }
}
