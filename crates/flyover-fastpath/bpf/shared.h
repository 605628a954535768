/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs and the process that loads them both know: the layout of the maps.
 *
 * Rust mirrors every struct in src/abi.rs; the assertions here and there hold the two together. A change of layout
 * raises FO_LAYOUT, and programs of another layout are replaced whole, maps and all.
 */
#ifndef FLYOVER_SHARED_H
#define FLYOVER_SHARED_H

#define FO_LAYOUT 2

/* Longest copied header: Ethernet, IPv6, UDP, Geneve with 64 bytes of options, inner Ethernet. */
#define FO_HDR_MAX 152
/* VXLAN or Geneve header with its options. */
#define FO_TUNNEL_HDR 72
#define FO_TUNNELS 8
#define FO_JUDGES 64

/*
 * Why a packet took the slow path. Append-only: the numbers are in metrics and in people's notes.
 * src/reason.rs has the sentence for each.
 */
enum fo_reason {
	FO_FAST = 0, /* not slow at all */
	FO_NOT_IP,
	FO_VLAN,
	FO_MULTICAST,
	FO_MALFORMED,
	FO_IP_OPTIONS,
	FO_FRAGMENT,
	FO_ICMP,
	FO_L4_UNKNOWN,
	FO_TCP_FLAGS,
	FO_TTL,
	FO_MTU,
	FO_OUTER_CE,
	FO_TUNNEL_MALFORMED,
	FO_TUNNEL_FLAGS,
	FO_OUTER_ADDRESS,
	FO_OUTER_CHECKSUM,
	FO_NO_ENTRY,
	FO_NOT_OPEN,
	FO_LEASE,
	FO_EPOCH,
	FO_DEADMAN,
	FO_ETHERNET,
	FO_NO_ROOM,
	FO_UDP_NO_CHECKSUM,
	/* From here on: why a flow was not learnt. */
	FO_CT_NONE,
	FO_CT_STATE,
	FO_CT_HELPER,
	FO_CT_WINDOW,
	FO_JUDGED,
	FO_CHANGED,
	FO_ONE_WAY,
	FO_RACE,
	FO_BOOKS_FULL,
	FO_CT_MUTE,
	FO_REASONS,
};

/* A flow as one end of a hop sees it; network byte order; IPv4 in the first word of each address. */
struct fo_tuple {
	__be32 saddr[4];
	__be32 daddr[4];
	/* Written as whole words: the hash reads words, and a word put together from smaller stores stalls. */
	union {
		struct {
			__be16 sport;
			__be16 dport;
		};
		__u32 ports;
	};
	union {
		struct {
			__u8 proto;
			__u8 family; /* 4 or 6 */
			__u16 zero;
		};
		__u32 kind;
	};
};

#define FO_KIND(proto, family) ((__u32)(proto) | (__u32)(family) << 8)

/* `class` bits: the packet's DSCP where the IP header has it, and two flags where ECN would be. */
#define FO_CLASS_DSCP 0xfc
#define FO_CLASS_DF 0x01
#define FO_CLASS_TUNNEL 0x02

/* Where and as what a packet enters the node. Two networks with the same addresses differ in ifindex or VNI. */
struct fo_key {
	struct fo_tuple tuple;
	__u32 ifindex;
	__u32 place; /* FO_PLACE(vni, class) */
};

#define FO_PLACE(vni, class) ((__u32)(vni) | (__u32)(class) << 24)
#define FO_CLASS(place) ((place) >> 24)

enum fo_action {
	FO_PEER = 1, /* into the pod behind the veth `out` */
	FO_ENCAP, /* push `hdr`, out of the uplink `out` */
	FO_PLAIN, /* out of the uplink `out` as it is */
};

#define FO_NAT 0x01 /* `to` differs from the key */
#define FO_OUTER_SUM 0x02 /* the tunnel device writes outer checksums */
#define FO_NO_CT 0x04 /* conntrack does not know the flow */
#define FO_FROM_POD 0x08 /* it enters by a pod's device, not from the wire */

/* What a number that guards an element says: even once it was written, odd while somebody writes, nought before. */
#define FO_WRITING 1
#define FO_WRITTEN 2

/*
 * What the slow path did to a flow's packets, one direction: the entry of the bypass.
 * From `key` on nothing is changed but by who holds the guard; from `out` on everything is what was observed.
 */
