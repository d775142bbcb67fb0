// Schema text to a schema file, one declaration at a time. Namespaces are kept here and not in the grammar, so that a
// wrong declaration costs only itself. Declarations outside of any namespace are gathered into the unnamed one.
#include <algorithm>

#include "CedarSchema.h"
#include "frontend/ast/text.h"
#include "frontend/parse/names.h"
#include "frontend/parse/parse.h"
#include "frontend/parse/syntax_error.h"

namespace kerf {

using antlr4::Token;
using grammar::CedarSchema;

namespace {

class SchemaReader {
 public:
  SchemaReader(const TokenReader& reader, ast::SchemaFile& file, Diagnostics& diagnostics)
      : reader_(reader), file_(file), diagnostics_(diagnostics) {}

  std::optional<ast::SchemaDecl> read(CedarSchema::ItemContext& item);
  ast::Namespace read_namespace(CedarSchema::ItemContext& item);

 private:
  ast::EntityDecl read_entity(CedarSchema::ItemContext& item);
  ast::ActionDecl read_action(CedarSchema::ItemContext& item);
  ast::CommonTypeDecl read_common_type(CedarSchema::ItemContext& item);
  ast::AppliesTo read_applies_to(CedarSchema::ActionDeclContext& decl);
  void check_applies_to(CedarSchema::ActionDeclContext& decl, const ast::AppliesTo& applies, const Token* const (&seen)[3]);
  void read_enum(CedarSchema::EntityDeclContext& decl, ast::EntityDecl& entity);
  ast::TypeExprId read_type(CedarSchema::TypeContext& type);
  ast::TypeExprId read_type_name(CedarSchema::PathContext& path);
  ast::TypeExprId read_record(CedarSchema::RecordContext& record);
  ast::Attr read_name(CedarSchema::NameContext& name);
  ast::Ident read_declared(CedarSchema::AnyWordContext& word);
  ast::Name read_path(CedarSchema::PathContext& path, bool allow_cedar);
  std::vector<ast::Name> read_paths(CedarSchema::PathListContext& list);
  ast::ActionRef read_ref(CedarSchema::ActionRefContext& ref);
  std::string read_text(const Token& token) { return read_string(reader_, token, diagnostics_).value_or(""); }
  std::vector<ast::Annotation> read_annotations(const std::vector<CedarSchema::AnnotationContext*>& annotations);
  Span span(const antlr4::ParserRuleContext& rule) const { return reader_.span(rule); }

