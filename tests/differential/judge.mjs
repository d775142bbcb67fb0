// The official Cedar engine, called with JSON texts as they are: what goes in and out is never a JavaScript value, so
// 64-bit integers, repeated keys and `1.0` reach the engine unchanged.
//   In: lines `FUNCTION<tab>ARGUMENT[<tab>ARGUMENT]`, arguments in JSON; an empty line ends a batch.
//   Out: a line a call, the engine's answer in JSON; `{"refused": text}` where an argument has not the form of its type,
//   `{"panic": text}` where the engine broke down.
import { createRequire } from 'node:module';
import fs from 'node:fs';

const require = createRequire(new URL('../oracle/', import.meta.url));
const name = `${process.env.CEDAR_WASM || 'cedar412'}/nodejs`;
let cedar = require(name);

// The bridge turns objects to text and back with these two. An argument is a box with its text, an answer stays text.
const { parse, stringify } = JSON;
class Text {
  constructor(text) { this.text = text; }
}
JSON.stringify = (value) => (value instanceof Text ? value.text : stringify(value));
JSON.parse = (text) => new Text(text);

// Some parameters are plain strings: names, and texts where no JSON form exists.
const plain = { preparseSchema: [0], preparsePolicySet: [0], policySetTextToParts: [0], schemaToJsonWithResolvedTypes: [0] };

function call(line) {
  const [fn, ...args] = line.split('\t');
  try {
    const answer = cedar[fn](...args.map((arg, i) => (plain[fn]?.includes(i) ? parse(arg) : new Text(arg))));
    return answer instanceof Text ? answer.text : stringify(answer);
  } catch (error) {
    const text = String(error?.message ?? error);
    if (!(error instanceof WebAssembly.RuntimeError)) return stringify({ refused: text });
    delete require.cache[require.resolve(name)];   // an engine that broke down answers no more
    cedar = require(name);
    return stringify({ panic: text });
  }
}

function answer(batch) {
  const text = batch.split('\n').map(call).join('\n') + '\n';
  const bytes = Buffer.from(text, 'utf8');
  for (let at = 0; at < bytes.length; ) at += fs.writeSync(1, bytes, at);
}

const chunk = Buffer.alloc(1 << 16);
let pending = Buffer.alloc(0);
for (;;) {
  let size;
  try {
    size = fs.readSync(0, chunk);
  } catch (error) {
    if (error.code === 'EAGAIN') continue;
    throw error;
  }
  if (size === 0) break;
  pending = Buffer.concat([pending, chunk.subarray(0, size)]);
  for (let end; (end = pending.indexOf('\n\n')) >= 0; pending = pending.subarray(end + 2)) {
    answer(pending.subarray(0, end).toString('utf8'));
  }
}
