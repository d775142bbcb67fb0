/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Unix sockets by name. A socket that is bound to a path is a file: its name is that of its own directory entry, wherever
 * it is now, and not what the caller wrote. An abstract name is `kerf:abstract/NAME`. What has no name (a pair, a client) is
 * nothing to connect to, and raises nothing. Binding to a path makes a file: path_mknod (files.h). */
#ifndef KERF_UNIX_H
#define KERF_UNIX_H

#include "local.h"

#define FAMILY_UNIX 1
#define ADDRESS_HEAD 2               /* the family */
#define ABSTRACT_BYTES 107           /* of a name, without the 0 before it */
#define ABSTRACT_PREFIX "kerf:abstract/"

/* `name`: in the kernel, without the 0 before it. A 0 inside cannot be told from the end of a name by anybody who reads
 * one, so it is no text. */
static __always_inline void write_abstract(struct kerf_scratch *s, const char *name, __u32 length)
{
	const __u32 prefix = sizeof(ABSTRACT_PREFIX) - 1;
	__u64 bytes = length;

	if (!bytes || !WITHIN(bytes, ABSTRACT_BYTES + 1)) {
		FORGET(s->unnamed) = KERF_REASON_NOT_TEXT;
		return;
	}
	__u32 start = KERF_PATH_BYTES - bytes - prefix;
	__builtin_memcpy(&s->text[start & (KERF_PATH_BYTES - 1)], ABSTRACT_PREFIX, prefix);
	bpf_probe_read_kernel(&s->text[(start + prefix) & (KERF_PATH_BYTES - 1)], bytes, name);
	FORGET(s->start) = start;
	FORGET(s->unnamed) = 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < ABSTRACT_BYTES; i++) {
		__u64 at = FORGET(s->start) + prefix + i;

		if (!WITHIN(at, KERF_PATH_BYTES))
			break;
		if (!s->text[at])
			FORGET(s->unnamed) = KERF_REASON_NOT_TEXT;
	}
	s->walk.seen.file.path_length = KERF_PATH_BYTES - FORGET(s->start);
}

/* What is seen of an abstract socket: no file. */
static __always_inline void describe_abstract(struct kerf_scratch *s)
{
	struct kerf_file_event *file = &s->walk.seen.file;

	__builtin_memset(file, 0, sizeof(*file));
	__builtin_memcpy(file->fs_type, "sockfs", sizeof("sockfs"));
}

static __always_inline long judge_abstract(const char *name, __u32 length, __u32 binding, __u32 event)
{
	struct kerf_scratch *s = begin_operation(binding, KERF_BIT(event));

	if (!s)
		return -ERRNO_EACCES;
	FORGET(s->kind) = event;
	describe_abstract(s);
	write_abstract(s, name, length);
	if (!FORGET(s->unnamed))
		name_is_text(s);
	TRY(s, kerf_judge(s, KERF_BIT(FORGET(s->kind))));
	return end_operation(s);
}

static __always_inline long judge_unix_peer(struct sock *peer)
{
	struct unix_sock *other = bpf_skc_to_unix_sock(peer);
	__u32 binding;

	if (!other || !current_is_bound(&binding))
		return 0;
	struct dentry *dentry = other->path.dentry;
	if (dentry)
		return judge_dentry(dentry, binding, KERF_BIT(KERF_EVENT_UNIX_CONNECT), 0, 0);
	struct unix_address *address = other->addr;
	if (!address)
		return 0;
	const char *name = (const char *)address + bpf_core_field_offset(struct unix_address, name) + ADDRESS_HEAD + 1;
	return judge_abstract(name, address->len - ADDRESS_HEAD - 1, binding, KERF_EVENT_UNIX_CONNECT);
}

SEC("lsm/unix_stream_connect")
long kerf_unix_stream(__u64 *ctx)
{
	return judge_unix_peer((struct sock *)ctx[1]);
}

/* Every datagram asks, on a connected socket too. */
SEC("lsm/unix_may_send")
long kerf_unix_send(__u64 *ctx)
{
	struct sock *peer = ((struct socket *)ctx[1])->sk;

	return peer ? judge_unix_peer(peer) : -ERRNO_EINVAL;
}

/* Abstract names only. Without a name the kernel chooses one of five digits: an event about that one would come too late. */
SEC("lsm/socket_bind")
long kerf_unix_bind(__u64 *ctx)
{
	const struct sock *sk = ((const struct socket *)ctx[0])->sk;
	const char *address = (const char *)ctx[1];
	__u32 binding, length = ctx[2];
	char first = 0;

	if (!sk)
		return -ERRNO_EINVAL;
	if (sk->__sk_common.skc_family != FAMILY_UNIX || length <= ADDRESS_HEAD || !current_is_bound(&binding))
		return 0;
	if (bpf_probe_read_kernel(&first, 1, address + ADDRESS_HEAD) || first)
		return 0;
	return judge_abstract(address + ADDRESS_HEAD + 1, length - ADDRESS_HEAD - 1, binding, KERF_EVENT_UNIX_BIND);
}

#endif
