// Code conditions -> global functions `int kerf_code(walk, values, condition)`: 1 holds, 0 does not, 2 refuse. The one
// decision: control flow instead of values (a Bool is a jump to yes, no or error) and volatile reloads, so that the
// verifier's work stays linear; and functions of bounded size, each verified once on its own.
#include <fmt/format.h>
#include <llvm/IR/DIBuilder.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/Endian.h>
#include <llvm/Support/raw_ostream.h>
#include <sys/stat.h>

#include <cstddef>

#include "backends/bpf/codegen/generate.h"
#include "ir/base/check.h"
#include "runtime/abi/policy_abi.h"

namespace kerf::bpf {
namespace {

using llvm::BasicBlock;

constexpr std::size_t kPartWeight = 1500;     // nodes and set members in one function
constexpr std::size_t kMaxPartWeight = 6000;  // a jump of this BPF version reaches 32,767 instructions
constexpr std::size_t kMaxParts = 200;        // the kernel takes 256 functions in a program

struct Ip {
  llvm::Value *v6, *prefix, *high, *low;
};

struct Exits {
  BasicBlock *yes, *no, *error;
};

// Emits into one function; `values`' layout is the ABI's.
class ConditionEmitter {
 public:
  ConditionEmitter(llvm::Function& function, llvm::IRBuilder<>& builder, BasicBlock* broken)
      : function_(function), b_(builder), walk_(function.getArg(0)), values_(function.getArg(1)), broken_(broken) {}

  void emit(const CodegenRequest& request, const CodeCondition& condition, BasicBlock* holds, BasicBlock* fails) {
    for (std::size_t i = 0; i < condition.size(); ++i) {
      BasicBlock* next = i + 1 == condition.size() ? holds : block("next");
      expr_ = &request.exprs[condition[i].expr];
      auto target = [&](std::uint8_t outcome) { return outcome == condition[i].outcome ? next : fails; };
      jump(static_cast<std::uint32_t>(expr_->size() - 1), {target(KERF_TRUE), target(KERF_FALSE), target(KERF_ERROR)});
      b_.SetInsertPoint(next);
    }
  }

 private:
  const CodeNode& node(std::uint32_t id) const { return (*expr_)[id]; }
  BasicBlock* block(const char* name) { return BasicBlock::Create(b_.getContext(), name, &function_); }

  llvm::Value* load(llvm::Value* base, std::size_t offset, unsigned bits) {
    llvm::Type* type = b_.getIntNTy(bits);
    llvm::Value* at = b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), base, offset);
    llvm::Value* value = b_.CreateAlignedLoad(type, at, llvm::Align(bits / 8), /*isVolatile=*/true);
    return bits == 64 ? value : b_.CreateZExt(value, b_.getInt64Ty());
  }
  llvm::Value* slot_part(const CodeNode& n, std::size_t offset, unsigned bits) {
    return load(values_, n.slot * sizeof(kerf_value) + offset, bits);
  }
  // Goes on only if the slot holds a value of one of the kinds.
  llvm::Value* open_slot(const CodeNode& n, std::initializer_list<unsigned> kinds, BasicBlock* error) {
    llvm::Value* kind = slot_part(n, offsetof(kerf_value, kind), 32);
    BasicBlock* good = block("slot");
    llvm::SwitchInst* choice = b_.CreateSwitch(kind, broken_, 3);
    choice->addCase(b_.getInt64(KERF_VALUE_ERROR), error);
    for (unsigned k : kinds) choice->addCase(b_.getInt64(k), good);
    b_.SetInsertPoint(good);
    return kind;
  }

