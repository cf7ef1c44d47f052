#!/usr/bin/env python3
"""Makes the built-in lists of popular names from the tables described in README.md.

    policy/data/popular/make.py FOLDER [OUTPUT-FOLDER]

FOLDER holds npm.tsv, pypi.tsv and crates.tsv; the lists are written beside this script unless
another folder is named. The same tables always make the same bytes.
"""

import pathlib
import sys

# Table -> list, named as package URLs name the ecosystem.
LISTS = {"npm.tsv": "npm.txt", "pypi.tsv": "pypi.txt", "crates.tsv": "cargo.txt"}


def ranked_names(table: pathlib.Path) -> list[str]:
    """The names of a table, most used first, in their published spelling."""
    with table.open(encoding="utf-8", newline="") as lines:
        header = next(lines).rstrip("\r\n").split("\t")
        name, rank = header.index("name"), header.index("rank")
        rows = [line.rstrip("\r\n").split("\t") for line in lines]
    # The name decides between equal ranks, so that the order never depends on the table's.
    return [row[name] for row in sorted(rows, key=lambda row: (int(row[rank]), row[name]))]


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    tables = pathlib.Path(sys.argv[1])
    lists = pathlib.Path(sys.argv[-1]) if len(sys.argv) == 3 else pathlib.Path(__file__).parent
    for table, target in LISTS.items():
        names = ranked_names(tables / table)
        lists.joinpath(target).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        print(f"{target}: {len(names)} names", file=sys.stderr)


if __name__ == "__main__":
    main()
