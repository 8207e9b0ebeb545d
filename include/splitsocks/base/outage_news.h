/* SPDX-License-Identifier: MIT */
/*
 * What the log is told of something that works or does not, and may change a thousand times
 * a day: a path behind a NAT that forgets idle connections is gone and back within a moment
 * each minute. People want to hear of a state that lasts.
 *
 * An outage is told once it has lasted for a while, and its end only if it was told. The
 * first few are told as soon as the caller likes; then each has to last twice as long as
 * the one before, up to ten minutes, until there was none at all for an hour. So one that
 * lasts is always told, and what flaps is told less and less. The others are counted, and
 * summed up now and then. Times are nanoseconds, given by the caller.
 */
#ifndef SPLITSOCKS_OUTAGE_NEWS_H
#define SPLITSOCKS_OUTAGE_NEWS_H

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stdint.h>

/* Longer than it takes to notice that a connection is dead and to make another. */
#define OUTAGE_HICCUP_NS (2 * NS_PER_S)

/* Zero-initialised: it works. */
struct outage_news {
    bool down, told;    /* it does not work; the log knows */
    uint8_t told_count; /* outages that were told, and are not forgotten */
    uint8_t sums;       /* how often the others were summed up */
    unsigned untold;    /* outages since then */
    uint64_t due_ns;    /* when the outage is to be told */
    uint64_t told_ns;   /* when one last was, or was forgotten */
    uint64_t ended_ns;  /* when the last one ended */
    uint64_t untold_ns; /* when the first of `untold` ended */
};

/* It does not work; told when that has lasted for `least_ns`, or longer. */
void outage_news_down(struct outage_news *news, uint64_t least_ns, uint64_t now);
/* It works; true when that is to be told. */
bool outage_news_up(struct outage_news *news, uint64_t now);
/* When outage_news_tell() is to be called; TIME_NEVER: not. */
uint64_t outage_news_due(const struct outage_news *news);
/* True when it is to be told now that it does not work. */
bool outage_news_tell(struct outage_news *news, uint64_t now);
/* After an end: how many outages were not told in the last `*ns`, when it is time to say
 * so; else 0. */
unsigned outage_news_sum(struct outage_news *news, uint64_t *ns, uint64_t now);

#endif
