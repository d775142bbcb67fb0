/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What kernel, loader and compiler agree on. Plain C, fixed widths, no padding left to the compiler.
 * A version is frozen once released; every change of a shape is a new version number. */
#ifndef KERF_POLICY_ABI_H
#define KERF_POLICY_ABI_H

#ifdef __bpf__
/* the glue brings the kernel's __u8 … __s64 types */
#else
#include <linux/types.h>
#endif

#define KERF_ABI_VERSION 8

#define KERF_EVENT_KINDS 64      /* slots for events in a binding; masks of events are __u64 */

/* Rows of KERNEL_EVENT in ir/kernel_model.def, in the same order. */
enum kerf_event_kind {
	KERF_EVENT_NET_CONNECT,               /* about an endpoint */
	KERF_EVENT_FILE_READ,                 /* about a file, by its name */
	KERF_EVENT_FILE_WRITE,
	KERF_EVENT_FILE_CREATE,
	KERF_EVENT_FILE_DELETE,
	KERF_EVENT_FILE_RENAME,
	KERF_EVENT_FILE_LINK,
	KERF_EVENT_FILE_LIST,
	KERF_EVENT_FILE_STAT,
	KERF_EVENT_FILE_EXEC,
	KERF_EVENT_LIB_LOAD,
	KERF_EVENT_UNIX_CONNECT,
	KERF_EVENT_UNIX_BIND,
	KERF_EVENT_FILE_TRUNCATE,
	KERF_EVENT_FILE_CHMOD,
	KERF_EVENT_FILE_CHOWN,
	KERF_EVENT_FILE_MKDIR,
	KERF_EVENT_FILE_MKNOD,
	KERF_EVENT_FILE_SYMLINK,
	KERF_EVENT_FILE_RMDIR,
	KERF_EVENT_FILE_IOCTL,
	KERF_EVENT_FILE_APPEND,
	KERF_EVENT_FILE_RECEIVE,
	KERF_EVENT_NET_BIND,                  /* about an endpoint */
	KERF_EVENT_NET_LISTEN,
	KERF_EVENT_NET_ACCEPT,
	KERF_EVENT_NET_SOCKET,                /* about a kind of socket, by its name */
	KERF_EVENT_SYSTEM_MOUNT,              /* about an operation on the system, by its name */
	KERF_EVENT_SYSTEM_PTRACE,
	KERF_EVENT_SYSTEM_SIGNAL,
	KERF_EVENT_SYSTEM_BPF,
	KERF_EVENT_SYSTEM_PERF,
	KERF_EVENT_SYSTEM_KEYRING,
	KERF_EVENT_SYSTEM_MODULE,
	KERF_EVENT_SYSTEM_NAMESPACE,
	KERF_EVENT_SYSTEM_CAPABILITY,
	KERF_EVENT_SYSTEM_IO_URING,
	KERF_EVENT_SYSTEM_SYSCTL,
	KERF_EVENT_PROCESS_SPAWN,
	KERF_EVENT_END,
};
#define KERF_BIT(event) (1ull << (event))
#define KERF_RANGE(first, last) (KERF_BIT((last) + 1) - KERF_BIT(first))
#define KERF_ENDPOINT_EVENTS (KERF_BIT(KERF_EVENT_NET_CONNECT) | KERF_RANGE(KERF_EVENT_NET_BIND, KERF_EVENT_NET_ACCEPT))
#define KERF_LAST_FILE_EVENT KERF_EVENT_FILE_RECEIVE
#define KERF_FILE_EVENTS KERF_RANGE(KERF_EVENT_FILE_READ, KERF_LAST_FILE_EVENT)
#define KERF_SYSTEM_EVENTS KERF_RANGE(KERF_EVENT_SYSTEM_MOUNT, KERF_EVENT_PROCESS_SPAWN)
#define KERF_ALL_EVENTS (KERF_BIT(KERF_EVENT_END) - 1)
#define KERF_NAMED_EVENTS (KERF_ALL_EVENTS & ~KERF_ENDPOINT_EVENTS)   /* their resource is known by a text */
#define KERF_READS_EXE KERF_BIT(KERF_EVENT_KINDS - 1)   /* among events that are governed: some action asks for process.exe */