struct fo_way {
	__u32 guard; /* names this incarnation of the element */
	__u32 proven; /* seen at both ends, and not taken back since */
	__u64 lease; /* jiffies at which a packet must prove it again; nought: it ended */
	__u64 grant; /* FO_GRANT() of the incarnation that is open, or of none */
	__u64 packets;
	__u64 bytes;
	__u64 born;
	__u64 renewals;
	__u64 zero;
	struct fo_key key;
	__u32 out;
	__u8 action;
	__u8 flags;
	__u8 ttl_dec;
	__u8 outer_family; /* of the tunnel it came in by or leaves by; 0: none */
	__u16 hdr_len; /* bytes of `hdr` */
	__u16 strip; /* bytes between outer Ethernet and inner IP on arrival */
	__u16 mtu; /* largest layer 3 packet, per segment */
	__u16 nat_ip; /* difference for the IPv4 header checksum */
	__u32 nat_addr; /* difference of addresses for the layer 4 checksum */
	__u32 nat_port; /* difference of ports for the layer 4 checksum */
	__u32 sum_ip; /* outer IPv4 header without length, id, ECN */
	__u32 sum_udp; /* outer UDP checksum without what varies */
	__u8 in_eth[12]; /* Ethernet addresses on arrival */
	__u32 tunnel; /* ifindex of the tunnel device on the way out */
	__u32 mark;
	__u32 priority;
	__u8 hdr[FO_HDR_MAX];
	__u8 tunnel_hdr[FO_TUNNEL_HDR]; /* Geneve options on arrival */
	__be32 outer_src[4];
	__be32 outer_dst[4];
	struct fo_tuple to;
	struct fo_key twin; /* the other direction, class left out; ifindex 0: from the wire */
};

/* Whether an entry is open, and since which epoch it holds: an incarnation's number opens no other. */
#define FO_GRANT(guard, epoch) ((__u64)(guard) << 32 | (epoch))

/* Entries whose flows have hashes alike lie side by side; a tag tells them apart without a look at them. */
#define FO_SETS 8192
#define FO_SET 8
#define FO_PROBES 16384
#define FO_REFUSALS 8192

struct fo_set {
	__u32 tag[FO_SET]; /* 0: free */
};

#define FO_KEPT __builtin_offsetof(struct fo_way, key)
#define FO_OBSERVED __builtin_offsetof(struct fo_way, out)

/* A packet that entered and has not been seen to leave. */
struct fo_probe {
	struct fo_tuple tuple;
	__u32 guard;
	__u32 epoch; /* when it entered: what changed since is not known to it */
	__u64 at;
	__u32 ifindex;
	__u32 place;
	__u32 id; /* IPv4 identification or IPv6 flow label */
	__u32 body; /* TCP sequence number or first bytes of the UDP payload */
	__u8 ttl;
	__u8 tos;
	__u8 pending;
	__u8 from_pod;
	__u8 eth[12];
	__u16 strip;
	__u8 outer_family;
	__u8 tunnel_len;
	__be32 outer_src[4];
	__be32 outer_dst[4];
	__u8 tunnel_hdr[FO_TUNNEL_HDR];
};

/* Why a flow was last refused, for `fastpath why`. */
struct fo_refusal {
	struct fo_tuple tuple;
	__u64 at;
	__u32 reason;
	__u32 detail; /* FO_JUDGED: index of the judge; FO_CT_STATE: TCP state */
};

/* What ended flows of a pod had saved. */
struct fo_retired {
	__u64 packets;
	__u64 bytes;
};

#define FO_VXLAN 1
#define FO_GENEVE 2

struct fo_tunnel {
	__be16 port;
	__u8 kind;
	__u8 family; /* of the addresses; 0: any */
	__u32 vni;
	__u32 ifindex;
	__be32 local[4]; /* all nought: any */
	__be32 remote[4]; /* all nought: any */
};

/* Packets that a rule of the node judges one by one. Zero masks and full ranges mean any. */
struct fo_judge {
	__be32 src[4], src_mask[4];
	__be32 dst[4], dst_mask[4];
	__u16 sport[2], dport[2]; /* host byte order, inclusive */
	__u8 family; /* 0: any */
	__u8 proto; /* 0: any */
	__u16 zero;
};

/* What the process tells the programs while they run. */
struct fo_state {
	__u64 alive_until; /* jiffies: the dead-man's hour */
	__u64 lease; /* in jiffies */
	__u64 seed; /* of the hash: nobody outside shall know which flows fall together */
	__u64 plain_seen; /* jiffies of the last unencapsulated packet from a pod; written by the programs */
	__u32 epoch;
	__u32 paused;
	__u32 ct_in_use;
	__u32 ct_liberal; /* conntrack forgives what it has not seen */
	__u32 tunnels;
	__u32 judges;
	__u32 reach; /* bytes of headers that a tunnelled packet may have before its payload */
	__u32 mtu; /* largest packet of a pod that every route lets by; 0: no route says less than its device */
	struct fo_tunnel tunnel[FO_TUNNELS];
	struct fo_judge judge[FO_JUDGES];
};

_Static_assert(sizeof(struct fo_tuple) == 40, "layout");
_Static_assert(sizeof(struct fo_key) == 48, "layout");
_Static_assert(sizeof(struct fo_way) == 512, "layout");
_Static_assert(sizeof(struct fo_probe) == 200, "layout");
_Static_assert(sizeof(struct fo_refusal) == 56, "layout");
_Static_assert(__builtin_offsetof(struct fo_state, alive_until) == 0, "layout");
_Static_assert(__builtin_offsetof(struct fo_state, seed) == 16, "layout");
_Static_assert(__builtin_offsetof(struct fo_state, epoch) == 32, "layout");
_Static_assert(sizeof(struct fo_tunnel) == 44, "layout");
_Static_assert(sizeof(struct fo_judge) == 76, "layout");

#endif
