// What a task can do to files, as text: one step is a word and its arguments, "open /a/b r", "rename /a /b". Steps of a
// sequence ("unshare-mounts ; bind /a /b ; open /b/f r") share one process: its directory, name spaces and one
// remembered descriptor. Bytes that are no printable ASCII, spaces, `;` and `%` are written %XX.
#pragma once
#include <string>
#include <vector>

namespace kerf::test {

struct Task {
  int fd = -1;               // the descriptor that a step left for the next one
};
using Words = std::vector<std::string>;

// 0, or the errno of the call that failed. Does not return when an exec succeeds.
int perform_step(Task& task, const Words& words);

// The tables of steps, by what they are about; each returns -1 for a word that it does not know.
int file_step(Task& task, const Words& words);
int name_step(Task& task, const Words& words);
int exec_step(Task& task, const Words& words);
int exe_step(Task& task, const Words& words);
int world_step(Task& task, const Words& words);
int guard_step(Task& task, const Words& words);
int system_step(Task& task, const Words& words);
int socket_step(Task& task, const Words& words);
int way_step(Task& task, const Words& words);
int spawn_step(Task& task, const Words& words);

int open_flags(const std::string& text);      // "r", "rw+creat+trunc", "acc3", …; "idle": opened, neither read nor written
[[noreturn]] void unknown_word(const std::string& word);
int result_of(long value);                    // 0, or errno for a negative value
std::vector<std::string> split_words(const std::string& text);
std::string unescape(const std::string& text);

}  // namespace kerf::test
