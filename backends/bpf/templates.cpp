#include "backends/bpf/templates.h"

#include <algorithm>

namespace kerf {

ObjectTemplates::Object ObjectTemplates::find(std::string_view key) {
  std::lock_guard lock(mutex_);
  auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
  if (entry == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->object;
}

void ObjectTemplates::keep(std::string key, Object object) {
  Entry entry{std::move(key), std::move(object)};
  std::lock_guard lock(mutex_);
  // Another thread may have made the same.
  if (entry.bytes() > kMaxBytes || std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == entry.key; })) return;
  const std::size_t bytes = entry.bytes();
  entries_.push_front(std::move(entry));
  bytes_ += bytes;
  while (bytes_ > kMaxBytes || entries_.size() > kMaxCount) {
    bytes_ -= entries_.back().bytes();
    entries_.pop_back();
  }
}

}  // namespace kerf
