/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What every part of the glue needs: kernel and ABI types, maps, the tables that the compiler puts in, and the few
 * idioms that keep the kernel's verifier content. */
#ifndef KERF_GLUE_H
#define KERF_GLUE_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "../abi/policy_abi.h"
#include "marks.h"
#include "tables.h"

/* The object has three parts. The hooks (hooks.bpf.c), with all maps, and the decision (decision.bpf.c) are compiled once, when
 * kerf is built. What hooks must know of the policies are numbers beside the tables: the verifier knows them too, and drops what
 * they rule out. The decision, which is to be fast, has numbers in its instructions, as marks that are replaced (marks.h). The
 * third part, conditions that are code, is made by LLVM for each policy set that has some. */
#ifdef KERF_DECISION
#define KERF_MAP extern
#define KERF_TOLD(type) extern const volatile type
#else
#define KERF_MAP
/* Volatile: filled in later, so that no instruction may depend on the zeros. */
#define KERF_TOLD(type) const volatile type
#endif

#define KERF_EPERM 1
#define KERF_ECONNREFUSED 111

/* Hides a value's history from the optimiser, so that it neither drops a bound that the verifier needs, nor tests one
 * register and indexes with another, nor turns arithmetic back into branches. */
#define OPAQUE(x) asm volatile("" : "+r"(x))
/* Reads or writes through memory, so that the verifier forgets what it knew and all turns of a loop look alike. */
#define FORGET(x) (*(volatile typeof(x) *)&(x))
/* Compares a __u64 with a mark. The compiler takes "no" for unlikely. */
#define COMPARE(value, no, mark) ({                                                                       \
	__label__ otherwise;                                                                              \
	int holds = 0;                                                                                    \
	asm goto("if %0 " no " %1 goto %l2" : : "r"(value), "i"(mark) : : otherwise);                      \
	holds = 1;                                                                                        \
otherwise:                                                                                                \
	holds;                                                                                            \
})
#define BELOW(value, mark) COMPARE(value, ">=", mark)
#define AT_LEAST(value, mark) COMPARE(value, "<", mark)
/* Is this index (a __u64) within a table of `count`? */
#define WITHIN(index, count) ({ OPAQUE(index); IS_MARK(count) ? BELOW(index, count) : (index) < (count); })
/* A length as a number. */
#define LENGTH(mark) ({ __u64 length; asm("%0 = %1" : "=r"(length) : "i"(mark)); length; })
/* The same as WITHIN(), compared with a register: in loops over a text the verifier takes a third less work. */
#define WITHIN_LENGTH(index, count) ({ OPAQUE(index); (index) < LENGTH(count); })
/* The number is 0 or 1, and the verifier drops what it rules out: what is left of that is one instruction. */
#define ASKED(mark) ({                                                                                   \
	__label__ not_asked;                                                                              \
	int asked = 0;                                                                                    \
	asm goto("r0 = %0; if r0 == 0 goto %l1" : : "i"(mark) : "r0" : not_asked);                        \
	asked = 1;                                                                                        \
not_asked:                                                                                                \
	asked;                                                                                            \
})
#define IS_MARK(count) ((count) >= KERF_MARK_BASE - KERF_MARK_ROOM && (count) < KERF_MARK_BASE + KERF_MARKS * KERF_MARK_STEP)

enum kerf_mark {
#define KERF_MARKED(name) name = KERF_MARK_BASE + name##_index * KERF_MARK_STEP,
#include "numbers.def"
};

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, KERF_MAX_BINDINGS);
	__uint(key_size, 4);
	__uint(value_size, 4);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(max_entries, 1);
		__uint(key_size, 4);
		__uint(value_size, KERF_BINDING_BYTES_MARK);
	});
} kerf_bindings SEC(".maps");

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, KERF_MAX_NAMED);
	__uint(key_size, sizeof(struct kerf_name_key));
	__uint(value_size, KERF_BINDING_BYTES_MARK);
} kerf_named SEC(".maps");

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__uint(key_size, 8);
	__uint(value_size, sizeof(struct kerf_cgroup_slot));
} kerf_cgroup SEC(".maps");

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct kerf_state));
} kerf_state SEC(".maps");

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct kerf_counters));
} kerf_counters SEC(".maps");

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KERF_POLICY_COUNT_MARK);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct kerf_hit));
} kerf_hits SEC(".maps");

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 19);
} kerf_events SEC(".maps");

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KERF_SELFTEST_BATCH);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct kerf_selftest_in));
} kerf_selftest_in SEC(".maps");

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KERF_SELFTEST_BATCH);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct kerf_decision));
} kerf_selftest_out SEC(".maps");

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KERF_SELFTEST_BATCH);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct kerf_selftest_path));
} kerf_selftest_path SEC(".maps");

KERF_MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KERF_SELFTEST_BATCH);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct kerf_selftest_path));
} kerf_selftest_exe SEC(".maps");