  void jump(std::uint32_t id, const Exits& to) {
    const CodeNode& n = node(id);
    switch (n.op) {
      case CodeOp::constant: b_.CreateBr(n.low ? to.yes : to.no); return;
      case CodeOp::slot: {
        open_slot(n, {KERF_VALUE_BOOL}, to.error);
        llvm::Value* truth = slot_part(n, offsetof(kerf_value, low), 64);
        b_.CreateCondBr(b_.CreateICmpNE(truth, b_.getInt64(0)), to.yes, to.no);
        return;
      }
      case CodeOp::and_: return jump_chain(n, {block("and"), to.no, to.error}, true, to);
      case CodeOp::or_: return jump_chain(n, {to.yes, block("or"), to.error}, false, to);
      case CodeOp::not_: return jump(n.args[0], {to.no, to.yes, to.error});
      case CodeOp::if_: {
        BasicBlock *then = block("then"), *otherwise = block("else");
        jump(n.args[0], {then, otherwise, to.error});
        b_.SetInsertPoint(then);
        jump(n.args[1], to);
        b_.SetInsertPoint(otherwise);
        return jump(n.args[2], to);
      }
      case CodeOp::eq: return jump_equal(n, to);
      case CodeOp::less: case CodeOp::less_eq: {
        llvm::Value* left = number(n.args[0], to.error);
        llvm::Value* right = number(n.args[1], to.error);
        auto predicate = n.op == CodeOp::less ? llvm::CmpInst::ICMP_SLT : llvm::CmpInst::ICMP_SLE;
        b_.CreateCondBr(b_.CreateICmp(predicate, left, right), to.yes, to.no);
        return;
      }
      case CodeOp::one_of: {
        if (node(n.args[0]).type == CodeType::name) return jump_names(node(n.args[0]), n.names, to);
        llvm::SwitchInst* choice = b_.CreateSwitch(number(n.args[0], to.error), to.no, static_cast<unsigned>(n.members.size()));
        for (std::int64_t member : n.members) choice->addCase(b_.getInt64(static_cast<std::uint64_t>(member)), to.yes);
        return;
      }
      case CodeOp::begins: return jump_begins(node(n.args[0]), n.names[0], to);
      case CodeOp::in_range: return jump_in_range(n, to);
      case CodeOp::has: b_.CreateCondBr(is_there(n.observable), to.yes, to.no); return;
      case CodeOp::observe: b_.CreateCondBr(b_.CreateICmpNE(observe(n, to.error), b_.getInt64(0)), to.yes, to.no); return;
      case CodeOp::add: case CodeOp::sub: case CodeOp::mul: case CodeOp::neg: case CodeOp::to_date: case CodeOp::to_time:
      case CodeOp::quotient: internal_error("code that is no condition");
    }
  }
  void jump_chain(const CodeNode& n, const Exits& first, bool on_yes, const Exits& to) {
    jump(n.args[0], first);
    b_.SetInsertPoint(on_yes ? first.yes : first.no);
    jump(n.args[1], to);
  }
  void jump_equal(const CodeNode& n, const Exits& to) {
    switch (node(n.args[0]).type) {
      case CodeType::boolean: case CodeType::long_: {
        llvm::Value* left = number(n.args[0], to.error);
        llvm::Value* right = number(n.args[1], to.error);
        b_.CreateCondBr(b_.CreateICmpEQ(left, right), to.yes, to.no);
        return;
      }
      case CodeType::ip: {
        Ip left = address(n.args[0], to.error), right = address(n.args[1], to.error);
        auto same = [&](llvm::Value* a, llvm::Value* b, BasicBlock* next) {
          b_.CreateCondBr(b_.CreateICmpEQ(a, b), next, to.no);
          b_.SetInsertPoint(next);
        };
        same(left.low, right.low, block("same"));
        same(left.high, right.high, block("same"));
        same(left.v6, right.v6, block("same"));
        same(left.prefix, right.prefix, to.yes);
        return;
      }
      case CodeType::name: return jump_names(node(n.args[0]), node(n.args[1]).names, to);
    }
  }
  struct NameField {
    std::size_t offset, bytes;
  };
  static NameField field_of(const CodeNode& name) {
    if (name.observable == CodeObservable::comm) return {offsetof(kerf_seen, comm), KERF_COMM_BYTES};
    check(name.observable == CodeObservable::name, "a name is observed");
    return {offsetof(kerf_seen, file.fs_type), KERF_FS_TYPE_BYTES};
  }
  // Is the name, padded with zeros, one of these? Eight bytes at a time. The last byte of a field is 0: what fills it is none.
  void jump_names(const CodeNode& observed, const std::vector<std::string>& names, const Exits& to) {
    const NameField field = field_of(observed);
    for (const std::string& name : names) {
      if (name.size() >= field.bytes) continue;
      char padded[KERF_FS_TYPE_BYTES] = {};
      std::copy(name.begin(), name.end(), padded);
      BasicBlock* other = block("name");
      for (std::size_t at = 0; at < field.bytes; at += 8) {
        std::uint64_t word = llvm::support::endian::read64le(padded + at);
        split(b_.CreateICmpNE(load(walk_, field.offset + at, 64), b_.getInt64(word)), other);
      }
      b_.CreateBr(to.yes);
      b_.SetInsertPoint(other);
    }
    b_.CreateBr(to.no);
  }

