/* SPDX-License-Identifier: MIT */
/* The language of origin and socksload on a stream: a header, pseudo-random bytes
 * both ways (pattern.h), and the origin's verdict. Both directions run at once and each is
 * checked byte by byte by its receiver. */
#ifndef TEST_E2E_LOAD_H
#define TEST_E2E_LOAD_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LOAD_HEADER_SIZE = 32,
    LOAD_TRAILER_SIZE = 16,
    /* Flags. */
    LOAD_ECHO = 1,  /* the origin sends all bytes back, until the end; no verdict */
    LOAD_LATE = 2,  /* it sends nothing before it has seen the client's end of stream */
    LOAD_EARLY = 4, /* it ends its direction before it has read anything; no verdict */
    LOAD_DEAF = 8,  /* it reads nothing but the header, and sends nothing */
};

/* The client's first 32 bytes: "SLD1", flags and the sizes, big-endian. */
struct load_header {
    uint32_t flags;
    uint64_t seed;     /* of the upward bytes; the downward ones use its complement */
    uint64_t up, down; /* bytes */
};

/* The origin's last 16 bytes: what it has received, and where that differed. */
struct load_trailer {
    uint64_t received;
    uint64_t mismatch; /* UINT64_MAX: nowhere */
};

void load_header_encode(const struct load_header *header, uint8_t bytes[LOAD_HEADER_SIZE]);
bool load_header_decode(struct load_header *header, const uint8_t bytes[LOAD_HEADER_SIZE]);
void load_trailer_encode(const struct load_trailer *trailer,
                         uint8_t bytes[LOAD_TRAILER_SIZE]);
void load_trailer_decode(struct load_trailer *trailer,
                         const uint8_t bytes[LOAD_TRAILER_SIZE]);

#endif
