/* SPDX-License-Identifier: MIT */
#include "wirepair.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    READ_SIZE = 256 * 1024,
    QUEUE_LIMIT = 512 * 1024,         /* a lane reads no further */
    DELAYED_LIMIT = 16 * 1024 * 1024, /* the same while delay holds bytes back */
};

struct piece {
    struct piece *next;
    uint64_t due_at_ns;
    size_t offset, length;
    uint8_t bytes[];
};

static void watch_side(struct side *side, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.ptr = side};
    int operation = side->interest == UINT32_MAX ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

    if (side->fd < 0 || side->interest == interest)
        return;
    if (epoll_ctl(side->pair->wire->epoll, operation, side->fd, &event) != 0)
        die_errno("epoll_ctl");
    side->interest = interest;
}

static void close_side(struct side *side, bool reset)
{
    if (side->fd < 0)
        return;
    if (reset)
        reset_on_close(side->fd);
    close(side->fd);
    side->fd = -1;
    if (side->index == CLIENT)
        side->pair->wire->open--;
}

static void lane_clear(struct lane *lane)
{
    while (lane->first != NULL) {
        struct piece *piece = lane->first;

        lane->first = piece->next;
        free(piece);
    }
    lane->last = &lane->first;
    lane->queued = 0;
}

static void end_pair(struct pair *pair, bool reset)
{
    struct wire *wire = pair->wire;

    if (pair->dead)
        return;
    pair->dead = true;
    for (int i = 0; i < 2; i++) {
        close_side(&pair->side[i], reset);
        lane_clear(&pair->lane[i]);
        if (pair->lane[i].record >= 0)
            close(pair->lane[i].record);
    }
    *pair->previous = pair->next;
    if (pair->next != NULL)
        pair->next->previous = pair->previous;
    pair->next = wire->dead;
    wire->dead = pair;
}

void pair_reset(struct pair *pair)
{
    end_pair(pair, true);
}

void wire_reap(struct wire *wire)
{
    while (wire->dead != NULL) {
        struct pair *pair = wire->dead;

        wire->dead = pair->next;
        free(pair);
    }
}

static int open_record(const struct wire *wire, uint64_t number, const char *suffix)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%llu.%s", wire->record_directory,
             (unsigned long long)number, suffix);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        die_errno("%s", path);
    return fd;
}

static void start_record(struct pair *pair)
{
    struct wire *wire = pair->wire;

    if (wire->record_directory == NULL || wire->record_left == 0)
        return;
    wire->record_left--;
    pair->lane[UP].record = open_record(wire, pair->number, "up");
    pair->lane[DOWN].record = open_record(wire, pair->number, "down");
}

struct pair *pair_new(struct wire *wire, int client, const struct endpoint *server)
{
    struct pair *pair = allocate(1, sizeof(*pair));
    int one = 1;

    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *pair = (struct pair){.next = wire->first, .previous = &wire->first, .wire = wire};
    if (pair->next != NULL)
        pair->next->previous = &pair->next;
    wire->first = pair;
    pair->number = wire->connections++;
    pair->stalled = wire->stalled;
    wire->open++;
    for (int i = 0; i < 2; i++) {
        pair->side[i] = (struct side){
            .pair = pair,
            .fd = i == CLIENT ? client : connect_tcp(server),
            .index = i,
            .connecting = i == SERVER,
            .interest = UINT32_MAX,
        };
        pair->lane[i] =
            (struct lane){.fin_at_ns = TIME_NEVER, .reset_at_ns = TIME_NEVER, .record = -1};
        pair->lane[i].last = &pair->lane[i].first;
    }
    start_record(pair);
    if (pair->side[SERVER].fd < 0) {
        wire->connect_failed++;
        end_pair(pair, true);
        return pair;
    }
    pair_update(pair);
    return pair;
}

