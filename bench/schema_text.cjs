// schema.cedarschema.json -> schema.cedarschema, by the official engine, in each directory that has only the former.
const fs = require('fs');
const cedar = require('@cedar-policy/cedar-wasm/nodejs');
for (const folder of process.argv.slice(2)) {
  const json = `${folder}/schema.cedarschema.json`;
  if (!fs.existsSync(json) || fs.existsSync(`${folder}/schema.cedarschema`)) continue;
  const text = cedar.schemaToText(JSON.parse(fs.readFileSync(json, 'utf8')));
  if (text.type !== 'success') throw new Error(JSON.stringify(text));
  fs.writeFileSync(`${folder}/schema.cedarschema`, text.text);
}
