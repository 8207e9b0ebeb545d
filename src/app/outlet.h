/* SPDX-License-Identifier: MIT */
/*
 * A standard stream of a process that must never wait for its reader: a pipe to a pager, a
 * terminal that was stopped with Ctrl-S, the socket of a logger. A thread writes. Texts
 * for which there is no room, or which a full disk does not take, are dropped and counted.
 *
 * The stream stays in blocking mode: that is a property of the open file, which other
 * processes may share.
 */
#ifndef APP_OUTLET_H
#define APP_OUTLET_H

#include <splitsocks/base/attributes.h>

#include <stddef.h>

/* Most bytes that wait for the reader: some thousand lines. A single text may be
 * longer. */
#define OUTLET_MAX (256 * 1024)
/* At the end of the process: how long to wait for a reader that takes nothing. */
#define OUTLET_PATIENCE_MS 1000
/* In /proc/PID/task/TID/comm. While the thread sleeps, everything is written: tests wait
 * for that before they read a log. */
#define OUTLET_THREAD_NAME "output"

struct outlet;

/* Writes into `text` that `count` texts were dropped; returns the length. */
typedef size_t outlet_loss(unsigned long count, char *text, size_t size);

/* Writes to `fd`, which is borrowed. `loss` may be NULL: losses are not reported. NULL
 * when there is no memory, or no thread. */
struct outlet *outlet_new(int fd, outlet_loss *loss) MUST_CHECK;
/* May be called from any thread. Never blocks. */
void outlet_put(struct outlet *outlet, const char *text, size_t length);
/* Waits until everything is written, as long as the reader takes something. NULL is
 * allowed. With a reader that takes nothing the thread stays behind: the process is about
 * to end. */
void outlet_finish(struct outlet *outlet);

#endif
