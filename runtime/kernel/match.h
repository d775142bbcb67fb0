/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Canonical path -> match classes: which path tests of the policies hold. One automaton for all literals and trees and
 * up to two for patterns (tables.h); the cost is that of the path's length, whatever the number of policies. Work is
 * cut into pieces that are functions of their own, each verified once, so that 4,096 bytes cost the verifier no more
 * than one piece. */
#ifndef KERF_MATCH_H
#define KERF_MATCH_H

#include "bits.h"
#include "scratch.h"
#include "utf8.h"

#define KERF_MATCH_PIECE 64   /* bytes of text in one call */
#define KERF_MATCH_PIECES (KERF_PATH_BYTES / KERF_MATCH_PIECE)

/* Is there a byte from 0x80 on in the text? Four words at a time; behind the text are zeros, and anything else there would only
 * have the text looked at more closely. */
static __always_inline int text_high(const struct kerf_scratch *s, __u64 start)
{
	const __u64 *words = (const __u64 *)s->text;
	__u64 word = start / 8, bytes = 0;

	if (WITHIN(word, KERF_PATH_BYTES / 8))
		bytes = words[word] >> (start & 7) * 8;   /* little-endian: what lies before the text falls out */
	word++;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < KERF_PATH_BYTES / 32 + 1; i++) {
		if (!WITHIN(word, KERF_PATH_BYTES / 8))
			break;
		const __u64 *four = &words[word];
		bytes |= four[0] | four[1] | four[2] | four[3];
		word += 4;
	}
	return (bytes & 0x8080808080808080ull) != 0;
}

/* One piece of the text from s->position on through the UTF-8 automaton; 1: a bound was hit. */
__attribute__((noinline)) int kerf_text_piece(struct kerf_scratch *s)
{
	if (!s)
		return 1;
	__u64 at = s->position, state = s->text_state;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < KERF_MATCH_PIECE; i++) {
		if (!WITHIN(at, KERF_PATH_BYTES))
			break;
		__u64 next = state * KERF_UTF8_CLASSES + kerf_utf8_class[(__u8)s->text[at]];
		if (!WITHIN(next, sizeof(kerf_utf8_next)))
			return 1;
		state = kerf_utf8_next[next];
		at++;
	}
	s->position = at;
	s->text_state = state;
	return 0;
}

/* 0: the text is UTF-8; every byte is looked at. */
__attribute__((noinline)) int kerf_text_check(struct kerf_scratch *s)
{
	if (!s)
		return KERF_REASON_INTERNAL;
	s->position = s->start;
	s->text_state = KERF_UTF8_WHOLE;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i <= KERF_MATCH_PIECES; i++) {
		if (FORGET(s->position) >= KERF_PATH_BYTES)
			return FORGET(s->text_state) == KERF_UTF8_WHOLE ? 0 : KERF_REASON_NOT_TEXT;
		if (kerf_text_piece(s))
			return KERF_REASON_INTERNAL;
	}
	return KERF_REASON_INTERNAL;
}

/* Bytes are at least as many as cells, and seven more. */
#define STATE_WITHIN(state) WITHIN_LENGTH(state, kerf_path_cells_count - (KERF_NODE_CELLS - 1))

/* Eight bytes from here on, wherever that is: the machines that this is for can read so. */
static __always_inline __u64 eight(const void *bytes)
{
	OPAQUE(bytes);   /* or else the compiler reads them one by one */
	return *(const __u64 *)bytes;
}

/* The state after one more byte of a node. Above KERF_CELL_REST: a bound was hit. */
static __always_inline __u64 node_next(__u64 state, __u64 cell, __u64 byte)
{
	__u64 edge = (cell & KERF_CELL_REST) + byte, fallback = kerf_path_cells[state + KERF_NODE_FALLBACK];

	if (!WITHIN_LENGTH(edge, kerf_path_edges_count))
		return KERF_NO_STATE;
	__u64 entry = kerf_path_edges[edge], own = -(((entry >> 32 ^ state) - 1) >> 63);
	OPAQUE(own);
	return fallback ^ ((fallback ^ (__u32)entry) & own);
}

