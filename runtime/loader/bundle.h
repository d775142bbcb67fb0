// A bundle directory, checked: nothing of it is used before all of it has been looked at.
#pragma once
#include <string>

#include "ir/values/entities.h"
#include "runtime/loader/manifest.h"

namespace kerf::loader {

struct LoadedBundle {
  Manifest manifest;
  Entities entities;
  std::string manifest_text, object, table, split, entities_text;   // the bytes, as hashed
};

// Regular files of known names only, bounded in size, equal to their hashes; no symbolic link is followed inside the
// directory. The object is checked (object.h), not loaded.
LoaderResult<LoadedBundle> read_bundle(const std::string& directory);

// The same without the object: enough to make binding records again.
LoaderResult<LoadedBundle> read_bundle_data(const std::string& directory);

// Writes the files of a bundle into an existing empty directory.
LoaderResult<Unit> copy_bundle(const LoadedBundle& bundle, const std::string& directory);

}  // namespace kerf::loader
