// Warnings of text that may be read as something else: kerf against the official engine, on generated strings.
//   node compare.mjs KERF [COUNT [SEED]]      random strings in every place of a policy that holds text
//   node compare.mjs KERF every               each character of Unicode, as an entity id and as a string
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const require = createRequire(path.join(import.meta.dirname, '../oracle/package.json'));
const cedar = require(`${process.env.CEDAR_WASM || 'cedar412'}/nodejs`);
const [kerf, what = '6000', seedText = '1'] = process.argv.slice(2);
const schema = 'entity U { a: String } tags String; action a appliesTo { principal: U, resource: U, context: { a: String } };';

const kCodes = { K3202: 'BIDI string', K3204: 'BIDI identifier', K3205: 'mixed string', K3206: 'mixed identifier', K3207: 'confusable' };
function officialKind(message) {
  const where = /, string `/.test(message) ? 'string' : 'identifier';
  if (/BIDI control characters$/.test(message)) return `BIDI ${where}`;
  if (/contains mixed scripts$/.test(message)) return `mixed ${where}`;
  if (/General Security Profile/.test(message)) return 'confusable';
  return null;
}

let state = Number(seedText) >>> 0;
function random(n) {   // mulberry32
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) % n;
}
const pick = (list) => list[random(list.length)];

// Blocks of 128 characters with letters of one script mostly, so that many strings are almost of one script.
const letters = [];
for (let c = 0x80; c < 0x32000; ++c) if ((c < 0xd800 || c >= 0xe000) && /[\p{L}\p{M}\p{N}]/u.test(String.fromCodePoint(c))) letters.push(c);
const kOdd = [0x200b, 0x200c, 0x200d, 0xad, 0xa0, 0x3000, 0x30fb, 0x30fc, 0x3001, 0x303c, 0x964, 0x965, 0x951, 0x1cd0, 0x640, 0x60c, 0x61b, 0x300,
  0x301, 0x342, 0x485, 0x10fb, 0x1802, 0x102e0, 0x1f34c, 0x378, 0xe000, 0x10ffff, 0xfffd, 0xfe0f, 0xb7, 0x27, 0x3a9, 0x2126, 0x212b, 0xb5,
  0x4bb, 0x430, 0x3bf, 0x67, 0x131, 0x4e00, 0x3105, 0x3042, 0x30a2, 0xac00, 0x1100, 0x10d50, 0x10940, 0x11db0, 0x16ea0, 0x1e6c0];
const kDirectional = [0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0x200e, 0x200f, 0x61c, 0x2065, 0x206a, 0x2029];

function someText() {
  const homes = [random(letters.length), random(letters.length)];
  const near = () => letters[Math.min(letters.length - 1, pick(homes.slice(0, 1 + random(2))) + random(40))];
  const ascii = () => 0x20 + random(0x5f);
  const sources = random(3) === 0 ? [near, near, near, ascii, () => pick(kOdd)] : [near];
  if (random(12) === 0) sources.push(() => pick(kDirectional));
  if (random(10) === 0) sources.push(() => { const c = random(0x110000); return c >= 0xd800 && c < 0xe000 ? 0x41 : c; });
  return [...Array(1 + random(5)).keys()].map(() => pick(sources)());
}

const escaped = (cs) => cs.map((c) => `\\u{${c.toString(16)}}`).join('');
const raw = (cs) => cs.map((c) => (c < 0x20 || c === 0x22 || c === 0x5c || c === 0x2a || c === 0x7f || c === 0x85 || c === 0x2028 || c === 0x2029
  ? `\\u{${c.toString(16)}}` : String.fromCodePoint(c))).join('');
const kPlaces = [
  (t) => `permit(principal == U::"${t}", action, resource);`,
  (t) => `permit(principal, action, resource in U::"${t}");`,
  (t) => `permit(principal, action in [Action::"${t}", Action::"a"], resource);`,
  (t) => `permit(principal, action, resource) when { principal.a == "${t}" };`,
  (t) => `permit(principal, action, resource) when { principal.a like "${t.replaceAll('\\u{2a}', '\\*')}*x" };`,
  (t) => `permit(principal, action, resource) when { context["${t}"] == "x" };`,
  (t) => `permit(principal, action, resource) unless { context has "${t}" };`,
  (t) => `permit(principal, action, resource) when { {"${t}": 1} == {"b${t}": 1} };`,
  (t) => `permit(principal, action, resource) when { principal.hasTag("${t}") && principal.getTag("${t}") == "x" };`,
  (t) => `permit(principal == ?principal, action, resource) when { false && [principal.a].contains("${t}") };`,
  (t) => `permit(principal, action, resource) when { if true then false else ip("${t}").isIpv4() };`,
];

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'kerf-text-'));
fs.writeFileSync(path.join(directory, 's.cedarschema'), schema);

function kerfKinds(policies) {
  fs.writeFileSync(path.join(directory, 'p.cedar'), policies.join('\n'));
  const out = fs.openSync(path.join(directory, 'err'), 'w');
  try {
    execFileSync(kerf, ['check', '-f', 'json', '-p', path.join(directory, 'p.cedar'), '-s', path.join(directory, 's.cedarschema')],
      { stdio: ['ignore', 'ignore', out] });
  } catch (error) {
    if (error.status !== 3) throw error;   // some of the texts are unknown names
  } finally {
    fs.closeSync(out);
  }
  const kinds = policies.map(() => new Set());
  for (const line of fs.readFileSync(path.join(directory, 'err'), 'utf8').split('\n')) {
    const d = line === '' ? {} : JSON.parse(line);
    if (d.code in kCodes) kinds[d.span.line - 1].add(kCodes[d.code]);
    if (/^K[12]/.test(d.code ?? '')) throw new Error(`does not parse: ${line}`);
  }
  return kinds;
}

function officialKinds(policies) {
  const numbered = (wanted) => Object.fromEntries(policies.map((p, i) => [String(i), p]).filter(([, p]) => p.includes('== ?principal') === wanted));
  const answer = cedar.validate({ schema, policies: { staticPolicies: numbered(false), templates: numbered(true) } });
  if (answer.type !== 'success') throw new Error(answer.errors[0].message);
  const kinds = policies.map(() => new Set());
  for (const w of answer.validationWarnings) {
    const kind = officialKind(w.error.message);
    if (kind) kinds[Number(w.policyId)].add(kind);
  }
  return kinds;
}

let total = 0, different = 0;
const seen = {};
function compare(policies) {
  const mine = kerfKinds(policies), theirs = officialKinds(policies);
  policies.forEach((policy, i) => {
    ++total;
    const a = [...mine[i]].sort().join(', '), b = [...theirs[i]].sort().join(', ');
    seen[b || 'nothing'] = (seen[b || 'nothing'] ?? 0) + 1;
    if (a !== b && ++different <= 20) console.log(`differs: ${JSON.stringify(policy)}\n  kerf: ${a || 'nothing'}\n  official: ${b || 'nothing'}`);
  });
}

try {
  if (what === 'every') {
    for (let base = 0; base < 0x110000; base += 4096) {
      const all = [...Array(4096).keys()].map((i) => base + i).filter((c) => c < 0xd800 || c >= 0xe000);
      if (all.length === 0) continue;
      compare(all.map((c) => kPlaces[0](escaped([c]))));
      compare(all.map((c) => kPlaces[3](escaped([c]))));
    }
  } else {
    for (let left = Number(what); left > 0; left -= 1000) {
      compare([...Array(Math.min(left, 1000)).keys()].map((i) => kPlaces[i % kPlaces.length]((random(2) ? escaped : raw)(someText()))));
    }
  }
} finally {
  fs.rmSync(directory, { recursive: true });
}
console.log(`${total} texts (seed ${seedText}), ${different} different;`, Object.entries(seen).map(([k, n]) => `${k}: ${n}`).join('; '));
process.exit(different === 0 && total > 0 ? 0 : 1);
