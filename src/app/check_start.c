/* SPDX-License-Identifier: MIT */
#include "check_start.h"

#include "control_places.h"
#include "state_file.h"

#include <splitsocks/base/log.h>
#include <splitsocks/io/descriptors.h>
#include <splitsocks/io/socket.h>
#include <splitsocks/io/state_file.h>
#include <splitsocks/local/limit_memory.h>
#include <splitsocks/relay/relay.h>
#include <splitsocks/status/control.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- paths ---- */

static void check_path(const struct config_path *path)
{
    char text[ADDRESS_TEXT_SIZE];

    if (path->interface != NULL && if_nametoindex(path->interface) == 0)
        log_warning("path %s: there is no interface %s now; the path waits for it",
                    path->name, path->interface);
    else if (path->interface != NULL && !socket_may_bind_interface())
        log_warning("path %s: this kernel lets only CAP_NET_RAW bind to an interface; the "
                    "path cannot be used",
                    path->name);
    if (path->source.family != ADDRESS_NONE && !socket_address_is_local(&path->source))
        log_warning("path %s: this machine does not have the address %s now; the path "
                    "waits for it",
                    path->name, address_format(&path->source, text));
}

/* ---- files ---- */

/* Whether a file could be made in the folder `path`, or else in its nearest existing
 * parent, which becomes `path`. Sets errno. */
static bool can_make_in(char *path)
{
    struct stat status;

    do {
        const char *folder = dirname(path);

        memmove(path, folder, strlen(folder) + 1);
    } while (stat(path, &status) != 0 && strcmp(path, "/") != 0 && strcmp(path, ".") != 0);
    if (!S_ISDIR(status.st_mode)) {
        errno = ENOTDIR;
        return false;
    }
    return faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0;
}

/* Frees the path. */
static void check_state_file(char *path)
{
    char *folder = path != NULL ? strdup(path) : NULL;
    struct stat status;

    if (folder == NULL)
        log_warning("there is no place for a state file");
    else if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        log_warning("the state file %s is no file: nothing will be remembered", path);
    else if (stat(path, &status) == 0 &&
             faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0)
        log_warning("the state file %s cannot be used: %s", path, strerror(errno));
    else if (!can_make_in(folder))
        log_warning("the state file %s cannot be written: %s: %s", path, folder,
                    strerror(errno));
    free(folder);
    free(path);
}

static void check_limits(const char *state_path, const struct config_local *config)
{
    struct state_file file = {.path = state_path, .level = LOG_DEBUG};
    struct limit_memory memory;

    limit_memory_init(&memory, &file, &config->relay.ports);
    (void)limit_memory_warn(&memory, config);
}

/* One of the usual places is enough; a configured place must be usable. */
static int check_control(const char *config_path, const struct config_control *control)
{
    struct control_places places;
    int error = control_places_own(&places, config_path, control);
    const char *why = NULL;

    if (error != OK)
        return error;
    for (size_t i = 0; i < places.count; i++) {
        error = control_check(places.paths[i], &why);
        if (error == OK || error == ERROR_CLOSED)
            break;
        log_write(control->given ? LOG_ERROR : LOG_WARNING,
                  "%s cannot be the control socket: %s", places.paths[i],
                  why != NULL ? why : strerror(errno));
    }
    control_places_free(&places);
    return control->given && error != ERROR_CLOSED ? error : OK;
}

/* ---- both sides ---- */

static int keep_first(int first, int error)
{
    return first != OK ? first : error;
}

int check_local_start(const char *path, const struct config_local *config)
{
    struct check_listen items[2 * CONFIG_LISTENERS_MAX];
    char *state_path;
    size_t count = 0;
    int result;

    for (size_t i = 0; i < config->listen.count; i++) {
        const struct config_listener *listener = &config->listen.items[i];

        if (listener->network & CONFIG_NETWORK_TCP)
            items[count++] = (struct check_listen){.address = listener->address};
        if (listener->network & CONFIG_NETWORK_UDP)
            items[count++] =
                (struct check_listen){.address = listener->address, .datagrams = true};
    }
    result = descriptors_can_hold(count) ? OK : ERROR_LIMIT;
    result = keep_first(result, check_listen(items, count));
    for (size_t i = 0; i < config->paths.count; i++)
        check_path(&config->paths.items[i]);
    if (config->congestion_control != NULL)
        socket_try_congestion_control(config->congestion_control);
    state_path = state_file_place(path, config);
    if (state_path != NULL)
        check_limits(state_path, config);
    check_state_file(state_path);
    result = keep_first(result, check_control(path, &config->control));
    check_service(path, config->private_key_file);
    return result;
}

int check_relay_start(const char *path, const struct config_relay *config)
{
    struct check_listen *items;
    size_t count = 0;
    int result;

    for (size_t i = 0; i < config->listen.count; i++)
        count += config->listen.items[i].ports.count;
    items = calloc(count, sizeof(items[0]));
    if (items == NULL)
        return ERROR_MEMORY;
    count = 0;
    for (size_t i = 0; i < config->listen.count; i++) {
        const struct config_relay_listener *listener = &config->listen.items[i];

        for (size_t j = 0; j < listener->ports.count; j++, count++) {
            items[count].address = listener->address;
            items[count].address.port = listener->ports.items[j];
            items[count].implied = listener->implied;
        }
    }
    result = descriptors_can_hold(relay_held_descriptors(config)) ? OK : ERROR_LIMIT;
    result = keep_first(result, check_listen(items, count));
    free(items);
    if (config->congestion_control != NULL)
        socket_try_congestion_control(config->congestion_control);
    check_state_file(stamp_file_place(path, config));
    if (config_relay_has_quotas(config))
        check_state_file(relay_state_place(path, config));
    result = keep_first(result, check_control(path, &config->control));
    check_service(path, config->private_key_file);
    return result;
}