  void jump_begins(const CodeNode& observed, const std::string& prefix, const Exits& to) {
    const NameField field = field_of(observed);
    if (prefix.size() >= field.bytes) {
      b_.CreateBr(to.no);
      return;
    }
    char padded[KERF_FS_TYPE_BYTES] = {}, mask[KERF_FS_TYPE_BYTES] = {};
    std::copy(prefix.begin(), prefix.end(), padded);
    std::fill_n(mask, prefix.size(), static_cast<char>(0xff));
    for (std::size_t at = 0; at < prefix.size(); at += 8) {
      llvm::Value* word = b_.CreateAnd(load(walk_, field.offset + at, 64), b_.getInt64(llvm::support::endian::read64le(mask + at)));
      split(b_.CreateICmpNE(word, b_.getInt64(llvm::support::endian::read64le(padded + at))), to.no);
    }
    b_.CreateBr(to.yes);
  }

  // A single address in a range: families and the first `prefix` bits are equal.
  void jump_in_range(const CodeNode& n, const Exits& to) {
    Ip single = address(n.args[0], to.error), range = address(n.args[1], to.error);
    BasicBlock *same = block("family"), *v4 = block("v4"), *v6 = block("v6");
    b_.CreateCondBr(b_.CreateICmpEQ(single.v6, range.v6), same, to.no);
    b_.SetInsertPoint(same);
    b_.CreateCondBr(b_.CreateICmpEQ(range.v6, b_.getInt64(0)), v4, v6);
    b_.SetInsertPoint(v4);
    split(b_.CreateICmpUGT(range.prefix, b_.getInt64(32)), broken_);
    b_.CreateCondBr(differs(single.low, range.low, b_.CreateSub(b_.getInt64(32), range.prefix)), to.no, to.yes);
    b_.SetInsertPoint(v6);
    split(b_.CreateICmpUGT(range.prefix, b_.getInt64(128)), broken_);
    split(b_.CreateICmpEQ(range.prefix, b_.getInt64(0)), to.yes);
    BasicBlock *within_high = block("high"), *within_low = block("low");
    b_.CreateCondBr(b_.CreateICmpULE(range.prefix, b_.getInt64(64)), within_high, within_low);
    b_.SetInsertPoint(within_high);
    b_.CreateCondBr(differs(single.high, range.high, b_.CreateSub(b_.getInt64(64), range.prefix)), to.no, to.yes);
    b_.SetInsertPoint(within_low);
    split(b_.CreateICmpNE(single.high, range.high), to.no);
    b_.CreateCondBr(differs(single.low, range.low, b_.CreateSub(b_.getInt64(128), range.prefix)), to.no, to.yes);
  }
  // Above the lowest `bits` (0 to 63) bits?
  llvm::Value* differs(llvm::Value* a, llvm::Value* b, llvm::Value* bits) {
    llvm::Value* rest = b_.CreateLShr(b_.CreateXor(a, b), b_.CreateAnd(bits, b_.getInt64(63)));
    return b_.CreateICmpNE(rest, b_.getInt64(0));
  }

