/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Object in a scratch slot + events -> decisions, counters, records, one errno. The functions that are not static are
 * verified once and serve all hooks. */
#ifndef KERF_JUDGE_H
#define KERF_JUDGE_H

#include "bits.h"
#include "exe.h"
#include "identity.h"

#define NO_EVENT KERF_EVENT_KINDS

/* What stands for an event that no action binds: the file.create of a directory, the file.write of that, the file.exec of a mapping. */
static __always_inline __u64 resolved(__u32 event, __u64 general)
{
	return kerf_governed & KERF_BIT(event) ? KERF_BIT(event) : general;
}

static __always_inline __u64 governed(__u32 event)
{
	return kerf_governed & KERF_BIT(event);
}

static __always_inline __u64 creating(void)
{
	return resolved(KERF_EVENT_FILE_CREATE, governed(KERF_EVENT_FILE_WRITE));
}

static __always_inline __u64 deleting(void)
{
	return resolved(KERF_EVENT_FILE_DELETE, governed(KERF_EVENT_FILE_WRITE));
}

/* A name for an object of this kind: type bits of a mode, 0 is a file. A socket is bound to one: resolved by who asks. */
static __always_inline __u64 making(__u32 mode)
{
	__u32 type = mode & MODE_TYPE;

	if (type == MODE_DIRECTORY)
		return resolved(KERF_EVENT_FILE_MKDIR, creating());
	if (type == MODE_SYMLINK)
		return resolved(KERF_EVENT_FILE_SYMLINK, creating());
	if (type == MODE_FIFO || type == MODE_CHARACTER || type == MODE_BLOCK)
		return resolved(KERF_EVENT_FILE_MKNOD, creating());
	return creating();
}

static __always_inline __u64 removing(__u32 mode)
{
	return (mode & MODE_TYPE) == MODE_DIRECTORY ? resolved(KERF_EVENT_FILE_RMDIR, deleting()) : deleting();
}

/* What changes a file that is there, and writes where it is not bound itself. */
static __always_inline __u64 changing(__u32 event)
{
	return resolved(event, governed(KERF_EVENT_FILE_WRITE));
}

static __always_inline __u64 mapping(void)
{
	return resolved(KERF_EVENT_LIB_LOAD, governed(KERF_EVENT_FILE_EXEC));
}

/* No helper tells wall time. CLOCK_TAI runs beside it, at a distance that time daemons set and leap seconds change. */
static __always_inline __u64 clock_now(void)
{
	const __u32 zero = 0;
	const struct kerf_state *state = kerf_reads_clock ? bpf_map_lookup_elem(&kerf_state, &zero) : 0;

	return state ? (bpf_ktime_get_tai_ns() - state->tai_offset_ns) / 1000000 : 0;
}

/* By copying, not by following pointers: programs of cgroups come here too. */
static __always_inline void tell_task(struct kerf_seen *seen)
{
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task();
	const struct pid *pid = BPF_CORE_READ(task, thread_pid);
	const struct cred *cred = BPF_CORE_READ(task, cred);
	__u64 upid = (__u64)pid + bpf_core_field_offset(struct pid, numbers) +
		     (__u64)BPF_CORE_READ(pid, level) * bpf_core_type_size(struct upid);

	seen->task_told = 1;
	seen->pid_namespace = BPF_CORE_READ((const struct upid *)upid, ns, ns.inum);
	seen->capabilities = 0;
	if (!BPF_CORE_READ(cred, user_ns, level))
		BPF_CORE_READ_INTO(&seen->capabilities, cred, cap_effective);
	bpf_get_current_comm(seen->comm, sizeof(seen->comm));
}

/* What every event of an operation shares. The record has the user ids in any case (fill_record). */
static __always_inline void fill_task(struct kerf_seen *seen)
{
	__u64 uid_gid = kerf_reads_user ? bpf_get_current_uid_gid() : 0;

	seen->clock_ms = clock_now();
	seen->uid = (__u32)uid_gid;
	seen->gid = uid_gid >> 32;
	seen->pid = bpf_get_current_pid_tgid() >> 32;
	if (kerf_reads_task)
		tell_task(seen);
}

