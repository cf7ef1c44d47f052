#!/usr/bin/env python3
"""Do other readers of archives agree where Cordon finds nothing wrong?

Makes ZIPs and tars, changes them (fields of headers, bytes, parts left out, doubled or put together from
two archives), and reads each with Cordon and with CPython's zipfile and tarfile, Info-ZIP's unzip, GNU tar
and node-tar, and if they are built the tar and zip crates, of which cargo and others are made. If any two of
them could extract different files, Cordon must have found a fault. The archives have the shapes of wheels,
source distributions, npm packages and crates.

    cargo build --release -p cordon-policy --example inspect_archives --example rust_readers
    tests/tools/archive_differential.py --cordon target/release/examples/inspect_archives \
        --rust target/release/examples/rust_readers --count 100000

node-tar is the one npm brings; without npm it is left out and the last line says so. Exit status 1 if
readers disagree about an archive that has no fault; such archives are kept in the folder it names.
"""

import argparse
import collections
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib

BATCH = 1000
NODE = """
const tar = require(process.argv[1]), fs = require('fs'), crypto = require('crypto');
const read = path => new Promise(done => {
  const files = [], Parser = tar.Parser || tar.Parse;
  let bad = null;
  const parser = new Parser({ strict: false, onwarn: (code, text) => { bad = bad || code; } });
  parser.on('entry', entry => {
    const hash = crypto.createHash('sha256');
    const file = [entry.path, null, entry.type];
    files.push(file);
    entry.on('data', data => hash.update(data));
    entry.on('end', () => { file[1] = hash.digest('hex'); });
  });
  const end = () => done({ files: files.filter(it => /File$/.test(it[2])).map(it => it.slice(0, 2)), bad });
  parser.on('end', end);
  parser.on('error', error => { bad = error.code || 'error'; end(); });
  try { parser.end(fs.readFileSync(path)); } catch (error) { bad = String(error); end(); }
});
(async () => {
  const lines = require('readline').createInterface({ input: process.stdin });
  for await (const line of lines) {
    const late = new Promise(done => setTimeout(done, 60000, { files: [], bad: 'no end' }).unref());
    console.log(JSON.stringify(await Promise.race([read(line), late])));
  }
})();
"""

NAMES = ["a/__init__.py", "a/b.py", "a/data/c.txt", "a/d.bin", "x.py"]
# What the kinds of packages hold, by the end of the file's name.
SHAPES = {
    ".whl": ["a-1.0.0.dist-info/METADATA", "a-1.0.0.dist-info/RECORD", "a-1.0.0.dist-info/WHEEL", "a/é.py", "a-1.0.0.data/scripts/a"],
    ".zip": ["a-1.0.0/PKG-INFO", "a-1.0.0/setup.py", "a-1.0.0/a/__init__.py", "a-1.0.0/docs/x y.txt"],
    ".tgz": ["package/package.json", "package/index.js", "package/lib/b.js", "package/README.md", "package/bin/é"],
    ".tar.gz": ["a-1.0.0/PKG-INFO", "a-1.0.0/setup.py", "a-1.0.0/a/__init__.py", "a-1.0.0/docs/x y.txt"],
    ".crate": ["a-1.0.0/Cargo.toml", "a-1.0.0/src/lib.rs", "a-1.0.0/build.rs", "a-1.0.0/.cargo_vcs_info.json"],
}
NUMBERS = [0, 1, 2, 8, 20, 255, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def plain(path):
    return "/".join(part for part in path.split("/") if part not in ("", "."))


# --- archives -------------------------------------------------------------------------------------


def contents(rng, shape):
    names = NAMES if shape == ".whl" and rng.random() < 0.5 else SHAPES[shape]
    names = rng.sample(names, rng.randint(1, len(names)))
    return [(name, rng.randbytes(rng.choice([0, 3, 40, 700])) + name.encode() * rng.randint(0, 9)) for name in names]


def make_zip(rng, shape):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in contents(rng, shape):
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.external_attr = rng.choice([0, 0o100644 << 16])
            info.compress_type = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
            if rng.random() < 0.1:
                info.extra = struct.pack("<HHB", 0x5455, 5, 1) + b"\0" * 4
            if rng.random() < 0.1:
                info.comment = rng.choice([b"note", b"PK\1\2" + b"\0" * 42])
            if rng.random() < 0.2:
                with archive.open(info, "w", force_zip64=True) as file:
                    file.write(data)
            else:
                archive.writestr(info, data)
        if rng.random() < 0.1:
            archive.comment = b"a comment"
    return out.getvalue()


def make_tar(rng, shape):
    out = io.BytesIO()
    form = rng.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in contents(rng, shape):
            if rng.random() < 0.2:
                name = name + "/" + "long" * 15 + "/" + "name" * 20
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if form == tarfile.PAX_FORMAT and rng.random() < 0.3:
                info.pax_headers = {"comment": "x", "mtime": "1.25"}
            if rng.random() < 0.15:
                info.type, info.size, data = tarfile.DIRTYPE, 0, b""
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def offsets(data, mark):
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 1)
    return found


