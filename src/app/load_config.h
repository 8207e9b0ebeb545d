/* SPDX-License-Identifier: MIT */
/* Reads a configuration and its private key from their files. */
#ifndef APP_LOAD_CONFIG_H
#define APP_LOAD_CONFIG_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config_local.h>
#include <splitsocks/config/config_relay.h>

/* The path of the configuration for a command without -c: the user's own, else the
 * machine's. A new string (free()), or NULL when memory is out. */
char *find_local_config(void) MUST_CHECK;
/* The same, or the machine's configuration of a relay where there is none of a local. */
char *find_config(void) MUST_CHECK;

/* Errors and warnings are logged. Returns OK, and the caller frees *config and wipes
 * `key`; or an error, and there is nothing to free. With `key` NULL the key is not
 * read. */
int load_local(const char *path, struct config_local **config,
               uint8_t key[CONFIG_KEY_SIZE]) MUST_CHECK;
int load_relay(const char *path, struct config_relay **config,
               uint8_t key[CONFIG_KEY_SIZE]) MUST_CHECK;
/* Loads the configuration of whichever side, without its key; the other one is NULL. */
int load_either(const char *path, struct config_local **local,
                struct config_relay **relay) MUST_CHECK;
/* Reads the private key of the configuration at `path`; errors are logged. */
int load_local_key(const char *path, const struct config_local *config,
                   uint8_t key[CONFIG_KEY_SIZE]) MUST_CHECK;
int load_relay_key(const char *path, const struct config_relay *config,
                   uint8_t key[CONFIG_KEY_SIZE]) MUST_CHECK;

#endif
