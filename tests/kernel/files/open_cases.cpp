// Every way to a file's content that goes round its plain name.
#include <doctest/doctest.h>

#include <cerrno>

#include "stage.h"

using namespace kerf::test;

namespace {

const std::vector<Told> kRead = {{"file.read", "/zone/secret/f", "no-permit"}};
const std::vector<Told> kWrite = {{"file.write", "/zone/secret/f", "no-permit"}};
const std::vector<Told> kBoth = {{"file.read", "/zone/secret/f", "no-permit"}, {"file.write", "/zone/secret/f", "no-permit"}};

Scene secret() {
  return Scene(stage("files"), [] {
    put("/zone/secret/f");
    put("/zone/open/f");
    put("/zone/readable/f");
    put("/zone/drop/f");
  });
}

std::string many(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("plain") {
  Scene scene = secret();
  scene.refuses("open /zone/secret/f r", ENOENT, kRead);
  scene.refuses("open /zone/secret/f w", ENOENT, kWrite);
  scene.refuses("open /zone/secret/f rw", ENOENT, kBoth);
  scene.refuses("open /zone/secret/f w+append", ENOENT, kWrite);
  scene.refuses("open /zone/readable/f w", ENOENT, {{"file.write", "/zone/readable/f", "no-permit"}});
  scene.refuses("open /zone/readable/f rw", ENOENT, {{"file.write", "/zone/readable/f", "no-permit"}});
  scene.refuses("open /zone/drop/f r", ENOENT, {{"file.read", "/zone/drop/f", "no-permit"}});
  scene.tells("open /zone/open/f rw", {{"file.read", "/zone/open/f", "permit"}, {"file.write", "/zone/open/f", "permit"}});
  scene.tells("open /zone/readable/f r", {{"file.read", "/zone/readable/f", "permit"}});
  scene.tells("open /zone/drop/f w", {{"file.write", "/zone/drop/f", "permit"}});
}

TEST_CASE("listing") {
  Scene scene = secret();
  scene.refuses("list /zone/secret", ENOENT, {{"file.list", "/zone/secret", "no-permit"}});
  scene.refuses("list /zone", ENOENT, {{"file.list", "/zone", "no-permit"}});
  scene.refuses("list /", ENOENT, {{"file.list", "/", "no-permit"}});
  scene.tells("list /zone/open", {{"file.list", "/zone/open", "permit"}});
}

TEST_CASE("symlink") {
  Scene scene(stage("files"), [] {
    put("/zone/secret/f");
    put_symlink("/zone/secret/f", "/zone/open/absolute");
    put_symlink("../secret/f", "/zone/open/relative");
    put_symlink("/zone/secret", "/zone/open/directory");
    put_symlink("absolute", "/zone/open/twice");
  });
  for (const char* path : {"absolute", "relative", "directory/f", "twice"}) scene.refuses(std::string("open /zone/open/") + path + " r", ENOENT, kRead);
  scene.refuses_after("symlink /zone/secret/f /zone/open/own ; open /zone/open/own r", ENOENT, kRead);
}

TEST_CASE("..") {
  Scene scene = secret();
  scene.refuses("open /zone/open/../secret/f r", ENOENT, kRead);
  scene.refuses("open /zone/open/.././//secret/./f r", ENOENT, kRead);
  scene.refuses("chdir /zone/secret ; open f r", ENOENT, kRead);
  scene.refuses("chdir /zone/open ; open ../secret/f r", ENOENT, kRead);
}

TEST_CASE("/proc/self/root and /proc/self/cwd") {
  Scene scene = secret();
  scene.refuses("open /proc/self/root/zone/secret/f r", ENOENT, kRead);
  scene.refuses("open /proc/self/root/proc/thread-self/root/zone/secret/f w", ENOENT, kWrite);
  scene.refuses("chdir /zone/secret ; open /proc/self/cwd/f r", ENOENT, kRead);
}

TEST_CASE("/proc/self/fd/N, and O_PATH opened again") {
  Scene scene = secret();
  scene.refuses("open /zone/secret/f path ; reopen r", ENOENT, kRead);
  scene.refuses("open /zone/secret/f path ; reopen rw", ENOENT, kBoth);
  scene.refuses("open /zone/secret path+dir ; open-below f r", ENOENT, kRead);
  scene.refuses("open /zone/readable/f r ; reopen w", ENOENT, {{"file.write", "/zone/readable/f", "no-permit"}});
  scene.refuses("open /zone/drop/f w+idle ; reopen r", ENOENT, {{"file.read", "/zone/drop/f", "no-permit"}});
  scene.tells("open /zone/secret/f path", {});   // an O_PATH descriptor reads and writes nothing
}

TEST_CASE("O_CREAT leaves no file") {
  Scene scene(stage("files"), [] { put("/zone/secret/old"); });
  scene.refuses("open /zone/secret/f w+creat", ENOENT, kWrite);
  scene.refuses("open /zone/secret/f w+creat+excl", ENOENT, kWrite);
  scene.refuses("open /zone/secret/f r+creat", ENOENT, kWrite);
  scene.refuses("open /zone/readable/f r+creat", ENOENT, {{"file.write", "/zone/readable/f", "no-permit"}});
  scene.refuses("open /zone/secret/old w+creat", ENOENT, {{"file.write", "/zone/secret/old", "no-permit"}});
  scene.allows("open /zone/open/f rw+creat+excl");
  scene.allows("open /zone/drop/f w+creat");
}

TEST_CASE("O_TRUNC with O_RDONLY, and access mode 3, are writing") {
  Scene scene = secret();
  scene.refuses("open /zone/readable/f r+trunc", ENOENT, {{"file.write", "/zone/readable/f", "no-permit"}});
  scene.refuses("open /zone/readable/f acc3", ENOENT, {{"file.write", "/zone/readable/f", "no-permit"}});
  scene.refuses("open /zone/secret/f r+trunc", ENOENT, kBoth);
  scene.allows("open /zone/open/f r+trunc");
  scene.allows("open /zone/open/f acc3");
}

TEST_CASE("O_TMPFILE") {
  Scene scene(stage("files"), [] {});
  // made, and opened
  scene.refuses("open /zone/secret rw+tmpfile", ENOENT,
                {{"file.write", "/zone/secret/#", "no-permit"}, {"file.read", "/zone/secret/#", "no-permit"}, {"file.write", "/zone/secret/#", "no-permit"}});
  scene.refuses("open /zone/readable w+tmpfile", ENOENT, {{"file.write", "/zone/readable/#", "no-permit"}, {"file.write", "/zone/readable/#", "no-permit"}});
  scene.allows("open /zone/open rw+tmpfile");
  scene.allows("open /zone/open rw+tmpfile ; link-remembered /zone/open/named ; open /zone/open/named r");
  scene.refuses_after("open /zone/open rw+tmpfile ; link-remembered /zone/secret/named", ENOENT, {{"file.write", "/zone/secret/named", "no-permit"}});
}

TEST_CASE("truncate") {
  Scene scene = secret();
  scene.refuses("truncate /zone/secret/f 0", ENOENT, kWrite);
  scene.refuses("truncate /zone/readable/f 100", ENOENT, {{"file.write", "/zone/readable/f", "no-permit"}});
  scene.allows("truncate /zone/open/f 0");
  scene.allows("open /zone/open/f w ; ftruncate 0");
}

TEST_CASE("mode and owner") {
  Scene scene = secret();
  scene.refuses("chmod /zone/secret/f 777", ENOENT, kWrite);
  scene.refuses("chmod /zone/readable/f 4755", ENOENT, {{"file.write", "/zone/readable/f", "no-permit"}});
  scene.refuses("open /zone/readable/f r ; fchmod 777", ENOENT, {{"file.write", "/zone/readable/f", "no-permit"}});
  scene.refuses("chown /zone/secret/f 1000", ENOENT, kWrite);
  scene.allows("chmod /zone/open/f 600");
  scene.allows("chown /zone/open/f 1000");
}

TEST_CASE("io_uring") {
  Scene scene = secret();
  scene.refuses("uring-open /zone/secret/f r", ENOENT, kRead);
  scene.refuses("uring-open /zone/secret/f rw", ENOENT, kBoth);
  scene.refuses("uring-open /zone/secret/new w+creat", ENOENT, {{"file.write", "/zone/secret/new", "no-permit"}});
  scene.refuses("uring-open-async /zone/secret/f r", ENOENT, kRead);
  scene.refuses("uring-open-async /zone/secret/new w+creat", ENOENT, {{"file.write", "/zone/secret/new", "no-permit"}});
  scene.allows("uring-open-async /zone/open/f rw");
}

TEST_CASE("patterns, sets, and what the kernel observes") {
  Scene scene(stage("files"), [] {
    put_directory("/zone/pattern/a/b");
    for (const char* path : {"a/public-1.txt", "a/private-1.txt", "a/b/public-2.txt", "a/public-1.txt.old"}) put(std::string("/zone/pattern/") + path);
    for (const char* path : {"one", "two", "three"}) put(std::string("/zone/set/") + path);
    put("/zone/owned/f", "text", 0640);
    put("/zone/owned/mode", "text", 0644);
    put("/zone/uid/f");
    put_directory("/zone/open/single");
    put("/zone/open/single/f");
    put("/zone/open/single/g");
    put_link("/zone/open/single/g", "/zone/open/single/h");
    put_directory("/zone/open/vault");
    put("/zone/open/vault/key");
    put("/zone/open/vault/keys");
  });
  scene.allows("open /zone/pattern/a/public-1.txt r");
  scene.allows("open /zone/pattern/a/b/public-2.txt r");   // `*` passes a slash, as Cedar's does
  scene.refuses("open /zone/pattern/a/private-1.txt r", ENOENT, {{"file.read", "/zone/pattern/a/private-1.txt", "no-permit"}});
  scene.refuses("open /zone/pattern/a/public-1.txt.old r", ENOENT, {{"file.read", "/zone/pattern/a/public-1.txt.old", "no-permit"}});
  scene.allows("open /zone/set/one r");
  scene.allows("open /zone/set/two r");
  scene.refuses("open /zone/set/three r", ENOENT, {{"file.read", "/zone/set/three", "no-permit"}});
  scene.refuses("open /zone/set/one w", ENOENT, {{"file.write", "/zone/set/one", "no-permit"}});
  scene.refuses("open /zone/owned/f r", ENOENT, {{"file.read", "/zone/owned/f", "no-permit"}});
  scene.allows("open /zone/open/single/f r");
  scene.refuses("open /zone/open/single/g r", ENOENT, {{"file.read", "/zone/open/single/g", "forbid"}});
  scene.refuses("open /zone/open/vault/key r", ENOENT, {{"file.read", "/zone/open/vault/key", "forbid"}});
  scene.allows("open /zone/open/vault/keys r");
  scene.refuses("open /zone/uid/f r", ENOENT, {{"file.read", "/zone/uid/f", "no-permit"}});
  scene.allows("become 1000 ; open /zone/uid/f r");
}

TEST_CASE("a name that is no text") {
  Scene scene(stage("files"), [] {
    put("/zone/open/\xff\xfe");
    put("/zone/open/gr\xc3\xbc\xc3\x9f" "e");
    put("/zone/secret/\xed\xa0\x80");   // a surrogate: no UTF-8 either
    put("/zone/secret/gr\xc3\xbc\xc3\x9f" "e");
  });
  scene.refuses("open /zone/open/%ff%fe r", ENOENT, {{"file.read", "/zone/open/\\xff\\xfe", "not-text"}});
  scene.refuses("open /zone/secret/%ed%a0%80 r", ENOENT, {{"file.read", "/zone/secret/\\xed\\xa0\\x80", "not-text"}});
  scene.refuses("open /zone/open/%c0%af w+creat", ENOENT, {{"file.write", "/zone/open/\\xc0\\xaf", "not-text"}});
  scene.allows("open /zone/open/gr%c3%bc%c3%9fe rw");
  scene.refuses("open /zone/secret/gr%c3%bc%c3%9fe r", ENOENT, {{"file.read", "/zone/secret/gr\\xc3\\xbc\\xc3\\x9fe", "no-permit"}});
}

TEST_CASE("4,096 bytes, 128 components, and one more") {
  // "/zone/open" and 16 directories of 254 bytes, then the file's name
  std::string name(254, 'n'), below = "/zone/open" + many("/" + name, 16);
  std::string fits(4096 - below.size() - 1, 'f'), longer = fits + "g";
  std::string down = "descend /zone/open " + name + " 16 ; ";
  Scene scene(stage("files"), [&] {
    Outcome made = stage("files").free().perform("chdir /zone/open" + many(" ; mkdir " + name + " ; chdir " + name, 16) +
                                                 " ; open " + fits + " w+creat ; open " + longer + " w+creat");
    REQUIRE(made == Outcome{});
  });
  scene.tells(down + "open-below " + fits + " r", {{"file.read", below + "/" + fits, "permit"}});
  scene.refuses(down + "open-below " + longer + " r", ENOENT, {{"file.read", "", "too-long"}});

  // components count from the root of the file system, /zone: "open", directories, the file
  Scene deep(stage("files"), [&] {
    Outcome made = stage("files").free().perform("chdir /zone/open" + many(" ; mkdir d ; chdir d", 127) + " ; open f w+creat ; open ../f w+creat");
    REQUIRE(made == Outcome{});
  });
  deep.allows("descend /zone/open d 126 ; open-below f r");
  deep.refuses("descend /zone/open d 127 ; open-below f r", ENOENT, {{"file.read", "", "too-long"}});
}

TEST_CASE("a descriptor that was opened outside") {
  Scene scene = secret();
  // 0 of the server is a pipe that was opened before it was bound: using it raises nothing
  scene.allows("take 0 ; use path");
  scene.refuses("take 1 ; reopen w+idle", ENOENT, {{"file.write", "kerf:pipe", "no-permit"}});
}

TEST_CASE("threads, children and grandchildren") {
  Scene scene = secret();
  scene.refuses("fork ; open /zone/secret/f r", ENOENT, kRead);
  scene.refuses("fork ; fork ; open /zone/secret/f w", ENOENT, kWrite);
}
