/* Compiles the policies of DIR, shows what is wrong with broken ones, and decides four requests. */
#include <kerf.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kerf_text text(const char *s)
{
	kerf_text t = { s, strlen(s) };
	return t;
}

static kerf_text read_file(const char *directory, const char *name)
{
	char path[4096];
	char *bytes = malloc(1 << 20);
	kerf_text t = { bytes, 0 };
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	f = fopen(path, "rb");
	if (!f || !bytes) {
		perror(path);
		exit(1);
	}
	t.size = fread(bytes, 1, 1 << 20, f);
	fclose(f);
	return t;
}

static void must(kerf_status status, kerf_text why)
{
	if (status == KERF_OK)
		return;
	fprintf(stderr, "kerf: %.*s\n", (int)why.size, why.data);
	exit(1);
}

static kerf_sources *load(const char *directory, const char *policies)
{
	kerf_sources *sources;

	must(kerf_sources_new(&sources), text("sources"));
	must(kerf_sources_add(sources, KERF_POLICIES, KERF_BY_NAME, text(policies), read_file(directory, policies)), text(policies));
	must(kerf_sources_add(sources, KERF_SCHEMA, KERF_BY_NAME, text("sandbox.cedarschema"),
			      read_file(directory, "sandbox.cedarschema")), text("schema"));
	must(kerf_sources_add(sources, KERF_ENTITIES, KERF_BY_NAME, text("entities.json"),
			      read_file(directory, "entities.json")), text("entities"));
	return sources;
}

static kerf_text output(const kerf_result *result, const char *name)
{
	size_t i;

	for (i = 0; i < kerf_result_count(result); ++i)
		if (strcmp(kerf_result_name(result, i).data, name) == 0)
			return kerf_result_bytes(result, i);
	return text("");
}

static void decide(kerf_query *query, const char *agent, const char *action, int approved)
{
	kerf_request request = KERF_INIT(kerf_request);
	const kerf_answer *answer;
	int32_t decision;
	size_t i;

	request.principal.type = text("Agent");
	request.principal.id = text(agent);
	request.action.type = text("Action");
	request.action.id = text(action);
	request.resource.type = text("Ticket");
	request.resource.id = text("t1");
	request.context = text(approved ? "{\"approved\": true}" : "{\"approved\": false}");
	must(kerf_query_decide(query, &request, &decision), kerf_query_message(query));
	printf("%s %s t1%s: %s (", agent, action, approved ? ", approved" : "", decision == KERF_ALLOW ? "allow" : "deny");
	answer = kerf_query_answer(query);
	for (i = 0; i < kerf_answer_determining_count(answer); ++i)
		printf("%s%s", i ? " " : "", kerf_answer_determining(answer, i).data);
	printf(")\n");
}

int main(int argc, char **argv)
{
	const char *directory = argc > 1 ? argv[1] : "..";
	kerf_sources *good = load(directory, "policies.cedar"), *broken = load(directory, "broken.cedar");
	kerf_result *bundle, *wrong;
	kerf_gateway *gateway;
	kerf_query *query;
	kerf_status status;
	size_t i;

	status = kerf_compile(good, NULL, &bundle);
	must(status, kerf_result_message(bundle));
	printf("compiled:");
	for (i = 0; i < kerf_result_count(bundle); ++i)
		printf(" %s", kerf_result_name(bundle, i).data);
	printf("\n");

	if (kerf_check(broken, NULL, &wrong) == KERF_INVALID)
		printf("broken: invalid\n%s", kerf_result_diagnostics(wrong).data);

	must(kerf_gateway_new(output(bundle, "table.json"), output(bundle, "entities.json"), &gateway, NULL), text("table"));
	must(kerf_query_new(gateway, &query), text("query"));
	decide(query, "a1", "read", 0);
	decide(query, "a1", "read", 1);
	decide(query, "a2", "close", 0);
	decide(query, "a1", "close", 1);

	kerf_query_free(query);
	kerf_gateway_free(gateway);
	kerf_result_free(bundle);
	kerf_result_free(wrong);
	kerf_sources_free(good);
	kerf_sources_free(broken);
	return 0;
}