static void lane_push(struct lane *lane, const uint8_t *bytes, size_t length, uint64_t due)
{
    struct piece *piece = malloc(sizeof(*piece) + length);

    if (piece == NULL)
        die("out of memory");
    *piece = (struct piece){.due_at_ns = due, .length = length};
    memcpy(piece->bytes, bytes, length);
    *lane->last = piece;
    lane->last = &piece->next;
    lane->queued += length;
}

/* Writes at once as much as it can; returns the number of bytes. A socket that was reset
 * takes all. */
static size_t write_some(struct side *side, const uint8_t *bytes, size_t length)
{
    ssize_t put;

    if (side->fd < 0 || side->broken)
        return length;
    if (side->connecting)
        return 0;
    put = send(side->fd, bytes, length, MSG_NOSIGNAL);
    if (put >= 0)
        return (size_t)put;
    if (errno == EAGAIN)
        return 0;
    side->broken = true;
    return length;
}

/* Writes the due part of a lane's queue. True when the other side must become writable
 * first. */
static bool lane_flush(struct pair *pair, int index, uint64_t now)
{
    struct lane *lane = &pair->lane[index];
    struct side *to = &pair->side[!index];

    while (lane->first != NULL && lane->first->due_at_ns <= now) {
        struct piece *piece = lane->first;
        size_t put =
            write_some(to, piece->bytes + piece->offset, piece->length - piece->offset);

        piece->offset += put;
        lane->queued -= put;
        if (piece->offset < piece->length)
            return true;
        lane->first = piece->next;
        if (lane->first == NULL)
            lane->last = &lane->first;
        free(piece);
    }
    if (lane->first == NULL && lane->fin_at_ns <= now && !lane->written_fin &&
        !to->connecting) {
        lane->written_fin = true;
        if (to->fd >= 0)
            shutdown(to->fd, SHUT_WR);
    }
    return false;
}

uint64_t pair_next_at_ns(const struct pair *pair)
{
    uint64_t next = TIME_NEVER;

    for (int i = 0; i < 2 && !pair->stalled; i++) {
        const struct lane *lane = &pair->lane[i];

        if (lane->first != NULL)
            next = MIN(next, lane->first->due_at_ns);
        else if (!lane->written_fin)
            next = MIN(next, lane->fin_at_ns);
        next = MIN(next, lane->reset_at_ns);
    }
    return next;
}

/* Carries out the wire's fault on freshly read bytes; returns how many of them remain. */
static size_t apply_fault(struct pair *pair, int index, uint8_t *bytes, size_t length)
{
    struct wire *wire = pair->wire;
    struct fault *fault = &wire->fault;
    struct lane *lane = &pair->lane[index];

    if (fault->kind == FAULT_NONE || fault->lane != index || fault->offset < lane->read ||
        fault->offset >= lane->read + length ||
        (fault->connection != FAULT_ANY && fault->connection != pair->number))
        return length;
    wire->faults++;
    if (fault->kind == FAULT_FLIP) {
        bytes[fault->offset - lane->read] ^= 1;
        return length;
    }
    if (fault->kind == FAULT_CUT)
        lane->fin_at_ns = now_ns() + wire->delay_ns[index];
    else
        lane->reset_at_ns = now_ns() + wire->delay_ns[index];
    lane->read_done = true;
    return (size_t)(fault->offset - lane->read);
}

static void take_bytes(struct pair *pair, int index, uint8_t *bytes, size_t length)
{
    struct wire *wire = pair->wire;
    struct lane *lane = &pair->lane[index];
    size_t kept = apply_fault(pair, index, bytes, length);
    size_t put = 0;

    if (lane->record >= 0 && write(lane->record, bytes, kept) != (ssize_t)kept)
        die_errno("record");
    lane->read += length;
    wire->bytes[index] += length;
    wire->max_bytes[index] = MAX(wire->max_bytes[index], lane->read);
    if (lane->first == NULL && wire->delay_ns[index] == 0)
        put = write_some(&pair->side[!index], bytes, kept);
    if (put < kept)
        lane_push(lane, bytes + put, kept - put, now_ns() + wire->delay_ns[index]);
}

