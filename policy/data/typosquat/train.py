#!/usr/bin/env python3
"""Fits the weights of the typosquat detector to labelled sets of names.

    typosquat_features npm   < dev-npm.tsv   > npm.features      (examples/typosquat_features.rs)
    typosquat_features pypi  < dev-pypi.tsv  > pypi.features
    typosquat_features cargo < dev-crates.tsv > cargo.features
    train.py *.features > ../../src/typosquat/weights.rs

Without a file all weights are 0: what a changed set of features is first compiled with.

Needs numpy and scikit-learn. A logistic regression over pairs of a name and a popular name: a squat
with its target is a yes, an honest name with whatever it was compared with a no. The same weights
serve every ecosystem. On standard error: recall with at most one honest name in a thousand flagged,
for pairs the weights were fitted without (five parts, split by a hash of the target's name).
"""

import collections
import hashlib
import pathlib
import re
import sys

import numpy
from sklearn.linear_model import LogisticRegression

PARTS = 5
# How far the weights may go; larger fits closer. Chosen by the parts left out.
CLOSENESS = 1.0
FEATURES = pathlib.Path(__file__).parents[2] / "src/typosquat/features.rs"


def feature_names() -> list[str]:
    """The features in the order of the source, which is that of the weights."""
    block = re.search(r"^features! \{(.*?)^\}", FEATURES.read_text(), re.S | re.M)[1]
    return re.findall(r"\w+", re.sub(r"//.*", "", block))


def part_of(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % PARTS


class Pairs:
    """Every name with every popular name it was compared with."""

    def __init__(self, files: list[str]) -> None:
        self.rows = []
        self.names = {}
        values = []
        order = {name: at for at, name in enumerate(feature_names())}
        for file in files:
            for line in open(file, encoding="utf-8"):
                name, label, target, tier, _, found, features = line.rstrip("\n").split("\t")
                self.names[file, name, target] = label == "squat"
                if not found:
                    continue
                self.rows.append((file, name, target, tier, found))
                vector = numpy.zeros(len(order), dtype=numpy.float32)
                for feature in features.split():
                    key, value = feature.split("=")
                    vector[order[key]] = int(value) / 16
                values.append(vector)
        self.values = numpy.array(values)
        squat = numpy.array([self.names[row[:3]] for row in self.rows])
        self.yes = squat & numpy.array([row[2] == row[4] for row in self.rows])
        # What else a squat resembles is neither.
        self.used = self.yes | ~squat
        self.part = numpy.array([part_of(row[2] or row[1]) for row in self.rows])
        often = collections.Counter(row[2] for row, yes in zip(self.rows, self.yes) if yes)
        # Names of one campaign against one target are not as many as they look; made-up names
        # follow whoever made them up.
        self.weight = numpy.array([
            often[row[2]] ** -0.5 * (0.5 if row[3] == "X" else 1.0) if yes else 1.0
            for row, yes in zip(self.rows, self.yes)
        ])

    def fit(self, mask: numpy.ndarray) -> numpy.ndarray:
        model = LogisticRegression(
            C=CLOSENESS, max_iter=200, fit_intercept=False, solver="newton-cholesky"
        )
        model.fit(self.values[mask], self.yes[mask], sample_weight=self.weight[mask])
        return model.coef_[0]

    def report(self, scores: numpy.ndarray, what: str) -> None:
        """Recall with one honest name in a thousand flagged, and how it differs between parts."""
        best = {}
        for row, score in zip(self.rows, scores):
            best[row[:3]] = max(score, best.get(row[:3], -99))
        for file in sorted({key[0] for key in self.names}):
            honest = sorted(
                (best.get(key, -99) for key, squat in self.names.items()
                 if key[0] == file and not squat), reverse=True)
            squats = [(key, best.get(key, -99)) for key, squat in self.names.items()
                      if key[0] == file and squat]
            if not honest or not squats:
                continue
            threshold = honest[len(honest) // 1000]
            found = [(part_of(key[2]), key[2], score > threshold) for key, score in squats]
            recall = numpy.mean([hit for _, _, hit in found])
            parts = [numpy.mean([hit for at, _, hit in found if at == part])
                     for part in range(PARTS)]
            targets = collections.defaultdict(list)
            for _, target, hit in found:
                targets[target].append(hit)
            mean = numpy.mean([numpy.mean(hits) for hits in targets.values()])
            print(f"{pathlib.Path(file).name}: recall {recall:.3f} of {len(squats)} {what}, above "
                  f"{threshold:.2f}; mean over targets {mean:.3f}; parts "
                  f"{' '.join(f'{part:.3f}' for part in parts)} "
                  f"(standard deviation {numpy.std(parts, ddof=1):.3f})", file=sys.stderr)


def fitted(files: list[str]) -> numpy.ndarray:
    pairs = Pairs(files)
    left_out = numpy.zeros(len(pairs.rows))
    for part in range(PARTS):
        inside = pairs.part == part
        left_out[inside] = pairs.values[inside] @ pairs.fit(pairs.used & ~inside)
    pairs.report(left_out, "left out")
    weights = pairs.fit(pairs.used)
    pairs.report(pairs.values @ weights, "fitted")
    return weights


def main() -> None:
    names = feature_names()
    weights = fitted(sys.argv[1:]) if len(sys.argv) > 1 else numpy.zeros(len(names))
    print("//! What each feature weighs, in thousandths. Written by `data/typosquat/train.py`; how it\n"
          "//! was run stands in `data/typosquat/README.md`.\n\n"
          "use super::features::Feature;\n\n"
          "/// In the order of the features.\n"
          "#[rustfmt::skip]\n"
          "pub(super) const WEIGHTS: [i32; Feature::ALL.len()] = [")
    for name, weight in zip(names, weights):
        print(f"    {round(float(weight) * 1000)}, // {name}")
    print("];")


if __name__ == "__main__":
    main()
