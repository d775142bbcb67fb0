/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Dentry -> canonical path: the name inside its file system, from the object upwards to the outermost anchored ancestor,
 * behind the anchor's path. What no name can be given to gets a reason instead, and is refused. The one decision: the
 * loop's variables live in the slot and are read anew at every turn, so that all turns look alike to the verifier; in
 * registers the same loop takes more than a million steps. A retry happens inside the loop for the same reason. */
#ifndef KERF_PATH_H
#define KERF_PATH_H

#include <bpf/bpf_core_read.h>

#include "kernel_types.h"
#include "scratch.h"

#define KERF_NAME_BYTES 255
#define SHORT_NAME 16
#define KERF_WALK_STEPS 320   /* dentries visited, retries included: two tries at depth 128, 29 at depth 10 */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KERF_MAX_ANCHORS);
	__uint(key_size, sizeof(struct kerf_anchor_key));
	__uint(value_size, 4);
} kerf_anchors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KERF_MAX_ANCHORS);
	__uint(key_size, 4);
	__uint(value_size, sizeof(struct kerf_anchor_path));
} kerf_anchor_paths SEC(".maps");

extern const void rename_lock __ksym __weak;                                     /* its first word counts renames */
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;      /* from 6.2 on */

/* Nobody calls it: the one place that says where these two are from (backends/bpf/hooks/library.cpp). */
__attribute__((noinline)) int kerf_symbols(void)
{
	return &rename_lock && bpf_rdonly_cast;
}

/* A hook's dentry argument is a trusted pointer, its ancestors are not, and a loop over both kinds takes the verifier of
 * 6.12 twenty times as long. So the trust is dropped; 6.1 knows neither the difference nor the function. */
static __always_inline struct dentry *plain(struct dentry *dentry)
{
	return bpf_rdonly_cast ? bpf_rdonly_cast(dentry, bpf_core_type_id_kernel(struct dentry)) : dentry;
}

/* A field of the kernel's: by following the pointer, or by copying where the verifier knows nothing of the pointer. */
#define READ(copied, from, field) ((copied) ? BPF_CORE_READ(from, field) : (from)->field)

/* Odd while a rename is under way; always odd where the kernel does not show the lock (CONFIG_KALLSYMS_ALL), so that
 * every walk counts as raced. */
static __always_inline __u32 rename_count(void)
{
	__u32 count = 1;

	if (&rename_lock && bpf_rdonly_cast) {
		const struct seqcount *lock = bpf_rdonly_cast(&rename_lock, bpf_core_type_id_kernel(struct seqcount));
		return FORGET(lock->sequence);
	}
	if (!&rename_lock || bpf_probe_read_kernel(&count, sizeof(count), &rename_lock))
		return 1;
	return count;
}

static __always_inline __u64 is_set(__u64 x)
{
	return (x | -x) >> 63;
}

/* What is_ambiguous() asks of this directory and of its name. */
static __always_inline void note_flags(const struct dentry *directory, struct kerf_scratch *s, int copied)
{
	FORGET(s->flags) |= READ(copied, directory, d_flags);
	if (FORGET(s->folds)) {
		const struct inode *inode = READ(copied, directory, d_inode);
		FORGET(s->folded) |= READ(copied, inode, i_flags) & INODE_CASEFOLD;
	}
}

/* Can two spellings mean one entry of a directory on the way, or is a name on it a stand-in for one that is encrypted? */
static __always_inline __u32 is_ambiguous(const struct kerf_scratch *s)
{
	return (FORGET(s->flags) & (FORGET(s->compares) | DENTRY_NO_KEY)) | FORGET(s->folded);
}

static __always_inline void restart(const struct dentry *leaf, struct kerf_scratch *s, int copied)
{
	FORGET(s->flags) = READ(copied, leaf, d_flags) & DENTRY_NO_KEY;   /* it is nobody's directory here */
	FORGET(s->off) = KERF_PATH_BYTES;
	FORGET(s->full) = FORGET(s->seen) = FORGET(s->full_at_anchor) = FORGET(s->depth) = 0;
	FORGET(s->folded) = FORGET(s->ambiguous_at_anchor) = 0;
}

/* "/name" by two words that end where the name ends, which is where the text begins that is there, `room` and SHORT_NAME + 1 bytes from
 * the buffer's beginning. What comes along from before the name is of the same object of the kernel's; it is overwritten by the next
 * name, or lies before the text. */
