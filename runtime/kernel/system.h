/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Operations on the system and on other tasks -> system.*, about the operation's fixed id. An event that an action binds
 * takes the place of the guard that covers it. A new operation is a row of system_names.def and a hook of a line. */
#ifndef KERF_SYSTEM_H
#define KERF_SYSTEM_H

#include "unix.h"

enum kerf_system_id {
#define KERF_SYSTEM(event, row, name, id, what) KERF_SYSTEM_##name,
#include "../../ir/values/system_names.def"
};

static const struct kerf_word kerf_system_words[] = {
#define KERF_SYSTEM(event, row, name, id, what) KERF_WORD(id),
#include "../../ir/values/system_names.def"
};
static const __u8 kerf_system_events[] = {
#define KERF_SYSTEM(event, row, name, id, what) KERF_EVENT_##event,
#include "../../ir/values/system_names.def"
};

/* What a hook saw: seen.def says which number is what. */
struct kerf_operation {
	__u32 id;              /* enum kerf_system_id, a constant */
	__u32 quiet;           /* 1: the kernel only asks whether it would be allowed; nothing is counted or reported */
	__u32 number[KERF_NUMBERS];
	const char *name;      /* in the kernel; 0: none */
};

/* Decides without a trace. Not 0: refused, by this errno. */
static __always_inline long decide_quietly(struct kerf_scratch *s, __u32 event)
{
	decide_event(s, event, 1);
	int passes = s->walk.decision.verdict == KERF_VERDICT_ALLOW || audited(&s->walk);
	__s32 error = s->walk.refusal_errno;

	scratch_release(s);
	return passes ? 0 : refuse_by(error);
}

static __always_inline long judge_system(const struct kerf_operation *operation)
{
	__u32 event = kerf_system_events[operation->id], binding;

	if (!current_is_bound(&binding))
		return 0;
	struct kerf_scratch *s = begin_operation(binding, KERF_BIT(event));
	if (!s)
		return -ERRNO_EPERM;
	const struct kerf_word *word = &kerf_system_words[operation->id];
	__u32 start = KERF_PATH_BYTES - word->length;
	__builtin_memcpy(s->walk.seen.number, operation->number, sizeof(s->walk.seen.number));
	if (operation->name)
		bpf_probe_read_kernel_str(s->walk.seen.file.fs_type, sizeof(s->walk.seen.file.fs_type), operation->name);
	write_word(s, start, word);
	FORGET(s->start) = start;
	name_is_text(s);
	if (operation->quiet)
		return decide_quietly(s, event);
	TRY(s, kerf_judge(s, KERF_BIT(event)));
	return end_operation(s);
}

#define SYSTEM_HOOK(function, hook, ...)                                                                            \
	SEC("lsm/" hook)                                                                                            \
	long function(__u64 *ctx)                                                                                   \
	{                                                                                                           \
		const struct kerf_operation operation = {__VA_ARGS__};                                              \
		(void)ctx;                                                                                          \
		return judge_system(&operation);                                                                    \
	}

SYSTEM_HOOK(kerf_system_mount, "sb_mount", .id = KERF_SYSTEM_MOUNT, .number = {ctx[3]}, .name = (const char *)ctx[2])
SYSTEM_HOOK(kerf_system_umount, "sb_umount", .id = KERF_SYSTEM_UMOUNT, .number = {ctx[1]})
SYSTEM_HOOK(kerf_system_move, "move_mount", .id = KERF_SYSTEM_MOVE_MOUNT)
SYSTEM_HOOK(kerf_system_pivot, "sb_pivotroot", .id = KERF_SYSTEM_PIVOT_ROOT)
SYSTEM_HOOK(kerf_system_chroot, "path_chroot", .id = KERF_SYSTEM_CHROOT)
SYSTEM_HOOK(kerf_system_bpf, "bpf", .id = KERF_SYSTEM_BPF, .number = {ctx[0]})
SYSTEM_HOOK(kerf_system_perf, "perf_event_open", .id = KERF_SYSTEM_PERF_OPEN, .number = {ctx[1]})
SYSTEM_HOOK(kerf_system_key_alloc, "key_alloc", .id = KERF_SYSTEM_KEY_ALLOC)
SYSTEM_HOOK(kerf_system_key_use, "key_permission", .id = KERF_SYSTEM_KEY_USE)
SYSTEM_HOOK(kerf_system_request, "kernel_module_request", .id = KERF_SYSTEM_MODULE_REQUEST)
SYSTEM_HOOK(kerf_system_userns, "userns_create", .id = KERF_SYSTEM_USER_NAMESPACE)
SYSTEM_HOOK(kerf_system_capable, "capable", .id = KERF_SYSTEM_CAPABLE, .number = {ctx[2]}, .quiet = ctx[3] >> 1 & 1)
SYSTEM_HOOK(kerf_system_traceme, "ptrace_traceme", .id = KERF_SYSTEM_TRACEME)

