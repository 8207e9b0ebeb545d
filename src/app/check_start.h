/* SPDX-License-Identifier: MIT */
/* Whether a start would succeed, as far as can be seen without starting anything. */
#ifndef APP_CHECK_START_H
#define APP_CHECK_START_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config_local.h>
#include <splitsocks/config/config_relay.h>

/* All are logged: what would keep a start from succeeding as an error, what would mend
 * itself or only costs something as a warning. Return OK or an error. `path` is that of
 * the configuration. */
int check_local_start(const char *path, const struct config_local *config) MUST_CHECK;
int check_relay_start(const char *path, const struct config_relay *config) MUST_CHECK;

/* check_listen.c: of addresses to listen on. */
struct check_listen {
    struct address address;
    bool implied; /* a kernel without its family does no harm */
};

/* Sorts the items. */
int check_listen(struct check_listen *items, size_t count) MUST_CHECK;

/* check_service.c: warns of what the systemd units that come with the program would find,
 * where the configuration is one of theirs and root looks at it. */
void check_service(const char *path, const char *private_key_file);

#endif
