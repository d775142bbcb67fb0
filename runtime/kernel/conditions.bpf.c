// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* What generated conditions look like from outside: the code generator puts its own body in the place of this one. */
#define KERF_DECISION
#include "glue.h"

int kerf_code(struct kerf_walk *walk, struct kerf_values *values, __u32 condition)
{
	(void)walk;
	(void)values;
	(void)condition;
	return 2;
}
