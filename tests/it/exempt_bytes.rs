//! An exemption for exact bytes lets through what the policy refuses before any byte is there.

use cordon_tests::client::http;
use cordon_tests::clock::{ago, ahead, days, hours};
use cordon_tests::cordon::Cordon;
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

const NAME: &str = "hotfix";
const OLD: &str = "1.0.0";
const YOUNG: &str = "1.0.1";

fn registry() -> FakeRegistry {
    let registry = FakeRegistry::start();
    for protocol in [Protocol::Pypi, Protocol::Cargo] {
        registry.publish(Release::new(protocol, NAME, OLD));
        registry.publish(Release::new(protocol, NAME, YOUNG).published_at(ago(hours(1))));
    }
    registry
}

fn policy(registry: &FakeRegistry, sha256_of: &str) -> String {
    let exempt = [(Protocol::Pypi, "pypi"), (Protocol::Cargo, "cargo")].map(|(protocol, kind)| {
        let path = registry.file_path(protocol, NAME, YOUNG);
        let file = match protocol {
            Protocol::Cargo => format!("{NAME}-{YOUNG}.crate"),
            _ => path.rsplit('/').next().unwrap_or_default().to_owned(),
        };
        let bytes = registry.bytes_of(protocol, NAME, sha256_of);
        let sha256 = HEXLOWER.encode(&Sha256::digest(&bytes));
        format!(
            "[[exempt]]\nid = \"{kind}\"\npackage = \"pkg:{kind}/{NAME}@{YOUNG}\"\n\
             file = \"{file}\"\nsha256 = \"{sha256}\"\nrules = [\"minimum-age\"]\n\
             reason = \"mends an outage\"\nowner = \"operations\"\n\
             ticket = \"OPS-1\"\nuntil = \"{}\"\n",
            ahead(days(30))
        )
    });
    format!(
        "[rules.minimum-age]\nname_age = \"0s\"\n{}",
        exempt.join("")
    )
}

/// The young version's addresses: the archive and, on PyPI, what derives from it.
fn addresses(registry: &FakeRegistry, cordon: &Cordon) -> Vec<String> {
    let wheel = registry.file_path(Protocol::Pypi, NAME, YOUNG);
    let wheel = wheel.rsplit('/').next().unwrap_or_default();
    let pypi = cordon.url(Protocol::Pypi);
    let cargo = cordon.url(Protocol::Cargo);
    vec![
        format!("{pypi}files/{NAME}/{wheel}"),
        format!("{pypi}files/{NAME}/{wheel}.metadata"),
        format!("{cargo}api/v1/crates/{NAME}/{YOUNG}/download"),
    ]
}

#[test]
fn a_young_file_whose_bytes_are_exempt_is_served_with_its_metadata() {
    let registry = registry();
    let cordon = Cordon::with_policy(&registry, &policy(&registry, YOUNG));
    for address in addresses(&registry, &cordon) {
        assert_eq!(http::get(&address).status, 200, "{address}");
    }
}

#[test]
fn inv_20_a_young_file_is_refused_when_other_bytes_are_exempt() {
    let registry = registry();
    let cordon = Cordon::with_policy(&registry, &policy(&registry, OLD));
    for address in addresses(&registry, &cordon) {
        assert_eq!(http::get(&address).status, 403, "{address}");
    }
}
