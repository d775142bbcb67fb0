#include "tests/differential/judge.h"

namespace kerf::test {

Judge::Judge() : engine_("differential", "judge.mjs"), why_(engine_.why()) {
  if (!running()) return;
  send({{"getCedarVersion", {}}});
  if (receive(1).empty()) why_ = "node does not run tests/differential/judge.mjs";
}

void Judge::send(const std::vector<Call>& calls) {
  std::string text;
  for (const Call& call : calls) {
    text += call.function;
    for (const std::string& argument : call.arguments) text += "\t" + argument;
    text += "\n";
  }
  engine_.send(text + "\n");
}

std::vector<Json> Judge::receive(std::size_t count) {
  std::vector<Json> out;
  while (out.size() < count) {
    const std::string_view line = engine_.receive();
    if (line.empty()) break;
    out.push_back(Json::parse(line, nullptr, false));
  }
  return out;
}

}  // namespace kerf::test
