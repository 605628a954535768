/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's types, reduced to the fields the programs read.
 *
 * Types that are ABI (packet headers, __sk_buff) come from the kernel's uapi headers. Types below are not ABI:
 * CO-RE finds each field by name in the running kernel's BTF, so order, size and neighbours do not matter here.
 * To add one: name it in the table of tests/packets/root/types.rs and have that test write this file (its head says
 * how). In every other run the test holds these types against the running kernel's.
 */
#ifndef FLYOVER_VMLINUX_H
#define FLYOVER_VMLINUX_H

#include <linux/bpf.h>
#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

union nf_inet_addr {
	__u32 all[4];
};

union nf_conntrack_man_proto {
	__be16 all;
};

struct nf_conntrack_man {
	union nf_inet_addr u3;
	union nf_conntrack_man_proto u;
	__u16 l3num;
};

struct nf_conntrack_tuple {
	struct nf_conntrack_man src;
	struct {
		union nf_inet_addr u3;
		union {
			__be16 all;
		} u;
		__u8 protonum;
	} dst;
};

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
};

struct ip_ct_tcp {
	__u8 state;
};

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
};

struct nf_conn {
	struct nf_conntrack_tuple_hash tuplehash[2];
	unsigned long status;
	union nf_conntrack_proto proto;
};

struct sk_buff {
	__u8 ip_summed : 2;
	__u32 csum;
};

#pragma clang attribute pop

/* Passed by pointer and size, so its layout is ABI of the kfunc: 12 bytes since 5.18 (16 with zones since 6.10). */
struct bpf_ct_opts {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u8 reserved[2];
};

#endif