#define KERF_SEGMENTS 8          /* facts with different deadlines in one binding, plus the state after the last */
#define KERF_VALUE_SLOTS 16      /* bind and publish values that hook code reads, per environment */
#define KERF_EVENT_POLICIES 8    /* policies named in one event record; the counts are complete */
#define KERF_MAX_BINDINGS 1024   /* a power of two */
#define KERF_BINDING_SLOT(binding) ((binding) & (KERF_MAX_BINDINGS - 1))
#define KERF_ADDRESS_DEPTH 18    /* address tables: at most 2^18 - 1 boundaries for each family */
#define KERF_MAX_NAMED 4096      /* addresses with names, of all bindings of an object */
#define KERF_MAX_TASKS 65536     /* tagged tasks; past it fork fails with EAGAIN */
#define KERF_MAX_ANCHORS 1024    /* of all bindings of an object */
#define KERF_ANCHOR_BYTES 1024   /* an anchor's path with a final 0 that is not counted in its length */
#define KERF_PATH_BYTES 4096     /* longest canonical path, without a final 0 */
#define KERF_PATH_DEPTH 128      /* components of a path */
#define KERF_FS_TYPE_BYTES 32    /* name of a file system type, padded with zeros; the last byte is always 0 */
#define KERF_COMM_BYTES 16       /* name of a task, padded with zeros; the last byte is always 0 */
#define KERF_AUTOMATA 3          /* path automata of an object: 0 literals and trees, 1 and 2 patterns */
#define KERF_EXE_AUTOMATON KERF_AUTOMATA   /* one more, of the executables */
#define KERF_NUMBERS 4
#define KERF_SCRATCH_SLOTS 64    /* decisions about files under way at once; past it refused, and counted */

enum kerf_mode { KERF_MODE_ENFORCE = 0, KERF_MODE_AUDIT = 1, KERF_MODE_QUARANTINE = 2 };

enum kerf_verdict { KERF_VERDICT_ALLOW = 1, KERF_VERDICT_DENY = 2 };

enum kerf_reason {
	KERF_REASON_PERMIT = 1,               /* some permit is satisfied, no forbid is */
	KERF_REASON_FORBID = 2,
	KERF_REASON_NO_PERMIT = 3,            /* nothing is satisfied: default deny */
	KERF_REASON_NO_APPLICABLE_ACTION = 4,
	KERF_REASON_NO_RECORD = 5,            /* no binding record, or one of another generation */
	KERF_REASON_GUARD = 6,
	KERF_REASON_QUARANTINE = 7,
	KERF_REASON_INTERNAL = 8,             /* a bound inside the decision was hit; always refuses */
	KERF_REASON_NO_ADDRESS = 9,           /* 0.0.0.0 in a datagram, or from a socket bound to an address or device:
						 the kernel may send that elsewhere than to loopback; refused */
	KERF_REASON_NO_PATH = 10,             /* no anchor above the object: not in a file system the binding knows */
	KERF_REASON_TOO_LONG = 11,            /* past KERF_PATH_BYTES or KERF_PATH_DEPTH */
	KERF_REASON_NOT_TEXT = 12,            /* the path's bytes are no UTF-8 */
	KERF_REASON_RACED = 13,               /* renames during the walk, after all retries */
	KERF_REASON_NAME_AMBIGUOUS = 14,      /* a case-insensitive directory on the way */
	KERF_REASON_NO_SLOT = 15,             /* all scratch slots taken */
};

/* Bits of an outcome, as in ir/eval.h. */
enum kerf_outcome { KERF_FALSE = 0, KERF_TRUE = 1, KERF_ERROR = 2 };

enum kerf_value_kind { KERF_VALUE_ERROR = 0, KERF_VALUE_LONG = 1, KERF_VALUE_IP4 = 2, KERF_VALUE_IP6 = 3,
		       KERF_VALUE_BOOL = 4 };

struct kerf_value {
	__u64 high;        /* IPv6: first eight bytes as a big-endian number; IPv4: 0 */
	__u64 low;         /* Long and Bool: the value; IPv4: the address as a number; IPv6: last eight bytes */
	__u32 kind;        /* enum kerf_value_kind */
	__u32 prefix;      /* addresses */
};

