/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/outage_news.h>

#define HOUR_NS (3600 * NS_PER_S)
/* As many as a person who plugs a cable in and out may want to follow one by one. */
#define FREE_COUNT 6
#define PATIENCE_NS (4 * NS_PER_S)
#define PATIENCE_MAX_NS (600 * NS_PER_S)
#define DOUBLINGS_MAX 10
/* The first sum covers an hour, the next two hours, up to 16: some five lines a day. */
#define SUMS_MAX 4

static uint64_t patience_ns(const struct outage_news *news)
{
    if (news->told_count < FREE_COUNT)
        return 0;
    return MIN(PATIENCE_NS << (news->told_count - FREE_COUNT), PATIENCE_MAX_NS);
}

/* Forgets all reported outages after an hour without any, and one of them every two hours,
 * so that lasting outages are not reported later and later over the weeks. */
static void forget(struct outage_news *news, uint64_t now)
{
    if (now - news->ended_at_ns >= HOUR_NS)
        news->told_count = 0;
    while (news->told_count > 0 && now - news->told_at_ns >= 2 * HOUR_NS) {
        news->told_count--;
        news->told_at_ns += 2 * HOUR_NS;
    }
}

void outage_news_down(struct outage_news *news, uint64_t lasting_for_ns, uint64_t now)
{
    if (news->down)
        return;
    forget(news, now);
    news->down = true;
    news->told = false;
    news->due_at_ns = now + MAX(lasting_for_ns, patience_ns(news));
}

bool outage_news_up(struct outage_news *news, uint64_t now)
{
    bool tell = news->down && news->told;

    if (news->down && !news->told && news->untold++ == 0)
        news->untold_since_ns = now;
    if (news->down)
        news->ended_at_ns = now;
    news->down = news->told = false;
    return tell;
}

uint64_t outage_news_due(const struct outage_news *news)
{
    return news->down && !news->told ? news->due_at_ns : TIME_NEVER;
}

bool outage_news_tell(struct outage_news *news, uint64_t now)
{
    if (outage_news_due(news) > now)
        return false;
    news->told = true;
    news->told_at_ns = now;
    if (news->told_count < FREE_COUNT + DOUBLINGS_MAX)
        news->told_count++;
    return true;
}

unsigned outage_news_sum(struct outage_news *news, uint64_t *ns, uint64_t now)
{
    unsigned count = news->untold;

    if (count == 0 || now - news->untold_since_ns < HOUR_NS << news->sums)
        return 0;
    *ns = now - news->untold_since_ns;
    news->untold = 0;
    if (news->sums < SUMS_MAX)
        news->sums++;
    return count;
}
