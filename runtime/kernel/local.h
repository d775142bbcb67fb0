/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a task does with sockets of its own side: bind, listen, accept. Bind is left to the cgroup's programs where they see
 * it, as in the fence; to listen is judged here alone. Who connects is judged when the connection arrives (packets.h), by
 * the socket's cgroup: a task that accepts from a socket of another cgroup would be served unjudged, and is refused. */
#ifndef KERF_LOCAL_H
#define KERF_LOCAL_H

#include "fence.h"

static __always_inline int is_internet(__u32 family)
{
	return family == FAMILY_INET || family == FAMILY_INET6;
}

/* Will the cgroup's bind programs see it, and judge by this binding? Sockets with a bind of their own pass them. */
SEC("lsm/socket_bind")
long kerf_lsm_bind(__u64 *ctx)
{
	const struct sock *sk = ((const struct socket *)ctx[0])->sk;
	struct kerf_net_event net = {};
	struct kerf_sockaddr to = {};
	__u32 binding, length = ctx[2];

	if (!sk)
		return -ERRNO_EINVAL;
	__u32 own = sk->__sk_common.skc_family, protocol = sk->sk_protocol;
	if (!is_internet(own) || !current_is_bound(&binding) || BPF_CORE_READ_BITFIELD(sk, sk_kern_sock) ||
	    cgroup_judges(sk, protocol, binding))
		return 0;
	bpf_probe_read_kernel(&to, sizeof(to), (const void *)ctx[1]);
	__u32 family = to.family == FAMILY_UNSPEC ? own : to.family;
	if (!is_internet(family) || length < (family == FAMILY_INET ? SIZE_INET : SIZE_INET6))
		return -ERRNO_EINVAL;
	net.port = bpf_ntohs(to.port);
	net.protocol = protocol;
	if (family == FAMILY_INET)
		set_own_address4(&net, bpf_ntohl(to.address4));
	else
		set_own_address6(&net, to.address6);
	__s32 error = judge_net(&net, KERF_EVENT_NET_BIND, binding, 0);
	return error ? refuse_by(error) : 0;
}

SEC("lsm/socket_listen")
long kerf_lsm_listen(__u64 *ctx)
{
	const struct sock *sk = ((const struct socket *)ctx[0])->sk;
	struct kerf_net_event net = {};
	__u32 binding;

	if (!sk)
		return -ERRNO_EINVAL;
	__u32 family = sk->__sk_common.skc_family;
	if (!is_internet(family) || !current_is_bound(&binding))
		return 0;
	struct in6_addr own = sk->__sk_common.skc_v6_rcv_saddr;
	net.port = sk->__sk_common.skc_num;
	net.protocol = sk->sk_protocol;
	if (family == FAMILY_INET)
		set_own_address4(&net, bpf_ntohl(sk->__sk_common.skc_rcv_saddr));
	else
		set_own_address6(&net, own.in6_u.u6_addr32);
	__s32 error = judge_net(&net, KERF_EVENT_NET_LISTEN, binding, 0);
	return error ? refuse_by(error) : 0;
}

SEC("lsm/socket_accept")
long kerf_lsm_accept(__u64 *ctx)
{
	const struct sock *sk = ((const struct socket *)ctx[0])->sk;
	struct kerf_net_event net = {};
	__u32 binding;

	if (!sk)
		return -ERRNO_EINVAL;
	__u32 protocol = sk->sk_protocol;
	if (!is_internet(sk->__sk_common.skc_family) || !current_is_bound(&binding))
		return 0;
	if ((protocol == PROTO_TCP || protocol == PROTO_MPTCP) && cgroup_judges(sk, protocol, binding))
		return 0;
	net.protocol = protocol;
	net.local_port = sk->__sk_common.skc_num;
	__s32 error = judge_net(&net, KERF_EVENT_NET_ACCEPT, binding, 1);
	return error ? refuse_by(error) : 0;
}

#endif
