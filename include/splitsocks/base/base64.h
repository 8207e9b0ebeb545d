/* SPDX-License-Identifier: MIT */
/*
 * Base64 (RFC 4648 section 4) of whole values, the form in which files hold keys. This is
 * the only implementation: the configuration reads public keys with it, the crypto room
 * private ones.
 *
 * The time that a call takes depends on the lengths alone, not on the contents, since
 * these may be private keys.
 */
#ifndef SPLITSOCKS_BASE64_H
#define SPLITSOCKS_BASE64_H

#include <splitsocks/base/attributes.h>
#include <stddef.h>
#include <stdint.h>

/* Characters that encode `size` bytes, without a final zero. */
#define BASE64_LENGTH(size) (((size) + 2) / 3 * 4)

/* Writes BASE64_LENGTH(size) characters and a final zero to `text`. */
void base64_encode(char *text, const uint8_t *data, size_t size);

/* Decodes `length` characters, which must encode exactly `size` bytes, padding included
 * and the bits that stand for nothing zero. Returns OK or ERROR_MALFORMED; then `data`
 * is zeroed. */
int base64_decode(uint8_t *data, size_t size, const char *text, size_t length) MUST_CHECK;

#endif
