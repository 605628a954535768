/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Learns what the slow path does to a flow: notes each packet that enters, finds it again where it leaves, and keeps
 * the difference.
 *
 * Invariants: an entry is made only from a packet that was seen at both ends; it opens only when the other direction
 * was seen so too and conntrack, where it is in use, calls the flow established; nothing here changes a packet.
 */
#ifndef FLYOVER_LEARN_H
#define FLYOVER_LEARN_H

#include "forward.h"
#include "vmlinux.h"

#define CT_ORIGINAL 0
#define CT_REPLY 1
#define IPS_SEEN_REPLY (1 << 1)
#define IPS_ASSURED (1 << 2)
#define IPS_SEQ_ADJUST (1 << 6)
#define IPS_DYING (1 << 9)
#define IPS_HELPER (1 << 13)
#define IPS_OFFLOAD (1 << 14)
#define TCP_CT_ESTABLISHED 3

/* A merged or delayed packet may take a while to its exit; older notes are forgotten. */
#define PROBE_LIFE 16

extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, __u32 tuple__sz,
					 struct bpf_ct_opts *opts, __u32 opts__sz) __ksym __weak;
extern void bpf_ct_release(struct nf_conn *ct) __ksym __weak;

/* What conntrack says of a flow, and the tuple it had when it entered. */
struct verdict {
	struct fo_tuple pre;
	__u32 reason;
	__u32 detail;
	__u8 known;
	__u8 established;
};

/*
 * Whether a segment that begins or ends a connection can teach: only the answer to its first one. That one itself
 * need not, for the third is learnt before there are data.
 */
static __always_inline int teaches(__u8 tcp_flags)
{
	return (tcp_flags & (TCP_SYN | TCP_ACK | TCP_FIN | TCP_RST)) == (TCP_SYN | TCP_ACK);
}

/* Marks of a packet that survive the way through the node. */
static __always_inline void sign(const void *l3, void *end, const struct fo_key *key, const struct pkt *p, __u32 *id,
				 __u32 *body)
{
	const __u32 *payload = p->l4 + sizeof(struct udp);

	*id = key->tuple.family == 4 ? ((const struct ip4 *)l3)->id : ((const struct ip6 *)l3)->ver_class_flow;
	if (key->tuple.proto == IPPROTO_TCP)
		*body = ((const struct tcp *)p->l4)->seq;
	else
		*body = (void *)(payload + 1) <= end ? *payload : 0;
}

static __always_inline void invert(struct fo_tuple *to, const struct fo_tuple *of)
{
	__builtin_memcpy(to->saddr, of->daddr, 16);
	__builtin_memcpy(to->daddr, of->saddr, 16);
	to->sport = of->dport;
	to->dport = of->sport;
	to->kind = of->kind;
}

/* Geneve's options; VXLAN has none. */
static __always_inline int note_options(struct __sk_buff *skb, struct fo_probe *probe, const struct outer *o)
{
	/* `strip` counts from the end of the outer Ethernet header to that of the inner one. */
	__u32 at = o->strip - o->tun_len, len = o->tun_len;

	if (len == sizeof(struct tun))
		return 0;
	/* The verifier must see the bounds on the very register the helper gets. */
	barrier_var(len);
	if (len > FO_TUNNEL_HDR)
		return -1;
	barrier_var(len);
	if (len < sizeof(struct tun))
		return -1;
	return bpf_skb_load_bytes(skb, at, probe->tunnel_hdr, len);
}

static __always_inline struct fo_probe *probe_at(const struct fo_tuple *tuple)
{
	__u32 at = flow_hash(tuple, 0) & (FO_PROBES - 1);

	return bpf_map_lookup_elem(&probes, &at);
}

