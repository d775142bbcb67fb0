/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Event + binding record -> decision. Every row of the environment that holds in the binding (active), for the
 * address, for the port and for the endpoint, or of a file for what each automaton found in its path, and for a number,
 * is found by AND over bitmaps, three levels deep; what needs instructions is asked of generated code. The functions here that are not
 * static are verified once, on their own, which keeps the cost of 65,536 rows small; whatever goes wrong refuses. */
#ifndef KERF_DECIDE_H
#define KERF_DECIDE_H

#include "bits.h"
#include "glue.h"
#include "utf8.h"

/* Overridden: permits where a forbid holds; they are counted and decide nothing. */
enum kerf_group { KERF_GROUP_FORBID, KERF_GROUP_PERMIT, KERF_GROUP_ERROR, KERF_GROUP_OVERRIDDEN };

#define ENV(env, field) (kerf_envs[(env) * KERF_ENV_FIELDS + (field)])

#define KERF_NOWHERE 0xffffffffu

/* 1 if a < b, both below 2^63. */
static __always_inline __u64 below(__u64 a, __u64 b)
{
	__u64 difference = a - b;

	OPAQUE(difference);
	return difference >> 63;
}

static __always_inline __u32 class_of_rank(__u32 ranks, __u64 node, __u32 depth)
{
	__u64 rank = ranks + node - (1ull << (depth & 31));

	return WITHIN(rank, kerf_ranks_count) ? kerf_ranks[rank] : KERF_NOWHERE;
}

/* KERF_SEARCH_STEP levels a turn: below a node there are seven keys in order, and how many of them are not above says which of
 * eight ways leads on. They are read side by side, which takes the time of one. */
#define SEARCH(table, count, depth_max, keys, depth, ranks, key)                                                                  \
	({                                                                                                                        \
		__u64 node = 1;                                                                                                   \
		_Pragma("clang loop unroll(disable)")                                                                             \
		for (__u64 level = 0, levels = LENGTH(depth_max); level < levels; level += KERF_SEARCH_STEP) {                    \
			if (level >= (depth))                                                                                     \
				break;                                                                                            \
			__u64 first = (keys) + node, second = (keys) + node * 2, third = (keys) + node * 4;                       \
			if (!WITHIN(first, (count)) || !WITHIN(second, (count) - 1) || !WITHIN(third, (count) - 3))               \
				return KERF_NOWHERE;                                                                              \
			__u64 above = below(key, table[first]);                                                                   \
			above += below(key, table[second]) + below(key, table[second + 1]);                                       \
			above += below(key, table[third]) + below(key, table[third + 1]);                                         \
			above += below(key, table[third + 2]) + below(key, table[third + 3]);                                     \
			node = node * 8 + 7 - above;                                                                              \
		}                                                                                                                 \
		class_of_rank(ranks, node, depth);                                                                                \
	})

static __always_inline __u32 search32(__u32 keys, __u32 depth, __u32 ranks, __u32 key)
{
	return SEARCH(kerf_keys32, kerf_keys32_count, kerf_depth32_max, keys, depth, ranks, key);
}

/* Half of an IPv6 address. A function of its own, so that it is verified once. */
__attribute__((noinline)) __u32 kerf_search_half(__u32 pair, __u64 half)
{
	asm volatile("" : : "r"(half));   /* an argument that is not used would not be passed */
	__u64 at = ((__u64)pair * 2 + (half >> KERF_HALF_BITS)) * KERF_TREE_FIELDS;
	if (!WITHIN(at, kerf_trees_count - (KERF_TREE_FIELDS - 1)))
		return KERF_NOWHERE;
	__u32 keys = kerf_trees[at + KERF_TREE_KEYS], depth = kerf_trees[at + KERF_TREE_DEPTH], ranks = kerf_trees[at + KERF_TREE_RANKS];
	half &= (1ull << KERF_HALF_BITS) - 1;
	return SEARCH(kerf_keys64, kerf_keys64_count, kerf_depth64_max, keys, depth, ranks, half);
}

