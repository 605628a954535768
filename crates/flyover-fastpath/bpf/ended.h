/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections whose conntrack entry is gone end here, where the kernel announces it: a process that is woken for
 * each would cost a short connection more than the bypass saves it, and would come too late besides.
 *
 * The program sits on the process's netlink socket. What it has dealt with is not delivered; what is not written as
 * it expects is, and the process reads it.
 */
#ifndef FLYOVER_ENDED_H
#define FLYOVER_ENDED_H

#include "books.h"

/* Attributes as conntrack writes them, with the numbers of linux/netfilter/nfnetlink_conntrack.h. */
struct nla {
	__u16 len;
	__u16 type;
};

#define NLA_NESTED (1 << 15)
#define CTNL_GONE (1 << 8 | 2)

struct nfnl {
	__u32 len;
	__u16 type;
	__u16 flags;
	__u32 seq;
	__u32 pid;
	__u8 family;
	__u8 version;
	__u16 res_id;
};

struct ct_proto {
	struct nla nest; /* CTA_TUPLE_PROTO */
	struct nla num_head;
	__u8 num;
	__u8 pad0[3];
	struct nla sport_head;
	__be16 sport;
	__u8 pad1[2];
	struct nla dport_head;
	__be16 dport;
	__u8 pad2[2];
};

struct ct_tuple4 {
	struct nla nest; /* CTA_TUPLE_ORIG or CTA_TUPLE_REPLY */
	struct nla ip; /* CTA_TUPLE_IP */
	struct nla src_head;
	__be32 src;
	struct nla dst_head;
	__be32 dst;
	struct ct_proto proto;
};

struct ct_tuple6 {
	struct nla nest;
	struct nla ip;
	struct nla src_head;
	__be32 src[4];
	struct nla dst_head;
	__be32 dst[4];
	struct ct_proto proto;
};

/* Ends a flow in every network and at every device. */
__noinline int end_everywhere(const struct fo_tuple *tuple)
{
	struct fo_key key = {};
	__u32 i;

	if (!tuple)
		return 0;
	__builtin_memcpy(&key.tuple, tuple, sizeof(key.tuple));
	forget(&key, FORGET_ANYWHERE | FORGET_BOTH);
	for (i = 0; i < FO_TUNNELS; i++) {
		if (i >= state.tunnels)
			break;
		key.place = FO_PLACE(state.tunnel[i].vni, FO_CLASS_TUNNEL);
		forget(&key, FORGET_ANYWHERE | FORGET_BOTH);
	}
	return 0;
}

static __always_inline int is_nla(const struct nla *nla, __u16 type, __u16 len)
{
	return nla->type == type && nla->len == len;
}

static __always_inline int is_proto(const struct ct_proto *p)
{
	return is_nla(&p->nest, 2 | NLA_NESTED, sizeof(*p)) && is_nla(&p->num_head, 1, sizeof(struct nla) + 1) &&
	       is_nla(&p->sport_head, 2, sizeof(struct nla) + 2) && is_nla(&p->dport_head, 3, sizeof(struct nla) + 2);
}

/* Reads the tuple of that number (1: original, 2: reply) at `at`; fails where it is not as expected. */
static __always_inline int read4(struct __sk_buff *skb, __u32 at, __u16 number, struct fo_tuple *t)
{
	struct ct_tuple4 ct;

	if (bpf_skb_load_bytes(skb, at, &ct, sizeof(ct)))
		return -1;
	if (!is_nla(&ct.nest, number | NLA_NESTED, sizeof(ct)) || !is_nla(&ct.ip, 1 | NLA_NESTED, 20) ||
	    !is_nla(&ct.src_head, 1, 8) || !is_nla(&ct.dst_head, 2, 8) || !is_proto(&ct.proto))
		return -1;
	__builtin_memset(t, 0, sizeof(*t));
	t->saddr[0] = ct.src;
	t->daddr[0] = ct.dst;
	t->sport = ct.proto.sport;
	t->dport = ct.proto.dport;
	t->kind = FO_KIND(ct.proto.num, 4);
	return 0;
}

static __always_inline int read6(struct __sk_buff *skb, __u32 at, __u16 number, struct fo_tuple *t)
{
	struct ct_tuple6 ct;

	if (bpf_skb_load_bytes(skb, at, &ct, sizeof(ct)))
		return -1;
	if (!is_nla(&ct.nest, number | NLA_NESTED, sizeof(ct)) || !is_nla(&ct.ip, 1 | NLA_NESTED, 44) ||
	    !is_nla(&ct.src_head, 3, 20) || !is_nla(&ct.dst_head, 4, 20) || !is_proto(&ct.proto))
		return -1;
	__builtin_memcpy(t->saddr, ct.src, sizeof(ct.src));
	__builtin_memcpy(t->daddr, ct.dst, sizeof(ct.dst));
	t->sport = ct.proto.sport;
	t->dport = ct.proto.dport;
	t->kind = FO_KIND(ct.proto.num, 6);
	return 0;
}

#define DELIVER -1
#define DEALT_WITH 0

static __always_inline int end_announced(struct __sk_buff *skb)
{
	struct fo_tuple orig, reply;
	struct nfnl head;

	if (bpf_skb_load_bytes(skb, 0, &head, sizeof(head)))
		return DELIVER;
	/* Several messages in one datagram are the process's to read. */
	if (head.type != CTNL_GONE || head.len != skb->len)
		return DELIVER;
	if (head.family == 2) {
		if (read4(skb, sizeof(head), 1, &orig) ||
		    read4(skb, sizeof(head) + sizeof(struct ct_tuple4), 2, &reply))
			return DELIVER;
	} else if (head.family == 10) {
		if (read6(skb, sizeof(head), 1, &orig) ||
		    read6(skb, sizeof(head) + sizeof(struct ct_tuple6), 2, &reply))
			return DELIVER;
	} else {
		return DELIVER;
	}
	end_everywhere(&orig);
	end_everywhere(&reply);
	return DEALT_WITH;
}

#endif
