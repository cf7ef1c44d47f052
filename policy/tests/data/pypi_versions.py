"""Writes a differential table of PyPI versions: what `packaging` says about random versions and
specifier sets. `cargo test` checks that Cordon says the same (tests/differential.rs). The `packaging` is pip's own.

    python3 pypi_versions.py > pypi_versions.tsv          the committed table (5,000 rows)
    python3 pypi_versions.py 100000 7 > pypi.tsv     more rows, another seed
    CORDON_DIFFERENTIAL_TABLE=pypi.tsv cargo test -p cordon-policy --test differential

Rows: `v <text> <1|0>`               is it a version
      `c <a> <b> <-1|0|1|x>`         order of two versions; x: one is none
      `r <set> <version> <1|0|x>`    is it in the set, with prereleases=True; x: the set is invalid
"""

import sys

from pip._vendor import packaging
from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet
from pip._vendor.packaging.version import InvalidVersion, Version

if int(packaging.__version__.split(".")[0]) < 22:
    sys.exit(f"packaging {packaging.__version__} still knows legacy versions; take a newer pip")

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
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


def number():
    if chance(4):
        return pick(["10", "11", "99", "255", "256", "20240131", "4294967296", "00", "01", "007"])
    return str(random(4))


def release():
    return ".".join(number() for _ in range(1 + random(4)))


def pre():
    word = pick(["a", "b", "rc", "alpha", "beta", "c", "pre", "preview", "A", "RC", "Beta"])
    return pick(["", "", "", ".", "-", "_"]) + word + pick(["", "", ".", "-"]) + pick(["", number(), number()])


def post():
    if chance(15):
        return "-" + number()
    word = pick(["post", "post", "rev", "r", "POST"])
    return pick([".", ".", "", "-", "_"]) + word + pick(["", "", ".", "_"]) + pick(["", number(), number()])


def dev():
    return pick([".", ".", "", "-", "_"]) + pick(["dev", "dev", "DEV"]) + pick(["", ".", "-"]) + pick(["", number(), number()])


def local():
    parts = [pick(["0", "1", "2", "10", "01", "abc", "ubuntu", "ABC", "1a", "a1"]) for _ in range(1 + random(3))]
    return "+" + pick([".", "-", "_"]).join(parts)


def public():
    text = release()
    if chance(8):
        text = pick(["0!", "1!", "2!"]) + text
    if chance(30):
        text += pre()
    if chance(15):
        text += post()
    if chance(15):
        text += dev()
    return text


def version():
    text = public()
    if chance(12):
        text += local()
    if chance(4):
        text = pick(["v", "V", " ", "vv", "=", "-"]) + text
    if chance(3):
        text += pick([" ", "-", "+", ".", "..1", " 1", "é", "\u00a0", "!", ".dev.", "foo", "+a..b", ".*"])
    return text


def clause():
    operator = pick(["==", "==", "!=", "!=", "<", "<=", ">", ">=", "~=", "===", "==", "", "=", "=>"] if chance(10)
                    else ["==", "==", "!=", "<", "<=", ">", ">=", "~="])
    space = " " if chance(15) else ""
    if operator in ("==", "!=") and chance(35):
        return operator + space + (pick(["", "", "1!"]) + release()) + ".*"
    if operator in ("==", "!=", "===") and chance(15):
        return operator + space + public() + local()
    if operator == "~=":
        # packaging looks for suffixes in the text as given and misses `2.Beta`; PEP 440 compares
        # versions, and so does Cordon.
        return operator + space + str(Version(public()))
    return operator + space + (version() if chance(5) else public())


def specifiers():
    if chance(1):
        return pick(["foo", "1.0", ">", "==", ",", "==1.*.2", ">=1.*", "~=1", "==1.0.*+a", ">=1.0+a", "==1.0a1.*"])
    return pick([",", ", ", " , "]).join(clause() for _ in range(pick([1, 1, 2, 3])))


def parse(text):
    try:
        return Version(text)
    except InvalidVersion:
        return None


def near(text):
    """Half the time one of the versions the set names, so that many rows are inside it."""
    named = [part.strip().lstrip("=!<>~").strip().removesuffix(".*") for part in text.split(",")]
    if chance(50):
        return pick(named) + pick(["", "", ".0", ".1", "a1", ".post1", ".dev1", "+x", "rc1.dev2"])
    return version()


def membership(text, candidate):
    try:
        parsed = SpecifierSet(text, prereleases=True)
    except InvalidSpecifier:
        return "x"
    found = parse(candidate)
    if found is None:
        return 0
    return int(parsed.contains(found, prereleases=True))


def main():
    print(f"# {ROWS} rows from packaging {packaging.__version__}, seed {SEED}")
    for _ in range(ROWS):
        kind = random(20)
        if kind == 0:
            text = version()
            print("v", text, int(parse(text) is not None), sep="\t")
        elif kind < 9:
            a, b = version(), version()
            if chance(20):
                b = a + pick([".0", "", ".post1", ".dev0", "+a"])
            first, second = parse(a), parse(b)
            order = "x" if first is None or second is None else (first > second) - (first < second)
            print("c", a, b, order, sep="\t")
        else:
            text = specifiers()
            if text.strip(" ,") == "":
                continue  # refused by policy: an empty set is a mistake
            candidate = near(text)
            print("r", text, candidate, membership(text, candidate), sep="\t")


main()
