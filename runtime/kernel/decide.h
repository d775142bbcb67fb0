/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Event + binding record -> decision. Every row of the environment that holds in the binding (active), for the
 * address, for the port and for the endpoint, or of a file for what each automaton found in its path, is found by AND
 * over bitmaps, two levels deep; what needs instructions is asked of generated code. The functions here that are not
 * static are verified once, on their own, which keeps the cost of 65,536 rows small; whatever goes wrong refuses. */
#ifndef KERF_DECIDE_H
#define KERF_DECIDE_H

#include "glue.h"

/* Overridden: permits where a forbid holds; they are counted and decide nothing. */
enum kerf_group { KERF_GROUP_FORBID, KERF_GROUP_PERMIT, KERF_GROUP_ERROR, KERF_GROUP_OVERRIDDEN };

#define ENV(env, field) (kerf_envs[(env) * KERF_ENV_FIELDS + (field)])

/* a < b as 1 or 0, without a branch: the verifier follows both sides of a branch. */
static __always_inline __u64 less(__u64 a, __u64 b)
{
	__u64 borrow = (~a & b) | ((~a | b) & (a - b));
	OPAQUE(borrow);
	return borrow >> 63;
}

/* Index of the lowest bit that is set, by de Bruijn multiplication. */
static const __u8 kerf_bit_index[64] = {
	 0,  1, 48,  2, 57, 49, 28,  3, 61, 58, 50, 42, 38, 29, 17,  4, 62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12,  5,
	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19,  9, 13,  8,  7,  6,
};

static __always_inline __u32 lowest_bit(__u64 bits)
{
	__u64 at = ((bits & -bits) * 0x03f79d71b4cb0a89ull) >> 58;
	OPAQUE(at);
	return kerf_bit_index[at & 63];
}

static __always_inline __u32 count_bits(__u64 x)
{
	x -= (x >> 1) & 0x5555555555555555ull;
	x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (x * 0x0101010101010101ull) >> 56;
}

#define KERF_NOWHERE 0xffffffffu

static __always_inline __u32 search32(__u32 keys, __u32 depth, __u32 ranks, __u32 key)
{
	__u64 node = 1;

#pragma clang loop unroll(disable)
	for (__u32 level = 0; level < kerf_depth32_max; level++) {
		if (level >= depth)
			break;
		__u64 at = keys + node;
		if (!WITHIN(at, kerf_keys32_count))
			return KERF_NOWHERE;
		__u64 difference = (__u64)key - kerf_keys32[at];
		OPAQUE(difference);
		node = node * 2 + (difference >> 63 ^ 1);
	}
	__u64 rank = ranks + node - (1ull << (depth & 31));
	return WITHIN(rank, kerf_ranks_count) ? kerf_ranks[rank] : KERF_NOWHERE;
}

static __always_inline __u32 search128(__u32 keys, __u32 depth, __u32 ranks, __u64 high, __u64 low)
{
	__u64 node = 1;

#pragma clang loop unroll(disable)
	for (__u32 level = 0; level < kerf_depth128_max; level++) {
		if (level >= depth)
			break;
		__u64 at = keys + node * 2;
		if (!WITHIN(at, kerf_keys128_count - 1))
			return KERF_NOWHERE;
		__u64 key_high = kerf_keys128[at];
		__u64 borrow = less(low, kerf_keys128[at + 1]);
		__u64 difference = high - key_high - borrow;
		__u64 below = (~high & key_high) | (~(high ^ key_high) & difference);
		OPAQUE(below);
		node = node * 2 + (below >> 63 ^ 1);
	}
	__u64 rank = ranks + node - (1ull << (depth & 31));
	return WITHIN(rank, kerf_ranks_count) ? kerf_ranks[rank] : KERF_NOWHERE;
}

