/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who opened a file to append to it (file.append) has a descriptor that can do more: lose O_APPEND, be mapped, make holes.
 * Each of that is asked as file.write. Linux 6.9 and later write through it wherever pwritev2 says, and ask nobody: there
 * the loader takes the feature for lost. Truncating, splicing, copying and cloning are refused by the kernel or asked elsewhere. */
#ifndef KERF_APPEND_H
#define KERF_APPEND_H

#include "files.h"

static __always_inline long judge_change(const struct file *file)
{
	return judge_file(file, governed(KERF_EVENT_FILE_WRITE));
}

SEC("lsm/file_fcntl")
long kerf_append_fcntl(__u64 *ctx)
{
	const struct file *file = (const struct file *)ctx[0];
	__u32 command = ctx[1];

	if (command != SET_FLAGS || ctx[2] & O_TO_THE_END || !appends(file))
		return 0;
	return judge_change(file);
}

/* A shared mapping that cannot be written can be made so later. */
SEC("lsm/mmap_file")
long kerf_append_mmap(__u64 *ctx)
{
	__u64 file = 0;

	if (!(ctx[3] & MAP_IS_SHARED))
		return 0;
	if (bpf_probe_read_kernel(&file, sizeof(file), &ctx[0]))   /* as in kerf_mmap_file */
		return -ERRNO_EPERM;
	if (!file || !appends((const struct file *)ctx[0]))
		return 0;
	return judge_change((const struct file *)ctx[0]);
}

/* The hook that fallocate(2) asks does not see what is to be done; so the task's tag remembers the file until then. A task
 * without a tag has none that it could have opened. */
static __always_inline void remember_file(__u64 file)
{
	struct kerf_tag *tag = (struct kerf_tag *)tag_of((const void *)bpf_get_current_task());

	if (tag)
		tag->punched = file;
}

SEC("fentry/vfs_fallocate")
int kerf_append_punch(__u64 *ctx)
{
	if ((__u32)ctx[1] & ~FALLOCATE_KEEP_SIZE && appends((const struct file *)ctx[0]))
		remember_file(ctx[0]);
	return 0;
}

SEC("fexit/vfs_fallocate")
int kerf_append_punched(__u64 *ctx)
{
	(void)ctx;
	remember_file(0);
	return 0;
}

SEC("lsm/file_permission")
long kerf_append_write(__u64 *ctx)
{
	const struct file *file = (const struct file *)ctx[0];

	if (!(ctx[1] & MAY_BE_WRITTEN) || !appends(file))
		return 0;
	const struct kerf_tag *tag = tag_of((const void *)bpf_get_current_task());
	return tag && tag->punched == (__u64)file ? judge_change(file) : 0;
}

#endif
