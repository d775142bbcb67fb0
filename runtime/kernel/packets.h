/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Packets of the cgroup's sockets. Leaving: those that name a way of their own, IPv6 routing headers and IPv4 source routes.
 * The connect hooks judged the address that the call named; such a packet goes to another one first. Arriving: those that
 * begin a TCP connection to a socket that listens, which raise net.accept. What cannot be told is dropped. */
#ifndef KERF_PACKETS_H
#define KERF_PACKETS_H

#include "cgroup.h"

#define IP4_HEADER 20
#define IP4_OPTIONS 40               /* bytes, at most */
#define OPTION_END 0
#define OPTION_NOTHING 1
#define OPTION_LOOSE_ROUTE 131
#define OPTION_STRICT_ROUTE 137

#define IP6_HEADER 40
#define IP6_EXTENSIONS 8             /* headers before the payload; more are dropped */
#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_AUTHENTICATION 51
#define NEXT_DESTINATION 60
#define NEXT_MOBILITY 135
#define NEXT_HIP 139
#define NEXT_SHIM6 140

/* `length`: of the header with its options. */
static __always_inline int is_routed4(struct __sk_buff *skb, __u32 length)
{
	__u32 at = IP4_HEADER;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i <= IP4_OPTIONS; i++) {
		__u8 option[2] = {};

		if (at >= length)
			return 0;
		if (bpf_skb_load_bytes(skb, at, option, 1))
			return 1;
		if (option[0] == OPTION_END)
			return 0;
		if (option[0] == OPTION_LOOSE_ROUTE || option[0] == OPTION_STRICT_ROUTE)
			return 1;
		if (option[0] == OPTION_NOTHING) {
			at++;
			continue;
		}
		if (bpf_skb_load_bytes(skb, at, option, 2) || option[1] < 2)
			return 1;
		at += option[1];
	}
	return 1;
}

static __always_inline int is_extension(__u8 header)
{
	return header == NEXT_HOP_BY_HOP || header == NEXT_FRAGMENT || header == NEXT_AUTHENTICATION ||
	       header == NEXT_DESTINATION || header == NEXT_MOBILITY || header == NEXT_HIP || header == NEXT_SHIM6;
}

/* A later fragment may be one of a packet whose first part holds a routing header: no socket makes one, but a raw one. */
static __always_inline int is_routed6(struct __sk_buff *skb, __u8 next)
{
	__u32 at = IP6_HEADER;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < IP6_EXTENSIONS; i++) {
		__u8 head[4] = {};

		if (next == NEXT_ROUTING)
			return 1;
		if (!is_extension(next))
			return 0;
		if (bpf_skb_load_bytes(skb, at, head, sizeof(head)))
			return 1;
		if (next == NEXT_FRAGMENT && (head[2] | (head[3] & 0xf8)))
			return 1;
		at += next == NEXT_FRAGMENT ? 8 : next == NEXT_AUTHENTICATION ? (head[1] + 2u) * 4 : (head[1] + 1u) * 8;
		next = head[0];
	}
	return 1;
}

static __always_inline int is_routed(struct __sk_buff *skb)
{
	__u8 head[8] = {};

	if (bpf_skb_load_bytes(skb, 0, head, sizeof(head)))
		return 1;
	switch (head[0] >> 4) {
	case 4:
		return is_routed4(skb, (head[0] & 0xf) * 4u);
	case 6:
		return is_routed6(skb, head[6]);
	default:
		return 1;
	}
}

/* Where the packet goes; what cannot be read stays 0. */
static __always_inline void describe_packet(struct __sk_buff *skb, struct kerf_net_event *net)
{
	__u8 first = 0, next = 0;
	__u32 words[4] = {}, at = IP6_HEADER;
	__u16 port = 0;

	bpf_skb_load_bytes(skb, 0, &first, 1);
	net->v6 = first >> 4 == 6;
	if (net->v6) {
		bpf_skb_load_bytes(skb, 6, &next, 1);
		bpf_skb_load_bytes(skb, 24, words, 16);
		net->address_high = (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]);
		net->address_low = (__u64)bpf_ntohl(words[2]) << 32 | bpf_ntohl(words[3]);
	} else {
		bpf_skb_load_bytes(skb, 9, &next, 1);
		bpf_skb_load_bytes(skb, 16, words, 4);
		net->address_low = bpf_ntohl(words[0]);
		at = (first & 0xf) * 4;
	}
	net->protocol = next;
	if (next == PROTO_TCP || is_datagram(next))
		bpf_skb_load_bytes(skb, at + 2, &port, 2);
	net->port = bpf_ntohs(port);
}

/* The current task may be anybody: the record names none. Not 0: the event is lost. */
static __always_inline int report_packet(struct __sk_buff *skb, __u32 binding, const struct kerf_binding *bound, __u32 reason)
{
	struct kerf_event_record *record = bpf_ringbuf_reserve(&kerf_events, sizeof(*record), 0);

	if (!record)
		return 1;
	__builtin_memset(record, 0, sizeof(*record));
	record->version = KERF_ABI_VERSION;
	record->kind = KERF_EVENT_NET_CONNECT;
	record->size = sizeof(*record);
	record->time_ns = bpf_ktime_get_boot_ns();
	record->cgroup_id = bpf_skb_cgroup_id(skb);
	record->binding = binding;
	record->refusal_errno = KERF_EPERM;
	if (bound) {
		record->generation = bound->generation;
		record->mode = bound->mode;
	}
	record->decision.verdict = KERF_VERDICT_DENY;
	record->decision.reason = reason;
	copy_digest(record->bundle_digest);
	if (reason == KERF_REASON_GUARD)
		record->guard = KERF_GUARD_SOURCE_ROUTING;
	else
		describe_packet(skb, &record->seen.net);
	bpf_ringbuf_submit(record, 0);
	return 0;
}

