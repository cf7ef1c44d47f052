//! `npm search`.

use http::Method;

use super::*;
use crate::registry::conformance::Target;
use crate::registry::{Catalog, Route};

const SEARCH: &[u8] = include_bytes!("../fixtures/search.json");

fn catalog(bytes: &[u8]) -> Result<Box<dyn Catalog>, MetadataError> {
    let url = "https://registry.example/-/v1/search?text=widget";
    Npm.read_catalog(&Fixture::upstream(url, "application/json", bytes))
}

fn request(path: &str) -> String {
    match Target::parse(path).classify(&Npm, &Method::GET, &HeaderMap::new()) {
        Ok(Route::Catalog { request, view }) => {
            assert_eq!(view.form, forms::SEARCH);
            request.path
        }
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn only_known_parameters_reach_upstream() {
    assert_eq!(
        request("-/v1/search?text=left%20pad&size=20&from=0&token=secret&text"),
        "-/v1/search?text=left%20pad&size=20&from=0"
    );
    assert_eq!(
        request("-/v1/search?text=a+b%26c%23&quality=0.65"),
        "-/v1/search?text=a%20b%26c%23&quality=0.65"
    );
    assert_eq!(request("-/v1/search"), "-/v1/search");
    let long = format!("-/v1/search?text={}", "a".repeat(2000));
    let headers = HeaderMap::new();
    assert!(
        Target::parse(&long)
            .classify(&Npm, &Method::GET, &headers)
            .is_err()
    );
}

#[test]
fn results_that_may_not_be_had_are_left_out() {
    let catalog = catalog(SEARCH).unwrap();
    let names: Vec<String> = catalog
        .entries()
        .map(|facts| facts.subject().to_string())
        .collect();
    assert_eq!(
        names,
        [
            "pkg:npm/widget@2.1.0",
            "pkg:npm/%40acme/widget@2.0.0",
            "pkg:npm/gadget@4.5.6"
        ]
    );
    let view = View::plain(forms::SEARCH);
    let render = |keep: &[bool]| {
        let rendered = catalog.render(keep, &view, &links(&Npm)).unwrap();
        String::from_utf8(rendered.body.to_vec()).unwrap()
    };
    insta::assert_snapshot!("search-all", render(&[true, true, true]));
    insta::assert_snapshot!("search-one", render(&[false, true, false]));
    insta::assert_snapshot!("search-none", render(&[]));
}

#[test]
fn what_is_no_search_answer_is_refused() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"objects":{}}"#,
        r#"{"objects":[],"objects":[]}"#,
        r#"{"objects":[}"#,
    ] {
        assert!(catalog(text.as_bytes()).is_err(), "{text}");
    }
    let odd = br#"{"objects":[1,null,{"package":7},{"package":{"name":5}}],"total":"x"}"#;
    let catalog = catalog(odd).unwrap();
    assert_eq!(catalog.entries().count(), 0);
}
