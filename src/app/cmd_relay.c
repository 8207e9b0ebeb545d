/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "control_places.h"
#include "daemon.h"
#include "daemon_control.h"
#include "load_config.h"
#include "read_file.h"
#include "sandbox.h"
#include "state_file.h"

#include <splitsocks/base/log.h>
#include <splitsocks/crypto/key.h>
#include <splitsocks/relay/relay.h>

#include <jansson.h>
#include <stdlib.h>

struct program {
    struct daemon daemon;
    struct relay *relay;
    char *state_file; /* owned; NULL: none */
    struct daemon_control control;
    struct control_client *asking[CONTROL_CLIENTS]; /* for the status */
    size_t asking_count;
};

/* ---- status ---- */

/* Answers all that ask; the document's reference is taken over. */
static void on_status(void *context, struct json_t *document)
{
    struct program *program = context;
    size_t count = program->asking_count;

    program->asking_count = 0;
    for (size_t i = 0; i < count; i++)
        daemon_control_reply(program->asking[i], program->daemon.config_path,
                             json_incref(document));
    json_decref(document);
}

static void on_request(void *context, const char *request, struct control_client *client)
{
    struct program *program = context;

    if (!daemon_control_take(request, client))
        return;
    /* Only if a reload has moved the socket meanwhile. */
    if (program->asking_count == ARRAY_LENGTH(program->asking)) {
        control_reply(client, NULL);
        return;
    }
    program->asking[program->asking_count++] = client;
    relay_status_ask(program->relay, on_status, program);
}

static int open_control(struct program *program, const struct config_relay *config)
{
    struct daemon_control control;
    int error = daemon_control_open(&control, &program->control, program->daemon.loop,
                                    program->daemon.config_path, &config->control,
                                    on_request, program);

    if (error != OK)
        return error;
    daemon_control_close(&program->control, &control);
    program->control = control;
    return OK;
}

/* ---- the daemon ---- */

static void on_stop(void *context, bool again)
{
    struct program *program = context;

    uint64_t wait_for_ns = again ? 0 : relay_stop_bound(program->relay);

    if (!again)
        daemon_log_stopping(wait_for_ns);
    relay_stop(program->relay, wait_for_ns);
}

static void on_reload(void *context)
{
    struct program *program = context;
    struct config_relay *config;
    uint8_t key[CONFIG_KEY_SIZE];

    if (load_relay(program->daemon.config_path, &config, key) != OK) {
        daemon_log_unchanged();
    } else if (open_control(program, config) != OK) {
        daemon_log_unchanged();
        config_relay_free(config);
    } else if (relay_reload(program->relay, config) != OK) {
        log_error("the configuration stays as it was: out of memory");
        config_relay_free(config);
    } else {
        log_info("the configuration was read again");
    }
    key_wipe(key, sizeof(key));
}

static bool get_address(const void *context, size_t index, struct address *address)
{
    const struct program *program = context;

    return relay_listener_address(program->relay, index, address);
}

/* Before the workers' threads begin. The configuration and the key stay within reach: a
 * reload reads them again. */
static void give_up_files(const char *path, const struct config_relay *config,
                          const char *state, const char *stamps)
{
    char *key = resolve_file(path, config->private_key_file);
    const char *read[] = {path, key}, *written[2 + CONTROL_PLACES_MAX] = {state, stamps};
    struct control_places places;
    size_t count = 2;

    if (control_places_own(&places, path, &config->control) == OK) {
        for (size_t i = 0; i < places.count; i++)
            written[count++] = places.paths[i];
        sandbox_files(read, ARRAY_LENGTH(read), written, count);
        control_places_free(&places);
    }
    free(key);
}

static int start(void *context)
{
    struct program *program = context;
    struct config_relay *config;
    uint8_t key[CONFIG_KEY_SIZE];
    char *stamps;
    int error;

    if (load_relay(program->daemon.config_path, &config, key) != OK)
        return EXIT_USAGE;
    program->state_file = relay_state_place(program->daemon.config_path, config);
    stamps = find_stamp_file(program->daemon.config_path, config);
    error = relay_new(program->daemon.loop, config, program->state_file, stamps, key,
                      &program->relay);
    key_wipe(key, sizeof(key));
    if (error != OK) {
        log_error("cannot start: %s", error_string((enum error)error));
        config_relay_free(config);
    } else if ((error = open_control(program, config)) == OK &&
               (error = relay_listen(program->relay)) == OK) {
        give_up_files(program->daemon.config_path, config, program->state_file, stamps);
        error = relay_start(program->relay);
    }
    free(stamps);
    return error == OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void end(void *context)
{
    struct program *program = context;

    daemon_control_close(&program->control, &(struct daemon_control){.control = NULL});
    relay_free(program->relay);
    on_status(program, NULL);
    free(program->state_file);
}

int cmd_relay(int argc, char **argv)
{
    struct program program = {
        .daemon =
            {
                .usage = "splitsocks relay -c FILE [-v]",
                .start = start,
                .stop = on_stop,
                .reload = on_reload,
                .address = get_address,
                .end = end,
                .context = &program,
            },
    };

    return daemon_run(&program.daemon, argc, argv);
}
