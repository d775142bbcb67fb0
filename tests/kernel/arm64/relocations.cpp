// Do the CO-RE relocations of an object resolve against the types of a kernel, also of one for another machine?
//   relocations OBJECT BTF
// libbpf relocates before it loads anything, so it does not matter that this kernel may refuse the programs. A type that the
// object itself asks for (bpf_core_type_exists) may be absent.
#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Seen {
  std::string kind, type;
  std::size_t resolved = 0;
  std::set<std::string> absent;
  std::vector<std::pair<std::string, std::string>> unresolved;   // type, message
} seen;

int listen(libbpf_print_level, const char* format, std::va_list args) {
  char line[2048];
  std::vsnprintf(line, sizeof line, format, args);
  static const std::regex spec("relo #[0-9]+: <([a-z_]+)> \\[[0-9]+\\] (?:struct|union|enum|typedef)? ?([A-Za-z0-9_]+)");
  std::cmatch found;
  if (std::regex_search(line, found, spec)) {
    seen.kind = found[1];
    seen.type = found[2];
  } else if (std::strstr(line, "no matching targets found")) {
    if (seen.kind.ends_with("_exists")) seen.absent.insert(seen.type);
    else seen.unresolved.emplace_back(seen.type, line);
  } else if (std::strstr(line, "patched insn")) {
    ++seen.resolved;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  libbpf_set_print(listen);
  LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = argv[2]);
  bpf_object* object = bpf_object__open_file(argv[1], &options);
  if (!object) {
    std::printf("%s cannot be opened: %s\n", argv[1], std::strerror(errno));
    return 1;
  }
  bpf_object__load(object);
  bpf_object__close(object);
  std::size_t wrong = 0;
  for (const auto& [type, message] : seen.unresolved) {
    if (seen.absent.contains(type)) continue;
    ++wrong;
    std::printf("%s", message.c_str());
  }
  std::printf("%zu relocations resolve, %zu do not, %zu types are absent that the object asks for\n", seen.resolved, wrong, seen.absent.size());
  return seen.resolved > 0 && wrong == 0 ? 0 : 1;
}
