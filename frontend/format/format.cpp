// Tokens to a document, by the grammar. The text has parsed, so nothing is checked here; what the parser made of the
// result must be what it made of the text.
#include "frontend/format/format.h"

#include <algorithm>

#include "frontend/ast/policy.h"
#include "frontend/format/doc.h"
#include "frontend/format/tokens.h"
#include "frontend/parse/parse.h"
#include "ir/base/check.h"

namespace kerf {
namespace {

class Formatter {
 public:
  Formatter(std::string_view text, const FormatOptions& options)
      : tokens_(read_format_tokens(text)), indent_(options.indent_width), width_(options.line_width) {}

  std::string run() {
    std::string out;
    while (!at_end()) {
      if (!out.empty()) out += "\n";
      out += docs_.layout(policy(), width_) + "\n";
    }
    if (out.empty()) out += "\n";
    for (const std::string& comment : peek().leading) out += comment + "\n";
    return out;
  }

 private:
  const FormatToken& peek(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  bool is(std::string_view text, std::size_t ahead = 0) const {
    return peek(ahead).text == text && peek(ahead).kind != FormatToken::Kind::string;
  }
  bool at_end() const { return peek().kind == FormatToken::Kind::end; }

  // The next token with its comments; `next` stands after it if no comment does.
  Doc take(Doc next = {}) {
    std::vector<Doc> out = {take_comments()};
    const FormatToken& token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    bool string = token.kind == FormatToken::Kind::string;
    out.push_back(string ? docs_.literal(token.text) : docs_.text(token.text));
    if (token.trailing.empty()) out.push_back(next);
    else out.insert(out.end(), {docs_.text(" "), docs_.text(token.trailing), docs_.hard()});
    return docs_.concat(std::move(out));
  }
  // Those before the next token, which loses them.
  Doc take_comments() {
    std::vector<std::string>& comments = tokens_[at_].leading;
    if (comments.empty()) return {};
    std::vector<Doc> out = {docs_.hard()};
    for (const std::string& comment : comments) out.insert(out.end(), {docs_.text(comment), docs_.hard()});
    comments.clear();
    return all(std::move(out));
  }
  void drop() { if (at_ + 1 < tokens_.size()) ++at_; }

  Doc space() { return docs_.text(" "); }
  Doc all(std::vector<Doc> docs) { return docs_.concat(std::move(docs)); }

  // Policies ------------------------------------------------------------------------------------------------------

  Doc policy() {
    std::vector<Doc> out;
    while (is("@")) out.push_back(annotation());
    out.push_back(take_comments());
    Doc effect = take(docs_.line());
    out.push_back(docs_.group(all({effect, take()})));
    out.push_back(scope());
    while (!is(";")) out.insert(out.end(), {docs_.hard(), condition()});
    out.push_back(take());
    return all(std::move(out));
  }

  Doc annotation() {
    std::vector<Doc> out = {take(), take()};
    if (is("(")) out.insert(out.end(), {take(), take(), take()});
    out.push_back(docs_.hard());
    return all(std::move(out));
  }

  Doc scope() {
    bool constrained = is_constrained();
    std::vector<std::vector<Doc>> items;
    for (int i = 0; i < 3; ++i) {
      std::vector<Doc> item = {variable()};
      if (is(",")) i == 2 ? drop() : item.push_back(take(constrained ? Doc() : space()));
      items.push_back(std::move(item));
    }
    std::vector<Doc> body;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (constrained) body.push_back(docs_.hard());
      body.insert(body.end(), items[i].begin(), items[i].end());
    }
    Doc inner = docs_.nest(indent_, all(std::move(body)));
    return all({inner, constrained ? docs_.hard() : Doc(), take()});
  }

  // Is there more than `principal, action, resource`? The next token is the first of them.
  bool is_constrained() const {
    for (std::size_t i = 0; i < 5; i += 2) {
      if (!is(",", i + 1) && !is(")", i + 1)) return true;
    }
    return false;
  }

  Doc variable() {
    bool alone = is(",", 1) || is(")", 1);
    if (alone) return take();
    if (!is("is", 1)) {
      Doc name = take(docs_.fill());
      Doc op = take();
      return all({name, op, docs_.group(docs_.nest(indent_, all({docs_.line(), expr()})))});
    }
    Doc name = take();
    Doc is_word = docs_.nest(indent_, docs_.group(all({docs_.line(), take()})));
    std::vector<Doc> type = {docs_.nest(indent_, all({docs_.line(), path()}))};
    Doc group;
    if (is("in")) {
      type.insert(type.end(), {docs_.line(), take()});
      group = docs_.nest(indent_, all({docs_.line(), expr()}));
    }
    return all({name, is_word, docs_.group(all({docs_.group(all(std::move(type))), group}))});
  }

  Doc condition() {
    Doc comments = take_comments();
    Doc word = take(docs_.line());
    Doc open = take();
    Doc body = is("}") ? Doc() : docs_.nest(indent_, all({docs_.line(), docs_.group(expr())}));
    Doc close = take();
    return all({comments, docs_.group(all({word, docs_.group(all({open, body, docs_.line(), close}))}))});
  }

  // Expressions ---------------------------------------------------------------------------------------------------

  Doc expr() {
    if (!is("if")) return chain("||");
    Doc if_word = take();
    Doc test = nested_line(expr());
    Doc then_word = take();
    Doc yes = nested_line(expr());
    Doc else_word = take();
    Doc no = nested_line(expr());
    return docs_.group(all({if_word, test, docs_.line(), then_word, yes, docs_.line(), else_word, no}));
  }
  Doc nested_line(Doc doc) { return docs_.nest(indent_, all({docs_.line(), doc})); }

