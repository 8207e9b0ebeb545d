/* SPDX-License-Identifier: MIT */
/* A configuration with the private key it names, from their files. */
#ifndef APP_LOAD_CONFIG_H
#define APP_LOAD_CONFIG_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config_local.h>
#include <splitsocks/config/config_relay.h>

/* The configuration of a command without -c: the user's own, else the machine's. A new
 * string (free()), or NULL when memory is out. */
char *find_local_config(void) MUST_CHECK;

/* What is wrong is logged, warnings too. Returns OK, and the caller frees *config and wipes
 * `key`; or an error, and there is nothing to free. A `key` of NULL is not read. */
int load_local(const char *path, struct config_local **config,
               uint8_t key[CONFIG_KEY_SIZE]) MUST_CHECK;
int load_relay(const char *path, struct config_relay **config,
               uint8_t key[CONFIG_KEY_SIZE]) MUST_CHECK;
/* The key that the configuration at `path` names; what is wrong is logged. */
int load_local_key(const char *path, const struct config_local *config,
                   uint8_t key[CONFIG_KEY_SIZE]) MUST_CHECK;
int load_relay_key(const char *path, const struct config_relay *config,
                   uint8_t key[CONFIG_KEY_SIZE]) MUST_CHECK;

#endif
