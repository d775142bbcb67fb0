// Subtypes and least upper bounds of the validator.
#pragma once
#include "ir/types.h"

namespace kerf {

// Why two types have no common type; the wording of the help depends on it.
enum class Mismatch { kinds, entity_types, entity_and_record, record_fields, optionality };

struct Lub {
  TypeId type;                             // not valid: there is none
  Mismatch mismatch = Mismatch::kinds;
};

// Permissive: entity types join, and records keep what they have in common.
enum class ValidationMode { strict, permissive };

bool is_boolean(TypeKind kind);            // Bool and its singletons
bool is_subtype(const Types& types, TypeId a, TypeId b, ValidationMode mode = ValidationMode::strict);
Lub least_upper_bound(Types& types, TypeId a, TypeId b, ValidationMode mode = ValidationMode::strict);

}  // namespace kerf