  const TokenReader& reader_;
  ast::SchemaFile& file_;
  Diagnostics& diagnostics_;
};

std::optional<ast::SchemaDecl> SchemaReader::read(CedarSchema::ItemContext& item) {
  std::size_t errors = diagnostics_.error_count();
  std::size_t mark = file_.types.size();
  std::optional<ast::SchemaDecl> decl;
  if (item.entity != nullptr) decl = read_entity(item);
  else if (item.act != nullptr) decl = read_action(item);
  else decl = read_common_type(item);
  if (diagnostics_.error_count() == errors) return decl;
  file_.types.erase(file_.types.begin() + static_cast<std::ptrdiff_t>(mark), file_.types.end());
  return std::nullopt;
}

ast::Namespace SchemaReader::read_namespace(CedarSchema::ItemContext& item) {
  return {read_path(*item.ns->scope, false), read_annotations(item.annotations), {}, span(item)};
}

std::vector<ast::Annotation> SchemaReader::read_annotations(
    const std::vector<CedarSchema::AnnotationContext*>& annotations) {
  AnnotationReader reader(reader_, diagnostics_);
  for (CedarSchema::AnnotationContext* a : annotations) reader.add(*a, *a->key->getStart(), a->value);
  return reader.take();
}

ast::Ident SchemaReader::read_declared(CedarSchema::AnyWordContext& word) {
  check_word(reader_, *word.getStart(), false, diagnostics_);
  return {std::string(reader_.text(*word.getStart())), span(word)};
}

ast::Name SchemaReader::read_path(CedarSchema::PathContext& path, bool allow_cedar) {
  std::vector<const Token*> words;
  for (CedarSchema::AnyWordContext* part : path.parts) words.push_back(part->getStart());
  return kerf::read_path(reader_, words, allow_cedar, diagnostics_).value_or(ast::Name{"", span(path)});
}

std::vector<ast::Name> SchemaReader::read_paths(CedarSchema::PathListContext& list) {
  std::vector<ast::Name> names;
  for (CedarSchema::PathContext* path : list.items) names.push_back(read_path(*path, true));
  return names;
}

// Names of attributes and actions are words or strings; `__cedar` is reserved for types and namespaces only.
ast::Attr SchemaReader::read_name(CedarSchema::NameContext& name) {
  if (name.text != nullptr) return {read_text(*name.text), true, span(name)};
  check_word(reader_, *name.ident->getStart(), true, diagnostics_);
  return {std::string(reader_.text(*name.ident->getStart())), false, span(name)};
}

ast::EntityDecl SchemaReader::read_entity(CedarSchema::ItemContext& item) {
  CedarSchema::EntityDeclContext& decl = *item.entity;
  ast::EntityDecl entity;
  entity.annotations = read_annotations(item.annotations);
  entity.span = span(item);
  for (CedarSchema::AnyWordContext* name : decl.names) entity.names.push_back(read_declared(*name));
  if (decl.isEnum != nullptr) read_enum(decl, entity);
  if (decl.parents != nullptr) entity.parents = read_paths(*decl.parents);
  if (decl.shape != nullptr) entity.shape = read_record(*decl.shape);
  if (decl.tags != nullptr) entity.tags = read_type(*decl.tags);
  return entity;
}

void SchemaReader::read_enum(CedarSchema::EntityDeclContext& decl, ast::EntityDecl& entity) {
  entity.enum_ids.emplace();
  for (const Token* id : decl.ids) entity.enum_ids->push_back({read_text(*id), true, reader_.span(*id)});
}

ast::ActionDecl SchemaReader::read_action(CedarSchema::ItemContext& item) {
  CedarSchema::ActionDeclContext& decl = *item.act;
  ast::ActionDecl action;
  action.annotations = read_annotations(item.annotations);
  action.span = span(item);
  for (CedarSchema::NameContext* name : decl.names) action.names.push_back(read_name(*name));
  if (decl.parents != nullptr) {
    for (CedarSchema::ActionRefContext* ref : decl.parents->items) action.parents.push_back(read_ref(*ref));
  }
  if (decl.applies != nullptr) action.applies_to = read_applies_to(decl);
  return action;
}

ast::ActionRef SchemaReader::read_ref(CedarSchema::ActionRefContext& ref) {
  if (ref.id != nullptr) return {std::nullopt, read_text(*ref.id), span(ref)};
  std::vector<const Token*> words = {ref.head->getStart()};
  const Token* id = nullptr;
  for (std::size_t i = 0; i < ref.tails.size(); ++i) {
    CedarSchema::RefTailContext& tail = *ref.tails[i];
    if (tail.part != nullptr) words.push_back(tail.part->getStart());
    else id = tail.id;
    if (id != nullptr && i + 1 < ref.tails.size()) {
      diagnostics_.report(Code::K1002, span(*ref.tails[i + 1]), "nothing after the action's id",
                          fmt::format("`{}`", reader_.text(span(*ref.tails[i + 1]))));
      return {};
    }
  }
  if (id == nullptr && words.size() > 1) {
    Span end = span(ref);
    diagnostics_.report(Code::K1002, Span{end.source, end.end, end.end}, "`::` and the action's id in quotes", "a type")
        .with_help("write `Namespace::Action::\"name\"`");
    return {};
  }
  if (id == nullptr) {
    check_word(reader_, *words[0], true, diagnostics_);
    return {std::nullopt, std::string(reader_.text(*words[0])), span(ref)};
  }
  return {kerf::read_path(reader_, words, true, diagnostics_), read_text(*id), span(ref)};
}

ast::AppliesTo SchemaReader::read_applies_to(CedarSchema::ActionDeclContext& decl) {
  ast::AppliesTo applies;
  applies.span = span(*decl.applies);
  const Token* seen[3] = {};  // principal, resource, context
  for (CedarSchema::ClauseContext* clause : decl.applies->clauses) {
    std::size_t type = clause->kind->getType();
    const Token*& first = seen[type == Tokens::PRINCIPAL ? 0 : type == Tokens::RESOURCE ? 1 : 2];
    if (first != nullptr) {
      Span at = reader_.span(*clause->kind);
      diagnostics_.report(Code::K1202, at, reader_.text(at)).with_related(reader_.span(*first), "first declared here");
      continue;
    }
    first = clause->kind;
    if (type == Tokens::PRINCIPAL) applies.principals = read_paths(*clause->types);
    else if (type == Tokens::RESOURCE) applies.resources = read_paths(*clause->types);
    else if (clause->named != nullptr) applies.context = read_type_name(*clause->named);
    else applies.context = read_record(*clause->inlined);
    if (type != Tokens::CONTEXT && clause->types->items.empty()) {
      diagnostics_.report(Code::K1204, span(*clause->types), reader_.text(*clause->kind),
                          reader_.text(span(*decl.names[0])));
    }
  }
  check_applies_to(decl, applies, seen);
  return applies;
}

void SchemaReader::check_applies_to(CedarSchema::ActionDeclContext& decl, const ast::AppliesTo& applies,
                                    const Token* const (&seen)[3]) {
  Span at{applies.span.source, applies.span.begin, applies.span.begin + 9};  // the word appliesTo
  std::string_view action = reader_.text(span(*decl.names[0]));
  if (seen[0] == nullptr) diagnostics_.report(Code::K1203, at, action, "principal");
  if (seen[1] == nullptr) diagnostics_.report(Code::K1203, at, action, "resource");
}

ast::CommonTypeDecl SchemaReader::read_common_type(CedarSchema::ItemContext& item) {
  ast::CommonTypeDecl type;
  type.annotations = read_annotations(item.annotations);
  type.name = read_declared(*item.common->id);
  type.type = read_type(*item.common->body);
  type.span = span(item);
  return type;
}

ast::TypeExprId SchemaReader::read_type_name(CedarSchema::PathContext& path) {
  return file_.add({ast::TypeName{read_path(path, true)}, span(path)});
}

ast::TypeExprId SchemaReader::read_type(CedarSchema::TypeContext& type) {
  if (type.inlined != nullptr) return read_record(*type.inlined);
  if (type.angle == nullptr) return read_type_name(*type.named);
  std::string_view name = reader_.text(span(*type.named));
  if (name != "Set") diagnostics_.report(Code::K1207, span(*type.named), name);
  ast::TypeExprId element = read_type(*type.element);
  return file_.add({ast::SetType{element}, span(type)});
}

ast::TypeExprId SchemaReader::read_record(CedarSchema::RecordContext& record) {
  ast::RecordType type;
  for (CedarSchema::AttrContext* attr : record.attrs) {
    ast::Attr name = read_name(*attr->attrName);
    ast::TypeExprId body = read_type(*attr->body);
    type.attrs.push_back({std::move(name), attr->optional == nullptr, body, read_annotations(attr->annotations)});
  }
  return file_.add({std::move(type), span(record)});
}

bool starts_declaration(std::size_t type) {
  return type == Tokens::ENTITY || type == Tokens::ACTION || type == Tokens::TYPE || type == Tokens::NAMESPACE ||
         type == Tokens::AT || type == Tokens::RBRACE || type == Token::EOF;
}

std::string_view help_for(const TokenReader& reader, const Token& token, std::size_t rule) {
  std::size_t type = token.getType();
  if (rule == CedarSchema::RuleItem && type == Tokens::LBRACE) return "an action's types are written `appliesTo { .. }`";
  if (type == Tokens::QUESTION) return "the `?` of an optional attribute follows its name";
  if (type == Tokens::SEMI && rule == CedarSchema::RuleRecord) return "attributes are separated by commas";
  if (reader.text(token) == "extends") return "parents are written `in`";
  return {};
}

bool wants_end_of_declaration(const FirstError& error) {
  return std::find(error.expected.begin(), error.expected.end(), Tokens::SEMI) != error.expected.end();
}

std::string_view continuation(const CedarSchema::EntityDeclContext& decl) {
  if (decl.isEnum != nullptr || decl.tags != nullptr) return "`;`";
  if (decl.shape != nullptr) return "`tags` or `;`";
  return decl.parents != nullptr ? "`{`, `tags` or `;`" : "`,`, `in`, `enum`, `{`, `tags` or `;`";
}

std::string_view continuation(CedarSchema::ActionDeclContext& decl) {
  if (decl.applies != nullptr || decl.attributes != nullptr) return "`;`";
  return decl.parents != nullptr ? "`appliesTo` or `;`" : "`,`, `in`, `appliesTo` or `;`";
}

// ANTLR forgets the optional parts that it has passed; they are named again here.
std::string expected_here(const FirstError& error) {
  auto* item = dynamic_cast<CedarSchema::ItemContext*>(error.context);
  if (wants_end_of_declaration(error) && item != nullptr) {
    if (item->entity != nullptr) return std::string(continuation(*item->entity));
    if (item->act != nullptr) return std::string(continuation(*item->act));
  }
  bool at_start = error.rule == CedarSchema::RuleItem && !wants_end_of_declaration(error);
  if (at_start) return "`entity`, `action`, `type` or `namespace`";
  bool at_end = error.expected.empty() || error.expected == std::vector<std::size_t>{Tokens::RBRACE};
  if (error.rule == CedarSchema::RuleAppliesTo && at_end) return "`principal`, `resource`, `context` or `}`";
  if (error.rule == CedarSchema::RuleRecord && at_end) return "an attribute or `}`";
  return error.expected.empty() ? "something else" : expected_text(error.expected, false);
}

// Reads chunks into namespaces and recovers between them.
class FileReader {
 public:
  FileReader(const Sources& sources, SourceId source, ast::SchemaFile& file, Diagnostics& diagnostics)
      : reader_(sources, source, ChunkKind::declaration, diagnostics),
        file_(file),
        diagnostics_(diagnostics),
        parser_(&reader_.stream()),
        error_(std::make_shared<FirstError>()),
        declarations_(reader_, file, diagnostics) {
    parser_.removeErrorListeners();
    parser_.setErrorHandler(error_);
    parser_.setBuildParseTree(false);
    outside_.span = {source, 0, 0};
  }

