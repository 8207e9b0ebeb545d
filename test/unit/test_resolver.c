/* SPDX-License-Identifier: MIT */
/* The resolver against DNS servers in this process, see dns_server.h. */
#include "dns_server.h"
#include "unit.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/io/resolver.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct report {
    unsigned calls;
    int error;
    size_t count;
    struct address addresses[TARGET_ADDRESSES_MAX];
};

struct fixture {
    struct ev_loop *loop;
    struct dns_server server, second;
    struct resolver *resolver;
    char folder[32]; /* for files of a test */
    char file[64];   /* its hosts file, or resolv.conf */
};

static const struct config_dns bounds = {
    .timeout_ns = 2 * NS_PER_S,
    .cache = 100,
    .max_ttl_ns = 3600 * NS_PER_S,
    .max_negative_ttl_ns = 30 * NS_PER_S,
    .max_waiting = 128,
};

/* The first `count` servers in this order, and time enough for a slow machine. */
static void use_servers(struct fixture *fixture, size_t count)
{
    const struct address servers[] = {fixture->server.address, fixture->second.address};
    struct config_dns dns = bounds;

    dns.servers = (struct config_addresses){servers, count};
    dns.timeout_ns = 60 * NS_PER_S;
    assert_int_equal(resolver_configure(fixture->resolver, &dns), OK);
}

static void write_file(struct fixture *fixture, const char *text)
{
    char other[80];
    FILE *file;

    snprintf(other, sizeof(other), "%s.new", fixture->file);
    file = fopen(other, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(other, fixture->file), 0);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct resolver_options options = {
        .dns = bounds, .hosts_path = fixture.file, .system_path = "/dev/null"};

    memset(&fixture, 0, sizeof(fixture));
    fixture.loop = ev_loop_new(EVFLAG_AUTO);
    dns_server_start(&fixture.server, fixture.loop);
    dns_server_start(&fixture.second, fixture.loop);
    strcpy(fixture.folder, "/tmp/resolver-XXXXXX");
    if (mkdtemp(fixture.folder) == NULL)
        return -1;
    snprintf(fixture.file, sizeof(fixture.file), "%s/file", fixture.folder);
    options.dns.servers = (struct config_addresses){&fixture.server.address, 1};
    *state = &fixture;
    return resolver_new(fixture.loop, &options, &fixture.resolver);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    resolver_free(fixture->resolver);
    dns_server_stop(&fixture->server, fixture->loop);
    dns_server_stop(&fixture->second, fixture->loop);
    (void)unlink(fixture->file);
    assert_int_equal(rmdir(fixture->folder), 0);
    ev_loop_destroy(fixture->loop);
    return 0;
}

static void on_done(void *context, int error, const struct address *addresses, size_t count)
{
    struct report *report = context;

    report->calls++;
    report->error = error;
    report->count = count;
    if (count > 0)
        memcpy(report->addresses, addresses, count * sizeof(*addresses));
}

static struct resolver_query *ask(struct fixture *fixture, const char *name,
                                  struct report *report)
{
    struct resolver_query *query;

    *report = (struct report){0};
    assert_int_equal(resolver_query(fixture->resolver, name, on_done, report, &query), OK);
    assert_int_equal(report->calls, 0); /* never from within */
    return query;
}

static void wait_for(struct fixture *fixture, const struct report *report)
{
    while (report->calls == 0)
        ev_run(fixture->loop, EVRUN_ONCE);
    assert_int_equal(report->calls, 1);
}

static void test_both_families(void **state)
{
    struct fixture *fixture = *state;
    struct report report;
    unsigned families = 0;

    ask(fixture, "both.test", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.error, OK);
    assert_int_equal(report.count, 2);
    for (size_t i = 0; i < report.count; i++) {
        families |= report.addresses[i].family;
        assert_int_equal(report.addresses[i].port, 0);
    }
    assert_int_equal(families, ADDRESS_IPV4 | ADDRESS_IPV6);

    ask(fixture, "four.test", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.error, OK);
    assert_int_equal(report.count, 1);
    assert_int_equal(report.addresses[0].family, ADDRESS_IPV4);
}

