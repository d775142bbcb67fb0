// A binding's record into its slot, as the loader puts it there.
#pragma once
#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "runtime/abi/policy_abi.h"

namespace kerf::test {

// `bindings`: the map kerf_bindings. 0, or what bpf() says.
inline int put_record(int bindings, std::uint32_t binding, std::string record) {
  const std::uint32_t slot = KERF_BINDING_SLOT(binding), zero = 0;
  std::memcpy(record.data() + offsetof(kerf_binding, binding), &binding, sizeof binding);
  const int own = bpf_map_create(BPF_MAP_TYPE_ARRAY, "kerf_record", sizeof zero, static_cast<std::uint32_t>(record.size()), 1, nullptr);
  if (own < 0) return own;
  int error = bpf_map_update_elem(own, &zero, record.data(), BPF_ANY);
  if (!error) error = bpf_map_update_elem(bindings, &slot, &own, BPF_ANY);
  close(own);
  return error;
}

inline void remove_record(int bindings, std::uint32_t binding) {
  const std::uint32_t slot = KERF_BINDING_SLOT(binding);
  bpf_map_delete_elem(bindings, &slot);
}

}  // namespace kerf::test