/* What a note says of the packet itself; fails where its headers end too soon. */
static __always_inline int fill(struct __sk_buff *skb, struct fo_probe *probe, const struct fo_key *key,
				const struct pkt *p, const void *l3, const struct eth *eth, const struct outer *o,
				__u8 from_pod)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	__builtin_memcpy(&probe->tuple, &key->tuple, sizeof(probe->tuple));
	__builtin_memset(&probe->at, 0, sizeof(*probe) - __builtin_offsetof(struct fo_probe, at));
	probe->at = bpf_jiffies64();
	probe->epoch = READ_ONCE(state.epoch);
	probe->ifindex = key->ifindex;
	probe->place = key->place;
	sign(l3, end, key, p, &probe->id, &probe->body);
	probe->ttl = p->ttl;
	probe->tos = p->tos;
	probe->from_pod = from_pod;
	__builtin_memcpy(probe->eth, eth, 12);
	if (!o || !o->family)
		return 0;
	probe->strip = o->strip;
	probe->outer_family = o->family;
	probe->tunnel_len = o->tun_len;
	if (o->family == 4) {
		struct ip4 *ip = data + ETH_LEN;

		if ((void *)(ip + 1) > end)
			return -1;
		probe->outer_src[0] = ip->src;
		probe->outer_dst[0] = ip->dst;
	} else {
		struct ip6 *ip = data + ETH_LEN;

		if ((void *)(ip + 1) > end)
			return -1;
		__builtin_memcpy(probe->outer_src, ip->src, 16);
		__builtin_memcpy(probe->outer_dst, ip->dst, 16);
	}
	return note_options(skb, probe, o);
}

/* Notes a packet that enters and is about to take the slow path. */
static __always_inline void note(struct __sk_buff *skb, const struct fo_key *key, const struct pkt *p, const void *l3,
				 const struct eth *eth, const struct outer *o, __u8 from_pod)
{
	struct scratch *s = scratch();
	struct fo_probe *probe;
	__u64 now;
	__u32 guard;

	if (state.paused)
		return;
	probe = probe_at(&key->tuple);
	if (!probe)
		return;
	now = bpf_jiffies64();
	if (s)
		s->recent = now;
	/* First come: when segments are merged on the way, the first one's marks survive. */
	if (probe->pending && probe->epoch == state.epoch && now - probe->at < PROBE_LIFE &&
	    same_tuple(&probe->tuple, &key->tuple))
		return;
	guard = READ_ONCE(probe->guard);
	if (!take(&probe->guard, guard))
		return;
	probe->pending = !fill(skb, probe, key, p, l3, eth, o, from_pod);
	keep_order();
	__sync_lock_test_and_set(&probe->guard, guard + FO_WRITTEN);
}

/* The note taken when this very packet entered, or nothing. It serves once. */
static __always_inline struct fo_probe *match(struct scratch *s, const struct fo_tuple *pre, __u32 id, __u32 body)
{
	struct fo_probe *probe = probe_at(pre);
	__u32 guard;

	if (!probe || !probe->pending || probe->id != id || probe->body != body)
		return 0;
	guard = READ_ONCE(probe->guard);
	keep_order();
	__builtin_memcpy(&s->probe, probe, sizeof(*probe));
	keep_order();
	if (guard & FO_WRITING || READ_ONCE(probe->guard) != guard)
		return 0;
	if (!s->probe.pending || s->probe.id != id || s->probe.body != body || !same_tuple(&s->probe.tuple, pre))
		return 0;
	if (bpf_jiffies64() - s->probe.at >= PROBE_LIFE)
		return 0;
	probe->pending = 0;
	return &s->probe;
}

/* Two that are refused at once in one place may leave half of each: it is for people, who ask again. */
static __always_inline void refuse(const struct fo_tuple *pre, __u32 reason, __u32 detail)
{
	__u32 at = flow_hash(pre, 0) & (FO_REFUSALS - 1);
	struct fo_refusal *refusal = bpf_map_lookup_elem(&refusals, &at);

	count(reason);
	if (!refusal)
		return;
	__builtin_memcpy(&refusal->tuple, pre, sizeof(*pre));
	refusal->at = bpf_jiffies64();
	refusal->reason = reason;
	refusal->detail = detail;
}

static __always_inline void from_ct(struct fo_tuple *to, const struct nf_conntrack_tuple *of, __u8 family)
{
	int i;

	for (i = 0; i < 4; i++) {
		/* Conntrack leaves the rest of an IPv4 address nought. */
		to->saddr[i] = of->src.u3.all[i];
		to->daddr[i] = of->dst.u3.all[i];
	}
	to->sport = of->src.u.all;
	to->dport = of->dst.u.all;
	to->kind = FO_KIND(of->dst.protonum, family);
}