/* One binding's record. The map kerf_bindings (ARRAY_OF_MAPS, KERF_MAX_BINDINGS slots) has in slot KERF_BINDING_SLOT(binding) a
 * map of its own for it (ARRAY, one element), which is never written again: another map takes its place, so that a record is
 * replaced whole and atomically, and a hook goes on with the one that it has found. The kernel's update returns when no hook reads
 * the one before. Whose slot it is the record itself says; no two bindings at a time share one.
 * `words` holds segment_count segments of `segment_words` words (struct kerf_env_layout says which).
 * Segment i is in force while boot time < segment_until_ns[i]; deadlines ascend; the last one is in force for ever:
 * its entry and all unused ones are ~0. */
struct kerf_binding {
	__u64 generation;
	__u64 revision;                       /* when it was made: boot time; of a named record, that of the binding's */
	__u32 names;                          /* of a named record: which names these are, for the event; else 0 */
	__u32 binding;                        /* whose it is; of a named record 0: its key says it */
	__u32 mode;                           /* enum kerf_mode */
	__u32 segment_count;                  /* 1 to KERF_SEGMENTS + 1 */
	/* Environment of the object + 1 for an event; 0: no applicable action. The second for a resource that is itself
	 * a directory: the environment of the directory type if the action lists it, else the same as the first. */
	__u32 env[KERF_EVENT_KINDS];
	__u32 directory_env[KERF_EVENT_KINDS];
	__u64 segment_until_ns[KERF_SEGMENTS + 1];
	__u64 words[];
};

/* Addresses that names are known for. The map kerf_named (HASH, not preallocated, KERF_MAX_NAMED elements; only where a
 * policy asks for names): struct kerf_name_key -> struct kerf_binding, in force instead of the binding's own record for
 * this address while both have one generation and one revision.
 *
 * Since 6.1 the memory of an element that was deleted is given to the next update at once, while a hook may still read it. So who
 * writes this map holds the binding lock, and lets a grace period pass between deletions and updates
 * (membarrier(MEMBARRIER_CMD_GLOBAL) waits for one). */
struct kerf_name_key {
	__u64 address_high;                   /* as struct kerf_net_event */
	__u64 address_low;
	__u32 v6;
	__u32 binding;
};

/* The layout of one environment in a segment of a binding and in the object's tables.
 * Rows are numbered 0 … rows-1: forbids that are satisfied, permits that are satisfied, policies that err; each
 * group starts at a multiple of 64. Bitmaps of rows have two levels: `summary_words` words, in which bit w says that
 * word w is not zero, then `row_words` words. */
struct kerf_env_layout {
	__u32 rows;
	__u32 row_words;
	__u32 summary_words;
	__u32 forbid_words;                   /* row words [0, forbid_words) */
	__u32 permit_words;                   /* the next permit_words; what follows are errors */
	__u32 active_offset;                  /* word in a segment: bitmap of rows whose bind and publish parts hold */
	__u32 values_offset;                  /* word in a segment: struct kerf_value[value_count] */
	__u32 value_count;
	__s32 refusal_errno;                  /* positive */
	__u32 reserved;
};

/* Address and port, normalised (mapped IPv6 is IPv4, 0.0.0.0 is 127.0.0.1, :: is ::1). */
struct kerf_net_event {
	__u64 address_high;                   /* as struct kerf_value */
	__u64 address_low;
	__u32 v6;                             /* 0 or 1 */
	__u32 port;                           /* host order */
	__u32 protocol;                       /* IPPROTO_* */
	__u32 local_port;                     /* of an accepted connection, host order; else 0 */
	__u32 names;                          /* of the record that decided; 0: no name was known */
	__u32 reserved;
};

/* A resource that has a name, which lies apart: of a file or directory its canonical path. Of anything else only
 * path_length is set. */
struct kerf_file_event {
	char fs_type[KERF_FS_TYPE_BYTES];
	__u32 exists;                         /* 1: the fields below are known; 0: the name of something to be created */
	__u32 owner;                          /* uid in the initial user namespace */
	__u32 mode;                           /* st_mode, type bits included */
	__u32 nlink;
	__u32 directory;                      /* the resource is a directory (or will be one) */
	__u32 path_length;
};

#define KERF_EXE_TOLD 1

