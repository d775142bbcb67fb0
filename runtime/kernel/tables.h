/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The object's constant tables, as the compiler lays them out (backends/bpf/layout.cpp) and the hooks read them
 * (decide.h). Both include this file; nothing else knows these shapes, so they may change with every release.
 *
 * Tables are plain arrays, one of each kind for the whole object; an environment's row in kerf_envs says where its
 * parts begin. An event belongs to one *class* per dimension (address, port, endpoint; of files: one for each path
 * automaton, whose final state gives a match class; of both: a number): the set of rows that hold there. A class is the
 * set of blocks in which some row can hold, and its blocks, one for 64 row words; a block says how its words differ from
 * the dimension's base bitmap, so that rows that do not ask for the dimension, or hold nearly everywhere, cost nothing.
 * In a dimension that an environment does not ask for every row holds, and nothing is looked up.
 * Tables are longer than what is in them (backends/bpf/request.cpp); nothing leads behind that. */
#ifndef KERF_TABLES_H
#define KERF_TABLES_H

/* Fields of an environment's row in kerf_envs. */
enum kerf_env_field {
	KERF_ENV_BLOCKS,            /* blocks of 64 row words */
	KERF_ENV_FORBID_END,        /* word after the last forbid word */
	KERF_ENV_PERMIT_END,        /* word after the last permit word; errors follow */
	KERF_ENV_ROWS,              /* first row in kerf_rows */
	KERF_ENV_ACTIVE,            /* in a segment: summary words, then row words */
	KERF_ENV_SUMMARY_WORDS,
	KERF_ENV_VALUES,            /* in a segment: struct kerf_value[] */
	KERF_ENV_ERRNO,

	KERF_ENV_IP4_KEYS,          /* first of the tree's keys in kerf_keys32 */
	KERF_ENV_IP4_DEPTH,
	KERF_ENV_IP4_RANKS,         /* first of the classes by rank in kerf_ranks */
	KERF_ENV_IP4_BASE,          /* base bitmap in kerf_words */
	KERF_ENV_IP6_TREES,         /* pair of trees for the high half */
	KERF_ENV_IP6_BASE,
	KERF_ENV_PORT_KEYS,
	KERF_ENV_PORT_DEPTH,
	KERF_ENV_PORT_RANKS,
	KERF_ENV_PORT_BASE,

	KERF_ENV_PEER_COUNT,        /* listed endpoints; 0: all are of class PEER_OTHERS */
	KERF_ENV_PEER_OTHERS,
	KERF_ENV_PEER_SEED,
	KERF_ENV_PEER_FACTORS,      /* first in kerf_peer_factors */
	KERF_ENV_PEER_FACTOR_SHIFT, /* 64 less the bits that choose one */
	KERF_ENV_PEER_SLOTS,        /* first slot in kerf_peer_slots */
	KERF_ENV_PEER_SLOT_SHIFT,
	KERF_ENV_PEER_BASE,

	KERF_ENV_FILES,             /* 1: of resources that are known by their text, and the fields of the dimensions are these three times two */
	KERF_ENV_MATCH_CLASSES = KERF_ENV_IP4_KEYS,   /* automaton i: first of the classes by match class in kerf_ranks */
	KERF_ENV_MATCH_BASE = KERF_ENV_MATCH_CLASSES + 3,   /* automaton i: base bitmap in kerf_words */

	KERF_ENV_DIMENSIONS = KERF_ENV_FILES + 1,   /* mask of enum kerf_dimension that some row asks for */
	KERF_ENV_NUMBER_AT,         /* the number that is asked for: where it is in struct kerf_seen */
	KERF_ENV_NUMBER_KEYS,
	KERF_ENV_NUMBER_DEPTH,
	KERF_ENV_NUMBER_RANKS,
	KERF_ENV_NUMBER_BASE,

	KERF_ENV_FIELDS = 40,
};

/* An event's classes. Of files the first three are those of the automata. */
enum kerf_dimension { KERF_DIMENSION_ADDRESS, KERF_DIMENSION_PORT, KERF_DIMENSION_PEER, KERF_DIMENSION_NUMBER, KERF_DIMENSIONS };

/* A class in kerf_class_blocks: a mask of the blocks that are not zero, then for each block where it begins in kerf_blocks. */