  void read() {
    for (auto chunk = reader_.next(); chunk != TokenReader::Chunk::end; chunk = reader_.next()) {
      if (chunk == TokenReader::Chunk::wrong) lose(reader_.open_brackets());
      else read_chunk();
    }
    if (inside_ && !lost_) diagnostics_.report(Code::K1206, inside_->name->span, inside_->name->text);
    close_namespace();
    if (!outside_.decls.empty()) file_.namespaces.insert(file_.namespaces.begin(), std::move(outside_));
  }

 private:
  const Token& token(std::size_t i) { return *reader_.stream().get(i); }
  std::size_t end() { return reader_.stream().size() - 1; }

  void lose(std::size_t open_brackets) {
    lost_ = lost_ || open_brackets != 0;
    open_ += open_brackets;
  }

  // After an error inside of brackets: skips to a word that starts a declaration, or to the end of the brackets.
  std::size_t resync() {
    for (std::size_t i = 0; i < end(); ++i) {
      std::size_t type = token(i).getType();
      if (type == Tokens::RBRACE && open_ > 0) {
        --open_;
        continue;
      }
      std::size_t next = token(i + 1).getType();
      bool keyword = starts_declaration(type) && type != Tokens::AT && type != Tokens::RBRACE;
      if ((keyword && (is_word_token(next) || next == Tokens::STRING)) || type == Tokens::AT || type == Tokens::RBRACE) {
        lost_ = false;
        open_ = 0;
        return i;
      }
    }
    return end();
  }

