/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Addresses as a process passes them -> net.connect, normalised as design and ir/passes/materialise say; and the
 * decision about it, the same for the programs of the cgroup and for the fence around the task. */
#ifndef KERF_NET_H
#define KERF_NET_H

#include "judge.h"

#define LOOPBACK4 0x7f000001u
#define FAMILY_UNSPEC 0
#define FAMILY_INET 2
#define FAMILY_INET6 10
#define TYPE_STREAM 1
#define TYPE_DGRAM 2
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_UDPLITE 136
#define PROTO_MPTCP 262

/* What the socket says about where unspecified addresses go. */
struct kerf_source {
	__u32 known;           /* the rest is */
	__u32 bound4;          /* IPv4 address that it is bound to; 0: none */
	__u32 mapped;          /* it is bound to a mapped address */
	__u32 device;          /* that it is bound to; 0: none */
};

static __always_inline int is_datagram(__u32 protocol)
{
	return protocol == PROTO_UDP || protocol == PROTO_UDPLITE;
}

/* 0.0.0.0 goes to the address that the socket is bound to, else to the one of the device that it is bound to, else to
 * loopback. Datagrams name a device also where no hook sees it (IP_UNICAST_IF, IP_PKTINFO). Not 0: it cannot be told. */
static __always_inline int set_address4(struct kerf_net_event *net, __u32 address, const struct kerf_source *source)
{
	int loopback = !is_datagram(net->protocol) && source->known && !source->bound4 && !source->device;

	net->v6 = 0;
	net->address_high = 0;
	net->address_low = address ? address : LOOPBACK4;
	return !address && !loopback;
}

/* A socket that is bound to a mapped address takes :: for 127.0.0.1. */
static __always_inline int set_address6(struct kerf_net_event *net, const __u32 address[4], const struct kerf_source *source)
{
	__u32 w0 = bpf_ntohl(address[0]), w1 = bpf_ntohl(address[1]), w2 = bpf_ntohl(address[2]), w3 = bpf_ntohl(address[3]);

	if (!(w0 | w1) && w2 == 0xffff)
		return set_address4(net, w3, source);
	if (!(w0 | w1 | w2 | w3)) {
		if (source->known && source->mapped)
			return set_address4(net, LOOPBACK4, source);
		w3 = 1;
	}
	net->v6 = 1;
	net->address_high = (__u64)w0 << 32 | w1;
	net->address_low = (__u64)w2 << 32 | w3;
	return 0;
}

/* An address that is this socket's own, or a peer's: only mapped IPv6 becomes IPv4. */
static __always_inline void set_own_address4(struct kerf_net_event *net, __u32 address)
{
	net->v6 = 0;
	net->address_high = 0;
	net->address_low = address;
}

static __always_inline void set_own_address6(struct kerf_net_event *net, const __u32 address[4])
{
	__u32 w0 = bpf_ntohl(address[0]), w1 = bpf_ntohl(address[1]), w2 = bpf_ntohl(address[2]), w3 = bpf_ntohl(address[3]);

	if (!(w0 | w1) && w2 == 0xffff) {
		set_own_address4(net, w3);
		return;
	}
	net->v6 = 1;
	net->address_high = (__u64)w0 << 32 | w1;
	net->address_low = (__u64)w2 << 32 | w3;
}

/* Is it allowed? `unclear`: the address cannot be told. */
static __always_inline int settle_net(struct kerf_walk *walk, __u32 binding, int unclear)
{
	if (kerf_decide(walk, binding)) {
		set_denial(walk, KERF_REASON_INTERNAL);
	} else if (unclear && walk->decision.reason != KERF_REASON_NO_RECORD &&
		   walk->decision.reason != KERF_REASON_QUARANTINE) {
		set_denial(walk, KERF_REASON_NO_ADDRESS);
	}
	return walk->decision.verdict == KERF_VERDICT_ALLOW;
}

/* Counts, reports. `unclear`: the address cannot be told. 0: the call goes on; else the errno. What is decided lies in a
 * scratch slot: on the stack it would leave too little for the calls below. */
static __always_inline __s32 judge_net(const struct kerf_net_event *net, __u32 event, __u32 binding, int unclear)
{
	struct kerf_scratch *s = scratch_claim();

	if (!s) {
		kerf_no_slot(binding, event);
		return ERRNO_EACCES;
	}
	struct kerf_walk *walk = &s->walk;
	__builtin_memset(&walk->seen, 0, sizeof(walk->seen));
	walk->seen.event = event;
	walk->seen.net = *net;
	walk->generation = 0;
	walk->trial = 0;
	fill_task(&walk->seen);
	FORGET(s->binding) = binding;
	FORGET(s->super) = 0;
	fill_exe(s, KERF_BIT(event));
	int allowed = settle_net(walk, binding, unclear);
	int passes = allowed || audited(walk);
	__s32 error = passes ? 0 : walk->refusal_errno;
	count_decision(!allowed, 0);
	if (!allowed || logs_allows(walk)) {
		if (kerf_exe_events & KERF_BIT(event))
			count_lost(kerf_report_file(s, binding, error, KERF_GUARD_NONE));
		else
			report(walk, binding, error, KERF_GUARD_NONE);
	}
	scratch_release(s);
	return passes ? 0 : error ? error : KERF_EPERM;
}

/* Guard: Internet sockets that send without passing the connect hooks (raw, ping, SCTP, DCCP, …). */
static __always_inline int is_judged_kind(__u32 type, __u32 protocol)
{
	return (type == TYPE_STREAM && (protocol == PROTO_TCP || protocol == PROTO_MPTCP)) ||
	       (type == TYPE_DGRAM && is_datagram(protocol));
}

#endif
