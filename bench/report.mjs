// google-benchmark's JSON and the official engine's times -> one table. The ratio is the official engine's mean (its wasm
// build, preparsed policies and schema, each request with the slice of entities that it needs) over our mean with
// strings and reasons, which is what that engine gives; none where one of its own decisions differs.
import { readFileSync } from 'node:fs';
const [, , oursFile, wasmFile] = process.argv;
const wasm = new Map();
for (const line of readFileSync(wasmFile, 'utf8').trim().split('\n').filter(Boolean)) {
  const row = JSON.parse(line);
  wasm.set(row.w, row);
}
const rows = new Map();
for (const b of JSON.parse(readFileSync(oursFile, 'utf8')).benchmarks) {
  const [name, tier] = b.name.split('/');
  if (!rows.has(name)) rows.set(name, {});
  rows.get(name)[tier] = b;
}
const ns = (x) => (x >= 1e4 ? `${(x / 1e3).toFixed(0)}k` : x.toFixed(x < 100 ? 1 : 0));
const byName = (a, b) => a.replace(/\d+/g, (n) => n.padStart(8, '0')) < b.replace(/\d+/g, (n) => n.padStart(8, '0')) ? -1 : 1;
console.log('ns a decision; p50 / p99 over requests of each request\'s minimum over repetitions, warm; cold: of one run each\n');
console.log('| workload | policies | ids | strings | strings, cold | strings, reasons | JSON line (bytes) | official wasm, mean | ratio | load ms | arrange ms | index B/policy |');
console.log('|---|---|---|---|---|---|---|---|---|---|---|---|');
for (const name of [...rows.keys()].sort(byName)) {
  const { ids, strings, reasons, json, cold } = rows.get(name);
  const both = (b) => `${ns(b.p50_ns)} / ${ns(b.p99_ns)}`;
  const peer = wasm.get(name);
  const time = peer?.stateful_slice_schema_ns, good = peer && peer.stateful_slice_schema_bad === 0;
  const mean = reasons.mean_ns;
  console.log(`| ${name} | ${reasons.policies} | ${both(ids)} | ${both(strings)} | ${both(cold)} | ${both(reasons)} | ${both(json)} (${json.line_bytes.toFixed(0)}) | ${time ? ns(time) : ''} | ` +
    `${good ? `${(time / mean).toFixed(0)}x` : ''} | ${reasons.load_ms.toFixed(1)} | ${reasons.build_ms.toFixed(1)} | ${(reasons.index_bytes / reasons.policies).toFixed(0)} |`);
}
