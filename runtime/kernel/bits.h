/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Bits of a word: this BPF version has no instructions for them. */
#ifndef KERF_BITS_H
#define KERF_BITS_H

#include "glue.h"

/* a < b as 1 or 0, without a branch: the verifier follows both sides of a branch. */
static __always_inline __u64 less(__u64 a, __u64 b)
{
	__u64 borrow = (~a & b) | ((~a | b) & (a - b));
	OPAQUE(borrow);
	return borrow >> 63;
}

/* Index of the lowest bit that is set, by de Bruijn multiplication. */
static const __u8 kerf_bit_index[64] = {
	 0,  1, 48,  2, 57, 49, 28,  3, 61, 58, 50, 42, 38, 29, 17,  4, 62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12,  5,
	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19,  9, 13,  8,  7,  6,
};

static __always_inline __u32 lowest_bit(__u64 bits)
{
	__u64 at = ((bits & -bits) * 0x03f79d71b4cb0a89ull) >> 58;
	OPAQUE(at);
	return kerf_bit_index[at & 63];
}

static __always_inline __u32 count_bits(__u64 x)
{
	x -= (x >> 1) & 0x5555555555555555ull;
	x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (x * 0x0101010101010101ull) >> 56;
}

#endif
