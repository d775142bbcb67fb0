/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a bound task may not do whatever the policies say, since it would get round them: load BPF, mount, act on tasks of
 * another binding or of none, write where the kernel is told what to run, which cgroup a task is in, or what enforces; and,
 * where a policy asks for it, say that it is another executable. */
#ifndef KERF_GUARDS_H
#define KERF_GUARDS_H

#include "protected.h"

static __always_inline long guard_against(__u32 guard)
{
	__u32 binding;

	if (!current_is_bound(&binding))
		return 0;
	kerf_guard(binding, guard);
	return -ERRNO_EPERM;
}

SEC("lsm/bpf")
long kerf_bpf(__u64 *ctx)
{
	(void)ctx;
	return guard_against(KERF_GUARD_BPF);
}

SEC("lsm/sb_mount")
long kerf_sb_mount(__u64 *ctx)
{
	(void)ctx;
	return guard_against(KERF_GUARD_MOUNT);
}

SEC("lsm/sb_umount")
long kerf_sb_umount(__u64 *ctx)
{
	(void)ctx;
	return guard_against(KERF_GUARD_MOUNT);
}

SEC("lsm/move_mount")
long kerf_move_mount(__u64 *ctx)
{
	(void)ctx;
	return guard_against(KERF_GUARD_MOUNT);
}

SEC("lsm/sb_pivotroot")
long kerf_sb_pivotroot(__u64 *ctx)
{
	(void)ctx;
	return guard_against(KERF_GUARD_MOUNT);
}

SEC("lsm/path_chroot")
long kerf_path_chroot(__u64 *ctx)
{
	(void)ctx;
	return guard_against(KERF_GUARD_MOUNT);
}

/* Is the task of another binding than this one, or of none? To act in it would be to act as somebody else. */
static __always_inline int is_foreign(const void *task, __u32 binding)
{
	const struct kerf_tag *tag = tag_of(task);

	return !binding || !tag || tag->binding != binding;
}

/* Reading memory, open files and the like through /proc asks here too; asking only whether it would be allowed is no
 * attempt, and not reported. */
SEC("lsm/ptrace_access_check")
long kerf_ptrace(__u64 *ctx)
{
	__u32 binding, mode = ctx[1];

	if (!current_is_bound(&binding) || !is_foreign((const void *)ctx[0], binding))
		return 0;
	if (!(mode & PTRACE_QUIET))
		kerf_guard(binding, KERF_GUARD_PTRACE);
	return -ERRNO_EPERM;
}

/* Signal 0 sends nothing. */
SEC("lsm/task_kill")
long kerf_task_kill(__u64 *ctx)
{
	__u32 binding, signal = ctx[2];

	if (!signal || !current_is_bound(&binding) || !is_foreign((const void *)ctx[0], binding))
		return 0;
	kerf_guard(binding, KERF_GUARD_SIGNAL);
	return -ERRNO_EPERM;
}

/* A map names an executable in memory that the task can still change, so no map is let through. Both numbers are an int to the
 * kernel. An answer of 0 leaves the call to the hook's own, "go on", which for this hook alone is another number. */
SEC("lsm/task_prctl")
long kerf_exe_file(__u64 *ctx)
{
	__u32 option = ctx[0], kind = ctx[1];

	if (option != PRCTL_SET_MM || (kind != SET_MM_EXE_FILE && kind != SET_MM_MAP))
		return 0;
	return guard_against(KERF_GUARD_EXE_FILE);
}

/* Where opens are governed, kerf_file_open asks the same. */
SEC("lsm/file_open")
long kerf_protected_open(__u64 *ctx)
{
	__u32 binding;

	return opens_to_change((const struct file *)ctx[0]) && current_is_bound(&binding) ? guard_open(ctx, binding) : 0;
}

/* Taking away or moving what is pinned ends enforcement as surely as writing does. */
static __always_inline long guard_entry(const struct dentry *entry)
{
	__u32 binding;

	if (!is_managed(plain((struct dentry *)entry)->d_sb->s_magic) || !current_is_bound(&binding))
		return 0;
	kerf_guard(binding, KERF_GUARD_PROTECTED_FILE);
	return -ERRNO_EPERM;
}

SEC("lsm/inode_unlink")
long kerf_protected_unlink(__u64 *ctx)
{
	return guard_entry((const struct dentry *)ctx[1]);
}

SEC("lsm/inode_rmdir")
long kerf_protected_rmdir(__u64 *ctx)
{
	return guard_entry((const struct dentry *)ctx[1]);
}

SEC("lsm/inode_rename")
long kerf_protected_rename(__u64 *ctx)
{
	return guard_entry((const struct dentry *)ctx[1]);
}

#endif
