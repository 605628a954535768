/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The books: entries of the bypass, and notes of packets under way. A short hash of the flow leads to where one is.
 *
 * Invariants: who writes an element takes its guard first and gives it the next number last; who uses one takes out
 * what it needs, and looks then whether the guard still has the number it found. keep_order() stands where the order
 * of these steps matters.
 */
#ifndef FLYOVER_BOOKS_H
#define FLYOVER_BOOKS_H

#include "maps.h"

/* Ends of the flow and their network: what all entries of a direction have in common. */
#define FO_NET FO_PLACE(0xffffff, FO_CLASS_TUNNEL)

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))

#ifdef __TARGET_ARCH_x86
/* The machine keeps the order of a CPU's own loads, and of its own stores: only the compiler is to be held back. */
#define keep_order() asm volatile("" ::: "memory")
#else
/* BPF's one way before 6.15 to say "all of this, then all of that": an exchange, be it with a place nobody else has. */
static __always_inline void keep_order(void)
{
	__u64 place = 0;

	__sync_lock_test_and_set(&place, 1);
	asm volatile("" ::"r"(&place) : "memory");
}
#endif

/* Takes the guard that has this number; tells whether it was had. */
static __always_inline int take(__u32 *guard, __u32 number)
{
	if (number & FO_WRITING || __sync_val_compare_and_swap(guard, number, number + FO_WRITING) != number)
		return 0;
#ifndef __TARGET_ARCH_x86
	/* An exchange comes after all before it and before all after it, but its own store may come late. */
	keep_order();
#endif
	return 1;
}

static __always_inline int same_tuple(const struct fo_tuple *a, const struct fo_tuple *b)
{
	const __u32 *x = (const void *)a, *y = (const void *)b;
	__u32 i, diff = 0;

#pragma unroll
	for (i = 0; i < sizeof(*a) / 4; i++)
		diff |= x[i] ^ y[i];
	return !diff;
}

static __always_inline int same_key(const struct fo_key *a, const struct fo_key *b)
{
	return same_tuple(&a->tuple, &b->tuple) && !((a->ifindex ^ b->ifindex) | (a->place ^ b->place));
}

/* src/abi.rs computes the same. */
static __always_inline __u64 flow_hash(const struct fo_tuple *t, __u32 net)
{
	__u64 h = state.seed ^ ((__u64)t->saddr[0] << 32 | t->daddr[0]);

	h *= 0x9e3779b97f4a7c15;
	h ^= h >> 32;
	if (t->family == 6) {
		h ^= (__u64)t->saddr[1] << 32 | t->daddr[1];
		h *= 0xff51afd7ed558ccd;
		h ^= h >> 32;
		h ^= (__u64)(t->saddr[2] ^ t->daddr[3]) << 32 | (t->daddr[2] ^ t->saddr[3]);
		h *= 0x9e3779b97f4a7c15;
		h ^= h >> 32;
	}
	h ^= (__u64)(t->kind ^ net) << 32 | t->ports;
	h *= 0xc4ceb9fe1a85ec53;
	return h ^ h >> 32;
}

static __always_inline __u32 set_of(__u64 hash)
{
	return hash & (FO_SETS - 1);
}

/* The flow's part of a tag: never nought, and without the byte that differs between its entries. */
static __always_inline __u32 tag_base(__u64 hash)
{
	return (hash >> 32 & 0xffffff00) | 0x100;
}

static __always_inline __u32 tag_of(__u64 hash, const struct fo_key *key)
{
	return tag_base(hash) | (__u8)(FO_CLASS(key->place) ^ key->ifindex * 167);
}

static __always_inline struct fo_way *way_at(__u32 set, __u32 i)
{
	__u32 slot = set * FO_SET + i;

	return bpf_map_lookup_elem(&ways, &slot);
}

/* The set where entries of that hash are. */
static __always_inline struct fo_set *find_set(__u64 hash, __u32 *at)
{
	*at = set_of(hash);
	return bpf_map_lookup_elem(&sets, at);
}

/* The i-th entry of a set if its tag may be that of an entry of this flow, whatever its class and device. */
static __always_inline struct fo_way *way_akin(const struct fo_set *set, __u32 at, __u32 i, __u64 hash)
{
	return (set->tag[i] & 0xffffff00) == tag_base(hash) ? way_at(at, i) : 0;
}

