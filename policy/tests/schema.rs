//! The schema for editors and the pages of the rules say what the code reads.

use cordon_policy::config::schema::{
    policy_schema, undescribed, undescribed_elsewhere, unread, wrong_defaults,
};
use cordon_policy::rules::RULES;

#[test]
fn every_key_a_rule_reads_is_in_a_table_of_its_page() {
    for kind in RULES {
        assert_eq!(
            undescribed(kind),
            [""; 0],
            "`{}` reads keys without a row `| key | default | why |` on its page",
            kind.id
        );
    }
    assert_eq!(undescribed_elsewhere(), [""; 0]);
}

#[test]
fn every_key_on_a_page_is_read_whatever_else_is_given() {
    for kind in RULES {
        assert_eq!(unread(kind), [""; 0], "on the page of `{}`", kind.id);
    }
}

#[test]
fn every_default_on_a_page_is_the_one_the_code_has() {
    for kind in RULES {
        let wrong = wrong_defaults(kind);
        assert!(wrong.is_empty(), "on the page of `{}`: {wrong:?}", kind.id);
    }
}

#[test]
fn a_rule_s_schema_has_types_defaults_and_required_keys() {
    let schema = policy_schema();
    let age = &schema["properties"]["rules"]["properties"]["minimum-age"]["properties"];
    assert_eq!(age["version_age"]["default"], "3d");
    assert_eq!(age["version_age"]["type"], "string");
    assert!(age["version_age"]["description"].is_string());
    assert!(age["override"]["items"]["properties"]["version_age"]["default"].is_null());
    assert_eq!(age["when_missing"]["enum"][1], "first-seen");
    let deny = &schema["properties"]["rules"]["properties"]["deny"]["properties"];
    let entry = &deny["match"]["items"];
    assert_eq!(entry["required"], serde_json::json!(["ecosystem", "names"]));
    assert_eq!(entry["additionalProperties"], false);
    let exempt = &schema["properties"]["exempt"]["items"];
    assert!(
        exempt["required"]
            .as_array()
            .is_some_and(|keys| keys.iter().any(|key| key == "until"))
    );
}
