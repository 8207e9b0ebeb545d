/* Several paths: their properties, whether they work, and what streams may use. */
#include "session_pair.h"

#include "../../src/core/session_internal.h"

#define MIB (1024 * 1024)

static struct stream *open_stream(struct pair *pair, const struct stream_policy *policy)
{
    struct target target = pair_target();
    struct stream *stream = session_stream_open(pair->local, &target, policy, pair->now);

    assert_non_null(stream);
    return stream;
}

/* Two paths, and one accepted stream. */
static struct pair *connected(const struct stream_policy *policy, struct stream **stream)
{
    struct session_config config = pair_config();
    struct pair *pair;

    config.path_count = 2;
    pair = pair_new(&config);
    *stream = open_stream(pair, policy);
    pair_run_ms(pair, 300);
    assert_int_equal(pair->opened_count, 1);
    return pair;
}

static unsigned open_on(const struct pair *pair, unsigned path)
{
    unsigned count = 0;

    for (unsigned i = 0; i < pair->connection_count; i++)
        count += pair->connections[i].open && pair->connections[i].path == path;
    return count;
}

static unsigned dials_on(const struct pair *pair, unsigned path)
{
    unsigned count = 0;

    for (unsigned i = 0; i < pair->connection_count; i++)
        count += pair->connections[i].path == path;
    return count;
}

static bool move(struct pair *pair, struct stream *stream, uint64_t length, unsigned ms)
{
    return pair_transfer(pair, pair->relay, pair->incoming[0], pair->local, stream, length,
                         ms);
}

static void set_path(struct pair *pair, unsigned path, struct path_properties properties)
{
    session_set_path(pair->local, path, &properties, pair->now);
    pair_step(pair);
}

static void test_an_unusable_path_is_left_at_once_and_used_again(void **state)
{
    struct stream *stream;
    struct pair *pair = connected(NULL, &stream);
    unsigned dials;
    (void)state;

    assert_true(open_on(pair, 0) > 0 && open_on(pair, 1) > 0);
    assert_int_equal(pair->path_up_count, 2);
    set_path(pair, 1, (struct path_properties){.usable = false});
    assert_int_equal(open_on(pair, 1), 0);
    assert_int_equal(pair->path_down_count, 1);
    assert_int_equal(pair->path_reason, PATH_REASON_UNUSABLE);
    dials = dials_on(pair, 1);
    assert_true(move(pair, stream, MIB, 5000));
    assert_int_equal(dials_on(pair, 1), dials);
    assert_false(pair->relay->paths[1].properties.usable);
    set_path(pair, 1, (struct path_properties){.usable = true});
    assert_true(move(pair, stream, MIB, 5000));
    pair_run_ms(pair, 100);
    assert_true(dials_on(pair, 1) > dials);
    assert_int_equal(pair->path_up_count, 3);
    assert_true(pair->relay->paths[1].properties.usable);
    pair_free(pair);
}

static void test_the_relay_is_told_of_properties(void **state)
{
    static const struct path_properties wanted = {.usable = true,
                                                  .backup = true,
                                                  .cost = 3,
                                                  .modes = 1 << STREAM_MODE_REDUNDANT,
                                                  .rate_down = 125000};
    struct stream *stream;
    struct pair *pair = connected(NULL, &stream);
    const struct path_properties *told = &pair->relay->paths[1].properties;
    (void)state;

    set_path(pair, 1, wanted);
    pair_run_ms(pair, 100);
    assert_true(told->backup);
    assert_int_equal(told->cost, 3);
    assert_int_equal(told->modes, 1 << STREAM_MODE_REDUNDANT);
    assert_int_equal(told->rate_down, 125000);
    /* And again by a session that knows nothing. */
    pair_restart_relay(pair);
    pair_run_ms(pair, 2000);
    assert_non_null(pair->relay);
    assert_int_equal(pair->relay->paths[1].properties.cost, 3);
    pair_free(pair);
}

static void test_the_relay_is_told_of_a_policy(void **state)
{
    const struct stream_policy policy = {
        .mode = STREAM_MODE_REDUNDANT, .copies = 2, .paths = 3};
    struct stream *stream;
    struct pair *pair = connected(&policy, &stream);
    (void)state;

    assert_int_equal(pair->incoming[0]->policy.mode, STREAM_MODE_REDUNDANT);
    assert_int_equal(pair->incoming[0]->policy.copies, 2);
    assert_int_equal(pair->incoming[0]->policy.paths, 3);
    pair_free(pair);
}

static void test_a_dead_path_is_noticed_and_its_return_too(void **state)
{
    struct stream *stream;
    struct pair *pair = connected(NULL, &stream);
    (void)state;

    pair->blackhole = 1 << 1;
    assert_true(move(pair, stream, 4 * MIB, 5000));
    pair_run_ms(pair, 2000);
    assert_int_equal(pair->path_down_count, 1);
    pair->blackhole = 0;
    for (unsigned i = 0; i < 100 && pair->path_up_count < 3; i++)
        assert_true(move(pair, stream, MIB, 5000));
    assert_int_equal(pair->path_up_count, 3);
    pair_free(pair);
}

static void test_refused_dials_take_a_path_down(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair;
    (void)state;

    config.path_count = 2;
    pair = pair_new(&config);
    pair->refuse = 1 << 0;
    open_stream(pair, NULL);
    /* The other path waits for nothing. */
    pair_run_ms(pair, 150);
    assert_int_equal(pair->opened_count, 1);
    assert_int_equal(pair->path_up_count, 1);
    assert_int_equal(pair->path_down_count, 1);
    assert_int_equal(pair->path_reason, PATH_REASON_REFUSED);
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_an_unusable_path_is_left_at_once_and_used_again),
          cmocka_unit_test(test_the_relay_is_told_of_properties),
          cmocka_unit_test(test_the_relay_is_told_of_a_policy),
          cmocka_unit_test(test_a_dead_path_is_noticed_and_its_return_too),
          cmocka_unit_test(test_refused_dials_take_a_path_down))
