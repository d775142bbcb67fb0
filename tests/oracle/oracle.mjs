// The official Cedar engine behind a line protocol: one JSON object a line in, one a line out.
//   {"policies": text, "templates"?: {id: text}, "links"?: [{templateId, newId, values}], "schema": text, "entities": [...], "requests": [{principal, action, resource, context, entities?}]}
//   -> {"answers": [{"decision": "allow"|"deny", "determining": [id], "errors": [id]}]}  or {"failure": text}
// Policies are numbered policy0, policy1, … as in Cedar's text format. CEDAR_WASM names the package.
// A request's own "entities", if any, replace the program's.
import { createRequire } from 'node:module';
import readline from 'node:readline';

const require = createRequire(import.meta.url);
const cedar = require(`${process.env.CEDAR_WASM || 'cedar412'}/nodejs`);

const problems = (answer) => answer.errors.map((e) => e.message).join('; ');

// Exact 64-bit integers: the bridge would round them, so data stays within +-2^53 and larger literals go into policies.
function decide(program, request) {
  const answer = cedar.statefulIsAuthorized({
    principal: request.principal, action: request.action, resource: request.resource, context: request.context ?? {},
    preparsedPolicySetId: 'p', preparsedSchemaName: 's', validateRequest: true,
    entities: request.entities ?? program.entities ?? [],
  });
  if (answer.type !== 'success') return { failure: problems(answer) };
  const { decision, diagnostics } = answer.response;
  return { decision, determining: [...diagnostics.reason].sort(), errors: diagnostics.errors.map((e) => e.policyId).sort() };
}

function answer(program) {
  const schema = cedar.preparseSchema('s', program.schema);
  if (schema.type !== 'success') return { failure: `schema: ${problems(schema)}` };
  const set = { staticPolicies: program.policies, templates: program.templates ?? {}, templateLinks: program.links ?? [] };
  const policies = cedar.preparsePolicySet('p', set);
  if (policies.type !== 'success') return { failure: `policies: ${problems(policies)}` };
  const validation = cedar.validate({ schema: program.schema, policies: set });
  const valid = validation.type === 'success' && validation.validationErrors.length === 0;
  const why = validation.type === 'success' ? validation.validationErrors.map((e) => e.error.message) : problems(validation);
  return { valid, why, answers: program.requests.map((request) => decide(program, request)) };
}

for await (const line of readline.createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (line.trim() === '') continue;
  let out;
  try {
    out = answer(JSON.parse(line));
  } catch (error) {
    out = { failure: String(error) };
  }
  process.stdout.write(`${JSON.stringify(out)}\n`);
}
