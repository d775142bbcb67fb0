// The one decision: what the manifest says of an environment and what the object says must be the same before anything is compared.
#include "backends/check/read_env.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace kerf::proof {
namespace {

class Reader {
 public:
  explicit Reader(const EnvSources& from) : from_(from) {}

  bool read(const ManifestEnvironment& manifest, std::size_t number, Env& env) {
    if ((number + 1) * KERF_ENV_FIELDS > from_.tables.envs.size()) return malformed("it has no tables for an environment");
    env.manifest = &manifest;
    for (std::size_t i = 0; i < KERF_ENV_FIELDS; ++i) env.fields.push_back(from_.tables.envs[number * KERF_ENV_FIELDS + i]);
    env.files = manifest.resource_kind != kerf::to_text(KernelKind::endpoint);
    const std::uint32_t words = manifest.forbid_words + manifest.permit_words;
    const char* refusal = ::strerrorname_np(static_cast<int>(env.fields[KERF_ENV_ERRNO]));
    const bool same = env.fields[KERF_ENV_BLOCKS] == manifest.summary_words && env.fields[KERF_ENV_SUMMARY_WORDS] == manifest.summary_words &&
                      env.fields[KERF_ENV_FORBID_END] == manifest.forbid_words && env.fields[KERF_ENV_PERMIT_END] == words &&
                      env.fields[KERF_ENV_ACTIVE] == manifest.active_offset && env.fields[KERF_ENV_VALUES] == manifest.values_offset &&
                      (env.fields[KERF_ENV_FILES] != 0) == env.files && refusal && manifest.refusal_errno == refusal &&
                      manifest.row_words <= std::uint64_t{manifest.summary_words} * 64 && manifest.rows == std::uint64_t{manifest.row_words} * 64 &&
                      words <= manifest.row_words;
    if (!same) return from_.report.whole("environments", fmt::format("the object and the manifest disagree about {}", to_text(manifest.request))), false;
    env.knowledge = std::make_unique<Knowledge>(from_.terms, from_.module, manifest.request, Setting::hook);
    env.atoms = std::make_unique<HookAtoms>(*env.knowledge, from_.paths, from_.executables);
    env.cases = std::make_unique<Cases>(*env.atoms);
    const std::vector<Term>& terms = from_.terms.add_all(*manifest.body);
    for (const ManifestExpr& predicate : manifest.predicates) env.predicates.push_back(terms[predicate.node.index]);
    for (std::size_t i = 0; i < env.predicates.size(); ++i) check_stage(env, manifest.predicates[i], env.predicates[i]);
    for (const ManifestExpr& slot : manifest.slots) {
      check_stage(env, slot, terms[slot.node.index]);
      env.slots.push_back({terms[slot.node.index], slot.type});
    }
    for (CodeSlot& slot : env.slots) slot.expression = env.atoms->residual(slot.expression);
    return read_rows(env) && (!env.has_rows() || (read_number(env) && (env.files || read_net(env))));
  }

 private:
  bool malformed(const char* why) { return report_malformed(from_.diagnostics, why); }

  // A predicate over facts has to be evaluated anew when a fact is set.
  void check_stage(Env& env, const ManifestExpr& predicate, Term t) {
    const bool reads_facts = mentions(t, Var::context), learned = predicate.stage == "learn";
    const bool known = learned || predicate.stage == "publish" || predicate.stage == "bind";
    if (!known || (mentions(t, Var::resource) && !(learned && env.atoms->only_hosts(t))) || (reads_facts && predicate.stage == "bind")) {
      from_.report.whole("predicates", fmt::format("`{}` cannot be evaluated at stage {}; for {}", from_.terms.text(t), predicate.stage, to_text(env.manifest->request)));
    }
  }
  bool mentions(Term t, Var var) const {
    if (from_.terms.is_variable(t, var)) return true;
    return std::any_of(from_.terms.args(t).begin(), from_.terms.args(t).end(), [&](Term arg) { return mentions(arg, var); });
  }

