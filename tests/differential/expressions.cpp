// Types decide what is built; attributes that may be absent come with the tests that make them safe.
#include "tests/differential/expressions.h"

#include <limits>

namespace kerf::test {

Json value(Json literal) { return {{"Value", std::move(literal)}}; }
Json unary(const std::string& op, Json arg) { return {{op, {{"arg", std::move(arg)}}}}; }
Json call(const std::string& op, Json left, Json right) { return {{op, {{"left", std::move(left)}, {"right", std::move(right)}}}}; }

namespace {

Json both(Json a, Json b) { return call("&&", std::move(a), std::move(b)); }
Json either(Random& random, Json condition, Json then, Json otherwise) {
  (void)random;
  return {{"if-then-else", {{"if", std::move(condition)}, {"then", std::move(then)}, {"else", std::move(otherwise)}}}};
}
Json method(const std::string& name, Json object) { return Json{{name, Json::array({std::move(object)})}}; }
Json method(const std::string& name, Json object, Json argument) {
  return Json{{name, Json::array({std::move(object), std::move(argument)})}};
}
Json attribute(Json left, const std::string& name) { return {{".", {{"left", std::move(left)}, {"attr", name}}}}; }
Json has(Json left, const std::string& name) { return {{"has", {{"left", std::move(left)}, {"attr", name}}}}; }

constexpr int kPathDepth = 3;
constexpr std::size_t kMostPaths = 150;

}  // namespace

ExpressionMaker::ExpressionMaker(Random& random, const Model& model, const Situation& situation, Known known)
    : random_(random), model_(model), situation_(situation) {
  for (auto kind : {Shape::Kind::boolean, Shape::Kind::long_, Shape::Kind::string}) {
    ShapePtr shape = primitive(kind);
    shapes_.emplace(shape->key, shape);
  }
  for (const char* name : {"decimal", "ipaddr", "datetime", "duration"}) shapes_.emplace("x" + std::string(name), extension(name));
  for (const ModelEntity& e : model.entities) shapes_.emplace("e" + e.full(), entity_shape(e.full()));
  const ModelAction& action = model.actions[situation.action];
  if (known.principal) add_paths({{"Var", "principal"}}, *entity_shape(model.entities[situation.principal].full()), {}, kPathDepth);
  if (known.resource) add_paths({{"Var", "resource"}}, *entity_shape(model.entities[situation.resource].full()), {}, kPathDepth);
  if (known.context && action.context) add_fields({{"Var", "context"}}, *action.context, {}, kPathDepth);
  for (const auto& [key, shape] : shapes_) shape_list_.push_back(shape);
}

void ExpressionMaker::add_paths(const Json& expr, const Shape& shape, const std::vector<Json>& guards, int depth) {
  std::vector<Path>& list = paths_[shape.key];
  if (list.size() >= kMostPaths) return;
  list.push_back({expr, guards});
  shapes_.emplace(shape.key, std::make_shared<const Shape>(shape));
  if (depth == 0) return;
  if (shape.kind == Shape::Kind::record) add_fields(expr, shape, guards, depth);
  if (shape.kind != Shape::Kind::entity) return;
  const ModelEntity* entity = model_.find(shape.name);
  if (entity == nullptr) return;
  add_fields(expr, *entity->attrs, guards, depth);
  if (!entity->tags) return;
  Json key = value(some_text(random_));
  std::vector<Json> more = guards;
  more.push_back(call("hasTag", expr, key));
  add_paths(call("getTag", expr, key), *entity->tags, more, depth - 1);
}

void ExpressionMaker::add_fields(const Json& expr, const Shape& record, const std::vector<Json>& guards, int depth) {
  for (const auto& [name, field] : record.fields) {
    std::vector<Json> more = guards;
    if (!field.required) {
      more.push_back(has(expr, name));
      if (guards.empty()) presences_.push_back(has(expr, name));
    } else if (guards.empty() && random_.chance(30)) {
      presences_.push_back(has(expr, name));
    }
    add_paths(attribute(expr, name), *field.type, more, depth - 1);
  }
}

Json ExpressionMaker::uid(const std::string& entity_type) {
  const ModelEntity* entity = model_.find(entity_type);
  std::string id = entity ? some_id(random_, *entity) : "a";
  return value({{"__entity", {{"type", entity_type}, {"id", id}}}});
}

Json ExpressionMaker::condition_of_guards(const std::vector<Json>& guards) {
  Json all = guards.at(0);
  for (std::size_t i = 1; i < guards.size(); ++i) all = both(std::move(all), guards[i]);
  return all;
}

std::optional<Json> ExpressionMaker::path(const Shape& shape, int depth) {
  auto found = paths_.find(shape.key);
  if (found == paths_.end() || found->second.empty()) return std::nullopt;
  const Path& path = random_.of(found->second);
  if (path.guards.empty()) return path.expr;
  if (random_.chance(3)) return path.expr;   // not safe
  std::optional<Json> otherwise = constructed(shape, depth - 1);
  if (!otherwise) {
    for (const Path& other : found->second) {
      if (other.guards.empty()) otherwise = other.expr;
    }
  }
  if (!otherwise) return std::nullopt;
  return either(random_, condition_of_guards(path.guards), path.expr, *otherwise);
}

Json ExpressionMaker::number(int depth) {
  if (depth <= 0 || random_.chance(40)) {
    if (random_.chance(20)) {
      constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max(), least = std::numeric_limits<std::int64_t>::min();
      static const std::vector<std::int64_t> kEdges = {most, most - 1, least, least + 1, most / 2 + 1, 3037000500, -3037000500};
      return value(random_.of(kEdges));
    }
    return value(static_cast<std::int64_t>(random_.below(9)) - 3);
  }
  switch (random_.below(5)) {
    case 0: return unary("neg", or_value(make(*primitive(Shape::Kind::long_), depth - 1), *primitive(Shape::Kind::long_)));
    case 1: return method(random_.of({"toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays"}), extension_value("duration", depth - 1));
    default: {
      Json left = or_value(make(*primitive(Shape::Kind::long_), depth - 1), *primitive(Shape::Kind::long_));
      Json right = or_value(make(*primitive(Shape::Kind::long_), depth - 1), *primitive(Shape::Kind::long_));
      return call(random_.of({"+", "-", "*"}), std::move(left), std::move(right));
    }
  }
}

Json ExpressionMaker::extension_value(const std::string& type, int depth) {
  if (depth > 0 && random_.chance(45)) {
    if (std::optional<Json> found = path(*extension(type), depth)) return *found;
  }
  if (depth > 0 && type == "datetime" && random_.chance(25)) {
    if (random_.chance(50)) return method("toDate", extension_value("datetime", depth - 1));
    return method("offset", extension_value("datetime", depth - 1), extension_value("duration", depth - 1));
  }
  if (depth > 0 && type == "duration" && random_.chance(25)) {
    if (random_.chance(50)) return method("toTime", extension_value("datetime", depth - 1));
    return method("durationSince", extension_value("datetime", depth - 1), extension_value("datetime", depth - 1));
  }
  std::string text = random_.chance(98) ? some_extension_text(random_, type) : some_text(random_);
  return method(constructor_of(type), value(text));
}

std::optional<Json> ExpressionMaker::record(const Shape& shape, int depth) {
  Json fields = Json::object();
  for (const auto& [name, field] : shape.fields) {
    if (!field.required) return std::nullopt;   // no literal has this type
    std::optional<Json> one = make(*field.type, depth - 1);
    if (!one) return std::nullopt;
    fields[name] = std::move(*one);
  }
  return Json{{"Record", std::move(fields)}};
}

std::optional<Json> ExpressionMaker::constructed(const Shape& shape, int depth) {
  switch (shape.kind) {
    case Shape::Kind::boolean: return depth > 0 ? boolean(depth) : value(random_.chance(50));
    case Shape::Kind::long_: return number(depth);
    case Shape::Kind::string: return value(some_text(random_));
    case Shape::Kind::entity: return uid(shape.name);
    case Shape::Kind::extension: return extension_value(shape.name, depth);
    case Shape::Kind::record: return record(shape, depth);
    case Shape::Kind::set: {
      Json elements = Json::array();
      for (std::size_t n = random_.between(1, 3); n > 0; --n) {
        std::optional<Json> one = make(*shape.element, depth - 1);
        if (!one) return std::nullopt;
        elements.push_back(std::move(*one));
      }
      return Json{{"Set", std::move(elements)}};
    }
  }
  return std::nullopt;
}

std::optional<Json> ExpressionMaker::make(const Shape& shape, int depth) {
  if (depth > 0 && random_.chance(6)) {
    std::optional<Json> a = make(shape, depth - 1), b = make(shape, depth - 1);
    if (a && b) return either(random_, boolean(depth - 1), *a, *b);
  }
  if (random_.chance(60)) {
    if (std::optional<Json> found = path(shape, depth)) return found;
  }
  if (std::optional<Json> made = constructed(shape, depth)) return made;
  return path(shape, depth);
}

Json ExpressionMaker::or_value(std::optional<Json> expr, const Shape& shape) {
  if (expr) return std::move(*expr);
  return constructed(shape, 0).value_or(value(true));
}

const ShapePtr& ExpressionMaker::some_shape() { return random_.of(shape_list_); }

Json ExpressionMaker::any(int depth) {
  const ShapePtr& shape = some_shape();
  return make(*shape, depth).value_or(value(true));
}

Json ExpressionMaker::equality(int depth) {
  const Shape& shape = *some_shape();
  std::optional<Json> a = make(shape, depth - 1), b = make(shape, depth - 1);
  if (!a || !b) return value(random_.chance(70));
  return call(random_.chance(60) ? "==" : "!=", std::move(*a), std::move(*b));
}

Json ExpressionMaker::comparison(int depth) {
  std::string op = random_.of({"<", "<=", ">", ">="});
  if (random_.chance(65)) {
    Shape number_shape = *primitive(Shape::Kind::long_);
    return call(op, or_value(make(number_shape, depth - 1), number_shape), or_value(make(number_shape, depth - 1), number_shape));
  }
  std::string type = random_.of({"datetime", "duration"});
  return call(op, extension_value(type, depth - 1), extension_value(type, depth - 1));
}

Json ExpressionMaker::membership(int depth) {
  std::size_t entity = random_.chance(40) ? situation_.principal : random_.chance(50) ? situation_.resource : random_.below(model_.entities.size());
  std::vector<std::size_t> above;
  for (std::size_t e = 0; e < model_.entities.size(); ++e) {
    if (model_.may_be_in(entity, e)) above.push_back(e);
  }
  std::string type = model_.entities[entity].full(), ancestor = model_.entities[random_.of(above)].full();
  Json left = or_value(make(*entity_shape(type), depth - 1), *entity_shape(type));
  switch (random_.below(5)) {
    case 0: {
      std::string tested = random_.chance(70) ? type : random_.of(model_.entities).full();
      return {{"is", {{"left", std::move(left)}, {"entity_type", tested}}}};
    }
    case 1:
      return {{"is", {{"left", std::move(left)}, {"entity_type", type}, {"in", or_value(make(*entity_shape(ancestor), depth - 1), *entity_shape(ancestor))}}}};
    case 2: {
      ShapePtr set = set_of(entity_shape(ancestor));
      return call("in", std::move(left), or_value(make(*set, depth - 1), *set));
    }
    case 3: {
      const ModelAction& action = random_.of(model_.actions);
      return call(random_.of({"in", "=="}), {{"Var", "action"}}, value({{"__entity", {{"type", action.uid().type}, {"id", action.uid().id}}}}));
    }
    default: return call("in", std::move(left), or_value(make(*entity_shape(ancestor), depth - 1), *entity_shape(ancestor)));
  }
}

Json ExpressionMaker::of_sets(int depth) {
  ShapePtr element = some_shape(), set = element->kind == Shape::Kind::set ? element : set_of(element);
  std::optional<Json> object = make(*set, depth - 1);
  if (!object) return value(false);
  if (random_.chance(15)) return unary("isEmpty", std::move(*object));
  if (random_.chance(50)) {
    std::optional<Json> one = make(*set->element, depth - 1);
    return one ? call("contains", std::move(*object), std::move(*one)) : unary("isEmpty", std::move(*object));
  }
  std::optional<Json> other = make(*set, depth - 1);
  return other ? call(random_.of({"containsAll", "containsAny"}), std::move(*object), std::move(*other)) : value(true);
}

Json ExpressionMaker::of_extensions(int depth) {
  if (random_.chance(50)) {
    return method(random_.of({"lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"}), extension_value("decimal", depth - 1),
                  extension_value("decimal", depth - 1));
  }
  if (random_.chance(40)) return method("isInRange", extension_value("ipaddr", depth - 1), extension_value("ipaddr", depth - 1));
  return method(random_.of({"isIpv4", "isIpv6", "isLoopback", "isMulticast"}), extension_value("ipaddr", depth - 1));
}

Json ExpressionMaker::text_pattern() {
  Json pattern = Json::array();
  for (std::size_t n = random_.between(0, 4); n > 0; --n) {
    if (random_.chance(50)) pattern.push_back("Wildcard");
    else if (std::string text = some_text(random_); !text.empty()) pattern.push_back({{"Literal", text}});
  }
  return pattern;
}

// `guards && something about the guarded path`: capabilities through conjunctions.
std::optional<Json> ExpressionMaker::guarded(int depth) {
  const Shape& shape = *some_shape();
  auto found = paths_.find(shape.key);
  if (found == paths_.end()) return std::nullopt;
  const Path& path = random_.of(found->second);
  if (path.guards.empty()) return std::nullopt;
  std::optional<Json> other = make(shape, depth - 1);
  if (!other) return std::nullopt;
  Json test = shape.kind == Shape::Kind::boolean ? path.expr : call("==", path.expr, std::move(*other));
  Json guards = condition_of_guards(path.guards);
  if (random_.chance(20)) return call("||", unary("!", guards), both(guards, std::move(test)));
  if (random_.chance(10)) return call("||", unary("!", std::move(guards)), std::move(test));   // no capability from that
  return both(std::move(guards), std::move(test));
}

std::optional<Json> ExpressionMaker::presence() {
  if (presences_.empty()) return std::nullopt;
  return random_.of(presences_);
}

Json ExpressionMaker::boolean(int depth) {
  if (depth <= 0) {
    if (random_.chance(40)) {
      if (std::optional<Json> test = presence()) return *test;
    }
    return random_.chance(50) ? membership(0) : random_.chance(60) ? comparison(0) : value(random_.chance(60));
  }
  switch (random_.below(16)) {
    case 0: case 1: return both(boolean(depth - 1), boolean(depth - 1));
    case 2: return call("||", boolean(depth - 1), boolean(depth - 1));
    case 3: return unary("!", boolean(depth - 1));
    case 4: case 5: return equality(depth);
    case 6: case 7: return comparison(depth);
    case 8: return membership(depth);
    case 9: return of_sets(depth);
    case 10: return of_extensions(depth);
    case 11: {
      Shape text = *primitive(Shape::Kind::string);
      return {{"like", {{"left", or_value(make(text, depth - 1), text)}, {"pattern", text_pattern()}}}};
    }
    case 12: case 13: if (std::optional<Json> made = guarded(depth)) return *made; return equality(depth);
    case 14: if (std::optional<Json> test = presence()) return *test; return membership(depth);
    default: return or_value(path(*primitive(Shape::Kind::boolean), depth), *primitive(Shape::Kind::boolean));
  }
}

}  // namespace kerf::test