  // Long, or Bool as 0 and 1.
  llvm::Value* number(std::uint32_t id, BasicBlock* error) {
    const CodeNode& n = node(id);
    if (n.type == CodeType::boolean) return truth(id, error);
    switch (n.op) {
      case CodeOp::constant: return b_.getInt64(n.low);
      case CodeOp::observe: return observe(n, error);
      case CodeOp::slot: open_slot(n, {KERF_VALUE_LONG}, error); return slot_part(n, offsetof(kerf_value, low), 64);
      case CodeOp::add: return checked(llvm::Intrinsic::sadd_with_overflow, n, error);
      case CodeOp::sub: return checked(llvm::Intrinsic::ssub_with_overflow, n, error);
      case CodeOp::mul: return product(n, error);
      case CodeOp::to_time: return time_of_day(number(n.args[0], error));
      case CodeOp::to_date: {
        llvm::Value* value = number(n.args[0], error);
        return checked(llvm::Intrinsic::ssub_with_overflow, value, time_of_day(value), error);
      }
      case CodeOp::quotient: return quotient(number(n.args[0], error), n.low);
      case CodeOp::neg: {
        llvm::Value* value = number(n.args[0], error);
        split(b_.CreateICmpEQ(value, b_.getInt64(std::uint64_t{1} << 63)), error);
        return b_.CreateNeg(value);
      }
      case CodeOp::if_: {
        BasicBlock *then = block("then"), *otherwise = block("else"), *join = block("join");
        jump(n.args[0], {then, otherwise, error});
        b_.SetInsertPoint(then);
        llvm::Value* left = number(n.args[1], error);
        BasicBlock* left_end = b_.GetInsertBlock();
        b_.CreateBr(join);
        b_.SetInsertPoint(otherwise);
        llvm::Value* right = number(n.args[2], error);
        BasicBlock* right_end = b_.GetInsertBlock();
        b_.CreateBr(join);
        return merge(join, left, left_end, right, right_end);
      }
      case CodeOp::and_: case CodeOp::or_: case CodeOp::not_: case CodeOp::eq: case CodeOp::less: case CodeOp::less_eq:
      case CodeOp::one_of: case CodeOp::begins: case CodeOp::in_range: case CodeOp::has: break;
    }
    internal_error("code that is no number");
  }
  llvm::Value* truth(std::uint32_t id, BasicBlock* error) {
    BasicBlock *yes = block("true"), *no = block("false"), *join = block("join");
    jump(id, {yes, no, error});
    llvm::IRBuilder<>(yes).CreateBr(join);
    llvm::IRBuilder<>(no).CreateBr(join);
    return merge(join, b_.getInt64(1), yes, b_.getInt64(0), no);
  }
  llvm::Value* merge(BasicBlock* join, llvm::Value* left, BasicBlock* from_left, llvm::Value* right, BasicBlock* from_right) {
    b_.SetInsertPoint(join);
    llvm::PHINode* phi = b_.CreatePHI(b_.getInt64Ty(), 2);
    phi->addIncoming(left, from_left);
    phi->addIncoming(right, from_right);
    return phi;
  }
  // To `to` if the condition holds, on otherwise.
  void split(llvm::Value* condition, BasicBlock* to) {
    BasicBlock* on = block("on");
    b_.CreateCondBr(condition, to, on);
    b_.SetInsertPoint(on);
  }
  llvm::Value* checked(llvm::Intrinsic::ID operation, const CodeNode& n, BasicBlock* error) {
    llvm::Value* left = number(n.args[0], error);
    return checked(operation, left, number(n.args[1], error), error);
  }
  llvm::Value* checked(llvm::Intrinsic::ID operation, llvm::Value* left, llvm::Value* right, BasicBlock* error) {
    llvm::Value* both = b_.CreateBinaryIntrinsic(operation, left, right);
    llvm::Value* result = b_.CreateExtractValue(both, 0);
    split(b_.CreateExtractValue(both, 1), error);
    return result;
  }
  // BPF divides without signs only. Before the epoch -1 is the last millisecond of a day, so ~x counts from its end.
  llvm::Value* time_of_day(llvm::Value* value) {
    constexpr std::uint64_t day = 86'400'000;
    llvm::Value* sign = b_.CreateAShr(value, 63);
    llvm::Value* rest = b_.CreateURem(b_.CreateXor(value, sign), b_.getInt64(day));
    return b_.CreateAdd(b_.CreateXor(rest, sign), b_.CreateAnd(sign, b_.getInt64(day)));
  }
  llvm::Value* quotient(llvm::Value* value, std::uint64_t divisor) {
    llvm::Value* sign = b_.CreateAShr(value, 63);
    llvm::Value* magnitude = b_.CreateSub(b_.CreateXor(value, sign), sign);
    return b_.CreateSub(b_.CreateXor(b_.CreateUDiv(magnitude, b_.getInt64(divisor)), sign), sign);
  }
  // BPF multiplies 64 bits only: the magnitudes' product is in range iff |b| <= limit / |a|.
  llvm::Value* product(const CodeNode& n, BasicBlock* error) {
    llvm::Value* left = number(n.args[0], error);
    llvm::Value* right = number(n.args[1], error);
    llvm::Value* left_sign = b_.CreateAShr(left, 63);
    llvm::Value* right_sign = b_.CreateAShr(right, 63);
    llvm::Value* a = b_.CreateSub(b_.CreateXor(left, left_sign), left_sign);
    llvm::Value* c = b_.CreateSub(b_.CreateXor(right, right_sign), right_sign);
    llvm::Value* sign = b_.CreateXor(left_sign, right_sign);
    llvm::Value* limit = b_.CreateAdd(b_.getInt64(0x7fffffffffffffffu), b_.CreateLShr(sign, 63));
    BasicBlock *zero = b_.GetInsertBlock(), *some = block("factor"), *join = block("product");
    b_.CreateCondBr(b_.CreateICmpEQ(a, b_.getInt64(0)), join, some);
    b_.SetInsertPoint(some);
    llvm::Value* most = b_.CreateUDiv(limit, a);
    llvm::Value* magnitude = b_.CreateMul(a, c);
    llvm::Value* result = b_.CreateSub(b_.CreateXor(magnitude, sign), sign);
    split(b_.CreateICmpUGT(c, most), error);
    BasicBlock* end = b_.GetInsertBlock();
    b_.CreateBr(join);
    return merge(join, b_.getInt64(0), zero, result, end);
  }

