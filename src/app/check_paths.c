#include "check_paths.h"

#include <splitsocks/log.h>
#include <splitsocks/reverse_path.h>

#include <stdio.h>
#include <string.h>

static void check_one(const struct config_local *config, const char *name,
                      const struct local_path *path)
{
    const struct config_strings *hosts = &config->relay.hosts;
    char why[REVERSE_PATH_SIZE];
    bool blocked = false, named = false;

    for (size_t i = 0; i < hosts->count && !blocked; i++) {
        struct address address;

        if (address_parse(&address, hosts->items[i]) == OK)
            blocked = reverse_path_blocked(path, &address, why);
        else
            named = true;
    }
    if (!blocked && named)
        blocked = reverse_path_blocked_anywhere(path, why);
    if (blocked)
        log_warning("path %s: %s", name, why);
}

/* Those that "auto" would take for IPv4: the kernel's main table has them. */
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

void check_paths(const struct config_local *config)
{
    if (config->paths.automatic)
        check_automatic(config);
    for (size_t i = 0; i < config->paths.count; i++) {
        const struct config_path *item = &config->paths.items[i];
        struct local_path path = {.source = item->source};

        if (item->interface != NULL)
            snprintf(path.interface, sizeof(path.interface), "%s", item->interface);
        check_one(config, item->name, &path);
    }
}
