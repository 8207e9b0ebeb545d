/* SPDX-License-Identifier: MIT */
/* Snapshots of paths and streams. */
#include "addresses.h"
#include "session_pair.h"

#include <splitsocks/engine/session/session_status.h>

#include <stdio.h>

#define PATHS 2

static struct session_config two_paths(void)
{
    struct session_config config = pair_config();

    config.path_count = PATHS;
    return config;
}

static struct pair *new_pair(void)
{
    const struct session_config config = two_paths();

    return pair_new(&config);
}

static struct pair *connected(struct stream **stream)
{
    const struct session_config config = two_paths();

    return pair_connected(&config, stream);
}

static struct path_status path_of(const struct pair *pair, const struct session *session,
                                  unsigned index)
{
    struct path_status status;

    session_path_status(session, index, pair->now, &status);
    return status;
}

static struct stream_status stream_of(const struct session *session,
                                      const struct stream *stream)
{
    struct stream_status status;

    session_stream_status(session, stream, &status);
    return status;
}

static unsigned waits(const struct pair *pair, const struct stream *stream)
{
    return stream_of(pair->local, stream).waits;
}

/* ---- paths ---- */

/* Every byte counts once, on one path, at both ends. */
static void check_sums(const struct pair *pair, const struct session *session,
                       uint64_t acked, uint64_t received)
{
    const struct session_counters *counters = session_counters(session);
    struct path_counters sum = {0};

    for (unsigned i = 0; i < PATHS; i++) {
        struct path_counters one = path_of(pair, session, i).counters;

        assert_true(one.stream_bytes_acked > 0 && one.stream_bytes_received > 0);
        sum.stream_bytes_acked += one.stream_bytes_acked;
        sum.stream_bytes_received += one.stream_bytes_received;
        sum.wire_bytes_sent += one.wire_bytes_sent;
        sum.wire_bytes_received += one.wire_bytes_received;
        sum.bytes_requeued += one.bytes_requeued;
        sum.bytes_reinjected += one.bytes_reinjected;
        sum.bytes_duplicate += one.bytes_duplicate;
        sum.subflows_retired += one.subflows_retired;
        sum.subflows_failed += one.subflows_failed;
        sum.dials_failed += one.dials_failed;
    }
    assert_int_equal(sum.stream_bytes_acked, acked);
    assert_int_equal(sum.stream_bytes_received, received);
    assert_int_equal(sum.wire_bytes_sent, counters->wire_bytes_sent);
    assert_true(sum.wire_bytes_received >= counters->wire_bytes_received);
    assert_int_equal(sum.bytes_requeued, counters->bytes_requeued);
    assert_int_equal(sum.bytes_reinjected, counters->bytes_reinjected);
    assert_int_equal(sum.bytes_duplicate, counters->bytes_duplicate);
    assert_int_equal(sum.subflows_retired, counters->subflows_retired);
    assert_int_equal(sum.subflows_failed, counters->subflows_failed);
    assert_int_equal(sum.dials_failed, counters->dials_failed);
}

static void test_each_byte_counts_once(void **state)
{
    struct stream *stream;
    struct pair *pair = connected(&stream);
    (void)state;

    assert_true(pair_upload(pair, stream, 5 * MIB, 20000));
    assert_true(pair_download(pair, stream, 4 * MIB, 20000));
    pair_run_ms(pair, 1000);
    check_sums(pair, pair->local, 5 * MIB, 4 * MIB);
    check_sums(pair, pair->relay, 4 * MIB, 5 * MIB);
    assert_true(path_of(pair, pair->local, 0).counters.subflows_retired > 0);
    assert_true(path_of(pair, pair->local, 0).counters.wire_bytes_received >
                path_of(pair, pair->local, 0).counters.stream_bytes_received);
    pair_free(pair);
}

/* Data that a path loses in mid-transfer is sent again on the other path, and counts there.
 */