/* 0: the packet is dropped, and the sender is told EPERM where it still waits. In quarantine that is every packet: what
 * was connected before sends no more. */
SEC("cgroup_skb/egress")
int kerf_egress(struct __sk_buff *skb)
{
	__u32 binding = cgroup_binding();
	const struct kerf_binding *bound = record_of(binding);
	int still = bound && bound->mode == KERF_MODE_QUARANTINE;

	if (!still && (guard_waived(KERF_GUARD_SOURCE_ROUTING) || !is_routed(skb)))
		return 1;
	count_decision(1, !still);
	count_lost(report_packet(skb, binding, bound, still ? KERF_REASON_QUARANTINE : KERF_REASON_GUARD));
	return 0;
}

#define IP6_SOURCE 8
#define IP4_SOURCE 12
#define TCP_FLAGS 13
#define TCP_FLAG_SYN 0x02

/* Where the TCP header begins; 0: it cannot be told. Headers that the kernel itself does not follow to TCP do not come here. */
static __always_inline __u32 find_tcp6(struct __sk_buff *skb, __u8 next)
{
	__u32 at = IP6_HEADER;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < IP6_EXTENSIONS; i++) {
		__u8 head[2] = {};

		if (next == PROTO_TCP)
			return at;
		if ((!is_extension(next) && next != NEXT_ROUTING) || bpf_skb_load_bytes(skb, at, head, sizeof(head)))
			return 0;
		at += next == NEXT_FRAGMENT ? 8 : next == NEXT_AUTHENTICATION ? (head[1] + 2u) * 4 : (head[1] + 1u) * 8;
		next = head[0];
	}
	return 0;
}

/* The peer of a packet. Where its TCP header begins; 0: it cannot be told. */
static __always_inline __u32 read_peer(struct __sk_buff *skb, struct kerf_net_event *net)
{
	__u8 head[8] = {};
	__u32 address[4] = {};

	if (bpf_skb_load_bytes(skb, 0, head, sizeof(head)))
		return 0;
	if (head[0] >> 4 == 4) {
		if (bpf_skb_load_bytes(skb, IP4_SOURCE, address, 4))
			return 0;
		set_own_address4(net, bpf_ntohl(address[0]));
		return (head[0] & 0xf) * 4u;
	}
	if (head[0] >> 4 != 6 || bpf_skb_load_bytes(skb, IP6_SOURCE, address, sizeof(address)))
		return 0;
	set_own_address6(net, address);
	return find_tcp6(skb, head[6]);
}

/* Nobody's process is known. Not 0: the event is lost. */
static __always_inline int report_arrival(struct kerf_scratch *s, struct __sk_buff *skb, __u32 binding, __s32 refusal_errno)
{
	struct kerf_event_record *record = &s->record;

	__builtin_memset(record, 0, sizeof(*record));
	record->version = KERF_ABI_VERSION;
	record->kind = KERF_EVENT_NET_ACCEPT;
	record->size = sizeof(*record);
	record->time_ns = s->walk.now_ns;
	record->generation = s->walk.generation;
	record->cgroup_id = bpf_skb_cgroup_id(skb);
	record->binding = binding;
	record->refusal_errno = refusal_errno;
	record->mode = s->walk.mode;
	record->decision = s->walk.decision;
	record->seen = s->walk.seen;
	copy_digest(record->bundle_digest);
	return bpf_ringbuf_output(&kerf_events, record, sizeof(*record), 0) != 0;
}

/* 1: the packet goes on. */
static __always_inline int judge_arrival(struct __sk_buff *skb, const struct kerf_net_event *net, __u32 binding, int unclear)
{
	struct kerf_scratch *s = scratch_claim();
	struct kerf_counters *c = counters();

	if (!s) {
		if (c)
			__sync_fetch_and_add(&c->no_slot, 1);
		count_decision(1, 0);
		return 0;
	}
	struct kerf_walk *walk = &s->walk;
	__builtin_memset(&walk->seen, 0, sizeof(walk->seen));
	walk->seen.event = KERF_EVENT_NET_ACCEPT;
	walk->seen.clock_ms = clock_now();
	walk->seen.net = *net;
	walk->generation = 0;
	walk->trial = 0;
	int allowed = settle_net(walk, binding, unclear);
	int passes = allowed || audited(walk);
	count_decision(!allowed, 0);
	if (!allowed || logs_allows(walk))
		count_lost(report_arrival(s, skb, binding, passes ? 0 : walk->refusal_errno));
	scratch_release(s);
	return passes;
}

/* A packet for a listening socket begins a connection iff SYN is set: a later one answers what was let through. */
SEC("cgroup_skb/ingress")
int kerf_ingress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk ? bpf_sk_fullsock(skb->sk) : 0;
	struct kerf_net_event net = {};
	__u8 flags = TCP_FLAG_SYN;
	__be16 port = 0;

	if (!sk || sk->state != BPF_TCP_LISTEN)
		return 1;
	net.protocol = sk->protocol;
	net.local_port = sk->src_port;
	__u32 tcp = read_peer(skb, &net);
	int unclear = !tcp || bpf_skb_load_bytes(skb, tcp, &port, sizeof(port)) ||
		      bpf_skb_load_bytes(skb, tcp + TCP_FLAGS, &flags, sizeof(flags));
	if (!unclear && !(flags & TCP_FLAG_SYN))
		return 1;
	net.port = bpf_ntohs(port);
	return judge_arrival(skb, &net, cgroup_binding(), unclear);
}

#endif
