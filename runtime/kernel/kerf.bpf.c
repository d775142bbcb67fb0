// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The hooks. Each one turns what the kernel passes into the event that Cedar judges (normalised as design and
 * ir/passes/materialise say), finds the binding of the cgroup that it is attached to, and enforces the decision. */
#include "decide.h"
#include "report.h"
#include "selftest.h"

#define LOOPBACK4 0x7f000001u
#define FAMILY_INET6 10
#define TYPE_STREAM 1
#define TYPE_DGRAM 2
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_UDPLITE 136
#define PROTO_MPTCP 262

static __always_inline __u32 current_binding(void)
{
	struct kerf_cgroup_slot *slot = bpf_get_local_storage(&kerf_cgroup, 0);

	return slot->binding;
}

static __always_inline void fill_task(struct kerf_seen *seen)
{
	__u64 uid_gid = bpf_get_current_uid_gid();

	seen->uid = (__u32)uid_gid;
	seen->gid = uid_gid >> 32;
	seen->pid = bpf_get_current_pid_tgid() >> 32;
}

/* What audit mode lets pass: a policy's denial, never a failure of our own. */
static __always_inline int audited(const struct kerf_walk *walk)
{
	__u32 reason = walk->decision.reason;

	return walk->mode == KERF_MODE_AUDIT &&
	       (reason == KERF_REASON_FORBID || reason == KERF_REASON_NO_PERMIT ||
		reason == KERF_REASON_NO_APPLICABLE_ACTION);
}

static __always_inline int refuse_with(__s32 error)
{
	if (error < 1 || error > 4095)
		error = KERF_EPERM;
	bpf_set_retval(-error);
	return 0;
}

/* 1: the call goes on. `unclear`: the address cannot be told. */
static __always_inline int govern(struct kerf_walk *walk, int unclear)
{
	__u32 binding = current_binding();

	fill_task(&walk->seen);
	if (kerf_decide(walk, binding)) {
		walk->decision.verdict = KERF_VERDICT_DENY;
		walk->decision.reason = KERF_REASON_INTERNAL;
	} else if (unclear && walk->decision.reason != KERF_REASON_NO_RECORD &&
		   walk->decision.reason != KERF_REASON_QUARANTINE) {
		walk->decision.verdict = KERF_VERDICT_DENY;
		walk->decision.reason = KERF_REASON_NO_ADDRESS;
		walk->decision.determining_count = walk->decision.error_count = 0;
	}
	int allowed = walk->decision.verdict == KERF_VERDICT_ALLOW;
	int passes = allowed || audited(walk);
	count_decision(!allowed, 0);
	if (!allowed || logs_allows())
		report(walk, binding, passes ? 0 : walk->refusal_errno);
	return passes ? 1 : refuse_with(walk->refusal_errno);
}

/* 0.0.0.0 goes to the address that the socket is bound to, else to the one of the device that it is bound to, else to
 * loopback. Datagrams name a device also where no hook sees it (IP_UNICAST_IF, IP_PKTINFO). */
static __always_inline int govern4(struct kerf_walk *walk, __u32 address, const struct bpf_sock *sk)
{
	int loopback = walk->seen.net.protocol != PROTO_UDP && walk->seen.net.protocol != PROTO_UDPLITE && sk &&
		       !sk->src_ip4 && !sk->bound_dev_if;

	walk->seen.net.v6 = 0;
	walk->seen.net.address_high = 0;
	walk->seen.net.address_low = address ? address : LOOPBACK4;
	return govern(walk, !address && !loopback);
}

/* A socket that is bound to a mapped address takes :: for 127.0.0.1. */
static __always_inline int bound_to_mapped(const struct bpf_sock *sk)
{
	return sk && !(sk->src_ip6[0] | sk->src_ip6[1]) && bpf_ntohl(sk->src_ip6[2]) == 0xffff;
}

static __always_inline int govern6(struct bpf_sock_addr *ctx, struct kerf_walk *walk)
{
	__u32 w0 = bpf_ntohl(ctx->user_ip6[0]), w1 = bpf_ntohl(ctx->user_ip6[1]);
	__u32 w2 = bpf_ntohl(ctx->user_ip6[2]), w3 = bpf_ntohl(ctx->user_ip6[3]);
	struct bpf_sock *sk = ctx->sk;

	if (!(w0 | w1) && w2 == 0xffff)
		return govern4(walk, w3, sk);
	if (!(w0 | w1 | w2 | w3)) {
		if (bound_to_mapped(sk))
			return govern4(walk, LOOPBACK4, sk);
		w3 = 1;
	}
	walk->seen.net.v6 = 1;
	walk->seen.net.address_high = (__u64)w0 << 32 | w1;
	walk->seen.net.address_low = (__u64)w2 << 32 | w3;
	return govern(walk, 0);
}

static __always_inline void fill_socket(struct bpf_sock_addr *ctx, struct kerf_walk *walk)
{
	walk->seen.net.port = bpf_ntohs((__u16)ctx->user_port);
	walk->seen.net.protocol = ctx->protocol;
}

SEC("cgroup/connect4")
int kerf_connect4(struct bpf_sock_addr *ctx)
{
	struct kerf_walk walk = {};

	fill_socket(ctx, &walk);
	return govern4(&walk, bpf_ntohl(ctx->user_ip4), ctx->sk);
}

SEC("cgroup/sendmsg4")
int kerf_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct kerf_walk walk = {};

	fill_socket(ctx, &walk);
	return govern4(&walk, bpf_ntohl(ctx->user_ip4), ctx->sk);
}

SEC("cgroup/connect6")
int kerf_connect6(struct bpf_sock_addr *ctx)
{
	struct kerf_walk walk = {};

	fill_socket(ctx, &walk);
	return govern6(ctx, &walk);
}

SEC("cgroup/sendmsg6")
int kerf_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct kerf_walk walk = {};

	fill_socket(ctx, &walk);
	return govern6(ctx, &walk);
}

/* Guard: Internet sockets that send without passing the hooks above (raw, ping, SCTP, DCCP, …) are not made. */
SEC("cgroup/sock_create")
int kerf_sock_create(struct bpf_sock *ctx)
{
	struct kerf_walk walk = {};
	__u32 type = ctx->type, protocol = ctx->protocol;

	if (type == TYPE_STREAM && (protocol == PROTO_TCP || protocol == PROTO_MPTCP))
		return 1;
	if (type == TYPE_DGRAM && (protocol == PROTO_UDP || protocol == PROTO_UDPLITE))
		return 1;
	walk.now_ns = bpf_ktime_get_boot_ns();
	walk.decision.verdict = KERF_VERDICT_DENY;
	walk.decision.reason = KERF_REASON_GUARD;
	walk.seen.net.v6 = ctx->family == FAMILY_INET6;
	walk.seen.net.protocol = protocol;
	fill_task(&walk.seen);
	count_decision(1, 1);
	report(&walk, current_binding(), KERF_EPERM);
	return refuse_with(KERF_EPERM);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