# Offset and width of the fields of each record.
RECORDS = {
    b"PK\3\4": [(4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2), (30, 1), (31, 1)],
    b"PK\1\2": [(4, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (34, 2), (36, 2), (38, 4), (42, 4), (46, 1), (47, 1)],
    b"PK\5\6": [(4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)],
}


def change_field(rng, data):
    mark = rng.choice(list(RECORDS))
    places = offsets(data, mark)
    if not places:
        return
    field, width = rng.choice(RECORDS[mark])
    at = rng.choice(places) + field
    old = int.from_bytes(data[at : at + width], "little")
    new = rng.choice([old ^ (1 << rng.randrange(8 * width)), old + 1, old - 1, rng.choice(NUMBERS), rng.getrandbits(8 * width)])
    data[at : at + width] = (new % (1 << (8 * width))).to_bytes(width, "little")


def change_bytes(rng, data):
    if not data:
        return
    at = rng.randrange(len(data))
    kind = rng.randrange(4)
    if kind == 0:
        data[at] = rng.choice([0, 0x2F, 0x5C, 0xFF, rng.randrange(256)])
    elif kind == 1:
        del data[at : at + rng.choice([1, 4, 30, 512])]
    elif kind == 2:
        data[at:at] = data[at : at + rng.choice([1, 30, 512])]
    else:
        data[at:at] = rng.randbytes(rng.choice([1, 22]))


def mutated_zip(rng, shape):
    data = bytearray(make_zip(rng, shape))
    if rng.random() < 0.15:
        other = make_zip(rng, shape)
        at = rng.choice(offsets(data, b"PK\1\2") + [0, len(data)])
        data[at:at] = rng.choice([other, other[: other.find(b"PK\1\2")]])
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        change_field(rng, data) if rng.random() < 0.75 else change_bytes(rng, data)
    return bytes(data)


TAR_FIELDS = [(0, 100), (100, 8), (108, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (265, 32), (329, 8), (345, 155), (500, 12)]


def change_header(rng, data):
    blocks = [at for at in range(0, len(data) - 511, 512) if data[at + 257 : at + 262] == b"ustar"]
    if not blocks:
        return
    at = rng.choice(blocks)
    start, width = rng.choice(TAR_FIELDS)
    kind = rng.randrange(5)
    if kind == 0:
        data[at + start + rng.randrange(width)] = rng.choice([0, 0x20, 0x2D, 0x2F, 0x30, 0x31, 0x37, 0x39, 0x80, 0xFF, rng.randrange(256)])
    elif kind == 1:
        other = rng.choice(blocks)
        data[at + start : at + start + width] = data[other + start : other + start + width]
    elif kind == 2:
        data[at + 156] = rng.choice(b"\x00012345679xgLKSXDMVN")
    elif kind == 3:
        size = rng.choice([b"%011o\0" % rng.choice(NUMBERS), b"%11o " % rng.randrange(999), b"\x80" + rng.randbytes(11), b"0" * 12])
        data[at + 124 : at + 136] = size[:12].ljust(12, b"\0")
    else:
        data[at + 257 : at + 265] = rng.choice([b"ustar\x0000", b"ustar  \0", b"\0" * 8, b"ustar\0\0\0", b"ustar000"])
    if rng.random() < 0.9:
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])