static void test_sums_hold_over_a_loss(void **state)
{
    struct stream *stream;
    struct pair *pair = connected(&stream);
    uint64_t written = 0, read = 0;
    (void)state;

    for (unsigned ms = 0; ms < 8000 && read < 32 * MIB; ms++) {
        /* It has carried something before, and there is more to carry than it took. */
        pair->blackhole = ms > 80 && ms < 3000 ? 2 : 0;
        written += pair_feed(pair, pair->local, stream, 32 * MIB - written);
        pair_step(pair);
        read += pair_read_all(pair, pair->relay, pair->incoming[0]);
        session_stream_write(pair->relay, pair->incoming[0], "x", 1, pair->now);
        pair_read_all(pair, pair->local, stream);
    }
    assert_int_equal(read, 32 * MIB);
    pair->blackhole = 0;
    pair_run_ms(pair, 2000);
    pair_read_all(pair, pair->local, stream);
    /* The few bytes down may all have gone one way. */
    assert_true(pair_download(pair, stream, 4 * MIB, 20000));
    pair_run_ms(pair, 100);
    assert_true(session_counters(pair->local)->bytes_requeued +
                    session_counters(pair->local)->bytes_reinjected >
                0);
    assert_true(path_of(pair, pair->local, 1).counters.subflows_failed > 0);
    check_sums(pair, pair->local, 32 * MIB,
               session_counters(pair->local)->stream_bytes_received);
    pair_free(pair);
}

static void test_goodput_is_of_now(void **state)
{
    struct stream *stream;
    struct pair *pair = connected(&stream);
    uint64_t sum = 0;
    (void)state;

    pair_run_ms(pair, 6000);
    for (unsigned i = 0; i < PATHS; i++)
        assert_int_equal(path_of(pair, pair->local, i).goodput_out, 0);
    for (unsigned ms = 0; ms < 2000; ms++) {
        pair_feed(pair, pair->local, stream, 1000);
        pair_step(pair);
        pair_read_all(pair, pair->relay, pair->incoming[0]);
    }
    for (unsigned i = 0; i < PATHS; i++) {
        struct path_status status = path_of(pair, pair->local, i);

        sum += status.goodput_out;
        assert_int_equal(status.goodput_in, 0);
        assert_int_equal(status.use,
                         status.goodput_out > 0 ? PATH_USE_CARRIES : PATH_USE_READY);
    }
    /* 1 MB/s, of which the last round trip and the begun slot are missing. */
    assert_in_range(sum, 800000, 1300000);
    pair_run_ms(pair, 6000);
    for (unsigned i = 0; i < PATHS; i++) {
        assert_int_equal(path_of(pair, pair->local, i).goodput_out, 0);
        assert_int_equal(path_of(pair, pair->local, i).use, PATH_USE_IDLE);
    }
    pair_free(pair);
}

static void test_subflows_are_counted_by_what_they_are(void **state)
{
    struct pair *pair = new_pair();
    struct stream *stream;
    unsigned dialling = 0, open = 0;
    (void)state;

    for (unsigned i = 0; i < PATHS; i++)
        assert_int_equal(path_of(pair, pair->local, i).use, PATH_USE_UNTRIED);
    stream = pair_open(pair, NULL);
    pair_step(pair);
    for (unsigned i = 0; i < PATHS; i++)
        dialling += path_of(pair, pair->local, i).subflows_dialling;
    assert_int_equal(dialling, pair->open);
    pair_run_ms(pair, 500);
    dialling = 0;
    for (unsigned i = 0; i < PATHS; i++) {
        struct path_status status = path_of(pair, pair->local, i);

        dialling += status.subflows_dialling;
        open += status.subflows_open;
        assert_int_equal(status.reason, PATH_REASON_WORKS);
        assert_in_range(status.srtt_ns, 20 * NS_PER_MS, 25 * NS_PER_MS);
        assert_in_range(status.delivery_ns, status.srtt_ns, 2 * status.srtt_ns);
    }
    assert_int_equal(open + dialling, pair->open);
    session_stream_release(pair->local, stream, pair->now);
    pair_free(pair);
}

