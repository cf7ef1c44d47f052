// Writes a differential table of npm advisories: whether random entries of OSV records affect random
// versions, by the evaluation the OSV schema writes down and the order of npm's own `semver` package.
// `cargo test` checks that Cordon says the same (tests/advisory.rs).
//
//   node npm_affected.cjs > npm_affected.tsv             the committed table (2,000 rows)
//   node npm_affected.cjs 100000 7 > /tmp/npm.tsv        more rows, another seed
//   CORDON_AFFECTED_TABLE=/tmp/npm.tsv cargo test -p cordon-policy --test advisory
//
// Rows: `<entry as JSON> <version> <1|0>`
const { execSync } = require("node:child_process");
const path = require("node:path");

const npmRoot = execSync("npm root --global", { encoding: "utf8" }).trim();
const semverRoot = path.join(npmRoot, "npm", "node_modules", "semver");
const semver = require(semverRoot);
const packageVersion = require(path.join(semverRoot, "package.json")).version;
const rows = Number(process.argv[2] ?? 2000);
let state = BigInt(process.argv[3] ?? 1);

// A 64-bit linear congruential generator: the same table on every machine.
function random(below) {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number((state >> 33n) % BigInt(below));
}
const pick = (list) => list[random(list.length)];
const chance = (percent) => random(100) < percent;
const times = (count, make) => Array.from({ length: count }, make);

function version() {
  let text = times(3, () => random(4)).join(".");
  if (chance(35)) text += "-" + times(1 + random(2), () => pick(["alpha", "rc", "0", "1", "10", "x-1"])).join(".");
  if (chance(8)) text += "+" + pick(["1", "build.5", "abc"]);
  return text;
}

// Mostly a version the entry names, or one beside it.
function near(versions) {
  if (versions.length === 0 || chance(30)) return version();
  const text = pick(versions);
  const plain = text.split("+")[0];
  return pick([text, text, plain + "+local", plain.includes("-") ? plain + ".0" : plain + "-0"]);
}

function events() {
  const found = [];
  times(1 + random(3), () => {
    found.push({ introduced: chance(35) ? "0" : version() });
    times(random(3), () => found.push({ [pick(["fixed", "fixed", "last_affected"])]: version() }));
  });
  if (chance(8)) found.push({ limit: chance(20) ? "*" : version() });
  return found;
}

function entry() {
  const made = {};
  if (chance(50)) made.versions = times(random(4), version);
  if (chance(85)) {
    const range = () => ({ type: pick([..."SSSSSSS".split(""), "E", "G"]), events: events() });
    const names = { S: "SEMVER", E: "ECOSYSTEM", G: "GIT" };
    made.ranges = times(1 + random(2), range).map((one) => ({ ...one, type: names[one.type] }));
  }
  return made;
}

const isZero = (event) => event.introduced === "0";
function place(a, b) {
  if (isZero(a) || isZero(b)) return Number(isZero(b)) - Number(isZero(a));
  return semver.compare(Object.values(a)[0], Object.values(b)[0]);
}

// `IncludedInRanges` of the schema, for one range.
function inRange(found, all) {
  const limits = all.filter((event) => "limit" in event).map((event) => event.limit);
  if (limits.length > 0 && !limits.some((limit) => limit === "*" || semver.lt(found, limit))) return false;
  let affected = false;
  // `toSorted` is stable: of events at one version the order written counts.
  for (const event of all.filter((one) => !("limit" in one)).toSorted(place)) {
    if ("introduced" in event) {
      if (isZero(event) || semver.gte(found, event.introduced)) affected = true;
    } else if ("fixed" in event) {
      if (semver.gte(found, event.fixed)) affected = false;
    } else if (semver.gt(found, event.last_affected)) {
      affected = false;
    }
  }
  return affected;
}

function isAffected(made, found) {
  if ((made.versions ?? []).some((listed) => semver.eq(listed, found))) return true;
  const ranges = (made.ranges ?? []).filter((one) => one.type !== "GIT");
  return ranges.some((one) => inRange(found, one.events));
}

console.log(`# ${rows} rows by npm's semver ${packageVersion}, seed ${process.argv[3] ?? 1}`);
for (let row = 0; row < rows; row += 1) {
  const made = entry();
  const inRanges = (made.ranges ?? []).flatMap((one) => one.events.map((event) => Object.values(event)[0]));
  const named = [...(made.versions ?? []), ...inRanges].filter((text) => text !== "0" && text !== "*");
  const candidate = near(named);
  console.log(`${JSON.stringify(made)}\t${candidate}\t${Number(isAffected(made, candidate))}`);
}
