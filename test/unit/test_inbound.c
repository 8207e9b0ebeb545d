/* SPDX-License-Identifier: MIT */
/* What applications ask for, from the decision to the stream, with faults on the way. */
#include "dns_server.h"
#include "faults.h"
#include "io_pair.h"

#include <splitsocks/io/clock.h>
#include <splitsocks/local/direct.h>
#include <splitsocks/local/inbound.h>

#include <errno.h>
#include <unistd.h>

#define LISTENER 0

static struct io_pair pair;
static struct dns_server dns;
static struct resolver *resolver;
static struct nat64_finder finder;
static struct inbound_service service;
static struct rules *rules;

/* With one rule for everything; RULE_PROXY is what holds without it. */
static void begin(enum rule_action action)
{
    const struct rule rule = {.action = action};
    struct resolver_options options = {.hosts_path = "/dev/null"};

    io_pair_begin(&pair, "");
    dns = (struct dns_server){0};
    dns_server_start(&dns, pair.loop);
    options.dns.servers.items = &dns.address;
    options.dns.servers.count = 1;
    options.dns.timeout_ns = 3600 * NS_PER_S;
    options.dns.max_waiting = 10;
    assert_int_equal(resolver_new(pair.loop, &options, &resolver), OK);
    nat64_finder_init(&finder, pair.loop, resolver);
    rules = rules_new(&rule, 1);
    assert_non_null(rules);
    service = (struct inbound_service){
        .worker = &pair.worker,
        .driver = &pair.driver,
        .sessionless = RESET_RELAY_UNREACHABLE,
        .decider = {.resolver = resolver, .finder = &finder, .rules = rules},
        .ways = {.loop = pair.loop, .finder = &finder},
    };
    inbound_service_init(&service);
}

static void finish(void)
{
    fault_clear();
    inbound_service_deinit(&service);
    rules_free(rules);
    nat64_finder_deinit(&finder);
    resolver_free(resolver);
    dns_server_stop(&dns, pair.loop);
    io_pair_end(&pair);
}

/* An application asks for the target; returns its end. */
static int ask_for(const struct target *target, const char *early, uint32_t most)
{
    const struct stream_policy otherwise = {.mode = STREAM_MODE_SPLIT};
    struct inbound_request request = {.listener = LISTENER,
                                      .max_per_target = most,
                                      .target = target,
                                      .otherwise = &otherwise,
                                      .early = (const uint8_t *)early,
                                      .early_length = strlen(early),
                                      .reply = io_pair_reply};
    int ends[2];

    io_pair_sockets(ends);
    request.fd = ends[1];
    inbound_start(&service, &request);
    return ends[0];
}

static struct target destination(void)
{
    struct target target = {.port = pair.destination_port, .address_count = 1};

    target.addresses[0] = endpoint_of("127.0.0.1", pair.destination_port);
    return target;
}

static int ask(void)
{
    const struct target target = destination();

    return ask_for(&target, "", 100);
}

static int ask_name(const char *name)
{
    struct target target = {.port = pair.destination_port};

    memcpy(target.name, name, strlen(name) + 1);
    return ask_for(&target, "", 100);
}

static bool is_empty(struct io_pair *p)
{
    (void)p;
    return list_empty(&service.inbounds) && list_empty(&service.plains) &&
           list_empty(&service.directs);
}

static bool was_asked(struct io_pair *p)
{
    (void)p;
    return dns.asked > 0;
}

static void expect_refusal(int app, enum reset_code code)
{
    io_pair_expect_reply(&pair, app, false, code);
    assert_int_equal(io_pair_wait_end(&pair, app), 0);
    io_pair_wait(&pair, is_empty);
    close(app);
}

static void expect_service(int app)
{
    int fd = io_pair_accept(&pair);

    io_pair_expect_reply(&pair, app, true, RESET_CANCELLED);
    io_pair_transfer(&pair, app, fd, 100000);
    io_pair_transfer(&pair, fd, app, 100000);
    close(app);
    close(fd);
}

static void test_each_action(void **state)
{
    static const enum rule_action actions[] = {RULE_PROXY, RULE_DIRECT};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        begin(actions[i]);
        expect_service(ask());
        finish();
    }
    begin(RULE_BLOCK);
    expect_refusal(ask(), RESET_BLOCKED);
    finish();
}

/* Bytes that were read with the request are the first of the stream. */
static void test_early_bytes(void **state)
{
    static const enum rule_action actions[] = {RULE_PROXY, RULE_DIRECT};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        struct target target;
        char found[6] = "";
        int app, fd;

        begin(actions[i]);
        target = destination();
        app = ask_for(&target, "early", 100);
        fd = io_pair_accept(&pair);
        while (read(fd, found, 5) != 5)
            io_pair_turn(&pair);
        assert_string_equal(found, "early");
        close(app);
        close(fd);
        finish();
    }
}