static void test_a_dead_path_says_why_and_when(void **state)
{
    static const enum path_reason reasons[] = {PATH_REASON_REFUSED, PATH_REASON_TIMED_OUT};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++) {
        struct pair *pair = new_pair();
        struct path_status status;

        if (reasons[i] == PATH_REASON_REFUSED)
            pair->refuse = 2;
        else
            pair->blackhole = 2;
        pair_open(pair, NULL);
        pair_run_ms(pair, 15000);
        status = path_of(pair, pair->local, 1);
        assert_int_equal(status.reason, reasons[i]);
        assert_int_equal(status.use, PATH_USE_DOWN);
        assert_true(status.counters.dials_failed > 1 && status.failures > 0);
        assert_int_equal(status.counters.subflows_failed, 0);
        assert_true(status.subflows_dialling > 0 ||
                    status.dial_at_ns > pair->now - NS_PER_S);
        assert_true(status.dial_at_ns < pair->now + 60 * NS_PER_S);
        assert_int_equal(path_of(pair, pair->local, 0).reason, PATH_REASON_WORKS);
        pair_free(pair);
    }
}

static void set_path(struct pair *pair, unsigned index, struct path_properties properties)
{
    properties.usable = true;
    session_set_path(pair->local, index, &properties, pair->now);
}

static void test_what_keeps_a_path_from_use(void **state)
{
    struct stream *stream;
    struct pair *pair = connected(&stream);
    struct path_status status;
    (void)state;

    pair_run_ms(pair, 6000);
    set_path(pair, 1, (struct path_properties){.backup = true});
    status = path_of(pair, pair->local, 1);
    assert_int_equal(status.use, PATH_USE_BACKUP);
    assert_int_equal(status.rival, 0);
    assert_true(status.properties.backup);
    set_path(pair, 1, (struct path_properties){.cost = 2});
    set_path(pair, 0, (struct path_properties){.cost = 1});
    status = path_of(pair, pair->local, 1);
    assert_int_equal(status.use, PATH_USE_COST);
    assert_int_equal(status.rival, 0);
    assert_int_equal(path_of(pair, pair->local, 0).use, PATH_USE_IDLE);
    set_path(pair, 0, (struct path_properties){.cost = 2});
    assert_int_equal(path_of(pair, pair->local, 1).use, PATH_USE_IDLE);
    set_path(pair, 1,
             (struct path_properties){.modes = 1 << STREAM_MODE_REDUNDANT, .cost = 2});
    assert_int_equal(path_of(pair, pair->local, 1).use, PATH_USE_NOT_ALLOWED);
    session_set_path(pair->local, 1, &(struct path_properties){.usable = false}, pair->now);
    assert_int_equal(path_of(pair, pair->local, 1).use, PATH_USE_DOWN);
    assert_int_equal(path_of(pair, pair->local, 1).reason, PATH_REASON_UNUSABLE);
    pair_free(pair);
}

/* A backup is not even dialled as long as it is not needed. */
static void test_a_backup_that_was_never_needed(void **state)
{
    struct pair *pair = new_pair();
    struct path_status status;
    (void)state;

    set_path(pair, 1, (struct path_properties){.backup = true});
    pair_open(pair, NULL);
    pair_run_ms(pair, 1000);
    status = path_of(pair, pair->local, 1);
    assert_int_equal(status.reason, PATH_REASON_UNTRIED);
    assert_int_equal(status.use, PATH_USE_BACKUP);
    assert_int_equal(status.rival, 0);
    assert_int_equal(status.subflows_open + status.subflows_dialling, 0);
    pair_free(pair);
}

/* ---- streams ---- */

static void test_a_stream_that_rests_waits_for_nothing(void **state)
{
    struct stream *stream;
    struct pair *pair = connected(&stream);
    struct stream_status status;
    (void)state;

    assert_true(pair_upload(pair, stream, 70000, 2000));
    assert_true(pair_download(pair, stream, 5000, 2000));
    pair_run_ms(pair, 200);
    status = stream_of(pair->local, stream);
    assert_int_equal(status.waits, 0);
    assert_int_equal(status.bytes_acked, 70000);
    assert_int_equal(status.bytes_read, 5000);
    assert_int_equal(status.queued_bytes + status.flying_bytes + status.unread_bytes, 0);
    assert_true(status.opened && !status.released && !status.ended);
    assert_int_equal(status.id, stream_id(stream));
    status = stream_of(pair->relay, pair->incoming[0]);
    assert_int_equal(status.waits, 0);
    assert_int_equal(status.bytes_acked, 5000);
    assert_int_equal(status.bytes_read, 70000);
    pair_free(pair);
}

