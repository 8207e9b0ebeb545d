/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/engine/stream/stream.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct edge {
    unsigned from, to;
};

/* A direction of a stream: its edges, its number of states, and how to set and read it. */
struct direction {
    const struct edge *edges;
    size_t edge_count;
    unsigned states;
    void (*set)(struct stream *stream, unsigned state);
    unsigned (*get)(const struct stream *stream);
};

static const struct edge out_edges[] = {
    {STREAM_OUT_READY, STREAM_OUT_SEND},
    {STREAM_OUT_READY, STREAM_OUT_RESET_SENT},
    {STREAM_OUT_READY, STREAM_OUT_ABANDONED},
    {STREAM_OUT_SEND, STREAM_OUT_DATA_SENT},
    {STREAM_OUT_SEND, STREAM_OUT_RESET_SENT},
    {STREAM_OUT_SEND, STREAM_OUT_ABANDONED},
    {STREAM_OUT_DATA_SENT, STREAM_OUT_DATA_RECEIVED},
    {STREAM_OUT_DATA_SENT, STREAM_OUT_RESET_SENT},
    {STREAM_OUT_DATA_SENT, STREAM_OUT_ABANDONED},
    {STREAM_OUT_DATA_RECEIVED, STREAM_OUT_RESET_SENT},
    {STREAM_OUT_RESET_SENT, STREAM_OUT_RESET_RECEIVED},
    {STREAM_OUT_RESET_SENT, STREAM_OUT_ABANDONED},
};

static const struct edge in_edges[] = {
    {STREAM_IN_RECV, STREAM_IN_SIZE_KNOWN},
    {STREAM_IN_RECV, STREAM_IN_ABANDONED},
    {STREAM_IN_SIZE_KNOWN, STREAM_IN_DATA_RECEIVED},
    {STREAM_IN_SIZE_KNOWN, STREAM_IN_RESET_RECEIVED},
    {STREAM_IN_DATA_RECEIVED, STREAM_IN_DATA_READ},
    {STREAM_IN_DATA_RECEIVED, STREAM_IN_RESET_COMPLETE},
    {STREAM_IN_DATA_READ, STREAM_IN_RESET_COMPLETE},
};

#define OUT_STATES (STREAM_OUT_ABANDONED + 1)
#define IN_STATES (STREAM_IN_ABANDONED + 1)

static void set_out(struct stream *stream, unsigned state)
{
    stream_set_out_state(stream, (enum stream_out_state)state);
}

static unsigned get_out(const struct stream *stream)
{
    return stream->out_state;
}

static void set_in(struct stream *stream, unsigned state)
{
    stream_set_in_state(stream, (enum stream_in_state)state);
}

static unsigned get_in(const struct stream *stream)
{
    return stream->in_state;
}

static const struct direction sending = {out_edges, ARRAY_LENGTH(out_edges), OUT_STATES,
                                         set_out, get_out};
static const struct direction receiving = {in_edges, ARRAY_LENGTH(in_edges), IN_STATES,
                                           set_in, get_in};

static bool is_legal(const struct direction *direction, unsigned from, unsigned to)
{
    for (size_t i = 0; i < direction->edge_count; i++)
        if (direction->edges[i].from == from && direction->edges[i].to == to)
            return true;
    return false;
}

/* Whether the assertion ends a process that takes the edge. */
static bool is_refused(const struct direction *direction, struct stream stream, unsigned to)
{
    const struct rlimit no_core = {0, 0};
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO);
        direction->set(&stream, to);
        _exit(EXIT_SUCCESS);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* Goes from the stream's state to all that can be reached from there; tries each edge once,
 * as no state is left twice. */
static void walk(const struct direction *direction, const struct stream *stream,
                 bool *reached)
{
    unsigned from = direction->get(stream);

    reached[from] = true;
    for (unsigned to = 0; to < direction->states; to++) {
        struct stream next = *stream;

        if (!is_legal(direction, from, to)) {
            assert_true(is_refused(direction, next, to));
            continue;
        }
        direction->set(&next, to);
        assert_int_equal(direction->get(&next), to);
        if (!reached[to])
            walk(direction, &next, reached);
    }
}