/* The entry of that key, and the number of its incarnation. */
static __always_inline struct fo_way *find_way(const struct fo_key *key, __u32 *guard)
{
	__u64 hash = flow_hash(&key->tuple, key->place & FO_NET);
	__u32 at, tag = tag_of(hash, key), i;
	struct fo_set *set = find_set(hash, &at);
	struct fo_way *way;

	if (!set)
		return 0;
#pragma unroll
	for (i = 0; i < FO_SET; i++) {
		if (set->tag[i] != tag)
			continue;
		way = way_at(at, i);
		if (!way)
			return 0;
		*guard = READ_ONCE(way->guard);
		keep_order();
		if (same_key(&way->key, key))
			return way;
	}
	return 0;
}

/*
 * Place of that key's entry, or -1. Like all functions here that are not static: the verifier looks at it once, not
 * once for every way that leads to it.
 */
__noinline int slot_of(const struct fo_key *key)
{
	struct fo_set *set;
	struct fo_way *way;
	__u32 at, tag, i;
	__u64 hash;

	if (!key)
		return -1;
	hash = flow_hash(&key->tuple, key->place & FO_NET);
	tag = tag_of(hash, key);
	set = find_set(hash, &at);
	if (!set)
		return -1;
	for (i = 0; i < FO_SET; i++) {
		if (set->tag[i] != tag)
			continue;
		way = way_at(at, i);
		if (way && same_key(&way->key, key))
			return at * FO_SET + i;
	}
	return -1;
}

/* A place for that key's entry: a free one, or that of the flow that has been idle longest; -1 if none is idle. */
__noinline int free_slot(const struct fo_key *key)
{
	__u64 now = bpf_jiffies64(), oldest = now - state.lease;
	struct fo_set *set;
	struct fo_way *way;
	int best = -1;
	__u32 at, i;

	if (!key)
		return -1;
	set = find_set(flow_hash(&key->tuple, key->place & FO_NET), &at);
	if (!set)
		return -1;
	for (i = 0; i < FO_SET; i++)
		if (!set->tag[i])
			return at * FO_SET + i;
	for (i = 0; i < FO_SET; i++) {
		way = way_at(at, i);
		if (way && (__s64)(way->lease - oldest) < 0) {
			oldest = way->lease;
			best = at * FO_SET + i;
		}
	}
	return best;
}

/* Keeps what a flow had saved when its entry goes. */
static __always_inline void retire(struct fo_way *way)
{
	__u32 ifindex = way->key.ifindex;
	struct fo_retired *sum, first;

	first.packets = __sync_lock_test_and_set(&way->packets, 0);
	first.bytes = __sync_lock_test_and_set(&way->bytes, 0);
	if (!first.packets)
		return;
	sum = bpf_map_lookup_elem(&retired, &ifindex);
	if (sum) {
		__sync_fetch_and_add(&sum->packets, first.packets);
		__sync_fetch_and_add(&sum->bytes, first.bytes);
	} else {
		bpf_map_update_elem(&retired, &ifindex, &first, BPF_NOEXIST);
	}
}

/* The ends of a conversation, as an entry's `twin` names the other one: whatever uplink it comes by. */
static __always_inline int is_end(const struct fo_way *way, const struct fo_tuple *tuple, __u32 ifindex, __u32 net)
{
	if ((way->key.place & FO_NET) != net || !same_tuple(&way->key.tuple, tuple))
		return 0;
	return way->flags & FO_FROM_POD ? way->key.ifindex == ifindex : !ifindex;
}

static __always_inline int is_twin(const struct fo_way *way, const struct fo_way *of)
{
	__u32 ifindex = of->flags & FO_FROM_POD ? of->key.ifindex : 0;

	return is_end(way, &of->twin.tuple, of->twin.ifindex, of->twin.place) &&
	       same_tuple(&way->twin.tuple, &of->key.tuple) && way->twin.ifindex == ifindex &&
	       way->twin.place == (of->key.place & FO_NET);
}