static void test_waiting_for_a_session_and_for_the_relay(void **state)
{
    struct pair *pair = new_pair();
    struct stream *stream = pair_open(pair, NULL);
    (void)state;

    pair->accept = false;
    pair_step(pair);
    assert_int_equal(waits(pair, stream), STREAM_WAITS_SESSION);
    pair_run_ms(pair, 300);
    assert_int_equal(waits(pair, stream), STREAM_WAITS_CONNECT);
    session_stream_accept(pair->relay, pair->incoming[0], pair->now);
    pair_run_ms(pair, 300);
    assert_int_equal(waits(pair, stream), 0);
    /* With all paths gone, new data waits for the session again. */
    session_stream_write(pair->local, stream, "x", 1, pair->now);
    pair->blackhole = 3;
    pair_run_ms(pair, 5000);
    assert_int_equal(pair->lost_count, 1);
    assert_true(waits(pair, stream) == STREAM_WAITS_SESSION ||
                waits(pair, stream) == STREAM_WAITS_ACK);
    session_stream_write(pair->local, stream, "y", 1, pair->now);
    assert_int_equal(waits(pair, stream), STREAM_WAITS_SESSION);
    pair_free(pair);
}

static void test_waiting_for_the_streams_before(void **state)
{
    struct session_config config = pair_config();
    struct pair *pair = pair_new(&config);
    struct stream *streams[PAIR_STREAMS / 2 + 1];
    (void)state;

    /* The relay of the pair allows 256 at a time. */
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++)
        streams[i] = pair_open(pair, NULL);
    pair_run_ms(pair, 1000);
    assert_int_equal(waits(pair, streams[255]), 0);
    assert_int_equal(waits(pair, streams[256]), STREAM_WAITS_STREAM_LIMIT);
    assert_int_equal(stream_of(pair->local, streams[256]).id, 0);
    pair_free(pair);
}

static void test_waiting_for_readers(void **state)
{
    struct stream *stream;
    struct pair *pair = connected(&stream);
    struct stream_status status;
    unsigned seen = 0;
    uint64_t written;
    (void)state;

    written = pair_feed(pair, pair->local, stream, 20 * MIB);
    pair_step(pair);
    status = stream_of(pair->local, stream);
    assert_true(status.flying_bytes > 0);
    assert_int_equal(status.waits & STREAM_WAITS_ACK, STREAM_WAITS_ACK);
    for (unsigned ms = 0; ms < 1000; ms++) {
        written += pair_feed(pair, pair->local, stream, 20 * MIB);
        pair_step(pair);
        seen |= waits(pair, stream);
    }
    assert_true(seen & STREAM_WAITS_STREAM_CREDIT);
    status = stream_of(pair->local, stream);
    assert_int_equal(status.waits, STREAM_WAITS_PEER_READER);
    assert_int_equal(status.bytes_acked + status.queued_bytes, written);
    status = stream_of(pair->relay, pair->incoming[0]);
    assert_int_equal(status.waits, STREAM_WAITS_READER);
    assert_int_equal(status.unread_bytes, stream_of(pair->local, stream).bytes_acked);
    assert_true(status.read_at_ns < pair->now - NS_PER_S / 2);
    pair_read_all(pair, pair->relay, pair->incoming[0]);
    assert_int_equal(stream_of(pair->relay, pair->incoming[0]).waits, 0);
    pair_run_ms(pair, 30);
    assert_false(waits(pair, stream) & STREAM_WAITS_PEER_READER);
    pair_free(pair);
}

/* Data that overtook other data cannot be read yet. */
static void test_waiting_for_what_is_missing(void **state)
{
    struct stream *stream;
    struct pair *pair = connected(&stream);
    unsigned seen = 0;
    (void)state;

    for (unsigned ms = 0; ms < 3000; ms++) {
        pair_feed(pair, pair->relay, pair->incoming[0], MIB);
        pair->blackhole = ms > 50 ? 1 + ms / 500 % 2 : 0; /* each in turn */
        pair_step(pair);
        pair_read_all(pair, pair->local, stream);
        seen |= waits(pair, stream);
    }
    assert_true(seen & STREAM_WAITS_MISSING);
    pair_free(pair);
}

