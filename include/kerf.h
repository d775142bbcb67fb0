/* kerf.h: libkerf for C and every language that calls C. docs/embedding.md has the tour; this file is the contract.
 *
 * Ownership. A handle belongs to the caller who got it and is freed by its own kerf_*_free, which takes NULL too. A
 * kerf_text that goes in is read during the call only; one that comes out lives as long as the handle it came from
 * (an answer: until the next call with its query).
 *
 * Threads. All functions may be called from any thread at any time. One handle is for one thread at a time, with these
 * exceptions: a kerf_gateway, and a kerf_sources and a kerf_result that nobody changes or frees meanwhile, may be used by
 * many threads at once. check, compile, format, translate, authorize and kerf_gateway_* work on a thread of their own with a
 * large stack and wait for it; where they parse, they wait for each other. Deciding works on the caller's thread, needs
 * 1 MiB of its stack, and waits for nobody. After fork() without exec a child may call the library if no other thread of
 * its parent was in it.
 *
 * Failure. Nothing here ends the process, prints, or throws. Every failure is a status, with a message and, for mistakes
 * in policies and data, with diagnostics. KERF_INTERNAL is a bug in kerf; the process goes on. A decision is KERF_DENY
 * whenever the status is not KERF_OK.
 *
 * Versions. While the major version is the same, a program that was built with an older header works with a newer
 * library. Structs with struct_size are set to zero, then struct_size to their sizeof (KERF_INIT does both); zero is every
 * field's default. A larger struct than the library knows is taken if what it does not know is zero. */
#ifndef KERF_H
#define KERF_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KERF_API __attribute__((visibility("default")))

#define KERF_LIBRARY_MAJOR 0
#define KERF_LIBRARY_MINOR 2

/* Major << 16 | minor of the library that is loaded. It fits if the major is KERF_LIBRARY_MAJOR and the minor at least
 * KERF_LIBRARY_MINOR. */
KERF_API uint32_t kerf_abi_version(void);
/* "0.1.0". */
KERF_API const char *kerf_version(void);
/* What `kerf version --json` prints. */
KERF_API const char *kerf_version_json(void);

/* Bytes with their count; UTF-8 where it is text. A NUL behind them is never needed, and always there in what comes out. */
typedef struct kerf_text {
	const char *data;
	size_t size;
} kerf_text;

typedef int32_t kerf_status;
enum {
	KERF_OK = 0,
	KERF_INVALID = 1,      /* policies, schema, entities, table or request: see diagnostics or message */
	KERF_BAD_ARGUMENT = 2, /* NULL, an unknown number, a struct of no known size */
	KERF_FAILED = 3,       /* the machine: a file, the code generator, a thread */
	KERF_NO_MEMORY = 4,
	KERF_INTERNAL = 70     /* a bug in kerf */
};

enum { KERF_DENY = 0, KERF_ALLOW = 1 };

#define KERF_INIT(type) { .struct_size = sizeof(type) }

/* ---- results: every operation gives one, failed or not ---- */

typedef struct kerf_result kerf_result;

KERF_API kerf_status kerf_result_status(const kerf_result *result);
KERF_API kerf_text kerf_result_message(const kerf_result *result); /* one line; empty after KERF_OK */
/* JSON lines, as `--error-format json` writes them; warnings come with KERF_OK too. */
KERF_API kerf_text kerf_result_diagnostics(const kerf_result *result);
/* Named outputs, in the order in which a bundle is written. An index out of range gives empty texts. */
KERF_API size_t kerf_result_count(const kerf_result *result);
KERF_API kerf_text kerf_result_name(const kerf_result *result, size_t index);
KERF_API kerf_text kerf_result_bytes(const kerf_result *result, size_t index);
KERF_API void kerf_result_free(kerf_result *result);

/* ---- sources: policies, schema and entities as texts with names ---- */

typedef struct kerf_sources kerf_sources;
enum { KERF_POLICIES = 1, KERF_SCHEMA = 2, KERF_ENTITIES = 3, KERF_LINKS = 4 }; /* links: of templates */
enum { KERF_BY_NAME = 0, KERF_CEDAR = 1, KERF_JSON = 2 };                       /* by name: JSON if it ends in .json */

