/* SPDX-License-Identifier: MIT */
/* Whether a start would succeed, as far as can be seen without starting anything. */
#ifndef APP_CHECK_START_H
#define APP_CHECK_START_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config_local.h>
#include <splitsocks/config/config_relay.h>

/* Log all findings: an error if it would keep a start from succeeding, a warning if it may
 * mend itself or does little harm. Return OK or an error. `path` is that of the
 * configuration. */
int check_local_start(const char *path, const struct config_local *config) MUST_CHECK;
int check_relay_start(const char *path, const struct config_relay *config) MUST_CHECK;

/* check_listen.c: an address to listen on. */
struct check_listen {
    struct address address;
    bool implied;   /* it is no error if the kernel lacks the family */
    bool datagrams; /* for UDP rather than TCP */
};

/* Sorts the items. */
int check_listen(struct check_listen *items, size_t count) MUST_CHECK;

/* check_service.c: if the configuration belongs to one of the systemd units of this
 * program and root runs the check, warns of problems that the unit would have. */
void check_service(const char *path, const char *private_key_file);

#endif
