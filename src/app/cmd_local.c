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
#include <splitsocks/io/state_file.h>
#include <splitsocks/local/local.h>

#include <jansson.h>
#include <stdlib.h>

/* A local and its configuration: the one that serves, or one that a reload has replaced
 * and that still has streams. */
struct generation {
    struct program *program;
    struct generation *next;
    struct config_local *config;
    char *state_file; /* owned; NULL: none */
    struct local *local;
};

struct program {
    struct daemon daemon;
    struct generation *generations; /* the first one serves */
    struct daemon_control control;
};

static void generation_free(struct generation *generation)
{
    local_free(generation->local);
    config_local_free(generation->config);
    free(generation->state_file);
    free(generation);
}

/* ---- status ---- */

/* Describes the locals that were replaced and still have streams. */
static json_t *describe_retired(const struct generation *generation)
{
    json_t *list = json_array();

    for (; generation != NULL; generation = generation->next)
        json_array_append_new(list, local_status(generation->local));
    return list;
}

static json_t *describe(const struct program *program)
{
    const struct generation *serving = program->generations;
    json_t *document;

    if (serving == NULL)
        return json_pack("{s:s}", "error", "about to end");
    document = local_status(serving->local);
    if (document != NULL)
        json_object_set_new(document, "retired", describe_retired(serving->next));
    return document;
}

static void on_request(void *context, const char *request, struct control_client *client)
{
    const struct program *program = context;

    if (daemon_control_take(request, client))
        daemon_control_reply(client, program->daemon.config_path, describe(program));
}

/* ---- generations ---- */

/* Loads the configuration and begins to serve it in place of the present one. */
static int start_generation(void *context)
{
    struct program *program = context;
    struct generation *present = program->generations;
    struct generation *new = calloc(1, sizeof(*new));
    struct daemon_control control = {.control = NULL};
    uint8_t key[CONFIG_KEY_SIZE];
    int status = EXIT_USAGE;

    if (new == NULL)
        return EXIT_FAILURE;
    new->program = program;
    if (load_local(program->daemon.config_path, &new->config, key) != OK) {
        free(new);
        return status;
    }
    status = EXIT_FAILURE;
    local_reserve_descriptors(new->config);
    new->state_file = find_state_file(program->daemon.config_path, new->config);
    /* Steps that may fail come first, so that the present local can go on after a
     * failure. */
    if (local_new(program->daemon.loop, new->config, new->state_file, key, &new->local) ==
            OK &&
        daemon_control_open(&control, &program->control, program->daemon.loop,
                            program->daemon.config_path, &new->config->control, on_request,
                            program) == OK &&
        local_listen(new->local, present != NULL ? present->local : NULL) == OK)
        status = EXIT_SUCCESS;
    key_wipe(key, sizeof(key));
    if (status != EXIT_SUCCESS) {
        daemon_control_close(&control, &program->control);
        generation_free(new);
        return status;
    }
    daemon_control_close(&program->control, &control);
    program->control = control;
    new->next = present;
    program->generations = new;
    return EXIT_SUCCESS;
}

/* The configuration, the key and the places of state and control socket stay within reach:
 * a reload reads them again. */
static void give_up_files(const struct program *program)
{
    const struct generation *generation = program->generations;
    const char *path = program->daemon.config_path;
    char *key = resolve_file(path, generation->config->private_key_file);
    const char *read[] = {path, key}, *written[1 + CONTROL_PLACES_MAX];
    struct control_places places;
    size_t count = 0;

    if (generation->state_file != NULL)
        state_file_make_folder(generation->state_file);
    written[count++] = generation->state_file;
    if (control_places_own(&places, path, &generation->config->control) == OK) {
        for (size_t i = 0; i < places.count; i++)
            written[count++] = places.paths[i];
        sandbox_files(read, ARRAY_LENGTH(read), written, count);
        control_places_free(&places);
    }
    free(key);
}

static int start(void *context)
{
    int status = start_generation(context);

    if (status == EXIT_SUCCESS)
        give_up_files(context);
    return status;
}

/* A generation has served its last stream. */
static void on_done(struct local *local, void *context)
{
    struct generation *generation = context;
    struct program *program = generation->program;
    struct generation **link = &program->generations;
    (void)local;

    while (*link != generation)
        link = &(*link)->next;
    *link = generation->next;
    generation_free(generation);
    if (program->generations == NULL)
        ev_break(program->daemon.loop, EVBREAK_ALL);
}

static void on_stop(void *context, bool again)
{
    struct program *program = context;

    if (again) {
        ev_break(program->daemon.loop, EVBREAK_ALL);
        return;
    }
    daemon_log_stopping(program->generations->config->timeouts.stop_after_ns);
    /* The others were retired when they were replaced. */
    local_retire(program->generations->local, on_done, program->generations);
    for (struct generation *g = program->generations; g != NULL; g = g->next)
        local_stop(g->local);
}

static void on_reload(void *context)
{
    struct program *program = context;
    struct generation *old = program->generations;

    if (start_generation(program) == EXIT_SUCCESS) {
        log_info("the configuration was read again");
        local_retire(old->local, on_done, old);
    } else {
        daemon_log_unchanged();
    }
}

static bool get_address(const void *context, size_t index, struct address *address)
{
    const struct program *program = context;

    return local_listener_address(program->generations->local, index, address);
}

static void end(void *context)
{
    struct program *program = context;

    daemon_control_close(&program->control, &(struct daemon_control){.control = NULL});
    while (program->generations != NULL) {
        struct generation *generation = program->generations;

        program->generations = generation->next;
        generation_free(generation);
    }
}

int cmd_local(int argc, char **argv)
{
    struct program program = {
        .daemon =
            {
                .usage = "splitsocks local -c FILE [-v]",
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
