/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The fence around the task: sockets that were made outside of its cgroup, and sends that no program of the cgroup sees,
 * are judged by the task's own binding. The one decision: a call that the cgroup's programs will judge by the same
 * binding is left to them, so that every call is decided, counted and reported once. */
#ifndef KERF_FENCE_H
#define KERF_FENCE_H

#include "guards.h"
#include "net.h"

#define FLAG_FASTOPEN 0x20000000u
#define SIZE_INET 16
#define SIZE_INET6 24   /* as RFC 2133 had it, and the kernel still takes it */

struct kerf_sockaddr {
	__u16 family;
	__u16 port;
	union {
		__u32 address4;
		struct {
			__u32 flow;
			__u32 address6[4];
		};
	};
};

/* Will the programs of a bound cgroup see it, and judge by this binding? */
static __always_inline int cgroup_judges(const struct sock *sk, __u32 protocol, __u32 binding)
{
	if (protocol != PROTO_TCP && protocol != PROTO_MPTCP && !is_datagram(protocol))
		return 0;
	const struct kerf_tag *tag = tag_of_cgroup(sk->sk_cgrp_data.cgroup);
	return tag && binding && tag->binding == binding;
}

static __always_inline void fill_socket_source(const struct sock *sk, struct kerf_source *source)
{
	const struct in6_addr *from = &sk->__sk_common.skc_v6_rcv_saddr;

	source->known = 1;
	source->bound4 = sk->__sk_common.skc_rcv_saddr;
	source->device = sk->__sk_common.skc_bound_dev_if;
	source->mapped = !(from->in6_u.u6_addr32[0] | from->in6_u.u6_addr32[1]) &&
			 bpf_ntohl(from->in6_u.u6_addr32[2]) == 0xffff;
}

/* `name` is in the kernel: the call copied it before. */
static __always_inline long judge_name(const struct sock *sk, const void *name, int length, int unspecified_is_inet)
{
	struct kerf_net_event net = {};
	struct kerf_source source = {};
	struct kerf_sockaddr to = {};
	__u32 binding, protocol = sk->sk_protocol;
	int unclear;

	if (!current_is_bound(&binding) || BPF_CORE_READ_BITFIELD(sk, sk_kern_sock))
		return 0;
	bpf_probe_read_kernel(&to, sizeof(to), name);
	__u32 family = to.family;
	if (family == FAMILY_UNSPEC && unspecified_is_inet)
		family = FAMILY_INET;
	if (family != FAMILY_INET && family != FAMILY_INET6)
		return 0;
	if (length < (family == FAMILY_INET ? SIZE_INET : SIZE_INET6))
		return -ERRNO_EINVAL;
	if (cgroup_judges(sk, protocol, binding))
		return 0;
	fill_socket_source(sk, &source);
	net.port = bpf_ntohs(to.port);
	net.protocol = protocol;
	if (family == FAMILY_INET)
		unclear = set_address4(&net, bpf_ntohl(to.address4), &source);
	else
		unclear = set_address6(&net, to.address6, &source);
	__s32 error = judge_net(&net, KERF_EVENT_NET_CONNECT, binding, unclear);
	return error ? refuse_by(error) : 0;
}

/* AF_UNSPEC takes a connection back, and raises nothing. */
SEC("lsm/socket_connect")
long kerf_lsm_connect(__u64 *ctx)
{
	const struct sock *sk = ((const struct socket *)ctx[0])->sk;

	return sk ? judge_name(sk, (const void *)ctx[1], ctx[2], 0) : -ERRNO_EINVAL;
}

/* In quarantine an open connection is of no more use. */
static __always_inline long judge_flow(const struct sock *sk, __u32 family)
{
	struct kerf_net_event net = {};
	__u32 binding;

	if ((family != FAMILY_INET && family != FAMILY_INET6) || !current_is_bound(&binding) ||
	    BPF_CORE_READ_BITFIELD(sk, sk_kern_sock))
		return 0;
	const struct kerf_binding *record = record_of(binding);
	if (record && record->mode != KERF_MODE_QUARANTINE)
		return 0;
	struct kerf_source source = {};
	struct in6_addr peer = sk->__sk_common.skc_v6_daddr;
	net.port = bpf_ntohs(sk->__sk_common.skc_dport);
	net.protocol = sk->sk_protocol;
	if (family == FAMILY_INET)
		set_address4(&net, bpf_ntohl(sk->__sk_common.skc_daddr), &source);
	else
		set_address6(&net, peer.in6_u.u6_addr32, &source);
	__s32 error = judge_net(&net, KERF_EVENT_NET_CONNECT, binding, 0);
	return error ? refuse_by(error) : 0;
}

/* With a name: a datagram, or a Fast Open connection; the name is ignored by connections that are open. */
SEC("lsm/socket_sendmsg")
long kerf_lsm_sendmsg(__u64 *ctx)
{
	const struct sock *sk = ((const struct socket *)ctx[0])->sk;
	const struct msghdr *message = (const struct msghdr *)ctx[1];
	if (!sk)
		return -ERRNO_EINVAL;
	__u32 family = sk->__sk_common.skc_family, protocol = sk->sk_protocol;
	const void *name = message->msg_name;
	int stream = protocol == PROTO_TCP || protocol == PROTO_MPTCP;

	if (!name || (stream && !(message->msg_flags & FLAG_FASTOPEN)))
		return judge_flow(sk, family);
	return judge_name(sk, name, message->msg_namelen, family == FAMILY_INET);
}

/* Families that carry Internet or link-layer packets past the connect hooks. */
static __always_inline int sends_packets(__u32 family)
{
	switch (family) {
	case 17:   /* AF_PACKET */
	case 21:   /* AF_RDS */
	case 24:   /* AF_PPPOX */
	case 26:   /* AF_LLC */
	case 30:   /* AF_TIPC */
	case 33:   /* AF_RXRPC */
	case 43:   /* AF_SMC */
	case 44:   /* AF_XDP */
		return 1;
	default:
		return 0;
	}
}

/* Guard, as the one of the cgroup's programs, for tasks that were moved elsewhere, and for other families. */
SEC("lsm/socket_create")
long kerf_lsm_socket(__u64 *ctx)
{
	__u32 family = ctx[0], type = ctx[1], protocol = ctx[2], kernel = ctx[3];
	__u32 guard = sends_packets(family) ? KERF_GUARD_PACKET_SOCKET : KERF_GUARD_RAW_SOCKET;

	if (guard == KERF_GUARD_RAW_SOCKET) {
		if (family != FAMILY_INET && family != FAMILY_INET6)
			return 0;
		if (!protocol)
			protocol = type == TYPE_STREAM ? PROTO_TCP : type == TYPE_DGRAM ? PROTO_UDP : 0;
		if (is_judged_kind(type, protocol))
			return 0;
	}
	if (kernel || guard_waived(guard))
		return 0;
	return guard_against(guard);
}

#endif
