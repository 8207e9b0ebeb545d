/* SPDX-License-Identifier: MIT */
#include <splitsocks/engine/path/packet_size.h>

#include <splitsocks/base/backoff.h>

#define FAILED_WAIT_MIN_NS (100 * NS_PER_MS)
#define FAILED_WAIT_MAX_NS (2 * NS_PER_S)
/* The wait before a larger size is tried doubles with each failure: from ten minutes to
 * half a day. */
#define RETRY_DOUBLINGS 6u

/* ---- evidence ---- */

void large_packets_lost(struct large_packets *large, uint64_t sent_at_ns, uint32_t bytes)
{
    /* Packets that were under way together are lost together: one failure. */
    if (sent_at_ns < large->failed_at_ns || large->lost_sent_at_ns != 0)
        return;
    large->lost_sent_at_ns = sent_at_ns;
    large->lost_bytes = bytes;
}

bool large_packets_explain(struct large_packets *large, uint64_t sent_at_ns, uint64_t now)
{
    if (large->lost_sent_at_ns == 0 || sent_at_ns <= large->lost_sent_at_ns)
        return false;
    large->lost_sent_at_ns = 0;
    large->failed_at_ns = now;
    large->failures++;
    /* Two losses in a row bear out the larger of their sizes. */
    uint32_t borne_out = MAX(large->previous_bytes, large->lost_bytes);
    large->failed_bytes =
        large->failures <= LARGE_FAILURES ? borne_out : MIN(large->failed_bytes, borne_out);
    large->previous_bytes = large->lost_bytes;
    large->passed = false;
    return true;
}

void large_packets_passed(struct large_packets *large, uint32_t bytes, bool full)
{
    if (bytes >= large->lost_bytes)
        large->lost_sent_at_ns = 0;
    if (bytes >= large->failed_bytes)
        large->failures = large->failed_bytes = large->previous_bytes = 0;
    else if (bytes >= large->previous_bytes)
        large->previous_bytes = large->failed_bytes;
    large->passed |= full;
}

bool large_packets_fail(const struct large_packets *large, uint32_t bytes)
{
    return large->failures >= LARGE_FAILURES && bytes >= large->failed_bytes;
}

uint64_t large_packets_wait_ns(const struct large_packets *large)
{
    return backoff_ns(FAILED_WAIT_MIN_NS, large->failures, FAILED_WAIT_MAX_NS);
}

/* ---- sizes ---- */

/* 1500: Ethernet. 1280: accepted by every IPv6 link (RFC 8200 section 5), and by tunnels,
 * PPPoE and mobile networks for IPv4 alone. 1006: SLIP and ARPANET (a plateau of RFC 1191
 * section 7.1). 576: accepted by every host (RFC 791). A size between 1500 and 1280 would
 * gain 1 % at most, and cost a second of standstill wherever it is too large. */
static const uint16_t sizes[] = {1500, 1280, 1006, PACKET_SIZE_MIN};

static uint16_t size_below(unsigned size)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(sizes); i++)
        if (sizes[i] < size)
            return sizes[i];
    return 0;
}

/* 0 is the link's own size, mostly 1500: the next above 1280. */
static uint16_t size_above(unsigned size)
{
    for (unsigned i = ARRAY_LENGTH(sizes); i-- > 1;)
        if (sizes[i] > size)
            return sizes[i];
    return 0;
}

static void try_later(struct packet_ladder *ladder, uint64_t now)
{
    ladder->retry_at_ns = ladder->retry_after_ns == TIME_NEVER
                              ? TIME_NEVER
                              : now + backoff_ns(ladder->retry_after_ns, ladder->doublings,
                                                 ladder->retry_after_ns << RETRY_DOUBLINGS);
}

void packet_ladder_init(struct packet_ladder *ladder, uint64_t retry_after_ns)
{
    *ladder =
        (struct packet_ladder){.retry_after_ns = retry_after_ns, .retry_at_ns = TIME_NEVER};
}

bool packet_ladder_lower(struct packet_ladder *ladder, unsigned size, unsigned direction,
                         uint64_t now)
{
    uint16_t lower = size_below(size);

    if (ladder->given_up && now < ladder->retry_at_ns)
        return false;
    /* Old news, from connections that are gone or that tried a larger size. */
    if (ladder->size != 0 && size > ladder->size)
        return false;
    ladder->directions |= (uint8_t)direction;
    ladder->given_up = lower == 0;
    ladder->size = lower;
    try_later(ladder, now);
    return true;
}

void packet_ladder_set(struct packet_ladder *ladder, uint16_t size, uint64_t now)
{
    ladder->size = size;
    ladder->directions = size == 0 ? 0 : PACKET_UP | PACKET_DOWN;
    ladder->given_up = false;
    if (size == 0)
        ladder->retry_at_ns = TIME_NEVER;
    else
        try_later(ladder, now);
}

uint16_t packet_ladder_try(struct packet_ladder *ladder)
{
    ladder->retry_at_ns = TIME_NEVER;
    return size_above(ladder->size);
}

void packet_ladder_tried(struct packet_ladder *ladder, bool failed, uint64_t now)
{
    if (failed && ladder->doublings < UINT8_MAX)
        ladder->doublings++;
    try_later(ladder, now);
}

void packet_ladder_raise(struct packet_ladder *ladder, uint16_t size, uint64_t now)
{
    uint64_t retry_after_ns = ladder->retry_after_ns;

    packet_ladder_init(ladder, retry_after_ns);
    packet_ladder_set(ladder, size, now);
}
