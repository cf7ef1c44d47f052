//! Descriptions of keys, for the schema: of those all rules share and those outside of rules.

/// Descriptions of the keys that are no rule's own: by dotted name, `rule` standing for any rule.
pub(super) const SHARED: &[(&str, &str)] = &[
    ("rules", "The rules, one table each."),
    (
        "rule.ecosystem",
        "Only packages of this ecosystem; without it, of every one.",
    ),
    (
        "rule.packages",
        "Only these packages: names and patterns with `*`, `?`, `[abc]` and `{a,b}`.",
    ),
    (
        "rule.routes",
        "Only for who asks by one of these routes, by their names in the server's configuration.",
    ),
    (
        "rule.identities",
        "Only for these of who asks, by their names in the server's configuration.",
    ),
    ("rule.enabled", "Whether the rule applies at all."),
    (
        "rule.mode",
        "`enforce`, or `monitor`: record what would be found and let it pass.",
    ),
    ("rule.effect", "What the rule's findings ask for."),
    (
        "rule.on_unavailable",
        "What a fact that could not be learned asks for; never milder than `effect`.",
    ),
    (
        "rule.override",
        "Other settings for some packages, routes or identities. The last one that fits applies.",
    ),
    (
        "exempt",
        "What is set aside, for what, why, by whom and until when.",
    ),
    ("exempt.id", "A short name that records show."),
    (
        "exempt.package",
        "A package URL, with a version, or without one and with `versions`.",
    ),
    (
        "exempt.versions",
        "The versions exempt, as the ecosystem writes ranges; `*` is every one.",
    ),
    ("exempt.file", "One file of the version, with `sha256`."),
    (
        "exempt.sha256",
        "The SHA-256 of the file's bytes: only these are exempt.",
    ),
    (
        "exempt.declared",
        "Digests (`sha512:…`) the registry must declare for the file; while it declares others, \
         nothing is exempt.",
    ),
    ("exempt.rules", "The rules whose findings are set aside."),
    (
        "exempt.fingerprints",
        "The findings set aside, as decisions show them: rule/code/evidence.",
    ),
    ("exempt.reason", "Why it is accepted; developers see it."),
    ("exempt.owner", "Who answers for it."),
    (
        "exempt.approved_by",
        "Who agreed, another person than the owner; obligatory for the rule `malware`.",
    ),
    ("exempt.ticket", "Where it was agreed and is tracked."),
    (
        "exempt.until",
        "When it ends by itself: within 365 days, within 90 where it sets malware aside.",
    ),
    ("reject", "What a person looked at and refused for good."),
    ("reject.id", "A short name that records show."),
    ("reject.package", "The version refused, as a package URL."),
    (
        "reject.file",
        "One file of the version; without it, every one.",
    ),
    (
        "reject.sha256",
        "The SHA-256 of the bytes refused, under whatever name they come in the package.",
    ),
    ("reject.reason", "Why it is refused; developers see it."),
    ("reject.owner", "Who refused it."),
    (
        "test",
        "What the policy must do. Run by `cordon policy test`, and by nothing else.",
    ),
    ("test.name", "What the test is called."),
    ("test.package", "The version judged, as a package URL."),
    (
        "test.at",
        "The instant it is judged at. A recorded decision has its own.",
    ),
    ("test.expect", "The verdict that must come out."),
    (
        "test.rule",
        "A rule that must have found something that asks for this verdict.",
    ),
    ("test.code", "The code of that finding."),
    ("test.file", "The file judged, where a version has several."),
    ("test.route", "The route it is asked for by."),
    ("test.identity", "Who asks."),
    (
        "test.recorded",
        "Judge the facts of this recorded decision, or of the `newest` one about the version.",
    ),
    (
        "test.facts",
        "What is known. What is not mentioned is known to be fine: published years ago, bytes as \
         declared, nothing else to tell.",
    ),
    ("test.facts.unavailable", "Facts that could not be learned."),
    ("test.facts.published_at", "When the version was published."),
    (
        "test.facts.first_published_at",
        "When the package was first published.",
    ),
    (
        "test.facts.first_seen_at",
        "When Cordon first saw the version.",
    ),
    (
        "test.facts.published_at_first_sight",
        "The publication date the registry told then.",
    ),
    (
        "test.facts.first_allowed_at",
        "When Cordon first allowed its bytes.",
    ),
    (
        "test.facts.removed",
        "What upstream removed: this `version`, or the whole `project`.",
    ),
    (
        "test.facts.bytes",
        "The bytes are as `declared`, a `mismatch`, `replaced` since first seen, or `undeclared`.",
    ),
    ("test.facts.size_bytes", "Size of the file."),
    ("test.facts.yanked", "Whether it is yanked."),
    ("test.facts.yanked_reason", "Why it is yanked."),
    ("test.facts.deprecated", "The deprecation message."),
    (
        "test.facts.license",
        "The licence, as the registry words it.",
    ),
    (
        "test.facts.install_hooks",
        "Code that runs at install: `postinstall`, …",
    ),
    (
        "test.facts.provenance",
        "Whether the registry offers an attestation of provenance.",
    ),
    ("test.facts.publisher", "Who published it."),
    (
        "test.facts.status",
        "The project's status where the registry has one.",
    ),
    ("test.facts.upstream", "Which configured upstream answered."),
    (
        "test.facts.fixes",
        "Reviewed advisories that call exactly this version their fix.",
    ),
    (
        "test.facts.rank",
        "The package's place among the popular ones; 1 is the most used.",
    ),
    (
        "test.facts.change",
        "What the version changes against the one before.",
    ),
    ("test.facts.change.since", "The version compared with."),
    (
        "test.facts.change.since_published_at",
        "When that was published.",
    ),
    (
        "test.facts.change.added_dependencies",
        "Dependencies it did not have.",
    ),
    (
        "test.facts.change.added_dependencies.package",
        "The package depended on.",
    ),
    (
        "test.facts.change.added_dependencies.kind",
        "What it is required for.",
    ),
    (
        "test.facts.change.added_dependencies.first_published_at",
        "When that package was first published; without it, the registry does not know it.",
    ),
    (
        "test.facts.change.added_dependencies.rank",
        "Its place among the popular packages.",
    ),
    (
        "test.facts.change.added_dependencies.unknown",
        "Nothing could be learned about it.",
    ),
    (
        "test.facts.change.added_dependencies.known_owner",
        "It is in an npm scope whose owner's code came with the version before.",
    ),
    (
        "test.facts.change.added_hooks",
        "Code that runs at install and was not there.",
    ),
    (
        "test.facts.change.added_exotic",
        "Dependencies from outside the registry that are new.",
    ),
    (
        "test.facts.change.added_exotic.name",
        "The name it goes by.",
    ),
    (
        "test.facts.change.added_exotic.source",
        "Where it comes from.",
    ),
    (
        "test.facts.change.added_exotic.written",
        "The specification as written.",
    ),
    (
        "test.facts.change.new_publisher",
        "A publisher the package did not have.",
    ),
    (
        "test.facts.change.new_maintainers",
        "Maintainers it did not have.",
    ),
    (
        "test.facts.change.trust_lost",
        "It can be trusted less than the version before.",
    ),
    ("test.facts.change.trust_lost.from", "How far before."),
    ("test.facts.change.trust_lost.to", "How far now."),
    ("test.facts.change.license", "Its licence changed."),
    (
        "test.facts.change.license.from",
        "The licence before; none without this key.",
    ),
    (
        "test.facts.change.license.to",
        "The licence now; none without this key.",
    ),
    ("test.facts.change.size_bytes", "Its size changed."),
    ("test.facts.change.size_bytes.from", "Bytes before."),
    ("test.facts.change.size_bytes.to", "Bytes now."),
    (
        "test.facts.exotic_dependencies",
        "Dependencies from outside the registry.",
    ),
    (
        "test.facts.exotic_dependencies.name",
        "The name it goes by.",
    ),
    (
        "test.facts.exotic_dependencies.source",
        "Where it comes from.",
    ),
    (
        "test.facts.exotic_dependencies.written",
        "The specification as written.",
    ),
    (
        "test.facts.burst",
        "It is one of several versions published at once.",
    ),
    ("test.facts.burst.versions", "How many."),
    (
        "test.facts.burst.habit",
        "The most there were at once before; 1 without this key.",
    ),
    (
        "test.facts.siblings",
        "Versions of its own scope or project that it pins.",
    ),
    (
        "test.facts.siblings.package",
        "The pinned version, as a package URL.",
    ),
    (
        "test.facts.siblings.published_at",
        "When it was published; unknown without this key.",
    ),
    (
        "test.facts.archive_faults",
        "What is wrong with the archive, by the codes of the rule `archive`: [\"zip-cd\"].",
    ),
    (
        "test.facts.disagreements",
        "Fields the registry and the archive tell differently: [\"dependencies\"].",
    ),
    (
        "test.facts.content",
        "What its files do, by the signs the rule `content` judges by: [\"decoded-code\"]. That rule \
         looks at new packages: tell `first_published_at` as well.",
    ),
    (
        "test.facts.content_change",
        "What its files newly do, by the signs the rule `content-change` judges by: \
         [\"install-script\"]. That rule looks at new versions: tell `published_at` as well.",
    ),
    (
        "test.facts.indicators",
        "Indicators of attacks that are in its files, as pack and rule: [\"starter/npm-worm\"].",
    ),
    (
        "test.facts.watched_indicators",
        "The same of indicators that are only watched.",
    ),
    ("test.facts.bundled", "Packages its archive brings along."),
    (
        "test.facts.bundled.package",
        "The version brought along, as a package URL.",
    ),
    (
        "test.facts.bundled.malware",
        "The ids of advisories that call it malware.",
    ),
    ("test.facts.scanner", "What a scanner of your own says."),
    (
        "test.facts.signature",
        "What the registry's signature proves; without this key it signs nothing.",
    ),
    ("test.facts.advisories", "Advisories that name the version."),
    ("test.facts.advisories.id", "The record's id."),
    ("test.facts.advisories.kind", "What it warns of."),
    (
        "test.facts.advisories.aliases",
        "Other ids of the same thing.",
    ),
    (
        "test.facts.advisories.named",
        "How the record names the version; `listed` by default.",
    ),
    ("test.facts.advisories.cvss", "The CVSS base score: 9.8."),
    ("test.facts.advisories.epss", "The EPSS probability: 0.97."),
    (
        "test.facts.advisories.exploited",
        "Whether it is known to be exploited.",
    ),
    (
        "test.facts.advisories.fixed",
        "The versions that are called fixed.",
    ),
    (
        "test.facts.advisories.reviewed",
        "Whether others than the owners reviewed it.",
    ),
    (
        "test.facts.advisories.published_at",
        "When the record was published.",
    ),
    ("test.facts.advisories.modified_at", "When it last changed."),
    ("test.facts.advisories.summary", "One line about it."),
    (
        "test.facts.similarity",
        "The name looks made to be taken for another.",
    ),
    ("test.facts.similarity.score", "How much, from 0 to 1."),
    (
        "test.facts.similarity.target",
        "The popular package it looks like.",
    ),
    ("test.facts.similarity.technique", "How, in words."),
    (
        "test.facts.asked_in_vain",
        "It was asked for here before it existed.",
    ),
    ("test.facts.asked_in_vain.first_at", "When first."),
    (
        "test.facts.asked_in_vain.times",
        "How often; 1 without this key.",
    ),
];
