// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The hooks, by what they watch. Each one turns what the kernel passes into the event that Cedar judges, finds the
 * binding, and enforces the decision. They are the same in every object. */
#include "decision.h"
#include "cgroup.h"
#include "packets.h"
#include "sockets.h"
#include "fence.h"
#include "local.h"
#include "files.h"
#include "append.h"
#include "unix.h"
#include "rename.h"
#include "anchor.h"
#include "guards.h"
#include "system.h"
#include "spawn.h"
#include "selftest.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
