/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Root of a mount -> the key of its anchor, as the kernel's own structures say: tmpfs has generations that no system call
 * shows, and stat() reports other devices than the superblock's. */
#ifndef KERF_ANCHOR_H
#define KERF_ANCHOR_H

#include "path.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct kerf_anchor_probe));
} kerf_probe SEC(".maps");

static __always_inline void probe_anchor(__u64 *ctx)
{
	const __u32 zero = 0;
	struct kerf_anchor_probe *probe = bpf_map_lookup_elem(&kerf_probe, &zero);

	if (!probe || probe->filled || probe->tgid != bpf_get_current_pid_tgid() >> 32)
		return;
	struct dentry *dentry = plain(((const struct path *)ctx[0])->dentry);
	const struct inode *inode = dentry->d_inode;
	probe->key.inode = inode->i_ino;
	probe->key.device = dentry->d_sb->s_dev;
	probe->key.generation = inode->i_generation;
	bpf_probe_read_kernel_str(probe->fs_type, sizeof(probe->fs_type), dentry->d_sb->s_type->name);
	probe->filled = 1;
}

SEC("lsm/inode_getattr")
long kerf_anchor_probe(__u64 *ctx)
{
	probe_anchor(ctx);
	return 0;
}

/* For executables alone, where no file event is governed. */
SEC("lsm/inode_getattr")
long kerf_exe_probe(__u64 *ctx)
{
	probe_anchor(ctx);
	return 0;
}

#endif
