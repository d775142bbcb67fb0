/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A new task -> process.spawn. The child is counted before it is decided (identity.h), by the number of those that were there
 * without it. A refused one the kernel lets go of by task_free, which counts it out. */
#ifndef KERF_SPAWN_H
#define KERF_SPAWN_H

#include "system.h"

static __always_inline long judge_spawn(__u64 child, __u32 id)
{
	struct kerf_operation operation = {.id = id};
	__u32 binding;

	if (!current_is_bound(&binding))
		return 0;
	if (binding) {
		__u32 place = inherit(child, binding);
		if (!place)
			return -ERRNO_EAGAIN;
		operation.number[0] = place - 1;
	}
	return judge_system(&operation);
}

SEC("lsm/task_alloc")
long kerf_spawn(__u64 *ctx)
{
	return judge_spawn(ctx[0], ctx[1] & CLONE_A_THREAD ? KERF_SYSTEM_THREAD : KERF_SYSTEM_FORK);
}

#endif