#define READING_A_MODULE 2   /* of enum kernel_read_file_id, and of kernel_load_data_id */

static __always_inline long judge_module(__u32 what)
{
	const struct kerf_operation operation = {.id = KERF_SYSTEM_MODULE_LOAD};

	return what == READING_A_MODULE ? judge_system(&operation) : 0;
}

SEC("lsm/kernel_read_file")
long kerf_system_module(__u64 *ctx)
{
	return judge_module(ctx[1]);
}

SEC("lsm/kernel_load_data")
long kerf_system_module_data(__u64 *ctx)
{
	return judge_module(ctx[0]);
}

/* There is no hook for io_uring_setup(2) itself on 6.1 and 6.12, but for the file that it makes. */
SEC("lsm/inode_init_security_anon")
long kerf_system_io_uring(__u64 *ctx)
{
	const struct kerf_operation operation = {.id = KERF_SYSTEM_IO_URING};
	const struct qstr *name = (const struct qstr *)ctx[1];
	struct kerf_name read __attribute__((aligned(8))) = {};

	bpf_probe_read_kernel_str(read.text, sizeof(read.text), name->name);
	return SAME_NAME(&read, "[io_uring]") ? judge_system(&operation) : 0;
}

/* The other task: is it of the same binding? */
static __always_inline void fill_target(struct kerf_operation *operation, const struct task_struct *task)
{
	const struct kerf_tag *own = tag_of((const void *)bpf_get_current_task()), *other = tag_of(task);

	operation->number[1] = own && other && own->binding == other->binding;
	operation->number[2] = task->tgid;
}

#define PTRACE_ATTACHES 2u           /* PTRACE_MODE_ATTACH: more than looking */

SEC("lsm/ptrace_access_check")
long kerf_system_ptrace(__u64 *ctx)
{
	struct kerf_operation operation = {.id = KERF_SYSTEM_PTRACE, .number = {ctx[1]}, .quiet = (ctx[1] & PTRACE_QUIET) != 0};

	fill_target(&operation, (const struct task_struct *)ctx[0]);
	return judge_system(&operation);
}

/* Signal 0 sends nothing, and a process may do to itself what it likes. */
SEC("lsm/task_kill")
long kerf_system_signal(__u64 *ctx)
{
	const struct task_struct *task = (const struct task_struct *)ctx[0];
	struct kerf_operation operation = {.id = KERF_SYSTEM_SIGNAL, .number = {ctx[2]}};

	if (!operation.number[0] || (__u32)task->tgid == bpf_get_current_pid_tgid() >> 32)
		return 0;
	fill_target(&operation, task);
	return judge_system(&operation);
}

#define SYSCTL_PREFIX "sysctl/"
#define SYSCTL_BYTES 256

/* By the programs of the cgroup: whoever is in it. */
SEC("cgroup/sysctl")
int kerf_sysctl(struct bpf_sysctl *ctx)
{
	const __u32 prefix = sizeof(SYSCTL_PREFIX) - 1;

	if (!ctx->write)
		return 1;
	struct kerf_scratch *s = begin_operation(cgroup_binding(), KERF_BIT(KERF_EVENT_SYSTEM_SYSCTL));
	if (!s)
		return answer_cgroup(ERRNO_EPERM);
	long length = bpf_sysctl_get_name(ctx, s->text, SYSCTL_BYTES, 0);
	__u64 bytes = length;
	FORGET(s->unnamed) = KERF_REASON_TOO_LONG;
	if (length > 0 && WITHIN(bytes, SYSCTL_BYTES)) {
		__u32 start = KERF_PATH_BYTES - bytes - prefix;
		__builtin_memcpy(&s->text[start & (KERF_PATH_BYTES - 1)], SYSCTL_PREFIX, prefix);
		bpf_probe_read_kernel(&s->text[(start + prefix) & (KERF_PATH_BYTES - 1)], bytes, s->text);
		FORGET(s->start) = start;
		name_is_text(s);
	}
	TRY(s, kerf_judge(s, KERF_BIT(KERF_EVENT_SYSTEM_SYSCTL)));
	return answer_cgroup(-end_operation(s));
}

#endif
