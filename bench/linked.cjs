// In each directory with links.json: policies.cedar with the templates last, so that policies have the numbers that the official
// engine's answers give them (linked.cedar), and the links in the form that `kerf link` keeps (linked.json).
const fs = require('fs');
const cedar = require('@cedar-policy/cedar-wasm/nodejs');
for (const folder of process.argv.slice(2)) {
  if (!fs.existsSync(`${folder}/links.json`) || fs.existsSync(`${folder}/linked.json`)) continue;
  const parts = cedar.policySetTextToParts(fs.readFileSync(`${folder}/policies.cedar`, 'utf8'));
  if (parts.type !== 'success') throw new Error(JSON.stringify(parts));
  fs.writeFileSync(`${folder}/linked.cedar`, [...parts.policies, ...parts.policy_templates].join('\n'));
  const text = ({ type, id }) => `${type}::${JSON.stringify(id)}`;
  const links = JSON.parse(fs.readFileSync(`${folder}/links.json`, 'utf8')).map(({ templateId, newId, values }) => ({
    template_id: templateId,
    link_id: newId,
    args: Object.fromEntries(Object.entries(values).map(([slot, uid]) => [slot, text(uid)])),
  }));
  fs.writeFileSync(`${folder}/linked.json`, JSON.stringify(links));
}
