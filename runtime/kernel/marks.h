/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Sizes of maps that depend on the policy: the compiler finds them by these numbers in the object's types and replaces
 * them. */
#ifndef KERF_MARKS_H
#define KERF_MARKS_H

#ifndef KERF_BINDING_BYTES_MARK
#define KERF_BINDING_BYTES_MARK 0x4b455241   /* bytes of a binding's record */
#endif
#ifndef KERF_POLICY_COUNT_MARK
#define KERF_POLICY_COUNT_MARK 0x4b455242    /* elements of kerf_hits */
#endif

#endif
