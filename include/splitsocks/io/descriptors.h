/* SPDX-License-Identifier: MIT */
/*
 * Shares out the descriptors that the process may open, so that clients, of which there
 * may be any number, never take those that the session needs.
 *
 * The kernel gives the lowest free number (open(2)). So a class that refuses numbers above
 * some bound leaves all of them to the other classes, and nobody has to count what is
 * open:
 *
 *      0 ... clients, destinations | subflows too | names, control and files too ... limit
 */
#ifndef SPLITSOCKS_DESCRIPTORS_H
#define SPLITSOCKS_DESCRIPTORS_H

#include <stdbool.h>

enum descriptor_class {
    DESCRIPTOR_CLIENT,  /* sockets of clients and destinations */
    DESCRIPTOR_SUBFLOW, /* sockets that local dialled or the relay accepted */
    DESCRIPTOR_OWN,     /* resolver, control socket, files */
};

#define DESCRIPTOR_CLASSES 3

/* The most that one resolver opens: c-ares keeps a UDP and a TCP socket to each of a few
 * servers, and a second set while the system's configuration changes. */
#define DESCRIPTORS_RESOLVER 16
/* Files that are read for a moment, netlink, the loop itself, standard streams. */
#define DESCRIPTORS_FILES 16

/* Descriptors of a thread with its own loop: two for the loop, and hangup's. */
#define DESCRIPTORS_LOOP 3

struct descriptor_needs {
    unsigned long held;          /* open from start to end: they get the lowest numbers */
    unsigned long subflows, own; /* numbers to keep free of lower classes */
    /* The caller counts what clients have, and keeps to descriptors_for_clients() by
     * itself: then they may have the numbers that subflows do not use. */
    bool counted;
};

/* Computes for each class the first number that it does not get, out of `limit`. Half of
 * the numbers that are not held are always for clients, and at most an eighth for
 * DESCRIPTOR_OWN. */
void descriptors_divide(unsigned long limit, const struct descriptor_needs *needs,
                        unsigned long bounds[DESCRIPTOR_CLASSES]);

/* Raises the limit of open files to what the administrator allows. */
void descriptors_raise_limit(void);
/* Sets the bounds of the process; before, there are none. */
void descriptors_reserve(const struct descriptor_needs *needs);
/* Whether the process may open more than `held` descriptors; if not, logs an error. */
bool descriptors_can_hold(unsigned long held);
/* How many descriptors the process may open, and how many of them are reserved for
 * subflows; INT_MAX before descriptors_reserve(). */
unsigned long descriptors_limit(void);
unsigned long descriptors_for_subflows(void);
/* How many are left for clients and destinations; INT_MAX as above. */
unsigned long descriptors_for_clients(void);

/* Whether the class may keep a descriptor that was just opened. A refusal is logged, at
 * most once a minute. */
bool descriptors_admit(int fd, enum descriptor_class class);
/* Whether the next descriptor will be admitted; `fd` is any open one. A refusal is logged
 * in the same way. Another thread may take the room meanwhile. */
bool descriptors_have_room(int fd, enum descriptor_class class);

#endif
