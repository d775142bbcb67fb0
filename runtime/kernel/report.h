/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Decision -> counters and event records. Nothing here can change a decision, and nothing waits: without ring space
 * the event is lost and counted. */
#ifndef KERF_REPORT_H
#define KERF_REPORT_H

#include <bpf/bpf_core_read.h>

#include "kernel_types.h"
#include "scratch.h"

/* Word by word: bytes would need more registers than there are. */
static __always_inline void copy_digest(__u8 *to)
{
	__u64 *words = (__u64 *)to;

	words[0] = kerf_bundle_digest[0];
	words[1] = kerf_bundle_digest[1];
}

_Static_assert(__builtin_offsetof(struct kerf_event_record, bundle_digest) % 8 == 0, "the digest is copied by words");

static __always_inline struct kerf_counters *counters(void)
{
	const __u32 zero = 0;

	return bpf_map_lookup_elem(&kerf_counters, &zero);
}

static __always_inline void count_decision(int denied, int guard)
{
	struct kerf_counters *c = counters();

	if (!c)
		return;
	if (guard)
		__sync_fetch_and_add(&c->guards, 1);
	else
		__sync_fetch_and_add(&c->decisions, 1);
	if (denied)
		__sync_fetch_and_add(&c->denials, 1);
}

/* After an allow, which kerf_decide alone gives. */
static __always_inline int logs_allows(const struct kerf_walk *walk)
{
	return FORGET(walk->options) & KERF_OPTION_LOG_ALLOWS;
}

static __always_inline int guard_waived(__u32 guard)
{
	const __u32 zero = 0;
	const struct kerf_state *state = bpf_map_lookup_elem(&kerf_state, &zero);

	return state && state->waived_guards >> guard & 1;
}

/* Everything of a record but the path. */
static __always_inline void fill_record(struct kerf_event_record *record, const struct kerf_walk *walk, __u32 binding,
					__s32 refusal_errno, __u32 guard)
{
	__u64 uid_gid = bpf_get_current_uid_gid(), pid_tgid = bpf_get_current_pid_tgid();

	record->version = KERF_ABI_VERSION;
	record->kind = walk->seen.event;
	record->size = sizeof(*record);
	record->time_ns = walk->now_ns ? walk->now_ns : bpf_ktime_get_boot_ns();
	record->generation = walk->generation;
	record->cgroup_id = bpf_get_current_cgroup_id();
	record->binding = binding;
	record->pid = pid_tgid >> 32;
	record->tid = (__u32)pid_tgid;
	record->uid = (__u32)uid_gid;
	record->gid = uid_gid >> 32;
	record->refusal_errno = refusal_errno;
	record->mode = walk->mode;
	record->reserved0 = 0;
	record->decision = walk->decision;
	record->seen = walk->seen;
	if (!kerf_reads_user) {
		record->seen.uid = record->uid;
		record->seen.gid = record->gid;
	}
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	copy_digest(record->bundle_digest);
	record->payload_size = 0;
	record->guard = guard;
	record->exe_size = record->reserved1 = 0;
}

/* A function of its own, so that its stack does not lie below that of the decision. Not 0: the event is lost. */
__attribute__((noinline)) int kerf_report(const struct kerf_walk *walk, __u32 binding, __s32 refusal_errno, __u32 guard)
{
	if (!walk)
		return 1;
	struct kerf_event_record *record = bpf_ringbuf_reserve(&kerf_events, sizeof(*record), 0);

	if (!record)
		return 1;
	fill_record(record, walk, binding, refusal_errno, guard);
	bpf_ringbuf_submit(record, 0);
	return 0;
}

#define KERF_REPORT_PIECE 1024   /* no more than the slack behind the text */

_Static_assert(KERF_REPORT_PIECE <= KERF_TEXT_SLACK, "a piece may begin at the text's last byte");

/* The last `length` bytes of a path's text, `offset` bytes behind the record. */
static __always_inline int write_path(const char *text, __u32 length, __u32 offset, struct bpf_dynptr *space)
{
	__u32 start = KERF_PATH_BYTES - length;

#pragma clang loop unroll(disable)
	for (__u32 done = 0; done < KERF_PATH_BYTES; done += KERF_REPORT_PIECE) {
		__u64 at = start + done, rest = KERF_PATH_BYTES - at;

		if (!WITHIN(at, KERF_PATH_BYTES))
			break;
		if (!WITHIN(rest, KERF_REPORT_PIECE))
			rest = KERF_REPORT_PIECE;
		if (bpf_dynptr_write(space, sizeof(struct kerf_event_record) + offset + done, (void *)&text[at], rest, 0))
			return 1;
	}
	return 0;
}

/* How long the executable's path is that was told; 0: none was. */
static __always_inline __u32 exe_length(const struct kerf_scratch *s)
{
	const struct kerf_exe_text *kept = s->walk.seen.exe_status == KERF_EXE_TOLD ? exe_text(s) : 0;
	__u64 length = kept ? kept->length : 0;

	return WITHIN(length, KERF_PATH_BYTES + 1) ? length : 0;
}

static __always_inline int write_exe(const struct kerf_scratch *s, struct bpf_dynptr *space)
{
	const struct kerf_exe_text *kept = exe_text(s);

	return !kept || write_path(kept->text, s->record.exe_size, s->record.payload_size, space);
}

/* What describe() left out. */
static __always_inline void name_fs_type(struct kerf_scratch *s)
{
	const struct super_block *sb = (const void *)FORGET(s->super);
	char *name = s->record.seen.file.fs_type;

	if (sb)
		bpf_probe_read_kernel_str(name, KERF_FS_TYPE_BYTES, BPF_CORE_READ(sb, s_type, name));
}

/* The event of s->walk with its path, of an endpoint 0 bytes, and that of the executable. Not 0: the event is lost. */
__attribute__((noinline)) int kerf_report_file(struct kerf_scratch *s, __u32 binding, __s32 refusal_errno, __u32 guard)
{
	struct bpf_dynptr space;

	if (!s)
		return 1;
	fill_record(&s->record, &s->walk, binding, refusal_errno, guard);
	if (!kerf_reads_fs_type)
		name_fs_type(s);
	__u64 length = s->walk.seen.file.path_length;
	if (!WITHIN(length, KERF_PATH_BYTES + 1))
		return 1;
	s->record.payload_size = length;
	__u32 exe = kerf_exe_events ? exe_length(s) : 0;
	s->record.exe_size = exe;
	s->record.size = sizeof(s->record) + length + exe;
	if (bpf_ringbuf_reserve_dynptr(&kerf_events, s->record.size, 0, &space) ||
	    bpf_dynptr_write(&space, 0, &s->record, sizeof(s->record), 0) ||
	    write_path(s->text, s->record.payload_size, 0, &space) || (exe && write_exe(s, &space))) {
		bpf_ringbuf_discard_dynptr(&space, 0);
		return 1;
	}
	bpf_ringbuf_submit_dynptr(&space, 0);
	return 0;
}

/* `refusal_errno`: 0 if the call goes on. */
static __always_inline void count_lost(int lost)
{
	struct kerf_counters *c = lost ? counters() : 0;

	if (c)
		__sync_fetch_and_add(&c->events_lost, 1);
}

static __always_inline void report(const struct kerf_walk *walk, __u32 binding, __s32 refusal_errno, __u32 guard)
{
	count_lost(kerf_report(walk, binding, refusal_errno, guard));
}

#endif
