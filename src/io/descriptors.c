/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/descriptors.h>

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#define TOLD_AGAIN_NS (60 * NS_PER_S)

static atomic_ulong bounds[DESCRIPTOR_CLASSES] = {INT_MAX, INT_MAX, INT_MAX};
static atomic_ulong for_subflows = INT_MAX, for_clients = INT_MAX;
static atomic_ulong highest; /* of the numbers that descriptors_admit() has seen */
static atomic_ulong unseen;  /* descriptors that it never sees, at most */
static atomic_uint_fast64_t told_at_ns[DESCRIPTOR_CLASSES]; /* 0: never */

void descriptors_divide(unsigned long limit, const struct descriptor_needs *needs,
                        unsigned long result[DESCRIPTOR_CLASSES])
{
    unsigned long rest = limit - MIN(needs->held, limit);
    unsigned long own = MIN(needs->own, rest / 8);
    unsigned long subflows = MIN(needs->subflows, rest / 2 - own);

    result[DESCRIPTOR_OWN] = limit;
    result[DESCRIPTOR_SUBFLOW] = limit - own;
    result[DESCRIPTOR_CLIENT] = limit - own - subflows;
}

void descriptors_raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_debug("cannot raise the limit of open files");
}

void descriptors_reserve(const struct descriptor_needs *needs)
{
    unsigned long divided[DESCRIPTOR_CLASSES];
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    descriptors_divide(MIN(limit.rlim_cur, (rlim_t)INT_MAX), needs, divided);
    atomic_store(&unseen, needs->held + needs->own);
    atomic_store(&for_subflows, divided[DESCRIPTOR_SUBFLOW] - divided[DESCRIPTOR_CLIENT]);
    atomic_store(&for_clients,
                 divided[DESCRIPTOR_CLIENT] - MIN(needs->held, divided[DESCRIPTOR_CLIENT]));
    if (needs->counted)
        divided[DESCRIPTOR_CLIENT] = divided[DESCRIPTOR_SUBFLOW];
    for (int i = 0; i < DESCRIPTOR_CLASSES; i++)
        atomic_store(&bounds[i], divided[i]);
}

bool descriptors_can_hold(unsigned long held)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || held < limit.rlim_max)
        return true;
    log_error(
        "the ports to listen on and the workers take %lu descriptors, and this process "
        "may have %lu (to allow more, raise \"ulimit -n\", or LimitNOFILE of the "
        "systemd unit)",
        held, (unsigned long)limit.rlim_max);
    return false;
}

unsigned long descriptors_limit(void)
{
    return atomic_load(&bounds[DESCRIPTOR_OWN]);
}

unsigned long descriptors_for_subflows(void)
{
    return atomic_load(&for_subflows);
}

unsigned long descriptors_for_clients(void)
{
    return atomic_load(&for_clients);
}

static void tell(enum descriptor_class class)
{
    static const char *const words[DESCRIPTOR_CLASSES] = {
        "clients and destinations", "connections between local and relay", "anything"};
    uint64_t now = clock_now(), told = atomic_load(&told_at_ns[class]);

    if ((told != 0 && now - told < TOLD_AGAIN_NS) ||
        !atomic_compare_exchange_strong(&told_at_ns[class], &told, now))
        return;
    log_warning("no descriptor is left for %s: of the %lu that this process may open, the "
                "last %lu are kept for other uses; new ones wait or are refused (to allow "
                "more, raise \"ulimit -n\", or LimitNOFILE of the systemd unit)",
                words[class], descriptors_limit(),
                descriptors_limit() - atomic_load(&bounds[class]));
}

/* Threads that come here at the same time may lose one another's number, which differs by
 * their count at most; a later one mends that. */
static void note_number(unsigned long number)
{
    if (number > atomic_load_explicit(&highest, memory_order_relaxed))
        atomic_store_explicit(&highest, number, memory_order_relaxed);
}

bool descriptors_admit(int fd, enum descriptor_class class)
{
    note_number((unsigned long)fd);
    if ((unsigned long)fd < atomic_load_explicit(&bounds[class], memory_order_relaxed))
        return true;
    tell(class);
    return false;
}

bool descriptors_have_room(int fd, enum descriptor_class class)
{
    unsigned long bound = atomic_load_explicit(&bounds[class], memory_order_relaxed);
    int next;

    /* The kernel has never given a higher number, so that all above are free. */
    if (atomic_load_explicit(&highest, memory_order_relaxed) +
            atomic_load_explicit(&unseen, memory_order_relaxed) <
        bound)
        return true;
    next = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (next < 0) {
        if (errno == EMFILE)
            tell(class);
        return false;
    }
    close(next);
    return descriptors_admit(next, class);
}