  bool read_rows(Env& env) {
    env.rows.resize(from_.module.policies.size());
    std::vector<bool> seen(env.manifest->rows);
    for (const ManifestRow& active : env.manifest->active) {
      const std::uint64_t at = (std::uint64_t{env.fields[KERF_ENV_ROWS]} + active.row) * 2;
      if (active.row >= env.manifest->rows || seen[active.row] || at + 1 >= from_.tables.rows.size()) return malformed("a row is out of range, or there twice");
      seen[active.row] = true;
      const std::uint32_t policy = from_.tables.rows[at], word = active.row / 64;
      if (policy >= from_.module.policies.size()) return malformed("a row is of no policy");
      const bool errs = word >= env.fields[KERF_ENV_PERMIT_END];
      const Effect effect = word < env.fields[KERF_ENV_FORBID_END] ? Effect::forbid : Effect::permit;
      if (!errs && effect != from_.module.policies[policy].effect) {
        from_.report.whole("rows", fmt::format("one of `{}` has another effect; for {}", from_.module.policies[policy].id, to_text(env.manifest->request)));
      }
      env.rows[policy].push_back({active.row, from_.tables.rows[at + 1], errs ? Outcome::error : Outcome::true_, &active});
    }
    return true;
  }

  bool read_number(Env& env) {
    const std::vector<std::uint32_t>& f = env.fields;
    env.numbers = Ranks{{Key{}}, {0}};
    env.dimensions[kNumber] = everywhere(f[KERF_ENV_BLOCKS]);
    if (f[KERF_ENV_DIMENSIONS] >> KERF_DIMENSIONS) return malformed("an environment asks for a dimension that there is not");
    if (!env.asks(KERF_DIMENSION_NUMBER)) return true;
    const std::optional<ObservableId> observable = number_at(f[KERF_ENV_NUMBER_AT], env.manifest->event);
    env.numbers = read_ranks(from_.tables, f[KERF_ENV_NUMBER_KEYS], f[KERF_ENV_NUMBER_DEPTH], f[KERF_ENV_NUMBER_RANKS]);
    if (!observable || !env.numbers) return malformed("a table of numbers is of none, leaves its bounds or is not sorted");
    env.atoms->set_number(*observable, f[KERF_ENV_NUMBER_AT]);
    env.dimensions[kNumber] = read_dimension(from_.tables, f[KERF_ENV_BLOCKS], f[KERF_ENV_NUMBER_BASE], env.numbers->classes);
    return env.dimensions[kNumber] || malformed("a class of rows leaves its tables");
  }

  bool read_net(Env& env) {
    const std::vector<std::uint32_t>& f = env.fields;
    const std::uint32_t blocks = f[KERF_ENV_BLOCKS];
    env.ip4 = env.ip6 = env.port = Ranks{{Key{}}, {0}};
    env.peers = Peers{{}, {0}};
    for (std::size_t i = 0; i < 4; ++i) env.dimensions[i] = everywhere(blocks);
    if (env.asks(KERF_DIMENSION_ADDRESS)) {
      env.ip4 = read_ranks(from_.tables, f[KERF_ENV_IP4_KEYS], f[KERF_ENV_IP4_DEPTH], f[KERF_ENV_IP4_RANKS]);
      env.ip6 = read_halves(from_.tables, f[KERF_ENV_IP6_TREES]);
    }
    if (env.asks(KERF_DIMENSION_PORT)) env.port = read_ranks(from_.tables, f[KERF_ENV_PORT_KEYS], f[KERF_ENV_PORT_DEPTH], f[KERF_ENV_PORT_RANKS]);
    if (env.asks(KERF_DIMENSION_PEER)) env.peers = read_peers(from_.tables, f);
    if (!env.ip4 || !env.ip6 || !env.port || !env.peers) return malformed("an address, port or endpoint table leaves its bounds or is not sorted");
    if (env.asks(KERF_DIMENSION_ADDRESS)) {
      env.dimensions[0] = read_dimension(from_.tables, blocks, f[KERF_ENV_IP4_BASE], env.ip4->classes);
      env.dimensions[1] = read_dimension(from_.tables, blocks, f[KERF_ENV_IP6_BASE], env.ip6->classes);
    }
    if (env.asks(KERF_DIMENSION_PORT)) env.dimensions[2] = read_dimension(from_.tables, blocks, f[KERF_ENV_PORT_BASE], env.port->classes);
    if (env.asks(KERF_DIMENSION_PEER)) env.dimensions[3] = read_dimension(from_.tables, blocks, f[KERF_ENV_PEER_BASE], env.peers->classes);
    return env.has_dimensions(4) || malformed("a class of rows leaves its tables");
  }

  const EnvSources& from_;
};

}  // namespace

bool report_malformed(Diagnostics& diagnostics, std::string_view why) {
  diagnostics.report(Code::K7703, {}, "policy.bpf.o with its manifest.json", why);
  return false;
}

bool read_env(const EnvSources& from, const ManifestEnvironment& manifest, std::size_t number, Env& env) {
  return Reader(from).read(manifest, number, env);
}

}  // namespace kerf::proof
