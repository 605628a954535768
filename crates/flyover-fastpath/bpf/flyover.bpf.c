// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * FastPath: carries packets of proven flows from a pod's veth to the wire, and from the wire or another pod's veth
 * into the pod, past the node's stack.
 *
 * Four programs: two where packets enter the node (from_pod, from_wire) look an entry up and use it; two where they
 * leave it (to_wire, to_pod) see what the slow path made of those that had none. Whatever is not certain is
 * TC_ACT_UNSPEC: the packet goes on as if nobody had looked.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>

#include "shared.h"
#include "maps.h"
#include "parse.h"
#include "forward.h"
#include "learn.h"
#include "ended.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Unencapsulated packets from the wire are looked at only while pods send such: in jiffies, a minute at HZ=1000. */
#define PLAIN_LIFE 60000

/* How a segment that begins or ends a connection ends what was proven: a FIN leaves the other direction alone. */
static __always_inline int how_to_forget(__u8 tcp_flags)
{
	return tcp_flags & (TCP_SYN | TCP_RST) ? FORGET_BOTH : 0;
}

/* The open entry of that key for packets with these Ethernet addresses, or why there is none. */
static __always_inline int find_open(const struct fo_key *key, const struct eth *eth, struct fo_way **way, __u32 *guard)
{
	int why;

	*way = find_way(key, guard);
	if (!*way)
		return FO_NO_ENTRY;
	why = way_ready(*way, *guard);
	if (why)
		return why;
	return same_eth(*way, eth) ? FO_FAST : FO_ETHERNET;
}

SEC("tc")
int from_pod(struct __sk_buff *skb)
{
	struct fo_key key = { .ifindex = skb->ifindex };
	void *data, *end;
	struct fo_way *way;
	struct pkt p = {};
	struct eth *eth;
	__u32 guard = 0;
	int why;

	if (reach(skb, ETH_LEN + sizeof(struct ip4) + sizeof(struct udp)))
		return TC_ACT_UNSPEC;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	eth = data;
	why = FO_MALFORMED;
	if ((void *)(eth + 1) > end)
		goto slow;
	why = FO_VLAN;
	if (skb->vlan_present)
		goto slow;
	why = FO_MULTICAST;
	if (eth->dst[0] & 1)
		goto slow;
	why = parse_ip(eth + 1, end, eth->proto, &key, &p);
	if (why == FO_TCP_FLAGS) {
		forget(&key, FORGET_FROM_POD | how_to_forget(p.tcp_flags));
		if (!teaches(p.tcp_flags))
			goto slow;
		goto teach;
	}
	if (why)
		goto slow;
	why = FO_MALFORMED;
	if (skb->len != ETH_LEN + p.l3_len)
		goto slow;
	why = find_open(&key, eth, &way, &guard);
	if (why)
		goto teach;
	why = way_fits(skb, way, &p);
	if (why)
		goto slow;
	switch (way->action) {
	case FO_ENCAP:
		if (way->flags & FO_OUTER_SUM) {
			if (skb->gso_size && way->outer_family == 6)
				return send_tunnel(skb, way, guard, &p, eth + 1);
			why = FO_UDP_NO_CHECKSUM;
			if (p.no_sum)
				goto slow;
		}
		return send_encap(skb, way, guard, &p, eth + 1);
	case FO_PEER:
		return send_peer(skb, way, guard, &p, eth + 1);
	case FO_PLAIN:
		return send_plain(skb, way, guard, &p, eth + 1);
	}
	return TC_ACT_UNSPEC;
teach:
	if (p.l4 + sizeof(struct udp) <= end)
		note(skb, &key, &p, eth + 1, eth, 0, 1);
slow:
	count(why);
	return TC_ACT_UNSPEC;
}

/* Ethernet knows no frame of less than 60 bytes: a card pads what is shorter, and its receiver takes that off. */
static __always_inline int is_padded(const struct __sk_buff *skb, const struct outer *o, const struct pkt *p)
{
	return !o->family && skb->len <= ETH_MIN && skb->len > ETH_LEN + p->l3_len;
}