/* The state after one more byte; `state` is within the cells. Above KERF_CELL_REST: a bound was hit. */
static __always_inline __u64 path_next(__u64 state, __u64 cell, __u64 byte)
{
	__u64 kind = cell >> KERF_CELL_SHIFT, rest = cell & KERF_CELL_REST;

	if (kind == KERF_CELL_FINAL)
		return state;
	if (kind == KERF_CELL_SCAN)
		return kerf_path_cells[state + KERF_SCAN_BYTE] == byte ? rest : state;
	if (kind != KERF_CELL_NODE)
		return kind == byte ? state + 1 : rest;
	return node_next(state, cell, byte);
}

/* How many of the next bytes of the text are those of single cells from `state` on, at most eight. They end with the text: behind it is
 * a 0, which no single cell has. */
static __always_inline __u64 singles_taken(__u64 state, __u64 text)
{
	__u64 unlike = text ^ eight(&kerf_path_bytes[state]);

	return unlike ? lowest_bit(unlike) / 8 : 8;
}

/* How many of the next `left` bytes of the text, at most seven, are not the one that a scan waits for. */
static __always_inline __u64 bytes_passed(__u64 state, __u64 text, __u64 left)
{
	/* The lowest zero byte of `awaited` is the one, and marked (A. Mycroft's test). */
	__u64 awaited = text ^ kerf_path_cells[state + KERF_SCAN_BYTE] * 0x0101010101010101ull;
	__u64 found = (awaited - 0x0101010101010101ull) & ~awaited & 0x8080808080808080ull;
	__u64 passed = lowest_bit(found | 1ull << 63) / 8;

	return passed ^ ((passed ^ left) & -less(left, passed));
}

/* At most KERF_MATCH_PIECE steps through an automaton, from s->state on. Choices are made by arithmetic, and what has been read
 * is forgotten: the verifier would follow both sides of each branch, and tell apart how a state was reached.
 * 0: go on; 1: no byte that follows can change the state, or the text ends; 2: a bound was hit. */
static __always_inline int match_piece(struct kerf_scratch *s, __u64 number, __u64 at)
{
	__u64 state = s->state[number];
	__u64 nothing = FORGET(s->position) ^ FORGET(s->position);   /* 0, but the verifier cannot tell */
	int done = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < KERF_MATCH_PIECE; i++) {
		if (!STATE_WITHIN(state))
			return 2;
		__u64 cell = kerf_path_cells[state], kind = cell >> KERF_CELL_SHIFT;
		if (!WITHIN(at, KERF_PATH_BYTES) || kind == KERF_CELL_FINAL) {
			done = 1;
			break;
		}
		if (kind == KERF_CELL_NODE) {
			state = node_next(state, cell, (__u8)s->text[at]) ^ nothing;
			at = (at + 1) ^ nothing;
			continue;
		}
		__u64 text = eight(&s->text[at]);
		__u64 scans = kind == KERF_CELL_SCAN;
		__u64 taken = scans ? bytes_passed(state, text, KERF_PATH_BYTES - at) : singles_taken(state, text);
		if (!taken) {   /* the byte that a scan waits for, or not the single cell's */
			state = cell & KERF_CELL_REST;
			taken = 1;
		} else if (!scans) {
			state += taken;
		}
		state ^= nothing;
		at = (at + taken) ^ nothing;
	}
	if (at > KERF_PATH_BYTES)
		return 2;
	s->position = at;
	s->state[number] = state;
	return done;
}

/* The match class of a state; KERF_NO_STATE: a bound was hit. */
static __always_inline __u32 path_match(__u64 state)
{
	if (!STATE_WITHIN(state))
		return KERF_NO_STATE;
	__u64 cell = kerf_path_cells[state];
	if (KERF_CELL_IS_SINGLE(cell >> KERF_CELL_SHIFT))
		state = cell & KERF_CELL_REST;
	if (!STATE_WITHIN(state))
		return KERF_NO_STATE;
	return kerf_path_cells[state + KERF_NODE_MATCH];
}

