"""Writes a differential table of PyPI advisories: whether random entries of OSV records affect random
versions, by the evaluation the OSV schema writes down and `packaging`'s order of versions (pip's own).
`cargo test` checks that Cordon says the same (tests/advisory.rs).

    python3 pypi_affected.py > pypi_affected.tsv           the committed table (2,000 rows)
    python3 pypi_affected.py 100000 7 > pypi.tsv      more rows, another seed
    CORDON_AFFECTED_TABLE=pypi.tsv cargo test -p cordon-policy --test advisory

Rows: `<entry as JSON> <version> <1|0>`
"""

import json
import sys

from pip._vendor import packaging
from pip._vendor.packaging.version import Version

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
state = SEED


def random(below):
    """A 64-bit linear congruential generator: the same table on every machine."""
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
    return (state >> 33) % below


def pick(choices):
    return choices[random(len(choices))]


def chance(percent):
    return random(100) < percent


def version():
    text = ".".join(str(random(4)) for _ in range(1 + random(3)))
    if chance(5):
        text = pick(["0!", "1!"]) + text
    if chance(25):
        text += pick(["a", "b", "rc", ".alpha", "-beta", "c"]) + pick(["", "0", "1", "10", ".2"])
    if chance(12):
        text += pick([".post", "-post", "post", ".rev"]) + pick(["", "0", "1", "2"])
    if chance(12):
        text += pick([".dev", "-dev", "dev"]) + pick(["", "0", "1", "3"])
    if chance(10):
        text += "+" + pick(["1", "abc", "abc.1", "1.0", "Ubuntu-1"])
    if chance(4):
        text = "v" + text
    return text


def near(versions):
    """Mostly a version the entry names, or one beside it."""
    if versions and chance(70):
        text = pick(versions)
        plain = text.split("+")[0]
        return pick([text, text, plain + ".dev0", plain + "+local", text + ".0" if text[-1].isdigit() else text])
    return version()


def events():
    found = []
    for _ in range(1 + random(3)):
        found.append({"introduced": "0" if chance(35) else version()})
        for _ in range(random(3)):
            found.append({pick(["fixed", "fixed", "last_affected"]): version()})
    if chance(8):
        found.append({"limit": "*" if chance(20) else version()})
    return found


def entry():
    made = {}
    if chance(50):
        made["versions"] = [version() for _ in range(random(4))]
    if chance(85):
        made["ranges"] = [{"type": pick(["ECOSYSTEM"] * 8 + ["SEMVER", "GIT"]), "events": events()}
                          for _ in range(1 + random(2))]
    return made


def place(event):
    text = next(iter(event.values()))
    return (0, Version("0")) if event.get("introduced") == "0" else (1, Version(text))


def in_range(found, events):
    """`IncludedInRanges` of the schema, for one range."""
    limits = [event["limit"] for event in events if "limit" in event]
    if limits and not any(limit == "*" or found < Version(limit) for limit in limits):
        return False
    affected = False
    # `sorted` is stable: of events at one version the order written counts.
    for event in sorted((event for event in events if "limit" not in event), key=place):
        if "introduced" in event:
            if event["introduced"] == "0" or found >= Version(event["introduced"]):
                affected = True
        elif "fixed" in event:
            if found >= Version(event["fixed"]):
                affected = False
        elif found > Version(event["last_affected"]):
            affected = False
    return affected


def is_affected(made, text):
    found = Version(text)
    if any(Version(listed) == found for listed in made.get("versions", [])):
        return True
    ranges = [one for one in made.get("ranges", []) if one["type"] != "GIT"]
    return any(in_range(found, one["events"]) for one in ranges)


def valid(text):
    try:
        return Version(text) is not None
    except ValueError:
        return False


print(f"# {ROWS} rows by packaging {packaging.__version__}, seed {SEED}")
written = 0
while written < ROWS:
    made = entry()
    named = made.get("versions", []) + [text for one in made.get("ranges", []) for event in one["events"]
                                        for text in event.values() if text not in ("0", "*")]
    candidate = near(named)
    if not all(valid(text) for text in [*named, candidate]):
        continue
    print(json.dumps(made, separators=(",", ":")), candidate, int(is_affected(made, candidate)), sep="\t")
    written += 1
