#include "backends/check/pattern_states.h"

#include <xxhash.h>

#include <algorithm>

#include "ir/base/check.h"

namespace kerf::proof {

std::size_t Lists::Hash::operator()(const std::vector<std::uint32_t>& list) const { return XXH3_64bits(list.data(), list.size() * sizeof list[0]); }

std::uint32_t Lists::add(const std::vector<std::uint32_t>& list) {
  auto [it, fresh] = numbers_.try_emplace(list, static_cast<std::uint32_t>(lists_.size()));
  if (fresh) {
    lists_.push_back(&it->first);
    members_ += list.size() + 1;
  }
  return it->second;
}

std::size_t PatternStates::StateHash::operator()(const State& s) const {
  const std::uint32_t key[]{s.node, s.waiting, s.reading};
  return XXH3_64bits(key, sizeof key);
}

PatternStates::PatternStates(const std::vector<Pattern>& all, std::span<const std::uint32_t> group) : dropped_(all.size(), false) {
  for (std::uint32_t number : group) add(number, all[number]);
}

void PatternStates::add(std::uint32_t number, const Pattern& pattern) {
  check(pattern.pieces.size() > 1, "a pattern has a wildcard");
  const std::uint32_t node = trie_.insert(pattern.pieces[0]);
  if (node >= begun_.size()) begun_.resize(node + 1);
  const auto begun = static_cast<std::uint32_t>(pieces_.size());
  for (std::size_t i = 1; i < pattern.pieces.size(); ++i) {
    const std::string& text = pattern.pieces[i];
    pieces_.push_back({number, static_cast<std::uint32_t>(piece_of_.size()), &text, i + 1 == pattern.pieces.size()});
    piece_of_.resize(piece_of_.size() + text.size() + 1, static_cast<std::uint32_t>(pieces_.size() - 1));
    find_borders(text);
  }
  begun_[node].push_back(begun);
}

// border_ of a position: how much of the piece is read too, if not all that.
void PatternStates::find_borders(const std::string& text) {
  const std::size_t first = border_.size();
  border_.resize(first + text.size() + 1, 0);
  for (std::size_t i = 1, k = 0; i < text.size(); ++i) {
    while (k > 0 && text[i] != text[k]) k = border_[first + k];
    if (text[i] == text[k]) ++k;
    border_[first + i + 1] = static_cast<std::uint32_t>(k);
  }
}

std::uint32_t PatternStates::start() {
  positions_.clear();
  std::vector<std::uint32_t> begun = begun_[0];
  std::sort(begun.begin(), begun.end());
  return state(0, lists_.add(begun));
}

std::uint32_t PatternStates::advance(std::uint32_t position, std::uint8_t byte) const {
  const Piece& piece = pieces_[piece_of_[position]];
  const std::string& text = *piece.text;
  std::uint32_t read = position - piece.first;
  if (read == text.size()) read = border_[position];   // of a last piece: perhaps it ends later
  while (read > 0 && static_cast<std::uint8_t>(text[read]) != byte) read = border_[piece.first + read];
  return static_cast<std::uint8_t>(text[read]) == byte ? read + 1 : 0;
}

void PatternStates::reach(std::uint32_t piece, std::uint32_t read) {
  const Piece& p = pieces_[piece];
  if (read == p.text->size() && !p.last) done_.push_back(piece);
  else if (read > 0) positions_.push_back(p.first + read);
}

std::uint32_t PatternStates::next(std::uint32_t number, std::uint8_t byte) {
  const State from = states_[number];
  positions_.clear();
  done_.clear();
  const std::vector<std::uint32_t>& reading = lists_[from.reading];
  for (std::uint32_t position : reading) {
    const std::uint32_t piece = piece_of_[position];
    if (!dropped_[pieces_[piece].pattern]) reach(piece, advance(position, byte));
  }
  const auto further = static_cast<std::ptrdiff_t>(positions_.size());   // both parts are ascending
  const Waiting& waits = waiting(from.waiting);
  auto in_reading = [&](const Piece& piece) {
    auto at = std::lower_bound(reading.begin(), reading.end(), piece.first);
    return at != reading.end() && pieces_[piece_of_[*at]].first == piece.first;
  };
  for (auto it = std::lower_bound(waits.by_byte.begin(), waits.by_byte.end(), std::pair{byte, 0u}); it != waits.by_byte.end() && it->first == byte; ++it) {
    const Piece& piece = pieces_[it->second];
    if (!dropped_[piece.pattern] && !in_reading(piece)) reach(it->second, 1);
  }
  std::inplace_merge(positions_.begin(), positions_.begin() + further, positions_.end());
  std::sort(done_.begin(), done_.end());

  const std::uint32_t node = trie_.next(from.node, byte);
  const std::vector<std::uint32_t> none, &begun = node < begun_.size() ? begun_[node] : none;
  if (done_.empty() && begun.empty() && waits.drops == drops_) return state(node, from.waiting);
  std::vector<std::uint32_t> list = begun;
  for (std::uint32_t piece : lists_[from.waiting]) list.push_back(std::binary_search(done_.begin(), done_.end(), piece) ? piece + 1 : piece);
  std::erase_if(list, [&](std::uint32_t piece) { return dropped_[pieces_[piece].pattern]; });
  std::sort(list.begin(), list.end());
  const std::uint32_t now = lists_.add(list);
  if (auto known = waiting_.find(now); known != waiting_.end()) known->second.drops = drops_;
  return state(node, now);
}

std::uint32_t PatternStates::state(std::uint32_t node, std::uint32_t waits) {
  State s{node, waits, lists_.add(positions_), 0};
  auto [it, fresh] = state_index_.try_emplace(s, static_cast<std::uint32_t>(states_.size()));
  if (!fresh) return it->second;
  std::vector<std::uint32_t> accepted = waiting(waits).matched;
  for (std::uint32_t position : positions_) {
    const Piece& piece = pieces_[piece_of_[position]];
    if (position - piece.first == piece.text->size()) accepted.push_back(piece.pattern);
  }
  std::sort(accepted.begin(), accepted.end());
  s.accepted = lists_.add(accepted);
  states_.push_back(s);
  return it->second;
}

const PatternStates::Waiting& PatternStates::waiting(std::uint32_t list) {
  auto [it, fresh] = waiting_.try_emplace(list);
  Waiting& made = it->second;
  if (!fresh) return made;
  made.drops = drops_;
  for (std::uint32_t number : lists_[list]) {
    const Piece& piece = pieces_[number];
    if (piece.text->empty()) made.matched.push_back(piece.pattern);
    else made.by_byte.emplace_back(static_cast<std::uint8_t>((*piece.text)[0]), number);
  }
  std::sort(made.by_byte.begin(), made.by_byte.end());
  for (auto [byte, number] : made.by_byte) {
    if (made.bytes.empty() || made.bytes.back() != byte) made.bytes.push_back(byte);
  }
  return made;
}

void PatternStates::add_bytes(std::uint32_t number, Bytes& to) const {
  const State& s = states_[number];
  if (s.node != TextTrie::kOff) to.add(trie_.bytes(s.node));
  to.add(waiting_.at(s.waiting).bytes);
  for (std::uint32_t position : lists_[s.reading]) {
    const Piece& piece = pieces_[piece_of_[position]];
    for (std::uint32_t read = position - piece.first; read > 0; read = border_[piece.first + read]) to.add(static_cast<std::uint8_t>((*piece.text)[read]));
  }
}

void PatternStates::drop(std::uint32_t pattern) {
  if (dropped_[pattern]) return;
  dropped_[pattern] = true;
  ++drops_;
}

}  // namespace kerf::proof
