/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a bound task may not do whatever the policies say, since it would get round them: load BPF, mount, act on tasks of
 * another binding or of none, write where the kernel is told what to run, which cgroup a task is in, or what enforces; and,
 * where a policy asks for it, say that it is another executable. */
#ifndef KERF_GUARDS_H
#define KERF_GUARDS_H

#include "judge.h"

/* Counts and reports. */
__attribute__((noinline)) int kerf_guard(__u32 binding, __u32 guard)
{
	struct kerf_walk walk = {};
	const struct kerf_binding *record = bpf_map_lookup_elem(&kerf_bindings, &binding);

	walk.now_ns = bpf_ktime_get_boot_ns();
	if (record) {
		walk.generation = record->generation;
		walk.mode = record->mode;
	}
	fill_task(&walk.seen);
	set_denial(&walk, KERF_REASON_GUARD);
	count_decision(1, 1);
	report(&walk, binding, ERRNO_EPERM, guard);
	return 0;
}

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

static __always_inline int is_managed(unsigned long magic)
{
	return magic == MAGIC_CGROUP || magic == MAGIC_CGROUP2 || magic == MAGIC_BPF;
}

struct kerf_name {
	char text[16];
};

#define SAME_NAME(name, literal)                                                                                    \
	({                                                                                                          \
		const struct kerf_name wanted = {literal};                                                          \
		const __u64 *a = (const __u64 *)(name), *b = (const __u64 *)&wanted;                                \
		a[0] == b[0] && a[1] == b[1];                                                                       \
	})

static __always_inline void read_name(struct kerf_name *name, const struct dentry *dentry)
{
	__builtin_memset(name, 0, sizeof(*name));
	bpf_probe_read_kernel_str(name->text, sizeof(name->text), dentry->d_name.name);
}

/* Files that tell the kernel which program to run. */
static __always_inline int names_a_helper(const struct dentry *dentry, unsigned long magic)
{
	struct kerf_name name __attribute__((aligned(8))), directory __attribute__((aligned(8)));

	if (magic == MAGIC_BINFMT_MISC)
		return 1;
	if (magic != MAGIC_PROC && magic != MAGIC_SYSFS)
		return 0;
	read_name(&name, dentry);
	read_name(&directory, dentry->d_parent);
	if (SAME_NAME(&directory, "usermodehelper"))
		return 1;
	return SAME_NAME(&directory, "kernel") &&
	       (SAME_NAME(&name, "core_pattern") || SAME_NAME(&name, "modprobe") || SAME_NAME(&name, "hotplug") ||
		SAME_NAME(&name, "poweroff_cmd") || SAME_NAME(&name, "uevent_helper"));
}

SEC("lsm/file_open")
long kerf_protected_open(__u64 *ctx)
{
	const struct file *file = (const struct file *)ctx[0];
	__u32 flags = file->f_flags, binding;

	if (!(file->f_mode & FMODE_WRITE || flags & O_TRUNCATE || (flags & O_ACCESS_MODE) == O_ACCESS_MODE) ||
	    !current_is_bound(&binding))
		return 0;
	const struct dentry *dentry = plain(file->f_path.dentry);
	unsigned long magic = dentry->d_sb->s_magic;
	if (!is_managed(magic) && !names_a_helper(dentry, magic))
		return 0;
	kerf_guard(binding, KERF_GUARD_PROTECTED_FILE);
	return -ERRNO_EPERM;
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
