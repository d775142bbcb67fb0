// A schema as the generator thinks of it: what its texts mean, so that policies and data can be made to fit.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ir/values/value.h"
#include "tests/differential/random.h"

namespace kerf::test {

struct Shape;
using ShapePtr = std::shared_ptr<const Shape>;

struct Field {
  ShapePtr type;
  bool required = true;
};

struct Shape {
  enum class Kind { boolean, long_, string, entity, set, record, extension } kind;
  std::string name;                     // of an entity type, in full, or of an extension type
  ShapePtr element;                     // of a set
  std::map<std::string, Field> fields;  // of a record
  std::string key;                      // equal for equal types
  std::optional<std::size_t> common;    // the common type that stands for it
};

ShapePtr primitive(Shape::Kind kind);
ShapePtr extension(const std::string& name);
ShapePtr entity_shape(const std::string& type);
ShapePtr set_of(ShapePtr element);
ShapePtr record_of(std::map<std::string, Field> fields);

struct ModelEntity {
  std::string space, base;
  std::vector<std::size_t> parents;     // may be itself
  ShapePtr attrs;                       // a record
  ShapePtr tags;                        // or none
  std::vector<std::string> enum_ids;    // or none
  std::string full() const { return space.empty() ? base : space + "::" + base; }
};

struct ModelCommon {
  std::string space, base;
  ShapePtr type;
  std::string full() const { return space.empty() ? base : space + "::" + base; }
};

struct ModelAction {
  std::string space, id;
  std::vector<std::size_t> groups;      // earlier actions
  bool applies = true;
  std::vector<std::size_t> principals, resources;
  ShapePtr context;                     // a record, or none
  EntityUid uid() const { return {space.empty() ? "Action" : space + "::Action", id}; }
};

struct Model {
  std::vector<std::string> spaces;      // the first is ""
  std::vector<ModelCommon> commons;     // uses earlier ones only
  std::vector<ModelEntity> entities;
  std::vector<ModelAction> actions;

  const ModelEntity* find(const std::string& full) const;
  bool may_be_in(std::size_t entity, std::size_t ancestor) const;   // by declared parents, reflexive
};

Model make_model(Random& random);
// Ids of entities of a type: few, so that they meet.
std::string some_id(Random& random, const ModelEntity& type);
std::string some_text(Random& random);
// A literal that the constructor of an extension type takes.
std::string some_extension_text(Random& random, const std::string& type);
std::string constructor_of(const std::string& extension_type);

// The schema as its two forms.
std::string schema_text(Random& random, const Model& model);
std::string schema_json(Random& random, const Model& model);

}  // namespace kerf::test
