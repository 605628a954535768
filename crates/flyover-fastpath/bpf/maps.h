/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps, and the counters of reasons.
 *
 * What is kept of flows lies in arrays, which books.h finds its way about in: a look-up in a hash map costs a packet
 * as much as half of the rest of its way.
 */
#ifndef FLYOVER_MAPS_H
#define FLYOVER_MAPS_H

#include "shared.h"

/* Which of a set's entries are whose. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FO_SETS);
	__type(key, __u32);
	__type(value, struct fo_set);
} sets SEC(".maps");

/* Entries of the bypass. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FO_SETS *FO_SET);
	__type(key, __u32);
	__type(value, struct fo_way);
} ways SEC(".maps");

/* Packets between their entry and their exit. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FO_PROBES);
	__type(key, __u32);
	__type(value, struct fo_probe);
} probes SEC(".maps");

/* Flows that were refused; for people. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FO_REFUSALS);
	__type(key, __u32);
	__type(value, struct fo_refusal);
} refusals SEC(".maps");

/* What ended flows had saved, by the device where their packets entered. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct fo_retired);
} retired SEC(".maps");

/* Packets by the reason that kept them slow. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FO_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} reasons SEC(".maps");

/* Longest run of bytes that is written into a packet: a copied header, an IPv6 header, ports. */
#define FO_FRAME (FO_HDR_MAX + 48)

/* A packet is summed in pieces of as much as bpf_csum_diff takes; the largest is a jumbo frame. */
#define FO_CHUNK 512
#define FO_CHUNKS 20

/*
 * What is too large for the stack: a note and an entry that are put together, and the bytes a packet is to begin with,
 * and a piece of one that is summed.
 * `recent` is when this CPU last took a note.
 */
struct scratch {
	__u64 recent;
	struct fo_probe probe;
	struct fo_way way;
	__u8 frame[FO_FRAME];
	__u8 chunk[FO_CHUNK + 4];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct fo_state state = {};

static __always_inline void count(__u32 reason)
{
	__u64 *n = bpf_map_lookup_elem(&reasons, &reason);

	if (n)
		(*n)++;
}

static __always_inline struct scratch *scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}

#endif