KERF_API kerf_status kerf_sources_new(kerf_sources **out);
/* Copies. Policies may be added many times, under different names; the others once. Names are shown and stored: relative
 * ones keep bundles the same on every machine. */
KERF_API kerf_status kerf_sources_add(kerf_sources *sources, int32_t kind, int32_t format, kerf_text name, kerf_text text);
KERF_API void kerf_sources_free(kerf_sources *sources);

/* ---- the compiler ---- */

enum {
	KERF_CHECK_PERMISSIVE = 1,          /* values of different types may meet */
	KERF_CHECK_LEVEL = 2,               /* look at `level` */
	KERF_CHECK_APPLICABILITY_WARNS = 4  /* a scope that fits no action is a warning */
};
typedef struct kerf_check_options {
	size_t struct_size;
	uint32_t flags;
	uint32_t level; /* most steps from the request to data of entities */
} kerf_check_options;

/* Parses, validates and splits, as `kerf check`. KERF_INVALID if there is an error among the diagnostics.
 * Here and below: options may be NULL, *out is set whatever happens, and the status is the result's. */
KERF_API kerf_status kerf_check(const kerf_sources *sources, const kerf_check_options *options, kerf_result **out);

enum { KERF_COMPILE_TABLE_ONLY = 1 }; /* table.json and entities.json: no eBPF, no code generator */
typedef struct kerf_compile_options {
	size_t struct_size;
	uint32_t flags;
	uint32_t reserved;
	kerf_text directory; /* also write the bundle there, whole or not at all */
	kerf_text helper;    /* absolute path of kerf-codegen; default: where it is installed with this library */
	kerf_text waived;    /* guards to give up, by name, with commas between */
} kerf_compile_options;

/* A bundle (docs/bundle-format.md): entities.json, manifest.json, policy.bpf.o, split.json, table.json. The code
 * generator is a child process for the time of the call. */
KERF_API kerf_status kerf_compile(const kerf_sources *sources, const kerf_compile_options *options, kerf_result **out);

typedef struct kerf_format_options {
	size_t struct_size;
	uint32_t line_width;   /* default 80 */
	uint32_t indent_width; /* default 2 */
} kerf_format_options;

/* Policies as Cedar's formatter lays them out. One output, under the given name. */
KERF_API kerf_status kerf_format(kerf_text name, kerf_text policies, const kerf_format_options *options, kerf_result **out);

enum {
	KERF_POLICIES_TO_JSON = 1,
	KERF_POLICIES_TO_CEDAR = 2,
	KERF_SCHEMA_TO_JSON = 3,
	KERF_SCHEMA_TO_JSON_RESOLVED = 4, /* every type by its full name */
	KERF_SCHEMA_TO_CEDAR = 5
};
/* One form of the sources' policies or schema from the other. One output. */
KERF_API kerf_status kerf_translate(const kerf_sources *sources, int32_t direction, kerf_result **out);

/* ---- requests and answers ---- */

typedef struct kerf_uid {
	kerf_text type; /* "Acme::User" */
	kerf_text id;   /* "alice": as it is, without quotes and escapes */
} kerf_uid;

typedef struct kerf_request {
	size_t struct_size;
	kerf_uid principal, action, resource;
	kerf_text context; /* a JSON record; empty: no context */
} kerf_request;

typedef struct kerf_answer kerf_answer;

KERF_API int32_t kerf_answer_decision(const kerf_answer *answer); /* KERF_DENY for NULL */
KERF_API size_t kerf_answer_determining_count(const kerf_answer *answer);
KERF_API kerf_text kerf_answer_determining(const kerf_answer *answer, size_t index); /* the policy's id */
/* Policies that erred were skipped, as Cedar has it. */
KERF_API size_t kerf_answer_error_count(const kerf_answer *answer);
KERF_API kerf_text kerf_answer_error_policy(const kerf_answer *answer, size_t index);
KERF_API kerf_text kerf_answer_error_message(const kerf_answer *answer, size_t index);