/* What audit mode lets pass: a policy's denial and what cannot be observed, never a failure of our own. */
static __always_inline int audited(const struct kerf_walk *walk)
{
	__u32 reason = walk->decision.reason;

	return walk->mode == KERF_MODE_AUDIT &&
	       (reason == KERF_REASON_FORBID || reason == KERF_REASON_NO_PERMIT ||
		reason == KERF_REASON_NO_APPLICABLE_ACTION || reason == KERF_REASON_NO_PATH ||
		reason == KERF_REASON_TOO_LONG || reason == KERF_REASON_NOT_TEXT || reason == KERF_REASON_RACED ||
		reason == KERF_REASON_NAME_AMBIGUOUS);
}

/* A program's answer. A positive one would be taken for a pointer, so the verifier wants bounds, and in 64 bits: answers
 * are `long` from here to the hook. */
static __always_inline long refuse_by(__s32 error)
{
	long answer = -(long)error;

	OPAQUE(answer);
	if (answer >= 0)
		return -ERRNO_EPERM;
	if (answer < -4095)
		return -ERRNO_EPERM;
	return answer;
}

static __always_inline void set_denial(struct kerf_walk *walk, __u32 reason)
{
	__builtin_memset(&walk->decision, 0, sizeof(walk->decision));
	walk->decision.verdict = KERF_VERDICT_DENY;
	walk->decision.reason = reason;
}

/* Decides one event about the object; an object without a name is refused with the reason for that. */
static __always_inline void decide_event(struct kerf_scratch *s, __u32 event, int trial)
{
	struct kerf_walk *walk = &s->walk;
	__u32 unnamed = FORGET(s->unnamed);

	walk->seen.event = event;
	walk->trial = trial || unnamed;
	if (kerf_decide(walk, FORGET(s->binding)))
		set_denial(walk, KERF_REASON_INTERNAL);
	__u32 reason = FORGET(walk->decision.reason);
	if (unnamed && reason != KERF_REASON_NO_RECORD && reason != KERF_REASON_QUARANTINE)
		set_denial(walk, unnamed);
}

/* Decides every event of the mask about the object; each is counted and reported, and the first that refuses, in the
 * model's order, leaves its errno. Not 0: ours went wrong, refuse. */
__attribute__((noinline)) int kerf_judge(struct kerf_scratch *s, __u64 events)
{
	if (!s)
		return 1;
#pragma clang loop unroll(disable)
	for (__u32 turn = KERF_EVENT_FILE_READ; turn < KERF_EVENT_END && events; turn++) {
		__u32 event = lowest_bit(events);

		events &= events - 1;
		decide_event(s, event, 0);
		int allowed = s->walk.decision.verdict == KERF_VERDICT_ALLOW;
		int passes = allowed || audited(&s->walk);
		count_decision(!allowed, 0);
		if (!allowed || logs_allows(&s->walk))
			count_lost(kerf_report_file(s, FORGET(s->binding), passes ? 0 : s->walk.refusal_errno, KERF_GUARD_NONE));
		if (!passes && event < FORGET(s->refused_event)) {
			s->refused_event = event;
			s->refused_errno = s->walk.refusal_errno;
		}
	}
	return events != 0;
}

/* Whether an ioctl is allowed may hang on its command, which no guard knows: s->ioctl_class says which rows about it the name
 * leaves. */
static __always_inline void note_ioctl(struct kerf_scratch *s)
{
	struct kerf_walk *walk = &s->walk;
	__u32 asked = FORGET(walk->decision.reason) == KERF_REASON_NO_APPLICABLE_ACTION ? 0 : FORGET(walk->dimensions);

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < KERF_AUTOMATA; i++)
		s->ioctl_class[i] = asked >> i & 1 ? FORGET(walk->class[i]) : ~0u;
}

/* Which governed events are allowed about the object: s->allowed. Nothing is counted or reported. Not 0: it cannot be
 * told, and s->walk says why. */
__attribute__((noinline)) int kerf_survey(struct kerf_scratch *s)
{
	if (!s)
		return 1;
	FORGET(s->allowed) = 0;
#pragma clang loop unroll(disable)
	for (__u32 event = KERF_EVENT_FILE_READ; event <= KERF_LAST_FILE_EVENT; event++) {
		if (!(kerf_governed >> event & 1))
			continue;
		decide_event(s, event, 1);
		__u32 reason = FORGET(s->walk.decision.reason);
		if (reason != KERF_REASON_PERMIT && reason != KERF_REASON_FORBID && reason != KERF_REASON_NO_PERMIT &&
		    reason != KERF_REASON_NO_APPLICABLE_ACTION)
			return 1;
		if (FORGET(s->walk.decision.verdict) == KERF_VERDICT_ALLOW)
			FORGET(s->allowed) |= KERF_BIT(event);
		if (event == KERF_EVENT_FILE_IOCTL && kerf_reads_command)
			note_ioctl(s);
	}
	return 0;
}

