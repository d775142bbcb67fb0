// Lines of google-benchmark's JSON of bench_frontend and of the official engine's times -> one table, medians in ms. The
// wasm build has no validation without parsing: its time for that is the difference of the two. Processor time says more
// than wall time where other work shares the machine.
import { readFileSync } from 'node:fs';
const [, , oursFile, wasmFile] = process.argv;
const lines = (file) => readFileSync(file, 'utf8').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
const wasm = new Map(lines(wasmFile).map((row) => [row.w, row]));
const rows = new Map();
let processors = 0;
for (const report of lines(oursFile)) {
  processors = report.context.num_cpus;
  for (const b of report.benchmarks) {
    if (b.aggregate_name !== 'median') continue;
    const [name, step, jobs] = b.name.split('/');
    if (!rows.has(name)) rows.set(name, { policies: b.policies });
    rows.get(name)[`${step}${jobs}`] = { wall: b.real_time, cpu: b.cpu_time };
  }
}
const ms = (x) => x.toFixed(x < 10 ? 2 : x < 100 ? 1 : 0);
const byName = (a, b) => a.replace(/\d+/g, (n) => n.padStart(8, '0')) < b.replace(/\d+/g, (n) => n.padStart(8, '0')) ? -1 : 1;
console.log(`ms, medians of wall time; schema and policies as text in memory, process start excluded; ${processors} processors.`);
console.log('"Times faster" is wasm over kerf; in brackets by processor time.\n');
console.log('| workload | policies | parse, 1 / 2 threads | validate, 1 / 2 | both, 1 / 2 | wasm parse | wasm both | both, times faster: 1 thread | 2 threads | validation, 1 thread |');
console.log('|---|---|---|---|---|---|---|---|---|---|');
for (const name of [...rows.keys()].sort(byName)) {
  const r = rows.get(name), { parse, both } = wasm.get(name);
  const pair = (step) => `${ms(r[`${step}1`].wall)} / ${ms(r[`${step}2`].wall)}`;
  const times = (wall, cpu) => `${wall.toFixed(1)} (${cpu.toFixed(1)})`;
  const validation = { wall: both.wall - parse.wall, cpu: both.cpu - parse.cpu };
  console.log(`| ${name} | ${r.policies} | ${pair('parse')} | ${pair('validate')} | ${pair('both')} | ${ms(parse.wall)} | ${ms(both.wall)} | ` +
    `${times(both.wall / r.both1.wall, both.cpu / r.both1.cpu)} | ${(both.wall / r.both2.wall).toFixed(1)} | ` +
    `${times(validation.wall / r.validate1.wall, validation.cpu / r.validate1.cpu)} |`);
}
