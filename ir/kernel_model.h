// The kernel model as data; the rows are in kernel_model.def.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/types.h"

namespace kerf {

enum class KernelKind {
#define KERNEL_KIND(name, text, what) name,
#define KERNEL_EVENT(...)
#define OBSERVABLE(...)
#include "ir/kernel_model.def"
#undef KERNEL_KIND
#undef KERNEL_EVENT
#undef OBSERVABLE
};

enum class KernelEventId {
#define KERNEL_KIND(...)
#define KERNEL_EVENT(id, ...) id,
#define OBSERVABLE(...)
#include "ir/kernel_model.def"
#undef KERNEL_KIND
#undef KERNEL_EVENT
#undef OBSERVABLE
};

enum class ObservableId {
#define KERNEL_KIND(...)
#define KERNEL_EVENT(...)
#define OBSERVABLE(id, ...) id,
#include "ir/kernel_model.def"
#undef KERNEL_KIND
#undef KERNEL_EVENT
#undef OBSERVABLE
};

// What of an event an observable is: what a hook looks up (address, port, path; the executable's path too), a name it holds, a
// number it compares; of a system call, which one it is and what it is given.
enum class ObservedFrom { address, port, host, path, executable, name, scalar, call, argument };

struct KernelEvent {
  KernelEventId id;
  std::string_view text;
  KernelKind resource;
  std::string_view default_errno;
  std::vector<std::string_view> errnos, hooks;
  std::string_view minimum_kernel, what;
};

struct Observable {
  ObservableId id;
  std::string_view text;
  std::optional<KernelKind> owner;  // none: context
  std::vector<KernelEventId> events;  // that it is observed with
  TypeKind type;
  bool always_present;
  ObservedFrom from;
  std::int64_t largest;             // of a Long: 0 to this
  std::string_view description;
};

const std::vector<KernelEvent>& kernel_events();
const std::vector<Observable>& observables();
const KernelEvent& kernel_event(KernelEventId id);
const KernelEvent* find_event(std::string_view text);
// Events that a seccomp filter decides; hooks, the object and the ABI know nothing of them.
inline bool decided_by_filter(const KernelEvent& event) { return event.resource == KernelKind::syscall; }
// What a file event is about can be a directory.
inline bool can_be_resource(const KernelEvent& event, KernelKind kind) {
  return kind == event.resource || (event.resource == KernelKind::file && kind == KernelKind::directory);
}
const Observable* find_observable(std::string_view text);
bool is_observed_with(const Observable& observable, KernelEventId event);
bool is_observed_with_all(const Observable& observable);
// Do hooks know a resource of this kind by its text, and not by an address?
bool has_text_id(KernelKind kind);
std::string_view to_text(KernelKind kind);
std::string_view what_is(KernelKind kind);
const std::vector<KernelKind>& kernel_kinds();
std::optional<KernelKind> find_kernel_kind(std::string_view text);

}  // namespace kerf
