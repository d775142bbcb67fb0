/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the hooks ask of the decision; decide.h and match.h say more. */
#ifndef KERF_DECISION_H
#define KERF_DECISION_H

#include "scratch.h"

int kerf_decide(struct kerf_walk *walk, __u32 binding_id);
int kerf_match(struct kerf_scratch *s);
int kerf_match_exe(struct kerf_scratch *s);
int kerf_match_below(struct kerf_scratch *s);

#endif