static __always_inline __u32 class_of_address6(__u32 pair, const struct kerf_net_event *net)
{
	__u32 class = kerf_search_half(pair, net->address_high);

	return class & KERF_LOW_HALF ? kerf_search_half(class & ~KERF_LOW_HALF, net->address_low) : class;
}

static __always_inline __u32 find_peer(__u32 env, const struct kerf_net_event *net)
{
	__u32 others = ENV(env, KERF_ENV_PEER_OTHERS);

	if (!ENV(env, KERF_ENV_PEER_COUNT))
		return others;
	__u64 tail = net->port | (__u64)net->v6 << 16 | KERF_PEER_USED;
	__u64 hash = kerf_peer_hash(ENV(env, KERF_ENV_PEER_SEED), net->address_high, net->address_low, tail);
	__u64 factor_at = ENV(env, KERF_ENV_PEER_FACTORS) + (hash >> (ENV(env, KERF_ENV_PEER_FACTOR_SHIFT) & 63));
	if (!WITHIN(factor_at, kerf_peer_factors_count))
		return KERF_NOWHERE;
	__u64 slot = hash * kerf_peer_factors[factor_at] >> (ENV(env, KERF_ENV_PEER_SLOT_SHIFT) & 63);
	__u64 at = (ENV(env, KERF_ENV_PEER_SLOTS) + slot) * KERF_PEER_FIELDS;
	if (!WITHIN(at, kerf_peer_slots_count - (KERF_PEER_FIELDS - 1)))
		return KERF_NOWHERE;
	const __u64 *entry = &kerf_peer_slots[at];
	if (entry[KERF_PEER_TAIL] != tail || entry[KERF_PEER_HIGH] != net->address_high ||
	    entry[KERF_PEER_LOW] != net->address_low)
		return others;
	return entry[KERF_PEER_CLASS];
}

_Static_assert(KERF_DIMENSIONS == 4, "numbers.def has as many");

/* Does some row ask for the dimension? Where no environment does, the number is above all that the bit can be, and the verifier
 * drops what depends on it. */
static __always_inline int asks(const struct kerf_walk *walk, __u32 dimension)
{
	__u64 bit = FORGET(walk->dimensions) & 1u << dimension;

	switch (dimension) {
	case 0: return AT_LEAST(bit, kerf_least_dimension0);
	case 1: return AT_LEAST(bit, kerf_least_dimension1);
	case 2: return AT_LEAST(bit, kerf_least_dimension2);
	default: return AT_LEAST(bit, kerf_least_dimension3);
	}
}

/* Which of the environment's blocks have rows that can hold. Not 0: a bound was hit. */
static __always_inline int class_blocks(const struct kerf_walk *walk, __u64 *blocks)
{
#pragma clang loop unroll(full)
	for (__u32 d = 0; d < KERF_DIMENSIONS; d++) {
		if (!asks(walk, d))
			continue;
		__u64 at = FORGET(walk->class[d]);
		if (!WITHIN(at, kerf_class_blocks_count))
			return 1;
		*blocks &= kerf_class_blocks[at];
	}
	return 0;
}

/* Where the entry of a class's block begins in kerf_blocks. It is kept in the walk: 6.1 counts the stack of every call on the
 * way in steps of 32 bytes, and 512 is all there is. */
static __always_inline __u64 block_entry(__u32 class, __u32 block)
{
	__u64 at = (__u64)class + 1 + block;

	return WITHIN(at, kerf_class_blocks_count) ? kerf_class_blocks[at] : KERF_NOWHERE;
}

#define BLOCK_WITHIN(entry) WITHIN(entry, kerf_blocks_count - (KERF_BLOCK_FIELDS - 1))

/* These test the entry anew each time. 0: a bound was hit. */
static __always_inline int and_nonzero(__u64 *summary, __u64 entry)
{
	if (!BLOCK_WITHIN(entry))
		return 0;
	*summary &= kerf_blocks[entry + KERF_BLOCK_NONZERO];
	return 1;
}

/* The row's word is the class's own or its dimension's base; chosen by arithmetic, as a branch would double the
 * verifier's work. */