static __always_inline void judge_ct(const struct nf_conn *ct, __u8 proto, struct verdict *v)
{
	unsigned long status = ct->status;

	if (status & (IPS_HELPER | IPS_SEQ_ADJUST | IPS_OFFLOAD)) {
		v->reason = FO_CT_HELPER;
		return;
	}
	if (status & IPS_DYING) {
		v->reason = FO_CT_STATE;
		return;
	}
	if (proto == IPPROTO_TCP) {
		v->detail = ct->proto.tcp.state;
		v->established = status & IPS_ASSURED && v->detail == TCP_CT_ESTABLISHED;
		/* What is about to end is not worth an entry. */
		if (v->detail > TCP_CT_ESTABLISHED)
			v->reason = FO_CT_STATE;
		if (!state.ct_liberal)
			v->reason = FO_CT_WINDOW;
	} else {
		v->established = (status & IPS_SEEN_REPLY) != 0;
	}
}

/*
 * Asks conntrack about a packet that leaves as `post`. Its entry is found by the tuple of the answer to that packet,
 * and the packet came in as the other tuple of the entry.
 */
static __always_inline void ask_ct(struct __sk_buff *skb, const struct fo_tuple *post, struct verdict *v)
{
	struct bpf_ct_opts opts = { .netns_id = -1, .l4proto = post->proto };
	struct bpf_sock_tuple tuple = {};
	struct nf_conn *ct;
	__u32 size;

	__builtin_memcpy(&v->pre, post, sizeof(v->pre));
	if (!can_ask_ct)
		goto none;
	if (post->family == 4) {
		tuple.ipv4.saddr = post->daddr[0];
		tuple.ipv4.daddr = post->saddr[0];
		tuple.ipv4.sport = post->dport;
		tuple.ipv4.dport = post->sport;
		size = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, post->daddr, 16);
		__builtin_memcpy(tuple.ipv6.daddr, post->saddr, 16);
		tuple.ipv6.sport = post->dport;
		tuple.ipv6.dport = post->sport;
		size = sizeof(tuple.ipv6);
	}
	ct = bpf_skb_ct_lookup(skb, &tuple, size, &opts, sizeof(opts));
	if (!ct)
		goto none;
	v->known = 1;
	if (opts.dir == CT_ORIGINAL)
		from_ct(&v->pre, &ct->tuplehash[CT_REPLY].tuple, post->family);
	else
		from_ct(&v->pre, &ct->tuplehash[CT_ORIGINAL].tuple, post->family);
	judge_ct(ct, post->proto, v);
	bpf_ct_release(ct);
	return;
none:
	/* A flow that conntrack does not see while it sees others is not one it calls established. */
	v->established = !state.ct_in_use;
	if (state.ct_in_use)
		v->reason = can_ask_ct ? FO_CT_NONE : FO_CT_MUTE;
}

static __always_inline int masked(const __be32 *addr, const __be32 *want, const __be32 *mask)
{
	return !(((addr[0] ^ want[0]) & mask[0]) | ((addr[1] ^ want[1]) & mask[1]) | ((addr[2] ^ want[2]) & mask[2]) |
		 ((addr[3] ^ want[3]) & mask[3]));
}

static __always_inline int judged(const struct fo_judge *j, const struct fo_tuple *t)
{
	__u16 sport = bpf_ntohs(t->sport), dport = bpf_ntohs(t->dport);

	if ((j->family && j->family != t->family) || (j->proto && j->proto != t->proto))
		return 0;
	if (sport < j->sport[0] || sport > j->sport[1] || dport < j->dport[0] || dport > j->dport[1])
		return 0;
	return masked(t->saddr, j->src, j->src_mask) && masked(t->daddr, j->dst, j->dst_mask);
}

/*
 * Index of the rule that judges this flow's packets one by one, before or after translation; -1 if none does.
 * Not static: the verifier looks at such a function once, not once for every way that leads to it.
 */
__noinline int find_judge(const struct fo_tuple *pre, const struct fo_tuple *post)
{
	__u32 i;

	if (!pre || !post)
		return -1;
	for (i = 0; i < FO_JUDGES; i++) {
		if (i >= state.judges)
			break;
		if (judged(&state.judge[i], pre) || judged(&state.judge[i], post))
			return i;
	}
	return -1;
}

