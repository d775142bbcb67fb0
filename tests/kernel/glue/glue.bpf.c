// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The hooks of runtime/kernel with a decision that a test can foresee: below a component "deny", and for the port 7, the
 * events of the map's mask are refused; everything else is allowed. */
#define KERF_BINDING_BYTES_MARK 640
#define KERF_POLICY_COUNT_MARK 1
#include "runtime/kernel/scratch.h"

const volatile __u64 kerf_governed = GOVERNED;
const volatile __u32 kerf_reads_clock = 0;
const volatile __u32 kerf_reads_command = 1;
const volatile __u32 kerf_reads_task = 0;
const volatile __u32 kerf_reads_user = 0;
const volatile __u32 kerf_reads_fs_type = GOVERNED != KERF_ALL_EVENTS;   /* of two variants the second reads it beforehand */
const volatile __u64 kerf_exe_events = 0;
const volatile __u64 kerf_bundle_digest[2] = {0x65756c67, 0};   /* "glue" */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
} test_denied SEC(".maps");

/* States of the automaton: letters of "deny" seen since the last '/'; in another component; below such a directory. */
enum { START, D, DE, DEN, DENY, OTHER, BELOW, STATES };
enum { ELSE, SLASH, LETTER_D, LETTER_E, LETTER_N, LETTER_Y, LETTERS };

static const __u8 letter[256] = {['/'] = SLASH, ['d'] = LETTER_D, ['e'] = LETTER_E, ['n'] = LETTER_N, ['y'] = LETTER_Y};
#define CELLS 64
static const __u8 next[CELLS] = {
	OTHER, START, D, OTHER, OTHER, OTHER,
	OTHER, START, OTHER, DE, OTHER, OTHER,
	OTHER, START, OTHER, OTHER, DEN, OTHER,
	OTHER, START, OTHER, OTHER, OTHER, DENY,
	OTHER, BELOW, OTHER, OTHER, OTHER, OTHER,
	OTHER, START, OTHER, OTHER, OTHER, OTHER,
	BELOW, BELOW, BELOW, BELOW, BELOW, BELOW,
};

__attribute__((noinline)) int kerf_match(struct kerf_scratch *s)
{
	if (!s)
		return KERF_REASON_INTERNAL;
	__u64 at = s->start, state = START;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < KERF_PATH_BYTES; i++) {
		if (!WITHIN(at, KERF_PATH_BYTES))
			break;
		__u64 cell = (state * LETTERS + letter[(__u8)s->text[at]]) & (CELLS - 1);
		OPAQUE(cell);
		state = next[cell & (CELLS - 1)];
		at++;
	}
	s->state[0] = s->walk.match[0] = state;
	s->state[1] = s->state[2] = 0;
	return 0;
}

__attribute__((noinline)) int kerf_match_exe(struct kerf_scratch *s)
{
	return s ? KERF_REASON_INTERNAL : KERF_REASON_NO_PATH;   /* nobody asks */
}

__attribute__((noinline)) int kerf_match_below(struct kerf_scratch *s)
{
	if (!s)
		return KERF_REASON_INTERNAL;
	__u64 cell = (__u64)FORGET(s->state[0]) * LETTERS + SLASH;
	if (!WITHIN(cell, STATES * LETTERS))
		return KERF_REASON_INTERNAL;
	s->state[0] = next[cell];
	return 0;
}

static __always_inline int denied_place(const struct kerf_walk *walk, __u32 only_files)
{
	if (walk->seen.event == KERF_EVENT_NET_CONNECT)
		return walk->seen.net.port == 7;
	if (walk->match[0] != DENY && walk->match[0] != BELOW)
		return 0;
	return !(walk->seen.file.directory && only_files);
}

__attribute__((noinline)) int kerf_decide(struct kerf_walk *walk, __u32 binding_id)
{
	const __u32 zero = 0;

	if (!walk)
		return 1;
	__builtin_memset(&walk->decision, 0, sizeof(walk->decision));
	walk->decision.verdict = KERF_VERDICT_DENY;
	walk->decision.reason = KERF_REASON_NO_RECORD;
	walk->now_ns = bpf_ktime_get_boot_ns();
	walk->mode = KERF_MODE_ENFORCE;
	walk->refusal_errno = 100 + walk->seen.event;
	const struct kerf_binding *binding = record_of(binding_id);
	const __u32 *denied = bpf_map_lookup_elem(&test_denied, &zero);
	const struct kerf_state *state = bpf_map_lookup_elem(&kerf_state, &zero);

	walk->options = state ? state->options : 0;
	if (!binding || !denied || !binding_id)
		return 0;
	walk->mode = binding->mode;
	walk->generation = binding->generation;
	if (walk->mode == KERF_MODE_QUARANTINE) {
		walk->decision.reason = KERF_REASON_QUARANTINE;
		return 0;
	}
	int refused = denied_place(walk, *denied >> 30 & 1) && *denied >> (walk->seen.event & 31) & 1;
	walk->decision.reason = refused ? KERF_REASON_FORBID : KERF_REASON_PERMIT;
	walk->decision.verdict = refused ? KERF_VERDICT_DENY : KERF_VERDICT_ALLOW;
	return 0;
}

#include "runtime/kernel/cgroup.h"
#include "runtime/kernel/fence.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/append.h"
#include "runtime/kernel/rename.h"
#include "runtime/kernel/anchor.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
