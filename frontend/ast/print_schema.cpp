// A schema to canonical text, laid out as the official tools do: namespaces and declarations by name, common types
// before entity types before actions, one attribute a line, a declaration for each name. Parsing the text gives a schema
// that means the same.
#include <algorithm>
#include <map>
#include <utility>

#include "frontend/ast/schema.h"
#include "frontend/ast/text.h"

namespace kerf::ast {

namespace {

struct Printer {
  const SchemaFile& file;
  std::string out;
  std::string indent;

  template <class Items, class Print>
  void joined(const Items& items, Print print) {
    bool first = true;
    for (const auto& item : items) {
      if (!first) out += ", ";
      first = false;
      print(item);
    }
  }

  void attr_name(const Attr& attr) {
    out += is_attribute_word(attr.name) ? attr.name : quoted(attr.name);
  }

  void annotations(std::vector<Annotation> all) {
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    for (const Annotation& a : all) {
      ((out += indent) += '@') += a.key;
      if (a.value) ((out += '(') += quoted(*a.value)) += ')';
      out += '\n';
    }
  }

  void type(TypeExprId id) { std::visit(*this, file[id].node); }
  void operator()(const TypeName& t) {
    switch (t.kind) {
      case NameKind::builtin:
      case NameKind::extension: out += "__cedar::"; break;
      case NameKind::any:
      case NameKind::entity:
      case NameKind::common: break;
    }
    out += t.name.text;
  }
  void operator()(const SetType& t) {
    out += "Set<";
    type(t.element);
    out += '>';
  }
  void operator()(const RecordType& t) {
    if (t.attrs.empty()) {
      (((out += '{') += indent)) += '}';   // as the official tools have it
      return;
    }
    std::map<std::string, const AttrDecl*> attrs;   // the last of equal names counts
    for (const AttrDecl& attr : t.attrs) attrs[attr.name.name] = &attr;
    out += "{\n";
    indent += "  ";
    for (auto at = attrs.begin(); at != attrs.end();) {
      const AttrDecl& attr = *at->second;
      annotations(attr.annotations);
      out += indent;
      attr_name(attr.name);
      out += attr.required ? ": " : "?: ";
      type(attr.type);
      out += ++at == attrs.end() ? "\n" : ",\n";
    }
    indent.resize(indent.size() - 2);
    out += indent + "}";
  }

  void outer_type(TypeExprId id) {
    const RecordType* record = std::get_if<RecordType>(&file[id].node);
    if (record != nullptr && record->attrs.empty()) out += "{}";
    else type(id);
  }

  void paths(const std::vector<Name>& names) {
    out += '[';
    joined(names, [&](const Name& name) { out += name.text; });
    out += ']';
  }

  void declare(const std::string& name, const CommonTypeDecl& decl) {
    annotations(decl.annotations);
    out += indent + "type " + name + " = ";
    type(decl.type);
    out += ";\n";
  }

  void declare(const std::string& name, const EntityDecl& decl) {
    annotations(decl.annotations);
    out += indent + "entity " + name;
    if (decl.enum_ids) {
      out += " enum [";
      joined(*decl.enum_ids, [&](const Attr& id) { out += quoted(id.name); });
      out += ']';
    }
    if (!decl.parents.empty()) out += " in ", paths(decl.parents);
    const RecordType* shape = decl.shape ? std::get_if<RecordType>(&file[*decl.shape].node) : nullptr;
    if (shape != nullptr && !shape->attrs.empty()) out += " = ", type(*decl.shape);
    if (decl.tags) {   // not indented, as the official tools have it
      std::string outer = std::exchange(indent, "");
      out += " tags ", outer_type(*decl.tags);
      indent = std::move(outer);
    }
    out += ";\n";
  }

  void declare(const std::string& name, const ActionDecl& decl) {
    annotations(decl.annotations);
    out += indent + "action " + quoted(name);
    if (!decl.parents.empty()) {
      out += " in [";
      joined(decl.parents, [&](const ActionRef& ref) { out += (ref.type ? ref.type->text : "Action") + "::" + quoted(ref.id); });
      out += ']';
    }
    // Without a principal or without a resource it applies to nothing, which text says by leaving the clause out.
    if (decl.applies_to && !decl.applies_to->principals.empty() && !decl.applies_to->resources.empty()) applies_to(*decl.applies_to);
    out += ";\n";
  }

  void applies_to(const AppliesTo& applies) {
    out += " appliesTo {\n";
    indent += "  ";
    out += indent + "principal: ", paths(applies.principals);
    out += ",\n" + indent + "resource: ", paths(applies.resources);
    out += ",\n" + indent + "context: ";
    if (applies.context) outer_type(*applies.context);
    else out += "{}";
    indent.resize(indent.size() - 2);
    out += "\n" + indent + "}";
  }

  // Declarations of one kind by name.
  template <class Decl>
  void sorted(const Namespace& ns, bool& first) {
    std::map<std::string, const Decl*> decls;
    for (const SchemaDecl& decl : ns.decls) {
      const auto* one = std::get_if<Decl>(&decl);
      if (one == nullptr) continue;
      if constexpr (std::is_same_v<Decl, CommonTypeDecl>) decls[one->name.text] = one;
      else if constexpr (std::is_same_v<Decl, EntityDecl>) for (const Ident& name : one->names) decls[name.text] = one;
      else for (const Attr& name : one->names) decls[name.name] = one;
    }
    for (const auto& [name, decl] : decls) {
      if (!first) out += '\n';
      first = false;
      declare(name, *decl);
    }
  }

  void name_space(const Namespace& ns) {
    indent.clear();
    annotations(ns.annotations);
    if (ns.name) out += "namespace " + ns.name->text + " {\n", indent = "  ";
    bool first = true;
    sorted<CommonTypeDecl>(ns, first);
    sorted<EntityDecl>(ns, first);
    sorted<ActionDecl>(ns, first);
    if (ns.name) out += "}\n";
  }
};

}  // namespace

std::string print(const SchemaFile& file) {
  std::vector<const Namespace*> spaces;
  for (const Namespace& ns : file.namespaces) {
    if (ns.name || !ns.decls.empty()) spaces.push_back(&ns);
  }
  // By the last word first, as the official tools order names.
  auto key = [](const Namespace* ns) {
    std::string text = ns->name ? ns->name->text : std::string();
    std::size_t colon = text.rfind("::");
    bool nested = colon != std::string::npos;
    return std::pair(nested ? text.substr(colon + 2) : text, nested ? text.substr(0, colon) : std::string());
  };
  std::stable_sort(spaces.begin(), spaces.end(), [&](auto* a, auto* b) { return key(a) < key(b); });
  Printer printer{file, {}, {}};
  for (const Namespace* ns : spaces) {
    if (ns != spaces.front()) printer.out += '\n';
    printer.name_space(*ns);
  }
  return std::move(printer.out);
}

}  // namespace kerf::ast
