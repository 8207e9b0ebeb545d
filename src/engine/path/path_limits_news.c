/* SPDX-License-Identifier: MIT */
/* When people are told of a port's limits. */
#include <splitsocks/base/backoff.h>
#include <splitsocks/engine/path/path_limits.h>

/* How often a port is looked at. */
#define NEWS_LOOK_NS (100 * NS_PER_MS)
/* The next news of a port wait for so long. The time doubles with each, until there were
 * none for twice the longest time. */
#define NEWS_WAIT_MIN_NS (5 * NS_PER_S)
#define NEWS_WAIT_MAX_NS (640 * NS_PER_S)

static bool take_dial_news(struct dial_limit *dials, struct session_limit *limit)
{
    enum dial_limit_news news = dial_limit_take_news(dials);
    bool open = news == DIAL_LIMIT_CONNECTIONS || news == DIAL_LIMIT_CONNECTIONS_LIFTED;

    *limit = (struct session_limit){
        .kind = open ? SESSION_LIMIT_OPEN : SESSION_LIMIT_DIALS,
        .lifted = news == DIAL_LIMIT_CONNECTIONS_LIFTED || news == DIAL_LIMIT_SYNS_LIFTED,
        .connections = dials->connections,
        .dials_per_second = dials->syns,
    };
    return news != DIAL_LIMIT_NO_NEWS;
}

static bool take_profile_news(struct profile *profile, struct session_limit *limit,
                              uint64_t now)
{
    enum profile_news news;

    *limit = (struct session_limit){.kind = SESSION_LIMIT_CARRIED};
    news = profile_take_news(profile, &limit->finding, now);
    limit->lifted = news == PROFILE_NEWS_LIFTED;
    return news != PROFILE_NEWS_NONE;
}

bool path_limits_news(struct port_limits *port, struct session_limit *limit, uint64_t now)
{
    uint64_t quiet_ns = now - port->told_at_ns;

    if (now < port->look_at_ns || (port->told_at_ns != 0 && quiet_ns < port->tell_after_ns))
        return false;
    port->look_at_ns = now + NEWS_LOOK_NS;
    if (!take_dial_news(&port->dials, limit) &&
        !take_profile_news(&port->profile, limit, now))
        return false;
    port->tell_after_ns =
        backoff_next_ns(quiet_ns >= 2 * NEWS_WAIT_MAX_NS ? 0 : port->tell_after_ns,
                        NEWS_WAIT_MIN_NS, NEWS_WAIT_MAX_NS);
    port->told_at_ns = now;
    return true;
}
