/* SPDX-License-Identifier: MIT */
#include "bridge.h"
#include "commands.h"
#include "daemon.h"
#include "load_config.h"
#include "sandbox.h"
#include "state_file.h"

#include <splitsocks/base/host.h>
#include <splitsocks/base/log.h>
#include <splitsocks/crypto/key.h>
#include <splitsocks/io/socket.h>
#include <splitsocks/io/state_file.h>
#include <splitsocks/local/local.h>

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A local on this machine answers at once or not at all. */
#define CONNECT_TIMEOUT_MS 2000

struct program {
    struct ev_loop *loop;
    struct config_local *config;
    char *config_path; /* owned */
    char *state_file;  /* owned; NULL: none */
    const char *host;
    uint16_t port;
    struct local *local; /* NULL: a running local is used */
    struct bridge bridge;
    bool ending; /* the bridge is gone */
    ev_signal signals[3];
    int status;
};

/* ---- arguments ---- */

static bool parse_port(const char *text, uint16_t *port)
{
    char *end;
    unsigned long value;

    if (text[0] < '0' || text[0] > '9')
        return false;
    value = strtoul(text, &end, 10);
    *port = (uint16_t)value;
    return *end == '\0' && value > 0 && value <= UINT16_MAX;
}

/* Checked here, since a SOCKS reply cannot say it. */
static bool check_host(const char *text)
{
    struct host host;

    host_parse(&host, text);
    if (host.kind == HOST_INVALID)
        log_error("not a host: %s: %s", text, host.reason);
    return host.kind != HOST_INVALID;
}

static bool parse_arguments(struct program *program, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "c:v")) != -1) {
        if (option == 'v') {
            log_set_level(LOG_DEBUG);
        } else if (option == 'c') {
            free(program->config_path);
            program->config_path = strdup(optarg);
        } else {
            return false;
        }
    }
    if (argc - optind != 2)
        return false;
    if (!parse_port(argv[optind + 1], &program->port)) {
        log_error("not a port: %s", argv[optind + 1]);
        return false;
    }
    program->host = argv[optind];
    return check_host(program->host);
}

/* ---- through a running local ---- */

/* The address at which this machine reaches a listener. */
static struct address reachable(const struct address *listener)
{
    struct address address = *listener;

    if (address_is_any(listener)) {
        address.bytes[0] = address.family == ADDRESS_IPV4 ? 127 : 0;
        address.bytes[address.family == ADDRESS_IPV4 ? 3 : 15] = 1; /* loopback */
    }
    return address;
}

static int try_listener(const struct config_listener *listener)
{
    struct address to = reachable(&listener->address);
    struct pollfd poll_fd = {.events = POLLOUT};

    if (to.port == 0 || socket_connect(&to, NULL, &poll_fd.fd) != OK)
        return -1;
    if (poll(&poll_fd, 1, CONNECT_TIMEOUT_MS) == 1 && socket_outcome(poll_fd.fd) == 0)
        return poll_fd.fd;
    close(poll_fd.fd);
    return -1;
}

static int start_through_running(struct program *program)
{
    const struct config_listeners *listen = &program->config->listen;

    for (size_t i = 0; i < listen->count; i++) {
        const struct config_users *users = &listen->items[i].users;
        const struct config_user *user = users->count > 0 ? &users->items[0] : NULL;
        bool socks = listen->items[i].protocol == CONFIG_PROTOCOL_SOCKS5;
        int fd = socks ? try_listener(&listen->items[i]) : -1;

        if (fd >= 0)
            return bridge_start(&program->bridge, program->loop, fd, program->host,
                                program->port, user != NULL ? user->name : NULL,
                                user != NULL ? user->password : NULL);
    }
    return ERROR_NOT_FOUND;
}

/* ---- with a session of its own ---- */

static int start_own(struct program *program)
{
    uint8_t key[CONFIG_KEY_SIZE];
    int pair[2];
    int error = load_local_key(program->config_path, program->config, key);

    program->state_file = find_state_file(program->config_path, program->config);
    if (error == OK)
        error = local_new(program->loop, program->config, program->state_file, key,
                          &program->local);
    key_wipe(key, sizeof(key));
    if (error != OK)
        return error;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        log_error("cannot make a pair of sockets: %s", strerror(errno));
        return ERROR_SYSTEM;
    }
    local_adopt(program->local, pair[0]);
    return bridge_start(&program->bridge, program->loop, pair[1], program->host,
                        program->port, NULL, NULL);
}

/* ---- the end ---- */

static void on_retired(struct local *local, void *context)
{
    struct program *program = context;
    (void)local;

    ev_break(program->loop, EVBREAK_ALL);
}

static void on_done(struct bridge *bridge, bool good)
{
    struct program *program = bridge->context;

    program->ending = true;
    program->status = good ? EXIT_SUCCESS : EXIT_FAILURE;
    if (program->local == NULL) {
        ev_break(program->loop, EVBREAK_ALL);
        return;
    }
    /* The last bytes may not have arrived yet. */
    local_retire(program->local, on_retired, program);
    local_stop(program->local);
}

/* ssh ends its ProxyCommand with SIGHUP. A session that is not closed would stay at the
 * relay for the linger time, and count against the client's bound. A second signal ends
 * the program at once. */
static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct program *program = watcher->data;
    (void)events;

    if (program->ending) {
        ev_break(loop, EVBREAK_ALL);
        return;
    }
    bridge_deinit(&program->bridge);
    on_done(&program->bridge, false);
}

static void watch_signals(struct program *program)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};

    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        ev_signal_init(&program->signals[i], on_signal, numbers[i]);
        program->signals[i].data = program;
        ev_signal_start(program->loop, &program->signals[i]);
    }
}

/* Only a session of its own needs a file still: the one of its state. */
static void give_up(const struct program *program)
{
    const char *written[] = {program->state_file};

    if (program->state_file != NULL)
        state_file_make_folder(program->state_file);
    sandbox_files(NULL, 0, written, ARRAY_LENGTH(written));
    sandbox_calls();
}

static int run(struct program *program)
{
    int error = load_local(program->config_path, &program->config, NULL);

    if (error != OK)
        return EXIT_USAGE;
    program->bridge.keepalive_ns = program->config->timeouts.keepalive_ns;
    program->bridge.done = on_done;
    program->bridge.context = program;
    error = start_through_running(program);
    if (error == ERROR_NOT_FOUND)
        error = start_own(program);
    if (error == ERROR_INVALID)
        log_error("not a host: %s", program->host);
    if (error != OK)
        return error == ERROR_INVALID || program->local == NULL ? EXIT_USAGE : EXIT_FAILURE;
    watch_signals(program);
    give_up(program);
    ev_run(program->loop, 0);
    return program->status;
}

int cmd_connect(int argc, char **argv)
{
    struct program *program = calloc(1, sizeof(*program));
    int status = EXIT_FAILURE;

    if (program == NULL)
        return status;
    log_set_level(LOG_WARNING); /* standard error usually is a terminal in use */
    if (!parse_arguments(program, argc, argv)) {
        fprintf(stderr, "usage: splitsocks connect [-c FILE] [-v] HOST PORT\n");
        free(program->config_path);
        free(program);
        return EXIT_USAGE;
    }
    if (program->config_path == NULL)
        program->config_path = find_local_config();
    program->loop = daemon_prepare(false);
    if (program->loop != NULL && program->config_path != NULL)
        status = run(program);
    local_free(program->local);
    config_local_free(program->config);
    free(program->state_file);
    free(program->config_path);
    free(program);
    return status;
}