static __always_inline int and_row_word(__u64 *bits, __u64 entry, __u64 base, __u32 word)
{
	if (!BLOCK_WITHIN(entry))
		return 0;
	__u64 owned = kerf_blocks[entry + KERF_BLOCK_OWN];
	__u64 own = kerf_blocks[entry + KERF_BLOCK_WORDS] + count_bits(owned & ((1ull << (word & 63)) - 1));
	__u64 mask = owned >> (word & 63) & 1;

	OPAQUE(mask);
	base += word;
	__u64 at = base ^ ((own ^ base) & -mask);
	if (!WITHIN(at, kerf_words_count))
		return 0;
	*bits &= kerf_words[at];
	return 1;
}

static __always_inline void count_hit(struct kerf_walk *walk, __u32 policy)
{
	struct kerf_hit *hit = walk->trial ? 0 : bpf_map_lookup_elem(&kerf_hits, &policy);

	if (hit) {
		__sync_fetch_and_add(&hit->hits, 1);
		hit->last_ns = walk_time(walk);
	}
}

static __always_inline void record_policy(struct kerf_walk *walk, __u32 policy)
{
	struct kerf_decision *decision = &walk->decision;

	if (FORGET(walk->group) == KERF_GROUP_ERROR) {
		__u64 n = FORGET(decision->error_count);
		FORGET(decision->error_count) = n + 1;
		if (WITHIN(n, KERF_EVENT_POLICIES))
			decision->errors[n] = policy;
		return;
	}
	count_hit(walk, policy);
	if (FORGET(walk->group) == KERF_GROUP_OVERRIDDEN)
		return;
	__u64 n = FORGET(decision->determining_count);
	FORGET(decision->determining_count) = n + 1;
	if (WITHIN(n, KERF_EVENT_POLICIES))
		decision->determining[n] = policy;
}

/* The rows of one word that hold but for their code conditions. Not 0: refuse. */
__attribute__((noinline)) int kerf_walk_word(struct kerf_walk *walk, struct kerf_values *values, __u64 bits, __u32 word)
{
	asm volatile("" : : "r"(values));   /* an argument that is not used would not be passed */
	if (!walk || (kerf_has_code && !values))
		return 1;
	__u32 group = word < walk->forbid_end ? KERF_GROUP_FORBID :
		      word < walk->permit_end ? KERF_GROUP_PERMIT : KERF_GROUP_ERROR;
	if (group == KERF_GROUP_PERMIT && walk->decision.reason == KERF_REASON_FORBID) {
		if (walk->trial)
			return 0;
		group = KERF_GROUP_OVERRIDDEN;
	}
	FORGET(walk->group) = group;
	__u32 policies = kerf_policy_count;
#pragma clang loop unroll(disable)
	for (__u64 turn = 0, turns = LENGTH(kerf_word_rows_max); turn < turns; turn++) {
		if (!bits)
			return 0;
		__u64 at = (FORGET(walk->rows) + (__u64)word * 64 + lowest_bit(bits)) * 2;
		bits &= bits - 1;
		if (!WITHIN(at, kerf_rows_count - 1))
			return 1;
		__u32 policy = kerf_rows[at], condition = kerf_rows[at + 1];
		if (policy >= policies)
			return 1;
		if (kerf_has_code && condition) {
			int holds = kerf_code(walk, values, condition - 1);
			if (!holds)
				continue;
			if (holds != 1)
				return 1;
		}
		if (FORGET(walk->group) <= KERF_GROUP_PERMIT)
			walk->decision.reason =
				FORGET(walk->group) == KERF_GROUP_FORBID ? KERF_REASON_FORBID : KERF_REASON_PERMIT;
		record_policy(walk, policy);
	}
	return bits != 0;
}

