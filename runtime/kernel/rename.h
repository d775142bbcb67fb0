/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Rename and link: two names of one object. First the events; then the guard, which lets an object have a new name only
 * if no governed event is allowed there that was not allowed at the old one, with the same owner, mode and links. For a
 * directory the automata must in addition stand in the same states behind both names: then every name below it is
 * treated as before. */
#ifndef KERF_RENAME_H
#define KERF_RENAME_H

#include "guards.h"

/* Is there nothing left for the guard to do? */
static __always_inline int is_settled(const struct kerf_scratch *s)
{
	return FORGET(s->refused_event) != NO_EVENT || guard_waived(KERF_GUARD_RENAME);
}

/* Reported as the event that would be allowed, at the name that the slot holds. A binding that decides nothing just now
 * is the reason itself. */
static __always_inline void refuse_rename(struct kerf_scratch *s, __u32 event)
{
	__u32 reason = FORGET(s->walk.decision.reason);

	if (reason != KERF_REASON_QUARANTINE && reason != KERF_REASON_NO_RECORD && reason != KERF_REASON_INTERNAL)
		reason = KERF_REASON_GUARD;
	set_denial(&s->walk, reason);
	s->walk.seen.event = event;
	count_decision(1, 1);
	count_lost(kerf_report_file(s, FORGET(s->binding), ERRNO_EXDEV,
				    reason == KERF_REASON_GUARD ? KERF_GUARD_RENAME : KERF_GUARD_NONE));
	s->refused_event = event;
	s->refused_errno = ERRNO_EXDEV;
}

static __always_inline void keep_ioctl(__u32 *kept, const struct kerf_scratch *s)
{
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < KERF_AUTOMATA; i++)
		kept[i] = FORGET(s->ioctl_class[i]);
}

/* Where an ioctl's command is asked for, both names must leave the same rows about it. */
static __always_inline __u64 other_ioctls(const __u32 *kept, const struct kerf_scratch *s)
{
	__u32 differs = 0;

	if (!kerf_reads_command || !governed(KERF_EVENT_FILE_IOCTL))
		return 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < KERF_AUTOMATA; i++)
		differs |= FORGET(kept[i]) ^ FORGET(s->ioctl_class[i]);
	return differs ? KERF_BIT(KERF_EVENT_FILE_IOCTL) : 0;
}

/* At the old name, about the object: what is allowed there. */
__attribute__((noinline)) int kerf_guard_before(struct kerf_scratch *s)
{
	if (!s)
		return 1;
	if (guard_waived(KERF_GUARD_RENAME))
		return 0;
	if (kerf_survey(s))
		FORGET(s->incomparable) = 1;
	s->old_allowed = FORGET(s->allowed);
	keep_ioctl(s->old_ioctl, s);
	return 0;
}

/* At the old name, about what is to be exchanged for the object: what would be allowed there. */
__attribute__((noinline)) int kerf_guard_other_before(struct kerf_scratch *s)
{
	if (!s)
		return 1;
	if (guard_waived(KERF_GUARD_RENAME))
		return 0;
	if (kerf_survey(s))
		FORGET(s->incomparable) = 1;
	s->other_allowed = FORGET(s->allowed);
	keep_ioctl(s->other_ioctl, s);
	return 0;
}

/* At the old name of a directory: the states below it. */
__attribute__((noinline)) int kerf_guard_below_before(struct kerf_scratch *s)
{
	if (!s)
		return 1;
	if (FORGET(s->unnamed) || kerf_match_below(s))
		FORGET(s->incomparable) = 1;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < KERF_AUTOMATA; i++)
		s->old_below[i] = FORGET(s->state[i]);
	return 0;
}

/* At the new name, about the object. */
__attribute__((noinline)) int kerf_guard_after(struct kerf_scratch *s)
{
	if (!s)
		return 1;
	if (is_settled(s))
		return 0;
	int told = !kerf_survey(s);
	__u64 more = (FORGET(s->allowed) & ~FORGET(s->old_allowed)) | other_ioctls(s->old_ioctl, s);
	if (FORGET(s->incomparable) || !told)
		more = kerf_governed & KERF_FILE_EVENTS;
	if (more)
		refuse_rename(s, first_event(more));
	return 0;
}

