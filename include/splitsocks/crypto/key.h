/* SPDX-License-Identifier: MIT */
/*
 * X25519 keys (RFC 7748) and how they are written: base64 of 32 bytes, 44 characters, as
 * in configurations; a private key file is that one line. Random bytes are passed in.
 */
#ifndef SPLITSOCKS_KEY_H
#define SPLITSOCKS_KEY_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>

#include <stddef.h>
#include <stdint.h>

#define KEY_SIZE 32
#define KEY_TEXT_LENGTH 44 /* without a final zero */

struct key_pair {
    uint8_t private_key[KEY_SIZE];
    uint8_t public_key[KEY_SIZE];
};

/* The public key that belongs to `private_key`: any 32 random bytes, which X25519 itself
 * clamps. Returns OK or ERROR_CRYPTO. */
int key_public(uint8_t public_key[KEY_SIZE],
               const uint8_t private_key[KEY_SIZE]) MUST_CHECK;

/* Copies the private key and computes the public one. Returns OK or ERROR_CRYPTO. */
int key_pair_init(struct key_pair *pair, const uint8_t private_key[KEY_SIZE]) MUST_CHECK;
/* Wipes both. */
void key_pair_deinit(struct key_pair *pair);

/* Writes 44 characters and a final zero. */
void key_format(char text[KEY_TEXT_LENGTH + 1], const uint8_t key[KEY_SIZE]);
/* Strict: exactly 44 characters, canonical. Returns OK or ERROR_MALFORMED; then `key` is
 * zeroed. */
int key_parse(uint8_t key[KEY_SIZE], const char *text, size_t length) MUST_CHECK;

/* The contents of a private key file: key_format()'s line and a line feed. */
#define KEY_FILE_LENGTH (KEY_TEXT_LENGTH + 1)
void key_file_format(char contents[KEY_FILE_LENGTH + 1], const uint8_t key[KEY_SIZE]);
/* Takes such contents, where blanks and line ends may follow the key, but nothing else.
 * Returns OK or ERROR_MALFORMED; then `key` is zeroed. The caller wipes `contents`. */
int key_file_parse(uint8_t key[KEY_SIZE], const char *contents, size_t length) MUST_CHECK;

/* Overwrites secrets in a way that the compiler keeps. */
void key_wipe(void *secret, size_t size);

#endif