  // A Bool as 0 and not 0.
  llvm::Value* observe(const CodeNode& n, BasicBlock* error) {
    if (llvm::Value* there = is_there(n.observable); !llvm::isa<llvm::Constant>(there)) split(b_.CreateNot(there), error);
    switch (n.observable) {
#define KERF_SEEN(observable, field, bits, when, type, events) \
  case CodeObservable::observable: return masked(load(walk_, offsetof(kerf_seen, field), 8 * sizeof(kerf_seen{}.field)), 8 * sizeof(kerf_seen{}.field), bits);
#include "runtime/abi/seen.def"
      case CodeObservable::exe: return load(walk_, offsetof(kerf_seen, exe_match), 32);
      case CodeObservable::ip: case CodeObservable::name: case CodeObservable::comm: break;
    }
    internal_error("an observable that is no number");
  }
  llvm::Value* masked(llvm::Value* value, unsigned width, std::uint64_t bits) {
    return bits == ~std::uint64_t{0} >> (64 - width) ? value : b_.CreateAnd(value, b_.getInt64(bits));
  }

  enum class When { always, exists, told };
  static When when(CodeObservable observable) {
    switch (observable) {
#define KERF_SEEN(observable, field, bits, when, type, events) \
  case CodeObservable::observable: return When::when;
#include "runtime/abi/seen.def"
      case CodeObservable::ip: case CodeObservable::name: case CodeObservable::comm: case CodeObservable::exe: break;
    }
    return When::always;
  }
  llvm::Value* is_there(CodeObservable observable) {
    if (when(observable) != When::exists) return b_.getTrue();
    return b_.CreateICmpNE(load(walk_, offsetof(kerf_seen, file.exists), 32), b_.getInt64(0));
  }
  Ip address(std::uint32_t id, BasicBlock* error) {
    const CodeNode& n = node(id);
    if (n.op == CodeOp::constant) return {b_.getInt64(n.v6), b_.getInt64(n.prefix), b_.getInt64(n.high), b_.getInt64(n.low)};
    if (n.op == CodeOp::observe) {
      llvm::Value* v6 = load(walk_, offsetof(kerf_seen, net.v6), 32);
      return {v6, b_.CreateAdd(b_.getInt64(32), b_.CreateMul(v6, b_.getInt64(96))),
              load(walk_, offsetof(kerf_seen, net.address_high), 64), load(walk_, offsetof(kerf_seen, net.address_low), 64)};
    }
    if (n.op == CodeOp::slot) {
      llvm::Value* kind = open_slot(n, {KERF_VALUE_IP4, KERF_VALUE_IP6}, error);
      return {b_.CreateSub(kind, b_.getInt64(KERF_VALUE_IP4)), slot_part(n, offsetof(kerf_value, prefix), 32),
              slot_part(n, offsetof(kerf_value, high), 64), slot_part(n, offsetof(kerf_value, low), 64)};
    }
    internal_error("code that is no address");
  }