def change_blocks(rng, data, shape):
    count = len(data) // 512
    at = rng.randrange(count + 1) * 512
    kind = rng.randrange(5)
    if kind == 0:
        del data[at : at + 512]
    elif kind == 1:
        data[at:at] = bytes(512 * rng.choice([1, 2]))
    elif kind == 2:
        data[at:at] = make_tar(rng, shape)[: rng.choice([512, 1024, 1536, 99999])]
    elif kind == 3:
        body = rng.choice([b"17 path=package/y\n", b"9 size=3\n", b"11 size=10\n", b"12 path=p/y\n", b"30 mtime=1.1\n", b"20 linkpath=package\n", b"22 GNU.sparse.major=1\n", b"15 comment=abc\n"])
        info = tarfile.TarInfo("PaxHeader")
        info.size, info.type = len(body), rng.choice([b"x", b"g"])
        data[at:at] = info.tobuf(tarfile.USTAR_FORMAT) + body.ljust(512, b"\0")
    else:
        change_bytes(rng, data)


def mutated_tar(rng, shape):
    data = bytearray(make_tar(rng, shape))
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        change_header(rng, data) if rng.random() < 0.7 else change_blocks(rng, data, shape)
    packed = gzip.compress(bytes(data), 1, mtime=0)
    chance = rng.random()
    if chance < 0.02:
        cut = rng.randrange(len(data) + 1) // 512 * 512
        packed = gzip.compress(bytes(data[:cut]), 1) + gzip.compress(bytes(data[cut:]), 1)
    elif chance < 0.04:
        changed = bytearray(packed)
        change_bytes(rng, changed)
        packed = bytes(changed)
    elif chance < 0.05:
        packed += rng.choice([b"\0" * 20, b"tail", make_zip(rng, ".zip")])
    return packed


# --- readers: {path: digest}, or None if the archive is refused --------------------------------------


def with_zipfile(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return {plain(it.filename): digest(archive.read(it)) for it in archive.infolist() if not it.is_dir()}
    except Exception:  # whatever a reader stops with, it refuses
        return None


def wide(extra):
    """The ZIP64 field among extra fields."""
    while len(extra) >= 4:
        mark, size = struct.unpack("<HH", extra[:4])
        if mark == 1:
            return extra[4 : 4 + size]
        extra = extra[4 + size :]
    return b""


def with_stream(path):
    """Local headers alone, as readers do that unpack while they download."""
    data, at, files = open(path, "rb").read(), 0, {}
    try:
        while data[at : at + 4] == b"PK\3\4":
            flags, method, crc, packed, size, name, extra = struct.unpack("<6xHH4xIIIHH", data[at : at + 30])
            start = at + 30 + name + extra
            path = data[at + 30 : at + 30 + name].decode()
            if method == 8:
                unpack = zlib.decompressobj(-15)
                body = unpack.decompress(data[start:]) + unpack.flush()
                at = len(data) - len(unpack.unused_data)
                if not unpack.eof:
                    return None
            elif method == 0 and not flags & 8:
                if packed == 0xFFFFFFFF:
                    packed = struct.unpack("<Q", wide(data[at + 30 + name : start])[8:16])[0]
                body, at = data[start : start + packed], start + packed
            else:
                return None
            if flags & 8:
                at += 24 if size == 0xFFFFFFFF else 16
            if not path.endswith("/"):
                files[plain(path)] = digest(body)
        return files if data[at : at + 4] in (b"PK\1\2", b"PK\5\6") else None
    except Exception:
        return None


def tree(folder):
    found = {}
    for above, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(above, name)
            if not os.path.islink(path):
                found[os.path.relpath(path, folder)] = digest(open(path, "rb").read())
    return found


def extracted(command, path, accepts=(0,)):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([*command, folder], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        return tree(folder) if done.returncode in accepts else None


def with_unzip(path):
    # Status 9 without a message is an archive without entries.
    return extracted(["unzip", "-qq", "-o", path, "-d"], path)


def with_gnu_tar(path):
    return extracted(["tar", "-xzf", path, "-C"], path)


def with_tarfile(path):
    try:
        with tarfile.open(path, "r:gz") as archive:
            return {plain(it.name): digest(archive.extractfile(it).read()) for it in archive if it.isreg()}
    except Exception:
        return None


class NodeTar:
    """One process for all archives."""

    def __init__(self, module):
        command = ["node", "-e", NODE, module]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, path):
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return None if answer["bad"] else {plain(path): sha for path, sha in answer["files"]}


class Rust:
    """One process for all archives."""

    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, path):
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer and {plain(path): sha for path, sha in answer.items()}


