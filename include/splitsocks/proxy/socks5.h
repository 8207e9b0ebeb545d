/* SPDX-License-Identifier: MIT */
/*
 * The server side of SOCKS5 (RFC 1928) with user/password authentication (RFC 1929), as a
 * state machine without sockets: bytes go in, in any pieces; bytes to send come out.
 *
 *     at = socks5_receive(s, data, length)        data + at belongs to the stream
 *     write socks5_output(s), then socks5_sent(s)
 *     SOCKS5_CONNECT: open the stream; when it is decided, write a socks5_reply()
 *     SOCKS5_ASSOCIATE: the same for an association of datagrams, see socks5_udp.h
 *     SOCKS5_REFUSED: write the output, close; log socks5_refusal(s)
 *
 * CONNECT and UDP ASSOCIATE are served. A client of another protocol (HTTP, SOCKS4, TLS) is
 * recognised by its first bytes and refused in its own protocol where possible, so that the
 * user sees the mistake.
 */
#ifndef SPLITSOCKS_SOCKS5_H
#define SPLITSOCKS_SOCKS5_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/target.h>
#include <splitsocks/engine/session/session.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A user of the proxy; zero-terminated texts, at most 255 bytes each (RFC 1929 section 2).
 */
struct socks5_user {
    const char *name;
    const char *password;
};

enum socks5_state {
    SOCKS5_NEGOTIATING, /* more bytes are needed */
    SOCKS5_CONNECT,     /* socks5_target() is known; nothing more is consumed */
    SOCKS5_ASSOCIATE,   /* socks5_client_port() is known; nothing more is consumed */
    SOCKS5_REFUSED,     /* write the output and close; further bytes are discarded */
};

/* RFC 1928 section 6. */
enum socks5_code {
    SOCKS5_SUCCEEDED = 0,
    SOCKS5_GENERAL_FAILURE = 1,
    SOCKS5_NOT_ALLOWED = 2,
    SOCKS5_NETWORK_UNREACHABLE = 3,
    SOCKS5_HOST_UNREACHABLE = 4,
    SOCKS5_CONNECTION_REFUSED = 5,
    SOCKS5_TTL_EXPIRED = 6,
    SOCKS5_COMMAND_NOT_SUPPORTED = 7,
    SOCKS5_ADDRESS_NOT_SUPPORTED = 8,
};

/* A phrase for logs and for the user of `splitsocks connect`; never NULL. */
const char *socks5_code_string(enum socks5_code code);

/* The RFC 1928 code for a stream that ended with `code` before it was open. A name that
 * cannot be resolved, for whatever reason, is an unreachable host. A relay that cannot be
 * reached is a failure of the proxy, and says nothing about the destination's network. */
enum socks5_code socks5_code_of(enum reset_code code);

/* Longest reply that socks5_reply() writes: one with an IPv6 address. */
#define SOCKS5_REPLY_SIZE 22
/* Longest message taken: that of RFC 1929, with name and password of 255 bytes. */
#define SOCKS5_MESSAGE_SIZE 513

/* Lives during the negotiation only. All fields are private. */
struct socks5 {
    const struct socks5_user *users; /* borrowed until the negotiation has ended */
    size_t user_count;               /* 0: none is needed; any is accepted */
    const char *refusal;   /* static text; NULL unless refused */
    const uint8_t *output; /* into small_output or static text */
    uint16_t output_length;
    uint16_t length; /* bytes of the current message */
    uint8_t state;   /* enum socks5_state */
    uint8_t stage;   /* which message is expected */
    uint8_t small_output[4 + SOCKS5_REPLY_SIZE];
    uint8_t message[SOCKS5_MESSAGE_SIZE]; /* the request stays here once it is complete */
};

void socks5_init(struct socks5 *socks5, const struct socks5_user *users, size_t user_count);

/* Takes the bytes of the negotiation and returns their number. It never takes bytes behind
 * the request, so that a client may send its data along. */
size_t socks5_receive(struct socks5 *socks5, const uint8_t *data, size_t length);

static inline enum socks5_state socks5_state(const struct socks5 *socks5)
{
    return (enum socks5_state)socks5->state;
}

/* The bytes that must be written now, in full; none when `*length` becomes 0. Valid until
 * the next call. socks5_sent() says that they were written, or taken over. */
const uint8_t *socks5_output(const struct socks5 *socks5, size_t *length);
void socks5_sent(struct socks5 *socks5);

/* In SOCKS5_CONNECT: the client's target. It is one address (an IP literal given as a name
 * is an address, an IPv4-mapped address is an IPv4 one), or a name of 1 to 255 bytes
 * without spaces and control characters. The port is not 0. */
void socks5_target(const struct socks5 *socks5, struct target *target);

/* In SOCKS5_ASSOCIATE: the port from which the client will send; 0: it does not know yet.
 * The address that it names is not used: only the one from which it reached us counts. */
uint16_t socks5_client_port(const struct socks5 *socks5);

/* In SOCKS5_REFUSED: the reason, for one log line; static text. */
const char *socks5_refusal(const struct socks5 *socks5);

/* Writes the reply to a request and returns its length. `bound` is the address that the
 * relay connected from, or that takes the client's datagrams; NULL (unknown, or none)
 * becomes 0.0.0.0:0. */
size_t socks5_reply(uint8_t buffer[SOCKS5_REPLY_SIZE], enum socks5_code code,
                    const struct address *bound);

/* Writes the reply to a CONNECT that failed with `code` and returns its length. BND.PORT
 * has no meaning in such a reply; here it carries `code`, so that `splitsocks connect` can
 * say more than RFC 1928's eight codes do. */
size_t socks5_failure_reply(uint8_t buffer[SOCKS5_REPLY_SIZE], enum reset_code code);
/* The code of a failing reply that socks5_failure_reply() wrote; RESET_FAILURE for one
 * that carries none. `reply` is a whole reply with an IPv4 address. */
enum reset_code socks5_failure_code(const uint8_t *reply);

#endif
