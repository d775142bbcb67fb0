/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Operations on one object -> events (docs/kernel-files.md has the table). A creation is judged by the name before the
 * object exists, so that a refusal leaves nothing behind. */
#ifndef KERF_FILES_H
#define KERF_FILES_H

#include "protected.h"

/* Do writes to a file that is open for appending go to its end? Not to a device, nor to what only looks like a file, as
 * below /proc; other file systems are not trusted to. */
static __always_inline int keeps_to_the_end(const struct dentry *dentry)
{
	unsigned long magic = dentry->d_sb->s_magic;

	return (dentry->d_inode->i_mode & MODE_TYPE) == MODE_FILE &&
	       (dentry->d_sb->s_type->fs_flags & FS_ON_DEVICE || magic == MAGIC_TMPFS || magic == MAGIC_RAMFS || magic == MAGIC_OVERLAY);
}

static __always_inline int appends(const struct file *file)
{
	return file->f_flags & O_TO_THE_END && file->f_mode & FMODE_WRITE;
}

static __always_inline __u64 open_events(const struct file *file, const struct dentry *dentry, int directory)
{
	__u32 flags = file->f_flags, mode = file->f_mode;
	__u64 events = 0;

	if (directory)
		return kerf_governed & KERF_BIT(KERF_EVENT_FILE_LIST);
	if (flags & FMODE_EXEC_FLAG)
		return kerf_governed & KERF_BIT(KERF_EVENT_FILE_EXEC);
	if (mode & FMODE_READ)
		events |= KERF_BIT(KERF_EVENT_FILE_READ);
	if (governed(KERF_EVENT_FILE_APPEND) && appends(file) && !(flags & O_TRUNCATE) && keeps_to_the_end(dentry))
		events |= KERF_BIT(KERF_EVENT_FILE_APPEND);
	else if (mode & FMODE_WRITE || flags & O_TRUNCATE || (flags & O_ACCESS_MODE) == O_ACCESS_MODE)
		events |= KERF_BIT(KERF_EVENT_FILE_WRITE);
	if (flags & O_TRUNCATE)
		events |= KERF_BIT(KERF_EVENT_FILE_TRUNCATE);
	return events & kerf_governed;
}

/* An open that a stacking file system makes for itself. 6.1 gives overlayfs' inner files the outer path and a layer's
 * inode; later kernels give them the layer's path, in a mount that is nobody's. */
static __always_inline int is_inner_open(const struct file *file)
{
	if (bpf_core_type_exists(struct backing_file) && file->f_mode & FMODE_BACKING)
		return 1;
	if (file->f_mode & FMODE_NOACCOUNT && file->f_inode != file->f_path.dentry->d_inode)
		return 1;
	return is_inner(&file->f_path);
}

/* A file without a name (O_TMPFILE) is made by opening: judged as a creation below its directory, by the name that the
 * kernel gives it there ("/dir/#17"), and then as opened. */
static __always_inline long judge_open(const struct file *file, __u32 binding)
{
	struct dentry *dentry = plain(file->f_path.dentry);
	const struct inode *inode = file->f_inode;   /* the dentry's, unless a stacking file system opens for itself */
	int directory = (inode->i_mode & MODE_TYPE) == MODE_DIRECTORY;
	__u64 events = open_events(file, dentry, directory);
	int temporary = !directory && file->f_flags & O_TEMPORARY && creating();
	if ((!events && !temporary) || is_inner_open(file))
		return 0;
	struct kerf_scratch *s = begin_operation(binding, events | (temporary ? creating() : 0));

	if (!s)
		return -ERRNO_EACCES;
	FORGET(s->kind) = temporary;
	find_name(dentry, s);
	if (FORGET(s->kind)) {
		describe(dentry, s, 0, 0);
		TRY(s, kerf_judge(s, creating()));
	}
	describe_inode(inode, dentry->d_sb, s, 1, (inode->i_mode & MODE_TYPE) == MODE_DIRECTORY);
	TRY(s, kerf_judge(s, events));
	return end_operation(s);
}

SEC("lsm/file_open")
long kerf_file_open(__u64 *ctx)
{
	const struct file *file = (const struct file *)ctx[0];
	__u32 binding;

	if (!current_is_bound(&binding))
		return 0;
	if (opens_to_change(file) && guard_open(ctx, binding))
		return -ERRNO_EPERM;
	return judge_open(file, binding);
}

/* Hooks whose first argument is the directory and whose second is the entry. */
static __always_inline long judge_entry(__u64 *ctx, __u64 events, int made, int directory)
{
	__u32 binding;

	if (!events || !current_is_bound(&binding))
		return 0;
	return judge_dentry((struct dentry *)ctx[1], binding, events, made, directory);
}

/* Binding a unix socket to a path makes its name here. */
SEC("lsm/path_mknod")
long kerf_path_mknod(__u64 *ctx)
{
	int socket = (ctx[2] & MODE_TYPE) == MODE_SOCKET;

	return judge_entry(ctx, socket ? resolved(KERF_EVENT_UNIX_BIND, creating()) : making(ctx[2]), 1, 0);
}

SEC("lsm/path_mkdir")
long kerf_path_mkdir(__u64 *ctx)
{
	return judge_entry(ctx, making(MODE_DIRECTORY), 1, 1);
}

