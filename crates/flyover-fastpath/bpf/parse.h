/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads packet headers into a key, or says why the packet is not one for the bypass.
 *
 * Invariant: nothing here changes a packet, and each access stands behind a check against the packet's end.
 */
#ifndef FLYOVER_PARSE_H
#define FLYOVER_PARSE_H

#include "shared.h"

#define ETH_LEN 14
#define ETH_MIN 60
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_TEB 0x6558
#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_FRAGMENT 44
#define IPPROTO_ICMPV6 58
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define PACKET_HOST 0

struct eth {
	__u8 dst[6];
	__u8 src[6];
	__be16 proto;
};

struct ip4 {
	__u8 ver_ihl;
	__u8 tos;
	__be16 len;
	__be16 id;
	__be16 frag;
	__u8 ttl;
	__u8 proto;
	__u16 sum;
	__be32 src;
	__be32 dst;
};

struct ip6 {
	__be32 ver_class_flow;
	__be16 len;
	__u8 next;
	__u8 hops;
	__be32 src[4];
	__be32 dst[4];
};

struct tcp {
	__be16 src;
	__be16 dst;
	__be32 seq;
	__be32 ack;
	__u8 doff;
	__u8 flags;
	__be16 window;
	__u16 sum;
	__be16 urgent;
};

struct udp {
	__be16 src;
	__be16 dst;
	__be16 len;
	__u16 sum;
};

/* VXLAN and Geneve alike: one word of flags, one of VNI and a reserved byte. */
struct tun {
	__be32 flags;
	__be32 vni;
};

/* What one look at an IP packet tells besides its key. */
struct pkt {
	void *l4;
	__u32 l3_len; /* as the IP header says */
	__u32 l4_len; /* of the transport header */
	__u16 l3_hdr;
	__u8 ttl;
	__u8 tos;
	__u8 tcp_flags;
	__u8 no_sum; /* UDP without a checksum */
};

/* Makes the first `want` bytes linear; most packets' are already. Changes where bytes lie, not what they are. */
static __always_inline int reach(struct __sk_buff *skb, __u32 want)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (data + want <= end)
		return 0;
	return bpf_skb_pull_data(skb, skb->len < want ? skb->len : want);
}