/* Differences for the checksums, from the tuple on entry to the one on exit. */
static __always_inline void note_nat(struct fo_way *way, const struct fo_tuple *pre, const struct fo_tuple *post)
{
	__u64 addr = 0, port;
	int i;

	__builtin_memcpy(&way->to, post, sizeof(*post));
	if (same_tuple(pre, post))
		return;
	way->flags |= FO_NAT;
	for (i = 0; i < 4; i++) {
		addr += (__u64)(__u32)~pre->saddr[i] + post->saddr[i];
		addr += (__u64)(__u32)~pre->daddr[i] + post->daddr[i];
	}
	way->nat_ip = fold16(addr);
	way->nat_addr = way->nat_ip == 0xffff ? 0 : way->nat_ip;
	port = (__u64)(__u16)~pre->sport + post->sport + (__u16)~pre->dport + post->dport;
	way->nat_port = fold16(port) == 0xffff ? 0 : fold16(port);
}

/* The constant part of the outer checksums, over the copied header whose variable fields are nought by now. */
static __always_inline int note_sums(struct fo_way *way, const struct outer *o)
{
	__u32 at, tail, i;
	__u64 sum = 0;

	if (o->family == 4) {
		struct ip4 *ip = (void *)way->hdr + ETH_LEN;
		struct udp *udp = (void *)(ip + 1);

		ip->len = 0;
		ip->id = 0;
		ip->sum = 0;
		ip->tos &= FO_CLASS_DSCP;
		way->flags |= udp->sum ? FO_OUTER_SUM : 0;
		udp->len = 0;
		udp->sum = 0;
		/* Ethernet's 14 bytes leave the header on an odd word: sum by halves. */
		for (i = 0; i < sizeof(*ip) / 2; i++)
			sum += ((__u16 *)ip)[i];
		way->sum_ip = fold16(sum);
		sum = (__u64)ip->src + ip->dst + bpf_htons(IPPROTO_UDP) + udp->src + udp->dst;
		at = ETH_LEN + sizeof(*ip) + sizeof(*udp);
	} else {
		struct ip6 *ip = (void *)way->hdr + ETH_LEN;
		struct udp *udp = (void *)(ip + 1);

		ip->len = 0;
		ip->ver_class_flow &= bpf_htonl(~(3U << 20));
		way->flags |= udp->sum ? FO_OUTER_SUM : 0;
		udp->len = 0;
		udp->sum = 0;
		sum = bpf_htons(IPPROTO_UDP);
		sum += udp->src;
		sum += udp->dst;
		for (i = 0; i < 4; i++)
			sum += (__u64)ip->src[i] + ip->dst[i];
		at = ETH_LEN + sizeof(*ip) + sizeof(*udp);
	}
	/* Whole words are asked for; what follows the header is nought. */
	tail = (o->tun_len + ETH_LEN + 3) & ~3U;
	barrier_var(tail);
	if (tail > FO_TUNNEL_HDR + ETH_LEN + 2 || at + tail > FO_HDR_MAX)
		return -1;
	barrier_var(at);
	if (at > ETH_LEN + sizeof(struct ip6) + sizeof(struct udp))
		return -1;
	sum += (__u32)bpf_csum_diff(0, 0, (void *)way->hdr + at, tail, 0);
	/* The inner pseudo header is taken away: what it covers sums to its complement. */
	if (way->to.family == 4)
		sum += (__u64)(__u32)~way->to.saddr[0] + (__u32)~way->to.daddr[0];
	sum += (__u16)~bpf_htons(way->to.proto);
	way->sum_udp = fold16(sum);
	return 0;
}

static __always_inline __u32 mtu_of(struct __sk_buff *skb, __u32 ifindex)
{
	__u32 mtu = 0;

	/* The answer says how this packet relates to the MTU; the MTU itself is what is asked. */
	bpf_check_mtu(skb, ifindex, &mtu, 0, 0);
	return mtu;
}

static __always_inline int any_or_same(const __be32 *want, const __be32 *addr)
{
	if (!(want[0] | want[1] | want[2] | want[3]))
		return 1;
	return !((want[0] ^ addr[0]) | (want[1] ^ addr[1]) | (want[2] ^ addr[2]) | (want[3] ^ addr[3]));
}