/* No slot is free: refused without a look at the object, since there is no room for its name. */
__attribute__((noinline)) int kerf_no_slot(__u32 binding, __u32 event)
{
	struct kerf_walk walk = {};
	struct kerf_counters *c = counters();

	if (c)
		__sync_fetch_and_add(&c->no_slot, 1);
	walk.seen.event = event;
	walk.now_ns = bpf_ktime_get_boot_ns();
	fill_task(&walk.seen);
	set_denial(&walk, KERF_REASON_NO_SLOT);
	count_decision(1, 0);
	report(&walk, binding, ERRNO_EACCES, KERF_GUARD_NONE);
	return 0;
}

static __always_inline __u32 first_event(__u64 events)
{
	return events ? lowest_bit(events) : NO_EVENT;
}

/* A slot for one operation; 0: refused. */
static __always_inline struct kerf_scratch *begin_operation(__u32 binding, __u64 events)
{
	struct kerf_scratch *s = scratch_claim();

	if (!s) {
		kerf_no_slot(binding, first_event(events));
		return 0;
	}
	FORGET(s->binding) = binding;
	FORGET(s->refused_event) = NO_EVENT;
	FORGET(s->refused_errno) = 0;
	FORGET(s->failed) = 0;
	FORGET(s->super) = 0;
	__builtin_memset(&s->walk.seen, 0, sizeof(s->walk.seen));
	fill_task(&s->walk.seen);
	fill_exe(s, events);
	return s;
}

/* Ours may go wrong in a step of an operation, which is then refused whatever else it finds. The step's variables are in
 * the slot, so that what follows begins in one state for the verifier. */
#define TRY(s, call)                                                                                                \
	do {                                                                                                        \
		if (call)                                                                                           \
			FORGET((s)->failed) = 1;                                                                    \
	} while (0)

static __always_inline long end_operation(struct kerf_scratch *s)
{
	__u32 event = FORGET(s->refused_event), failed = FORGET(s->failed);
	__s32 error = FORGET(s->refused_errno);

	scratch_release(s);
	if (event != NO_EVENT)
		return refuse_by(error);
	return failed ? -ERRNO_EPERM : 0;
}

/* What is seen of the object but its path. `exists` 0: only the name of something to be made. The name of the file system type waits
 * for the record where no policy can ask for it. */
static __always_inline void describe_inode(const struct inode *inode, const struct super_block *sb, struct kerf_scratch *s, int exists,
					  int directory)
{
	struct kerf_file_event *file = &s->walk.seen.file;

	if (kerf_reads_fs_type) {
		__builtin_memset(file->fs_type, 0, sizeof(file->fs_type));
		bpf_probe_read_kernel_str(file->fs_type, sizeof(file->fs_type), sb->s_type->name);
	} else {
		FORGET(s->super) = (__u64)sb;
	}
	file->exists = exists;
	file->owner = exists ? inode->i_uid.val : 0;
	file->mode = exists ? inode->i_mode : 0;
	file->nlink = exists ? inode->i_nlink : 0;
	file->directory = directory;
}

static __always_inline void describe(struct dentry *dentry, struct kerf_scratch *s, int exists, int directory)
{
	describe_inode(dentry->d_inode, dentry->d_sb, s, exists, directory);
}

static __always_inline int is_directory(const struct dentry *dentry)
{
	return (dentry->d_inode->i_mode & MODE_TYPE) == MODE_DIRECTORY;
}

/* The whole of an operation on one object. `made` 1: on the name of something to be made, a directory if `directory`. */
static __always_inline long judge_dentry(struct dentry *at, __u32 binding, __u64 events, int made, int directory)
{
	struct dentry *dentry = plain(at);
	struct kerf_scratch *s = begin_operation(binding, events);

	if (!s)
		return -ERRNO_EACCES;
	describe(dentry, s, !made, made ? directory : is_directory(dentry));
	find_name(dentry, s);
	TRY(s, kerf_judge(s, events));
	return end_operation(s);
}

#endif