/* The words of one block in which some row can hold. Not 0: refuse. */
__attribute__((noinline)) int kerf_walk_block(struct kerf_walk *walk, struct kerf_values *values,
					      struct kerf_active_block *active, __u64 summary, __u32 block)
{
	asm volatile("" : : "r"(values));   /* an argument that is not used would not be passed */
	if (!walk || !active || (kerf_has_code && !values))
		return 1;
#pragma clang loop unroll(full)
	for (__u32 d = 0; d < KERF_DIMENSIONS; d++) {
		if (!asks(walk, d))
			continue;
		__u64 entry = block_entry(FORGET(walk->class[d]), block);
		if (!and_nonzero(&summary, entry))
			return 1;
		FORGET(walk->entry[d]) = entry;
	}
#pragma clang loop unroll(disable)
	for (__u64 turn = 0, turns = LENGTH(kerf_block_words_max); turn < turns; turn++) {
		if (!summary)
			return 0;
		__u64 word = lowest_bit(summary);
		summary &= summary - 1;
		if (!WITHIN(word, 64))
			return 1;
		__u64 bits = active->word[word];
#pragma clang loop unroll(full)
		for (__u32 d = 0; d < KERF_DIMENSIONS; d++) {
			if (asks(walk, d) && !and_row_word(&bits, FORGET(walk->entry[d]), FORGET(walk->base[d]) + block * 64, word))
				return 1;
		}
		if (bits && kerf_walk_word(walk, values, bits, block * 64 + word))
			return 1;
	}
	return summary != 0;
}

static __always_inline void classify_net(struct kerf_walk *walk, __u32 env)
{
	const struct kerf_net_event *net = &walk->seen.net;

	if (asks(walk, KERF_DIMENSION_ADDRESS)) {
		if (net->v6) {
			walk->class[KERF_DIMENSION_ADDRESS] = class_of_address6(ENV(env, KERF_ENV_IP6_TREES), net);
			walk->base[KERF_DIMENSION_ADDRESS] = ENV(env, KERF_ENV_IP6_BASE);
		} else {
			walk->class[KERF_DIMENSION_ADDRESS] = search32(ENV(env, KERF_ENV_IP4_KEYS), ENV(env, KERF_ENV_IP4_DEPTH),
								       ENV(env, KERF_ENV_IP4_RANKS), net->address_low);
			walk->base[KERF_DIMENSION_ADDRESS] = ENV(env, KERF_ENV_IP4_BASE);
		}
	}
	if (asks(walk, KERF_DIMENSION_PORT)) {
		walk->class[KERF_DIMENSION_PORT] = search32(ENV(env, KERF_ENV_PORT_KEYS), ENV(env, KERF_ENV_PORT_DEPTH),
							    ENV(env, KERF_ENV_PORT_RANKS), net->port);
		walk->base[KERF_DIMENSION_PORT] = ENV(env, KERF_ENV_PORT_BASE);
	}
	if (asks(walk, KERF_DIMENSION_PEER)) {
		walk->class[KERF_DIMENSION_PEER] = find_peer(env, net);
		walk->base[KERF_DIMENSION_PEER] = ENV(env, KERF_ENV_PEER_BASE);
	}
}

static __always_inline void classify_named(struct kerf_walk *walk, __u32 env)
{
#pragma clang loop unroll(full)
	for (__u32 automaton = 0; automaton < KERF_AUTOMATA; automaton++) {
		if (!asks(walk, automaton))
			continue;
		__u64 at = (__u64)ENV(env, KERF_ENV_MATCH_CLASSES + automaton) + walk->match[automaton];
		walk->class[automaton] = WITHIN(at, kerf_ranks_count) ? kerf_ranks[at] : KERF_NOWHERE;
		walk->base[automaton] = ENV(env, KERF_ENV_MATCH_BASE + automaton);
	}
}

static __always_inline void classify_number(struct kerf_walk *walk, __u32 env)
{
	__u64 at = ENV(env, KERF_ENV_NUMBER_AT);

	walk->class[KERF_DIMENSION_NUMBER] =
		WITHIN(at, sizeof(walk->seen) - 3) ?
			search32(ENV(env, KERF_ENV_NUMBER_KEYS), ENV(env, KERF_ENV_NUMBER_DEPTH), ENV(env, KERF_ENV_NUMBER_RANKS),
				 *(const __u32 *)((const char *)&walk->seen + at)) :
			KERF_NOWHERE;
	walk->base[KERF_DIMENSION_NUMBER] = ENV(env, KERF_ENV_NUMBER_BASE);
}