  void read_chunk() {
    std::size_t at = lost_ ? resync() : 0;
    while (at < end()) at = read_item(at);
  }

  // Returns where to go on.
  std::size_t read_item(std::size_t at) {
    if (token(at).getType() == Tokens::RBRACE && inside_) {
      inside_->span.end = reader_.span(token(at)).end;
      close_namespace();
      return at + 1;
    }
    parser_.reset();
    reader_.stream().seek(at);
    CedarSchema::ItemContext* item = parse_rule(parser_, &CedarSchema::item);
    if (item == nullptr) return recover(at);
    if (item->ns != nullptr) open_namespace(*item);
    else if (auto decl = declarations_.read(*item)) (inside_ ? *inside_ : outside_).decls.push_back(std::move(*decl));
    std::size_t next = reader_.stream().index();
    parser_.trees().reset();
    return next;
  }

  std::size_t recover(std::size_t at) {
    report();
    error_->context = nullptr;
    parser_.trees().reset();
    std::size_t index = std::max(error_->token->getTokenIndex(), at + 1);
    bool missing_end = wants_end_of_declaration(*error_) && index < end() && starts_declaration(token(index).getType());
    if (missing_end) return index;
    lose(reader_.open_brackets());
    return end();
  }

  void report() {
    const Token& wrong = *error_->token;
    const Token* before = token_before(reader_, wrong);
    bool wants_end = wants_end_of_declaration(*error_);
    if (wants_end && before != nullptr && starts_declaration(wrong.getType())) {
      Span at = reader_.span(*before);
      at.begin = at.end - 1;
      diagnostics_.report(Code::K1011, at, "declaration").with_fix({at.source, at.end, at.end}, ";");
      return;
    }
    if (error_->rule == CedarSchema::RuleItem && !wants_end && is_word_token(wrong.getType())) {
      std::string_view word = reader_.text(wrong);
      Diagnostic& diagnostic = diagnostics_.report(Code::K1201, reader_.span(wrong), word);
      if (auto meant = closest(word, {"entity", "action", "type", "namespace"})) {
        diagnostic.with_help(fmt::format("did you mean `{}`?", *meant)).with_fix(reader_.span(wrong), *meant);
      }
      return;
    }
    Diagnostic& diagnostic = diagnostics_.report(Code::K1002, reader_.span(wrong), expected_here(*error_),
                                                 found_text(reader_, wrong));
    std::string_view help = help_for(reader_, wrong, error_->rule);
    bool after_namespace = before == nullptr && wrong.getType() == Tokens::SEMI;
    if (after_namespace) help = "nothing follows the `}` of a namespace or the `;` of a declaration";
    if (!help.empty()) diagnostic.with_help(std::string(help));
  }

