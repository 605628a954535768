/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sends a packet the way its flow was seen to go.
 *
 * Invariants: a packet is not touched before everything that could refuse it has been asked; what is written into
 * it was observed or is computed, never copied from another packet's variable fields.
 */
#ifndef FLYOVER_FORWARD_H
#define FLYOVER_FORWARD_H

#include "books.h"
#include "parse.h"
#include "vmlinux.h"

/* Known from `linux/bpf.h` only since 6.3. */
#define FO_DECAP_L3_IPV4 (1ULL << 7)
#define FO_DECAP_L3_IPV6 (1ULL << 8)

/* Tells our own egress hook that a packet is not one to learn from. The bytes are the driver's scratch below us. */
#define FO_CB0 0x464c594f
#define FO_CB1 0x56455221

#define CHECKSUM_NONE 0
#define CHECKSUM_COMPLETE 2
#define CHECKSUM_PARTIAL 3

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;

/* Set before load from what the kernel can do. Before 6.4 a program cannot ask by itself whether a function is there. */
const volatile __u8 can_decap_l3 = 0;
const volatile __u8 can_see_packet = 0;
const volatile __u8 can_ask_ct = 0;

/* How the kernel knows the packet's checksum: a CHECKSUM_ value. */
static __always_inline int sum_state(struct __sk_buff *skb)
{
	struct sk_buff *kernel;

	/* Before 6.2: the context is the packet itself, but may only be read as memory that could be anything. */
	if (!can_see_packet) {
		kernel = (void *)skb;
		return BPF_CORE_READ_BITFIELD_PROBED(kernel, ip_summed);
	}
	kernel = bpf_cast_to_kern_ctx(skb);
	return BPF_CORE_READ_BITFIELD(kernel, ip_summed);
}

/* The sum of a packet that is CHECKSUM_COMPLETE. */
static __always_inline __u32 whole_sum(struct __sk_buff *skb)
{
	struct sk_buff *kernel;

	if (!can_see_packet) {
		kernel = (void *)skb;
		return BPF_CORE_READ(kernel, csum);
	}
	kernel = bpf_cast_to_kern_ctx(skb);
	return kernel->csum;
}

/* Whether the entry may be used for this packet now. */
static __always_inline int way_ready(const struct fo_way *way, __u32 guard)
{
	__u64 grant = READ_ONCE(way->grant), now = bpf_jiffies64();

	if (guard & FO_WRITING)
		return FO_NO_ENTRY;
	if (grant >> 32 != guard)
		return FO_NOT_OPEN;
	if ((__u32)grant != state.epoch)
		return FO_EPOCH;
	if (now >= way->lease)
		return FO_LEASE;
	if (now >= state.alive_until)
		return FO_DEADMAN;
	return FO_FAST;
}

/* What is to be done with a packet once its new beginning is composed: the entry may be another flow's by then. */
struct trip {
	__u32 out;
	__u32 mark;
	__u32 priority;
	__u32 nat_addr;
	__u32 nat_port;
	__u16 strip;
	__u8 flags;
	__u8 ttl_dec;
	__u8 family;
	__u8 proto;
	__u8 outer_family;
};

/* Takes it out of the entry; tells whether all that was taken until now was that incarnation's. */
static __always_inline int hold(struct trip *t, const struct fo_way *way, __u32 guard)
{
	t->out = way->out;
	t->mark = way->mark;
	t->priority = way->priority;
	t->nat_addr = way->nat_addr;
	t->nat_port = way->nat_port;
	t->strip = way->strip;
	t->flags = way->flags;
	t->ttl_dec = way->ttl_dec;
	t->family = way->to.family;
	t->proto = way->to.proto;
	t->outer_family = way->outer_family;
	keep_order();
	if (READ_ONCE(way->guard) == guard)
		return 1;
	count(FO_RACE);
	return 0;
}

static __always_inline int way_fits(const struct __sk_buff *skb, const struct fo_way *way, const struct pkt *p)
{
	__u32 segment = skb->gso_size ? skb->gso_size + p->l3_hdr + p->l4_len : p->l3_len;

	if (p->ttl <= way->ttl_dec + 1)
		return FO_TTL;
	if (segment > way->mtu)
		return FO_MTU;
	return FO_FAST;
}

static __always_inline int same_eth(const struct fo_way *way, const struct eth *eth)
{
	const __u32 *a = (const void *)way->in_eth, *b = (const void *)eth;

	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]));
}

