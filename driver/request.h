// A request in one JSON file: {"principal": "User::\"a\"", "action": …, "resource": …, "context": {…}}.
#pragma once
#include "driver/language.h"

namespace kerf {

// Parts that the file lacks are empty. The context's text keeps its place in the file. Nothing after a report.
std::optional<RequestInput> read_request_file(const std::string& path, Sources& sources, Diagnostics& diagnostics);

}  // namespace kerf