/* At the new name, about what was there and gets the old one. */
__attribute__((noinline)) int kerf_guard_other_after(struct kerf_scratch *s)
{
	if (!s)
		return 1;
	if (is_settled(s))
		return 0;
	int told = !kerf_survey(s);
	__u64 more = (FORGET(s->other_allowed) & ~FORGET(s->allowed)) | other_ioctls(s->other_ioctl, s);
	if (!told)
		more = kerf_governed & KERF_FILE_EVENTS;
	if (more)
		refuse_rename(s, first_event(more));
	return 0;
}

/* At the new name of a directory. */
__attribute__((noinline)) int kerf_guard_below_after(struct kerf_scratch *s)
{
	if (!s)
		return 1;
	if (is_settled(s))
		return 0;
	int differs = FORGET(s->unnamed) || kerf_match_below(s);
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < KERF_AUTOMATA; i++)
		differs |= FORGET(s->old_below[i]) != FORGET(s->state[i]);
	if (differs)
		refuse_rename(s, first_event(kerf_governed & KERF_FILE_EVENTS));
	return 0;
}

#define KIND_EXCHANGE 1u
#define KIND_WHITEOUT 2u

/* Events and guard at the old name. */
static __always_inline void judge_old_name(struct kerf_scratch *s, struct dentry *old, struct dentry *new, __u32 event)
{
	__u64 own = kerf_governed & KERF_BIT(event);

	find_name(old, s);
	describe(old, s, 1, is_directory(old));
	TRY(s, kerf_judge(s, own || event == KERF_EVENT_FILE_LINK ? own : removing(old->d_inode->i_mode)));
	TRY(s, kerf_guard_before(s));
	if (FORGET(s->kind) & KIND_EXCHANGE) {
		describe(new, s, !!own, is_directory(new));
		TRY(s, kerf_judge(s, own ? own : making(new->d_inode->i_mode)));
		describe(new, s, 1, is_directory(new));
		TRY(s, kerf_guard_other_before(s));
	}
	if (!own && FORGET(s->kind) & KIND_WHITEOUT) {
		describe(old, s, 0, 0);
		TRY(s, kerf_judge(s, making(MODE_CHARACTER)));
	}
	TRY(s, kerf_guard_below_before(s));
}

static __always_inline void judge_new_name(struct kerf_scratch *s, struct dentry *old, struct dentry *new, __u32 event)
{
	__u64 own = kerf_governed & KERF_BIT(event);

	find_name(new, s);
	describe(old, s, !!own, is_directory(old));
	TRY(s, kerf_judge(s, own ? own : making(old->d_inode->i_mode)));
	if (new->d_inode && (!own || FORGET(s->kind) & KIND_EXCHANGE)) {
		describe(new, s, 1, is_directory(new));
		TRY(s, kerf_judge(s, own ? own : removing(new->d_inode->i_mode)));
	}
	describe(old, s, 1, is_directory(old));
	TRY(s, kerf_guard_after(s));
	if (FORGET(s->kind) & KIND_EXCHANGE) {
		describe(new, s, 1, is_directory(new));
		TRY(s, kerf_guard_other_after(s));
	}
	if (is_directory(old) || (FORGET(s->kind) & KIND_EXCHANGE && is_directory(new)))
		TRY(s, kerf_guard_below_after(s));
}

static __always_inline long judge_two_names(struct dentry *from, struct dentry *to, __u32 event, __u32 kind)
{
	__u32 binding;

	if (!(kerf_governed & KERF_FILE_EVENTS) || !current_is_bound(&binding))
		return 0;
	struct dentry *old = plain(from), *new = plain(to);
	struct kerf_scratch *s = begin_operation(binding, kerf_governed & KERF_FILE_EVENTS);
	if (!s)
		return -ERRNO_EACCES;
	FORGET(s->incomparable) = 0;
	FORGET(s->kind) = kind;
	judge_old_name(s, old, new, event);
	judge_new_name(s, old, new, event);
	return end_operation(s);
}

SEC("lsm/path_rename")
long kerf_path_rename(__u64 *ctx)
{
	__u32 flags = ctx[4];
	__u32 kind = (flags & RENAME_EXCHANGE_FLAG ? KIND_EXCHANGE : 0) | (flags & RENAME_WHITEOUT_FLAG ? KIND_WHITEOUT : 0);

	return judge_two_names((struct dentry *)ctx[1], (struct dentry *)ctx[3], KERF_EVENT_FILE_RENAME, kind);
}

SEC("lsm/path_link")
long kerf_path_link(__u64 *ctx)
{
	return judge_two_names((struct dentry *)ctx[0], (struct dentry *)ctx[2], KERF_EVENT_FILE_LINK, 0);
}

#endif
