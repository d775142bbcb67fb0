// Expressions as JSON, the form used in table.json and manifest.json (format 1): an object with exactly one key, the
// operator's text in ops.def; its value is the operands.
//   {"Bool":true} {"Long":"42"} {"String":"x"} {"Entity":{"type":"T","id":"x"}} {"ip":"10.0.0.0/8"} {"decimal":"1.5"}
//   {"datetime":"…"} {"duration":"…"} {"SetValue":[literal…]} {"RecordValue":{"k":literal}}      literals
//   {"Var":"principal"}                      {"&&":[e,e]} {"==":[e,e]} {"if":[c,t,e]} {"!":[e]} {"neg":[e]} …
//   {".":[e,"attr"]} {"has":[e,"attr"]}      {"is":[e,"T"]} {"like":[e,{"pieces":["a","b"]}]}
//   {"Set":[e…]} {"Record":{"k":e}}          {"call":["isInRange",e,e]}
// `&&` and `||` chains are written as balanced trees (both are associative, errors included). A datetime outside the
// years 0 to 9999 has no literal: it, and a set or record that holds it, is written as the expression that makes it,
// {"call":["offset",{"datetime":"1970-01-01"},{"duration":"…"}]}.
#pragma once
#include "ir/body.h"
#include "ir/values/json.h"

namespace kerf {

Json expr_to_json(const Body& body, NodeId node);
Json literal_to_json(const Value& value);
Result<Value> literal_from_json(const Json& json);

}  // namespace kerf
