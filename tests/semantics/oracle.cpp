#include "tests/semantics/oracle.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "ir/values/json.h"

namespace kerf::test {

void Answer::sort() {
  std::sort(determining.begin(), determining.end());
  std::sort(errors.begin(), errors.end());
}

std::vector<Entity> entities_without_actions(const Module& module, const Entities& entities) {
  std::vector<Entity> out;
  for (const Entity& entity : entities.all()) {
    if (!module.schema.actions.contains(entity.uid)) out.push_back(entity);
  }
  return out;
}

Oracle::Oracle() {
  std::string folder = KERF_SOURCE_DIR "/tests/oracle";
  if (::access((folder + "/node_modules/cedar412").c_str(), F_OK) != 0) {
    why_ = "the npm package of the official engine is not installed (tests/oracle)";
    return;
  }
  int in[2], out[2];
  if (::pipe(in) != 0 || ::pipe(out) != 0) {
    why_ = "no pipe";
    return;
  }
  ::signal(SIGPIPE, SIG_IGN);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(in[0], 0);
    ::dup2(out[1], 1);
    for (int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
    if (::chdir(folder.c_str()) != 0) ::_exit(127);
    ::execlp("node", "node", "oracle.mjs", nullptr);
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  to_ = ::fdopen(in[1], "w");
  from_ = ::fdopen(out[0], "r");
  why_.clear();
  if (!ask("", "entity U; action a appliesTo { principal: U, resource: U };", {})) why_ = "node does not run tests/oracle/oracle.mjs";
}

Oracle::~Oracle() {
  if (to_ != nullptr) std::fclose(to_);
  if (from_ != nullptr) std::fclose(from_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

Result<std::vector<Answer>> Oracle::ask(const std::string& policies, const std::string& schema, const std::vector<Question>& questions) {
  Json requests = Json::array();
  for (const Question& q : questions) {
    Json context = Json::object();
    for (const auto& [name, value] : q.request.context) context[name] = value_to_json(value);
    requests.push_back({{"principal", uid_to_json(q.request.principal)}, {"action", uid_to_json(q.request.action)},
                        {"resource", uid_to_json(q.request.resource)}, {"context", std::move(context)},
                        {"entities", entities_to_json(q.entities)}});
  }
  std::string line = Json({{"policies", policies}, {"schema", schema}, {"requests", std::move(requests)}}).dump() + "\n";
  std::fwrite(line.data(), 1, line.size(), to_);
  std::fflush(to_);
  char* buffer = nullptr;
  std::size_t capacity = 0;
  ssize_t size = ::getline(&buffer, &capacity, from_);
  std::string reply(buffer == nullptr ? "" : buffer, size > 0 ? static_cast<std::size_t>(size) : 0);
  std::free(buffer);
  Result<Json> json = parse_json(reply);
  if (!json) return Error{"no answer: " + json.error().message};
  if (json->contains("failure")) return Error{(*json)["failure"].get<std::string>()};
  if (!(*json)["valid"].get<bool>()) return Error{"not valid: " + (*json)["why"].dump()};
  std::vector<Answer> answers;
  for (const Json& row : (*json)["answers"]) {
    if (row.contains("failure")) return Error{row["failure"].get<std::string>()};
    Answer answer{row["decision"] == "allow", row["determining"].get<std::vector<std::string>>(), row["errors"].get<std::vector<std::string>>()};
    answer.sort();
    answers.push_back(std::move(answer));
  }
  if (answers.size() != questions.size()) return Error{"wrong number of answers"};
  return answers;
}

}  // namespace kerf::test