/* Tells whether the other direction is proven; if so, and `open` says so, it is open from now on. */
__noinline int meet_twin(const struct fo_way *of, int open)
{
	struct fo_way *way;
	struct fo_set *set;
	__u32 at, i, guard;
	int found = 0;
	__u64 hash;

	if (!of)
		return 0;
	hash = flow_hash(&of->twin.tuple, of->twin.place);
	set = find_set(hash, &at);
	if (!set)
		return 0;
	for (i = 0; i < FO_SET; i++) {
		way = way_akin(set, at, i, hash);
		if (!way)
			continue;
		guard = READ_ONCE(way->guard);
		keep_order();
		if (guard & FO_WRITING || !way->proven || !is_twin(way, of))
			continue;
		found = 1;
		if (open)
			way->grant = FO_GRANT(guard, (__u32)way->grant);
	}
	return found;
}

#define FORGET_FROM_POD 1
#define FORGET_BOTH 2 /* the other direction must not go on by what was proven before, either */
#define FORGET_ANYWHERE 4 /* whichever device it enters by */

/* Takes the other direction's proof back. */
static __always_inline void unprove(const struct fo_key *twin, int both)
{
	__u64 hash = flow_hash(&twin->tuple, twin->place);
	__u32 at, i;
	struct fo_set *set = find_set(hash, &at);
	struct fo_way *way;

	if (!set)
		return;
	for (i = 0; i < FO_SET; i++) {
		way = way_akin(set, at, i, hash);
		if (!way || !is_end(way, &twin->tuple, twin->ifindex, twin->place))
			continue;
		way->proven = 0;
		if (both)
			way->grant = FO_GRANT(0, (__u32)way->grant);
	}
}

/*
 * Takes the entries away of a flow that begins or ends, with what was proven of it, and keeps what it had saved.
 * A later connection of the same addresses proves itself anew, both ways.
 */
__noinline int forget(const struct fo_key *key, int how)
{
	struct fo_key twin = {};
	struct fo_way *way;
	struct fo_set *set;
	__u32 at, i;
	int found = 0;
	__u64 hash;

	if (!key)
		return 0;
	hash = flow_hash(&key->tuple, key->place & FO_NET);
	set = find_set(hash, &at);
	if (!set)
		return 0;
	for (i = 0; i < FO_SET; i++) {
		way = way_akin(set, at, i, hash);
		if (!way)
			continue;
		if (how & FORGET_ANYWHERE
			    ? !same_tuple(&way->key.tuple, &key->tuple)
			    : !is_end(way, &key->tuple, how & FORGET_FROM_POD ? key->ifindex : 0, key->place & FO_NET))
			continue;
		set->tag[i] = 0;
		way->proven = 0;
		way->grant = 0;
		way->lease = 0;
		__builtin_memcpy(&twin, &way->twin, sizeof(twin));
		retire(way);
		found = 1;
	}
	if (found)
		unprove(&twin, how & FORGET_BOTH);
	return found;
}

/* Writes an entry where none of that key is, or where `slot` says that one is. */
static __always_inline int write_way(int slot, const struct fo_way *from, __u32 epoch, int open)
{
	__u32 at, guard, next, fresh = slot < 0;
	__u64 now = bpf_jiffies64();
	struct fo_set *set;
	struct fo_way *way;

	if (fresh)
		slot = free_slot(&from->key);
	if (slot < 0)
		return -1;
	at = slot / FO_SET;
	set = bpf_map_lookup_elem(&sets, &at);
	way = bpf_map_lookup_elem(&ways, &slot);
	if (!way || !set)
		return -1;
	guard = READ_ONCE(way->guard);
	if (!take(&way->guard, guard))
		return 0;
	if (fresh) {
		retire(way);
		way->born = now;
		way->renewals = 0;
	} else {
		way->renewals++;
	}
	next = guard + FO_WRITTEN;
	__builtin_memcpy((void *)way + FO_KEPT, (const void *)from + FO_KEPT, sizeof(*way) - FO_KEPT);
	way->proven = 1;
	way->lease = now + state.lease;
	way->grant = FO_GRANT(open ? next : 0, epoch);
	keep_order();
	__sync_lock_test_and_set(&way->guard, next);
	set->tag[slot & (FO_SET - 1)] = tag_of(flow_hash(&from->key.tuple, from->key.place & FO_NET), &from->key);
	return 0;
}

#endif