  void open_namespace(CedarSchema::ItemContext& item) {
    ast::Namespace opened = declarations_.read_namespace(item);
    if (inside_) {
      diagnostics_.report(Code::K1205, opened.name->span).with_related(inside_->name->span, "inside of this one");
      ++nested_;
      return;
    }
    inside_ = std::move(opened);
  }

  void close_namespace() {
    if (nested_ > 0) {
      --nested_;
      return;
    }
    if (inside_) file_.namespaces.push_back(std::move(*inside_));
    inside_.reset();
  }

  TokenReader reader_;
  ast::SchemaFile& file_;
  Diagnostics& diagnostics_;
  CedarSchema parser_;
  std::shared_ptr<FirstError> error_;
  SchemaReader declarations_;
  ast::Namespace outside_;
  std::optional<ast::Namespace> inside_;
  std::size_t nested_ = 0;  // namespaces opened inside of `inside_`, after their report
  bool lost_ = false;       // after an error with brackets open
  std::size_t open_ = 0;    // how many were
};

}  // namespace

ast::SchemaFile parse_schema(const Sources& sources, SourceId source, Diagnostics& diagnostics) {
  ast::SchemaFile file;
  file.source = source;
  if (!check_text(sources, source, diagnostics)) return file;
  FileReader(sources, source, file, diagnostics).read();
  return file;
}

}  // namespace kerf