enum { KERF_AUTHORIZE_UNCHECKED_REQUEST = 1 }; /* do not validate the request against the schema */
typedef struct kerf_authorize_options {
	size_t struct_size;
	uint32_t flags;
	uint32_t reserved;
} kerf_authorize_options;

/* Decides once, from sources, by the reference evaluator. Policies are parsed and not validated: that is kerf_check. */
KERF_API kerf_status kerf_authorize(const kerf_sources *sources, const kerf_request *request,
                                    const kerf_authorize_options *options, kerf_result **out);
/* The answer of kerf_authorize, part of the result; NULL if there is none. */
KERF_API const kerf_answer *kerf_result_answer(const kerf_result *result);

/* ---- the gateway: a decision table with its entities, for many decisions ---- */

typedef struct kerf_gateway kerf_gateway;

/* From the text of table.json, and of entities (empty: none).
 * *why, if wanted, is a result as above; *out is NULL unless the status is KERF_OK. */
KERF_API kerf_status kerf_gateway_new(kerf_text table, kerf_text entities, kerf_gateway **out, kerf_result **why);
/* Changes entities, or gives all of them anew (empty: none), whole or not at all. Other threads may go on asking, and wait
 * for nothing: a query's next call sees the change. Changes wait for each other. The change is JSON, each part may be
 * missing: {"remove": [UID], "upsert": [ENTITY], "removeParents": [{"uid": UID, "parents": [UID]}], "addParents": […]},
 * applied in this order; docs/gateway.md has the rules. Since 0.2. */
KERF_API kerf_status kerf_gateway_change_entities(kerf_gateway *gateway, kerf_text change, kerf_result **why);
KERF_API kerf_status kerf_gateway_set_entities(kerf_gateway *gateway, kerf_text entities, kerf_result **why);
/* Removes the policies with these ids, then adds those of a table (empty: none) that was compiled from them alone with the
 * same schema; to replace a policy do both in one call. Whole or not at all, and seen as above. Since 0.2. */
KERF_API kerf_status kerf_gateway_change_policies(kerf_gateway *gateway, const kerf_text *remove, size_t count, kerf_text table,
                                                  kerf_result **why);
/* Queries that were made from it stay good. */
KERF_API void kerf_gateway_free(kerf_gateway *gateway);

/* The memory that deciding needs: one for each thread, to be used again and again. */
typedef struct kerf_query kerf_query;

KERF_API kerf_status kerf_query_new(const kerf_gateway *gateway, kerf_query **out);
/* KERF_INVALID: the request does not fit the schema of the table. *decision is KERF_DENY then. */
KERF_API kerf_status kerf_query_decide(kerf_query *query, const kerf_request *request, int32_t *decision);
/* The decision alone, faster; there is no answer afterwards. */
KERF_API kerf_status kerf_query_allows(kerf_query *query, const kerf_request *request, int32_t *decision);
/* Which of many resources are allowed: their places, ascending, in `places`, which has room for `count`; *allowed is how many.
 * As kerf_query_allows for each, but principal, action and context are looked up once. The request's own resource is not
 * looked at. A resource that does not fit the schema of the table is not allowed. If it fails, *allowed is 0. Since 0.2. */
KERF_API kerf_status kerf_query_allowed(kerf_query *query, const kerf_request *request, const kerf_uid *resources, size_t count,
                                        uint32_t *places, size_t *allowed);
/* {"principal": …, "action": …, "resource": …, "context": {…}}; entities as "User::\"alice\"" or {"type": …, "id": …}. */
KERF_API kerf_status kerf_query_decide_json(kerf_query *query, kerf_text request, int32_t *decision);
/* Of the last decide or decide_json of this query; NULL if it failed. */
KERF_API const kerf_answer *kerf_query_answer(const kerf_query *query);
/* Why it was decided so: JSON, of the same decision, each policy's atoms with their outcomes (docs/gateway.md); empty if there
 * is none. Made on demand; lives until the next call with the query. Since 0.2. */
KERF_API kerf_text kerf_query_trace(kerf_query *query);
/* Why the last call failed; empty if it did not. */
KERF_API kerf_text kerf_query_message(const kerf_query *query);
KERF_API void kerf_query_free(kerf_query *query);

#ifdef __cplusplus
}
#endif
#endif
