/* SPDX-License-Identifier: MIT */
/* The table of paths, over a session of its own, and interfaces of a network namespace. */
#include "addresses.h"
#include "config_local_parse.h"

#include <splitsocks/engine/session/session_status.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/socket.h>
#include <splitsocks/io/state_file.h>
#include <splitsocks/io/subflow_io.h>
#include <splitsocks/local/path_table.h>

#include <ev.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_SECONDS 0.005
#define PATIENCE_TICKS 24000 /* two minutes, which no test that passes comes near to */

#define CABLE 0
#define MODEM 1
#define PATHS_FROM(source) \
    WITH(AND( \
        "\"paths\": [ { \"name\": \"cable\", \"source\": \"" source \
        "\" }, { \"name\": \"modem\", \"interface\": \"wwan9\", \"backup\": true } ]"))
#define PATHS PATHS_FROM("127.0.0.1")

static struct ev_loop *loop;
static ev_timer tick;
static struct worker worker;
static struct session *session;
static struct driver driver;
static struct config_local *config;
static struct state_file state_file;
static struct path_table table;
static unsigned moves;

static char wanted[128];
static enum log_level wanted_level;
static unsigned found;

/* Counts the lines with the wanted text. */
static void on_line(enum log_level level, const char *line, void *context)
{
    (void)context;
    if (level == wanted_level && strstr(line, wanted) != NULL)
        found++;
}

static void want(enum log_level level, const char *line)
{
    wanted_level = level;
    memcpy(wanted, line, strlen(line) + 1);
    found = 0;
}

static void on_tick(struct ev_loop *l, ev_timer *timer, int events)
{
    (void)l;
    (void)timer;
    (void)events;
}

static void wait_until(bool (*condition)(void))
{
    for (int i = 0; i < PATIENCE_TICKS; i++) {
        if (condition())
            return;
        ev_run(loop, EVRUN_ONCE);
    }
    fail_msg("no line '%s'", wanted);
}

static bool is_found(void)
{
    return found > 0;
}

static bool has_looked(void)
{
    return table.looked && table.slots[CABLE].seen;
}

static bool is_usable(void)
{
    return table.slots[CABLE].view.usable;
}

static bool is_unusable(void)
{
    return !table.slots[CABLE].view.usable;
}

/* ---- the session's driver, whose dials wait for ever ---- */

static void wait_forever(struct driver *d, struct subflow_io *io)
{
    (void)d;
    (void)io;
}

static void ignore(struct driver *d, const struct session_event *event)
{
    (void)d;
    (void)event;
}

static void ignore_dialled(struct driver *d, const struct subflow_io *io, int error)
{
    (void)d;
    (void)io;
    (void)error;
}

static void ignore_unproven(struct driver *d, const struct subflow_io *io,
                            enum unproven how)
{
    (void)d;
    (void)io;
    (void)how;
}

static const struct driver_role role = {.dial = wait_forever,
                                        .dialled = ignore_dialled,
                                        .unproven = ignore_unproven,
                                        .changed = ignore};

static void on_moved(void *context)
{
    (void)context;
    moves++;
}

static void begin(const char *text)
{
    struct session_config of_session = {.role = SESSION_LOCAL,
                                        .pages = &worker.pages,
                                        .chunk_size = CHUNK_SIZE_MAX,
                                        .linger_ns = 3600 * NS_PER_S,
                                        .pool_size = 2,
                                        .pool_burst = 2,
                                        .budget_up = SESSION_UNLIMITED,
                                        .budget_down = SESSION_UNLIMITED,
                                        .port_count = 1,
                                        .private_key = {3},
                                        .relay_public_key = {9},
                                        .seed = 1};

    log_set_sink(on_line, NULL);
    log_set_level(LOG_DEBUG);
    moves = 0;
    config = parse(text);
    loop = ev_loop_new(EVFLAG_AUTO);
    ev_timer_init(&tick, on_tick, TICK_SECONDS, TICK_SECONDS);
    ev_timer_start(loop, &tick);
    assert_int_equal(worker_init(&worker, loop, 1 << 20, 0), OK);
    path_table_init(&table, loop, config, &state_file, on_moved, NULL);
    of_session.path_count = path_table_count(&table);
    session = session_new(&of_session, clock_now());
    assert_non_null(session);
    driver_init(&driver, &worker, session, &role, NULL);
    path_table_attach(&table, &driver);
}

static void finish(void)
{
    path_table_attach(&table, NULL);
    driver_deinit(&driver);
    session_free(session);
    path_table_deinit(&table);
    worker_deinit(&worker);
    ev_timer_stop(loop, &tick);
    ev_loop_destroy(loop);
    config_local_free(config);
    log_set_sink(NULL, NULL);
    log_set_level(LOG_INFO);
}

/* ---- interfaces ---- */

static void set_interface(const char *name, unsigned long request, const char *address,
                          short flags)
{
    struct ifreq ifreq = {.ifr_flags = flags};
    struct sockaddr_storage storage;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(ifreq.ifr_name, name, strlen(name) + 1);
    if (address != NULL) {
        struct address parsed = address_of(address);

        socket_address_put(&parsed, &storage);
        memcpy(&ifreq.ifr_addr, &storage, sizeof(ifreq.ifr_addr));
    }
    assert_int_equal(ioctl(fd, request, &ifreq), 0);
    close(fd);
}

static void add_cable(void)
{
    set_interface("lo:1", SIOCSIFADDR, "192.0.2.7", 0);
}

static void remove_cable(void)
{
    set_interface("lo:1", SIOCSIFFLAGS, NULL, 0);
}

