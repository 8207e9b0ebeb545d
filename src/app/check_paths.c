/* SPDX-License-Identifier: MIT */
#include "check_paths.h"

#include <splitsocks/base/log.h>
#include <splitsocks/local/path_advice.h>

#include <stdio.h>
#include <string.h>

static void check_one(const struct config_local *config, const char *name,
                      const struct local_path *path)
{
    const struct config_strings *hosts = &config->relay.hosts;
    char why[PATH_ADVICE_SIZE];
    bool blocked = false, named = false;

    for (size_t i = 0; i < hosts->count && !blocked; i++) {
        struct address address;

        if (address_parse(&address, hosts->items[i]) == OK)
            blocked = path_advice_blocked(path, &address, why);
        else
            named = true;
    }
    if (!blocked && named)
        blocked = path_advice_blocked_anywhere(path, why);
    if (blocked)
        log_warning("path %s: %s", name, why);
}

/* Warns about the paths that "auto" would use for IPv4, as the kernel's main table has
 * them. */
static void check_automatic(const struct config_local *config)
{
    FILE *file = fopen("/proc/net/route", "re");
    char line[256];
    struct local_path path = {.routed = true};

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char name[IF_NAMESIZE];
        unsigned long destination, mask;

        if (sscanf(line, "%15s %lx %*x %*x %*d %*d %*d %lx", name, &destination, &mask) !=
                3 ||
            destination != 0 || mask != 0)
            continue;
        snprintf(path.interface, sizeof(path.interface), "%s", name);
        check_one(config, name, &path);
    }
    if (file != NULL)
        fclose(file);
}

static struct local_path path_of(const struct config_path *config)
{
    struct local_path path = {.source = config->source};

    if (config->interface != NULL)
        snprintf(path.interface, sizeof(path.interface), "%s", config->interface);
    return path;
}

/* Warns about paths that differ in the file, but are one link on this machine. That may be
 * intended (each of two addresses may have a limit), so it is not an error. */
static void check_links(const struct config_local *config)
{
    char names[CONFIG_PATHS_MAX][IF_NAMESIZE] = {{0}};

    for (size_t i = 0; i < config->paths.count; i++) {
        const struct config_path *items = config->paths.items;
        const struct local_path path = path_of(&items[i]);

        if (!path_advice_interface(&path, names[i]))
            continue;
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                log_warning("paths %s and %s both leave by %s: they are one link, so they "
                            "fail together, and their rates do not add up",
                            items[j].name, items[i].name, names[i]);
    }
}

void check_paths(const struct config_local *config)
{
    if (config->paths.automatic)
        check_automatic(config);
    for (size_t i = 0; i < config->paths.count; i++) {
        const struct local_path path = path_of(&config->paths.items[i]);

        check_one(config, config->paths.items[i].name, &path);
    }
    check_links(config);
}
