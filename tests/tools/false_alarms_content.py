#!/usr/bin/env python3
"""How many archives of popular packages the policy holds, and why.

Fetches through a running Cordon what a user would get of the newest releases of the most popular packages:
npm's tarball, the crate, and of PyPI the file pip would choose here and the source archive. What is held is
printed with its reason and address, so that each one can be looked at.

    cordon policy show > policy.toml      # then version_age = "0s", name_age = "0s", without security_fix_age
    cordon serve --config config.toml &   # policy = ["policy.toml"]
    tests/tools/false_alarms_content.py --popular FOLDER --data DATA --count 300 --out results.jsonl

FOLDER holds npm.tsv, pypi.tsv and crates.tsv with a column `name`, the most used first. With the age rules off
versions are judged as young as they are. With `settled_after = "3650d"` for the rules about changes they are
judged as on the day they were published, which is stricter: the archives of the versions before are fetched too.

Each line of the results is one file: status, seconds, bytes and the findings that count (`held`) or are
only recorded (`watched`). A run that is repeated with the same `--out` asks again for everything; `--only`
asks for the packages named in a file (`ecosystem<TAB>name`). Files above `--most` are listed, not fetched.
"""

import argparse
import collections
import concurrent.futures
import json
import re
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet
from pip._vendor.packaging.tags import sys_tags
from pip._vendor.packaging.utils import InvalidWheelFilename, parse_wheel_filename
from pip._vendor.packaging.version import InvalidVersion, Version

from popular import FILES, ask, decisions, names, normalized

TAGS = {tag: rank for rank, tag in enumerate(sys_tags())}
PYTHON = ".".join(str(part) for part in sys.version_info[:3])
SOURCES = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")

# What is fetched of a package: the version, the file's name as it is logged, its address below Cordon's
# (whole for PyPI) and its size, None where the document does not tell.
Wanted = collections.namedtuple("Wanted", "ecosystem name version file url size")


def number(version):
    """The order of releases of npm and cargo; None for a pre-release or what is no version."""
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)(?:\+.*)?", version)
    return tuple(int(part) for part in found.groups()) if found else None


def newest(versions, count, order):
    dated = [(order(version), version) for version in versions]
    return [version for at, version in sorted((it for it in dated if it[0]), reverse=True)[:count]]


def of_npm(base, name, body, withheld, count):
    listed = json.loads(body).get("versions", {}) if body else {}
    urls = {version: entry["dist"]["tarball"] for version, entry in listed.items()}
    stem = name.rsplit("/", 1)[-1]
    for version, file in withheld:
        urls.setdefault(version, f"{base}npm/{name}/-/{file or f'{stem}-{version}.tgz'}")
    for version in newest(urls, count, number):
        yield Wanted("npm", name, version, None, urls[version], None)


def of_cargo(base, name, body, withheld, count, download):
    lines = {line["vers"]: line for line in map(json.loads, (body or b"").splitlines())}
    # What is withheld is listed as yanked.
    offered = {version for version, line in lines.items() if not line["yanked"]}
    offered.update(version for version, _ in withheld if version in lines)
    for version in newest(offered, count, number):
        url = download.replace("{sha256-checksum}", lines[version]["cksum"])
        url = url.replace("{crate}", name).replace("{version}", version)
        yield Wanted("cargo", name, version, None, url, None)


def python_version(text):
    try:
        return Version(text)
    except InvalidVersion:
        return None


def version_of(file):
    """Version of a file, and how much pip likes it: wheels by tags, then the source archive."""
    if file.endswith(".whl"):
        try:
            _, version, _, tags = parse_wheel_filename(file)
        except (InvalidWheelFilename, InvalidVersion):
            return None, None
        ranks = [TAGS[tag] for tag in tags if tag in TAGS]
        return str(version), min(ranks) if ranks else None
    for ending in SOURCES:
        if file.endswith(ending):
            version = python_version(file[: -len(ending)].rsplit("-", 1)[-1])
            return (str(version), len(TAGS)) if version else (None, None)
    return None, None


