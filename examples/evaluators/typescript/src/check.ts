// Decides every test vector of a folder: node build/check.js ../../../tests/vectors
import { asArray, asString, fields, Json, parseJson, Refused } from './json.js';
import { readEntities, Table } from './table.js';
import { uidOf, valueOf } from './values.js';

declare const process: { argv: string[]; exit(code: number): never };
declare const console: { log(text: string): void };
// @ts-ignore: no type package, so that nothing but the compiler is needed
const { readdirSync, readFileSync } = await import('node:fs');

let decided = 0, refused = 0, wrong = 0;
function complain(text: string): void {
  wrong++;
  console.log(text);
}

function checkVectors(name: string, json: Json): void {
  const [table, stored, cases] = fields(json, 'table', 'entities', 'cases');
  const evaluator = new Table(table!), entities = readEntities(stored!);
  asArray(cases).forEach((element, position) => {
    const [request, response] = fields(element, 'request', 'response');
    const [principal, action, resource, context] = fields(request, 'principal', 'action', 'resource', 'context');
    const [decision, determining, errors] = fields(response, 'decision', 'determining', 'errors');
    const expected = { decision, determining: asArray(determining).map(asString).sort(), errors: asArray(errors).map(asString).sort() };
    const got = evaluator.decide(uidOf(principal), uidOf(action), uidOf(resource), valueOf(context!), entities);
    got.determining.sort();
    got.errors.sort();
    decided++;
    if (JSON.stringify(got) !== JSON.stringify(expected)) {
      complain(`${name}, case ${position}: ${JSON.stringify(got)}, but Cedar says ${JSON.stringify(expected)}`);
    }
  });
}

function checkRefused(json: Json): void {
  for (const element of asArray(json)) {
    const [why, text] = fields(element, 'why', 'text').map(asString);
    refused++;
    try {
      new Table(parseJson(text!));
      complain(`refused.json: accepted, although ${why}`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
}

const folder = process.argv[2] ?? '.';
for (const name of (readdirSync(folder) as string[]).sort()) {
  if (!name.endsWith('.json')) continue;
  const json = parseJson(readFileSync(`${folder}/${name}`, 'utf8') as string);
  if (name === 'refused.json') checkRefused(json);
  else checkVectors(name, json);
}
console.log(`${decided} decisions and ${refused} refusals checked, ${wrong} wrong`);
process.exit(wrong === 0 && decided >= 200 ? 0 : 1);