SEC("lsm/path_symlink")
long kerf_path_symlink(__u64 *ctx)
{
	return judge_entry(ctx, making(MODE_SYMLINK), 1, 0);
}

SEC("lsm/path_unlink")
long kerf_path_unlink(__u64 *ctx)
{
	return judge_entry(ctx, deleting(), 0, 0);
}

SEC("lsm/path_rmdir")
long kerf_path_rmdir(__u64 *ctx)
{
	return judge_entry(ctx, removing(MODE_DIRECTORY), 0, 0);
}

/* Hooks whose first argument is the object's path. */
static __always_inline long judge_path(__u64 *ctx, __u64 events)
{
	const struct path *path = (const struct path *)ctx[0];
	__u32 binding;

	if (!events || !current_is_bound(&binding) || is_inner(path))
		return 0;
	return judge_dentry(path->dentry, binding, events, 0, 0);
}

SEC("lsm/path_truncate")
long kerf_path_truncate(__u64 *ctx)
{
	return judge_path(ctx, changing(KERF_EVENT_FILE_TRUNCATE));
}

SEC("lsm/path_chmod")
long kerf_path_chmod(__u64 *ctx)
{
	return judge_path(ctx, changing(KERF_EVENT_FILE_CHMOD));
}

SEC("lsm/path_chown")
long kerf_path_chown(__u64 *ctx)
{
	return judge_path(ctx, changing(KERF_EVENT_FILE_CHOWN));
}

SEC("lsm/inode_getattr")
long kerf_inode_getattr(__u64 *ctx)
{
	return judge_path(ctx, governed(KERF_EVENT_FILE_STAT));
}

/* A file that is open already. */
static __always_inline long judge_file(const struct file *file, __u64 events)
{
	__u32 binding;

	if (!events || !current_is_bound(&binding) || is_inner_open(file))
		return 0;
	return judge_dentry(file->f_path.dentry, binding, events, 0, 0);
}

/* ftruncate, and the end of an open with O_TRUNC: before 6.2 they come as a path. */
SEC("lsm/file_truncate")
long kerf_file_truncate(__u64 *ctx)
{
	return judge_file((const struct file *)ctx[0], changing(KERF_EVENT_FILE_TRUNCATE));
}

/* An O_PATH descriptor opens nothing. */
SEC("lsm/file_receive")
long kerf_file_receive(__u64 *ctx)
{
	const struct file *file = (const struct file *)ctx[0];

	return file->f_mode & FMODE_PATH ? 0 : judge_file(file, governed(KERF_EVENT_FILE_RECEIVE));
}

static __always_inline long judge_ioctl(__u64 *ctx)
{
	const struct file *file = (const struct file *)ctx[0];
	const __u64 events = governed(KERF_EVENT_FILE_IOCTL);
	__u32 binding;

	if (!events || !current_is_bound(&binding) || is_inner_open(file))
		return 0;
	struct dentry *dentry = plain(file->f_path.dentry);
	struct kerf_scratch *s = begin_operation(binding, events);
	if (!s)
		return -ERRNO_EACCES;
	s->walk.seen.number[0] = ctx[1];
	describe(dentry, s, 1, is_directory(dentry));
	find_name(dentry, s);
	TRY(s, kerf_judge(s, events));
	return end_operation(s);
}

SEC("lsm/file_ioctl")
long kerf_file_ioctl(__u64 *ctx)
{
	return judge_ioctl(ctx);
}

/* Of 32-bit programs; a kernel without this hook asks at the other. */
SEC("lsm/file_ioctl_compat")
long kerf_file_ioctl_compat(__u64 *ctx)
{
	return judge_ioctl(ctx);
}

/* The file of a mapping, by the name under which it was opened: kernels with struct backing_file put the layer's file
 * of a stacking file system into the mapping. */
static __always_inline struct dentry *mapped_dentry(const struct file *file)
{
	if (bpf_core_type_exists(struct backing_file) && file->f_mode & FMODE_BACKING)
		return BPF_CORE_READ((const struct backing_file *)file, user_path.dentry);
	return file->f_path.dentry;
}

static __always_inline long judge_mapping(const struct file *file)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u32 binding;

	/* the program itself and its interpreter: opened for execution, and judged by that */
	if (!mapping() || !current_is_bound(&binding) || BPF_CORE_READ_BITFIELD(task, in_execve))
		return 0;
	return judge_dentry(mapped_dentry(file), binding, mapping(), 0, 0);
}

SEC("lsm/mmap_file")
long kerf_mmap_file(__u64 *ctx)
{
	__u64 file = 0;

	if (!(ctx[2] & PROT_EXECUTE))
		return 0;
	/* 0 for anonymous memory; but 6.12's verifier believes that the argument cannot be, and would drop the test */
	if (bpf_probe_read_kernel(&file, sizeof(file), &ctx[0]))
		return -ERRNO_EPERM;
	return file ? judge_mapping((const struct file *)ctx[0]) : 0;
}

SEC("lsm/file_mprotect")
long kerf_file_mprotect(__u64 *ctx)
{
	const struct vm_area_struct *vma = (const struct vm_area_struct *)ctx[0];
	const struct file *file = vma->vm_file;

	if (!(ctx[2] & PROT_EXECUTE) || vma->vm_flags & VM_EXECUTE || !file)
		return 0;
	return judge_mapping(file);
}

#endif