/* Path automata. All of them share their tables; a state is the index of its first cell in kerf_path_cells. The high byte
 * of that cell says what it is:
 *   KERF_CELL_NODE    a node of KERF_NODE_CELLS cells. On byte b it goes to `next` of the entry `rest` + b in
 *                     kerf_path_edges if that entry is its own (`check`), else to its fallback
 *   KERF_CELL_SCAN    a node of as many cells that waits for one byte (KERF_SCAN_BYTE): on it to the state `rest`, on any other
 *                     it stays
 *   KERF_CELL_FINAL   a state that no byte leaves, of KERF_FINAL_CELLS cells
 *   anything else     a single cell: on this byte to the next cell, on any other to the state `rest`, which is no single
 *                     cell and has the same match class
 * None of the first three is a byte of a path: 0 ends names, 0xfe and 0xff are no UTF-8.
 * kerf_path_bytes has the byte of every single cell, and KERF_CELL_FINAL for all other cells: eight bytes of a path are
 * compared with it at once. */
#define KERF_CELL_NODE 0x00u
#define KERF_CELL_SCAN 0xfeu
#define KERF_CELL_FINAL 0xffu
#define KERF_CELL_SHIFT 24
#define KERF_CELL_REST 0xffffffu
#define KERF_CELL_IS_SINGLE(kind) ((kind) != KERF_CELL_NODE && (kind) < KERF_CELL_SCAN)

enum kerf_node_field { KERF_NODE_EDGES, KERF_NODE_MATCH, KERF_FINAL_CELLS, KERF_NODE_FALLBACK = 2, KERF_SCAN_BYTE = 2, KERF_NODE_CELLS };

/* An entry in kerf_path_edges: check << 32 | next. */
#define KERF_NO_STATE 0xffffffffu

/* A search tree of depth d has 2^d - 1 keys in breadth-first order at indices 1 … 2^d - 1; the rank of a key is
 * the number of keys that are not above it. Hooks go down KERF_SEARCH_STEP levels at once, so depths are multiples of it. */
#define KERF_SEARCH_STEP 3

/* IPv6 addresses are searched by their high halves. A half has a pair of trees in kerf_trees, the second for those whose first bit
 * is set; the other 63 bits are the keys, so that the sign of a difference compares them. A rank of high halves has a class, or
 * KERF_LOW_HALF and the number of the pair in which the low half is searched: only where networks longer than 64 bits are. */
#define KERF_LOW_HALF 0x80000000u
#define KERF_HALF_BITS 63

enum kerf_tree_field { KERF_TREE_KEYS, KERF_TREE_DEPTH, KERF_TREE_RANKS, KERF_TREE_FIELDS = 4 };

/* A block in kerf_blocks: three words. */
enum kerf_block_field {
	KERF_BLOCK_NONZERO,         /* which of the 64 row words are not zero */
	KERF_BLOCK_OWN,             /* which differ from the base; these lie packed in kerf_words */
	KERF_BLOCK_WORDS,           /* from this index on */
	KERF_BLOCK_FIELDS,
};

/* A slot in kerf_peer_slots: four words; tail is port | v6 << 16 | 1 << 32, and 0 in an empty slot. */
enum kerf_peer_field { KERF_PEER_HIGH, KERF_PEER_LOW, KERF_PEER_TAIL, KERF_PEER_CLASS, KERF_PEER_FIELDS };

#define KERF_PEER_USED (1ull << 32)

/* The finaliser of MurmurHash3 (A. Appleby, public domain). */
static inline __u64 kerf_mix(__u64 h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ull;
	h ^= h >> 33;
	return h;
}

/* Endpoints are found by hash and displace: the first bits of the hash pick a factor, the first bits of their product the one
 * possible slot. Of products the first bits are those that depend on all others. Bytes are turned round so that what
 * differs in the first bits of both halves does not cancel out, whatever the seed. It is even, so that all factors are odd. */
static inline __attribute__((always_inline)) __u64 kerf_peer_hash(__u64 seed, __u64 high, __u64 low, __u64 tail)
{
	__u64 turned = __builtin_bswap64(high * (0xff51afd7ed558ccdull ^ seed));

	return turned * (0xc4ceb9fe1a85ec53ull ^ seed) + low * (0x9e3779b97f4a7c15ull ^ seed) +
	       tail * (0xbf58476d1ce4e5b9ull ^ seed);
}

#endif
