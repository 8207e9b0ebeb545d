/* SPDX-License-Identifier: MIT */
/* A link emulator: carries IP packets between TUN devices, which it makes in network
 * namespaces, with the rate, delay, jitter, loss, queue and black holes that a test asks
 * for.
 *
 *     linkemu [--seed N] [--quantum DURATION] --control PATH --link
 * NAME,NETNS_A,DEV_A,NETNS_B,DEV_B ...
 *
 * The quantum (100us) is the least time between two turns: packets move in batches, up to
 * that much late, because a wake-up for each packet costs ten times as much. NETNS is a
 * path such as /proc/1234/ns/net. Prints "ready" when all devices exist; addresses and
 * routes are the caller's business. Commands on the control socket:
 *
 *     set LINK {a2b|b2a|both} KEY=VALUE...    keys: see direction_set()
 *     limit LINK WORDS                        what B's edge does to connections: see
 *                                             tcpbox_set()
 *     watch LINK                              start the TCP observer afresh (initiators at
 * A) report                                  JSON: {LINK: {"a2b": , "b2a": , "tcp": ,
 * "box": }} quit
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "link.h"
#include "tcpbox.h"
#include "tcpwatch.h"
#include "tool.h"

enum { MAX_LINKS = 16, MAX_PACKET = 65536, READ_BATCH = 64 };

struct link {
    char name[32];
    int tun[2];                  /* A, B */
    struct direction towards[2]; /* [0]: b2a, [1]: a2b */
    struct tcpwatch watch;
    struct tcpbox box; /* at B's edge, as a network close to the relay */
};

struct emulator {
    struct control control;
    struct link links[MAX_LINKS];
    size_t count;
    uint64_t seed, quantum_ns;
    bool quit;
};

static int make_tun(const char *netns, const char *device)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int there = open(netns, O_RDONLY | O_CLOEXEC);
    int fd;

    if (home < 0 || there < 0)
        die_errno("%s", netns);
    if (setns(there, CLONE_NEWNET) != 0)
        die_errno("setns %s", netns);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        die_errno("/dev/net/tun");
    if (strlen(device) >= sizeof(request.ifr_name))
        die("device name too long: %s", device);
    strcpy(request.ifr_name, device);
    if (ioctl(fd, TUNSETIFF, &request) != 0)
        die_errno("TUNSETIFF %s", device);
    if (setns(home, CLONE_NEWNET) != 0)
        die_errno("setns back");
    close(there);
    close(home);
    return fd;
}

static void add_link(struct emulator *emulator, char *text)
{
    struct link *link = &emulator->links[emulator->count];
    char *field[5];
    char *save = NULL;

    if (emulator->count == MAX_LINKS)
        die("more than %d links", MAX_LINKS);
    for (size_t i = 0; i < ARRAY_LENGTH(field); i++) {
        field[i] = strtok_r(i == 0 ? text : NULL, ",", &save);
        if (field[i] == NULL)
            die("--link wants NAME,NETNS_A,DEV_A,NETNS_B,DEV_B");
    }
    snprintf(link->name, sizeof(link->name), "%s", field[0]);
    for (size_t side = 0; side < 2; side++) {
        link->tun[side] = make_tun(field[1 + 2 * side], field[2 + 2 * side]);
        direction_init(&link->towards[side], emulator->seed + 2 * emulator->count + side);
    }
    tcpwatch_init(&link->watch);
    tcpbox_init(&link->box);
    emulator->count++;
}

static struct link *find_link(struct emulator *emulator, const char *name)
{
    for (size_t i = 0; i < emulator->count; i++) {
        if (strcmp(emulator->links[i].name, name) == 0)
            return &emulator->links[i];
    }
    return NULL;
}