static void walk_from_the_first(const struct direction *direction)
{
    const struct stream stream = {.id = 1};
    bool reached[MAX(OUT_STATES, IN_STATES)] = {false};

#ifdef NDEBUG
    UNIT_SKIP("built without assertions");
#endif
    walk(direction, &stream, reached);
    for (unsigned i = 0; i < direction->states; i++)
        assert_true(reached[i]);
}

static void test_edges_of_sending(void **state)
{
    (void)state;
    walk_from_the_first(&sending);
}

static void test_edges_of_receiving(void **state)
{
    (void)state;
    walk_from_the_first(&receiving);
}

static void test_questions_about_sending(void **state)
{
    static const struct {
        bool is_sending, is_cut, done;
    } expected[] = {
        [STREAM_OUT_READY] = {.is_sending = true},
        [STREAM_OUT_SEND] = {.is_sending = true},
        [STREAM_OUT_DATA_SENT] = {.is_sending = true},
        [STREAM_OUT_DATA_RECEIVED] = {.done = true},
        [STREAM_OUT_RESET_SENT] = {.is_cut = true},
        [STREAM_OUT_RESET_RECEIVED] = {.is_cut = true, .done = true},
        [STREAM_OUT_ABANDONED] = {.is_cut = true, .done = true},
    };
    (void)state;

    for (unsigned i = 0; i < OUT_STATES; i++) {
        struct stream stream = {.out_state = (uint8_t)i};

        assert_int_equal(stream_is_sending(&stream), expected[i].is_sending);
        assert_int_equal(stream_send_is_cut(&stream), expected[i].is_cut);
        assert_int_equal(stream_send_done(&stream), expected[i].done);
    }
}

static void test_questions_about_receiving(void **state)
{
    static const struct {
        bool was_reset, done;
    } expected[] = {
        [STREAM_IN_RECV] = {.done = false},
        [STREAM_IN_SIZE_KNOWN] = {.done = false},
        [STREAM_IN_DATA_RECEIVED] = {.done = false},
        [STREAM_IN_DATA_READ] = {.done = true},
        [STREAM_IN_RESET_RECEIVED] = {.was_reset = true, .done = true},
        [STREAM_IN_RESET_COMPLETE] = {.was_reset = true, .done = true},
        [STREAM_IN_ABANDONED] = {.done = true},
    };
    (void)state;

    for (unsigned i = 0; i < IN_STATES; i++) {
        struct stream stream = {.in_state = (uint8_t)i};

        assert_int_equal(stream_was_reset(&stream), expected[i].was_reset);
        assert_int_equal(stream_receive_done(&stream), expected[i].done);
    }
}

/* A direction that is settled stays as it is, and so does data that can still be read. */
static void test_abandoned_streams(void **state)
{
    (void)state;

    for (unsigned i = 0; i < OUT_STATES; i++) {
        struct stream stream = {.out_state = (uint8_t)i};
        bool settled = stream_send_done(&stream);

        stream_abandon(&stream);
        assert_int_equal(stream.out_state, settled ? i : STREAM_OUT_ABANDONED);
        assert_int_equal(stream.in_state, STREAM_IN_ABANDONED);
    }
    for (unsigned i = STREAM_IN_DATA_RECEIVED; i < IN_STATES; i++) {
        struct stream stream = {.in_state = (uint8_t)i};

        stream_abandon(&stream);
        assert_int_equal(stream.in_state, i);
    }
}

UNIT_MAIN(cmocka_unit_test(test_edges_of_sending),
          cmocka_unit_test(test_edges_of_receiving),
          cmocka_unit_test(test_questions_about_sending),
          cmocka_unit_test(test_questions_about_receiving),
          cmocka_unit_test(test_abandoned_streams))