/* The device that put the header on: several may share port and VNI, one a family, or one a peer. */
static __always_inline __u32 tunnel_of(const void *l3, __be16 port, const struct outer *o)
{
	__be32 src[4] = {}, dst[4] = {};
	__u32 i;

	if (o->family == 4) {
		src[0] = ((const struct ip4 *)l3)->src;
		dst[0] = ((const struct ip4 *)l3)->dst;
	} else {
		__builtin_memcpy(src, ((const struct ip6 *)l3)->src, 16);
		__builtin_memcpy(dst, ((const struct ip6 *)l3)->dst, 16);
	}
	for (i = 0; i < FO_TUNNELS; i++) {
		const struct fo_tunnel *t = &state.tunnel[i];

		if (i >= state.tunnels)
			break;
		if (t->port == port && t->vni == o->vni && (!t->family || t->family == o->family) &&
		    any_or_same(t->local, src) && any_or_same(t->remote, dst))
			return t->ifindex;
	}
	return 0;
}

/* How the packet left: the header it wears now, and where it went. */
static __always_inline int note_exit(struct __sk_buff *skb, struct fo_way *way, const struct outer *o, int to_pod)
{
	__u32 mtu = mtu_of(skb, skb->ifindex), overhead;
	struct udp *udp;

	way->out = skb->ifindex;
	way->hdr_len = ETH_LEN;
	if (to_pod) {
		way->action = FO_PEER;
		way->mtu = mtu;
		return bpf_skb_load_bytes(skb, 0, way->hdr, ETH_LEN);
	}
	way->mark = skb->mark;
	way->priority = skb->priority;
	if (!o->family) {
		way->action = FO_PLAIN;
		way->mtu = mtu;
		return bpf_skb_load_bytes(skb, 0, way->hdr, ETH_LEN);
	}
	way->action = FO_ENCAP;
	way->outer_family = o->family;
	overhead = o->strip;
	if (overhead < 50 || overhead > FO_HDR_MAX - ETH_LEN || mtu <= overhead)
		return -1;
	way->hdr_len = overhead + ETH_LEN;
	if (bpf_skb_load_bytes(skb, 0, way->hdr, overhead + ETH_LEN))
		return -1;
	udp = (void *)way->hdr + ETH_LEN + (o->family == 4 ? sizeof(struct ip4) : sizeof(struct ip6));
	way->tunnel = tunnel_of(way->hdr + ETH_LEN, udp->dst, o);
	if (!way->tunnel)
		return -1;
	way->mtu = mtu_of(skb, way->tunnel);
	if (!way->mtu || way->mtu > mtu - overhead)
		way->mtu = mtu - overhead;
	return note_sums(way, o);
}

static __always_inline int same_way(const struct fo_way *a, const struct fo_way *b)
{
	const __u64 *x = (const void *)a + FO_OBSERVED, *y = (const void *)b + FO_OBSERVED;
	__u32 i;

	for (i = 0; i < (sizeof(*a) - FO_OBSERVED) / 8; i++)
		if (x[i] != y[i])
			return 0;
	return 1;
}

static __always_inline int same_twin(const struct fo_way *a, const struct fo_way *b)
{
	return same_key(&a->twin, &b->twin);
}

/*
 * Writes the entry, or renews the one that says the same. It opens if the other direction is proven too and conntrack
 * agrees; then so does the other one, and the first data packet after a handshake is fast both ways.
 */
static __always_inline void keep(struct fo_way *way, const struct verdict *v, __u32 epoch, int handshake)
{
	int slot = slot_of(&way->key), at = slot, paired, open;
	struct fo_way *old = slot < 0 ? 0 : bpf_map_lookup_elem(&ways, &at);
	__u32 guard = old ? READ_ONCE(old->guard) : 0;

	keep_order();
	paired = meet_twin(way, v->established);
	/* What was open needs the other direction no second time, unless it would be another one. */
	if (!paired && old && guard == old->grant >> 32 && !(guard & FO_WRITING))
		paired = guard && same_twin(old, way);
	open = paired && v->established;
	/* A handshake under way is no refusal worth a note: its next packet is the answer. */
	if (!v->established && handshake)
		count(FO_CT_STATE);
	else if (!v->established)
		refuse(&way->key.tuple, FO_CT_STATE, v->detail);
	else if (!paired)
		refuse(&way->key.tuple, FO_ONE_WAY, 0);
	if (!old || !same_way(old, way)) {
		if (write_way(slot, way, epoch, open))
			refuse(&way->key.tuple, FO_BOOKS_FULL, 0);
		return;
	}
	keep_order();
	if (guard & FO_WRITING || READ_ONCE(old->guard) != guard)
		return;
	old->lease = bpf_jiffies64() + state.lease;
	old->grant = FO_GRANT(open ? guard : 0, epoch);
	old->proven = 1;
	old->renewals++;
}

