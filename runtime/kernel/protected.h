/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Files that no bound task may write, whatever the policies say: where the kernel is told what to run, which cgroup a task is
 * in, or what enforces. Asked by the guard, and by the hook that judges opens where there is one: two programs at one hook cost
 * every open more than the question. */
#ifndef KERF_PROTECTED_H
#define KERF_PROTECTED_H

#include "judge.h"

/* Counts and reports. */
__attribute__((noinline)) int kerf_guard(__u32 binding, __u32 guard)
{
	struct kerf_walk walk = {};
	const struct kerf_binding *record = record_of(binding);

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
	bpf_probe_read_kernel_str(name->text, sizeof(name->text), BPF_CORE_READ(dentry, d_name.name));
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
	read_name(&directory, BPF_CORE_READ(dentry, d_parent));
	if (SAME_NAME(&directory, "usermodehelper"))
		return 1;
	return SAME_NAME(&directory, "kernel") &&
	       (SAME_NAME(&name, "core_pattern") || SAME_NAME(&name, "modprobe") || SAME_NAME(&name, "hotplug") ||
		SAME_NAME(&name, "poweroff_cmd") || SAME_NAME(&name, "uevent_helper"));
}

static __always_inline int opens_to_change(const struct file *file)
{
	__u32 flags = file->f_flags;

	return file->f_mode & FMODE_WRITE || flags & O_TRUNCATE || (flags & O_ACCESS_MODE) == O_ACCESS_MODE;
}

/* By the address of the file, so that this is verified once and not with each way that leads here. */
__attribute__((noinline)) int kerf_is_protected(__u64 file)
{
	const struct dentry *dentry = BPF_CORE_READ((const struct file *)file, f_path.dentry);
	unsigned long magic = BPF_CORE_READ(dentry, d_sb, s_magic);

	return is_managed(magic) || names_a_helper(dentry, magic);
}

static __always_inline long guard_open(__u64 *ctx, __u32 binding)
{
	__u64 file = 0;

	if (guard_waived(KERF_GUARD_PROTECTED_FILE))
		return 0;
	if (!bpf_probe_read_kernel(&file, sizeof(file), &ctx[0]) && !kerf_is_protected(file))
		return 0;
	kerf_guard(binding, KERF_GUARD_PROTECTED_FILE);
	return -ERRNO_EPERM;
}

#endif
