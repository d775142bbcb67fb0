/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Making a socket -> net.socket, about the socket's kind: `inet/stream`. The programs of the cgroup see Internet sockets that
 * its tasks make; the hook around the task sees the rest, and those of tasks that were moved elsewhere. */
#ifndef KERF_SOCKETS_H
#define KERF_SOCKETS_H

#include "cgroup.h"

#define FAMILY_PACKET 17
#define WORD_BYTES 16

struct kerf_word {
	char text[WORD_BYTES - 1];
	__u8 length;
};

#define KERF_WORD(word) {word, sizeof(word) - 1}

static const struct kerf_word kerf_families[] = {
#define KERF_FAMILY(number, name) [number] = KERF_WORD(name),
#include "../../ir/values/socket_names.def"
};
static const struct kerf_word kerf_socket_types[] = {
#define KERF_SOCKET_TYPE(number, name) [number] = KERF_WORD(name),
#include "../../ir/values/socket_names.def"
};
static const struct kerf_word kerf_other_word = KERF_WORD("other");

#define WORD_IN(words, number)                                                                                      \
	({                                                                                                          \
		__u64 at = (number);                                                                                \
		const struct kerf_word *word = &kerf_other_word;                                                    \
		if (WITHIN(at, sizeof(words) / sizeof((words)[0])) && (words)[at].length)                           \
			word = &(words)[at];                                                                        \
		word;                                                                                               \
	})

/* Writes behind the text first, so that what a word leaves behind its end is written over, or lies behind the text. */
static __always_inline void write_word(struct kerf_scratch *s, __u32 at, const struct kerf_word *word)
{
	bpf_probe_read_kernel(&s->text[at & (KERF_PATH_BYTES - 1)], WORD_BYTES, word->text);
}

static __always_inline void write_socket_id(struct kerf_scratch *s, __u32 family, __u32 type)
{
	const struct kerf_word *first = WORD_IN(kerf_families, family), *second = WORD_IN(kerf_socket_types, type);
	__u32 start = KERF_PATH_BYTES - first->length - 1 - second->length;

	write_word(s, start, first);
	s->text[(start + first->length) & (KERF_PATH_BYTES - 1)] = '/';
	write_word(s, start + first->length + 1, second);
	FORGET(s->start) = start;
}

/* 0, or minus an errno. `protocol`: 0 stands for the usual one of an Internet socket. */
static __always_inline long judge_socket(__u32 binding, __u32 family, __u32 type, __u32 protocol)
{
	struct kerf_scratch *s = begin_operation(binding, KERF_BIT(KERF_EVENT_NET_SOCKET));

	if (!s)
		return -ERRNO_EACCES;
	if (!protocol && (family == FAMILY_INET || family == FAMILY_INET6))
		protocol = type == TYPE_STREAM ? PROTO_TCP : type == TYPE_DGRAM ? PROTO_UDP : 0;
	s->walk.seen.number[0] = family;
	s->walk.seen.number[1] = type;
	s->walk.seen.number[2] = family == FAMILY_PACKET ? bpf_ntohs((__u16)protocol) : protocol;
	write_socket_id(s, family, type);
	name_is_text(s);
	TRY(s, kerf_judge(s, KERF_BIT(KERF_EVENT_NET_SOCKET)));
	return end_operation(s);
}

SEC("cgroup/sock_create")
int kerf_make_socket(struct bpf_sock *ctx)
{
	return answer_cgroup(-judge_socket(cgroup_binding(), ctx->family, ctx->type, ctx->protocol));
}

SEC("lsm/socket_create")
long kerf_lsm_make_socket(__u64 *ctx)
{
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task_btf();
	__u32 family = ctx[0], kernel = ctx[3], binding;

	if (kernel || !current_is_bound(&binding))
		return 0;
	if (family == FAMILY_INET || family == FAMILY_INET6) {
		const struct kerf_tag *tag = tag_of_cgroup(task->cgroups->dfl_cgrp);
		if (tag && binding && tag->binding == binding)
			return 0;
	}
	return judge_socket(binding, family, ctx[1], ctx[2]);
}

#endif
