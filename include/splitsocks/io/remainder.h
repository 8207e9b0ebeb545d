/* SPDX-License-Identifier: MIT */
/*
 * What a stream has left for a slow reader when its session has ended: both directions had
 * ended in order and all had arrived, so the reader gets it nevertheless. It is written to
 * the plain socket as that takes it, and then the socket is closed.
 *
 * A reader that takes nothing for the worker's patience is cut off with a reset; so are
 * those that most is left for, while all together have more than their share of the memory.
 */
#ifndef SPLITSOCKS_REMAINDER_H
#define SPLITSOCKS_REMAINDER_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/pages.h>
#include <splitsocks/base/ranges.h>
#include <splitsocks/io/worker.h>

/* Takes over the socket, and what `pages` have, among it `unread`; it frees itself. Returns
 * false when memory is out: both stay the caller's. */
bool remainder_new(struct worker *worker, int fd, struct pages *pages,
                   const struct range *unread) MUST_CHECK;
/* Resets all that still wait. */
void remainder_cut(struct worker *worker);

#endif
