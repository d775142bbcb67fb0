// The split as JSON by its schema: what kerf prints is of it, and what was changed in ways that matter is not.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const here = import.meta.dirname;
const require = createRequire(path.join(here, '../table-schema/package.json'));
const { Ajv2020 } = require('ajv/dist/2020.js');
const ajv = new Ajv2020({ strictTypes: false, strictRequired: false });
const validate = ajv.compile(JSON.parse(fs.readFileSync(path.join(here, '../../docs/split.schema.json'), 'utf8')));
const kerf = process.argv[2];
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'kerf-split-'));
const kEndings = { policies: 'policies.cedar', schema: 'schema.cedarschema', entities: 'entities.json' };

// The inputs of a golden file, written out; null if it has no schema.
function inputs(file) {
  const found = {};
  for (const section of fs.readFileSync(file, 'utf8').split(/^=== /m).slice(1)) {
    const end = section.indexOf('\n');
    const [kind, ...rest] = section.slice(0, end).split(' ');
    if (kind in kEndings && rest.length === 0) found[kind] = section.slice(end + 1);
  }
  if (found.policies === undefined || found.schema === undefined) return null;
  const args = [];
  for (const [kind, text] of Object.entries(found)) {
    fs.writeFileSync(path.join(work, kEndings[kind]), text);
    args.push(`--${kind}`, kEndings[kind]);
  }
  return args;
}

let splits = 0, wrong = 0, approximated = 0, gateway = 0, guards = 0;
let sample = null;   // one with an approximation, to be changed
function look(name, args) {
  const run = spawnSync(kerf, ['split', '--format', 'json', ...args], { cwd: work, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (run.status !== 0) return;
  ++splits;
  const split = JSON.parse(run.stdout);
  approximated += split.entries.filter((entry) => entry.approximation).length;
  gateway += split.entries.filter((entry) => entry.layer === 'gateway').length;
  guards += split.guards.length;
  if (split.entries.some((entry) => entry.approximation) && split.guards.length > 0) sample ??= split;
  if (validate(split)) return;
  ++wrong;
  console.log(`${name}: ${ajv.errorsText(validate.errors)}`);
}
for (const folder of ['plan', 'split', 'table']) {
  for (const name of fs.readdirSync(path.join(here, '../golden', folder)).sort()) {
    const args = inputs(path.join(here, '../golden', folder, name));
    if (args === null) continue;
    look(name, args);
    look(`${name}, floor`, [...args, '--residual', 'floor']);
    look(`${name}, ceiling`, [...args, '--residual', 'ceiling']);
  }
}

// What the schema must refuse.
const changes = {
  'another version': (split) => { split.version = 2; },
  'a key that nobody knows': (split) => { split.entries[0].approximate = true; },
  'no guards': (split) => { delete split.guards; },
  'exact and approximated': (split) => { split.entries.find((entry) => entry.approximation).exact = true; },
  'inexact without a word': (split) => { delete split.entries.find((entry) => entry.approximation).approximation; },
  'an approximation of no kind': (split) => { split.entries.find((entry) => entry.approximation).approximation.kind = 'roof'; },
  'an unknown that is nothing': (split) => { split.entries.find((entry) => entry.approximation).approximation.unknowns[0].outcomes = []; },
  'a kernel without events': (split) => { split.entries.find((entry) => entry.layer === 'kernel').events = []; },
  'a stage of no name': (split) => { split.entries.find((entry) => entry.exprs.length).exprs[0].stage = 'soon'; },
  'events at the gateway': (split) => { split.entries.find((entry) => entry.layer === 'kernel').layer = 'gateway'; },
};
let refused = 0;
for (const [name, change] of Object.entries(changes)) {
  const changed = structuredClone(sample);
  if (changed) change(changed);
  if (changed && !validate(changed)) ++refused;
  else console.log(`not refused: ${name}`);
}
fs.rmSync(work, { recursive: true });
console.log(`${splits} splits with ${approximated} approximations, ${gateway} entries at the gateway and ${guards} guards, ${wrong} not of the schema; ` +
            `${refused} of ${Object.keys(changes).length} wrong ones refused by it`);
const enough = splits >= 30 && approximated >= 20 && gateway >= 5 && guards >= 5;
process.exit(wrong === 0 && enough && refused === Object.keys(changes).length ? 0 : 1);
