/* SPDX-License-Identifier: MIT */
/*
 * How the descriptors that the process may open are shared out, so that clients, of which
 * there may be any number, never take those that the session lives on.
 *
 * The kernel gives the lowest number that is free (open(2)). So a class that refuses
 * numbers from some bound on leaves all of the numbers above it to others, without any
 * count of what is open:
 *
 *      0 ... clients, destinations | subflows too | names, control and files too ... limit
 */
#ifndef SPLITSOCKS_DESCRIPTORS_H
#define SPLITSOCKS_DESCRIPTORS_H

#include <stdbool.h>

enum descriptor_class {
    DESCRIPTOR_CLIENT,  /* of clients and of destinations */
    DESCRIPTOR_SUBFLOW, /* dialled, or accepted by the relay and perhaps no subflow at all
                         */
    DESCRIPTOR_OWN,     /* resolver, control socket, files */
};

#define DESCRIPTOR_CLASSES 3

/* What one resolver may have open: c-ares keeps a socket for UDP and one for TCP to each of
 * a few servers, and a second set while the system's configuration changes. */
#define DESCRIPTORS_RESOLVER 16
/* Files that are read for a moment, netlink, the loop itself, standard streams. */
#define DESCRIPTORS_FILES 16

/* What a thread with a loop of its own has open: two for the loop, and hangup's. */
#define DESCRIPTORS_LOOP 3

struct descriptor_needs {
    unsigned long held; /* from the start to the end: these get the lowest numbers */
    unsigned long subflows, own; /* to be kept from those of a lower class */
};

/* The first number that each class does not get, of `limit` in all. Of those that are not
 * held half are for clients however much the rest could use, and an eighth at most for
 * DESCRIPTOR_OWN. */
void descriptors_divide(unsigned long limit, const struct descriptor_needs *needs,
                        unsigned long bounds[DESCRIPTOR_CLASSES]);

/* Raises the limit of open files to what the administrator allows. */
void descriptors_raise_limit(void);
/* Sets the bounds of the process, which had none. */
void descriptors_reserve(const struct descriptor_needs *needs);
/* Whether the process may open as many and more; if not, that is an error in the log. */
bool descriptors_can_hold(unsigned long held);
/* How many the process may open, and what is set aside for subflows; as many
 * as an int holds before descriptors_reserve(). */
unsigned long descriptors_limit(void);
unsigned long descriptors_for_subflows(void);

/* Whether a descriptor that was just opened may be kept for the class. If not it is said in
 * the log, at most once a minute. */
bool descriptors_admit(int fd, enum descriptor_class class);
/* Whether the next one to be opened will be admitted; `fd` is any open one. The same is
 * said in the log. Another thread may take it. */
bool descriptors_have_room(int fd, enum descriptor_class class);

#endif