def runs_here(entry):
    try:
        return PYTHON in SpecifierSet(entry.get("requires-python") or "")
    except InvalidSpecifier:
        return True


def of_pypi(base, name, body, withheld, count):
    files = json.loads(body)["files"] if body else []
    known = {entry["filename"] for entry in files}
    plain = normalized("pypi", name)
    for _, file in withheld:
        if file and file not in known:
            files.append({"filename": file, "url": f"{base}pypi/files/{plain}/{file}"})
    withheld = {file for _, file in withheld}
    of_version = collections.defaultdict(dict)
    for entry in files:
        version, rank = version_of(entry["filename"])
        is_offered = not entry.get("yanked") or entry["filename"] in withheld
        if version and rank is not None and is_offered and runs_here(entry):
            of_version[version].setdefault(rank, entry)
    releases = [it for it in of_version if not Version(it).is_prerelease]
    for version in newest(releases or of_version, count, Version):
        by_rank = of_version[version]
        chosen = {min(by_rank)} | ({len(TAGS)} & set(by_rank))
        for entry in (by_rank[rank] for rank in sorted(chosen)):
            url = urllib.parse.urljoin(f"{base}pypi/simple/{plain}/", entry["url"].split("#")[0])
            yield Wanted("pypi", name, version, entry["filename"], url, entry.get("size"))


def fetch(wanted, attempts=4):
    """Status, bytes and seconds of a file; what is only busy is asked for again."""
    began = time.monotonic()
    for attempt in range(attempts):
        size, text = 0, ""
        try:
            with urllib.request.urlopen(wanted.url, timeout=900) as response:
                status = response.status
                while chunk := response.read(1 << 20):
                    size += len(chunk)
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read(4000).decode(errors="replace")
        except OSError as error:
            status, text = 0, str(error)
        if status in (200, 403, 404, 451):
            break
        time.sleep(2 * attempt)
    return status, size, round(time.monotonic() - began, 3), text


def key_of(evaluation):
    subject = evaluation["artifact"]["subject"]
    name = subject["name"]
    return name["ecosystem"], name["normalized"], subject["version"], evaluation["artifact"]["file"]


def withheld_in(log):
    """(ecosystem, name) -> the versions and files that were withheld from documents."""
    latest = {key_of(it["evaluation"]): it["evaluation"] for it in log}
    found = collections.defaultdict(set)
    for (ecosystem, name, version, file), evaluation in latest.items():
        if evaluation["effect"] != "allow":
            found[ecosystem, name].add((version, file))
    return found


def findings(evaluation):
    told = collections.defaultdict(list)
    for it in evaluation["findings"]:
        kind = "held" if it["mode"] == "enforce" and it["effect"] != "allow" else "watched"
        told[kind].append({key: it.get(key) for key in ("rule", "code", "effect", "reason", "evidence")})
    return told


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default="http://127.0.0.1:4873/")
    parser.add_argument("--popular", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--cordon", default="cordon")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--versions", type=int, default=3)
    parser.add_argument("--most", type=int, default=300 << 20, help="bytes above which a file is only listed")
    parser.add_argument("--ecosystem", action="append", choices=FILES)
    parser.add_argument("--only", help="a file with the packages to ask for")
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--out", required=True)
    return parser.parse_args()


