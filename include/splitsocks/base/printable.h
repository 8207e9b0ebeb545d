/* SPDX-License-Identifier: MIT */
/*
 * Texts of strangers on their way to people: logs, messages, tables on terminals. A text
 * may contain what a terminal obeys instead of showing it, or what makes a line look like
 * another one.
 */
#ifndef SPLITSOCKS_PRINTABLE_H
#define SPLITSOCKS_PRINTABLE_H

/* Replaces in place, by one '?' each:
 * - the control characters C0, DEL and C1 (ECMA-48): they move the cursor, change
 *   colours, or make terminals answer;
 * - the separators of lines and paragraphs: one line would look like two;
 * - characters that reorder a line (UAX #9), and others without a width of their own,
 *   which hide in it: zero-width, fillers, tags;
 * - bytes that are not UTF-8 (RFC 3629): a terminal may take them for C1.
 * The text becomes no longer. */
void printable_make(char *text);

#endif