static void test_literals_and_localhost_ask_nobody(void **state)
{
    static const char *const localhost[] = {"localhost", "LocalHost.", "a.localhost"};
    static const char *const literals[] = {
        "[::1]", "127.1", "0x7f.1", "192.0.2.1.", "2130706433", "fe80::1%1", "fe80::1%lo"};
    static const char *const refused[] = {"",
                                          ".",
                                          "a b",
                                          "a..b",
                                          "192.0.2.256",
                                          "example.1",
                                          "[::1",
                                          "fe80::1%none",
                                          "x.onion",
                                          "x.invalid",
                                          "1.2.0.192.in-addr.arpa",
                                          "\xc3\xbc.example"};
    struct fixture *fixture = *state;
    struct report report;

    ask(fixture, "192.0.2.9", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.error, OK);
    assert_int_equal(report.addresses[0].bytes[3], 9);
    ask(fixture, "2001:db8::9", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.error, OK);
    assert_int_equal(report.addresses[0].family, ADDRESS_IPV6);
    for (size_t name = 0; name < ARRAY_LENGTH(localhost); name++) {
        ask(fixture, localhost[name], &report);
        wait_for(fixture, &report);
        assert_int_equal(report.error, OK);
        assert_int_equal(report.count, 2);
        for (size_t i = 0; i < report.count; i++)
            assert_true(address_is_loopback(&report.addresses[i]));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(literals); i++) {
        ask(fixture, literals[i], &report);
        wait_for(fixture, &report);
        assert_int_equal(report.error, OK);
        assert_int_equal(report.count, 1);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        ask(fixture, refused[i], &report);
        wait_for(fixture, &report);
        assert_int_not_equal(report.error, OK);
    }
    assert_int_equal(fixture->server.asked, 0);
    ask(fixture, "notlocalhost", &report);
    wait_for(fixture, &report);
    assert_int_not_equal(fixture->server.asked, 0);
}

static void test_failures_are_told_apart(void **state)
{
    static const struct {
        const char *name;
        int error;
    } cases[] = {
        {"missing.test", ERROR_NOT_FOUND}, {"empty.test", ERROR_NOT_FOUND},
        {"broken.test", ERROR_SYSTEM},     {"truncated.test", ERROR_SYSTEM},
        {"liar.test", ERROR_SYSTEM},
    };
    struct fixture *fixture = *state;
    struct report report;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        ask(fixture, cases[i].name, &report);
        wait_for(fixture, &report);
        if (report.error != cases[i].error)
            fail_msg("%s: %s", cases[i].name, error_string(report.error));
    }
}

static unsigned count_family(const struct report *report, enum address_family family)
{
    unsigned count = 0;

    for (size_t i = 0; i < report->count; i++)
        count += report->addresses[i].family == family;
    return count;
}

static void test_more_addresses_than_fit(void **state)
{
    struct fixture *fixture = *state;
    struct report report;

    ask(fixture, "many.test", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.error, OK);
    assert_int_equal(report.count, TARGET_ADDRESSES_MAX);
    assert_int_equal(count_family(&report, ADDRESS_IPV4), TARGET_ADDRESSES_MAX / 2);
    ask(fixture, "crowd.test", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.count, TARGET_ADDRESSES_MAX);
    assert_int_equal(count_family(&report, ADDRESS_IPV6), 2);
    assert_int_not_equal(report.addresses[0].family, report.addresses[1].family);
}

/* An address in hand is not withheld for the sake of a family about which the server says
 * nothing, or fails. */
static void test_one_family_is_enough(void **state)
{
    static const struct {
        const char *name;
        enum address_family family;
    } cases[] = {{"onlyfour.test", ADDRESS_IPV4},
                 {"onlysix.test", ADDRESS_IPV6},
                 {"halfbroken.test", ADDRESS_IPV4},
                 {"halfmissing.test", ADDRESS_IPV4}};
    struct fixture *fixture = *state;
    struct report report;

    use_servers(fixture, 2);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint64_t began = clock_now();

        ask(fixture, cases[i].name, &report);
        wait_for(fixture, &report);
        assert_int_equal(report.error, OK);
        assert_int_equal(report.count, 1);
        assert_int_equal(report.addresses[0].family, cases[i].family);
        assert_true(clock_now() - began < 20 * NS_PER_S); /* a third of the time-out */
    }
}

