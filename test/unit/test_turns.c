/* SPDX-License-Identifier: MIT */
/* A loop that reads what is ready: who gets how much of its time. */
#include "unit.h"

#include <splitsocks/base/turns.h>

#include <stdbool.h>

#define CLIENTS 6
#define SOCKETS_MAX 50

struct loop {
    struct turns turns;
    struct client {
        struct turn turn;
        unsigned sockets;
        size_t ready; /* bytes that a read of one of its sockets brings; 0: it is idle */
        uint32_t rounds[SOCKETS_MAX];
        uint64_t bytes[SOCKETS_MAX];
    } clients[CLIENTS];
};

static void run_once(struct loop *loop)
{
    turns_next(&loop->turns);
    for (struct client *client = loop->clients; client < loop->clients + CLIENTS; client++)
        for (unsigned i = 0; client->ready > 0 && i < client->sockets; i++) {
            size_t most = turn_most(&loop->turns, &client->turn, &client->rounds[i]);
            size_t n = MIN(most, client->ready);

            if (most == 0)
                continue;
            client->bytes[i] += n;
            turn_read(&loop->turns, &client->turn, n, true);
        }
}

static void run(struct loop *loop, unsigned iterations)
{
    while (iterations-- > 0)
        run_once(loop);
}

static uint64_t sum(const struct client *client)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < client->sockets; i++)
        total += client->bytes[i];
    return total;
}

static void check_shares(const struct loop *loop)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < CLIENTS; i++)
        all += sum(&loop->clients[i]);
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_in_range(sum(&loop->clients[i]) * CLIENTS, all * 9 / 10, all * 11 / 10);
}

static void test_fifty_sockets_get_as_much_as_one(void **state)
{
    static const size_t reads[] = {200000, 1 << 20, 65536};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(reads); i++) {
        struct loop loop = {.turns = {0}};

        for (unsigned j = 0; j < CLIENTS; j++)
            loop.clients[j] =
                (struct client){.sockets = j == 2 ? SOCKETS_MAX : 1, .ready = reads[i]};
        run(&loop, 2000);
        check_shares(&loop);
    }
}

/* All of its own sockets get the same. */
static void test_each_socket_has_its_turn(void **state)
{
    struct loop loop = {.turns = {0}};
    const struct client *busy = &loop.clients[0];
    (void)state;

    loop.clients[0] = (struct client){.sockets = SOCKETS_MAX, .ready = 100000};
    loop.clients[1] = (struct client){.sockets = 1, .ready = 150000};
    run(&loop, 5000);
    for (unsigned i = 0; i < SOCKETS_MAX; i++)
        assert_in_range(busy->bytes[i] * SOCKETS_MAX, sum(busy) * 9 / 10,
                        sum(busy) * 11 / 10);
}

static void test_several_with_many_sockets(void **state)
{
    struct loop loop = {.turns = {0}};
    (void)state;

    for (unsigned j = 0; j < CLIENTS; j++)
        loop.clients[j] =
            (struct client){.sockets = j < 3 ? 10 + 10 * j : 1, .ready = 1 << 20};
    run(&loop, 3000);
    check_shares(&loop);
}

static void test_an_iteration_is_short(void **state)
{
    struct loop loop = {.turns = {0}};
    (void)state;

    loop.clients[0] = (struct client){.sockets = SOCKETS_MAX, .ready = 1 << 20};
    run(&loop, 10);
    assert_in_range(sum(&loop.clients[0]), 9 << 20, 10 << 20);
    loop.clients[1] = (struct client){.sockets = 1, .ready = 1 << 20};
    run(&loop, 1);
    for (unsigned i = 0; i < CLIENTS; i++)
        for (unsigned j = 0; j < SOCKETS_MAX; j++)
            loop.clients[i].bytes[j] = 0;
    run(&loop, 1);
    assert_in_range(sum(&loop.clients[0]) + sum(&loop.clients[1]), 1, 512 * 1024);
}

/* However many clients are busy, one that is not waits for few reads, and is put off by
 * none. */
static void test_little_is_read_at_once(void **state)
{
    struct loop loop = {.turns = {0}};
    const struct client *quiet = &loop.clients[CLIENTS - 1];
    (void)state;

    for (unsigned j = 0; j < CLIENTS; j++)
        loop.clients[j] = (struct client){.sockets = 10, .ready = 1 << 20};
    loop.clients[CLIENTS - 1] = (struct client){.sockets = 1};
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t before = sum(quiet);

        loop.clients[CLIENTS - 1].ready = i % 10 == 0 ? 100 : 0;
        run_once(&loop);
        assert_true(i < 10 || loop.turns.spent <= 450 * 1024);
        assert_int_equal(sum(quiet) - before, quiet->ready);
    }
}

