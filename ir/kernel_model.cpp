// The rows of kernel_model.def as data. Space-separated lists of the table are split here, once.
#include "ir/kernel_model.h"

#include <algorithm>
#include <iterator>

#include "ir/base/check.h"

namespace kerf {

namespace {

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> result;
  while (!text.empty()) {
    std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) result.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

// A kind in the table, or `none` where no kind is meant.
std::optional<KernelKind> kind_or(std::string_view none, std::string_view name) {
  if (name == none) return std::nullopt;
  auto kind = find_kernel_kind(name);
  check(kind.has_value(), "owner and events of an observable are kernel kinds");
  return kind;
}

}  // namespace

const std::vector<KernelEvent>& kernel_events() {
  static const std::vector<KernelEvent> rows = {
#define KERNEL_KIND(...)
#define KERNEL_EVENT(id, text, resource, default_errno, errnos, hooks, kernel, what) \
  {KernelEventId::id, text, KernelKind::resource, default_errno, words(errnos), words(hooks), kernel, what},
#define OBSERVABLE(...)
#include "ir/kernel_model.def"
#undef KERNEL_KIND
#undef KERNEL_EVENT
#undef OBSERVABLE
  };
  return rows;
}

const std::vector<Observable>& observables() {
  static const std::vector<Observable> rows = {
#define KERNEL_KIND(...)
#define KERNEL_EVENT(...)
#define OBSERVABLE(id, text, owner, events, type, present, description) \
  {ObservableId::id, text, kind_or("context", #owner), kind_or("any", #events), TypeKind::type, present, description},
#include "ir/kernel_model.def"
#undef KERNEL_KIND
#undef KERNEL_EVENT
#undef OBSERVABLE
  };
  return rows;
}

const KernelEvent& kernel_event(KernelEventId id) {
  const KernelEvent& event = kernel_events().at(static_cast<std::size_t>(id));
  check(event.id == id, "event rows are in enum order");
  return event;
}

const KernelEvent* find_event(std::string_view text) {
  for (const KernelEvent& event : kernel_events()) {
    if (event.text == text) return &event;
  }
  return nullptr;
}

const Observable* find_observable(std::string_view text) {
  for (const Observable& observable : observables()) {
    if (observable.text == text) return &observable;
  }
  return nullptr;
}

namespace {

struct KindRow {
  KernelKind kind;
  std::string_view text, what;
};
constexpr KindRow kKinds[] = {
#define KERNEL_KIND(name, text, what) {KernelKind::name, text, what},
#define KERNEL_EVENT(...)
#define OBSERVABLE(...)
#include "ir/kernel_model.def"
#undef KERNEL_KIND
#undef KERNEL_EVENT
#undef OBSERVABLE
};

const KindRow& kind_row(KernelKind kind) {
  const auto at = static_cast<std::size_t>(kind);
  check(at < std::size(kKinds), "a kernel kind has a row");
  return kKinds[at];
}

}  // namespace

std::string_view to_text(KernelKind kind) { return kind_row(kind).text; }
std::string_view what_is(KernelKind kind) { return kind_row(kind).what; }

std::optional<KernelKind> find_kernel_kind(std::string_view text) {
  for (const KindRow& row : kKinds) {
    if (row.text == text) return row.kind;
  }
  return std::nullopt;
}

const std::vector<KernelKind>& kernel_kinds() {
  static const std::vector<KernelKind> kinds = [] {
    std::vector<KernelKind> all;
    for (const KindRow& row : kKinds) all.push_back(row.kind);
    return all;
  }();
  return kinds;
}

}  // namespace kerf