static void command_set(struct emulator *emulator, int argc, char **argv, FILE *answer)
{
    struct link *link = argc < 4 ? NULL : find_link(emulator, argv[1]);
    uint64_t now = now_ns();
    bool towards[2];

    if (link == NULL) {
        fputs("error: set LINK {a2b|b2a|both} KEY=VALUE...", answer);
        return;
    }
    towards[0] = strcmp(argv[2], "a2b") != 0;
    towards[1] = strcmp(argv[2], "b2a") != 0;
    for (int i = 3; i < argc; i++) {
        for (size_t side = 0; side < 2; side++) {
            if (towards[side] && !direction_set(&link->towards[side], argv[i], now)) {
                fprintf(answer, "error: %s", argv[i]);
                return;
            }
        }
    }
    fputs("ok", answer);
}

static void command_report(struct emulator *emulator, FILE *answer)
{
    for (size_t i = 0; i < emulator->count; i++) {
        fprintf(answer, "%s\"%s\":{\"b2a\":", i == 0 ? "{" : ",", emulator->links[i].name);
        direction_report(&emulator->links[i].towards[0], answer);
        fputs(",\"a2b\":", answer);
        direction_report(&emulator->links[i].towards[1], answer);
        fputs(",\"tcp\":", answer);
        tcpwatch_report(&emulator->links[i].watch, answer);
        fputs(",\"box\":", answer);
        tcpbox_report(&emulator->links[i].box, now_ns(), answer);
        fputc('}', answer);
    }
    fputc('}', answer);
}

static void on_command(void *context, int argc, char **argv, FILE *answer)
{
    struct emulator *emulator = context;

    if (strcmp(argv[0], "set") == 0) {
        command_set(emulator, argc, argv, answer);
    } else if (strcmp(argv[0], "watch") == 0 && argc == 2 &&
               find_link(emulator, argv[1]) != NULL) {
        struct link *link = find_link(emulator, argv[1]);

        tcpwatch_deinit(&link->watch);
        tcpwatch_init(&link->watch);
        fputs("ok", answer);
    } else if (strcmp(argv[0], "limit") == 0 && argc == 3 &&
               find_link(emulator, argv[1]) != NULL &&
               tcpbox_set(&find_link(emulator, argv[1])->box, argv[2])) {
        fputs("ok", answer);
    } else if (strcmp(argv[0], "report") == 0) {
        command_report(emulator, answer);
    } else if (strcmp(argv[0], "quit") == 0) {
        emulator->quit = true;
        fputs("ok", answer);
    } else {
        fprintf(answer, "error: %s", argv[0]);
    }
}

static void put(struct link *link, size_t towards, const uint8_t *bytes, size_t length)
{
    struct packet *packet = malloc(sizeof(*packet) + length);

    if (packet == NULL)
        die("out of memory");
    packet->length = length;
    memcpy(packet->bytes, bytes, length);
    direction_put(&link->towards[towards], packet, now_ns());
}

/* A device that is down loses the packet, as a real one does. */
static void write_packet(const struct link *link, size_t side, const uint8_t *bytes,
                         size_t length)
{
    if (write(link->tun[side], bytes, length) < 0 && errno == EBADFD)
        die_errno("%s", link->name);
}

/* Whether the middlebox lets the packet from `side` pass. A reset for A crosses the link.
 */
static bool box_passes(struct link *link, size_t side, const uint8_t *bytes, size_t length)
{
    struct tcpbox_resets resets;
    enum tcpbox_verdict verdict =
        tcpbox_packet(&link->box, bytes, length, now_ns(), &resets);

    if (verdict == TCPBOX_RESET || verdict == TCPBOX_REFUSE)
        put(link, 0, side == 0 ? resets.to_sender : resets.to_receiver, TCPBOX_RESET_SIZE);
    if (verdict == TCPBOX_RESET)
        write_packet(link, 1, side == 0 ? resets.to_receiver : resets.to_sender,
                     TCPBOX_RESET_SIZE);
    return verdict == TCPBOX_PASS;
}

/* Takes what the device of `side` has sent, at most a batch, so that deliveries stay on
 * time. */
