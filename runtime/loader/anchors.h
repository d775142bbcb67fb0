// The anchors of a binding: where a task's mounts are, the kernel's keys of their roots, and the maps that hold them.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "runtime/loader/kernel.h"
#include "runtime/loader/mountinfo.h"

namespace kerf::loader {

// What a task sees as "/".
struct View {
  std::string task;                 // "self", or a process id: a directory of /proc
  Fd root;                          // O_PATH
  AnchorPlan plan;
};
LoaderResult<View> open_view(const std::string& task);

struct Anchor {
  std::string path;
  kerf_anchor_key key;              // binding 0
};
// Attaches the probe program for a moment. Two anchors with one key are a failure.
LoaderResult<std::vector<Anchor>> learn_anchors(const View& view, const Maps& maps, const std::string& pins);

LoaderResult<Unit> add_anchors(const Maps& maps, std::uint32_t binding, const std::vector<Anchor>& anchors);
// In the place of those that the binding has. Meanwhile a name is the old or the new one, or none.
LoaderResult<Unit> replace_anchors(const Maps& maps, std::uint32_t binding, const std::vector<Anchor>& anchors);
LoaderResult<Unit> remove_anchors(const Maps& maps, std::uint32_t binding);

// The first two anchors with one key, if there are any.
std::optional<std::pair<Anchor, Anchor>> find_twins(const std::vector<Anchor>& anchors);

}  // namespace kerf::loader
