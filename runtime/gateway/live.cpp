// Files -> Loaded -> Live -> Reader.
#include "runtime/gateway/live.h"

#include <xxhash.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "ir/values/json.h"

namespace kerf::gateway {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 30;

Result<std::string> read_text(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return Error{path + ": " + std::strerror(errno)};
  std::string text;
  char buffer[1 << 16];
  std::size_t count;
  while ((count = std::fread(buffer, 1, sizeof buffer, file)) > 0 && text.size() <= kMaxBytes) text.append(buffer, count);
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) return Error{path + ": cannot be read"};
  if (text.size() > kMaxBytes) return Error{path + ": more than 1 GiB"};
  return text;
}

std::string digest_of(std::string_view table, std::string_view entities) {
  XXH3_state_t* state = XXH3_createState();
  XXH3_128bits_reset(state);
  XXH3_128bits_update(state, table.data(), table.size());
  XXH3_128bits_update(state, entities.data(), entities.size());
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
  XXH3_freeState(state);
  std::string text;
  for (unsigned char byte : canonical.digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

Result<Entities> read_entities(const std::string& text) {
  Result<Json> json = parse_json(text);
  if (!json.ok()) return json.error();
  Result<std::vector<Entity>> list = entities_from_json(*json);
  if (!list.ok()) return list.error();
  return Entities::build(*std::move(list));
}

}  // namespace

Files resolve(const std::string& table, const std::string& entities) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(table, ignored)) return {table, entities};
  return {table + "/table.json", entities.empty() ? table + "/entities.json" : entities};
}

Result<Loaded> load(const Files& files) {
  Result<std::string> table_text = read_text(files.table);
  if (!table_text.ok()) return table_text.error();
  Result<std::string> entities_text = files.entities.empty() ? Result<std::string>(std::string("[]")) : read_text(files.entities);
  if (!entities_text.ok()) return entities_text.error();
  Result<Table> table = Table::read(*table_text);
  if (!table.ok()) return Error{files.table + ": " + table.error().message};
  Result<Entities> entities = read_entities(*entities_text);
  if (!entities.ok()) return Error{files.entities + ": " + entities.error().message};
  const std::size_t policies = table->policies().size(), count = entities->all().size();
  Result<Engine> engine = Engine::build(std::make_shared<const Table>(*std::move(table)), *std::move(entities));
  if (!engine.ok()) return Error{files.table + ": " + engine.error().message};
  return Loaded{*std::move(engine), digest_of(*table_text, *entities_text), policies, count, 0};
}

Live::Live(Loaded first) {
  first.generation = 1;
  loaded_ = std::make_shared<const Loaded>(std::move(first));
}

std::shared_ptr<const Loaded> Live::get() const {
  std::lock_guard lock(mutex_);
  return loaded_;
}

void Live::swap(Loaded next) {
  std::shared_ptr<const Loaded> old;   // goes after the lock
  std::lock_guard lock(mutex_);
  next.generation = loaded_->generation + 1;
  old = std::exchange(loaded_, std::make_shared<const Loaded>(std::move(next)));
  generation_.store(loaded_->generation, std::memory_order_release);
}

void Reader::refresh() {
  loaded_ = live_.get();
  if (!query_ || !query_->fits(loaded_->engine)) query_.emplace(loaded_->engine);
}

Result<bool, RequestFault> Reader::decide(std::string_view request, std::size_t readable, std::string& line) {
  const Engine& engine = loaded_->engine;
  if (Result<Unit, RequestFault> set = engine.set(*query_, request, readable); !set.ok()) return set.error();
  engine.decide(*query_, answer_);
  engine.append_json(line, *query_, answer_);
  return answer_.allow;
}

Result<std::size_t, RequestFault> Reader::allowed(std::string_view request, std::size_t most, std::string& line) {
  const Result<ManyRequest, RequestFault> read = read_many_request(request);
  if (!read.ok()) return read.error();
  const auto& [asked, resources] = *read;
  if (resources.size() > most) return resources.size();
  line += "{\"allowed\":[";
  bool first = true;
  for (std::uint32_t place : loaded_->engine.allowed(*query_, asked.principal, asked.action, resources, asked.context)) {
    if (!first) line += ',';
    first = false;
    line += std::to_string(place);
  }
  line += "]}";
  return resources.size();
}

}  // namespace kerf::gateway
