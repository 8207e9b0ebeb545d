/* SPDX-License-Identifier: MIT */
#include <splitsocks/proxy/eyeballs.h>

#include <assert.h>

void eyeballs_init(struct eyeballs *eyeballs, bool resolving)
{
    *eyeballs = (struct eyeballs){.code = RESET_FAILURE, .resolving = resolving};
}

void eyeballs_avoid(struct eyeballs *eyeballs, enum address_family family)
{
    /* As if the last attempt had been of that family: the other takes its turn. */
    eyeballs->last_family = (uint8_t)family;
}

/* How much a failure says: an answer of a machine says more than silence, and silence more
 * than an attempt that never left this machine. */
static unsigned telling(enum reset_code code)
{
    static const enum reset_code order[] = {
        RESET_NAME_NOT_FOUND,      RESET_NAME_FAILURE,     RESET_LIMIT,
        RESET_NETWORK_UNREACHABLE, RESET_HOST_UNREACHABLE, RESET_DENIED,
        RESET_TIMED_OUT,           RESET_REFUSED,
    };

    for (unsigned i = 0; i < ARRAY_LENGTH(order); i++)
        if (order[i] == code)
            return i + 1;
    return 0;
}

void eyeballs_reject(struct eyeballs *eyeballs, enum reset_code code)
{
    if (telling(code) > telling(eyeballs_code(eyeballs)))
        eyeballs->code = (uint8_t)code;
}

enum reset_code eyeballs_code(const struct eyeballs *eyeballs)
{
    return (enum reset_code)eyeballs->code;
}

/* The place for an address of `family` when all places are taken: a family that has more
 * than half of them gives up its last untried one. `count`: no place. */
static size_t find_room(const struct eyeballs *eyeballs, uint8_t family)
{
    size_t others = 0, last = eyeballs->count;

    for (size_t i = 0; i < eyeballs->count; i++) {
        if (eyeballs->addresses[i].family == family)
            continue;
        others++;
        if (eyeballs->states[i] == EYEBALLS_UNTRIED)
            last = i;
    }
    return others > TARGET_ADDRESSES_MAX / 2 ? last : eyeballs->count;
}

int eyeballs_add(struct eyeballs *eyeballs, const struct address *address, uint64_t now)
{
    size_t place = eyeballs->count;

    for (size_t i = 0; i < eyeballs->count; i++)
        if (address_equal(&eyeballs->addresses[i], address))
            return OK;
    if (place == TARGET_ADDRESSES_MAX)
        place = find_room(eyeballs, address->family);
    if (place == TARGET_ADDRESSES_MAX)
        return ERROR_LIMIT;
    if (eyeballs->resolving && !eyeballs->started) {
        /* IPv6 goes first if it arrives before the IPv4 answer has waited long enough. */
        eyeballs->last_family = ADDRESS_IPV4;
        if (address->family == ADDRESS_IPV6)
            eyeballs->next_at_ns = now;
        else if (eyeballs->count == 0)
            eyeballs->next_at_ns = now + EYEBALLS_RESOLUTION_DELAY_NS;
    }
    eyeballs->addresses[place] = *address;
    eyeballs->count = (uint8_t)MAX((size_t)eyeballs->count, place + 1);
    return OK;
}

void eyeballs_resolved(struct eyeballs *eyeballs)
{
    eyeballs->resolving = false;
    if (!eyeballs->started)
        eyeballs->next_at_ns = 0;
}

/* The next address to try: the first of the other family, or else the first; `count` when
 * all were tried. */
static size_t first_untried(const struct eyeballs *eyeballs)
{
    size_t first = eyeballs->count;

    for (size_t i = eyeballs->count; i-- > 0;)
        if (eyeballs->states[i] == EYEBALLS_UNTRIED)
            first = i;
    for (size_t i = first; i < eyeballs->count; i++)
        if (eyeballs->states[i] == EYEBALLS_UNTRIED &&
            eyeballs->addresses[i].family != eyeballs->last_family)
            return i;
    return first;
}

static void end_attempt(struct eyeballs *eyeballs, size_t index, enum eyeballs_state state)
{
    assert(index < eyeballs->count && eyeballs->states[index] == EYEBALLS_TRYING);
    eyeballs->states[index] = (uint8_t)state;
    eyeballs->trying--;
}

