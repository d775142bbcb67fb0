// A schema to canonical text: one declaration a line, attributes in source order. Parsing the text gives the same
// schema, spans aside.
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
    bool quotes = attr.quoted || !is_word(attr.name) || is_reserved_word(attr.name);
    out += quotes ? quoted(attr.name) : attr.name;
  }

  void annotation(const Annotation& a) {
    (out += '@') += a.key;
    if (a.value) ((out += '(') += quoted(*a.value)) += ')';
  }

  void annotations(const std::vector<Annotation>& all) {
    for (const Annotation& a : all) {
      out += indent;
      annotation(a);
      out += '\n';
    }
  }

  void type(TypeExprId id) { std::visit(*this, file[id].node); }
  void operator()(const TypeName& t) { out += t.name.text; }
  void operator()(const SetType& t) {
    out += "Set<";
    type(t.element);
    out += '>';
  }
  void operator()(const RecordType& t) {
    out += '{';
    joined(t.attrs, [&](const AttrDecl& attr) {
      for (const Annotation& a : attr.annotations) annotation(a), out += ' ';
      attr_name(attr.name);
      out += attr.required ? ": " : "?: ";
      type(attr.type);
    });
    out += '}';
  }

  void paths(const std::vector<Name>& names) {
    out += '[';
    joined(names, [&](const Name& name) { out += name.text; });
    out += ']';
  }

  void operator()(const EntityDecl& decl) {
    annotations(decl.annotations);
    out += indent + "entity ";
    joined(decl.names, [&](const Ident& name) { out += name.text; });
    if (decl.enum_ids) {
      out += " enum [";
      joined(*decl.enum_ids, [&](const Attr& id) { out += quoted(id.name); });
      out += ']';
    }
    if (!decl.parents.empty()) out += " in ", paths(decl.parents);
    if (decl.shape) out += " = ", type(*decl.shape);
    if (decl.tags) out += " tags ", type(*decl.tags);
    out += ";\n";
  }

  void action_ref(const ActionRef& ref) {
    if (ref.type) out += ref.type->text + "::";
    out += quoted(ref.id);
  }

  void operator()(const ActionDecl& decl) {
    annotations(decl.annotations);
    out += indent + "action ";
    joined(decl.names, [&](const Attr& name) { attr_name(name); });
    if (!decl.parents.empty()) {
      out += " in [";
      joined(decl.parents, [&](const ActionRef& ref) { action_ref(ref); });
      out += ']';
    }
    if (decl.applies_to) {
      out += " appliesTo { principal: ";
      paths(decl.applies_to->principals);
      out += ", resource: ";
      paths(decl.applies_to->resources);
      if (decl.applies_to->context) out += ", context: ", type(*decl.applies_to->context);
      out += " }";
    }
    out += ";\n";
  }

  void operator()(const CommonTypeDecl& decl) {
    annotations(decl.annotations);
    out += indent + "type " + decl.name.text + " = ";
    type(decl.type);
    out += ";\n";
  }

  void name_space(const Namespace& ns) {
    indent.clear();
    annotations(ns.annotations);
    if (ns.name) out += "namespace " + ns.name->text + " {\n", indent = "  ";
    for (const SchemaDecl& decl : ns.decls) std::visit(*this, decl);
    if (ns.name) out += "}\n";
  }
};

}  // namespace

std::string print(const SchemaFile& file) {
  Printer printer{file, {}, {}};
  for (const Namespace& ns : file.namespaces) printer.name_space(ns);
  return std::move(printer.out);
}

}  // namespace kerf::ast