  Doc chain(std::string_view op) {
    auto operand = [&] { return op == "||" ? chain("&&") : relation(); };
    Doc first = operand();
    if (!is(op)) return first;
    bool whole = op == "&&";   // an operand of `||` breaks with it
    std::vector<Doc> out = {whole ? docs_.group(first) : first};
    while (is(op)) {
      out.push_back(space());
      out.push_back(take(docs_.line()));
      Doc next = operand();
      out.push_back(whole ? docs_.group(next) : next);
    }
    return all(std::move(out));
  }

  bool is_comparison() const {
    for (std::string_view op : {"==", "!=", "<", "<=", ">", ">=", "in"}) {
      if (is(op)) return true;
    }
    return false;
  }

  Doc relation() {
    Doc left = sum();
    if (is("has") || is("like")) {
      Doc op = take();
      return docs_.group(all({left, docs_.line(), op, docs_.line(), docs_.nest(indent_, sum())}));
    }
    if (is("is")) {
      Doc op = take();
      std::vector<Doc> out = {left, space(), op, space(), sum()};
      if (is("in")) {
        Doc in = take();
        out.insert(out.end(), {docs_.line(), in, space(), docs_.nest(indent_, sum())});
      }
      return docs_.group(all(std::move(out)));
    }
    if (!is_comparison()) return left;
    Doc op = take();
    return all({docs_.group(left), space(), op, space(), docs_.group(sum())});
  }

  Doc sum() {
    std::vector<Doc> out = {product()};
    while (is("+") || is("-")) {
      out.push_back(space());
      out.push_back(take(docs_.line()));
      out.push_back(product());
    }
    return all(std::move(out));
  }

  Doc product() {
    std::vector<Doc> out = {unary()};
    while (is("*")) {
      out.push_back(space());
      out.push_back(take(docs_.line()));
      out.push_back(unary());
    }
    return all(std::move(out));
  }

  Doc unary() {
    std::vector<Doc> out;
    while (is("!") || is("-")) out.push_back(take());
    out.push_back(member());
    return all(std::move(out));
  }

  Doc member() {
    Doc item = primary();
    std::vector<Doc> accesses;
    while (is(".") || is("[") || is("(")) {
      if (!accesses.empty()) accesses.push_back(docs_.soft());
      accesses.push_back(access());
    }
    if (accesses.empty()) return docs_.group(item);
    if (accesses.size() == 1) return all({item, docs_.nest(indent_, docs_.group(accesses[0]))});
    return docs_.group(all({item, docs_.nest(indent_, all(std::move(accesses)))}));
  }

  Doc access() {
    if (is(".")) {
      Doc dot = take();
      return all({dot, take()});
    }
    if (is("[")) {
      Doc open = take();
      Doc index = docs_.group(expr());
      return all({open, index, take()});
    }
    Doc open = take();
    if (is(")")) return all({open, take()});
    std::vector<Doc> args = list(")", false);
    return all({open, docs_.nest(indent_, all({docs_.soft(), all(std::move(args))})), docs_.soft(), take()});
  }

  // Items up to `close`, a comma after each but the last.
  std::vector<Doc> list(std::string_view close, bool grouped) {
    std::vector<Doc> out;
    while (!is(close)) {
      Doc item = expr();
      out.push_back(grouped ? docs_.group(item) : item);
      if (!is(",")) break;
      if (is(close, 1)) drop();
      else out.push_back(take(docs_.line()));
    }
    return out;
  }

  Doc path() {
    std::vector<Doc> out = {take()};
    while (is("::")) {
      out.push_back(take());
      if (is("{")) {
        out.push_back(record());
        break;
      }
      out.push_back(take());
    }
    return all(std::move(out));
  }

  Doc primary() {
    if (is("(")) {
      Doc open = take();
      Doc inner = expr();
      return docs_.group(all({open, docs_.nest(1, inner), take()}));
    }
    if (is("[")) {
      Doc open = take();
      if (is("]")) return all({open, take()});
      std::vector<Doc> items = list("]", true);
      return all({open, docs_.nest(1, all(std::move(items))), take()});
    }
    if (is("{")) return record();
    if (peek().kind == FormatToken::Kind::word && is("::", 1)) return path();
    return take();
  }

  Doc record() {
    Doc open = take();
    if (is("}")) return all({open, take()});
    std::vector<Doc> fields;
    while (!is("}")) {
      Doc name = expr();
      Doc colon = take(space());
      fields.push_back(docs_.group(all({name, colon, docs_.group(expr())})));
      if (!is(",")) break;
      if (is("}", 1)) drop();
      else fields.push_back(take(docs_.line()));
    }
    Doc body = docs_.nest(indent_, all({docs_.line(), all(std::move(fields))}));
    return docs_.group(all({open, body, docs_.line(), take()}));
  }

  std::vector<FormatToken> tokens_;
  std::size_t at_ = 0;
  std::size_t indent_, width_;
  Docs docs_;
};

}  // namespace

std::optional<std::string> format_policies(const Sources& sources, SourceId source, const FormatOptions& options,
                                           Diagnostics& diagnostics) {
  std::size_t before = diagnostics.error_count();
  ast::PolicyFile file = parse_policies(sources, source, diagnostics);
  if (diagnostics.error_count() != before) return std::nullopt;
  std::string out = Formatter(sources.text(source), options).run();
  Sources again;
  Diagnostics none;
  ast::PolicyFile same = parse_policies(again, again.add("formatted", out), none);
  check(!none.has_errors() && ast::print(same) == ast::print(file), "formatting keeps the meaning");
  return out;
}

}  // namespace kerf