static void read_side(struct link *link, size_t side)
{
    static uint8_t bytes[MAX_PACKET];

    for (int i = 0; i < READ_BATCH; i++) {
        ssize_t length = read(link->tun[side], bytes, sizeof(bytes));

        if (length <= 0)
            return;
        if (side == 0)
            tcpwatch_packet(&link->watch, bytes, (size_t)length);
        if (side == 0 || box_passes(link, side, bytes, (size_t)length))
            put(link, !side, bytes, (size_t)length);
    }
}

static void write_side(struct link *link, size_t side, uint64_t now)
{
    struct packet *packet;

    while ((packet = direction_get(&link->towards[side], now)) != NULL) {
        if (side == 0)
            tcpwatch_packet(&link->watch, packet->bytes, packet->length);
        if (side == 0 || box_passes(link, 0, packet->bytes, packet->length))
            write_packet(link, side, packet->bytes, packet->length);
        free(packet);
    }
}

/* Delivers the packets that are due; returns when the next one will be. */
static uint64_t deliver(struct emulator *emulator)
{
    uint64_t next = TIME_NEVER;

    for (size_t i = 0; i < emulator->count; i++) {
        for (size_t side = 0; side < 2; side++) {
            write_side(&emulator->links[i], side, now_ns());
            next = MIN(next, direction_next_at_ns(&emulator->links[i].towards[side]));
        }
    }
    return next;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S),
                             .tv_nsec = (long)(ns % NS_PER_S)};
}

static void wait_for(struct pollfd *polls, nfds_t count, uint64_t next)
{
    uint64_t now = now_ns();
    struct timespec timeout = timespec_of(next > now ? next - now : 0);

    if (ppoll(polls, count, next == TIME_NEVER ? NULL : &timeout, NULL) < 0 &&
        errno != EINTR)
        die_errno("ppoll");
}

static void run(struct emulator *emulator)
{
    struct pollfd polls[2 * MAX_LINKS + 1];
    struct timespec turn;
    nfds_t tuns = (nfds_t)(2 * emulator->count);

    for (nfds_t i = 0; i < tuns; i++)
        polls[i] =
            (struct pollfd){.fd = emulator->links[i / 2].tun[i % 2], .events = POLLIN};
    while (!emulator->quit) {
        polls[tuns] =
            (struct pollfd){.fd = control_fd(&emulator->control), .events = POLLIN};
        turn = timespec_of(now_ns() + emulator->quantum_ns);
        wait_for(polls, tuns + 1, deliver(emulator));
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &turn, NULL);
        for (nfds_t i = 0; i < tuns; i++) {
            if (polls[i].revents != 0)
                read_side(&emulator->links[i / 2], i % 2);
        }
        if (polls[tuns].revents != 0)
            control_ready(&emulator->control, on_command, emulator);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"quantum", required_argument, NULL, 'q'},
                                            {"control", required_argument, NULL, 'c'},
                                            {"link", required_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    static struct emulator emulator = {
        .control = {.listener = -1, .client = -1}, .seed = 1, .quantum_ns = 100000};
    int option;

    /* On a busy machine packets would be late by what other processes take; where this is
     * not allowed, they are. */
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
    /* Timers to the microsecond: the default slack of 50 us is a tenth of a short delay. */
    prctl(PR_SET_TIMERSLACK, 1UL);
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        switch (option) {
        case 's': emulator.seed = strtoull(optarg, NULL, 0); break;
        case 'q':
            if (!parse_duration(optarg, &emulator.quantum_ns))
                die("no duration: %s", optarg);
            break;
        case 'c': control_init(&emulator.control, optarg); break;
        case 'l': add_link(&emulator, optarg); break;
        default: return 2;
        }
    }
    if (emulator.control.listener < 0 || emulator.count == 0)
        die("--control and --link are needed");
    puts("ready");
    fflush(stdout);
    run(&emulator);
    for (size_t i = 0; i < emulator.count; i++) {
        direction_deinit(&emulator.links[i].towards[0]);
        direction_deinit(&emulator.links[i].towards[1]);
        tcpwatch_deinit(&emulator.links[i].watch);
        tcpbox_deinit(&emulator.links[i].box);
    }
    return 0;
}