/* Goes on where a first piece was not enough, as match_piece(). */
__attribute__((noinline)) int kerf_match_more(struct kerf_scratch *s, __u32 automaton)
{
	__u64 number = automaton;

	if ((!kerf_has_named && !kerf_has_exe) || !s || !WITHIN(number, KERF_EXE_AUTOMATON + 1))
		return 2;
	return match_piece(s, number, s->position);
}

__attribute__((noinline)) int kerf_match_rest(struct kerf_scratch *s, __u32 automaton)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i <= KERF_MATCH_PIECES; i++) {
		int end = kerf_match_more(s, automaton);

		if (end)
			return end;
	}
	return 2;
}

/* The text through one automaton: its match class. Most end in the first piece, which is here: a call costs more than it.
 * KERF_NO_STATE: a bound was hit. */
static __always_inline __u32 match_one(struct kerf_scratch *s, __u64 number, __u64 start)
{
	s->state[number] = kerf_path_starts[number];
	FORGET(s->position) = start;
	s->text[KERF_PATH_BYTES] = 0;
	int end = match_piece(s, number, FORGET(s->position));

	if (!end)
		end = kerf_match_rest(s, number);
	return end == 1 ? path_match(FORGET(s->state[number])) : KERF_NO_STATE;
}

/* 0: the text is UTF-8. */
static __always_inline int check_text(struct kerf_scratch *s, __u64 start)
{
	return text_high(s, start) ? kerf_text_check(s) : 0;
}

_Static_assert(KERF_AUTOMATA == 3, "numbers.def has as many");

static __always_inline int has_automaton(__u32 number)
{
	if (!kerf_has_named)
		return 0;
	switch (number) {
	case 0: return ASKED(kerf_asks_automaton0);
	case 1: return ASKED(kerf_asks_automaton1);
	default: return ASKED(kerf_asks_automaton2);
	}
}

/* Runs the automata over s->text[s->start, KERF_PATH_BYTES): fills s->walk.match for kerf_decide, and leaves the states in
 * s->state. Decides nothing. 0, or a KERF_REASON_* with which to refuse. */
__attribute__((noinline)) int kerf_match(struct kerf_scratch *s)
{
	if (!s)
		return KERF_REASON_INTERNAL;
	__u64 start = FORGET(s->start);

	if (!WITHIN(start, KERF_PATH_BYTES))
		return KERF_REASON_INTERNAL;
	int reason = check_text(s, start);
	if (reason)
		return reason;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < KERF_AUTOMATA; i++) {
		if (!has_automaton(i))
			continue;
		__u32 match = match_one(s, i, start);
		s->walk.match[i] = match;
		if (match == KERF_NO_STATE)
			return KERF_REASON_INTERNAL;
	}
	return 0;
}

/* The same for an executable's path and its automaton: fills s->walk.seen.exe_match. */
__attribute__((noinline)) int kerf_match_exe(struct kerf_scratch *s)
{
	if (!s || !kerf_has_exe)
		return KERF_REASON_INTERNAL;
	__u64 start = FORGET(s->start);

	if (!WITHIN(start, KERF_PATH_BYTES))
		return KERF_REASON_INTERNAL;
	int reason = check_text(s, start);
	if (reason)
		return reason;
	__u32 match = match_one(s, KERF_EXE_AUTOMATON, start);
	s->walk.seen.exe_match = match;
	return match == KERF_NO_STATE ? KERF_REASON_INTERNAL : 0;
}

/* After kerf_match of a directory's path: s->state becomes the states after one '/' more. Two directories whose states
 * are then the same are treated alike in every name below them. 0, or a KERF_REASON_*. */
__attribute__((noinline)) int kerf_match_below(struct kerf_scratch *s)
{
	if (!s)
		return KERF_REASON_INTERNAL;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < KERF_AUTOMATA; i++) {
		__u64 state = FORGET(s->state[i]);

		if (!has_automaton(i))
			break;
		if (!STATE_WITHIN(state))
			return KERF_REASON_INTERNAL;
		state = path_next(state, kerf_path_cells[state], '/');
		if (state > KERF_CELL_REST)
			return KERF_REASON_INTERNAL;
		s->state[i] = state;
	}
	return 0;
}

#endif
