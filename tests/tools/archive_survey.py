#!/usr/bin/env python3
"""Are popular packages' archives without a fault (A-85), and how fast are they read?

Gets the newest archives of popular packages with the ordinary clients (npm pack, pip download, cargo
fetch; unearth for source distributions, which pip would build) and reads each as inspection does.

    cargo build --release -p cordon-policy --example inspect_archives
    tests/tools/archive_survey.py --cordon target/release/examples/inspect_archives \\
        --folder /var/tmp/survey --count 100

What is in the folder already is not fetched again; it is ECOSYSTEM/NAME/VERSION/FILE. With `--count 0`
nothing is fetched. Of source distributions in gzip others are made in bzip2 and xz and as a ZIP, which
registries hardly have any more, to measure reading these. Exit status 1 if an archive has a fault that is not
in the list of those looked at by eye (AGREED).
"""

import argparse
import bz2
import concurrent.futures
import gzip
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

POPULAR = os.path.join(os.path.dirname(__file__), "..", "..", "policy", "data", "popular")

# Archives with a fault that was looked at: what it is, and why it is right to hold it.
AGREED = {}


def names(ecosystem, count):
    with open(os.path.join(POPULAR, f"{ecosystem}.txt")) as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    return lines[:count]


def run(command, folder=None):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)


def keep(options, ecosystem, name, version, path):
    folder = os.path.join(options.folder, ecosystem, name.replace("/", "%2f"), version)
    os.makedirs(folder, exist_ok=True)
    shutil.move(path, os.path.join(folder, os.path.basename(path)))


def is_there(options, ecosystem, name, ends):
    above = os.path.join(options.folder, ecosystem, name.replace("/", "%2f"))
    files = (file for _, _, files in os.walk(above) for file in files)
    return any(file.endswith(ends) for file in files)


def fetch_npm(options, name):
    if is_there(options, "npm", name, ".tgz"):
        return
    with tempfile.TemporaryDirectory() as folder:
        done = run(["npm", "pack", "--json", "--ignore-scripts", name], folder)
        if done.returncode:
            return print(f"npm {name}: {done.stderr.strip()[-200:]}", file=sys.stderr)
        [packed] = json.loads(done.stdout)
        [file] = os.listdir(folder)
        keep(options, "npm", name, packed["version"], os.path.join(folder, file))


def fetch_wheel(options, name):
    if is_there(options, "pypi", name, ".whl"):
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        done = run([*command, "--dest", folder, name])
        if done.returncode:
            return print(f"wheel {name}: {done.stderr.strip()[-200:]}", file=sys.stderr)
        [file] = os.listdir(folder)
        keep(options, "pypi", name, file.split("-")[1], os.path.join(folder, file))


def fetch_sdist(options, requirement):
    name = requirement.split("==")[0]
    if is_there(options, "pypi", name, (".tar.gz", ".zip", ".tar.bz2")):
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [options.unearth, "--no-binary", "--link-only", "--download", folder, requirement]
        done = run(command)
        files = [it for it in os.listdir(folder) if it.endswith((".gz", ".zip", ".bz2"))]
        if done.returncode or not files:
            return print(f"sdist {name}: {done.stderr.strip()[-200:]}", file=sys.stderr)
        stem = re.sub(r"\.(tar\.gz|tar\.bz2|zip)$", "", files[0])
        keep(options, "pypi", name, stem.rsplit("-", 1)[1], os.path.join(folder, files[0]))


def fetch_crates(options, wanted):
    """All at once: cargo keeps what it fetches in its own folder."""
    wanted = [name for name in wanted if not is_there(options, "cargo", name, ".crate")]
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "src"))
            open(os.path.join(folder, "src", "lib.rs"), "w").close()
            with open(os.path.join(folder, "Cargo.toml"), "w") as file:
                file.write('[package]\nname = "survey"\nversion = "0.0.0"\nedition = "2021"\n')
                file.write(f'[dependencies]\n"{name}" = "*"\n')
            done = run(["cargo", "fetch", "--quiet"], folder)
            if done.returncode:
                print(f"cargo {name}: {done.stderr.strip()[-200:]}", file=sys.stderr)
    home = os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))
    for above, _, files in os.walk(os.path.join(home, "registry", "cache")):
        for file in files:
            match = re.fullmatch(r"(.+?)-(\d+\.\d+\.\d+.*)\.crate", file)
            if match and not is_there(options, "cargo", match[1], file):
                copy = shutil.copy(os.path.join(above, file), options.folder)
                keep(options, "cargo", match[1], match[2], copy)


def fetch(options):
    wanted = {it: names(it, options.count) for it in ("npm", "pypi", "cargo")}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = [pool.submit(fetch_npm, options, name) for name in wanted["npm"]]
        done += [pool.submit(fetch_wheel, options, name) for name in wanted["pypi"]]
        if options.unearth:
            done += [pool.submit(fetch_sdist, options, name) for name in wanted["pypi"] + options.sdist]
        for one in done:
            one.result()
    fetch_crates(options, wanted["cargo"])


def repack(options):
    """The same files in the other forms, below `repacked`, once."""
    below = os.path.join(options.folder, "pypi")
    for above, _, files in sorted(os.walk(below)):
        for file in files:
            to = os.path.join(options.folder, "repacked", "pypi", os.path.relpath(above, below))
            if not file.endswith(".tar.gz") or os.path.exists(to):
                continue
            os.makedirs(to)
            stem = os.path.join(to, file.removesuffix(".tar.gz"))
            with gzip.open(os.path.join(above, file)) as packed:
                tar = packed.read()
            for end, pack in ((".tar.bz2", bz2.compress), (".tar.xz", lzma.compress)):
                with open(stem + end, "wb") as out:
                    out.write(pack(tar))
            with tarfile.open(os.path.join(above, file)) as tar, zipfile.ZipFile(stem + ".zip", "w", zipfile.ZIP_DEFLATED) as out:
                for member in tar:
                    if member.isreg():
                        out.writestr(zipfile.ZipInfo(member.name), tar.extractfile(member).read(), zipfile.ZIP_DEFLATED)


def archives(options):
    ends = (".tgz", ".whl", ".crate", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz")
    walk = sorted(os.walk(options.folder))
    return [os.path.join(above, file) for above, _, files in walk for file in sorted(files) if file.endswith(ends)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cordon", required=True, help="the example inspect_archives, built for release")
    parser.add_argument("--folder", required=True, help="where archives are kept")
    parser.add_argument("--count", type=int, default=1000, help="packages of each ecosystem, the most used first")
    parser.add_argument("--unearth", default=shutil.which("unearth"), help="where unearth is; without it no source distributions")
    parser.add_argument("--sdist", action="append", default=[], help="further source distributions: numpy==1.21.6")
    parser.add_argument("--depth", action="append", choices=["archive", "structure", "content"], help="structure if not given; may be given again")
    parser.add_argument("--repack", action="store_true", help="also measure bzip2, xz and ZIP")
    options = parser.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    if options.count or options.sdist:
        fetch(options)
    if options.repack:
        repack(options)
    asked = "".join(f"{path}\n" for path in archives(options))
    wrong = 0
    for depth in options.depth or ["structure"]:
        done = subprocess.run([options.cordon, "--quiet", "--depth", depth, "-"], input=asked, capture_output=True, text=True, check=True)
        print(f"{depth}:\n{done.stderr.rstrip()}")
        for line in done.stdout.splitlines():
            if not line.startswith(" "):
                file = os.path.basename(line.split("\t")[0])
                wrong += file not in AGREED
                line = f"{line}  {AGREED.get(file, '')}"
            print(line)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