/* What a hook saw. */
struct kerf_seen {
	__u32 event;                          /* enum kerf_event_kind */
	__u32 uid;                            /* real, in the initial user namespace */
	__u32 gid;
	__u32 pid;                            /* thread group, in the initial pid namespace */
	__u32 number[KERF_NUMBERS];           /* what else the event observes: seen.def */
	__u64 clock_ms;                       /* wall time since 1970, read once for an operation; 0 if no action binds it */
	/* Of the task, if an action binds any of the three: else all of this is 0. */
	__u64 capabilities;                   /* the effective set, bits 1 << CAP_…; 0 in another user namespace than the initial */
	__u32 pid_namespace;                  /* inode number */
	__u32 task_told;                      /* 1: the other two, and comm, are valid */
	char comm[KERF_COMM_BYTES];
	__u32 exe_match;                      /* of the executable's path: match class of its automaton */
	__u32 exe_status;                     /* KERF_EXE_TOLD: exe_match is valid; 0: nobody asked; else enum kerf_reason: why there is no path */
	union {
		struct kerf_net_event net;
		struct kerf_file_event file;
	};
};

struct kerf_decision {
	__u32 verdict;
	__u32 reason;
	__u32 determining_count;
	__u32 error_count;
	__u32 determining[KERF_EVENT_POLICIES];   /* policy indices of the bundle */
	__u32 errors[KERF_EVENT_POLICIES];
};

/* One record of the ring buffer kerf_events. */
struct kerf_event_record {
	__u16 version;                        /* KERF_ABI_VERSION */
	__u16 kind;                           /* enum kerf_event_kind: the event that was asked, as seen.event */
	__u32 size;                           /* of the record, payload included */
	__u64 time_ns;                        /* boot time */
	__u64 generation;
	__u64 cgroup_id;
	__u32 binding;
	__u32 pid;                            /* thread group id, initial pid namespace */
	__u32 tid;
	__u32 uid;
	__u32 gid;
	__s32 refusal_errno;                  /* 0 if the call went on */
	__u32 mode;
	__u32 reserved0;
	struct kerf_decision decision;
	struct kerf_seen seen;
	char comm[16];
	__u8 bundle_digest[16];
	__u32 payload_size;                   /* bytes after the record: the name of the resource, 0 if it has none */
	__u32 guard;                          /* enum kerf_guard if the reason is KERF_REASON_GUARD */
	__u32 exe_size;                       /* bytes after those: the executable's path, 0 if it was not told */
	__u32 reserved1;
};

/* Which guard refused. */
enum kerf_guard {
	KERF_GUARD_NONE = 0,
	KERF_GUARD_RAW_SOCKET = 1,
	KERF_GUARD_PACKET_SOCKET = 2,
	KERF_GUARD_RENAME = 3,                /* a rename or link that would let policies decide more at the new name */
	KERF_GUARD_BPF = 4,
	KERF_GUARD_MOUNT = 5,
	KERF_GUARD_PTRACE = 6,
	KERF_GUARD_SIGNAL = 7,
	KERF_GUARD_PROTECTED_FILE = 8,        /* cgroupfs, bpffs, usermode helpers */
	KERF_GUARD_SOURCE_ROUTING = 9,        /* a packet that names a way of its own; its record has no process (pid 0) */
	KERF_GUARD_EXE_FILE = 10,
};

enum kerf_option {
	KERF_OPTION_LOG_ALLOWS = 1,           /* events for allowed calls too */
	KERF_OPTION_NO_HITS = 2,              /* kerf_hits stays as it is: no policy is counted */
};

/* The map kerf_state (ARRAY, one element). */
struct kerf_state {
	__u64 generation;                     /* 0: not set up, every governed event is refused (no-record) */
	__u64 options;                        /* bits of enum kerf_option */
	__u64 cgroup_levels;                  /* bit n: some bound cgroup is at depth n (root is 0) */
	__u64 waived_guards;                  /* bits of enum kerf_guard */
	__u64 tai_offset_ns;                  /* CLOCK_TAI less CLOCK_REALTIME, as the loader last found it */
};

/* Identity. A task's tag is set at fork, when it enters a bound cgroup, or by the task iterator at bind; first binding
 * wins, and it stays for life. A tag is counted in kerf_live as long as the task is there: what made its entry has counted
 * it, what deletes the entry counts it out.
 * kerf_tasks: HASH, address of the kernel's task_struct -> struct kerf_tag, KERF_MAX_TASKS elements.
 * kerf_cgroups: HASH, cgroup id -> struct kerf_tag, KERF_MAX_BINDINGS elements: tasks in it or below get the tag.
 * kerf_live: HASH, binding -> __u64, KERF_MAX_BINDINGS elements: tasks with the binding's tag. There before
 * the first tag and until after the last; it goes on when a bundle takes another's place. */