def node_tar():
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        return None
    module = os.path.join(os.path.dirname(os.path.realpath(npm)), "..", "node_modules", "tar")
    return NodeTar(os.path.abspath(module)) if os.path.isdir(module) else None


# --- comparison -----------------------------------------------------------------------------------


def with_cordon(binary, paths):
    asked = "".join(f"{path}\n" for path in paths)
    done = subprocess.run([binary, "--entries", "-"], input=asked, capture_output=True, text=True, check=True)
    found, files = {}, {}
    for line in done.stdout.splitlines():
        if line.startswith("  "):
            sha, path = line.strip().split(" ", 1)
            files[plain(json.loads(path))] = sha
        else:
            path, verdict = line.split("\t")[:2]
            files = {}
            found[path] = (verdict, files)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cordon", required=True, help="the example inspect_archives, built")
    parser.add_argument("--rust", help="the example rust_readers, built")
    parser.add_argument("--count", type=int, default=10000, help="archives of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", default="disagreements", help="folder for archives that must be looked at")
    options = parser.parse_args()
    # Names as they are, from every reader.
    os.environ["LC_ALL"] = "C.UTF-8"
    node = node_tar()
    rust = {"rust": Rust(options.rust)} if options.rust else {}
    zips = (mutated_zip, {"zipfile": with_zipfile, "stream": with_stream, **rust}, {"unzip": with_unzip})
    tars = (mutated_tar, {"tarfile": with_tarfile, **({"node-tar": node} if node else {}), **rust}, {"tar": with_gnu_tar})
    kinds = {
        "wheel": (*zips, "pypi/a/1.0.0/a-1.0.0-py3-none-any.whl"),
        "sdist.zip": (*zips, "pypi/a/1.0.0/a-1.0.0.zip"),
        "npm": (*tars, "npm/a/1.0.0/a-1.0.0.tgz"),
        "sdist": (*tars, "pypi/a/1.0.0/a-1.0.0.tar.gz"),
        "crate": (*tars, "cargo/a/1.0.0/a-1.0.0.crate"),
    }
    wrong = 0
    for kind, (make, quick, slow, form) in kinds.items():
        shape = next(end for end in SHAPES if form.endswith(end))
        rng = random.Random(f"{options.seed}/{kind}")
        counts = collections.Counter()
        codes = collections.Counter()
        for start in range(0, options.count, BATCH):
            with tempfile.TemporaryDirectory() as folder:
                paths = []
                for number in range(start, min(start + BATCH, options.count)):
                    path = os.path.join(folder, str(number), form)
                    os.makedirs(os.path.dirname(path))
                    with open(path, "wb") as file:
                        file.write(make(rng, shape))
                    paths.append(path)
                for path, (verdict, files) in with_cordon(options.cordon, paths).items():
                    readers = quick if verdict != "ok" else {**quick, **slow}
                    views = {name: reader(path) for name, reader in readers.items()}
                    if verdict == "ok":
                        views["cordon"] = files
                    same = all(view == next(iter(views.values())) for view in views.values())
                    counts["no fault" if verdict == "ok" else "faulty", "agree" if same else "differ"] += 1
                    if verdict != "ok":
                        codes[verdict.split(",")[0]] += not same
                    elif not same:
                        wrong += 1
                        os.makedirs(options.keep, exist_ok=True)
                        kept = os.path.join(options.keep, f"{kind}-{options.seed}-{counts.total()}-{os.path.basename(path)}")
                        shutil.copy(path, kept)
                        print(f"{kept}: {json.dumps(views)[:2000]}")
        print(f"{kind}: {options.count} archives, read by {', '.join([*quick, *slow, 'cordon'])}")
        for (state, agree), count in sorted(counts.items()):
            print(f"    {state}, readers {agree}: {count}")
        print("    readers differ, by first fault:", ", ".join(f"{code} {count}" for code, count in codes.most_common() if count))
    if not node:
        print("node-tar was left out: there is no npm")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