/* Tables; all but kerf_envs have at least 64 elements where numbers.def has their lengths. */
extern const __u32 kerf_envs[];
extern const __u32 kerf_rows[];           /* two words a row: policy, code condition + 1 (0: none) */
extern const __u32 kerf_keys32[];
extern const __u64 kerf_keys64[];
extern const __u32 kerf_trees[];
extern const __u32 kerf_ranks[];          /* rank -> class: first of its blocks in kerf_class_blocks */
extern const __u32 kerf_class_blocks[];   /* of a class: mask of its blocks, first words of them in kerf_blocks */
extern const __u64 kerf_blocks[];
extern const __u64 kerf_words[];
extern const __u32 kerf_peer_factors[];
extern const __u64 kerf_peer_slots[];
extern const __u32 kerf_path_cells[];
extern const __u8 kerf_path_bytes[];
extern const __u64 kerf_path_edges[];

/* The decision is built several times: once for each choice of these (backends/bpf/CMakeLists.txt). */
extern const __u32 kerf_has_code;
extern const __u32 kerf_reads_names;
extern const __u32 kerf_has_named;        /* some action binds events whose resource is known by its text */
extern const __u32 kerf_has_exe;          /* some action binds the executable of the task */
extern const __u32 kerf_has_endpoints;    /* some action binds events whose resource is an endpoint */

/* What is told of the policies. */
KERF_TOLD(__u64) kerf_governed;           /* mask of events that some action binds */
KERF_TOLD(__u64) kerf_exe_events;         /* mask of events that some action binds the executable of the task for */
KERF_TOLD(__u32) kerf_policy_count;
KERF_TOLD(__u32) kerf_event_errnos[KERF_EVENT_KINDS];   /* by event: the refusal where no environment says one */
KERF_TOLD(__u32) kerf_path_starts[KERF_AUTOMATA + 1];   /* by automaton, that of executables too */
KERF_TOLD(__u64) kerf_comm_events;        /* mask of events that some action binds the name of the task for */
KERF_TOLD(__u32) kerf_reads_clock;
KERF_TOLD(__u32) kerf_reads_command;      /* some action binds ioctl.command */
KERF_TOLD(__u32) kerf_reads_task;         /* capabilities, pid namespace or name of the task */
KERF_TOLD(__u32) kerf_reads_user;         /* uid or gid of the task */
KERF_TOLD(__u32) kerf_reads_fs_type;      /* some type of objects has file.fs_type */
KERF_TOLD(__u64) kerf_bundle_digest[2];

/* The binding's record; 0: it has none. Two look-ups in arrays, for which the kernel puts in instructions instead of calls. */
static __always_inline const struct kerf_binding *record_of(__u32 binding)
{
	const __u32 zero = 0, slot = KERF_BINDING_SLOT(binding);
	void *own = bpf_map_lookup_elem(&kerf_bindings, &slot);
	const struct kerf_binding *record = own ? bpf_map_lookup_elem(own, &zero) : 0;

	if (record && record->binding != binding)
		record = 0;
	OPAQUE(record);   /* who asks again whether there is one must ask this pointer: verifiers know nothing else of it */
	return record;
}

struct kerf_values {
	struct kerf_value value[KERF_VALUE_SLOTS];
};

/* The active words of one block; a binding has slack behind its last segment, so all 64 can be read. */
struct kerf_active_block {
	__u64 word[64];
};

/* One event on its way through the decision; lives on the caller's stack or in a scratch slot. */
struct kerf_walk {
	struct kerf_seen seen;
	struct kerf_decision decision;
	__u64 now_ns;                     /* boot time; 0: not read yet */
	__u64 generation;
	__u32 mode;
	__s32 refusal_errno;
	__u32 rows;                       /* the environment's first row, and its groups of words */
	__u32 forbid_end;
	__u32 permit_end;
	__u32 group;                      /* enum kerf_group */
	__u32 dimensions;                 /* those that the environment asks for */
	__u32 class[KERF_DIMENSIONS];     /* in each of them: class and base bitmap */
	__u32 base[KERF_DIMENSIONS];
	__u32 entry[KERF_DIMENSIONS];     /* of the block that is walked over, in kerf_blocks */
	__u32 match[KERF_AUTOMATA];       /* what the path automata found: match classes */
	__u32 options;                    /* enum kerf_option, as they were when it was allowed */
	__u32 trial;                      /* 1: nobody's hit: a guard asks, or hits are not counted */
};

_Static_assert(__builtin_offsetof(struct kerf_walk, seen) == 0, "generated code reads the event at the walk's address");

/* The clock is read once for an event, and only if somebody asks. */
static __always_inline __u64 walk_time(struct kerf_walk *walk)
{
	__u64 now = FORGET(walk->now_ns);

	if (!now) {
		now = bpf_ktime_get_boot_ns();
		FORGET(walk->now_ns) = now;
	}
	return now;
}

/* Does the code condition hold? 0 no, 1 yes, anything else: refuse. Generated. */
extern int kerf_code(struct kerf_walk *walk, struct kerf_values *values, __u32 condition);

#endif