/* Addresses, ports and TTL; `l3` is behind a check. Checksums of layer 4 are nat_sums()'s. */
static __always_inline void rewrite_ip4(struct ip4 *ip, const struct fo_way *way, void *ports)
{
	__u32 sum = (__u16)~ip->sum;

	if (way->flags & FO_NAT) {
		ip->src = way->to.saddr[0];
		ip->dst = way->to.daddr[0];
		*(__u32 *)ports = way->to.ports;
		sum += way->nat_ip;
	}
	if (way->ttl_dec) {
		ip->ttl -= way->ttl_dec;
		/* TTL is the first byte of its word: take it away in ones' complement. */
		sum += (__u16)~bpf_htons(way->ttl_dec << 8);
	}
	sum = (sum & 0xffff) + (sum >> 16);
	ip->sum = ~((sum & 0xffff) + (sum >> 16));
}

static __always_inline void rewrite_ip6(struct ip6 *ip, const struct fo_way *way, void *ports)
{
	if (way->flags & FO_NAT) {
		__builtin_memcpy(ip->src, way->to.saddr, 16);
		__builtin_memcpy(ip->dst, way->to.daddr, 16);
		*(__u32 *)ports = way->to.ports;
	}
	ip->hops -= way->ttl_dec;
}

/* Layer 4 checksum for translation; knows CHECKSUM_PARTIAL. `l4` is an offset. */
static __always_inline int nat_sums(struct __sk_buff *skb, const struct trip *t, __u32 l4)
{
	__u32 tcp = t->proto == IPPROTO_TCP;
	__u32 at = l4 + (tcp ? __builtin_offsetof(struct tcp, sum) : __builtin_offsetof(struct udp, sum));
	__u64 flags = tcp ? 0 : BPF_F_MARK_MANGLED_0;

	if (t->nat_addr && bpf_l4_csum_replace(skb, at, 0, t->nat_addr, flags | BPF_F_PSEUDO_HDR))
		return -1;
	if (t->nat_port && bpf_l4_csum_replace(skb, at, 0, t->nat_port, flags))
		return -1;
	return 0;
}

/*
 * Copies the packet's IP header to `lead` in the frame, and changes it there; translated ports follow it.
 *
 * Nothing is written into the packet by itself: a program with a store of its own into the packet makes the kernel
 * copy each cloned one first, which all of TCP's are. One call that writes everything finds the header writable.
 */
static __always_inline int compose(struct scratch *s, const struct fo_way *way, const void *l3, const void *end,
				   __u32 lead)
{
	if (lead > FO_HDR_MAX)
		return -1;
	if (way->to.family == 4) {
		if (l3 + sizeof(struct ip4) > end)
			return -1;
		copy_words(s->frame + lead, l3, sizeof(struct ip4));
		rewrite_ip4((void *)s->frame + lead, way, (void *)s->frame + lead + sizeof(struct ip4));
	} else {
		if (l3 + sizeof(struct ip6) > end)
			return -1;
		copy_words(s->frame + lead, l3, sizeof(struct ip6));
		rewrite_ip6((void *)s->frame + lead, way, (void *)s->frame + lead + sizeof(struct ip6));
	}
	return 0;
}

/* Writes the frame over the packet's beginning, which ends with an IP header of `l3_hdr` bytes at `lead`. */
static __always_inline int put_frame(struct __sk_buff *skb, struct scratch *s, const struct trip *t, __u32 lead,
				     __u32 l3_hdr)
{
	__u32 len = lead + l3_hdr;

	if (t->flags & FO_NAT) {
		if (nat_sums(skb, t, len))
			return -1;
		len += sizeof(__u32); /* ports */
	}
	barrier_var(len);
	if (len > FO_FRAME)
		return -1;
	barrier_var(len);
	if (len < ETH_LEN)
		return -1;
	return bpf_skb_store_bytes(skb, 0, s->frame, len, 0);
}

/*
 * Keeps the sum of a device that summed the whole packet (CHECKSUM_COMPLETE) right; any other packet is left alone.
 * An IPv4 header's own checksum makes up for what changes in it. IPv6 has none: the hop limit must be said, and
 * the translated addresses too, which bpf_l4_csum_replace takes for IPv4's.
 */
static __always_inline void settle_complete(struct __sk_buff *skb, const struct trip *t)
{
	if (t->family == 6)
		bpf_csum_update(skb, (__u16)~bpf_htons(t->ttl_dec) + t->nat_addr);
}

static __always_inline void spend(struct fo_way *way, __u32 len)
{
	/* Not atomic: a flow's packets are on one CPU at a time, save when it moves, and then a count may be lost. */
	way->packets++;
	way->bytes += len;
}

static __always_inline int drop(__u32 reason)
{
	count(reason);
	return TC_ACT_SHOT;
}

