/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Task -> binding. A task is tagged when it is forked by a tagged one, when it enters a bound cgroup, and by the task
 * iterator at bind; the first tag stays for life, wherever the task is moved. The one decision: tags are a hash keyed by
 * the task's address, emptied by task_free. Task storage fails look-ups on 6.1 while a preempted task is inside it, and a
 * tag that is not found would be an unbound task. */
#ifndef KERF_IDENTITY_H
#define KERF_IDENTITY_H

#include <bpf/bpf_core_read.h>

#include "kernel_types.h"
#include "report.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KERF_MAX_TASKS);
	__uint(key_size, 8);
	__uint(value_size, sizeof(struct kerf_tag));
} kerf_tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KERF_MAX_BINDINGS);
	__uint(key_size, 8);
	__uint(value_size, sizeof(struct kerf_tag));
} kerf_cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KERF_MAX_BINDINGS);
	__uint(key_size, 4);
	__uint(value_size, 8);
} kerf_live SEC(".maps");

#define KERF_CGROUP_LEVELS 64

static __always_inline __u64 cgroup_levels(void)
{
	const __u32 zero = 0;
	const struct kerf_state *state = bpf_map_lookup_elem(&kerf_state, &zero);

	return state ? FORGET(state->cgroup_levels) : 0;
}

static __always_inline const struct kerf_tag *tag_of(const void *task)
{
	__u64 key = (__u64)task;

	return bpf_map_lookup_elem(&kerf_tasks, &key);
}

/* 1: current's cgroup is a bound one or below one. */
__attribute__((noinline)) int kerf_in_bound_cgroup(void)
{
	__u64 levels = cgroup_levels();

#pragma clang loop unroll(disable)
	for (__u32 level = 0; level < KERF_CGROUP_LEVELS; level++) {
		if (!levels)
			return 0;
		if (levels & 1) {
			__u64 id = bpf_get_current_ancestor_cgroup_id(level);
			if (id && bpf_map_lookup_elem(&kerf_cgroups, &id))
				return 1;
		}
		levels >>= 1;
	}
	return 0;
}

static __always_inline int is_kernel_thread(const struct task_struct *task)
{
	return (task->flags & PF_KTHREAD) != 0;
}

/* 1: current is bound, and `binding` is its binding's key; 0 there if it has no tag although its cgroup is bound, which
 * the decision refuses as without record. 0: current is none of ours. */
static __always_inline int current_is_bound(__u32 *binding)
{
	const struct kerf_tag *tag = tag_of((const void *)bpf_get_current_task());

	*binding = 0;
	if (tag) {
		*binding = tag->binding;
		return 1;
	}
	return cgroup_levels() && !is_kernel_thread((const struct task_struct *)bpf_get_current_task_btf()) &&
	       kerf_in_bound_cgroup();
}

/* The tag of the outermost bound cgroup at or above this one; 0: there is none. */
static __always_inline const struct kerf_tag *tag_of_cgroup(struct cgroup *cgroup)
{
	__u64 levels = cgroup_levels();
	__u64 ancestors = (__u64)cgroup + bpf_core_field_offset(struct cgroup, ancestors);
	__u32 depth = levels && cgroup ? BPF_CORE_READ(cgroup, level) : 0;

#pragma clang loop unroll(disable)
	for (__u32 level = 0; level < KERF_CGROUP_LEVELS; level++) {
		struct cgroup *above = 0;

		if (!levels || level > depth)
			return 0;
		if (levels & 1) {
			bpf_probe_read_kernel(&above, sizeof(above), (const void *)(ancestors + level * 8));
			__u64 id = BPF_CORE_READ(above, kn, id);
			const struct kerf_tag *tag = bpf_map_lookup_elem(&kerf_cgroups, &id);
			if (tag)
				return tag;
		}
		levels >>= 1;
	}
	return 0;
}

static __always_inline void lose_tag(void)
{
	struct kerf_counters *c = counters();

	if (c)
		__sync_fetch_and_add(&c->tags_lost, 1);
}