def chosen(arguments):
    """Everything that is to be fetched, and the packages there is nothing of."""
    listed = {ecosystem: None for ecosystem in arguments.ecosystem or FILES}
    if arguments.only:
        with open(arguments.only) as file:
            pairs = [line.rstrip("\n").split("\t")[:2] for line in file if line.strip()]
        listed = {ecosystem: [name for its, name in pairs if its == ecosystem] for ecosystem in listed}
    documents = {}
    for ecosystem, of in listed.items():
        of = names(arguments.popular, ecosystem, arguments.count) if of is None else of
        with concurrent.futures.ThreadPoolExecutor(arguments.at_once) as pool:
            asked = pool.map(lambda name: ask(arguments.base, ecosystem, name), of)
            documents[ecosystem] = list(zip(of, asked))
        print(f"{ecosystem}: {len(of)} documents", file=sys.stderr)
    withheld = withheld_in(decisions(arguments.cordon, arguments.data))
    download = None
    if "cargo" in documents:
        with urllib.request.urlopen(arguments.base + "cargo/config.json", timeout=60) as response:
            download = json.load(response)["dl"].rstrip("/")
    wanted, absent = [], []
    for ecosystem, answers in documents.items():
        for name, (status, body) in answers:
            its = withheld.get((ecosystem, normalized(ecosystem, name)), set())
            body = body if status == 200 else None
            more = (download,) if ecosystem == "cargo" else ()
            of = {"npm": of_npm, "cargo": of_cargo, "pypi": of_pypi}[ecosystem]
            files = list(of(arguments.base, name, body, its, arguments.versions, *more))
            wanted.extend(files)
            if not files:
                absent.append(f"{ecosystem} {name} ({status})")
    return wanted, absent


def main():
    arguments = read_arguments()
    wanted, absent = chosen(arguments)
    skipped = [it for it in wanted if (it.size or 0) > arguments.most]
    wanted = [it for it in wanted if it not in skipped]
    lock, rows = threading.Lock(), []

    def one(it):
        status, size, seconds, text = fetch(it)
        with lock:
            rows.append(it._asdict() | {"status": status, "bytes": size, "seconds": seconds, "text": text})
            if len(rows) % 100 == 0:
                print(f"{len(rows)} of {len(wanted)}", file=sys.stderr, flush=True)

    with concurrent.futures.ThreadPoolExecutor(arguments.at_once) as pool:
        list(pool.map(one, wanted))
    latest = {}
    for it in decisions(arguments.cordon, arguments.data):
        key = key_of(it["evaluation"])
        latest[key] = latest[key[:3] + (None,)] = it["evaluation"]
    with open(arguments.out, "w") as out:
        for row in rows:
            name = normalized(row["ecosystem"], row["name"])
            evaluation = latest.get((row["ecosystem"], name, row["version"], row["file"]))
            row["findings"] = findings(evaluation) if evaluation else {}
            out.write(json.dumps(row) + "\n")
    report(rows, skipped, absent)
    return any(row["status"] not in (200, 403) for row in rows)


def report(rows, skipped, absent):
    for ecosystem in FILES:
        its = [row for row in rows if row["ecosystem"] == ecosystem]
        if not its:
            continue
        versions = {(row["name"], row["version"]) for row in its}
        held = {(row["name"], row["version"]) for row in its if row["status"] == 403}
        mib = sum(row["bytes"] for row in its) / (1 << 20)
        print(f"{ecosystem}: {len(held)} versions held of {len(versions)} ({len(its)} files, {mib:.0f} MiB)")
        for row in its:
            for finding in row["findings"].get("held", []) if row["status"] == 403 else []:
                print(f"  {row['name']} {row['version']} {row['file'] or ''}: "
                      f"{finding['rule']}/{finding['code']}: {finding['reason']}")
            if row["status"] not in (200, 403):
                print(f"  {row['name']} {row['version']}: status {row['status']}: {row['text'][:300]}")
    watched = collections.Counter(
        (row["ecosystem"], finding["rule"], finding["code"])
        for row in rows
        for finding in row["findings"].get("watched", [])
    )
    for (ecosystem, rule, code), count in sorted(watched.items()):
        print(f"only recorded: {ecosystem} {rule}/{code}: {count}")
    for it in skipped:
        print(f"not fetched, {it.size >> 20} MiB: {it.file}")
    for it in absent:
        print(f"nothing of: {it}")


if __name__ == "__main__":
    sys.exit(main())