/* An event about an address must not be read as one about a name, whatever the record says, and no dimension is passed over
 * that rows ask for. Not 0: refuse. */
static __always_inline int classify(struct kerf_walk *walk, __u32 env, int named)
{
	walk->dimensions = ENV(env, KERF_ENV_DIMENSIONS);
	if (named != (int)ENV(env, KERF_ENV_FILES) || ENV(env, KERF_ENV_DIMENSIONS) & ~LENGTH(kerf_dimensions))
		return 1;
	if (named)
		classify_named(walk, env);
	else
		classify_net(walk, env);
	if (asks(walk, KERF_DIMENSION_NUMBER))
		classify_number(walk, env);
	return 0;
}

/* `segment`: where the binding's segment begins in its words. Not 0: refuse. */
static __always_inline int walk_rows(struct kerf_walk *walk, const struct kerf_binding *binding, __u64 segment, __u32 env)
{
	struct kerf_values *values = 0;

	if (kerf_has_code) {
		__u64 at = segment + ENV(env, KERF_ENV_VALUES);
		if (!WITHIN(at, kerf_binding_words - sizeof(*values) / 8 + 1))
			return 1;
		values = (struct kerf_values *)&binding->words[at];
	}
	__u64 summary = segment + ENV(env, KERF_ENV_ACTIVE);
	__u64 active = summary + ENV(env, KERF_ENV_SUMMARY_WORDS);
	__u64 blocks = (1ull << (ENV(env, KERF_ENV_BLOCKS) & 63)) - 1;

	if (class_blocks(walk, &blocks))
		return 1;
#pragma clang loop unroll(disable)
	for (__u64 turn = 0, turns = LENGTH(kerf_blocks_max); turn < turns; turn++) {
		if (!blocks)
			break;
		__u64 block = lowest_bit(blocks);
		blocks &= blocks - 1;
		__u64 at = summary + block, words_at = active + block * 64;
		if (!WITHIN(at, kerf_binding_words) || !WITHIN(words_at, kerf_binding_words - 63))
			return 1;
		__u64 words = binding->words[at];
		if (words && kerf_walk_block(walk, values, (struct kerf_active_block *)&binding->words[words_at], words, block))
			return 1;
	}
	return blocks != 0;
}

/* The segment that is in force; without deadlines the clock is not asked. */
static __always_inline __u64 segment_now(struct kerf_walk *walk, const struct kerf_binding *binding)
{
	__u64 segment = 0, now;

	if (binding->segment_count == 1)
		return 0;
	now = walk_time(walk);

#pragma clang loop unroll(full)
	for (int i = 0; i < KERF_SEGMENTS; i++)
		segment += less(now, binding->segment_until_ns[i]) ^ 1;
	return segment;
}

static __always_inline int refuse(struct kerf_walk *walk, __u32 reason)
{
	walk->decision.reason = reason;
	return 0;
}

/* Which environment of the binding: the event's, and for a directory the one of directories. + 1; 0: none. */
static __always_inline __u32 environment_of(const struct kerf_walk *walk, const struct kerf_binding *binding, int named)
{
	__u64 event = walk->seen.event;

	if (!WITHIN(event, KERF_EVENT_KINDS))
		return 0;
	return named && walk->seen.file.directory ? binding->directory_env[event] : binding->env[event];
}

/* Is the resource known by its text, and not by an address? */
static __always_inline int is_named(const struct kerf_walk *walk)
{
	if (!kerf_has_named)
		return 0;
	if (!kerf_has_endpoints)
		return 1;
	return !(KERF_ENDPOINT_EVENTS >> (walk->seen.event & 63) & 1);
}

static __always_inline __s32 errno_of(const struct kerf_walk *walk)
{
	__u64 event = walk->seen.event;

	return WITHIN(event, KERF_EVENT_KINDS) ? kerf_event_errnos[event] : KERF_EPERM;
}

