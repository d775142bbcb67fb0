// Compiles the policies of DIR, shows what is wrong with broken ones, and decides four requests.
package main

/*
#cgo pkg-config: kerf
#include <stdlib.h>
#include <kerf.h>

// KERF_INIT is a macro, which Go cannot use.
static kerf_request new_request(void) { kerf_request r = KERF_INIT(kerf_request); return r; }
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"
)

// Texts of one call live in C's memory, so that none of Go's pointers lies in another.
type arena []unsafe.Pointer

func (a *arena) text(s string) C.kerf_text {
	p := C.CBytes([]byte(s))
	*a = append(*a, p)
	return C.kerf_text{data: (*C.char)(p), size: C.size_t(len(s))}
}

func (a arena) free() {
	for _, p := range a {
		C.free(p)
	}
}

func bytes(t C.kerf_text) []byte { return C.GoBytes(unsafe.Pointer(t.data), C.int(t.size)) }

// Diagnostics are JSON lines.
type compileError struct {
	message     string
	diagnostics string
}

func (e *compileError) Error() string { return e.message }

func load(directory, policies string) (*C.kerf_sources, error) {
	var texts arena
	defer texts.free()
	var sources *C.kerf_sources
	if C.kerf_sources_new(&sources) != C.KERF_OK {
		return nil, errors.New("no sources")
	}
	for _, file := range []struct {
		kind C.int32_t
		name string
	}{{C.KERF_POLICIES, policies}, {C.KERF_SCHEMA, "sandbox.cedarschema"}, {C.KERF_ENTITIES, "entities.json"}} {
		content, err := os.ReadFile(filepath.Join(directory, file.name))
		if err == nil && C.kerf_sources_add(sources, file.kind, C.KERF_BY_NAME, texts.text(file.name), texts.text(string(content))) != C.KERF_OK {
			err = fmt.Errorf("%s cannot be added", file.name)
		}
		if err != nil {
			C.kerf_sources_free(sources)
			return nil, err
		}
	}
	return sources, nil
}

func finish(status C.kerf_status, result *C.kerf_result) error {
	if status == C.KERF_OK {
		return nil
	}
	return &compileError{string(bytes(C.kerf_result_message(result))), string(bytes(C.kerf_result_diagnostics(result)))}
}

func compile(directory, policies string) (map[string][]byte, []string, error) {
	sources, err := load(directory, policies)
	if err != nil {
		return nil, nil, err
	}
	defer C.kerf_sources_free(sources)
	var result *C.kerf_result
	status := C.kerf_compile(sources, nil, &result)
	defer C.kerf_result_free(result)
	files, names := map[string][]byte{}, []string{}
	for i := C.size_t(0); i < C.kerf_result_count(result); i++ {
		name := string(bytes(C.kerf_result_name(result, i)))
		files[name] = bytes(C.kerf_result_bytes(result, i))
		names = append(names, name)
	}
	return files, names, finish(status, result)
}

// One goroutine at a time; give each its own.
type query struct{ handle *C.kerf_query }

func newQuery(table, entities []byte) (query, error) {
	var texts arena
	defer texts.free()
	var gateway *C.kerf_gateway
	var why *C.kerf_result
	status := C.kerf_gateway_new(texts.text(string(table)), texts.text(string(entities)), &gateway, &why)
	defer C.kerf_result_free(why)
	defer C.kerf_gateway_free(gateway)
	var q query
	if err := finish(status, why); err != nil {
		return q, err
	}
	if C.kerf_query_new(gateway, &q.handle) != C.KERF_OK {
		return q, errors.New("no query")
	}
	return q, nil
}

func (q query) decide(agent, action, ticket, context string) (bool, []string, error) {
	var texts arena
	defer texts.free()
	request := C.new_request()
	request.principal._type, request.principal.id = texts.text("Agent"), texts.text(agent)
	request.action._type, request.action.id = texts.text("Action"), texts.text(action)
	request.resource._type, request.resource.id = texts.text("Ticket"), texts.text(ticket)
	request.context = texts.text(context)
	var decision C.int32_t
	if C.kerf_query_decide(q.handle, &request, &decision) != C.KERF_OK {
		return false, nil, errors.New(string(bytes(C.kerf_query_message(q.handle))))
	}
	answer := C.kerf_query_answer(q.handle)
	policies := []string{}
	for i := C.size_t(0); i < C.kerf_answer_determining_count(answer); i++ {
		policies = append(policies, string(bytes(C.kerf_answer_determining(answer, i))))
	}
	return decision == C.KERF_ALLOW, policies, nil
}

func run(directory string) error {
	files, names, err := compile(directory, "policies.cedar")
	if err != nil {
		return err
	}
	fmt.Println("compiled:", strings.Join(names, " "))
	var wrong *compileError
	if _, _, err := compile(directory, "broken.cedar"); errors.As(err, &wrong) {
		fmt.Printf("broken: invalid\n%s", wrong.diagnostics)
	}
	q, err := newQuery(files["table.json"], files["entities.json"])
	if err != nil {
		return err
	}
	defer C.kerf_query_free(q.handle)
	for _, ask := range []struct {
		agent, action string
		approved      bool
	}{{"a1", "read", false}, {"a1", "read", true}, {"a2", "close", false}, {"a1", "close", true}} {
		allowed, policies, err := q.decide(ask.agent, ask.action, "t1", fmt.Sprintf(`{"approved": %t}`, ask.approved))
		if err != nil {
			return err
		}
		how, what := "", "deny"
		if ask.approved {
			how = ", approved"
		}
		if allowed {
			what = "allow"
		}
		fmt.Printf("%s %s t1%s: %s (%s)\n", ask.agent, ask.action, how, what, strings.Join(policies, " "))
	}
	return nil
}

func main() {
	directory := ".."
	if len(os.Args) > 1 {
		directory = os.Args[1]
	}
	if err := run(directory); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
