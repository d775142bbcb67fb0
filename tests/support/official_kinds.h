// The kind of a message of the official validator, as our code.
#pragma once
#include <optional>
#include <string_view>
#include <utility>

#include "ir/base/diagnostic.h"

namespace kerf::test {

inline std::optional<Code> code_of_official(std::string_view message) {
  static constexpr std::pair<std::string_view, Code> kKinds[] = {
      {"unrecognized entity type", Code::K3101},
      {"unrecognized action", Code::K3102},
      {"is of an enumerated entity type", Code::K3103},
      {"unable to find an applicable action", Code::K3104},
      {"unexpected type", Code::K3105},
      {"are not compatible", Code::K3106},
      {"access to optional attribute", Code::K3108},
      {"access to tag", Code::K3109},
      {"`.getTag()` is not allowed", Code::K3109},
      {"wrong number of arguments", Code::K3111},
      {"extension function argument validation", Code::K3112},
      {"called with non-literal expressions", Code::K3113},
      {"empty set literals", Code::K3114},
      {"policy is impossible", Code::K3201},
      {"not found", Code::K3107},
  };
  auto has = [&](std::string_view text) { return message.find(text) != std::string_view::npos; };
  bool string = has(", string `");
  if (has("` contains BIDI control characters")) return string ? Code::K3202 : Code::K3204;
  if (has("` contains mixed scripts")) return string ? Code::K3205 : Code::K3206;
  if (has("General Security Profile")) return Code::K3207;
  for (const auto& [text, code] : kKinds) {
    if (has(text)) return code;
  }
  return std::nullopt;
}

}  // namespace kerf::test