static enum address_family overtaken_by(const struct eyeballs *eyeballs, size_t winner)
{
    for (size_t i = 0; i < eyeballs->count; i++)
        if (eyeballs->states[i] == EYEBALLS_TRYING &&
            eyeballs->addresses[i].family != eyeballs->addresses[winner].family &&
            eyeballs->started_at_ns[i] + EYEBALLS_DELAY_NS <=
                eyeballs->started_at_ns[winner])
            return (enum address_family)eyeballs->addresses[i].family;
    return ADDRESS_NONE;
}

void eyeballs_succeeded(struct eyeballs *eyeballs, size_t index)
{
    if (!eyeballs->connected)
        eyeballs->overtaken = (uint8_t)overtaken_by(eyeballs, index);
    /* Of two that connect before the loser is closed, the first has won. */
    end_attempt(eyeballs, index, eyeballs->connected ? EYEBALLS_ENDED : EYEBALLS_WON);
    eyeballs->connected = true;
}

enum address_family eyeballs_overtaken(const struct eyeballs *eyeballs)
{
    return (enum address_family)eyeballs->overtaken;
}

void eyeballs_failed(struct eyeballs *eyeballs, size_t index, enum reset_code code,
                     uint64_t now)
{
    end_attempt(eyeballs, index, EYEBALLS_ENDED);
    eyeballs_reject(eyeballs, code);
    eyeballs->next_at_ns = now;
}

/* The first address in this state, or `count`. */
static size_t find_state(const struct eyeballs *eyeballs, enum eyeballs_state state)
{
    size_t i = 0;

    while (i < eyeballs->count && eyeballs->states[i] != state)
        i++;
    return i;
}

/* The race is won: the others are abandoned one by one. */
static enum eyeballs_action after_success(struct eyeballs *eyeballs, size_t *index)
{
    *index = find_state(eyeballs, EYEBALLS_TRYING);
    if (*index < eyeballs->count) {
        end_attempt(eyeballs, *index, EYEBALLS_ENDED);
        return EYEBALLS_ABANDON;
    }
    *index = find_state(eyeballs, EYEBALLS_WON);
    return EYEBALLS_CONNECTED;
}

enum eyeballs_action eyeballs_next(struct eyeballs *eyeballs, uint64_t now, size_t *index)
{
    if (eyeballs->connected)
        return after_success(eyeballs, index);
    for (size_t i = 0; i < eyeballs->count; i++)
        if (eyeballs->states[i] == EYEBALLS_TRYING &&
            now >= eyeballs->started_at_ns[i] + EYEBALLS_TIMEOUT_NS) {
            eyeballs_failed(eyeballs, i, RESET_TIMED_OUT, now);
            *index = i;
            return EYEBALLS_ABANDON;
        }
    *index = first_untried(eyeballs);
    if (*index == eyeballs->count)
        return eyeballs->trying > 0 || eyeballs->resolving ? EYEBALLS_WAIT
                                                           : EYEBALLS_FAILED;
    if (eyeballs->trying == EYEBALLS_CONCURRENT || now < eyeballs->next_at_ns)
        return EYEBALLS_WAIT;
    eyeballs->states[*index] = EYEBALLS_TRYING;
    eyeballs->started_at_ns[*index] = now;
    eyeballs->trying++;
    eyeballs->started = true;
    eyeballs->last_family = eyeballs->addresses[*index].family;
    eyeballs->next_at_ns = now + EYEBALLS_DELAY_NS;
    return EYEBALLS_START;
}

uint64_t eyeballs_next_timeout(const struct eyeballs *eyeballs)
{
    uint64_t next_at_ns = TIME_NEVER;

    if (eyeballs->connected)
        return TIME_NEVER;
    if (eyeballs->trying < EYEBALLS_CONCURRENT && first_untried(eyeballs) < eyeballs->count)
        next_at_ns = eyeballs->next_at_ns;
    for (size_t i = 0; i < eyeballs->count; i++)
        if (eyeballs->states[i] == EYEBALLS_TRYING)
            next_at_ns = MIN(next_at_ns, eyeballs->started_at_ns[i] + EYEBALLS_TIMEOUT_NS);
    return next_at_ns;
}
