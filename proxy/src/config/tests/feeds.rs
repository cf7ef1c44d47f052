//! `[feeds]`.

use cordon_policy::ecosystem::{CARGO, NPM, PYPI};

use super::*;

fn ids(config: &Config) -> Vec<String> {
    let feeds = config.feeds.advisories.iter();
    feeds
        .map(|feed| format!("{}/{}", feed.ecosystem, feed.id))
        .collect()
}

#[test]
fn zero_configuration_fetches_the_public_dump_of_each_ecosystem() {
    let config = zero_configuration();
    assert_eq!(ids(&config), ["npm/public", "pypi/public", "cargo/public"]);
    for feed in &config.feeds.advisories {
        assert!(
            matches!(&feed.source, FeedSource::Url(url) if url.url.scheme() == "https"
                && url.url.path().ends_with("/all.zip") && !url.may_be_private)
        );
    }
    assert_eq!(config.feeds.ecosystems(), [NPM, PYPI, CARGO]);
}

#[test]
fn an_ecosystem_with_feeds_has_exactly_those_and_the_others_keep_theirs() {
    let config = config(
        "[[feeds.advisories]]\necosystem = 'npm'\n\
         [[feeds.advisories]]\necosystem = 'npm'\nid = 'own'\nlist = 'own.txt'\n\
         [[feeds.advisories]]\necosystem = 'cargo'\nfolder = 'dumps'\nstale_alarm = '2d'",
    );
    assert_eq!(
        ids(&config),
        ["npm/public", "npm/own", "cargo/public", "pypi/public"]
    );
    let npm: Vec<_> = config.feeds.of(&NPM).collect();
    assert!(matches!(npm[0].source, FeedSource::Url(_)));
    assert_eq!(
        npm[1].source,
        FeedSource::File("/etc/cordon/own.txt".into())
    );
    assert_eq!(npm[1].content, FeedContent::List);
    let cargo = config.feeds.of(&CARGO).next().unwrap();
    assert_eq!(cargo.source, FeedSource::Folder("/etc/cordon/dumps".into()));
    assert_eq!(cargo.stale_alarm, Duration::from_secs(2 * 24 * 60 * 60));
}

#[test]
fn an_empty_list_switches_every_feed_off_and_no_upstream_means_no_feed() {
    assert!(
        config("[feeds]\nadvisories = []")
            .feeds
            .advisories
            .is_empty()
    );
    let only_npm = config("[upstream]\npypi = []\ncargo = []");
    assert_eq!(ids(&only_npm), ["npm/public"]);
}

#[test]
fn scores_are_a_feed_of_every_ecosystem() {
    let config = config("[feeds]\nkev_file = 'kev.json'\nadvisories = [{ ecosystem = 'npm' }]");
    assert_eq!(
        ids(&config),
        [
            "npm/public",
            "pypi/public",
            "cargo/public",
            "npm/kev",
            "pypi/kev",
            "cargo/kev"
        ]
    );
}

#[test]
fn a_mirror_keeps_the_path_of_its_file_and_may_be_private() {
    let config = config(
        "[[feeds.advisories]]\necosystem = 'npm'\nurl = 'http://127.0.0.1:8080/osv/npm.zip'",
    );
    let FeedSource::Url(from) = &config.feeds.advisories[0].source else {
        panic!("it is fetched");
    };
    assert_eq!(from.url.as_str(), "http://127.0.0.1:8080/osv/npm.zip");
    assert!(from.may_be_private);
}

#[test]
fn problems_of_feeds_are_told_all_at_once() {
    insta::assert_snapshot!(problems(
        "[feeds]\nrefresh = '4d'\nmax_shrink = '10'\nepss_url = 'https://a.example/e'\n\
         epss_file = 'e.csv'\n\
         [[feeds.advisories]]\nurl = 'https://a.example/npm.zip'\n\
         [[feeds.advisories]]\necosystem = 'rubygems'\n\
         [[feeds.advisories]]\necosystem = 'npm'\nurl = 'http://a.example/npm.zip'\n\
         [[feeds.advisories]]\necosystem = 'npm'\nid = 'kev'\n\
         [[feeds.advisories]]\necosystem = 'npm'\nid = 'A b'\n\
         [[feeds.advisories]]\necosystem = 'npm'\nid = 'a'\nfile = 'a.zip'\nlist = 'b.txt'\n\
         [[feeds.advisories]]\necosystem = 'npm'\nid = 'c'\n\
         [[feeds.advisories]]\necosystem = 'npm'\nid = 'c'\nurl = 'https://me:canary@a.example/'"
    ));
}
