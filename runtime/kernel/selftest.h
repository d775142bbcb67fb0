/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The self-test: decides a batch of events as the hooks would, for tests. A loader leaves it out. */
#ifndef KERF_SELFTEST_H
#define KERF_SELFTEST_H

#include "decision.h"

#define KERF_COPY_PIECE 1024   /* no more than the slack behind the text */

_Static_assert(KERF_COPY_PIECE <= KERF_TEXT_SLACK, "a piece may begin at the text's last byte");

/* Puts a path where a walk would have left it. Not 0: there is none. */
static __always_inline int selftest_put(struct kerf_scratch *s, const struct kerf_selftest_path *from, __u32 length)
{
	if (!length || length > KERF_PATH_BYTES)
		return 1;
	s->start = KERF_PATH_BYTES - length;
#pragma clang loop unroll(disable)
	for (__u32 done = 0; done < KERF_PATH_BYTES; done += KERF_COPY_PIECE) {
		__u64 at = FORGET(s->start) + done, rest = KERF_PATH_BYTES - at;

		if (!WITHIN(at, KERF_PATH_BYTES))
			break;
		if (!WITHIN(rest, KERF_COPY_PIECE))
			rest = KERF_COPY_PIECE;
		if (bpf_probe_read_kernel(&s->text[at], rest, &from->path[done]))
			return 1;
	}
	return 0;
}

/* The path of element `index`. */
__attribute__((noinline)) int kerf_selftest_text(struct kerf_scratch *s, __u32 index)
{
	__u32 key = index;
	const struct kerf_selftest_path *from = bpf_map_lookup_elem(&kerf_selftest_path, &key);

	return !s || !from || selftest_put(s, from, s->walk.seen.file.path_length);
}

/* The executable of element `index`, as kerf_find_exe would have told it. */
__attribute__((noinline)) int kerf_selftest_find_exe(struct kerf_scratch *s, __u32 index, __u32 length)
{
	__u32 key = index;
	const struct kerf_selftest_path *from = bpf_map_lookup_elem(&kerf_selftest_exe, &key);

	if (!s || !from || selftest_put(s, from, length))
		return 1;
	int reason = kerf_match_exe(s);
	s->walk.seen.exe_status = reason ? reason : KERF_EXE_TOLD;
	return 0;
}

static __always_inline int selftest_asks_exe(const struct kerf_seen *seen)
{
	return (kerf_exe_events >> (seen->event & 63) & 1) && !seen->exe_status;
}

static __always_inline void selftest_refuse(struct kerf_walk *walk, __u32 reason)
{
	__builtin_memset(&walk->decision, 0, sizeof(walk->decision));
	walk->decision.verdict = KERF_VERDICT_DENY;
	walk->decision.reason = reason;
}

static __always_inline int is_named_event(__u32 event)
{
	return event < KERF_EVENT_KINDS && (KERF_NAMED_EVENTS >> event & 1);
}

/* Not 0: the reason with which to refuse. */
static __always_inline int selftest_match(struct kerf_scratch *s)
{
	return (kerf_governed & KERF_NAMED_EVENTS) && is_named_event(s->walk.seen.event) ? kerf_match(s) : 0;
}

static __always_inline void selftest_decide(struct kerf_scratch *s, __u32 binding)
{
	int reason = selftest_match(s);

	if (reason) {
		selftest_refuse(&s->walk, reason);
		return;
	}
	if (kerf_decide(&s->walk, binding))
		selftest_refuse(&s->walk, KERF_REASON_INTERNAL);
}

/* Called, and does nothing. */
__attribute__((noinline)) int kerf_selftest_nothing(struct kerf_scratch *s)
{
	asm volatile("" : : "r"(s));
	return 0;
}

/* The whole decision, or a part of one that has been made, once more. */
__attribute__((noinline)) int kerf_selftest_again(struct kerf_scratch *s, __u32 binding, __u32 part)
{
	if (!s)
		return 1;
	if (part == KERF_SELFTEST_NOTHING)
		return kerf_selftest_nothing(s);
	if (part == KERF_SELFTEST_MATCHING)
		return selftest_match(s);
	if (part == KERF_SELFTEST_DECIDING)
		return kerf_decide(&s->walk, binding);
	selftest_decide(s, binding);
	return 0;
}

/* One element of the batch; a function of its own, so that the verifier looks at it once. */
__attribute__((noinline)) int kerf_selftest_one(__u32 index, __u32 repeat, __u32 part, __u32 trial)
{
	__u32 key = index;
	const struct kerf_selftest_in *in = bpf_map_lookup_elem(&kerf_selftest_in, &key);
	struct kerf_scratch *s = in ? scratch_claim() : 0;

	if (!s)
		return 1;
	s->walk.seen = in->seen;
	s->walk.trial = trial;
	if (selftest_asks_exe(&in->seen))
		kerf_selftest_find_exe(s, key, in->exe_length);   /* 1: not told, which refuses */
	if ((kerf_governed & KERF_NAMED_EVENTS) && is_named_event(in->seen.event) && kerf_selftest_text(s, key))
		selftest_refuse(&s->walk, KERF_REASON_TOO_LONG);
	else if (repeat)
		selftest_decide(s, in->binding);
#pragma clang loop unroll(disable)
	for (__u32 i = 1; i < KERF_SELFTEST_REPEATS; i++) {
		if (i >= repeat)
			break;
		kerf_selftest_again(s, in->binding, part);
	}
	long error = bpf_map_update_elem(&kerf_selftest_out, &key, &s->walk.decision, BPF_ANY);
	scratch_release(s);
	return error != 0;
}

SEC("syscall")
int kerf_selftest(struct kerf_selftest_args *args)
{
	__u32 count = args->count, repeat = args->repeat, part = args->part, trial = args->trial;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < KERF_SELFTEST_BATCH; i++) {
		if (i >= count)
			break;
		if (kerf_selftest_one(i, repeat, part, trial))
			return 1;
	}
	return 0;
}

#endif
