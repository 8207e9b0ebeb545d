/* SPDX-License-Identifier: MIT */
/*
 * Finds out when this machine's own routing keeps a path from working although its
 * interface is well:
 *
 * - A strict reverse path filter (net.ipv4.conf.*.rp_filter = 1, RFC 3704): the kernel
 * drops packets that come in on one interface when the way back leads through another. A
 * path that is bound to its interface bypasses the main route, so all its answers are
 * dropped.
 * - A source address without a rule of ip-rule(8): its packets leave by another interface
 *   than the one that has the address.
 *
 * IPv6 has no such filter.
 */
#ifndef SPLITSOCKS_PATH_ADVICE_H
#define SPLITSOCKS_PATH_ADVICE_H

#include <splitsocks/base/address.h>
#include <splitsocks/local/local_path.h>

#include <stdbool.h>

#define PATH_ADVICE_SIZE 320

/* Whether that keeps the path from hearing `from`, the relay; `why` is then a sentence
 * that says how to mend it. False, too, when the kernel does not tell. */
bool path_advice_blocked(const struct local_path *path, const struct address *from,
                         char why[PATH_ADVICE_SIZE]);
/* The same for any address that the default routes lead to, when the relay's is
 * unknown. */
bool path_advice_blocked_anywhere(const struct local_path *path,
                                  char why[PATH_ADVICE_SIZE]);
/* The interface by which the path's packets leave, even if the configuration names none;
 * false when that is unknown. */
bool path_advice_interface(const struct local_path *path, char name[IF_NAMESIZE]);

#endif
