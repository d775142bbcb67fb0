// kerf's messages for programs, of the inputs of the golden tests: JSON lines by their schema, SARIF by its rules.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const here = import.meta.dirname;
const require = createRequire(path.join(here, '../table-schema/package.json'));
const { Ajv2020 } = require('ajv/dist/2020.js');
const validate = new Ajv2020({ strictTypes: false }).compile(JSON.parse(fs.readFileSync(path.join(here, '../../docs/diagnostics.schema.json'), 'utf8')));
const kerf = process.argv[2];
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'kerf-messages-'));
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
  const args = ['check'];
  for (const [kind, text] of Object.entries(found)) {
    fs.writeFileSync(path.join(work, kEndings[kind]), text);
    args.push(`--${kind}`, kEndings[kind]);
  }
  return args;
}

const run = (format, args) => spawnSync(kerf, ['--error-format', format, ...args], { cwd: work, encoding: 'utf8' }).stderr;
let wrong = 0;
function expect(good, what) {
  if (good) return;
  ++wrong;
  console.log(what);
}

function checkSpan(span, file) {
  const bytes = fs.readFileSync(path.join(work, span.file));
  expect(span.begin <= span.end && span.end <= bytes.length, `${file}: a span outside of ${span.file}`);
  const before = bytes.subarray(0, span.begin).toString('utf8').split('\n');
  expect(before.length === span.line && [...before.at(-1)].length + 1 === span.column, `${file}: line and column of byte ${span.begin}`);
}

function checkLines(text, file) {
  const lines = text.split('\n').filter((line) => line !== '');
  for (const line of lines) {
    const message = JSON.parse(line);
    expect(validate(message), `${file}: ${JSON.stringify(validate.errors)} ${line}`);
    for (const span of [message.span, ...message.related]) if (span && fs.existsSync(path.join(work, span.file))) checkSpan(span, file);
  }
  return lines.map((line) => JSON.parse(line));
}

// SARIF 2.1.0, sections 3.13, 3.14, 3.19, 3.27, 3.28, 3.30 as far as kerf writes them.
function checkSarif(text, messages, file) {
  const log = JSON.parse(text);
  expect(log.version === '2.1.0' && typeof log.$schema === 'string' && log.runs.length === 1, `${file}: the log`);
  const [{ tool, results, columnKind }] = log.runs;
  expect(tool.driver.name === 'kerf' && columnKind === 'unicodeCodePoints', `${file}: the run`);
  const rules = new Map(tool.driver.rules.map((rule) => [rule.id, rule]));
  for (const rule of rules.values()) {
    for (const field of ['shortDescription', 'fullDescription', 'help']) {
      expect(rule[field].text.length > 0 && rule[field].text.length <= 1024, `${file}: ${field} of ${rule.id}`);
    }
  }
  expect(results.length === messages.length, `${file}: ${results.length} results, ${messages.length} messages`);
  results.forEach((result, i) => {
    const message = messages[i];
    expect(rules.has(result.ruleId) && result.ruleId === message.code && result.level === message.severity, `${file}: result ${i}`);
    expect(result.message.text.startsWith(message.message), `${file}: text of result ${i}`);
    const place = result.locations?.[0].physicalLocation;
    expect((message.span === null) === (place === undefined), `${file}: place of result ${i}`);
    if (!place) return;
    expect(decodeURIComponent(place.artifactLocation.uri) === message.span.file, `${file}: file of result ${i}`);
    expect(place.region.startLine === message.span.line && place.region.startColumn === message.span.column &&
      place.region.endLine === message.span.end_line && place.region.endColumn === message.span.end_column, `${file}: region of result ${i}`);
  });
}

let files = 0, count = 0;
const seen = new Set();
try {
  for (const folder of ['sema', 'plan']) {
    for (const name of fs.readdirSync(path.join(here, '../golden', folder)).sort()) {
      const args = inputs(path.join(here, '../golden', folder, name));
      if (args === null) continue;
      ++files;
      const messages = checkLines(run('json', args), name);
      count += messages.length;
      messages.forEach((m) => seen.add(m.code));
      checkSarif(run('sarif', args), messages, name);
    }
  }
} finally {
  fs.rmSync(work, { recursive: true });
}
console.log(`${files} programs, ${count} messages of ${seen.size} codes, ${wrong} wrong`);
process.exit(wrong === 0 && seen.size > 40 ? 0 : 1);
