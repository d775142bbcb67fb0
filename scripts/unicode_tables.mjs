// Writes the tables of characters in frontend/ast from node's copy of the Unicode Character Database:
//   node scripts/unicode_tables.mjs
// Which characters identifiers may have is in no copy of the database, so the official engine is asked for each of them.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import fs from 'node:fs';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const version = process.versions.unicode;
const kLast = 0x10ffff;
const isSurrogate = (c) => c >= 0xd800 && c < 0xe000;
const hex = (n) => `0x${n.toString(16)}`;

// [first, last, value] for runs of equal values; undefined is left out.
function ranges(valueOf) {
  const out = [];
  for (let c = 0; c <= kLast; ++c) {
    const value = isSurrogate(c) ? undefined : valueOf(c);
    if (value === undefined) continue;
    const last = out.at(-1);
    if (last && last[1] === c - 1 && last[2] === value) last[1] = c;
    else out.push([c, c, value]);
  }
  return out;
}

const matching = (regex) => ranges((c) => (regex.test(String.fromCodePoint(c)) ? true : undefined));

function array(head, items) {
  const lines = [];
  for (const item of items) {
    if (lines.length === 0 || lines.at(-1).length + item.length > 116) lines.push('   ');
    lines[lines.length - 1] += ` ${item},`;
  }
  return `constexpr ${head} = {\n${lines.join('\n')}\n};\n`;
}

const plain = (table) => table.map(([first, last]) => `{${hex(first)}, ${hex(last)}}`);

function writePrinting() {
  const surrogates = [0xd800, 0xdfff];
  const unprintable = [...matching(/^(?! )[\p{C}\p{Z}]$/u), surrogates].sort((a, b) => a[0] - b[0]);
  const extending = matching(/^\p{Grapheme_Extend}$/u);
  fs.writeFileSync(path.join(root, 'frontend/ast/unicode.cpp'), `// Which characters a printed string spells out. Ranges of the Unicode Character Database ${version}, made by
// scripts/unicode_tables.mjs: characters without a glyph (categories C and Z but the space), and those that attach to
// the one before (Grapheme_Extend).
#include "frontend/ast/unicode.h"

#include <iterator>

#include "frontend/ast/ranges.h"

namespace kerf::ast {
namespace {

${array('Range kUnprintable[]', plain(unprintable))}
${array('Range kExtending[]', plain(extending))}
}  // namespace

bool is_printable(char32_t c) { return find_range(kUnprintable, c) == std::end(kUnprintable); }
bool extends_grapheme(char32_t c) { return find_range(kExtending, c) != std::end(kExtending); }

}  // namespace kerf::ast
`);
}

// Script names as the database has them; a regular expression for each says which characters can belong to it.
function scriptNames() {
  const names = fs.readFileSync(path.join(root, 'scripts/unicode_scripts.txt'), 'utf8').split('\n').filter((l) => l && !l.startsWith('#'));
  return names.filter((n) => n !== 'Common' && n !== 'Inherited');
}

// What mixes with each script as one writing system: UTS 39, 5.1 "augmented script sets".
const kAugmented = { Hanb: ['Han', 'Bopomofo'], Jpan: ['Han', 'Hiragana', 'Katakana'], Kore: ['Han', 'Hangul'] };

function scriptSets() {
  const names = [...scriptNames(), ...Object.keys(kAugmented)];
  const tests = scriptNames().map((n) => new RegExp(`^\\p{Script_Extensions=${n}}$`, 'u'));
  const everywhere = /^[\p{Script_Extensions=Common}\p{Script_Extensions=Inherited}]$/u;
  const unknown = /^\p{Script=Unknown}$/u;
  const sets = new Map([['all', 0]]);
  const table = ranges((c) => {
    const text = String.fromCodePoint(c);
    if (unknown.test(text)) return undefined;
    if (everywhere.test(text)) return 0;
    const members = scriptNames().filter((_, i) => tests[i].test(text));
    if (members.length === 0) throw new Error(`a script is missing in scripts/unicode_scripts.txt, that of ${hex(c)}`);
    for (const [name, of] of Object.entries(kAugmented)) if (members.some((m) => of.includes(m))) members.push(name);
    const key = members.map((m) => names.indexOf(m)).join(' ');
    if (!sets.has(key)) sets.set(key, sets.size);
    return sets.get(key);
  });
  return { names, sets: [...sets.keys()], table };
}

function words(key) {
  const out = [0n, 0n, 0n];
  const all = key === 'all' ? [...Array(192).keys()] : key.split(' ').map(Number);
  for (const i of all) out[i >> 6] |= 1n << BigInt(i & 63);
  return `{{${out.map((w) => `0x${w.toString(16)}ull`).join(', ')}}}`;
}

// Characters that the official engine does not warn of in an entity id.
function identifierCharacters() {
  const require = createRequire(path.join(root, 'tests/oracle/package.json'));
  const cedar = require(`${process.env.CEDAR_WASM || 'cedar412'}/nodejs`);
  const schema = 'entity U; action a appliesTo { principal: U, resource: U };';
  const allowed = new Set();
  const step = 2048;
  for (let base = 0; base <= kLast; base += step) {
    if (isSurrogate(base)) continue;
    const all = [...Array(step).keys()].map((i) => base + i);
    const text = all.map((c) => `permit(principal == U::"\\u{${c.toString(16)}}", action, resource);`).join('\n');
    const answer = cedar.validate({ schema, policies: { staticPolicies: text } });
    if (answer.type !== 'success') throw new Error(answer.errors[0].message);
    const warned = new Set(answer.validationWarnings.map((w) => base + Number(w.policyId.slice('policy'.length))));
    for (const c of all) if (!warned.has(c)) allowed.add(c);
  }
  return ranges((c) => (allowed.has(c) ? true : undefined));
}

function writeSecurity() {
  const { names, sets, table } = scriptSets();
  if (names.length > 192) throw new Error('three words no longer hold all scripts');
  fs.writeFileSync(path.join(root, 'frontend/ast/unicode_security.cpp'), `// Which scripts a character can belong to, and whether identifiers may have it. Tables of Unicode ${version}, made by
// scripts/unicode_tables.mjs. Set 0 is that of characters used everywhere.
#include "frontend/ast/unicode_security.h"

#include <iterator>

#include "frontend/ast/ranges.h"

namespace kerf::ast {
namespace {

struct ScriptRange {
  char32_t first, last;
  unsigned short set;
};

// A set has a bit for each; the last three are the writing systems that mix scripts.
${array('std::string_view kNames[]', names.map((n) => `"${n.replaceAll('_', ' ')}"`))}
${array('ScriptSet kSets[]', sets.map(words))}
${array('ScriptRange kScripts[]', table.map(([first, last, set]) => `{${hex(first)}, ${hex(last)}, ${set}}`))}
${array('Range kIdentifierCharacters[]', plain(identifierCharacters()))}
}  // namespace

ScriptSet scripts_of(char32_t c) {
  const ScriptRange* range = find_range(kScripts, c);
  return range == std::end(kScripts) ? ScriptSet{} : kSets[range->set];
}

std::string_view name_of_script(const ScriptSet& set) {
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if ((set[i / 64] >> (i % 64) & 1) != 0) return kNames[i];
  }
  return {};
}

bool is_identifier_character(char32_t c) {
  return find_range(kIdentifierCharacters, c) != std::end(kIdentifierCharacters);
}

}  // namespace kerf::ast
`);
}

writePrinting();
writeSecurity();