static void test_streams_are_walked_and_end(void **state)
{
    struct pair *pair = new_pair();
    struct stream *streams[3];
    const struct stream *at = NULL;
    (void)state;

    assert_null(session_next_stream(pair->local, NULL));
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++)
        streams[i] = pair_open(pair, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(streams); i++) {
        at = session_next_stream(pair->local, at);
        assert_ptr_equal(at, streams[i]);
    }
    assert_null(session_next_stream(pair->local, at));
    pair_run_ms(pair, 300);
    /* Released with bytes to deliver, it still counts; reset, it does not. */
    session_stream_write(pair->local, streams[0], "bye", 3, pair->now);
    session_stream_finish(pair->local, streams[0], pair->now);
    session_stream_finish(pair->relay, pair->incoming[0], pair->now);
    pair_run_ms(pair, 15);
    session_stream_write(pair->local, streams[1], "bye", 3, pair->now);
    session_stream_reset(pair->local, streams[1], RESET_CANCELLED, pair->now);
    assert_false(stream_of(pair->local, streams[0]).ended);
    assert_int_equal(waits(pair, streams[0]), STREAM_WAITS_ACK);
    assert_true(stream_of(pair->local, streams[1]).ended);
    assert_int_equal(waits(pair, streams[1]), 0);
    pair_free(pair);
}

static void test_destinations_are_fit_to_print(void **state)
{
    static const struct {
        const char *name, *shown;
    } cases[] = {
        {"example.org", "example.org:80"},
        {"a\033[31mb c\xff", "a?[31mb?c?:80"},
    };
    struct pair *pair = new_pair();
    struct target target = pair_target();
    struct stream *stream;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        snprintf(target.name, sizeof(target.name), "%s", cases[i].name);
        stream = session_stream_open(pair->local, &target, NULL, pair->now);
        assert_string_equal(stream_of(pair->local, stream).destination, cases[i].shown);
    }
    /* A name stands for the addresses that were found for it. */
    target.address_count = 1;
    target.addresses[0] = address_of("2001:db8::7");
    strcpy(target.name, "named.example");
    stream = session_stream_open(pair->local, &target, NULL, pair->now);
    assert_string_equal(stream_of(pair->local, stream).destination, "named.example:80");
    target.name[0] = '\0';
    stream = session_stream_open(pair->local, &target, NULL, pair->now);
    assert_string_equal(stream_of(pair->local, stream).destination, "[2001:db8::7]:80");
    pair_run_ms(pair, 300);
    /* It outlives the target, and the relay sees the same, but for a name it never got. */
    assert_string_equal(stream_of(pair->local, stream).destination, "[2001:db8::7]:80");
    assert_string_equal(stream_of(pair->relay, pair->incoming[0]).destination,
                        "example.org:80");
    pair_free(pair);
}

UNIT_MAIN(cmocka_unit_test(test_each_byte_counts_once),
          cmocka_unit_test(test_sums_hold_over_a_loss),
          cmocka_unit_test(test_goodput_is_of_now),
          cmocka_unit_test(test_subflows_are_counted_by_what_they_are),
          cmocka_unit_test(test_a_dead_path_says_why_and_when),
          cmocka_unit_test(test_what_keeps_a_path_from_use),
          cmocka_unit_test(test_a_backup_that_was_never_needed),
          cmocka_unit_test(test_a_stream_that_rests_waits_for_nothing),
          cmocka_unit_test(test_waiting_for_a_session_and_for_the_relay),
          cmocka_unit_test(test_waiting_for_the_streams_before),
          cmocka_unit_test(test_waiting_for_readers),
          cmocka_unit_test(test_waiting_for_what_is_missing),
          cmocka_unit_test(test_streams_are_walked_and_end),
          cmocka_unit_test(test_destinations_are_fit_to_print))
