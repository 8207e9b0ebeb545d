/* SPDX-License-Identifier: MIT */
/*
 * Decides which outages the log reports. A path behind a NAT that forgets idle connections
 * may fail and come back each minute, a thousand times a day, and people want to read
 * about states that last.
 *
 * An outage is reported once it has lasted for a while, and its end only if the outage was
 * reported. The first few are reported as soon as the caller likes; after that each has to
 * last twice as long as the one before, up to ten minutes, until an hour passes without
 * any. So a lasting outage is always reported, and a flapping path less and less. The
 * other outages are counted, and summed up now and then. Times are nanoseconds, given by
 * the caller.
 */
#ifndef SPLITSOCKS_OUTAGE_NEWS_H
#define SPLITSOCKS_OUTAGE_NEWS_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stdint.h>

/* Longer than the program takes to notice that a connection is dead and to make
 * another. */
#define OUTAGE_HICCUP_NS (2 * NS_PER_S)

/* Zero-initialised: the thing works. */
struct outage_news {
    bool down, told;    /* an outage goes on; the log has reported it */
    uint8_t told_count; /* outages that were reported and not forgotten since */
    uint8_t sums;       /* how often the unreported ones were summed up */
    unsigned untold;    /* outages since the last sum that were not reported */
    uint64_t due_at_ns; /* when this outage is to be reported */
    uint64_t told_at_ns;      /* when one was last reported, or forgotten */
    uint64_t ended_at_ns;     /* when the last outage ended */
    uint64_t untold_since_ns; /* when the first of `untold` ended */
};

/* An outage begins, or goes on. It is reported when it has lasted for `lasting_for_ns` or
 * longer. */
void outage_news_down(struct outage_news *news, uint64_t lasting_for_ns, uint64_t now);
/* The outage is over; true when that is to be reported. */
bool outage_news_up(struct outage_news *news, uint64_t now);
/* When outage_news_tell() is to be called; TIME_NEVER: not. */
uint64_t outage_news_due(const struct outage_news *news);
/* True when the outage is to be reported now. */
bool outage_news_tell(struct outage_news *news, uint64_t now);
/* After an outage has ended: if a sum is due, returns the number of outages in the last
 * `*ns` that were not reported; else 0. */
unsigned outage_news_sum(struct outage_news *news, uint64_t *ns, uint64_t now);

#endif