  llvm::Function& function_;
  llvm::IRBuilder<>& b_;
  llvm::Value *walk_, *values_;
  BasicBlock* broken_;
  const CodeExpr* expr_ = nullptr;
};

// A function like this one with the debug information that BTF is made from: named parameters, global linkage.
class FunctionMaker {
 public:
  FunctionMaker(llvm::Module& module, llvm::Function& like)
      : module_(module), unit_(*module.debug_compile_units_begin()), di_(module, false, unit_),
        type_(like.getSubprogram()->getType()), function_type_(like.getFunctionType()) {}
  ~FunctionMaker() { di_.finalize(); }

  void start(llvm::Function& function, llvm::IRBuilder<>& builder) {
    llvm::DIFile* file = unit_->getFile();
    auto flags = llvm::DISubprogram::SPFlagDefinition | llvm::DISubprogram::SPFlagOptimized;
    llvm::DISubprogram* program = di_.createFunction(unit_, function.getName(), "", file, 1, type_, 1, llvm::DINode::FlagPrototyped, flags);
    unsigned number = 0;   // of the type's parts the first is what is returned
    for (const char* name : {"walk", "values", "condition"}) {
      ++number;
      di_.createParameterVariable(program, name, number, file, 1, type_->getTypeArray()[number], true);
    }
    function.setSubprogram(program);
    function.addFnAttr(llvm::Attribute::NoUnwind);
    function.addFnAttr("target-cpu", "v3");
    builder.SetInsertPoint(BasicBlock::Create(module_.getContext(), "entry", &function));
    builder.SetCurrentDebugLocation(llvm::DILocation::get(module_.getContext(), 1, 0, program));
  }
  llvm::Function* create(const std::string& name) {
    return llvm::Function::Create(function_type_, llvm::GlobalValue::ExternalLinkage, name, module_);
  }

 private:
  llvm::Module& module_;
  llvm::DICompileUnit* unit_;
  llvm::DIBuilder di_;
  llvm::DISubroutineType* type_;
  llvm::FunctionType* function_type_;
};

struct Returns {
  BasicBlock *holds, *fails, *broken;
};

Returns make_returns(llvm::Function& function, llvm::IRBuilder<>& builder) {
  auto one = [&](const char* name, unsigned value) {
    BasicBlock* block = BasicBlock::Create(builder.getContext(), name, &function);
    llvm::IRBuilder<> at(block);
    at.CreateRet(at.getInt32(value));
    return block;
  };
  return {one("holds", 1), one("fails", 0), one("broken", 2)};
}

// Pointers may be null to the verifier, which looks at each of these functions alone.
llvm::SwitchInst* switch_on_condition(llvm::Function& function, llvm::IRBuilder<>& builder, BasicBlock* broken) {
  for (unsigned i = 0; i < 2; ++i) {
    BasicBlock* next = BasicBlock::Create(builder.getContext(), "given", &function);
    builder.CreateCondBr(builder.CreateIsNull(function.getArg(i)), broken, next);
    builder.SetInsertPoint(next);
  }
  return builder.CreateSwitch(function.getArg(2), broken);
}

