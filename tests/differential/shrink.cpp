#include "tests/differential/shrink.h"

#include <algorithm>
#include <cctype>

namespace kerf::test {
namespace {

// Words, strings, single signs; their texts joined are the text.
std::vector<std::string> tokens_of(const std::string& text) {
  std::vector<std::string> out;
  auto word = [](char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80; };
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + 1;
    if (text[at] == '"') {
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
    } else {
      while (word(text[at]) && end < text.size() && word(text[end])) ++end;
    }
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

std::string text_of(const std::vector<std::string>& tokens) {
  std::string out;
  for (const std::string& one : tokens) out += one;
  return out;
}

class Shrinker {
 public:
  Shrinker(Judge& judge, Case c, std::string kind, int most) : judge_(judge), case_(std::move(c)), kind_(std::move(kind)), left_(most) {}
  Case run() {
    for (bool smaller = true; smaller && left_ > 0;) {
      smaller = drop_parts();
      smaller = shorten(case_.schema) || smaller;
      for (std::size_t i = 0; i < case_.policies.size(); ++i) smaller = shorten(case_.policies[i].text) || smaller;
      smaller = shorten(case_.entities) || smaller;
      for (std::size_t i = 0; i < case_.requests.size(); ++i) smaller = shorten(case_.requests[i].context) || smaller;
    }
    return case_;
  }

 private:
  bool differs(const Case& c) {
    if (left_-- <= 0) return false;
    Tally ignored;
    for (const Difference& d : judge_case(judge_, c, ignored)) {
      if (check_kind(d.check) == kind_) return true;
    }
    return false;
  }
  bool keep(Case smaller) {
    if (!differs(smaller)) return false;
    case_ = std::move(smaller);
    return true;
  }

  bool drop_parts() {
    bool any = false;
    auto drop = [&](auto member) {
      for (std::size_t i = (case_.*member).size(); i-- > 0;) {
        Case smaller = case_;
        (smaller.*member).erase((smaller.*member).begin() + static_cast<std::ptrdiff_t>(i));
        if (smaller.one_file) {
          for (std::size_t p = 0; p < smaller.policies.size(); ++p) smaller.policies[p].id = "policy" + std::to_string(p);
        }
        any = keep(std::move(smaller)) || any;
      }
    };
    drop(&Case::links);
    drop(&Case::policies);
    drop(&Case::requests);
    return any;
  }

  // `text` is part of case_.
  bool shorten(std::string& text) {
    bool any = false;
    std::vector<std::string> tokens = tokens_of(text);
    for (std::size_t size = std::max<std::size_t>(tokens.size() / 2, 1); size > 0; size /= 2) {
      for (std::size_t at = 0; at + size <= tokens.size() && left_ > 0;) {
        std::vector<std::string> fewer(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(at));
        fewer.insert(fewer.end(), tokens.begin() + static_cast<std::ptrdiff_t>(at + size), tokens.end());
        std::string before = std::exchange(text, text_of(fewer));
        if (differs(case_)) {
          tokens = std::move(fewer);
          any = true;
        } else {
          text = before;
          at += size;
        }
      }
    }
    return any;
  }

  Judge& judge_;
  Case case_;
  std::string kind_;
  int left_;
};

}  // namespace

std::string check_kind(const std::string& check) {
  std::string out;
  for (char c : check) {
    if (!std::isdigit(static_cast<unsigned char>(c))) out += c;
  }
  return out;
}

Case shrink(Judge& judge, Case c, const std::string& check, int most) { return Shrinker(judge, std::move(c), check_kind(check), most).run(); }

}  // namespace kerf::test