/* The outer UDP checksum, from constants of the flow, lengths, and the inner header's own sum. */
static __always_inline __u16 outer_sum(const struct fo_way *way, __u32 udp_len, __u32 l4_total, const void *inner)
{
	__u64 sum = way->sum_udp;
	__u16 folded;

	/* The length stands in the pseudo header and in the header; the inner pseudo header takes its own away. */
	sum += bpf_htons(udp_len);
	sum += bpf_htons(udp_len);
	if (way->to.family == 4) {
		/* A sound IPv4 header sums to nought. */
		sum += (__u16)~bpf_htons(l4_total);
	} else {
		/* Addresses and length cancel out against the inner pseudo header. */
		const struct ip6 *ip = inner;

		sum += ip->ver_class_flow;
		sum += *(const __u16 *)&ip->next;
	}
	folded = ~fold16(sum);
	return folded ? folded : 0xffff;
}

static __always_inline void finish_outer4(const struct fo_way *way, struct ip4 *ip, __u32 len, __u8 ecn)
{
	__u16 id = way->packets ^ way->guard;

	ip->len = bpf_htons(len);
	ip->id = id;
	ip->tos |= ecn;
	ip->sum = ~fold16((__u64)way->sum_ip + ip->len + id + bpf_htons(ecn));
}

static __always_inline void finish_outer6(struct ip6 *ip, __u32 len, __u8 ecn)
{
	ip->len = bpf_htons(len - sizeof(*ip));
	ip->ver_class_flow |= bpf_htonl((__u32)ecn << 20);
}

/* Lengths, identification, ECN and checksums of the observed header in the frame; `len` is the outer packet's. */
static __always_inline void finish_outer(struct scratch *s, const struct fo_way *way, const struct pkt *p, __u32 len,
					 __u32 lead, int one_segment)
{
	/* RFC 6040 as the kernel does it: ECN is copied, but congestion met inside is not said outside. */
	__u8 ecn = (p->tos & 3) == 3 ? 2 : p->tos & 3;
	__u32 udp_len;
	struct udp *udp;

	if (way->outer_family == 4) {
		struct ip4 *ip = (void *)s->frame + ETH_LEN;

		finish_outer4(way, ip, len, ecn);
		udp = (void *)(ip + 1);
		udp_len = len - sizeof(*ip);
	} else {
		struct ip6 *ip = (void *)s->frame + ETH_LEN;

		finish_outer6(ip, len, ecn);
		udp = (void *)(ip + 1);
		udp_len = len - sizeof(*ip);
	}
	udp->len = bpf_htons(udp_len);
	/* Software segmentation does not write this field, so only a packet that is one segment may carry it. */
	if (way->flags & FO_OUTER_SUM && one_segment)
		udp->sum = outer_sum(way, udp_len, p->l3_len - p->l3_hdr, s->frame + lead);
}

static __always_inline void mark_ours(struct __sk_buff *skb, const struct trip *t)
{
	skb->mark = t->mark;
	skb->priority = t->priority;
	skb->cb[0] = FO_CB0;
	skb->cb[1] = FO_CB1;
}

/*
 * The four ways to send. Each composes the packet's new beginning, takes out of the entry what else it needs, and
 * looks whether that is still the one it was: until then nothing was touched, and the packet may go the slow way.
 */

/* Out of the uplink, in the tunnel's clothes. */
static __always_inline int send_encap(struct __sk_buff *skb, struct fo_way *way, __u32 guard, const struct pkt *p,
				      const void *l3)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(ETH_LEN) |
		      BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
	__u32 lead = way->hdr_len, len = skb->len, l3_hdr = p->l3_hdr;
	struct scratch *s = scratch();
	struct trip t;

	if (!s || lead < ETH_LEN || lead > FO_HDR_MAX)
		return TC_ACT_UNSPEC;
	if (lead == 64)
		copy_words(s->frame, way->hdr, 64);
	else
		copy_words(s->frame, way->hdr, FO_HDR_MAX);
	if (compose(s, way, l3, (void *)(long)skb->data_end, lead))
		return TC_ACT_UNSPEC;
	finish_outer(s, way, p, len - ETH_LEN + lead - ETH_LEN, lead, !skb->gso_size);
	if (!hold(&t, way, guard))
		return TC_ACT_UNSPEC;
	flags |= t.outer_family == 4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
	if (bpf_skb_adjust_room(skb, (int)lead - ETH_LEN, BPF_ADJ_ROOM_MAC, flags)) {
		count(FO_NO_ROOM);
		return TC_ACT_UNSPEC;
	}
	if (put_frame(skb, s, &t, lead, l3_hdr))
		return drop(FO_NO_ROOM);
	mark_ours(skb, &t);
	spend(way, len);
	return bpf_redirect(t.out, 0);
}

