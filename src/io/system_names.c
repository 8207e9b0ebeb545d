/* SPDX-License-Identifier: MIT */
#include "system_names.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SERVICE_SWITCH "/etc/nsswitch.conf"
/* These files have a few hundred bytes; bytes beyond this are ignored. */
#define FILE_SIZE_MAX (32 * 1024)

/* A file that cannot be read counts as empty: the defaults apply. */
static void read_text(const char *path, char text[FILE_SIZE_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t length = 0;
    ssize_t n;

    while (fd >= 0 && length < FILE_SIZE_MAX - 1) {
        n = read(fd, text + length, FILE_SIZE_MAX - 1 - length);
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    text[length] = '\0';
}

/* If the file has no search domain, use the machine's own, as in resolv.conf(5). */
static void add_own_domain(struct resolv_conf *conf)
{
    char name[HOST_NAME_MAX_LENGTH + 1];
    const char *dot;

    if (conf->domain_count > 0 || gethostname(name, sizeof(name)) != 0)
        return;
    name[sizeof(name) - 1] = '\0';
    dot = strchr(name, '.');
    if (dot == NULL || dot[1] == '\0')
        return;
    strcpy(conf->domains[0], dot + 1);
    conf->domain_count = 1;
}

void system_names_init(struct system_names *names, const char *path)
{
    *names = (struct system_names){.path = path};
}

bool system_names_refresh(struct system_names *names)
{
    struct stat status;
    char text[FILE_SIZE_MAX];

    if (stat(names->path, &status) != 0)
        status = (struct stat){0};
    if (names->seen && status.st_ino == names->status.st_ino &&
        status.st_size == names->status.st_size &&
        status.st_mtim.tv_sec == names->status.st_mtim.tv_sec &&
        status.st_mtim.tv_nsec == names->status.st_mtim.tv_nsec)
        return false;
    names->seen = true;
    names->status = status;
    read_text(names->path, text);
    resolv_conf_parse(&names->conf, text);
    add_own_domain(&names->conf);
    read_text(SERVICE_SWITCH, text);
    names->order = lookup_order_parse(text);
    return true;
}

bool host_resolve_zone(struct host *host)
{
    if (host->zone[0] == '\0')
        return true;
    host->address.scope = if_nametoindex(host->zone);
    return host->address.scope != 0;
}

size_t system_names_servers(const struct system_names *names,
                            struct address servers[SERVERS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < names->conf.server_count; i++) {
        struct host host = names->conf.servers[i];

        if (host_resolve_zone(&host))
            servers[count++] = host.address;
    }
    if (count == 0)
        servers[count++] =
            (struct address){.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}};
    return count;
}