static __always_inline int same_outer(const struct fo_way *way, const struct outer *o, const struct eth *eth, void *end)
{
	if (o->family != way->outer_family)
		return 0;
	if (o->family == 4) {
		const struct ip4 *ip = (const void *)(eth + 1);

		if ((void *)(ip + 1) > end)
			return 0;
		return ip->src == way->outer_src[0] && ip->dst == way->outer_dst[0] && !way->outer_src[1] &&
		       !way->outer_dst[1];
	} else {
		const struct ip6 *ip = (const void *)(eth + 1);
		__u32 i, diff = 0;

		if ((void *)(ip + 1) > end)
			return 0;
		for (i = 0; i < 4; i++)
			diff |= (ip->src[i] ^ way->outer_src[i]) | (ip->dst[i] ^ way->outer_dst[i]);
		return !diff;
	}
}

/* Geneve options are part of what was observed: a packet that carries others is another case. */
static __always_inline int same_options(const struct fo_way *way, const struct outer *o, void *end)
{
	const __u32 *seen = (const void *)way->tunnel_hdr, *here = o->tun;
	__u32 i;

	if (o->strip != way->strip)
		return 0;
	for (i = 0; i < FO_TUNNEL_HDR / 4; i++) {
		if (i * 4 >= o->tun_len)
			break;
		if ((void *)(here + i + 1) > end || here[i] != seen[i])
			return 0;
	}
	return 1;
}

/* Whether a sum over the whole packet, from the outer IP header on, says that the outer UDP checksum holds. */
static __always_inline int complete_holds(__u64 sum, const struct eth *eth, void *end)
{
	if (eth->proto == bpf_htons(ETH_P_IP)) {
		const struct ip4 *ip = (const void *)(eth + 1);

		if ((void *)(ip + 1) > end)
			return 0;
		/* A sound header sums to nought, so the sum is the datagram's; the pseudo header is missing. */
		sum += (__u64)ip->src + ip->dst + bpf_htons(IPPROTO_UDP);
		sum += bpf_htons(bpf_ntohs(ip->len) - sizeof(*ip));
	} else {
		const struct ip6 *ip = (const void *)(eth + 1);

		if ((void *)(ip + 1) > end)
			return 0;
		/* Addresses and length stand in the pseudo header as in this one; the rest is taken away. */
		sum += (__u64)(__u32)~ip->ver_class_flow + (__u16) ~*(const __u16 *)&ip->next;
		sum += bpf_htons(IPPROTO_UDP);
	}
	return fold16(sum) == 0xffff;
}

/* The packet's sum from its IP header on, or -1 if it is longer than any that is one segment. */
__noinline int sum_packet(struct __sk_buff *skb)
{
	struct scratch *s = scratch();
	__u32 at = ETH_LEN, len = skb->len, left, i;
	__u64 sum = 0;

	if (!s)
		return -1;
	for (i = 0; i < FO_CHUNKS && at < len; i++) {
		left = len - at;
		if (left >= FO_CHUNK) {
			if (bpf_skb_load_bytes(skb, at, s->chunk, FO_CHUNK))
				return -1;
			sum = (__u32)bpf_csum_diff(0, 0, (void *)s->chunk, FO_CHUNK, sum);
			at += FO_CHUNK;
			continue;
		}
		/* The mask tells verifiers of old what the comparison tells those of today. */
		barrier_var(left);
		left = ((left - 1) & (FO_CHUNK - 1)) + 1;
		/* Whole words are summed: what the last one has too much is nought. */
		*(__u32 *)(s->chunk + (left & ~3U)) = 0;
		if (bpf_skb_load_bytes(skb, at, s->chunk, left))
			return -1;
		sum = (__u32)bpf_csum_diff(0, 0, (void *)s->chunk, (left + 3) & ~3U, sum);
		at = len;
	}
	return at < len ? -1 : fold16(sum);
}

/* Whether the outer UDP checksum holds: somebody vouches for it, or it is summed here. */
static __always_inline int outer_sum_holds(struct __sk_buff *skb, const struct outer *o, const struct eth *eth,
					   void *end)
{
	__u32 summed;
	int sum;

	if (o->no_sum)
		return o->family == 4;
	summed = sum_state(skb);
	if (summed == CHECKSUM_COMPLETE)
		return complete_holds(whole_sum(skb), eth, end);
	if (summed != CHECKSUM_NONE)
		return 1;
	sum = skb->gso_size ? -1 : sum_packet(skb);
	return sum >= 0 && complete_holds(sum, eth, end);
}