/* To the tunnel device, which writes the outer header itself: for segments whose outer checksum only it can ask for. */
static __always_inline int send_tunnel(struct __sk_buff *skb, struct fo_way *way, __u32 guard, const struct pkt *p,
				       const void *l3)
{
	__u32 inner_eth = way->hdr_len - ETH_LEN, l3_hdr = p->l3_hdr, len = skb->len, out = way->tunnel;
	struct scratch *s = scratch();
	struct trip t;

	if (!s || inner_eth > FO_HDR_MAX - ETH_LEN)
		return TC_ACT_UNSPEC;
	copy_words(s->frame, way->hdr + inner_eth, ETH_LEN);
	if (compose(s, way, l3, (void *)(long)skb->data_end, ETH_LEN))
		return TC_ACT_UNSPEC;
	if (!hold(&t, way, guard))
		return TC_ACT_UNSPEC;
	if (put_frame(skb, s, &t, ETH_LEN, l3_hdr))
		return drop(FO_NO_ROOM);
	skb->mark = t.mark;
	skb->priority = t.priority;
	spend(way, len);
	return bpf_redirect(out, 0);
}

static __always_inline int send_plain(struct __sk_buff *skb, struct fo_way *way, __u32 guard, const struct pkt *p,
				      const void *l3)
{
	__u32 l3_hdr = p->l3_hdr, len = skb->len;
	struct scratch *s = scratch();
	struct trip t;

	if (!s)
		return TC_ACT_UNSPEC;
	copy_words(s->frame, way->hdr, ETH_LEN);
	if (compose(s, way, l3, (void *)(long)skb->data_end, ETH_LEN))
		return TC_ACT_UNSPEC;
	if (!hold(&t, way, guard))
		return TC_ACT_UNSPEC;
	if (put_frame(skb, s, &t, ETH_LEN, l3_hdr))
		return drop(FO_NO_ROOM);
	mark_ours(skb, &t);
	spend(way, len);
	return bpf_redirect(t.out, 0);
}

/*
 * Takes the tunnel's headers off; FO_NO_ROOM if it could not and the packet is as it was, -1 if it is not. Before 6.3
 * nothing tells the kernel that the IP version inside is another one but to have the header translated: that makes it
 * longer or shorter by the difference, so as much more or less is cut.
 */
static __always_inline int strip_tunnel(struct __sk_buff *skb, const struct trip *t)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET;
	int cut = t->strip, translated = !can_decap_l3 && t->outer_family != t->family;

	if (can_decap_l3) {
		flags |= t->family == 4 ? FO_DECAP_L3_IPV4 : FO_DECAP_L3_IPV6;
	} else if (translated) {
		int longer = sizeof(struct ip6) - sizeof(struct ip4);

		if (bpf_skb_change_proto(skb, bpf_htons(t->family == 4 ? ETH_P_IP : ETH_P_IPV6), 0))
			return FO_NO_ROOM;
		cut += t->family == 4 ? -longer : longer;
	}
	if (bpf_skb_adjust_room(skb, -cut, BPF_ADJ_ROOM_MAC, flags))
		return translated ? -1 : FO_NO_ROOM;
	return FO_FAST;
}

/* Into the pod: no tunnel left, the pod's Ethernet addresses, and over the veth without a queue in between. */
static __always_inline int send_peer(struct __sk_buff *skb, struct fo_way *way, __u32 guard, const struct pkt *p,
				     const void *l3)
{
	struct scratch *s = scratch();
	__u32 l3_hdr = p->l3_hdr;
	struct trip t;

	if (!s)
		return TC_ACT_UNSPEC;
	copy_words(s->frame, way->hdr, ETH_LEN);
	if (compose(s, way, l3, (void *)(long)skb->data_end, ETH_LEN))
		return TC_ACT_UNSPEC;
	if (!hold(&t, way, guard))
		return TC_ACT_UNSPEC;
	/* No frame that comes without a tunnel is longer than its packet but by padding. */
	if (!t.strip && skb->len > ETH_LEN + p->l3_len && bpf_skb_change_tail(skb, ETH_LEN + p->l3_len, 0)) {
		count(FO_NO_ROOM);
		return TC_ACT_UNSPEC;
	}
	if (t.strip) {
		int why = strip_tunnel(skb, &t);

		if (why < 0)
			return drop(FO_NO_ROOM);
		if (why) {
			count(why);
			return TC_ACT_UNSPEC;
		}
		/* What the device vouched for was the outer checksum first, the inner one only if it said "two". */
		if (sum_state(skb) != CHECKSUM_PARTIAL)
			bpf_csum_level(skb, BPF_CSUM_LEVEL_DEC);
	}
	if (put_frame(skb, s, &t, ETH_LEN, l3_hdr))
		return drop(FO_NO_ROOM);
	settle_complete(skb, &t);
	if (skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);
	skb->mark = 0;
	spend(way, skb->len);
	return bpf_redirect_peer(t.out, 0);
}

#endif
