// The official engine's wasm build: parsing, and parsing with validation, in memory. One line of JSON a workload:
// medians of wall time and of processor time, ms.
const fs = require('fs');
const path = require('path');
const { performance } = require('perf_hooks');
const cedar = require('@cedar-policy/cedar-wasm/nodejs');

const median = (all) => [...all].sort((a, b) => a - b)[all.length >> 1];

function time(run, times) {
  run();
  const wall = [], cpu = [];
  for (let i = 0; i < times; ++i) {
    const used = process.cpuUsage(), begin = performance.now();
    run();
    wall.push(performance.now() - begin);
    const more = process.cpuUsage(used);
    cpu.push((more.user + more.system) / 1e3);
  }
  return { wall: median(wall), cpu: median(cpu) };
}

function expect(good, result) {
  if (!good) throw new Error(JSON.stringify(result).slice(0, 500));
}

for (const folder of process.argv.slice(2)) {
  const policies = { staticPolicies: fs.readFileSync(`${folder}/policies.cedar`, 'utf8') };
  const schema = fs.readFileSync(`${folder}/schema.cedarschema`, 'utf8');
  const times = policies.staticPolicies.length > 500000 ? 3 : 7;
  const parse = time(() => {
    const result = cedar.checkParsePolicySet(policies);
    expect(result.type === 'success', result);
  }, times);
  const both = time(() => {
    const result = cedar.validate({ schema, policies });
    expect(result.type === 'success' && result.validationErrors.length === 0, result);
  }, times);
  console.log(JSON.stringify({ w: path.basename(folder), parse, both }));
}