/* Queries at the same time, or soon after, cost the server nothing. */
static void test_questions_are_shared_and_answers_kept(void **state)
{
    static const char *const names[] = {"both.test", "BOTH.test", "missing.test",
                                        "empty.test"};
    struct fixture *fixture = *state;
    struct report reports[10];
    unsigned before;

    for (size_t n = 0; n < ARRAY_LENGTH(names); n++) {
        before = fixture->server.asked;
        for (size_t i = 0; i < ARRAY_LENGTH(reports); i++)
            ask(fixture, names[n], &reports[i]);
        for (size_t i = 0; i < ARRAY_LENGTH(reports); i++)
            wait_for(fixture, &reports[i]);
        ask(fixture, names[n], &reports[0]);
        wait_for(fixture, &reports[0]);
        assert_int_equal(fixture->server.asked - before, n == 1 ? 0 : 2);
    }
    /* With a TTL of 0 only queries that wait together share an answer. */
    before = fixture->server.asked;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_LENGTH(reports); i++)
            ask(fixture, "ttl0.test", &reports[i]);
        for (size_t i = 0; i < ARRAY_LENGTH(reports); i++)
            wait_for(fixture, &reports[i]);
    }
    assert_int_equal(fixture->server.asked - before, 4);
    /* Another network: nothing is known any more. */
    before = fixture->server.asked;
    resolver_flush(fixture->resolver);
    ask(fixture, "both.test", &reports[0]);
    wait_for(fixture, &reports[0]);
    assert_int_equal(fixture->server.asked - before, 2);
    resolver_forget(fixture->resolver, "Both.test.");
    ask(fixture, "both.test", &reports[0]);
    wait_for(fixture, &reports[0]);
    assert_int_equal(fixture->server.asked - before, 4);
}

/* The question of a waiting query is asked again when the network changes. */
static void test_another_network_answers_who_waits(void **state)
{
    struct fixture *fixture = *state;
    struct report report;

    use_servers(fixture, 2);
    fixture->server.deaf = fixture->second.deaf = true;
    ask(fixture, "both.test", &report);
    while (fixture->server.asked == 0)
        ev_run(fixture->loop, EVRUN_ONCE);
    fixture->server.deaf = false;
    resolver_flush(fixture->resolver);
    wait_for(fixture, &report);
    assert_int_equal(report.error, OK);
}

/* A server that is dead, or that nothing listens at, is asked once and then left alone. */
static void test_the_server_that_answers_is_remembered(void **state)
{
    struct fixture *fixture = *state;
    struct report report;
    char name[16];

    for (int closed = 0; closed <= 1; closed++) {
        fixture->server.deaf = true;
        fixture->server.asked = 0;
        if (closed)
            dns_server_stop(&fixture->server, fixture->loop);
        use_servers(fixture, 2);
        for (int i = 0; i < 10; i++) {
            snprintf(name, sizeof(name), "n%d.test", i);
            ask(fixture, name, &report);
            wait_for(fixture, &report);
            assert_int_equal(report.error, OK);
        }
        assert_true(fixture->server.asked <= 4);
    }
    assert_int_equal(fixture->second.asked, 40);
}

/* TCP is blocked here: the part that came over UDP has to do. */
static void test_truncated_answers_are_better_than_none(void **state)
{
    struct fixture *fixture = *state;
    struct report report;

    ask(fixture, "truncatedfull.test", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.error, OK);
    assert_int_equal(report.count, 2);
}

static void test_the_hosts_file_is_followed(void **state)
{
    struct fixture *fixture = *state;
    struct report report;

    write_file(fixture, "192.0.2.99 Both.test other.onion\n2001:db8::99 both.test\n");
    ask(fixture, "both.test", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.count, 2);
    ask(fixture, "other.onion", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.addresses[0].bytes[3], 99);
    assert_int_equal(fixture->server.asked, 0);
    write_file(fixture, "# nothing\n");
    ask(fixture, "both.test", &report);
    wait_for(fixture, &report);
    assert_int_equal(fixture->server.asked, 2);
    ask(fixture, "other.onion", &report);
    wait_for(fixture, &report);
    assert_int_equal(report.error, ERROR_NOT_FOUND);
    assert_int_equal(fixture->server.asked, 2);
}

