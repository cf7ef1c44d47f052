// Writes a differential table of npm versions: what npm's own `semver` package says about random
// versions and ranges. `cargo test` checks that Cordon says the same (tests/differential.rs).
//
//   node npm_versions.cjs > npm_versions.tsv             the committed table (5,000 rows)
//   node npm_versions.cjs 100000 7 > /tmp/npm.tsv        more rows, another seed
//   CORDON_DIFFERENTIAL_TABLE=/tmp/npm.tsv cargo test -p cordon-policy --test differential
//
// Rows: `v <text> <1|0>`                   is it a version, read loosely
//       `c <a> <b> <-1|0|1|x>`             order of two versions; x: one is none
//       `r <range> <version> <1|0|x>`      is it in the range; x: the range is invalid
// Versions are read with { loose: true }, as npm reads a registry's; ranges strictly, with
// { includePrerelease: true }.
const { execSync } = require("node:child_process");
const path = require("node:path");

const npmRoot = execSync("npm root --global", { encoding: "utf8" }).trim();
const semverRoot = path.join(npmRoot, "npm", "node_modules", "semver");
const semver = require(semverRoot);
const packageVersion = require(path.join(semverRoot, "package.json")).version;
const rows = Number(process.argv[2] ?? 5000);
let state = BigInt(process.argv[3] ?? 1);

// A 64-bit linear congruential generator: the same table on every machine.
function random(below) {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number((state >> 33n) % BigInt(below));
}
const pick = (list) => list[random(list.length)];
const chance = (percent) => random(100) < percent;
const times = (count, make) => Array.from({ length: count }, make);

const LARGE = ["10", "11", "99", "100", "2147483648", "9007199254740990", "9007199254740991"];
const TOO_LARGE = ["9007199254740992", "18446744073709551616"];
const number = () => (chance(3) ? pick(LARGE) : chance(1) ? pick(TOO_LARGE) : String(random(4)));
const identifier = () =>
  pick(["alpha", "beta", "rc", "a", "A", "0", "1", "2", "10", "01", "1a", "-", "x", "0-0", "rc1"]);
const identifiers = () => times(1 + random(3), identifier).join(".");

function core() {
  return chance(4)
    ? times(1 + random(4), () => (chance(20) ? "0" : "") + number()).join(".")
    : `${number()}.${number()}.${number()}`;
}
function version() {
  let text = core();
  if (chance(40)) text += (chance(95) ? "-" : "") + identifiers();
  if (chance(12)) text += "+" + identifiers();
  if (chance(4)) text = pick(["v", "=", " ", "= v", "V", "vv"]) + text;
  if (chance(3)) text += pick([" ", "-", "+", ".", "..1", " 1", "é", "\u00a0", "_"]);
  return text;
}
// No number too large: node reads past one that stands behind an open part (`x.99999999999999999`),
// Cordon refuses the range.
const part = () => (chance(15) ? pick(["x", "X", "*"]) : chance(3) ? pick(LARGE) : String(random(4)));
function partial() {
  let text = times(1 + random(3), part).join(".");
  if (chance(15)) text += "-" + identifiers();
  if (chance(5)) text += "+" + identifiers();
  if (chance(5)) text = pick(["v", "="]) + text;
  return text;
}
function comparator() {
  const operator = pick(["", "", "=", ">", ">=", "<", "<=", "^", "^", "~", "~", "~>"]);
  return operator + (chance(15) ? " " : "") + (chance(60) ? partial() : [part(), part(), part()].join("."));
}
function alternative() {
  const kind = random(100);
  if (kind < 4) return pick(["", "*", "x", ">=0.0.0", ">=0.0.0-0", "<0.0.0-0", ">*", "^*", "~x"]);
  if (kind < 14) return `${partial()} - ${partial()}`;
  if (kind < 16) return pick(["latest", "1.2.3.4", ">", "||", "- 1", "1 -2", ">>1", "=>1", "1,2", "!=1"]);
  return times(1 + random(2), comparator).join(" ".repeat(1 + random(2)));
}
function range() {
  return times(chance(25) ? 2 : 1, alternative).join(chance(50) ? " || " : "||");
}

// A version near the numbers of the range, so that about half the rows are inside.
const near = (text) => {
  const found = text.match(/\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?/g);
  return found && chance(50) ? pick(found) + (chance(20) ? "-0" : "") : version();
};

const parse = (text) => {
  try {
    return new semver.SemVer(text, { loose: true });
  } catch {
    return null;
  }
};

function rangeRow(text, candidate) {
  let parsed;
  try {
    parsed = new semver.Range(text, { includePrerelease: true });
  } catch {
    return "x";
  }
  const loose = parse(candidate);
  // What is no version is in no range. (Whether it is in `*` is for the policy to say.)
  if (loose === null) return parsed.set.some((all) => all[0].value === "") ? null : 0;
  return parsed.test(loose) ? 1 : 0;
}

console.log(`# ${rows} rows from npm's semver ${packageVersion}, seed ${process.argv[3] ?? 1}`);
for (let row = 0; row < rows; row += 1) {
  const kind = random(20);
  if (kind === 0) {
    const text = version();
    console.log(`v\t${text}\t${parse(text) === null ? 0 : 1}`);
  } else if (kind < 9) {
    const a = version();
    const b = chance(20) ? a.replace(/\d+$/, number) : version();
    const [first, second] = [parse(a), parse(b)];
    const order = first && second ? first.compare(second) : "x";
    console.log(`c\t${a}\t${b}\t${order}`);
  } else {
    const text = range();
    if (text.trim() === "") continue; // refused by policy: a blank range is a mistake
    const candidate = near(text);
    // So is a blank alternative, which is every version to node.
    if (text.split("||").some((alternative) => alternative.trim() === "")) continue;
    const answer = rangeRow(text, candidate);
    if (answer !== null) console.log(`r\t${text}\t${candidate}\t${answer}`);
  }
}