struct Part {
  std::size_t begin, end;
};

std::size_t weight_of(const CodegenRequest& request, const CodeCondition& condition) {
  std::size_t weight = 1;
  for (const CodeTest& test : condition) {
    for (const CodeNode& node : request.exprs[test.expr]) weight += 1 + node.members.size() + 4 * node.names.size();
  }
  return weight;
}

Result<std::vector<Part>> divide(const CodegenRequest& request) {
  std::size_t total = 0;
  for (const CodeCondition& condition : request.conditions) total += weight_of(request, condition);
  std::size_t limit = std::max(kPartWeight, 2 * total / kMaxParts + 1);
  std::vector<Part> parts;
  std::size_t weight = limit;
  for (std::size_t i = 0; i < request.conditions.size(); ++i) {
    std::size_t own = weight_of(request, request.conditions[i]);
    if (own > kMaxPartWeight) return Error{fmt::format("a condition of {} operations is too large for hook code, the limit is {}", own, kMaxPartWeight)};
    if (parts.empty() || weight + own > limit) {
      parts.push_back({i, i});
      weight = 0;
    }
    parts.back().end = i + 1;
    weight += own;
  }
  check(parts.size() < kMaxParts, "two neighbours pass the limit");   // which is more than the 100th part of all
  if (limit > kMaxPartWeight) {
    return Error{fmt::format("conditions of {} operations together are too many for hook code", total)};
  }
  return parts;
}

void define_part(FunctionMaker& maker, llvm::Function& function, const CodegenRequest& request, Part part) {
  llvm::IRBuilder<> builder(function.getContext());
  maker.start(function, builder);
  Returns returns = make_returns(function, builder);
  llvm::SwitchInst* choice = switch_on_condition(function, builder, returns.broken);
  ConditionEmitter emitter(function, builder, returns.broken);
  for (std::size_t i = part.begin; i < part.end; ++i) {
    BasicBlock* entry = BasicBlock::Create(function.getContext(), "condition", &function);
    choice->addCase(builder.getInt32(static_cast<std::uint32_t>(i)), entry);
    builder.SetInsertPoint(entry);
    emitter.emit(request, request.conditions[i], returns.holds, returns.fails);
  }
}

void define_dispatch(FunctionMaker& maker, llvm::Function& function, const CodegenRequest& request, const std::vector<Part>& parts) {
  llvm::IRBuilder<> builder(function.getContext());
  maker.start(function, builder);
  Returns returns = make_returns(function, builder);
  llvm::SwitchInst* choice = switch_on_condition(function, builder, returns.broken);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    llvm::Function* part = maker.create(fmt::format("kerf_code_{}", p));
    define_part(maker, *part, request, parts[p]);
    BasicBlock* entry = BasicBlock::Create(function.getContext(), "part", &function);
    builder.SetInsertPoint(entry);
    builder.CreateRet(builder.CreateCall(part, {function.getArg(0), function.getArg(1), function.getArg(2)}));
    for (std::size_t i = parts[p].begin; i < parts[p].end; ++i) choice->addCase(builder.getInt32(static_cast<std::uint32_t>(i)), entry);
  }
}

}  // namespace

std::optional<Error> define_conditions(llvm::Module& module, const CodegenRequest& request) {
  llvm::Function* code = module.getFunction("kerf_code");
  check(code && code->getSubprogram(), "kerf_code has a type");
  Result<std::vector<Part>> parts = divide(request);
  if (!parts) return parts.error();
  {
    FunctionMaker maker(module, *code);
    code->deleteBody();
    if (parts->size() == 1) define_part(maker, *code, request, parts->front());
    else define_dispatch(maker, *code, request, *parts);
  }
  std::string complaint;
  llvm::raw_string_ostream out(complaint);
  if (llvm::verifyModule(module, &out)) return Error{"invalid module after code generation: " + complaint};
  return std::nullopt;
}

}  // namespace kerf::bpf