/* The record for the address, if names are known for it and it belongs to the binding's. */
static __always_inline const struct kerf_binding *by_name(struct kerf_walk *walk, __u32 binding_id,
							  const struct kerf_binding *binding)
{
	const struct kerf_net_event *net = &walk->seen.net;
	struct kerf_name_key key = {net->address_high, net->address_low, net->v6, binding_id};
	const struct kerf_binding *named = bpf_map_lookup_elem(&kerf_named, &key);

	if (!named || named->generation != binding->generation || named->revision != binding->revision)
		return binding;
	walk->seen.net.names = named->names;
	return named;
}

/* Fills in walk->decision, mode and errno; of a file event after kerf_match. Not 0: refuse, a bound was hit. */
__attribute__((noinline)) int kerf_decide(struct kerf_walk *walk, __u32 binding_id)
{
	const __u32 zero = 0;

	if (!walk)
		return 1;
	__builtin_memset(&walk->decision, 0, sizeof(walk->decision));
	walk->decision.verdict = KERF_VERDICT_DENY;
	walk->refusal_errno = errno_of(walk);
	walk->now_ns = 0;
	walk->mode = KERF_MODE_ENFORCE;

	const struct kerf_binding *binding = record_of(binding_id);
	const struct kerf_state *state = bpf_map_lookup_elem(&kerf_state, &zero);
	if (!binding || !state || !binding_id)
		return refuse(walk, KERF_REASON_NO_RECORD);
	__u64 generation = FORGET(state->generation);
	if (!generation || binding->generation != generation)
		return refuse(walk, KERF_REASON_NO_RECORD);
	walk->generation = generation;
	walk->options = FORGET(state->options);
	if (walk->options & KERF_OPTION_NO_HITS)
		walk->trial = 1;
	walk->mode = binding->mode;
	int named = is_named(walk);
	if (!named)
		walk->seen.net.names = 0;
	if (kerf_reads_names && !named)
		binding = by_name(walk, binding_id, binding);
	__u32 bound = environment_of(walk, binding, named);
	if (!bound) {
		return refuse(walk, binding->mode == KERF_MODE_QUARANTINE ? KERF_REASON_QUARANTINE :
									    KERF_REASON_NO_APPLICABLE_ACTION);
	}
	__u64 env = bound - 1;
	if (!WITHIN(env, kerf_env_count))
		return 1;
	walk->refusal_errno = ENV(env, KERF_ENV_ERRNO);
	if (binding->mode == KERF_MODE_QUARANTINE)
		return refuse(walk, KERF_REASON_QUARANTINE);
	if (binding->mode > KERF_MODE_QUARANTINE)
		return 1;
	if (ASKED(kerf_asks_comm) && kerf_comm_events >> (walk->seen.event & 63) & 1 && kerf_comm_is_text(walk) != 1)
		return refuse(walk, KERF_REASON_NOT_TEXT);
	if (kerf_has_exe && kerf_exe_events >> (walk->seen.event & 63) & 1) {
		__u32 status = FORGET(walk->seen.exe_status);
		if (status != KERF_EXE_TOLD)
			return status ? refuse(walk, status) : 1;
	}
	walk->rows = ENV(env, KERF_ENV_ROWS);
	walk->forbid_end = ENV(env, KERF_ENV_FORBID_END);
	walk->permit_end = ENV(env, KERF_ENV_PERMIT_END);

	__u64 segment = segment_now(walk, binding);
	if (segment >= binding->segment_count)
		return 1;
	if (classify(walk, env, named) || walk_rows(walk, binding, segment * LENGTH(kerf_segment_words), env))
		return 1;
	if (walk->decision.reason == KERF_REASON_PERMIT)
		walk->decision.verdict = KERF_VERDICT_ALLOW;
	else if (walk->decision.reason != KERF_REASON_FORBID)
		walk->decision.reason = KERF_REASON_NO_PERMIT;
	return 0;
}

#endif
