/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Bytes -> are they text? And of a task's name. */
#ifndef KERF_UTF8_H
#define KERF_UTF8_H

#include "glue.h"

enum kerf_utf8_state { KERF_UTF8_WHOLE = 0, KERF_UTF8_BAD = 8, KERF_UTF8_STATES };

/* Bytes that well-formed UTF-8 treats alike (Unicode, table 3-7). */
static const __u8 kerf_utf8_class[256] = {
	[0x80 ... 0x8f] = 1, [0x90 ... 0x9f] = 2, [0xa0 ... 0xbf] = 3, [0xc0 ... 0xc1] = 11, [0xc2 ... 0xdf] = 4,
	[0xe0] = 5, [0xe1 ... 0xec] = 6, [0xed] = 7, [0xee ... 0xef] = 6, [0xf0] = 8, [0xf1 ... 0xf3] = 9, [0xf4] = 10,
	[0xf5 ... 0xff] = 11,
};

#define KERF_UTF8_CLASSES 12

/* States: 0 between characters; 1, 2, 6: one, two, three more bytes; 3 after e0; 4 after ed; 5 after f0; 7 after f4; 8 bad. */
static const __u8 kerf_utf8_next[KERF_UTF8_STATES * KERF_UTF8_CLASSES] = {
	0, 8, 8, 8, 1, 3, 2, 4, 5, 6, 7, 8,
	8, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8,
	8, 1, 1, 1, 8, 8, 8, 8, 8, 8, 8, 8,
	8, 8, 8, 1, 8, 8, 8, 8, 8, 8, 8, 8,
	8, 1, 1, 8, 8, 8, 8, 8, 8, 8, 8, 8,
	8, 8, 2, 2, 8, 8, 8, 8, 8, 8, 8, 8,
	8, 2, 2, 2, 8, 8, 8, 8, 8, 8, 8, 8,
	8, 2, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
	8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
};

/* Is the task's name text? Not 1: it is not. */
__attribute__((noinline)) int kerf_comm_is_text(const struct kerf_walk *walk)
{
	if (!walk)
		return 0;
	const __u64 *words = (const __u64 *)walk->seen.comm;
	__u64 state = KERF_UTF8_WHOLE;

	if (!((words[0] | words[1]) & 0x8080808080808080ull))
		return 1;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < KERF_COMM_BYTES; i++) {
		__u64 next = state * KERF_UTF8_CLASSES + kerf_utf8_class[(__u8)walk->seen.comm[i]];
		if (!WITHIN(next, sizeof(kerf_utf8_next)))
			return 0;
		state = kerf_utf8_next[next];
	}
	return state == KERF_UTF8_WHOLE;
}

#endif
