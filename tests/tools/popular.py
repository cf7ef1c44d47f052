"""What the tools that ask a running Cordon for popular packages have in common."""

import csv
import datetime
import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

FILES = {"npm": "npm.tsv", "pypi": "pypi.tsv", "cargo": "crates.tsv"}


def names(folder, ecosystem, count):
    """The most used names, the most used first."""
    with open(f"{folder}/{FILES[ecosystem]}", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return [row["name"] for row, _ in zip(rows, range(count))]


def normalized(ecosystem, name):
    """The name as Cordon's log has it."""
    if ecosystem == "pypi":
        return re.sub(r"[-_.]+", "-", name).lower()
    return name.lower().replace("_", "-") if ecosystem == "cargo" else name


def path(ecosystem, name):
    """Where a package's document is, below Cordon's address."""
    if ecosystem == "npm":
        return "npm/" + urllib.parse.quote(name, safe="@")
    if ecosystem == "pypi":
        return "pypi/simple/" + normalized(ecosystem, name) + "/"
    lower = name.lower()
    prefix = {1: "1", 2: "2", 3: f"3/{lower[:1]}"}.get(len(lower), f"{lower[:2]}/{lower[2:4]}")
    return f"cargo/{prefix}/{lower}"


def ask(base, ecosystem, name):
    """Status and body of a package's document."""
    accept = {"pypi": "application/vnd.pypi.simple.v1+json"}.get(ecosystem, "application/json")
    request = urllib.request.Request(base + path(ecosystem, name), headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def is_release(ecosystem, version):
    if ecosystem == "pypi":
        return not re.search(r"(?i)(a|b|c|rc|dev|alpha|beta|pre|preview)[-_.]?\d*$", version)
    return "-" not in version.split("+")[0]


def decisions(cordon, data):
    """Every decision of the log, the oldest first."""
    command = [cordon, "log", "--json", "--all", "--data", data]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        found = [json.loads(line)["decision"] for line in process.stdout]
    return sorted(found, key=lambda it: it.get("at", 0))