static __always_inline void prepend_words(struct kerf_scratch *s, __u64 room, const unsigned char *name, __u64 length)
{
	const struct timespec64 *from = bpf_rdonly_cast(name + length - SHORT_NAME, bpf_core_type_id_kernel(struct timespec64));
	__u64 first = from->tv_sec, second = from->tv_nsec;
	char *to = &s->text[room + 1];
	__u64 slash = (room + SHORT_NAME - length) & (KERF_PATH_BYTES - 1);   /* it is within; the verifier sees no lower bound */

	((__u64 *)to)[0] = first;
	((__u64 *)to)[1] = second;
	s->text[slash] = '/';
	FORGET(s->off) = slash;
}

static __always_inline void prepend(struct dentry *dentry, struct kerf_scratch *s, int copied, int by_words)
{
	__u64 length = READ(copied, dentry, d_name.len), off = FORGET(s->off), room = off - (SHORT_NAME + 1);
	const unsigned char *name = READ(copied, dentry, d_name.name);

	if (by_words && WITHIN(length, SHORT_NAME + 1) && WITHIN(room, KERF_PATH_BYTES - SHORT_NAME)) {
		prepend_words(s, room, name, length);   /* as nearly all names are */
		return;
	}
	if (length > KERF_NAME_BYTES || length + 1 > off) {
		FORGET(s->full) = 1;
		FORGET(s->off) = 0;
		return;
	}
	off -= length;
	bpf_probe_read_kernel(&s->text[off & (KERF_PATH_BYTES - 1)], length & KERF_NAME_BYTES, name);
	off -= 1;
	s->text[off & (KERF_PATH_BYTES - 1)] = '/';
	FORGET(s->off) = off;
}

static __always_inline const __u32 *anchor_at(const struct dentry *dentry, const struct super_block *sb, const struct kerf_scratch *s,
					      int copied)
{
	const struct inode *inode = READ(copied, dentry, d_inode);   /* 0, a name without an object, reads as zeros: no anchor */
	struct kerf_anchor_key key = {
		.inode = READ(copied, inode, i_ino), .device = READ(copied, sb, s_dev), .generation = READ(copied, inode, i_generation),
		.binding = FORGET(s->binding),
	};

	return bpf_map_lookup_elem(&kerf_anchors, &key);
}

/* The walk stands at the outermost anchor so far. */
static __always_inline void stand_at_anchor(struct kerf_scratch *s)
{
	FORGET(s->start) = FORGET(s->off);
	FORGET(s->full_at_anchor) = FORGET(s->full);
	FORGET(s->ambiguous_at_anchor) = is_ambiguous(s);
	FORGET(s->seen) = 1;
}

static __always_inline void note_anchor(const struct dentry *dentry, struct kerf_scratch *s, int copied)
{
	const __u32 *anchor = anchor_at(dentry, READ(copied, dentry, d_sb), s, copied);

	if (!anchor)
		return;
	FORGET(s->anchor) = *anchor;
	stand_at_anchor(s);
}

/* Most file systems are anchored at their root. No anchor lies further out, so that the dentries on the way need no look.
 * A comparison of names of the file system's own means that two spellings can be one name, but on procfs, whose comparison hides
 * entries, and where it is said of each directory: there is an encoding then, and without one no directory has that flag. */
static __always_inline void look_at_root(const struct super_block *sb, unsigned long magic, struct kerf_scratch *s, int copied)
{
	const struct dentry *root = READ(copied, sb, s_root);
	const __u32 *anchor = anchor_at(root, sb, s, copied);
	__u64 encoded = 0;

	if (bpf_core_field_exists(sb->s_encoding))
		encoded = is_set((__u64)READ(copied, sb, s_encoding));
	FORGET(s->folds) = bpf_core_field_exists(sb->s_encoding) ? encoded : 1;
	FORGET(s->compares) = DENTRY_COMPARES & -(__u32)(is_set(magic ^ MAGIC_PROC) & (encoded ^ 1));
	FORGET(s->root) = (__u64)root;
	FORGET(s->rooted) = anchor != 0;
	if (anchor)
		FORGET(s->anchor) = *anchor;
}