/* A packet leaves by the slow path: if we saw it come, its entry is what happened to it in between. */
static __always_inline void learn(struct __sk_buff *skb, int to_pod)
{
	void *data, *end, *l3;
	struct verdict v = {};
	struct fo_key key = {};
	struct fo_probe *probe;
	struct outer o = {};
	struct scratch *s;
	struct fo_way *way;
	struct pkt p = {};
	__u32 id, body, epoch;
	struct eth *eth;
	int why, judge;

	if (skb->len < ETH_LEN + sizeof(struct ip4) + sizeof(struct udp))
		return;
	if (reach(skb, ETH_LEN + sizeof(struct ip4) + sizeof(struct udp)))
		return;
	epoch = *(volatile __u32 *)&state.epoch;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	eth = data;
	if ((void *)(eth + 1) > end)
		return;
	l3 = eth + 1;
	if (!to_pod) {
		why = parse_outer(eth, end, skb->len, &state, &o);
		if (why == FO_FAST) {
			eth = o.inner_eth;
			l3 = eth + 1;
		} else if (why == FO_NO_TUNNEL) {
			o.family = 0;
		} else {
			return;
		}
	}
	if (l3 + sizeof(struct ip4) > end || (void *)(eth + 1) > end)
		return;
	why = parse_ip(l3, end, eth->proto, &key, &p);
	if (why != FO_FAST && (why != FO_TCP_FLAGS || !teaches(p.tcp_flags)))
		return;
	if (l3 + sizeof(struct ip4) > end || p.l4 + sizeof(struct udp) > end)
		return;
	sign(l3, end, &key, &p, &id, &body);
	s = scratch();
	if (!s)
		return;
	ask_ct(skb, &key.tuple, &v);
	probe = match(s, &v.pre, id, body);
	if (!probe || (!to_pod && !probe->from_pod))
		return;
	if (!to_pod && !o.family)
		state.plain_seen = bpf_jiffies64();
	if (v.reason) {
		refuse(&v.pre, v.reason, v.detail);
		return;
	}
	judge = find_judge(&v.pre, &key.tuple);
	if (judge >= 0) {
		refuse(&v.pre, FO_JUDGED, judge);
		return;
	}
	if (probe->tos != p.tos || (__u8)(probe->ttl - p.ttl) > 4 ||
	    ((FO_CLASS(probe->place) ^ FO_CLASS(key.place)) & ~FO_CLASS_TUNNEL)) {
		refuse(&v.pre, FO_CHANGED, 0);
		return;
	}
	way = &s->way;
	__builtin_memset(way, 0, sizeof(*way));
	way->ttl_dec = probe->ttl - p.ttl;
	way->strip = probe->strip;
	way->outer_family = probe->outer_family;
	__builtin_memcpy(way->in_eth, probe->eth, sizeof(way->in_eth));
	__builtin_memcpy(way->outer_src, probe->outer_src, 16);
	__builtin_memcpy(way->outer_dst, probe->outer_dst, 16);
	__builtin_memcpy(way->tunnel_hdr, probe->tunnel_hdr, FO_TUNNEL_HDR);
	note_nat(way, &v.pre, &key.tuple);
	if (!v.known)
		way->flags |= FO_NO_CT;
	if (note_exit(skb, way, &o, to_pod)) {
		refuse(&v.pre, FO_NO_ROOM, 0);
		return;
	}
	if (state.mtu && way->mtu > state.mtu)
		way->mtu = state.mtu;
	invert(&way->twin.tuple, &key.tuple);
	way->twin.ifindex = to_pod ? skb->ifindex : 0;
	way->twin.place = FO_PLACE(o.vni, o.family ? FO_CLASS_TUNNEL : 0);
	/* A change announced while this packet was on its way may concern what was just observed. */
	if (probe->epoch != epoch || epoch != READ_ONCE(state.epoch) || READ_ONCE(state.paused))
		return;
	if (probe->from_pod)
		way->flags |= FO_FROM_POD;
	__builtin_memcpy(&way->key.tuple, &v.pre, sizeof(v.pre));
	way->key.ifindex = probe->ifindex;
	way->key.place = probe->place;
	keep(way, &v, epoch, why == FO_TCP_FLAGS);
}

#endif
