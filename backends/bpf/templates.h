// Objects that the helper made, kept in memory before they are filled: a later policy set with the same events and conditions needs
// no helper. In memory only: what lies in files could be changed between two compiles.
#pragma once
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace kerf {

// Keeps those that were asked for last. Any thread may call.
class ObjectTemplates {
 public:
  using Object = std::shared_ptr<const std::string>;
  static constexpr std::size_t kMaxBytes = std::size_t{16} << 20, kMaxCount = 64;

  // `key`: the helper and the whole request. Null: it was not kept.
  Object find(std::string_view key);
  void keep(std::string key, Object object);

 private:
  struct Entry {
    std::string key;
    Object object;
    std::size_t bytes() const { return key.size() + object->size(); }
  };

  std::mutex mutex_;
  std::list<Entry> entries_;   // the last asked for first
  std::size_t bytes_ = 0;
};

}  // namespace kerf
