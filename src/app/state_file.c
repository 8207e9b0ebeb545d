/* SPDX-License-Identifier: MIT */
#include "state_file.h"

#include "folders.h"
#include "read_file.h"

#include <splitsocks/base/log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_quota(const struct config_local *config)
{
    for (size_t i = 0; i < config->paths.count; i++)
        if (config->paths.items[i].quota_bytes != CONFIG_UNLIMITED)
            return true;
    return false;
}

/* A new string; NULL when there is no such place. */
static char *default_file(const char *name)
{
    const char *service = environment_folder("STATE_DIRECTORY"),
               *state = environment_folder("XDG_STATE_HOME"), *home = home_folder();
    char *path = NULL;
    int length = -1;

    /* systemd.exec(5): several are separated by colons. */
    if (service != NULL)
        length = asprintf(&path, "%.*s/%s", (int)strcspn(service, ":"), service, name);
    else if (state != NULL)
        length = asprintf(&path, "%s/splitsocks/%s", state, name);
    else if (home != NULL)
        length = asprintf(&path, "%s/.local/state/splitsocks/%s", home, name);
    return length >= 0 ? path : NULL;
}

/* Renames a file that older versions, whose files have no sections, have left. */
static void take_over(const char *path)
{
    char *before = default_file("usage");

    if (before != NULL && access(path, F_OK) != 0 && errno == ENOENT &&
        rename(before, path) == 0)
        log_info("the state file %s is called %s now", before, path);
    free(before);
}

static char *place_of(const char *config_path, const char *configured, const char *name)
{
    return configured != NULL ? resolve_file(config_path, configured) : default_file(name);
}

char *state_file_place(const char *config_path, const struct config_local *config)
{
    return place_of(config_path, config->state_file, "state");
}

char *find_state_file(const char *config_path, const struct config_local *config)
{
    char *path = state_file_place(config_path, config);

    if (config->state_file != NULL)
        return path;
    if (path != NULL)
        take_over(path);
    else
        log_write(has_quota(config) ? LOG_WARNING : LOG_INFO,
                  "there is no place for a state file: the used part of quotas, and the "
                  "last time stamp, will be forgotten");
    return path;
}

char *relay_state_place(const char *config_path, const struct config_relay *config)
{
    return place_of(config_path, config->state_file, "relay");
}

char *stamp_file_place(const char *config_path, const struct config_relay *config)
{
    char *state = relay_state_place(config_path, config), *path = NULL;

    if (state != NULL && asprintf(&path, "%s.stamps", state) < 0)
        path = NULL;
    free(state);
    return path;
}

char *find_stamp_file(const char *config_path, const struct config_relay *config)
{
    char *path = stamp_file_place(config_path, config);

    if (path == NULL)
        log_warning("there is no place for a state file: after a restart, recorded "
                    "handshakes could be answered once, and quotas count from zero");
    return path;
}
