// google-benchmark's JSON of bench_frontend and the official engine's times -> one table. Medians of repetitions, in
// milliseconds. The wasm build has no validation without parsing: its time for that is the difference of the two.
import { readFileSync } from 'node:fs';
const [, , oursFile, wasmFile] = process.argv;
const wasm = new Map();
for (const line of readFileSync(wasmFile, 'utf8').trim().split('\n').filter(Boolean)) {
  const row = JSON.parse(line);
  wasm.set(row.w, row);
}
const report = JSON.parse(readFileSync(oursFile, 'utf8'));
const rows = new Map();
for (const b of report.benchmarks) {
  if (b.aggregate_name !== 'median') continue;
  const [name, step, jobs] = b.name.split('/');
  if (!rows.has(name)) rows.set(name, { policies: b.policies });
  rows.get(name)[`${step}${jobs}`] = b.real_time;
}
const ms = (x) => x.toFixed(x < 10 ? 2 : x < 100 ? 1 : 0);
const byName = (a, b) => a.replace(/\d+/g, (n) => n.padStart(8, '0')) < b.replace(/\d+/g, (n) => n.padStart(8, '0')) ? -1 : 1;
console.log(`ms, medians; schema and policies as text in memory, process start excluded; ${report.context.num_cpus} processors\n`);
console.log('| workload | policies | parse, 1 / 2 threads | validate, 1 / 2 | both, 1 / 2 | wasm parse | wasm both | both: times faster, 1 / 2 | validation: times faster, 1 |');
console.log('|---|---|---|---|---|---|---|---|---|');
for (const name of [...rows.keys()].sort(byName)) {
  const r = rows.get(name), peer = wasm.get(name);
  const both = peer?.parse_validate_ms, parse = peer?.parse_ms;
  const times = (theirs, ours) => (theirs ? `${(theirs / ours).toFixed(1)}` : '');
  console.log(`| ${name} | ${r.policies} | ${ms(r.parse1)} / ${ms(r.parse2)} | ${ms(r.validate1)} / ${ms(r.validate2)} | ${ms(r.both1)} / ${ms(r.both2)} | ` +
    `${parse ? ms(parse) : ''} | ${both ? ms(both) : ''} | ${times(both, r.both1)} / ${times(both, r.both2)} | ${both ? times(both - parse, r.validate1) : ''} |`);
}
