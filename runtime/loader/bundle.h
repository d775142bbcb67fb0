// A bundle directory, checked: nothing of it is used before all of it has been looked at.
#pragma once
#include <string>

#include "ir/values/entities.h"
#include "runtime/loader/manifest.h"
#include "runtime/loader/seccomp.h"

namespace kerf::loader {

struct LoadedBundle {
  Manifest manifest;
  Entities entities;
  Filters filters;
  std::string manifest_text, object, table, split, entities_text, seccomp;   // the bytes, as hashed; seccomp is empty where there is none
};

// Regular files of known names only, bounded in size, equal to their hashes; no symbolic link is followed inside the
// directory. The object is checked (object.h), not loaded.
LoaderResult<LoadedBundle> read_bundle(const std::string& directory);

// The same without the object: enough to make binding records again.
LoaderResult<LoadedBundle> read_bundle_data(const std::string& directory);

// Writes the files of a bundle into an existing empty directory.
LoaderResult<Unit> copy_bundle(const LoadedBundle& bundle, const std::string& directory);

}  // namespace kerf::loader
