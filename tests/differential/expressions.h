// Random expressions of a wanted type. Private to the generator of policies.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ir/values/json.h"
#include "tests/differential/policies.h"

namespace kerf::test {

class ExpressionMaker {
 public:
  // `known`: which variables have a known type, so that their attributes can be used.
  struct Known {
    bool principal, resource, context;
  };
  ExpressionMaker(Random& random, const Model& model, const Situation& situation, Known known);

  std::optional<Json> make(const Shape& shape, int depth);
  Json boolean(int depth);
  Json uid(const std::string& entity_type);
  Json any(int depth);   // of any type

 private:
  // What stands for a value of a type, if all of `guards` hold.
  struct Path {
    Json expr;
    std::vector<Json> guards;
  };
  void add_paths(const Json& expr, const Shape& shape, const std::vector<Json>& guards, int depth);
  void add_fields(const Json& expr, const Shape& record, const std::vector<Json>& guards, int depth);
  std::optional<Json> path(const Shape& shape, int depth);
  std::optional<Json> constructed(const Shape& shape, int depth);
  std::optional<Json> record(const Shape& shape, int depth);
  Json number(int depth);
  Json comparison(int depth);
  Json equality(int depth);
  Json membership(int depth);
  Json of_sets(int depth);
  Json of_extensions(int depth);
  std::optional<Json> guarded(int depth);
  std::optional<Json> presence();
  Json extension_value(const std::string& type, int depth);
  Json text_pattern();
  Json condition_of_guards(const std::vector<Json>& guards);
  const ShapePtr& some_shape();
  Json or_value(std::optional<Json> expr, const Shape& shape);

  Random& random_;
  const Model& model_;
  Situation situation_;
  std::map<std::string, std::vector<Path>> paths_;       // by Shape::key
  std::map<std::string, ShapePtr> shapes_;               // that occur
  std::vector<ShapePtr> shape_list_;
  std::vector<Json> presences_;
};

Json call(const std::string& op, Json left, Json right);
Json unary(const std::string& op, Json arg);
Json value(Json literal);

}  // namespace kerf::test
