/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/dialer.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/io_watch.h>
#include <splitsocks/io/socket.h>

#include <assert.h>
#include <errno.h>
#include <unistd.h>

static void step(struct dialer *dialer);

static enum reset_code code_of_errno(int error)
{
    switch (error) {
    case ECONNREFUSED: return RESET_REFUSED;
    case ETIMEDOUT: return RESET_TIMED_OUT;
    case EHOSTUNREACH:
    case EHOSTDOWN: return RESET_HOST_UNREACHABLE;
    case ENETUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL: /* no source address of that family or scope */
    case EAFNOSUPPORT: return RESET_NETWORK_UNREACHABLE;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return RESET_LIMIT;
    default: return RESET_FAILURE;
    }
}

static struct dialer_attempt *find_attempt(struct dialer *dialer, size_t index)
{
    for (size_t i = 0; i < EYEBALLS_CONCURRENT; i++)
        if (dialer->attempts[i].io.fd >= 0 && dialer->attempts[i].index == index)
            return &dialer->attempts[i];
    return NULL;
}

/* Stops watching; returns the socket. */
static int take_socket(struct dialer_attempt *attempt)
{
    int fd = attempt->io.fd;

    ev_io_stop(attempt->dialer->ways->loop, &attempt->io);
    attempt->io.fd = -1;
    return fd;
}

static void close_attempt(struct dialer_attempt *attempt)
{
    struct account *account = attempt->dialer->account;

    close(take_socket(attempt));
    if (account != NULL)
        share_give(&account->destinations, 1);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
    struct dialer_attempt *attempt = io->data;
    struct dialer *dialer = attempt->dialer;
    int outcome = socket_outcome(io->fd);
    (void)loop;
    (void)events;

    if (outcome == EINPROGRESS)
        return;
    if (outcome == 0) {
        eyeballs_succeeded(&dialer->eyeballs, attempt->index);
    } else {
        close_attempt(attempt);
        eyeballs_failed(&dialer->eyeballs, attempt->index, code_of_errno(outcome),
                        clock_now());
    }
    step(dialer);
}

/* Whether the account has room for one more connection. The caller has waited for the first
 * one; further addresses only use up later dials of the account. */
static bool may_connect(struct dialer *dialer)
{
    if (dialer->account == NULL)
        return true;
    if (dialer->tried)
        (void)account_dial_at(dialer->account, clock_now());
    dialer->tried = true;
    return share_room(&dialer->account->destinations) > 0;
}

static void start_attempt(struct dialer *dialer, size_t index)
{
    const struct address *to = &dialer->eyeballs.addresses[index];
    enum reset_code code = RESET_FAILURE;
    int fd;

    if (dialer->rules != NULL && destination_check(dialer->rules, to) != OK) {
        if (dialer->denied.family == ADDRESS_NONE)
            dialer->denied = *to;
        code = RESET_DENIED;
    } else if (!may_connect(dialer)) {
        code = RESET_LIMIT;
    } else if (socket_connect(to, NULL, &fd) != OK) {
        code = code_of_errno(errno);
    } else {
        if (dialer->account != NULL)
            share_add(&dialer->account->destinations, 1);
        for (size_t i = 0; i < EYEBALLS_CONCURRENT; i++) {
            struct dialer_attempt *attempt = &dialer->attempts[i];

            if (attempt->io.fd >= 0)
                continue;
            attempt->index = index;
            ev_io_set(&attempt->io, fd, EV_WRITE);
            ev_io_start(dialer->ways->loop, &attempt->io);
            return;
        }
        assert(!"no more attempts than EYEBALLS_CONCURRENT");
    }
    eyeballs_failed(&dialer->eyeballs, index, code, clock_now());
}

static void learn_of_families(struct dialer *dialer, size_t winner)
{
    enum address_family won =
        (enum address_family)dialer->eyeballs.addresses[winner].family;
    enum address_family overtaken = eyeballs_overtaken(&dialer->eyeballs);

    family_memory_won(&dialer->ways->families, won);
    if (overtaken != ADDRESS_NONE &&
        family_memory_overtaken(&dialer->ways->families, overtaken, clock_now()))
        log_info("IPv%d connections are not answered, and IPv%d ones are: these go first",
                 (int)overtaken, (int)won);
}

static void finish(struct dialer *dialer, int fd, enum reset_code code)
{
    dialer_done *done = dialer->done;
    void *context = dialer->context;

    dialer_cancel(dialer);
    done(context, fd, code);
}

static void arm_timer(struct dialer *dialer, uint64_t now)
{
    io_watch_until(dialer->ways->loop, &dialer->timer,
                   eyeballs_next_timeout(&dialer->eyeballs), now);
}

/* ---- NAT64 ---- */

/* Collects the allowed IPv4 addresses to which this machine has no route. */
static size_t unreached_ipv4(const struct dialer *dialer,
                             struct address addresses[TARGET_ADDRESSES_MAX])
{
    const struct eyeballs *eyeballs = &dialer->eyeballs;
    size_t count = 0;

