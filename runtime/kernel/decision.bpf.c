// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The decision: what depends on the shape of the tables. Compiled for each object, with lengths and bounds as constants. */
#define KERF_DECISION
#include "decide.h"
#include "match.h"