/* While a large file is read, others get their turns. */
static void test_a_large_hosts_file_holds_nobody_up(void **state)
{
    struct fixture *fixture = *state;
    struct report report;
    unsigned turns = 0;
    FILE *file = fopen(fixture->file, "w");

    assert_non_null(file);
    for (int i = 0; i < 50000; i++)
        fprintf(file, "0.0.0.0 ads%d.example\n", i);
    fprintf(file, "192.0.2.99 last.example\n");
    fclose(file);
    use_servers(fixture, 1);
    for (ask(fixture, "last.example", &report); report.calls == 0; turns++)
        ev_run(fixture->loop, EVRUN_ONCE);
    assert_int_equal(report.addresses[0].bytes[3], 99);
    assert_true(turns >= 10); /* 1.2 MB in parts of 64 KiB */
    assert_int_equal(fixture->server.asked, 0);
}

/* Somebody writes the file without a pause: the part that was read so far answers. */
static void test_a_hosts_file_that_never_rests(void **state)
{
    struct fixture *fixture = *state;
    struct report report;
    FILE *file = fopen(fixture->file, "w");

    assert_non_null(file);
    fprintf(file, "192.0.2.99 first.example\n");
    fflush(file);
    use_servers(fixture, 1);
    for (ask(fixture, "first.example", &report); report.calls == 0;) {
        fprintf(file, "# a line more\n");
        fflush(file);
        ev_run(fixture->loop, EVRUN_ONCE);
    }
    fclose(file);
    assert_int_equal(report.error, OK);
    assert_int_equal(report.addresses[0].bytes[3], 99);
}

/* Silence costs the query that met it, and no other. */
static void test_silence_is_bounded_and_alone(void **state)
{
    struct fixture *fixture = *state;
    struct report silent[50], garbled, good;

    for (size_t i = 0; i < ARRAY_LENGTH(silent); i++) {
        char name[32];

        snprintf(name, sizeof(name), "silent.%zu.test", i);
        ask(fixture, name, &silent[i]);
    }
    ask(fixture, "short.test", &garbled);
    ask(fixture, "good.test", &good);
    wait_for(fixture, &good);
    assert_int_equal(good.error, OK);
    assert_int_equal(silent[0].calls, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(silent); i++) {
        wait_for(fixture, &silent[i]);
        assert_int_equal(silent[i].error, ERROR_TIMEOUT);
    }
    wait_for(fixture, &garbled);
    assert_int_not_equal(garbled.error, OK);
    ask(fixture, "after.test", &good);
    wait_for(fixture, &good);
    assert_int_equal(good.error, OK);
}

static void test_cancelled_is_not_reported(void **state)
{
    struct fixture *fixture = *state;
    struct report first, second, third;
    struct resolver_query *query = ask(fixture, "first.test", &first);
    struct resolver_query *literal = ask(fixture, "192.0.2.1", &third);

    resolver_cancel(query);
    resolver_cancel(literal); /* its report is due already */
    ask(fixture, "second.test", &second);
    wait_for(fixture, &second);
    assert_int_equal(second.error, OK);
    assert_int_equal(first.calls, 0);
    assert_int_equal(third.calls, 0);
    /* One more is under way when the resolver goes. */
    ask(fixture, "silent.test", &first);
}

static void test_too_many(void **state)
{
    struct fixture *fixture = *state;
    struct resolver_query *query;
    struct report report = {0};
    unsigned taken = 0;

    while (resolver_query(fixture->resolver, "192.0.2.1", on_done, &report, &query) == OK)
        taken++;
    assert_int_equal(taken, bounds.max_waiting);
    while (report.calls < taken)
        ev_run(fixture->loop, EVRUN_ONCE);
    assert_int_equal(resolver_query(fixture->resolver, "::1", on_done, &report, &query),
                     OK);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT_MAIN(TEST(test_both_families), TEST(test_literals_and_localhost_ask_nobody),
          TEST(test_failures_are_told_apart), TEST(test_more_addresses_than_fit),
          TEST(test_one_family_is_enough), TEST(test_questions_are_shared_and_answers_kept),
          TEST(test_another_network_answers_who_waits),
          TEST(test_the_server_that_answers_is_remembered),
          TEST(test_truncated_answers_are_better_than_none),
          TEST(test_the_hosts_file_is_followed),
          TEST(test_a_large_hosts_file_holds_nobody_up),
          TEST(test_a_hosts_file_that_never_rests), TEST(test_silence_is_bounded_and_alone),
          TEST(test_cancelled_is_not_reported), TEST(test_too_many))