static __always_inline __u32 find_peer(__u32 env, const struct kerf_net_event *net)
{
	__u32 others = ENV(env, KERF_ENV_PEER_OTHERS);

	if (!ENV(env, KERF_ENV_PEER_COUNT))
		return others;
	__u64 tail = net->port | (__u64)net->v6 << 16 | KERF_PEER_USED;
	__u64 hash = kerf_peer_hash(ENV(env, KERF_ENV_PEER_SEED), net->address_high, net->address_low, tail);
	__u64 shift_at = ENV(env, KERF_ENV_PEER_SHIFTS) + (hash & ENV(env, KERF_ENV_PEER_SHIFT_MASK));
	if (!WITHIN(shift_at, kerf_peer_shifts_count))
		return KERF_NOWHERE;
	__u64 slot = kerf_peer_slot(hash, kerf_peer_shifts[shift_at]) & ENV(env, KERF_ENV_PEER_SLOT_MASK);
	__u64 at = (ENV(env, KERF_ENV_PEER_SLOTS) + slot) * KERF_PEER_FIELDS;
	if (!WITHIN(at, kerf_peer_slots_count - (KERF_PEER_FIELDS - 1)))
		return KERF_NOWHERE;
	const __u64 *entry = &kerf_peer_slots[at];
	if (entry[KERF_PEER_TAIL] != tail || entry[KERF_PEER_HIGH] != net->address_high ||
	    entry[KERF_PEER_LOW] != net->address_low)
		return others;
	return entry[KERF_PEER_CLASS];
}

/* Where the entry of a class's block begins in kerf_blocks, which is all that is kept of it: 6.1 counts the stack of
 * every call on the way in steps of 32 bytes, and 512 is all there is. */
static __always_inline __u64 block_entry(__u32 class, __u32 block)
{
	__u64 at = (__u64)class + block;

	return WITHIN(at, kerf_class_blocks_count) ? kerf_class_blocks[at] : KERF_NOWHERE;
}

#define BLOCK_WITHIN(entry) WITHIN(entry, kerf_blocks_count - (KERF_BLOCK_FIELDS - 1))

/* These test the entry anew each time: 6.1 forgets what it knew of a value that was on the stack. 0: a bound was hit. */
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

