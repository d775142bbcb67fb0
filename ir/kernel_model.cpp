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

std::optional<KernelKind> owner_of(std::string_view name) {
  if (name == "context") return std::nullopt;
  auto kind = find_kernel_kind(name);
  check(kind.has_value(), "the owner of an observable is a kernel kind");
  return kind;
}

constexpr std::string_view kEventIds[] = {
#define KERNEL_KIND(...)
#define KERNEL_EVENT(id, ...) #id,
#define OBSERVABLE(...)
#include "ir/kernel_model.def"
#undef KERNEL_KIND
#undef KERNEL_EVENT
#undef OBSERVABLE
};

// `any`, kinds of resources and ids of events to events.
std::vector<KernelEventId> events_of(std::string_view text) {
  std::vector<KernelEventId> events;
  for (std::string_view word : words(text)) {
    const std::size_t before = events.size();
    for (const KernelEvent& event : kernel_events()) {
      if (word == "any" || word == to_text(event.resource) || word == kEventIds[static_cast<std::size_t>(event.id)]) events.push_back(event.id);
    }
    check(events.size() > before, "an observable is observed with something");
  }
  return events;
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
#define OBSERVABLE(id, text, owner, events, type, present, from, largest, description) \
  {ObservableId::id, text, owner_of(#owner), events_of(#events), TypeKind::type, present, ObservedFrom::from, largest, description},
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

bool is_observed_with(const Observable& observable, KernelEventId event) {
  return std::find(observable.events.begin(), observable.events.end(), event) != observable.events.end();
}

bool is_observed_with_all(const Observable& observable) { return observable.events.size() == kernel_events().size(); }

bool has_text_id(KernelKind kind) {
  switch (kind) {
    case KernelKind::file:
    case KernelKind::directory:
    case KernelKind::socket:
    case KernelKind::system: return true;
    case KernelKind::process:
    case KernelKind::host:
    case KernelKind::syscall:
    case KernelKind::endpoint: return false;
  }
  internal_error("kernel kind");
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
