#include <splitsocks/dialer.h>

#include <splitsocks/clock.h>
#include <splitsocks/log.h>
#include <splitsocks/socket.h>

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

    ev_io_stop(attempt->dialer->loop, &attempt->io);
    attempt->io.fd = -1;
    return fd;
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
        close(take_socket(attempt));
        eyeballs_failed(&dialer->eyeballs, attempt->index, code_of_errno(outcome),
                        clock_now());
    }
    step(dialer);
}

static void start_attempt(struct dialer *dialer, size_t index)
{
    const struct address *to = &dialer->eyeballs.addresses[index];
    enum reset_code code = RESET_FAILURE;
    int fd;

    if (dialer->rules != NULL && destination_check(dialer->rules, to) != OK) {
        dialer->denied = *to;
        code = RESET_DENIED;
    } else if (socket_connect(to, NULL, &fd) != OK) {
        code = code_of_errno(errno);
    } else {
        for (size_t i = 0; i < EYEBALLS_CONCURRENT; i++) {
            struct dialer_attempt *attempt = &dialer->attempts[i];

            if (attempt->io.fd >= 0)
                continue;
            attempt->index = index;
            ev_io_set(&attempt->io, fd, EV_WRITE);
            ev_io_start(dialer->loop, &attempt->io);
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

    family_memory_won(dialer->families, won);
    if (overtaken != ADDRESS_NONE &&
        family_memory_overtaken(dialer->families, overtaken, clock_now()))
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
    uint64_t next = eyeballs_next_timeout(&dialer->eyeballs);

    ev_timer_stop(dialer->loop, &dialer->timer);
    if (next == TIME_NEVER)
        return;
    ev_timer_set(&dialer->timer, next > now ? (double)(next - now) * 1e-9 : 0., 0.);
    ev_timer_start(dialer->loop, &dialer->timer);
}

/* Does what the policy says until it waits or has a result. The dialer may be no more
 * afterwards. */
static void step(struct dialer *dialer)
{
    uint64_t now = clock_now();
    size_t index;

    for (;;) {
        switch (eyeballs_next(&dialer->eyeballs, now, &index)) {
        case EYEBALLS_WAIT: arm_timer(dialer, now); return;
        case EYEBALLS_START: start_attempt(dialer, index); break;
        case EYEBALLS_ABANDON: close(take_socket(find_attempt(dialer, index))); break;
        case EYEBALLS_CONNECTED:
            learn_of_families(dialer, index);
            finish(dialer, take_socket(find_attempt(dialer, index)), RESET_CANCELLED);
            return;
        case EYEBALLS_FAILED: finish(dialer, -1, eyeballs_code(&dialer->eyeballs)); return;
        }
    }
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;

    step(timer->data);
}

/* Who goes first is asked only where there is a choice: the answer may be a try. */
static void avoid_family(struct dialer *dialer, uint64_t now)
{
    uint8_t families = 0;

    for (size_t i = 0; i < dialer->eyeballs.count; i++)
        families |= FAMILY_BIT(dialer->eyeballs.addresses[i].family);
    if (families == FAMILIES_ALL)
        eyeballs_avoid(&dialer->eyeballs, family_memory_avoid(dialer->families, now));
}

void dialer_start(struct dialer *dialer, struct ev_loop *loop,
                  const struct destination_rules *rules, struct family_memory *families,
                  const struct address *addresses, size_t count, uint16_t port,
                  dialer_done *done, void *context)
{
    uint64_t now = clock_now();

    dialer->loop = loop;
    dialer->rules = rules;
    dialer->families = families;
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
        /* Only as many as fit are added. */
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
    ev_timer_stop(dialer->loop, &dialer->timer);
    for (size_t i = 0; i < EYEBALLS_CONCURRENT; i++)
        if (dialer->attempts[i].io.fd >= 0)
            close(take_socket(&dialer->attempts[i]));
}
