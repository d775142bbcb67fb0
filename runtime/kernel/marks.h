/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where an object depends on the policies it was compiled with marks; the compiler finds these and replaces them
 * (backends/bpf/object.cpp). Sizes of maps are found in the object's types, and what numbers.def lists in the decision's
 * instructions. */
#ifndef KERF_MARKS_H
#define KERF_MARKS_H

#ifndef KERF_BINDING_BYTES_MARK
#define KERF_BINDING_BYTES_MARK 0x4b455241   /* bytes of a binding's record */
#endif
#ifndef KERF_POLICY_COUNT_MARK
#define KERF_POLICY_COUNT_MARK 0x4b455242    /* elements of kerf_hits */
#endif

/* The mark of number i of numbers.def is i steps above the base; between two steps there is room for differences, as in `count - 3`. */
#define KERF_MARK_BASE 0x4b000000
#define KERF_MARK_STEP 0x1000
#define KERF_MARK_ROOM (KERF_MARK_STEP / 2)

enum kerf_marked {
#define KERF_MARKED(name) name##_index,
#include "numbers.def"
	KERF_MARKS
};

#endif