struct kerf_tag {
	__u32 binding;                        /* 0: none */
	__u32 place;                          /* of a task: how many there were with it when it was counted; 0: it is not */
	__u64 punched;                        /* of a task: the file, open for appending, that it punches holes into; 0: none */
};

/* An anchor: the root of a mount that the binding's tasks had when bound. As the kernel's structures say, never stat.
 * kerf_anchors: HASH, struct kerf_anchor_key -> __u32 index in kerf_anchor_paths (ARRAY of struct kerf_anchor_path). */
struct kerf_anchor_key {
	__u64 inode;
	__u32 device;                         /* super_block.s_dev */
	__u32 generation;                     /* inode.i_generation */
	__u32 binding;
	__u32 reserved;
};

struct kerf_anchor_path {
	__u32 length;                         /* 0 for the root "/": names below it follow at once */
	__u32 binding;
	char path[KERF_ANCHOR_BYTES];         /* canonical; "" for the root */
};

/* How the loader learns an anchor's key: it writes its thread group id to kerf_probe (ARRAY, one element), attaches the
 * program kerf_anchor_probe, and calls fstat() on an O_PATH descriptor of the mount's root. */
struct kerf_anchor_probe {
	__u32 tgid;                           /* in the initial pid namespace */
	__u32 filled;                         /* 1: key (binding 0) and fs_type are valid */
	struct kerf_anchor_key key;
	char fs_type[KERF_FS_TYPE_BYTES];
};

/* The map kerf_counters (PERCPU_ARRAY, one element). */
struct kerf_counters {
	__u64 decisions;
	__u64 denials;
	__u64 events_lost;
	__u64 guards;
	__u64 no_slot;                        /* refused because all scratch slots were taken */
	__u64 tags_lost;                      /* tasks that entered a bound cgroup and found kerf_tasks full */
};

/* The map kerf_hits (PERCPU_ARRAY, one element for each policy): how often the policy was satisfied, a permit that a forbid
 * overrides included. */
struct kerf_hit {
	__u64 hits;
	__u64 last_ns;                        /* boot time */
};

/* The map kerf_cgroup (CGROUP_STORAGE, key __u64: the cgroup id, so that all attach types share one value): which
 * binding the cgroup belongs to that the program is attached to; cgroups below it, made later too, see the same
 * value. Attaching makes it zero: no record, every governed event is refused. Measured on 6.18 with links: works for
 * connect4/6, sendmsg4/6 and sock_create. */
struct kerf_cgroup_slot {
	__u32 binding;                        /* 0: none */
	__u32 reserved;
};

/* Input and output of the self-test program kerf_selftest (section "syscall"): maps kerf_selftest_in and
 * kerf_selftest_out (ARRAY, KERF_SELFTEST_BATCH elements); it decides elements [0, count of the syscall context). */
#define KERF_SELFTEST_BATCH 1024
struct kerf_selftest_in {
	__u32 binding;
	__u32 exe_length;                     /* of element i of kerf_selftest_exe, if an action asks for it and exe_status is 0 */
	struct kerf_seen seen;                /* of a file event: the path is element i of kerf_selftest_path */
};

/* The maps kerf_selftest_path and kerf_selftest_exe (ARRAY, KERF_SELFTEST_BATCH elements). */
struct kerf_selftest_path {
	char path[KERF_PATH_BYTES];
};

/* What is done again: `repeat` times in all, so that a benchmark can take away what surrounds it. */
enum kerf_selftest_part { KERF_SELFTEST_DECISION, KERF_SELFTEST_MATCHING, KERF_SELFTEST_DECIDING, KERF_SELFTEST_NOTHING };
#define KERF_SELFTEST_REPEATS 256

struct kerf_selftest_args {
	__u32 count;
	__u32 repeat;                         /* 0: events are fetched and nothing is decided; at most KERF_SELFTEST_REPEATS */
	__u32 part;                           /* enum kerf_selftest_part; of the first time it is always the whole decision */
	__u32 trial;                          /* 1: nobody's hit */
};

#endif