static void take_reset(struct pair *pair, int index)
{
    struct lane *lane = &pair->lane[index];

    lane->read_done = true;
    lane->reset_at_ns = now_ns() + pair->wire->delay_ns[index];
    pair->wire->resets[index]++;
    close_side(&pair->side[index], true);
}

/* Reads until there is nothing, or to the end when the side has hung up. */
static void read_side(struct pair *pair, int index, bool hung_up)
{
    static uint8_t bytes[READ_SIZE];
    struct lane *lane = &pair->lane[index];

    while (pair->side[index].fd >= 0 && !lane->read_done &&
           (hung_up || lane->queued < QUEUE_LIMIT || pair->wire->delay_ns[index] != 0)) {
        ssize_t got = read(pair->side[index].fd, bytes, sizeof(bytes));

        if (got > 0) {
            take_bytes(pair, index, bytes, (size_t)got);
        } else if (got == 0 && !pair->side[index].broken) {
            lane->read_done = true;
            lane->fin_at_ns = now_ns() + pair->wire->delay_ns[index];
            pair->wire->fins[index]++;
        } else if (got < 0 && errno == EAGAIN) {
            return;
        } else {
            take_reset(pair, index);
        }
        if (!hung_up && got < (ssize_t)sizeof(bytes))
            return;
    }
}

void pair_update(struct pair *pair)
{
    uint64_t now = now_ns();
    bool blocked[2];

    if (pair->dead)
        return;
    if (pair->stalled) {
        watch_side(&pair->side[CLIENT], 0);
        watch_side(&pair->side[SERVER], 0);
        return;
    }
    for (int i = 0; i < 2; i++)
        blocked[i] = lane_flush(pair, i, now);
    for (int i = 0; i < 2; i++) {
        if (pair->side[i].broken)
            read_side(pair, i, true);
    }
    for (int i = 0; i < 2; i++) {
        if (pair->lane[i].reset_at_ns <= now) {
            end_pair(pair, true);
            return;
        }
    }
    if (pair->lane[UP].written_fin && pair->lane[DOWN].written_fin) {
        end_pair(pair, false);
        return;
    }
    for (int i = 0; i < 2; i++) {
        size_t limit = pair->wire->delay_ns[i] == 0 ? QUEUE_LIMIT : DELAYED_LIMIT;
        bool in = !pair->lane[i].read_done && pair->lane[i].queued < limit;
        bool out = blocked[!i] || pair->side[i].connecting;

        watch_side(&pair->side[i],
                   (in ? (uint32_t)EPOLLIN : 0) | (out ? (uint32_t)EPOLLOUT : 0));
    }
}

/* The connection to the server has come up, or has failed: then the client is reset. */
static bool connected(struct pair *pair, uint32_t events)
{
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        pair->wire->connect_failed++;
        end_pair(pair, true);
        return false;
    }
    pair->side[SERVER].connecting = false;
    return true;
}

void pair_event(struct side *side, uint32_t events)
{
    struct pair *pair = side->pair;
    int index = side->index;
    bool hung_up = (events & (EPOLLERR | EPOLLHUP)) != 0;

    if (pair->dead || side->fd < 0)
        return;
    if (side->connecting && !connected(pair, events))
        return;
    if (pair->stalled && hung_up) {
        /* The bytes that it sent before are lost with the stalled path; only its end
         * counts. */
        take_reset(pair, index);
    } else if (!pair->stalled) {
        read_side(pair, index, hung_up);
        /* A hang-up that stays would be reported for ever. Without an error it says no more
         * than that both directions have ended. */
        if (hung_up && side->fd >= 0 && (events & EPOLLERR) != 0)
            take_reset(pair, index);
        else if (hung_up && pair->lane[index].read_done)
            close_side(side, false);
    }
    pair_update(pair);
}