static void test_no_session(void **state)
{
    struct session *session;
    (void)state;

    begin(RULE_PROXY);
    session = pair.driver.session;
    pair.driver.session = NULL;
    expect_refusal(ask(), RESET_RELAY_UNREACHABLE);
    pair.driver.session = session;
    expect_service(ask());
    finish();
}

/* Nothing that local holds for all streams is left. */
static void test_no_memory_for_early_bytes(void **state)
{
    struct target target;
    size_t most;
    (void)state;

    begin(RULE_PROXY);
    target = destination();
    most = pair.worker.pages.bound.most;
    pair.worker.pages.bound.most = 0;
    expect_refusal(ask_for(&target, "early", 100), RESET_FAILURE);
    pair.worker.pages.bound.most = most;
    expect_service(ask());
    finish();
}

/* ---- direct ---- */

static void test_a_direct_dial_that_fails(void **state)
{
    (void)state;

    begin(RULE_DIRECT);
    /* Two sockets are made for the application before. */
    fault_fail_after(FAULT_SOCKET, 2, 1, EMFILE);
    expect_refusal(ask(), RESET_LIMIT);
    close(pair.destination);
    expect_refusal(ask(), RESET_REFUSED);
    pair.destination = -1;
    finish();
}

/* The reply must go out whole: else the application would take data for it. */
static void test_a_direct_reply_that_does_not_fit(void **state)
{
    int app, fd;
    (void)state;

    begin(RULE_DIRECT);
    fault_shorten(FAULT_SEND, FAULT_ANY_FD, 1);
    app = ask();
    fd = io_pair_accept(&pair);
    assert_int_equal(io_pair_wait_end(&pair, fd), ECONNRESET);
    io_pair_wait(&pair, is_empty);
    close(app);
    close(fd);
    finish();
}

/* ---- names ---- */

static void test_names(void **state)
{
    (void)state;

    begin(RULE_DIRECT);
    expect_service(ask_name("localhost"));
    expect_service(ask_name("127.1")); /* an address in another notation */
    expect_refusal(ask_name("a..b"), RESET_NAME_NOT_FOUND);
    expect_refusal(ask_name("hidden.onion"), RESET_NAME_NOT_FOUND);
    finish();
}

/* An application waits for a name that no server answers for; returns its socket. */
static int begin_with_a_name(void)
{
    int app;

    begin(RULE_DIRECT);
    dns.deaf = true;
    app = ask_name("www.example.org");
    io_pair_wait(&pair, was_asked);
    return app;
}

static void test_the_client_goes_while_its_name_is_looked_up(void **state)
{
    int app;
    (void)state;

    app = begin_with_a_name();
    assert_false(list_empty(&service.inbounds));
    socket_close_reset(app);
    io_pair_wait(&pair, is_empty);
    finish();
}

/* The service ends while an application waits for a name. */
static void test_the_end_while_a_name_is_looked_up(void **state)
{
    int app;
    (void)state;

    app = begin_with_a_name();
    finish();
    close(app);
}

/* ---- bounds ---- */

static bool is_back(const struct local *local, enum rule_network network,
                    const struct address *to, bool direct)
{
    (void)local;
    (void)network;
    (void)direct;
    return to->port == pair.destination_port;
}

static void test_a_loop(void **state)
{
    static const enum rule_action actions[] = {RULE_PROXY, RULE_DIRECT};
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++) {
        begin(actions[i]);
        service.decider.comes_back = is_back;
        expect_refusal(ask(), RESET_BLOCKED);
        finish();
    }
}

static void test_a_crowd(void **state)
{
    struct target target;
    int app, other, fd;
    (void)state;

    begin(RULE_PROXY);
    target = destination();
    app = ask_for(&target, "", 1);
    fd = io_pair_accept(&pair);
    io_pair_expect_reply(&pair, app, true, RESET_CANCELLED);
    other = ask_for(&target, "", 1);
    io_pair_expect_reply(&pair, other, false, RESET_LIMIT);
    close(other);
    close(app);
    close(fd);
    io_pair_wait(&pair, is_empty);
    expect_service(ask_for(&target, "", 1)); /* the place is free again */
    finish();
}

UNIT_MAIN(cmocka_unit_test(test_each_action), cmocka_unit_test(test_early_bytes),
          cmocka_unit_test(test_no_session),
          cmocka_unit_test(test_no_memory_for_early_bytes),
          cmocka_unit_test(test_a_direct_dial_that_fails),
          cmocka_unit_test(test_a_direct_reply_that_does_not_fit),
          cmocka_unit_test(test_names),
          cmocka_unit_test(test_the_client_goes_while_its_name_is_looked_up),
          cmocka_unit_test(test_the_end_while_a_name_is_looked_up),
          cmocka_unit_test(test_a_loop), cmocka_unit_test(test_a_crowd))
