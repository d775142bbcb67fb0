// A libkerf with mistakes in it: the linker puts this in the place of the formatter (--wrap), and the text to be formatted
// says what goes wrong.
#include <new>
#include <optional>
#include <stdexcept>

#include "driver/language.h"

std::optional<std::string> faulty(kerf::Session& session, const kerf::InputFile& input, std::size_t, std::size_t)
    asm("__wrap__ZN4kerf11format_textB5cxx11ERNS_7SessionERKNS_9InputFileEmm");

std::optional<std::string> faulty(kerf::Session&, const kerf::InputFile& input, std::size_t, std::size_t) {
  if (input.text == "check") kerf::check(false, "injected");
  if (input.text == "memory") throw std::bad_alloc();
  if (input.text == "exception") throw std::runtime_error("injected");
  if (input.text == "number") throw 42;
  return input.text == "nothing" ? std::nullopt : std::optional(input.text);
}