static __always_inline __u16 fold16(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/*
 * Copies whole words. The compiler would copy to a packet byte by byte, for it may assume no alignment there; the
 * machines we run on do not mind.
 */
static __always_inline void copy_words(void *to, const void *from, __u32 bytes)
{
	__u32 i;

#pragma unroll
	for (i = 0; i + 8 <= bytes; i += 8)
		*(__u64 *)(to + i) = *(const __u64 *)(from + i);
	if (bytes & 4) {
		*(__u32 *)(to + i) = *(const __u32 *)(from + i);
		i += 4;
	}
	if (bytes & 2)
		*(__u16 *)(to + i) = *(const __u16 *)(from + i);
}

/* The sum over a sound IPv4 header is all ones. */
static __always_inline int ip4_sum_holds(const struct ip4 *ip)
{
	const __u32 *w = (const void *)ip;

	return fold16((__u64)w[0] + w[1] + w[2] + w[3] + w[4]) == 0xffff;
}

static __always_inline int parse_ip4(void *l3, void *end, struct fo_key *key, struct pkt *p, __u8 *proto)
{
	struct ip4 *ip = l3;

	if ((void *)(ip + 1) > end)
		return FO_MALFORMED;
	if (ip->ver_ihl != 0x45)
		return (ip->ver_ihl & 0xf0) == 0x40 && ip->ver_ihl > 0x45 ? FO_IP_OPTIONS : FO_MALFORMED;
	/* All but "don't fragment": the reserved bit too is nobody's we know. */
	if (ip->frag & bpf_htons(0xbfff))
		return FO_FRAGMENT;
	if (!ip4_sum_holds(ip))
		return FO_MALFORMED;
	/* Class D and E, and the limited broadcast. */
	if ((ip->dst & bpf_htonl(0xe0000000)) == bpf_htonl(0xe0000000))
		return FO_MULTICAST;
	key->tuple.saddr[0] = ip->src;
	key->tuple.daddr[0] = ip->dst;
	p->l3_len = bpf_ntohs(ip->len);
	p->l3_hdr = sizeof(*ip);
	p->ttl = ip->ttl;
	p->tos = ip->tos;
	key->place |= FO_PLACE(0, (ip->tos & FO_CLASS_DSCP) | (ip->frag ? FO_CLASS_DF : 0));
	*proto = ip->proto;
	p->l4 = ip + 1;
	return FO_FAST;
}

static __always_inline int parse_ip6(void *l3, void *end, struct fo_key *key, struct pkt *p, __u8 *proto)
{
	struct ip6 *ip = l3;
	__u32 word;

	if ((void *)(ip + 1) > end)
		return FO_MALFORMED;
	word = bpf_ntohl(ip->ver_class_flow);
	if (word >> 28 != 6)
		return FO_MALFORMED;
	if ((ip->dst[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000))
		return FO_MULTICAST;
	__builtin_memcpy(key->tuple.saddr, ip->src, 16);
	__builtin_memcpy(key->tuple.daddr, ip->dst, 16);
	p->l3_len = bpf_ntohs(ip->len) + sizeof(*ip);
	p->l3_hdr = sizeof(*ip);
	p->ttl = ip->hops;
	p->tos = word >> 20;
	key->place |= FO_PLACE(0, p->tos & FO_CLASS_DSCP);
	*proto = ip->next;
	p->l4 = ip + 1;
	return FO_FAST;
}

static __always_inline int parse_tcp(void *end, struct fo_key *key, struct pkt *p)
{
	struct tcp *tcp = p->l4;

	if ((void *)(tcp + 1) > end)
		return FO_MALFORMED;
	p->l4_len = (tcp->doff >> 4) * 4;
	if (p->l4_len < sizeof(*tcp) || p->l3_hdr + p->l4_len > p->l3_len)
		return FO_MALFORMED;
	key->tuple.ports = *(__u32 *)tcp;
	p->tcp_flags = tcp->flags;
	p->no_sum = 0;
	return (tcp->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK ? FO_FAST : FO_TCP_FLAGS;
}

static __always_inline int parse_udp(void *end, struct fo_key *key, struct pkt *p)
{
	struct udp *udp = p->l4;

	if ((void *)(udp + 1) > end)
		return FO_MALFORMED;
	p->l4_len = sizeof(*udp);
	if (bpf_ntohs(udp->len) + p->l3_hdr != p->l3_len)
		return FO_MALFORMED;
	key->tuple.ports = *(__u32 *)udp;
	p->tcp_flags = 0;
	p->no_sum = udp->sum == 0;
	return FO_FAST;
}

/*
 * Fills `key` and `p` from the IP packet at `l3`. On FO_TCP_FLAGS both are filled: a handshake may still teach.
 * `key->place` is added to, the rest of `key` outside the tuple is the caller's.
 */
static __always_inline int parse_ip(void *l3, void *end, __be16 proto, struct fo_key *key, struct pkt *p)
{
	__u8 next;
	int why;

	if (proto == bpf_htons(ETH_P_IP))
		why = parse_ip4(l3, end, key, p, &next);
	else if (proto == bpf_htons(ETH_P_IPV6))
		why = parse_ip6(l3, end, key, p, &next);
	else
		return FO_NOT_IP;
	if (why)
		return why;
	key->tuple.kind = FO_KIND(next, proto == bpf_htons(ETH_P_IP) ? 4 : 6);
	switch (next) {
	case IPPROTO_TCP:
		return parse_tcp(end, key, p);
	case IPPROTO_UDP:
		return parse_udp(end, key, p);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return FO_ICMP;
	case IPPROTO_FRAGMENT:
		return p->l3_hdr == sizeof(struct ip6) ? FO_FRAGMENT : FO_L4_UNKNOWN;
	case 0: /* hop-by-hop options */
	case 43: /* routing header */
	case 60: /* destination options */
		return p->l3_hdr == sizeof(struct ip6) ? FO_IP_OPTIONS : FO_L4_UNKNOWN;
	default:
		return FO_L4_UNKNOWN;
	}
}

/* What encloses a tunnelled packet. */
struct outer {
	struct eth *inner_eth;
	void *tun;
	__u32 vni;
	__u32 strip; /* bytes between outer Ethernet and inner IP */
	__u32 family;
	__u32 tun_len;
	__u32 no_sum;
	__u32 ecn;
};

#define FO_NO_TUNNEL 255

/*
 * Reads the tunnel headers of the packet whose Ethernet header is at `eth`. FO_NO_TUNNEL if it is not for one of
 * the node's tunnels. `len` is the whole packet's, Ethernet included.
 */
static __always_inline int parse_outer(struct eth *eth, void *end, __u32 len, const struct fo_state *st,
				       struct outer *o)
{
	__u32 l3_hdr, l3_len, udp_len, i, kind = 0;
	__u8 ecn, frag = 0;
	struct udp *udp;
	struct tun *tun;

	if (eth->proto == bpf_htons(ETH_P_IP)) {
		struct ip4 *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end)
			return FO_MALFORMED;
		if (ip->proto != IPPROTO_UDP || ip->ver_ihl != 0x45)
			return FO_NO_TUNNEL;
		l3_hdr = sizeof(*ip);
		l3_len = bpf_ntohs(ip->len);
		frag = (ip->frag & bpf_htons(0xbfff)) != 0;
		ecn = ip->tos & 3;
		o->family = 4;
	} else if (eth->proto == bpf_htons(ETH_P_IPV6)) {
		struct ip6 *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end)
			return FO_MALFORMED;
		if (ip->next != IPPROTO_UDP)
			return FO_NO_TUNNEL;
		l3_hdr = sizeof(*ip);
		l3_len = bpf_ntohs(ip->len) + sizeof(*ip);
		ecn = (bpf_ntohl(ip->ver_class_flow) >> 20) & 3;
		o->family = 6;
	} else {
		return FO_NO_TUNNEL;
	}
	udp = (void *)(eth + 1) + l3_hdr;
	tun = (void *)(udp + 1);
	if ((void *)(tun + 1) > end)
		return FO_NO_TUNNEL;
	for (i = 0; i < FO_TUNNELS; i++) {
		if (i >= st->tunnels)
			return FO_NO_TUNNEL;
		if (st->tunnel[i].port == udp->dst) {
			kind = st->tunnel[i].kind;
			break;
		}
	}
	if (!kind)
		return FO_NO_TUNNEL;
	if (frag)
		return FO_FRAGMENT;
	if (ecn == 3)
		return FO_OUTER_CE;
	udp_len = bpf_ntohs(udp->len);
	if (l3_len + ETH_LEN != len || udp_len + l3_hdr != l3_len)
		return FO_TUNNEL_MALFORMED;
	if (o->family == 4 && !ip4_sum_holds((void *)(eth + 1)))
		return FO_TUNNEL_MALFORMED;
	o->tun_len = sizeof(*tun);
	if (kind == FO_VXLAN) {
		/* Only the "VNI is valid" flag: any other is an extension, or nonsense. */
		if (tun->flags != bpf_htonl(0x08000000) || tun->vni & bpf_htonl(0xff))
			return FO_TUNNEL_FLAGS;
	} else {
		__u32 flags = bpf_ntohl(tun->flags);

		/* Version 0, no O or C flag, no reserved bit, Ethernet inside. */
		if ((flags & 0xc0ffffff) != ETH_P_TEB || tun->vni & bpf_htonl(0xff))
			return FO_TUNNEL_FLAGS;
		o->tun_len += (flags >> 24 & 0x3f) * 4;
		if (o->tun_len > FO_TUNNEL_HDR)
			return FO_TUNNEL_MALFORMED;
	}
	o->vni = bpf_ntohl(tun->vni) >> 8;
	o->tun = tun;
	o->ecn = ecn;
	o->no_sum = udp->sum == 0;
	o->strip = l3_hdr + sizeof(*udp) + o->tun_len + ETH_LEN;
	o->inner_eth = (void *)tun + o->tun_len;
	if ((void *)(o->inner_eth + 1) > end)
		return FO_TUNNEL_MALFORMED;
	return FO_FAST;
}

#endif
