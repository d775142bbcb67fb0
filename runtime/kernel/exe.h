/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The task that acts -> the canonical path of its executable, by the same walk as a file's, at the moment of the event. It runs
 * in the operation's slot before the object's own walk, whose text then takes the place of this one; a copy stays for the record.
 * The one decision: everything is read by copying, so that one function serves the programs of cgroups too. */
#ifndef KERF_EXE_H
#define KERF_EXE_H

#include "path.h"

#define KERF_EXE_PIECE 1024   /* no more than the slack behind the text */

_Static_assert(KERF_EXE_PIECE <= KERF_TEXT_SLACK, "a piece may begin at the text's last byte");

/* For the record. Not 0: there is no room. */
__attribute__((noinline)) int kerf_keep_exe(struct kerf_scratch *s)
{
	if (!s)
		return 1;
	struct kerf_exe_text *kept = exe_text(s);

	if (!kept)
		return 1;
	__u64 start = FORGET(s->start);
	kept->length = KERF_PATH_BYTES - start;
#pragma clang loop unroll(disable)
	for (__u32 done = 0; done < KERF_PATH_BYTES; done += KERF_EXE_PIECE) {
		__u64 at = start + done, rest = KERF_PATH_BYTES - at;

		if (!WITHIN(at, KERF_PATH_BYTES))
			break;
		if (!WITHIN(rest, KERF_EXE_PIECE))
			rest = KERF_EXE_PIECE;
		if (bpf_probe_read_kernel(&kept->text[at], rest, &s->text[at]))
			return 1;
	}
	return 0;
}

/* Fills in s->walk.seen.exe_match and exe_status. An executable that is changed meanwhile (PR_SET_MM_EXE_FILE) was let go of
 * while it was looked at, so what was read may be of another file. */
__attribute__((noinline)) int kerf_find_exe(struct kerf_scratch *s)
{
	if (!s)
		return 1;
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct file *file = BPF_CORE_READ(mm, exe_file);   /* 0 without memory of its own: workers of the kernel */
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	__u32 *status = &s->walk.seen.exe_status;

	FORGET(*status) = KERF_REASON_NO_PATH;
	if (!dentry)
		return 0;
	find_text(dentry, s, status, 1);
	if (!FORGET(*status))
		FORGET(*status) = kerf_match_exe(s);
	if (BPF_CORE_READ(mm, exe_file) != file)
		FORGET(*status) = KERF_REASON_RACED;
	if (!FORGET(*status))
		FORGET(*status) = kerf_keep_exe(s) ? KERF_REASON_INTERNAL : KERF_EXE_TOLD;
	return 0;
}

/* Before the object's name is looked for. */
static __always_inline void fill_exe(struct kerf_scratch *s, __u64 events)
{
	if (kerf_exe_events & events)
		kerf_find_exe(s);
}

#endif