/* The text becomes the anchor's path and what lies below it. */
static __always_inline __u32 finish_walk(struct kerf_scratch *s)
{
	__u32 anchor = FORGET(s->anchor), start = FORGET(s->start);
	const struct kerf_anchor_path *path = bpf_map_lookup_elem(&kerf_anchor_paths, &anchor);

	if (!FORGET(s->seen) || !path || path->binding != FORGET(s->binding))
		return KERF_REASON_NO_PATH;
	__u32 length = path->length;
	if (FORGET(s->full_at_anchor) || length >= KERF_ANCHOR_BYTES || length > start)
		return KERF_REASON_TOO_LONG;
	start -= length;
	if (length)
		bpf_probe_read_kernel(&s->text[start & (KERF_PATH_BYTES - 1)], length & (KERF_ANCHOR_BYTES - 1), path->path);
	if (start >= KERF_PATH_BYTES) {
		start = KERF_PATH_BYTES - 1;
		s->text[KERF_PATH_BYTES - 1] = '/';
	}
	FORGET(s->start) = start;
	return FORGET(s->ambiguous_at_anchor) ? KERF_REASON_NAME_AMBIGUOUS : 0;
}

struct kerf_climb {
	struct kerf_scratch *s;
	struct dentry *leaf, *dentry;
	__u64 done;
};

static __always_inline void begin_walk(const struct dentry *leaf, const struct super_block *sb, unsigned long magic, struct kerf_scratch *s,
					int copied)
{
	__u32 count = rename_count();

	look_at_root(sb, magic, s, copied);
	restart(leaf, s, copied);
	FORGET(s->seq) = count;
	FORGET(s->tries) = 1;
}

/* One dentry; 1: that was the last. */
static __always_inline int walk_step(struct kerf_climb *climb, struct kerf_scratch *s, int copied, int by_words)
{
	struct dentry *dentry = climb->dentry;

	if (!FORGET(s->rooted))
		note_anchor(dentry, s, copied);
	struct dentry *parent = READ(copied, dentry, d_parent);
	if (parent == dentry || FORGET(s->depth) >= KERF_PATH_DEPTH) {
		__u32 now = rename_count(), elsewhere = FORGET(s->rooted) && parent == dentry && (__u64)dentry != FORGET(s->root);
		if (now == FORGET(s->seq) && !(now & 1) && !elsewhere)
			return 1;
		if (elsewhere)   /* no way leads to the root, as from a handle: every dentry is looked at */
			FORGET(s->rooted) = 0;
		FORGET(s->seq) = now;
		FORGET(s->tries) += 1;
		restart(climb->leaf, s, copied);
		climb->dentry = climb->leaf;
		return 0;
	}
	prepend(dentry, s, copied, by_words);
	note_flags(parent, s, copied);
	FORGET(s->depth) += 1;
	climb->dentry = parent;
	return 0;
}

/* Where nothing is known of pointers, the kernel's own loop takes the verifier one turn instead of all. */
static long copied_step(__u32 turn, struct kerf_climb *climb)
{
	(void)turn;
	climb->done = walk_step(climb, climb->s, 1, 0);
	return climb->done;
}

static __always_inline void climb_up(struct kerf_climb *climb, struct kerf_scratch *s, int by_words)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < KERF_WALK_STEPS; i++) {
		if (walk_step(climb, s, 0, by_words)) {
			climb->done = 1;
			break;
		}
	}
}

/* 0, or why there is no canonical path. Each kernel's verifier sees one of the loops: with both ways to take a name in one, that of
 * 6.1 would not come to an end. */
static __always_inline __u32 walk_up(struct dentry *leaf, const struct super_block *sb, unsigned long magic, struct kerf_scratch *s, int copied)
{
	struct kerf_climb climb = {.s = s, .leaf = leaf, .dentry = leaf};

	begin_walk(leaf, sb, magic, s, copied);
	if (copied)
		bpf_loop(KERF_WALK_STEPS, copied_step, &climb, 0);
	else if (bpf_rdonly_cast)
		climb_up(&climb, s, 1);
	else
		climb_up(&climb, s, 0);
	if (!climb.done)
		return KERF_REASON_RACED;
	struct dentry *last = climb.dentry;
	if (READ(copied, last, d_parent) != last)
		return KERF_REASON_TOO_LONG;
	if (FORGET(s->rooted))
		stand_at_anchor(s);
	return finish_walk(s);
}