    for (size_t i = 0; i < eyeballs->count; i++)
        if (eyeballs->addresses[i].family == ADDRESS_IPV4 &&
            (dialer->rules == NULL ||
             destination_check(dialer->rules, &eyeballs->addresses[i]) == OK))
            addresses[count++] = eyeballs->addresses[i];
    return count;
}

static bool needs_nat64(const struct dialer *dialer)
{
    struct address addresses[TARGET_ADDRESSES_MAX];

    return !dialer->by_nat64 &&
           eyeballs_code(&dialer->eyeballs) == RESET_NETWORK_UNREACHABLE &&
           unreached_ipv4(dialer, addresses) > 0;
}

/* Begins again with the NAT64 addresses that stand for the IPv4 addresses. */
static void go_by_nat64(struct dialer *dialer)
{
    struct address addresses[TARGET_ADDRESSES_MAX], embedded[TARGET_ADDRESSES_MAX];
    size_t count = unreached_ipv4(dialer, addresses);

    count = nat64_embed_all(&dialer->ways->finder->prefixes, addresses, count, embedded,
                            TARGET_ADDRESSES_MAX);
    eyeballs_init(&dialer->eyeballs, false);
    eyeballs_reject(&dialer->eyeballs, RESET_NETWORK_UNREACHABLE);
    for (size_t i = 0; i < count; i++)
        (void)!eyeballs_add(&dialer->eyeballs, &embedded[i], clock_now());
}

static void on_prefixes(struct nat64_waiter *waiter)
{
    struct dialer *dialer = container_of(waiter, struct dialer, waiter);

    go_by_nat64(dialer);
    step(dialer);
}

/* ---- running ---- */

/* Follows the policy until it waits or has a result. The dialer may be gone afterwards. */
static void step(struct dialer *dialer)
{
    uint64_t now = clock_now();
    size_t index;

    for (;;) {
        switch (eyeballs_next(&dialer->eyeballs, now, &index)) {
        case EYEBALLS_WAIT: arm_timer(dialer, now); return;
        case EYEBALLS_START: start_attempt(dialer, index); break;
        case EYEBALLS_ABANDON: close_attempt(find_attempt(dialer, index)); break;
        case EYEBALLS_CONNECTED:
            learn_of_families(dialer, index);
            finish(dialer, take_socket(find_attempt(dialer, index)), RESET_CANCELLED);
            return;
        case EYEBALLS_FAILED:
            if (!needs_nat64(dialer)) {
                finish(dialer, -1, eyeballs_code(&dialer->eyeballs));
                return;
            }
            dialer->by_nat64 = true;
            if (!nat64_finder_ask(dialer->ways->finder, &dialer->waiter))
                return;
            go_by_nat64(dialer);
            break;
        }
    }
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;

    step(timer->data);
}

/* Ask which family to avoid only where there is a choice, since the answer may use up a
 * try. */
static void avoid_family(struct dialer *dialer, uint64_t now)
{
    uint8_t families = 0;

    for (size_t i = 0; i < dialer->eyeballs.count; i++)
        families |= FAMILY_BIT(dialer->eyeballs.addresses[i].family);
    if (families == FAMILIES_ALL)
        eyeballs_avoid(&dialer->eyeballs,
                       family_memory_avoid(&dialer->ways->families, now));
}

void dialer_start(struct dialer *dialer, struct dialer_ways *ways,
                  const struct destination_rules *rules, struct account *account,
                  const struct address *addresses, size_t count, uint16_t port,
                  dialer_done *done, void *context)
{
    uint64_t now = clock_now();

    dialer->ways = ways;
    dialer->rules = rules;
    dialer->account = account;
    dialer->tried = false;
    dialer->by_nat64 = false;
    dialer->waiter.done = on_prefixes;
    list_init(&dialer->waiter.node);
    dialer->done = done;
    dialer->context = context;
    dialer->denied = (struct address){.family = ADDRESS_NONE};
    ev_init(&dialer->timer, on_timer);
    dialer->timer.data = dialer;
    for (size_t i = 0; i < EYEBALLS_CONCURRENT; i++) {
        struct dialer_attempt *attempt = &dialer->attempts[i];

        attempt->dialer = dialer;
        ev_io_init(&attempt->io, on_writable, -1, EV_WRITE);
        attempt->io.data = attempt;
    }
    eyeballs_init(&dialer->eyeballs, false);
    for (size_t i = 0; i < MIN(count, (size_t)TARGET_ADDRESSES_MAX); i++) {
        struct address address = address_unmap(&addresses[i]);

        address.port = port;
        /* Addresses that do not fit are left out. */
        (void)!eyeballs_add(&dialer->eyeballs, &address, now);
    }
    avoid_family(dialer, now);
    step(dialer);
}

void dialer_cancel(struct dialer *dialer)
{
    if (dialer->done == NULL)
        return;
    dialer->done = NULL;
    list_remove(&dialer->waiter.node);
    ev_timer_stop(dialer->ways->loop, &dialer->timer);
    for (size_t i = 0; i < EYEBALLS_CONCURRENT; i++)
        if (dialer->attempts[i].io.fd >= 0)
            close_attempt(&dialer->attempts[i]);
}