SEC("tc")
int from_wire(struct __sk_buff *skb)
{
	struct fo_key key = { .ifindex = skb->ifindex };
	struct eth *eth, *inner;
	struct outer o = {};
	void *data, *end;
	struct fo_way *way;
	struct pkt p = {};
	__u32 guard = 0;
	int why;

	if (skb->pkt_type != PACKET_HOST)
		return TC_ACT_UNSPEC;
	/* As much as this node's tunnels need: little for VXLAN over IPv4, more for IPv6 or Geneve's options. */
	if (reach(skb, state.reach & 0xff))
		return TC_ACT_UNSPEC;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	eth = data;
	inner = eth;
	why = FO_MALFORMED;
	if ((void *)(eth + 1) > end)
		goto slow;
	why = FO_VLAN;
	if (skb->vlan_present)
		goto slow;
	why = parse_outer(eth, end, skb->len, &state, &o);
	if (why == FO_NO_TUNNEL) {
		if (bpf_jiffies64() - state.plain_seen > PLAIN_LIFE)
			return TC_ACT_UNSPEC;
		o.family = 0;
	} else if (why) {
		goto slow;
	} else {
		inner = o.inner_eth;
		key.place = FO_PLACE(o.vni, FO_CLASS_TUNNEL);
		why = FO_MULTICAST;
		if ((void *)(inner + 1) > end || inner->dst[0] & 1)
			goto slow;
	}
	why = parse_ip(inner + 1, end, inner->proto, &key, &p);
	if (why == FO_TCP_FLAGS) {
		forget(&key, how_to_forget(p.tcp_flags));
		if (!teaches(p.tcp_flags))
			goto slow;
		goto teach;
	}
	if (why)
		goto slow;
	why = FO_MALFORMED;
	if (skb->len != ETH_LEN + o.strip + p.l3_len && !is_padded(skb, &o, &p))
		goto slow;
	why = find_open(&key, inner, &way, &guard);
	if (why)
		goto teach;
	if (o.family) {
		/* RFC 6040: ECT(1) outside makes an inner ECT(0) one too. */
		why = FO_OUTER_CE;
		if (o.ecn == 1 && (p.tos & 3) == 2)
			goto slow;
		why = FO_OUTER_ADDRESS;
		if (!same_outer(way, &o, eth, end))
			goto slow;
		why = FO_TUNNEL_FLAGS;
		if (o.tun_len > 8 && !same_options(way, &o, end))
			goto teach;
		if (o.strip != way->strip)
			goto teach;
		why = FO_OUTER_CHECKSUM;
		if (!outer_sum_holds(skb, &o, eth, end))
			goto slow;
	}
	why = way_fits(skb, way, &p);
	if (why)
		goto slow;
	if (way->action == FO_PEER)
		return send_peer(skb, way, guard, &p, inner + 1);
	return TC_ACT_UNSPEC;
teach:
	if (p.l4 + sizeof(struct udp) <= end)
		note(skb, &key, &p, inner + 1, inner, &o, 0);
slow:
	count(why);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int to_wire(struct __sk_buff *skb)
{
	struct scratch *s;

	if (skb->cb[0] == FO_CB0 && skb->cb[1] == FO_CB1)
		return TC_ACT_UNSPEC;
	/* From the pod's veth to here a packet stays on its CPU: without a fresh note there is nothing to learn. */
	s = scratch();
	if (!s || bpf_jiffies64() - s->recent > PROBE_LIFE)
		return TC_ACT_UNSPEC;
	learn(skb, 0);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int to_pod(struct __sk_buff *skb)
{
	learn(skb, 1);
	return TC_ACT_UNSPEC;
}

/* The process's heartbeat: it knows no jiffies. Called by BPF_PROG_RUN; `skb` is a stand-in. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} clock SEC(".maps");

SEC("tc")
int tell_time(struct __sk_buff *skb)
{
	__u64 now = bpf_jiffies64();
	__u32 zero = 0;

	bpf_map_update_elem(&clock, &zero, &now, BPF_ANY);
	return 0;
}

/* Ends one flow by its tuple, which the stand-in's data begin with. */
SEC("tc")
int end_flow(struct __sk_buff *skb)
{
	struct fo_tuple tuple;

	if (!bpf_skb_load_bytes(skb, 0, &tuple, sizeof(tuple)))
		end_everywhere(&tuple);
	return 0;
}

SEC("socket")
int conntrack_gone(struct __sk_buff *skb)
{
	return end_announced(skb);
}