/* A client that had nothing to read in every other iteration gets its part all the same,
 * and one that was away for long gets no more than its part. */
static void test_a_gap_is_made_up_for(void **state)
{
    struct loop loop = {.turns = {0}};
    uint64_t others;
    (void)state;

    for (unsigned j = 0; j < CLIENTS; j++)
        loop.clients[j] =
            (struct client){.sockets = j == 2 ? SOCKETS_MAX : 1, .ready = 1 << 20};
    for (unsigned i = 0; i < 2000; i++) {
        loop.clients[0].ready = i % 2 == 0 ? 0 : 1 << 20;
        run_once(&loop);
    }
    check_shares(&loop);
    loop.clients[0].ready = 0;
    run(&loop, 2000);
    others = sum(&loop.clients[1]);
    loop.clients[0] =
        (struct client){.turn = loop.clients[0].turn, .sockets = 1, .ready = 1 << 20};
    run(&loop, 2000);
    others = sum(&loop.clients[1]) - others;
    assert_in_range(sum(&loop.clients[0]), others * 9 / 10,
                    others + 2 * (uint64_t)TURN_CREDIT);
}

/* Small reads cost, too: a client that sends crumbs takes no more time than the others. */
static void test_crumbs_are_no_way_around(void **state)
{
    struct loop loop = {.turns = {0}};
    (void)state;

    loop.clients[0] = (struct client){.sockets = SOCKETS_MAX, .ready = 1};
    loop.clients[1] = (struct client){.sockets = 1, .ready = 4 * TURN_READ_COST};
    run(&loop, 1000);
    assert_in_range(sum(&loop.clients[0]), 1000, 1000 * 6);
    assert_in_range(sum(&loop.clients[1]), 800 * 4 * TURN_READ_COST,
                    1000 * 4 * TURN_READ_COST);
}

/* A client has few errands done in an iteration, also when it is alone, and they take from
 * what it may read. */
static void test_errands_are_spread(void **state)
{
    struct loop loop = {.turns = {0}};
    struct client *busy = &loop.clients[0];
    (void)state;

    busy->sockets = loop.clients[1].sockets = 1;
    busy->ready = TURN_BYTES;
    for (unsigned i = 0; i < 1000; i++) {
        unsigned errands = 0;

        if (i == 500) {
            busy->bytes[0] = 0;
            loop.clients[1].ready = TURN_BYTES;
        }
        run_once(&loop);
        while (turn_may_ask(&loop.turns, &busy->turn)) {
            turn_errand(&loop.turns, &busy->turn);
            errands++;
        }
        assert_in_range(errands, 1, 10);
    }
    assert_in_range(sum(busy), 1, sum(&loop.clients[1]) / 2);
}

/* One whose reads take long gets no more of the time than others, who read bulk. */
static void test_reads_that_are_left_half_way(void **state)
{
    enum { CHUNK = 16 * 1024 };
    struct loop loop = {0};
    struct client *busy = &loop.clients[0];
    uint64_t left = 0;
    (void)state;

    for (unsigned i = 0; i < CLIENTS; i++) {
        loop.clients[i].sockets = 1;
        loop.clients[i].ready = i == 0 ? 0 : TURN_BYTES;
    }
    for (unsigned i = 0; i < 10000; i++) {
        run_once(&loop);
        if (turn_most(&loop.turns, &busy->turn, &busy->rounds[0]) == 0)
            continue;
        turn_read(&loop.turns, &busy->turn, CHUNK, true);
        turn_left(&loop.turns, &busy->turn);
        left++;
    }
    /* A byte of bulk takes a nanosecond. */
    assert_in_range(left * TURN_FRAMES_NS, sum(&loop.clients[1]) * 8 / 10,
                    sum(&loop.clients[1]) * 11 / 10);
}

UNIT_MAIN(cmocka_unit_test(test_fifty_sockets_get_as_much_as_one),
          cmocka_unit_test(test_each_socket_has_its_turn),
          cmocka_unit_test(test_several_with_many_sockets),
          cmocka_unit_test(test_an_iteration_is_short),
          cmocka_unit_test(test_little_is_read_at_once),
          cmocka_unit_test(test_a_gap_is_made_up_for),
          cmocka_unit_test(test_crumbs_are_no_way_around),
          cmocka_unit_test(test_errands_are_spread),
          cmocka_unit_test(test_reads_that_are_left_half_way))
