// Between emit_bpf and its helper nothing is believed: neither a message nor the helper's end.
#include "backends/bpf/protocol.h"

#include <doctest/doctest.h>

#include "rig.h"

using namespace kerf;
using namespace kerf::bpf;

namespace {

CodegenRequest sample() {
  CodegenRequest request;
  request.governed = 3;
  request.reads_names = true;
  CodeNode constant;
  constant.low = 1;
  CodeNode negation;
  negation.op = CodeOp::not_;
  negation.args = {0};
  request.exprs = {{constant, negation}};
  request.conditions = {{{0, 2}}};
  return request;
}

}  // namespace

TEST_CASE("a request survives the way") {
  Result<CodegenRequest> read = read_request(write_request(sample()));
  REQUIRE(read.ok());
  CHECK(read->reads_names);
  CHECK(read->exprs == sample().exprs);
  CHECK(read->conditions == sample().conditions);
  CHECK(read->governed == 3);
}

TEST_CASE("cut off or damaged messages are refused") {
  std::string bytes = write_request(sample());
  for (std::size_t n = 0; n < bytes.size(); ++n) CHECK_FALSE(read_request(std::string_view(bytes).substr(0, n)).ok());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] ^= 0x41;
    CHECK_FALSE(read_request(damaged).ok());
  }
  CHECK_FALSE(read_request(bytes + "x").ok());
  CHECK_FALSE(read_answer(bytes).ok());
}

TEST_CASE("operands come before users, and tests name expressions that exist") {
  CodegenRequest request = sample();
  request.exprs[0][1].args = {1};
  CHECK_FALSE(read_request(write_request(request)).ok());
  request = sample();
  request.conditions[0][0].expr = 1;
  CHECK_FALSE(read_request(write_request(request)).ok());
  request = sample();
  request.conditions[0][0].outcome = 3;
  CHECK_FALSE(read_request(write_request(request)).ok());
  request = sample();
  request.exprs[0].clear();
  CHECK_FALSE(read_request(write_request(request)).ok());
}

TEST_CASE("a helper that is missing, fails or says nothing is an error") {
  test::Program program = test::make_program();
  test::add_row(program, Effect::permit);
  for (const char* helper : {"kerf-codegen", "", "/nowhere/kerf-codegen", "/bin/false", "/bin/true", "/bin/cat"}) {
    CAPTURE(helper);
    CHECK_FALSE(emit_bpf(program.module, program.plan, test::digest(), {helper}).ok());
  }
}
