/* SPDX-License-Identifier: MIT */
/*
 * The client side of SOCKS5 (RFC 1928 and 1929), for `splitsocks connect` through a running
 * local: one CONNECT, without sockets.
 *
 *     write socks5_client_output(c), then socks5_client_sent(c)
 *     at = socks5_client_receive(c, data, length)      data + at belongs to the stream
 *     until the state is SOCKS5_CLIENT_OPEN or SOCKS5_CLIENT_FAILED
 */
#ifndef SPLITSOCKS_SOCKS5_CLIENT_H
#define SPLITSOCKS_SOCKS5_CLIENT_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/proxy/socks5.h>

enum socks5_client_state {
    SOCKS5_CLIENT_NEGOTIATING,
    SOCKS5_CLIENT_OPEN,   /* the stream is connected; nothing more is consumed */
    SOCKS5_CLIENT_FAILED, /* socks5_client_failure() says why */
};

/* Longest reply: one with a name of 255 bytes. */
#define SOCKS5_CLIENT_MESSAGE_SIZE 262

/* All fields are private. */
struct socks5_client {
    const char *host;     /* borrowed until the state has left NEGOTIATING */
    const char *user;     /* NULL: no authentication is offered */
    const char *password; /* not NULL when user is not */
    const char *failure;  /* static text */
    uint16_t port;
    uint16_t length; /* bytes of the current message */
    uint16_t output_length;
    uint8_t state; /* enum socks5_client_state */
    uint8_t stage;
    uint8_t message[SOCKS5_CLIENT_MESSAGE_SIZE];
    uint8_t output[SOCKS5_MESSAGE_SIZE];
};

/* `host` is a name or an IP literal without brackets. `user` and `password` are both NULL
 * or both given. Returns OK, or ERROR_INVALID when a text is empty (a password may be) or
 * longer than 255 bytes, or the port is 0. */
int socks5_client_init(struct socks5_client *client, const char *host, uint16_t port,
                       const char *user, const char *password) MUST_CHECK;

/* Takes the bytes of the negotiation, never a byte behind the reply; returns their
 * number. */
size_t socks5_client_receive(struct socks5_client *client, const uint8_t *data,
                             size_t length);

static inline enum socks5_client_state
socks5_client_state(const struct socks5_client *client)
{
    return (enum socks5_client_state)client->state;
}

/* The bytes that must be written now, in full. Valid until the next call. */
const uint8_t *socks5_client_output(const struct socks5_client *client, size_t *length);
void socks5_client_sent(struct socks5_client *client);

/* In SOCKS5_CLIENT_FAILED: a phrase, static text. */
const char *socks5_client_failure(const struct socks5_client *client);
/* In SOCKS5_CLIENT_FAILED: why the stream was not opened, if a splitsocks local has said
 * so; else RESET_FAILURE. */
enum reset_code socks5_client_code(const struct socks5_client *client);

#endif