enum kerf_nameless { KERF_NAMED, KERF_MEMFD, KERF_PIPE, KERF_SOCKET, KERF_ANON };

/* Objects of file systems that cannot be mounted have fixed ids, whatever name a process gave them. Those of namespaces
 * can be mounted, but have no names either; the kernel's own hugetlbfs is that of memfd_create. */
static __always_inline __u32 nameless(const struct super_block *sb, unsigned long magic, int copied)
{
	unsigned long flags = READ(copied, sb, s_flags);

	if (!(flags & SB_NOUSER_FLAG) && magic != MAGIC_NSFS && !(magic == MAGIC_HUGETLBFS && flags & SB_KERNMOUNT_FLAG))
		return KERF_NAMED;
	if (magic == MAGIC_TMPFS || magic == MAGIC_HUGETLBFS || magic == MAGIC_SECRETMEM)
		return KERF_MEMFD;
	return magic == MAGIC_PIPEFS ? KERF_PIPE : magic == MAGIC_SOCKFS ? KERF_SOCKET : KERF_ANON;
}

#define FIXED_ID(s, id)                                                                                             \
	do {                                                                                                        \
		__builtin_memcpy(&(s)->text[KERF_PATH_BYTES - (sizeof(id) - 1)], id, sizeof(id) - 1);               \
		FORGET((s)->start) = KERF_PATH_BYTES - (sizeof(id) - 1);                                            \
	} while (0)

static __always_inline void write_fixed_id(struct kerf_scratch *s, __u32 kind)
{
	switch (kind) {
	case KERF_MEMFD: FIXED_ID(s, "kerf:memfd"); break;
	case KERF_PIPE: FIXED_ID(s, "kerf:pipe"); break;
	case KERF_SOCKET: FIXED_ID(s, "kerf:socket"); break;
	default: FIXED_ID(s, "kerf:anon"); break;
	}
}

/* Has the object a name that can be reported, even if not decided about? */
static __always_inline int has_text(__u32 reason)
{
	return !reason || reason == KERF_REASON_NOT_TEXT || reason == KERF_REASON_NAME_AMBIGUOUS;
}

/* The text is the name. */
static __always_inline void name_is_text(struct kerf_scratch *s)
{
	FORGET(s->unnamed) = kerf_match(s);
	s->walk.seen.file.path_length = has_text(FORGET(s->unnamed)) ? KERF_PATH_BYTES - FORGET(s->start) : 0;
}

/* The text becomes the canonical path, or `reason` says why there is none. */
static __always_inline void find_text(struct dentry *dentry, struct kerf_scratch *s, __u32 *reason, int copied)
{
	const struct super_block *sb = READ(copied, dentry, d_sb);
	unsigned long magic = READ(copied, sb, s_magic);
	__u32 kind = nameless(sb, magic, copied);

	FORGET(*reason) = 0;
	if (kind == KERF_NAMED)
		FORGET(*reason) = walk_up(dentry, sb, magic, s, copied);
	else
		write_fixed_id(s, kind);
}

/* Fills in the canonical path and what the automata say of it, or s->unnamed with the reason why there is none. */
static __always_inline void find_name(struct dentry *dentry, struct kerf_scratch *s)
{
	find_text(dentry, s, &s->unnamed, 0);
	if (!FORGET(s->unnamed))
		FORGET(s->unnamed) = kerf_match(s);
	s->walk.seen.file.path_length = has_text(FORGET(s->unnamed)) ? KERF_PATH_BYTES - FORGET(s->start) : 0;
}

static __always_inline __u64 namespace_of(const struct vfsmount *vfsmount)
{
	const struct mount *mount = (const void *)((__u64)vfsmount - bpf_core_field_offset(struct mount, mnt));

	if (!bpf_rdonly_cast)
		return (__u64)BPF_CORE_READ(mount, mnt_ns);
	mount = bpf_rdonly_cast(mount, bpf_core_type_id_kernel(struct mount));
	return (__u64)mount->mnt_ns;
}

/* Does a stacking file system look at one of its layers through a mount that is nobody's? That is part of an operation
 * on the object above, which was judged by its own name. */
static __always_inline int is_inner(const struct path *path)
{
	return namespace_of(path->mnt) == MOUNT_NS_INTERNAL && !(path->dentry->d_sb->s_flags & SB_KERNMOUNT_FLAG);
}

#endif
