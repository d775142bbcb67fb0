// Layout of documents: one pass with a list of what remains, and a look ahead of at most one line for each group.
#include "frontend/format/doc.h"

#include "frontend/ast/text.h"

namespace kerf {

Doc Docs::add(Node node) {
  nodes_.push_back(std::move(node));
  return Doc(nodes_.size() - 1);
}

Doc Docs::text(std::string_view text) { return add({Kind::text, std::string(text), 0, {}}); }
Doc Docs::literal(std::string_view text) { return add({Kind::literal, std::string(text), 0, {}}); }
Doc Docs::line() { return add({Kind::line, " ", 0, {}}); }
Doc Docs::soft() { return add({Kind::soft, "", 0, {}}); }
Doc Docs::hard() { return add({Kind::hard, "", 0, {}}); }
Doc Docs::fill() { return group(line()); }
Doc Docs::nest(std::size_t by, Doc doc) { return doc.valid() ? add({Kind::nest, "", by, {doc}}) : doc; }
Doc Docs::group(Doc doc) { return doc.valid() ? add({Kind::group, "", 0, {doc}}) : doc; }
Doc Docs::concat(std::vector<Doc> docs) { return add({Kind::concat, "", 0, std::move(docs)}); }

class Layout {
 public:
  Layout(const Docs& docs, std::size_t width) : docs_(docs), width_(width) {}

  std::string run(Doc root) {
    push({0, false, root});
    while (!rest_.empty()) {
      Item item = rest_.back();
      rest_.pop_back();
      step(item);
    }
    end_line();
    if (out_.ends_with('\n')) out_.pop_back();
    return std::move(out_);
  }

 private:
  using Kind = Docs::Kind;
  struct Item {
    std::size_t indent;
    bool flat;
    Doc doc;
  };

  void push(Item item) {
    if (item.doc.valid()) rest_.push_back(item);
  }

  void step(const Item& item) {
    const Docs::Node& node = docs_.nodes_[item.doc.index];
    switch (node.kind) {
      case Kind::text: write(node.text); break;
      case Kind::literal: write_literal(node.text); break;
      case Kind::line:
      case Kind::soft:
        if (item.flat) write(node.text);
        else new_line(item);
        break;
      case Kind::hard: new_line(item); break;
      case Kind::nest: push({item.indent + node.by, item.flat, node.docs[0]}); break;
      case Kind::group: push({item.indent, item.flat || fits(node.docs[0]), node.docs[0]}); break;
      case Kind::concat:
        for (auto doc = node.docs.rbegin(); doc != node.docs.rend(); ++doc) push({item.indent, item.flat, *doc});
        break;
    }
  }

  // Flat, with what follows up to its first possible line end.
  bool fits(Doc doc) {
    std::vector<Doc>& ahead = ahead_;
    ahead.assign(1, doc);
    std::size_t next = rest_.size(), column = column_;
    for (bool inside = true;;) {
      if (ahead.empty()) {
        inside = false;
        if (next == 0) return true;
        ahead.push_back(rest_[--next].doc);
      }
      Doc one = ahead.back();
      ahead.pop_back();
      const Docs::Node& node = docs_.nodes_[one.index];
      switch (node.kind) {
        case Kind::text:
        case Kind::literal: column += ast::display_width(node.text); break;
        case Kind::line:
        case Kind::soft:
          if (!inside) return true;
          column += node.text.size();   // a space or nothing
          break;
        case Kind::hard: return !inside;
        case Kind::nest:
        case Kind::group:
        case Kind::concat:
          for (auto doc = node.docs.rbegin(); doc != node.docs.rend(); ++doc) {
            if (doc->valid()) ahead.push_back(*doc);
          }
          break;
      }
      if (column > width_) return false;
    }
  }

  void write(std::string_view text) {
    out_ += text;
    column_ += ast::display_width(text);
  }

  void write_literal(std::string_view text) {
    write(text);
    kept_ = out_.size();
  }

  void end_line() {
    while (out_.size() > kept_ && out_.size() > begin_ && (out_.back() == ' ' || out_.back() == '\t')) out_.pop_back();
  }

  // With the indent of what comes next, which may be less than that of the line end.
  void new_line(const Item& item) {
    std::size_t indent = rest_.empty() ? item.indent : rest_.back().indent;
    end_line();
    if (out_.size() != begin_) out_ += '\n';
    begin_ = out_.size();
    out_.append(indent, ' ');
    column_ = indent;
  }

  const Docs& docs_;
  std::size_t width_;
  std::string out_;
  std::size_t begin_ = 0;    // of the current line
  std::size_t kept_ = 0;     // up to here nothing is taken away
  std::size_t column_ = 0;
  std::vector<Item> rest_;
  std::vector<Doc> ahead_;
};

std::string Docs::layout(Doc doc, std::size_t width) const { return Layout(*this, width).run(doc); }

}  // namespace kerf
