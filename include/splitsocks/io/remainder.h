/* SPDX-License-Identifier: MIT */
/*
 * Writes the rest of a stream to a slow reader after its session has ended: both
 * directions had ended in order and all data had arrived, so the reader gets it
 * nevertheless. Then the socket is closed.
 *
 * A reader that takes nothing for the worker's patience is cut off with a reset. So are
 * those with most data left, while all of them together exceed their share of the memory.
 */
#ifndef SPLITSOCKS_REMAINDER_H
#define SPLITSOCKS_REMAINDER_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/pages.h>
#include <splitsocks/base/ranges.h>
#include <splitsocks/io/worker.h>

/* Takes over the socket and the contents of `pages`, of which `unread` is still to be
 * written; frees itself. Returns false when memory is out: both stay the caller's. */
bool remainder_new(struct worker *worker, int fd, struct pages *pages,
                   const struct range *unread) MUST_CHECK;
/* Resets all waiting sockets. */
void remainder_cut(struct worker *worker);

#endif