static bool session_may_use(unsigned path)
{
    struct path_status status;

    session_path_status(session, path, clock_now(), &status);
    return status.properties.usable;
}

/* An address that comes and goes: the session and the log are told each time. */
static void test_an_address_comes_and_goes(void **state)
{
    (void)state;

    if (unshare(CLONE_NEWNET) != 0)
        UNIT_SKIP("not allowed to make a network namespace");
    /* Without any address at all the kernel binds to each. */
    set_interface("lo", SIOCSIFFLAGS, NULL, IFF_UP);
    want(LOG_WARNING, "path modem is down: ");
    begin(PATHS_FROM("192.0.2.7"));
    wait_until(is_found);
    wait_until(has_looked);
    assert_true(is_unusable());
    assert_false(session_may_use(CABLE));
    assert_false(session_may_use(MODEM));

    want(LOG_INFO, "path cable is back");
    add_cable();
    wait_until(is_usable);
    assert_int_equal(found, 1);
    assert_true(session_may_use(CABLE));
    assert_true(moves > 0);

    want(LOG_WARNING, "path cable is down: ");
    remove_cable();
    wait_until(is_unusable);
    assert_int_equal(found, 1);
    assert_false(session_may_use(CABLE));
    assert_false(session_may_use(MODEM));
    finish();
}

/* ---- what the session reports ---- */

static void note(enum session_event_type type, enum path_reason reason)
{
    const struct session_event event = {.type = type, .path_reason = reason};

    path_table_note(&table, &event);
}

static void test_a_path_works_and_fails(void **state)
{
    (void)state;

    begin(PATHS);
    want(LOG_WARNING, "path cable does not work: connections are refused");
    note(SESSION_PATH_DOWN, PATH_REASON_REFUSED); /* at once: it has never worked */
    assert_int_equal(found, 1);
    want(LOG_INFO, "path cable works");
    note(SESSION_PATH_UP, PATH_REASON_WORKS);
    assert_int_equal(found, 1);
    want(LOG_WARNING, "path cable does not work: sent data is not acknowledged");
    note(SESSION_PATH_DOWN, PATH_REASON_SILENT);
    assert_int_equal(found, 0); /* a hiccup is none of the user's business */
    wait_until(is_found);
    want(LOG_INFO, "path cable works again");
    note(SESSION_PATH_UP, PATH_REASON_WORKS);
    assert_int_equal(found, 1);
    want(LOG_WARNING, "path cable does not work");
    note(SESSION_PATH_DOWN, PATH_REASON_UNUSABLE); /* its interface has told already */
    assert_int_equal(found, 0);
    finish();
}

static void test_a_retired_table_is_quiet(void **state)
{
    (void)state;

    begin(PATHS);
    table.quiet = true;
    want(LOG_WARNING, "path cable");
    note(SESSION_PATH_DOWN, PATH_REASON_REFUSED);
    assert_int_equal(found, 0);
    want(LOG_DEBUG, "path cable works");
    note(SESSION_PATH_UP, PATH_REASON_WORKS);
    assert_int_equal(found, 1);
    finish();
}

static void test_packets(void **state)
{
    struct session_event event = {.type = SESSION_PATH_PACKETS, .packet_size = 1280};
    (void)state;

    begin(PATHS);
    want(LOG_WARNING, "path cable loses packets of more than 1280 bytes silently");
    path_table_note(&table, &event);
    assert_int_equal(found, 1);
    event.packet_size = 0;
    want(LOG_INFO, "path cable lets packets of the link's full size through again");
    path_table_note(&table, &event);
    assert_int_equal(found, 1);
    event.given_up = true;
    want(LOG_WARNING, "path cable loses large packets, and lets small ones through");
    path_table_note(&table, &event);
    assert_int_equal(found, 1);
    finish();
}

static void test_limits(void **state)
{
    const struct session_event event = {
        .type = SESSION_LIMIT,
        .path = MODEM,
        .limit = {.kind = SESSION_LIMIT_OPEN, .connections = 12}};
    (void)state;

    begin(PATHS);
    want(LOG_INFO, "on path modem, port 443");
    path_table_note(&table, &event);
    assert_int_equal(found, 1);
    finish();
}

/* ---- names ---- */

static void test_names(void **state)
{
    char name[PATH_TABLE_NAME_SIZE];
    (void)state;

    begin(PATHS);
    assert_int_equal(path_table_count(&table), 2);
    assert_string_equal(path_table_name(&table, MODEM, name), "modem");
    finish();
    begin("{ \"relay\": { \"host\": [ \"a.example\", \"b.example\" ],\n"
          "  \"public_key\": \"" KEY_1 "\" }, \"private_key_file\": \"local.key\" }");
    assert_int_equal(path_table_count(&table), 2);
    assert_string_equal(path_table_name(&table, 1, name), "default to b.example");
    assert_int_equal(path_table_host(&table, 1), 1);
    assert_true(session_may_use(0)); /* what the kernel routes is usable at once */
    finish();
    assert_int_equal(path_table_bits(0x5, 1), 0x5);
    assert_int_equal(path_table_bits(0x5, 2), 0x33);
    assert_int_equal(path_table_bits(0x2, 3), 0x38);
}

UNIT_MAIN(cmocka_unit_test(test_a_path_works_and_fails),
          cmocka_unit_test(test_a_retired_table_is_quiet), cmocka_unit_test(test_packets),
          cmocka_unit_test(test_limits), cmocka_unit_test(test_names),
          cmocka_unit_test(test_an_address_comes_and_goes))