/* Counts one more task of the binding, and says how many there are with it. 0: it cannot be counted. Counted first and
 * decided by that number, so that of two forks at the same time each sees the other. */
static __always_inline __u32 take_place(__u32 binding)
{
	__u64 *live = bpf_map_lookup_elem(&kerf_live, &binding);

	return live ? __sync_fetch_and_add(live, 1) + 1 : 0;
}

static __always_inline void leave_place(__u32 binding)
{
	__u64 *live = bpf_map_lookup_elem(&kerf_live, &binding);

	if (live)
		__sync_fetch_and_add(live, -1);
}

static __always_inline void tag_by_cgroup(struct task_struct *task, struct cgroup *cgroup)
{
	__u64 key = (__u64)task;

	if (!cgroup_levels() || tag_of(task) || is_kernel_thread(task))
		return;
	const struct kerf_tag *tag = tag_of_cgroup(cgroup);
	if (!tag)
		return;
	struct kerf_tag own = {.binding = tag->binding, .place = take_place(tag->binding)};
	if (own.place && !bpf_map_update_elem(&kerf_tasks, &key, &own, BPF_NOEXIST))
		return;
	if (own.place)
		leave_place(own.binding);
	if (!tag_of(task))
		lose_tag();
}

/* The place of a child, which it gets with its tag: from whichever program of whichever generation comes first, so that
 * all of them decide by the same number. 0: there is no room. An entry without a place is one that an earlier task at this
 * address left. */
static __always_inline __u32 inherit(__u64 child, __u32 binding)
{
	const struct kerf_tag *own = bpf_map_lookup_elem(&kerf_tasks, &child);

	if (own && own->binding == binding && own->place)
		return own->place;
	struct kerf_tag tag = {.binding = binding, .place = take_place(binding)};
	if (!tag.place)
		return 0;
	if (bpf_map_update_elem(&kerf_tasks, &child, &tag, BPF_ANY)) {
		leave_place(binding);
		return 0;
	}
	return tag.place;
}

/* Fork: the child is what its parent is, before it runs, or there is no child. If it is refused here, by another hook or
 * by what follows, the kernel calls task_free for it. */
SEC("lsm/task_alloc")
long kerf_task_alloc(__u64 *ctx)
{
	const struct kerf_tag *tag = tag_of((const void *)bpf_get_current_task());
	__u64 key = ctx[0];

	if (tag)
		return inherit(key, tag->binding) ? 0 : -ERRNO_EAGAIN;
	if (bpf_map_lookup_elem(&kerf_tasks, &key))
		bpf_map_delete_elem(&kerf_tasks, &key);   /* left by another task */
	return 0;
}

/* What deletes the tag counts the task out. The kernel may say that the map is busy, to an interrupt on 6.1: the tag is then
 * marked as counted out, and stays until there is another task at this address. */
SEC("lsm/task_free")
long kerf_task_free(__u64 *ctx)
{
	__u64 key = ctx[0];
	struct kerf_tag *tag = bpf_map_lookup_elem(&kerf_tasks, &key);

	if (!tag)
		return 0;
	__u32 binding = tag->binding, place = FORGET(tag->place);
	long error = bpf_map_delete_elem(&kerf_tasks, &key);
	if (!place || error == -ERRNO_ENOENT)
		return 0;
	if (error)
		FORGET(tag->place) = 0;
	leave_place(binding);
	return 0;
}

/* Every thread of a migration, and every fork, CLONE_INTO_CGROUP included. The tracepoint for migrations names the
 * leader only, and forks not at all. */
SEC("fentry/cgroup_move_task")
int kerf_cgroup_move(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct css_set *to = (struct css_set *)ctx[1];

	tag_by_cgroup(task, to->dfl_cgrp);
	return 0;
}

SEC("iter/task")
int kerf_tag_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task)
		tag_by_cgroup(task, task->cgroups->dfl_cgrp);
	return 0;
}

#endif
