/* SPDX-License-Identifier: MIT */
/* Reading configuration and key files. */
#ifndef APP_READ_FILE_H
#define APP_READ_FILE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A configuration is far smaller than this. */
#define READ_FILE_MAX ((size_t)4 << 20)

/* Reads a whole file, or a pipe to its end, of at most `maximum` bytes. Returns OK and in
 * *text a new zero-terminated buffer (free()) of *length bytes, at least one; or an error
 * after it has been logged: ERROR_SYSTEM, ERROR_LIMIT, ERROR_MALFORMED, ERROR_MEMORY. */
int read_file(const char *path, size_t maximum, char **text, size_t *length) MUST_CHECK;

/* Reads until the file ends or `size` bytes are there; a pipe may be silent only for a
 * bounded time. Returns their number, or -1 with errno set. */
ssize_t read_up_to(int descriptor, char *buffer, size_t size) MUST_CHECK;
/* Logs the reason in errno, and returns ERROR_SYSTEM. */
int read_failed(const char *path);

/* Reads a private key: one line of base64. The file must be a regular one and closed to
 * group and others; else ERROR_PERMISSION. Errors are logged and `key` is then zeroed.
 * ERROR_MALFORMED: there is no key in it. (read_key.c) */
int read_key_file(const char *path, uint8_t key[CONFIG_KEY_SIZE]) MUST_CHECK;

/* The file `name` of a configuration, relative to the folder of the configuration file
 * `config_path`; a new string (free()), or NULL when memory is out. */
char *resolve_file(const char *config_path, const char *name) MUST_CHECK;

#endif