static __always_inline void count_hit(const struct kerf_walk *walk, __u32 policy)
{
	struct kerf_hit *hit = walk->trial ? 0 : bpf_map_lookup_elem(&kerf_hits, &policy);

	if (hit) {
		__sync_fetch_and_add(&hit->hits, 1);
		hit->last_ns = walk->now_ns;
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
#pragma clang loop unroll(disable)
	for (__u32 turn = 0; turn < kerf_word_rows_max; turn++) {
		if (!bits)
			return 0;
		__u64 at = (FORGET(walk->rows) + (__u64)word * 64 + lowest_bit(bits)) * 2;
		bits &= bits - 1;
		if (!WITHIN(at, kerf_rows_count - 1))
			return 1;
		__u32 policy = kerf_rows[at], condition = kerf_rows[at + 1];
		if (policy >= kerf_policy_count)
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
	__u64 a = block_entry(walk->address, block), p = block_entry(walk->port, block), e = block_entry(walk->peer, block);
	if (!and_nonzero(&summary, a) || !and_nonzero(&summary, p) || !and_nonzero(&summary, e))
		return 1;
#pragma clang loop unroll(disable)
	for (__u32 turn = 0; turn < kerf_block_words_max; turn++) {
		if (!summary)
			return 0;
		__u64 word = lowest_bit(summary);
		summary &= summary - 1;
		if (!WITHIN(word, 64))
			return 1;
		__u64 bits = active->word[word];
		if (!and_row_word(&bits, a, FORGET(walk->address_base) + block * 64, word) ||
		    !and_row_word(&bits, p, FORGET(walk->port_base) + block * 64, word) ||
		    !and_row_word(&bits, e, FORGET(walk->peer_base) + block * 64, word))
			return 1;
		if (bits && kerf_walk_word(walk, values, bits, block * 64 + word))
			return 1;
	}
	return summary != 0;
}

static __always_inline void classify_net(struct kerf_walk *walk, __u32 env)
{
	const struct kerf_net_event *net = &walk->seen.net;

	if (net->v6) {
		walk->address = search128(ENV(env, KERF_ENV_IP6_KEYS), ENV(env, KERF_ENV_IP6_DEPTH),
					  ENV(env, KERF_ENV_IP6_RANKS), net->address_high, net->address_low);
		walk->address_base = ENV(env, KERF_ENV_IP6_BASE);
	} else {
		walk->address = search32(ENV(env, KERF_ENV_IP4_KEYS), ENV(env, KERF_ENV_IP4_DEPTH),
					 ENV(env, KERF_ENV_IP4_RANKS), net->address_low);
		walk->address_base = ENV(env, KERF_ENV_IP4_BASE);
	}
	walk->port = search32(ENV(env, KERF_ENV_PORT_KEYS), ENV(env, KERF_ENV_PORT_DEPTH), ENV(env, KERF_ENV_PORT_RANKS),
			      net->port);
	walk->port_base = ENV(env, KERF_ENV_PORT_BASE);
	walk->peer = find_peer(env, net);
	walk->peer_base = ENV(env, KERF_ENV_PEER_BASE);
}

static __always_inline __u32 match_class(const struct kerf_walk *walk, __u32 env, __u32 automaton)
{
	__u64 at = (__u64)ENV(env, KERF_ENV_MATCH_CLASSES + automaton) + walk->match[automaton];

	return WITHIN(at, kerf_ranks_count) ? kerf_ranks[at] : KERF_NOWHERE;
}

static __always_inline void classify_file(struct kerf_walk *walk, __u32 env)
{
	walk->address = match_class(walk, env, 0);
	walk->address_base = ENV(env, KERF_ENV_MATCH_BASE);
	walk->port = match_class(walk, env, 1);
	walk->port_base = ENV(env, KERF_ENV_MATCH_BASE + 1);
	walk->peer = match_class(walk, env, 2);
	walk->peer_base = ENV(env, KERF_ENV_MATCH_BASE + 2);
}

/* An event that is no file event must not be read as one, whatever the record says. Not 0: refuse. */
static __always_inline int classify(struct kerf_walk *walk, __u32 env, int file)
{
	if (file != (int)ENV(env, KERF_ENV_FILES))
		return 1;
	if (file)
		classify_file(walk, env);
	else
		classify_net(walk, env);
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

#pragma clang loop unroll(disable)
	for (__u32 block = 0; block < kerf_blocks_max; block++) {
		if (block >= ENV(env, KERF_ENV_BLOCKS))
			break;
		__u64 at = summary + block, words_at = active + block * 64;
		if (!WITHIN(at, kerf_binding_words) || !WITHIN(words_at, kerf_binding_words - 63))
			return 1;
		__u64 words = binding->words[at];
		if (words && kerf_walk_block(walk, values, (struct kerf_active_block *)&binding->words[words_at], words, block))
			return 1;
	}
	return 0;
}

static __always_inline __u64 segment_now(const struct kerf_binding *binding, __u64 now)
{
	__u64 segment = 0;

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
static __always_inline __u32 environment_of(const struct kerf_walk *walk, const struct kerf_binding *binding, int file)
{
	__u64 event = walk->seen.event;

	if (!WITHIN(event, KERF_EVENT_KINDS))
		return 0;
	return file && walk->seen.file.directory ? binding->directory_env[event] : binding->env[event];
}

static __always_inline int is_file(const struct kerf_walk *walk)
{
	if (!(kerf_governed & KERF_FILE_EVENTS))
		return 0;
	if (!(kerf_governed & KERF_NET_EVENTS))
		return 1;
	return walk->seen.event != KERF_EVENT_NET_CONNECT;
}

static __always_inline __s32 errno_of(const struct kerf_walk *walk)
{
	__u64 event = walk->seen.event;

	return WITHIN(event, KERF_EVENT_KINDS) ? kerf_event_errnos[event] : KERF_EPERM;
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
	walk->now_ns = bpf_ktime_get_boot_ns();
	walk->mode = KERF_MODE_ENFORCE;

	const struct kerf_binding *binding = bpf_map_lookup_elem(&kerf_bindings, &binding_id);
	const struct kerf_state *state = bpf_map_lookup_elem(&kerf_state, &zero);
	if (!binding || !state || !binding_id)
		return refuse(walk, KERF_REASON_NO_RECORD);
	__u64 generation = FORGET(state->generation);
	if (!generation || binding->generation != generation)
		return refuse(walk, KERF_REASON_NO_RECORD);
	walk->generation = generation;
	if (FORGET(state->options) & KERF_OPTION_NO_HITS)
		walk->trial = 1;
	walk->mode = binding->mode;
	int file = is_file(walk);
	__u32 bound = environment_of(walk, binding, file);
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
	walk->rows = ENV(env, KERF_ENV_ROWS);
	walk->forbid_end = ENV(env, KERF_ENV_FORBID_END);
	walk->permit_end = ENV(env, KERF_ENV_PERMIT_END);

	__u64 segment = segment_now(binding, walk->now_ns);
	if (segment >= binding->segment_count)
		return 1;
	if (classify(walk, env, file) || walk_rows(walk, binding, segment * kerf_segment_words, env))
		return 1;
	if (walk->decision.reason == KERF_REASON_PERMIT)
		walk->decision.verdict = KERF_VERDICT_ALLOW;
	else if (walk->decision.reason != KERF_REASON_FORBID)
		walk->decision.reason = KERF_REASON_NO_PERMIT;
	return 0;
}

#endif
