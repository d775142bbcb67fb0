/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Memory for one decision: a slot claimed from a pool. Per-CPU memory would be clobbered by a decision that
 * preempts this one, and task storage fails look-ups on 6.1. */
#ifndef KERF_SCRATCH_H
#define KERF_SCRATCH_H

#include "glue.h"

#define KERF_TEXT_SLACK (KERF_ANCHOR_BYTES + 8)   /* behind the text, so that the verifier sees no write past the end */

struct kerf_scratch {
	__u32 busy;
	__u32 number;                             /* which one it is */
	__u32 binding;                            /* 0: none, refused as without record */
	/* the walk from the object up to its anchor */
	__u32 off, full, seen, anchor, full_at_anchor, depth, seq, tries;
	__u32 flags, folded, ambiguous_at_anchor;
	__u32 rooted, compares, folds;            /* the file system (look_at_root) */
	__u64 root, super;                        /* addresses: of its root, and of its super_block for the record (0: none) */
	/* the canonical path is text[start, KERF_PATH_BYTES) */
	__u32 start;
	__u32 position, bytes_seen, text_state;   /* the pass over the text */
	__u32 state[KERF_EXE_AUTOMATON + 1];
	__u32 unnamed;                            /* enum kerf_reason: why the object has no canonical path; 0: it has one */
	/* the operation: the first event in the model's order that refuses it, and its errno; 0: none does */
	__u32 refused_event;
	__s32 refused_errno;
	__u32 kind, failed;                       /* what kind of it; 1: ours went wrong */
	/* what a guard remembers of the old name: events allowed there, and the states below a directory */
	__u64 allowed, old_allowed, other_allowed;
	__u32 ioctl_class[KERF_AUTOMATA], old_ioctl[KERF_AUTOMATA], other_ioctl[KERF_AUTOMATA];
	__u32 incomparable, old_below[KERF_AUTOMATA];
	struct kerf_walk walk;
	struct kerf_event_record record;          /* of the event that is being reported */
	char text[KERF_PATH_BYTES + KERF_TEXT_SLACK];
};

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KERF_SCRATCH_SLOTS);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct kerf_scratch));
} kerf_scratch SEC(".maps");

/* 0: all slots are taken. What the slot holds is whatever the last decision left. */
static __always_inline struct kerf_scratch *scratch_claim(void)
{
	__u32 first = bpf_get_smp_processor_id() * 4;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < KERF_SCRATCH_SLOTS; i++) {
		__u32 key = (first + i) & (KERF_SCRATCH_SLOTS - 1);
		struct kerf_scratch *slot = bpf_map_lookup_elem(&kerf_scratch, &key);

		if (slot && __sync_val_compare_and_swap(&slot->busy, 0, 1) == 0) {
			if (kerf_exe_events)
				slot->number = key;
			return slot;
		}
	}
	return 0;
}

/* Beside a slot, where some action asks for it: the path of the executable of the task that acts. */
struct kerf_exe_text {
	__u32 length;
	__u32 reserved;
	char text[KERF_PATH_BYTES + KERF_TEXT_SLACK];
};

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KERF_SCRATCH_SLOTS);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct kerf_exe_text));
} kerf_exe_texts SEC(".maps");

static __always_inline struct kerf_exe_text *exe_text(const struct kerf_scratch *s)
{
	__u32 number = FORGET(s->number);

	return bpf_map_lookup_elem(&kerf_exe_texts, &number);
}

_Static_assert(__builtin_offsetof(struct kerf_scratch, text) % 8 == 0, "the text is scanned by words");

static __always_inline void scratch_release(struct kerf_scratch *slot)
{
	__sync_lock_test_and_set(&slot->busy, 0);
}

#endif
