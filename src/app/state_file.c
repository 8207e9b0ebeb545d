#include "state_file.h"

#include "read_file.h"

#include <splitsocks/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_quota(const struct config_local *config)
{
    for (size_t i = 0; i < config->paths.count; i++)
        if (config->paths.items[i].quota_bytes != CONFIG_UNLIMITED)
            return true;
    return false;
}

/* An absolute path in the environment, or NULL. */
static const char *get_folder(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] == '/' ? value : NULL;
}

static char *default_file(void)
{
    const char *service = get_folder("STATE_DIRECTORY"),
               *state = get_folder("XDG_STATE_HOME"), *home = get_folder("HOME");
    char *path = NULL;
    int length = -1;

    /* systemd.exec(5): several are separated by colons. */
    if (service != NULL)
        length = asprintf(&path, "%.*s/usage", (int)strcspn(service, ":"), service);
    else if (state != NULL)
        length = asprintf(&path, "%s/splitsocks/usage", state);
    else if (home != NULL)
        length = asprintf(&path, "%s/.local/state/splitsocks/usage", home);
    return length >= 0 ? path : NULL;
}

char *find_state_file(const char *config_path, const struct config_local *config)
{
    char *path;

    if (!has_quota(config))
        return NULL;
    path = config->state_file != NULL ? resolve_file(config_path, config->state_file)
                                      : default_file();
    if (path == NULL)
        log_warning("there is no place for a state file: what is used of quotas will be "
                    "forgotten");
    return path;
}
