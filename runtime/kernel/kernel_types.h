/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the hooks read of the kernel's own structures: names only. The loader finds the offsets in the running kernel's
 * type information; a field that is not there fails the load. Constants that no type information holds are checked
 * against the headers of each kernel that is supported (6.1 to 6.12). */
#ifndef KERF_KERNEL_TYPES_H
#define KERF_KERNEL_TYPES_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Two words, wherever they lie. */
struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

struct file_system_type {
	const char *name;
	int fs_flags;
};

struct super_block {
	__u32 s_dev;
	unsigned long s_flags;
	unsigned long s_magic;
	struct file_system_type *s_type;
	struct unicode_map *s_encoding;
	struct dentry *s_root;
};

struct seqcount {
	unsigned int sequence;
};

typedef struct {
	__u32 val;
} kuid_t;

struct inode {
	unsigned short i_mode;
	kuid_t i_uid;
	unsigned int i_flags;
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
	__u32 i_generation;
};

struct qstr {
	__u32 len;
	const unsigned char *name;
};

struct dentry {
	unsigned int d_flags;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct vfsmount mnt;
	void *mnt_ns;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	unsigned int f_flags;
	unsigned int f_mode;
};

struct backing_file {
	struct path user_path;
};

struct vm_area_struct {
	unsigned long vm_flags;
	struct file *vm_file;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[];
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[];
};

struct user_namespace {
	int level;
};

typedef struct {
	__u32 cap[2];                /* since 6.3 a __u64, of the same bytes here */
} kernel_cap_t;

struct cred {
	kernel_cap_t cap_effective;
	struct user_namespace *user_ns;
};

struct mm_struct {
	struct file *exe_file;
};

struct task_struct {
	struct mm_struct *mm;
	unsigned int flags;
	int tgid;
	struct pid *thread_pid;
	const struct cred *cred;
	struct css_set *cgroups;
	unsigned in_execve : 1;
};

struct bpf_iter__task {
	struct task_struct *task;
};

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	int skc_bound_dev_if;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	unsigned char sk_kern_sock : 1;
	struct sock_cgroup_data sk_cgrp_data;
};

struct socket {
	struct sock *sk;
};

struct sockaddr_un {
	unsigned short sun_family;
};

struct unix_address {
	int len;
	struct sockaddr_un name[];
};

struct unix_sock {
	struct unix_address *addr;
	struct path path;
};

struct msghdr {
	void *msg_name;
	int msg_namelen;
	unsigned int msg_flags;
};

#pragma clang attribute pop

#define ERRNO_EPERM 1
#define ERRNO_ENOENT 2
#define ERRNO_EAGAIN 11
#define ERRNO_EACCES 13
#define ERRNO_EXDEV 18
#define ERRNO_EINVAL 22

#define PF_KTHREAD 0x00200000u

#define MODE_TYPE 0170000u
#define MODE_DIRECTORY 0040000u
#define MODE_FILE 0100000u
#define MODE_SYMLINK 0120000u
#define MODE_SOCKET 0140000u
#define MODE_FIFO 0010000u
#define MODE_CHARACTER 0020000u
#define MODE_BLOCK 0060000u

#define FMODE_READ 0x1u
#define FMODE_WRITE 0x2u
#define FMODE_PATH 0x4000u
#define FMODE_BACKING (1u << 24)     /* a macro: 6.6 and later, where struct backing_file exists */
#define FMODE_NOACCOUNT (1u << 29)
#define FMODE_EXEC_FLAG 0x20u        /* __FMODE_EXEC in f_flags */
#define O_ACCESS_MODE 03u
#define O_TRUNCATE 01000u
#define O_TO_THE_END 02000u          /* O_APPEND */
#define O_TEMPORARY 020000000u       /* __O_TMPFILE */

#define SET_FLAGS 4u                 /* F_SETFL */
#define MAP_IS_SHARED 0x1ul          /* MAP_SHARED, MAP_SHARED_VALIDATE */
#define MAY_BE_WRITTEN 0x2ul         /* MAY_WRITE */
#define FALLOCATE_KEEP_SIZE 0x1u
#define FS_ON_DEVICE 0x1             /* FS_REQUIRES_DEV */
#define CLONE_A_THREAD 0x00010000ul  /* CLONE_THREAD */

#define PROT_EXECUTE 0x4ul
#define VM_EXECUTE 0x4ul

#define SB_KERNMOUNT_FLAG (1ul << 22)
#define SB_NOUSER_FLAG (1ul << 31)
#define MOUNT_NS_INTERNAL ((__u64)-22)
#define INODE_CASEFOLD (1u << 15)
#define DENTRY_NO_KEY (1u << 25)     /* DCACHE_NOKEY_NAME: an encrypted name without its key */
#define DENTRY_COMPARES (1u << 1)    /* DCACHE_OP_COMPARE of a directory: its file system compares names in a way of its own */

#define PTRACE_QUIET 0x4u            /* PTRACE_MODE_NOAUDIT */
#define PRCTL_SET_MM 35              /* PR_SET_MM, and two of its kinds */
#define SET_MM_EXE_FILE 13
#define SET_MM_MAP 14
#define RENAME_EXCHANGE_FLAG 2u
#define RENAME_WHITEOUT_FLAG 4u

#define MAGIC_TMPFS 0x01021994u
#define MAGIC_RAMFS 0x858458f6u
#define MAGIC_OVERLAY 0x794c7630u
#define MAGIC_HUGETLBFS 0x958458f6u
#define MAGIC_SECRETMEM 0x5345434du
#define MAGIC_PIPEFS 0x50495045u
#define MAGIC_SOCKFS 0x534f434bu
#define MAGIC_NSFS 0x6e736673u
#define MAGIC_PROC 0x9fa0u
#define MAGIC_SYSFS 0x62656572u
#define MAGIC_CGROUP 0x0027e0ebu
#define MAGIC_CGROUP2 0x63677270u
#define MAGIC_BPF 0xcafe4a11u
#define MAGIC_BINFMT_MISC 0x42494e4du

#endif
