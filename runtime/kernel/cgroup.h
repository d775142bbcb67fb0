/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The programs of a bound cgroup: they judge by the binding of the cgroup that the socket was made in. */
#ifndef KERF_CGROUP_H
#define KERF_CGROUP_H

#include "net.h"

static __always_inline __u32 cgroup_binding(void)
{
	struct kerf_cgroup_slot *slot = bpf_get_local_storage(&kerf_cgroup, 0);

	return slot->binding;
}

/* 1: the call goes on. */
static __always_inline int answer_cgroup(__s32 error)
{
	if (!error)
		return 1;
	if (error < 1 || error > 4095)
		error = KERF_EPERM;
	bpf_set_retval(-error);
	return 0;
}

static __always_inline void fill_source(struct bpf_sock_addr *ctx, struct kerf_source *source)
{
	struct bpf_sock *sk = ctx->sk;

	if (!sk)
		return;
	source->known = 1;
	source->bound4 = sk->src_ip4;
	source->device = sk->bound_dev_if;
	source->mapped = !(sk->src_ip6[0] | sk->src_ip6[1]) && bpf_ntohl(sk->src_ip6[2]) == 0xffff;
}

static __always_inline int judge_cgroup4(struct bpf_sock_addr *ctx)
{
	struct kerf_net_event net = {};
	struct kerf_source source = {};

	net.port = bpf_ntohs((__u16)ctx->user_port);
	net.protocol = ctx->protocol;
	fill_source(ctx, &source);
	int unclear = set_address4(&net, bpf_ntohl(ctx->user_ip4), &source);
	return answer_cgroup(judge_net(&net, KERF_EVENT_NET_CONNECT, cgroup_binding(), unclear));
}

static __always_inline int judge_cgroup6(struct bpf_sock_addr *ctx)
{
	struct kerf_net_event net = {};
	struct kerf_source source = {};
	__u32 address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};

	net.port = bpf_ntohs((__u16)ctx->user_port);
	net.protocol = ctx->protocol;
	fill_source(ctx, &source);
	int unclear = set_address6(&net, address, &source);
	return answer_cgroup(judge_net(&net, KERF_EVENT_NET_CONNECT, cgroup_binding(), unclear));
}

SEC("cgroup/connect4")
int kerf_connect4(struct bpf_sock_addr *ctx)
{
	return judge_cgroup4(ctx);
}

SEC("cgroup/sendmsg4")
int kerf_sendmsg4(struct bpf_sock_addr *ctx)
{
	return judge_cgroup4(ctx);
}

SEC("cgroup/connect6")
int kerf_connect6(struct bpf_sock_addr *ctx)
{
	return judge_cgroup6(ctx);
}

SEC("cgroup/sendmsg6")
int kerf_sendmsg6(struct bpf_sock_addr *ctx)
{
	return judge_cgroup6(ctx);
}

SEC("cgroup/bind4")
int kerf_bind4(struct bpf_sock_addr *ctx)
{
	struct kerf_net_event net = {};

	net.port = bpf_ntohs((__u16)ctx->user_port);
	net.protocol = ctx->protocol;
	set_own_address4(&net, bpf_ntohl(ctx->user_ip4));
	return answer_cgroup(judge_net(&net, KERF_EVENT_NET_BIND, cgroup_binding(), 0));
}

SEC("cgroup/bind6")
int kerf_bind6(struct bpf_sock_addr *ctx)
{
	struct kerf_net_event net = {};
	__u32 address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};

	net.port = bpf_ntohs((__u16)ctx->user_port);
	net.protocol = ctx->protocol;
	set_own_address6(&net, address);
	return answer_cgroup(judge_net(&net, KERF_EVENT_NET_BIND, cgroup_binding(), 0));
}

SEC("cgroup/sock_create")
int kerf_sock_create(struct bpf_sock *ctx)
{
	struct kerf_walk walk = {};
	__u32 type = ctx->type, protocol = ctx->protocol;

	if (is_judged_kind(type, protocol))
		return 1;
	walk.now_ns = bpf_ktime_get_boot_ns();
	walk.seen.net.v6 = ctx->family == FAMILY_INET6;
	walk.seen.net.protocol = protocol;
	fill_task(&walk.seen);
	set_denial(&walk, KERF_REASON_GUARD);
	count_decision(1, 1);
	report(&walk, cgroup_binding(), KERF_EPERM, KERF_GUARD_RAW_SOCKET);
	return answer_cgroup(KERF_EPERM);
}

#endif
