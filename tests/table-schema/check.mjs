// Emitted tables against docs/table.schema.json: those of the test vectors, and those named on the command line. The
// tables that every reader must refuse show that the schema can fail.
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';

const root = new URL('../../', import.meta.url);
const read = (url) => JSON.parse(readFileSync(url, 'utf8'));
const ajv = new Ajv2020({ strictTypes: false, strictTuples: false });
const validate = ajv.compile(read(new URL('docs/table.schema.json', root)));

let tables = 0, wrong = 0, refused = 0;
function check(name, table) {
  tables++;
  if (validate(table)) return;
  wrong++;
  console.log(`${name}: ${ajv.errorsText(validate.errors)}`);
}
const vectors = new URL('tests/vectors/', root);
for (const name of readdirSync(vectors).sort()) {
  if (name !== 'refused.json') check(name, read(new URL(name, vectors)).table);
}
for (const path of process.argv.slice(2)) check(path, read(path));
for (const { text } of read(new URL('refused.json', vectors))) {
  try {
    if (!validate(JSON.parse(text))) refused++;
  } catch {
    refused++;
  }
}
console.log(`${tables} tables, ${wrong} not of the schema; ${refused} wrong tables refused by it`);
// What no schema can see (ranges, places, repeated keys) is left to readers: docs/table-format.md.
process.exit(wrong === 0 && tables > 20 && refused >= 18 ? 0 : 1);
