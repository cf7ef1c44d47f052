#!/usr/bin/env python3
"""How many popular packages the policy holds, and why.

Asks a running Cordon for the documents of the most popular packages of each ecosystem and looks at the
newest release that is older than the age rule (a pre-release where there is nothing else): is it listed, or
which rule holds it? What
is held is printed with its reason, so that each one can be looked at.

    cordon serve --data /var/tmp/alarms &
    tests/tools/false_alarms.py --popular FOLDER --data /var/tmp/alarms --count 1000

FOLDER holds npm.tsv, pypi.tsv and crates.tsv with a column `name`, the most used first. Nothing of what is
fetched is kept anywhere but in the data folder. It asks upstream for about three thousand documents, at
most eight at a time: run it seldom.
"""

import argparse
import concurrent.futures
import datetime
import json
import re
import sys

from popular import FILES, ask, decisions, instant, is_release, names, normalized

AGE = datetime.timedelta(hours=72)


def listed(ecosystem, body):
    """Version -> when it was published, of what may be chosen."""
    found = {}
    if ecosystem == "npm":
        document = json.loads(body)
        for version in document.get("versions", {}):
            if version in document.get("time", {}):
                found[version] = instant(document["time"][version])
    elif ecosystem == "pypi":
        for file in json.loads(body)["files"]:
            stem = re.sub(r"\.(tar\.gz|tar\.bz2|zip|whl|egg|exe|tgz)$", "", file["filename"])
            parts = stem.split("-")
            version = parts[1] if file["filename"].endswith(".whl") else parts[-1]
            if not file.get("yanked") and file.get("upload-time"):
                at = instant(file["upload-time"])
                found[version] = min(found.get(version, at), at)
    else:
        for line in body.decode().splitlines():
            entry = json.loads(line)
            if not entry["yanked"] and entry.get("pubtime"):
                found[entry["vers"]] = instant(entry["pubtime"])
    return found


def withheld(arguments):
    """(ecosystem, name) -> version -> (when published, the findings that count), from the log."""
    found = {}
    for decision in decisions(arguments.cordon, arguments.data):
        evaluation = decision["evaluation"]
        if evaluation["effect"] == "allow":
            continue
        subject = evaluation["artifact"]["subject"]
        name = subject["name"]
        published = decision["facts"]["published_at"]
        at = published.get("known") if isinstance(published, dict) else None
        findings = [f for f in evaluation["findings"] if f["mode"] == "enforce"]
        key = (name["ecosystem"], name["normalized"])
        found.setdefault(key, {})[subject["version"]] = (at, findings)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default="http://127.0.0.1:4873/")
    parser.add_argument("--popular", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--cordon", default="cordon")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--ecosystem", action="append", choices=FILES)
    arguments = parser.parse_args()
    now = datetime.datetime.now(datetime.timezone.utc)
    answers = {}
    for ecosystem in arguments.ecosystem or FILES:
        wanted = names(arguments.popular, ecosystem, arguments.count)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = pool.map(lambda name: ask(arguments.base, ecosystem, name), wanted)
            answers[ecosystem] = list(zip(wanted, asked))
        print(f"{ecosystem}: {len(wanted)} documents asked for", file=sys.stderr)
    held = withheld(arguments)
    for ecosystem, all_answers in answers.items():
        count, problems, absent = 0, [], []
        for name, (status, body) in all_answers:
            against = held.get((ecosystem, normalized(ecosystem, name)), {})
            if status not in (200, 403, 451):
                absent.append(f"{name} ({status})")
                continue
            versions = {v: (at, []) for v, at in listed(ecosystem, body).items()} if status == 200 else {}
            for version, (at, findings) in against.items():
                if at is not None:
                    at = datetime.datetime.fromtimestamp(at / 1000, datetime.timezone.utc)
                    versions[version] = (at, findings)
            old = {v: it for v, it in versions.items() if now - it[0] > AGE}
            old = {v: it for v, it in old.items() if is_release(ecosystem, v)} or old
            if not old:
                absent.append(f"{name} (nothing older than {AGE})")
                continue
            count += 1
            newest = max(old, key=lambda version: old[version][0])
            if old[newest][1]:
                problems.append((name, newest, old[newest][1]))
        print(f"{ecosystem}: {len(problems)} held of {count}; not counted: {len(absent)}")
        for name, version, findings in problems:
            for finding in findings:
                print(f"  {name} {version}: {finding['rule']}/{finding['code']}: {finding['reason']}")
        for name in absent:
            print(f"  not counted: {name}")


if __name__ == "__main__":
    main()
