/* SPDX-License-Identifier: MIT */
/*
 * The one way in which everything that fails is tried again: after a first wait, and after
 * twice as long with each further failure in a row, up to a longest wait. All that retries
 * by itself has its waits from here: dials, handshakes, probes of paths, ports, sizes,
 * limits and name servers, and connections that stand still.
 */
#ifndef SPLITSOCKS_BACKOFF_H
#define SPLITSOCKS_BACKOFF_H

#include <stdint.h>

/* The wait after it was doubled so many times. */
uint64_t backoff_ns(uint64_t first_ns, unsigned doublings, uint64_t longest_ns);
/* The wait that follows one of `before_ns`; 0: there was none. */
uint64_t backoff_next_ns(uint64_t before_ns, uint64_t first_ns, uint64_t longest_ns);

#endif
