// Documents with optional line ends, and the widest layout that fits (Wadler, "A prettier printer"). A group is flat if
// it has no forced line end and its text, with what follows up to the next possible line end, fits on the line.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/base/id.h"

namespace kerf {

struct DocTag;
using Doc = Id<DocTag>;   // not valid: nothing

class Docs {
 public:
  Doc text(std::string_view text);
  Doc literal(std::string_view text);   // kept byte by byte, line ends and blanks included
  Doc line();                           // a space, or a line end
  Doc soft();                           // nothing, or a line end
  Doc hard();                           // a line end
  Doc fill();                           // a space if what follows fits, or a line end: decided on its own
  Doc nest(std::size_t by, Doc doc);
  Doc group(Doc doc);
  Doc concat(std::vector<Doc> docs);

  // Without white space at line ends and without empty lines, except inside of literals. No line end at the end.
  std::string layout(Doc doc, std::size_t width) const;

 private:
  friend class Layout;
  enum class Kind { text, literal, line, soft, hard, nest, group, concat };
  struct Node {
    Kind kind;
    std::string text;
    std::size_t by = 0;
    std::vector<Doc> docs;
  };
  Doc add(Node node);
  std::vector<Node> nodes_;
};

}  // namespace kerf
