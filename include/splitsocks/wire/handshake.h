/* SPDX-License-Identifier: MIT */
/*
 * The bytes that open a session (HELLO and its answer) and a further subflow (JOIN), and
 * how keys are derived. Integers are big-endian; varints are those of wire.h.
 *
 *   HELLO     type          1   HELLO_TYPE
 *             route         8   the relay's server id or 0 (any), then 7 zero bytes
 *             mac          16   first half of HMAC-SHA256(K, type || route || length ||
 *                               message 1), K = SHA-256("splitsocks hello" || WIRE_MAJOR
 *                               || the relay's public key)
 *             length        2   of message 1: 96..HELLO_MESSAGE_MAX
 *             message 1         Noise IK, prologue "splitsocks" || WIRE_MAJOR || type ||
 *                               route || length; its payload is the offer
 *
 *   offer     stamp u64, minor u8, features varint, ciphers u8, resume u64,
 *             linger varint, chunk size varint, stream window varint,
 *             session window varint
 *
 *   answer    length        2   of message 2: 48..ANSWER_MESSAGE_MAX
 *             message 2         Noise IK; its payload: minor u8, features varint,
 *                               cipher u8, resume status u8, session id u64,
 *                               linger varint, stream window varint,
 *                               session window varint, stream limit varint
 *
 *   JOIN      type          1   JOIN_TYPE
 *             session id    8
 *             number   varint   of the subflow, from 1; its first chunk follows, with
 *                               these raw bytes in front of its additional data
 *
 * Bytes behind the known fields of a payload are ignored: a later minor version may add
 * fields there. A peer with another WIRE_MAJOR computes the MAC with another key, and so
 * gets no response.
 *
 * Keys: direction secret = HKDF-Expand(Noise split key, "splitsocks direction" || minor ||
 * cipher || handshake hash), where the first split key is that of up (local to relay);
 * subflow key = HKDF-Expand(direction secret, "splitsocks subflow" || number as u64).
 */
#ifndef SPLITSOCKS_HANDSHAKE_H
#define SPLITSOCKS_HANDSHAKE_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/error.h>
#include <splitsocks/base/wire.h>
#include <splitsocks/crypto/kdf.h>
#include <splitsocks/crypto/key.h>
#include <splitsocks/crypto/noise.h>
#include <splitsocks/crypto/seal.h>

#include <stddef.h>
#include <stdint.h>

#define WIRE_MAJOR 1
#define WIRE_MINOR 0 /* the highest minor version that this program speaks */
/* Optional features, one bit each. WIRE_FEATURES: those that this version knows. */
#define WIRE_FEATURE_LARGE_LOST UINT64_C(1) /* the relay may send LARGE_LOST */
#define WIRE_FEATURE_GONE UINT64_C(2)       /* the relay may send GONE */
#define WIRE_FEATURE_DATAGRAMS UINT64_C(4)  /* flows: FLOW_... and DATAGRAM */
#define WIRE_FEATURES (WIRE_FEATURE_LARGE_LOST | WIRE_FEATURE_GONE | WIRE_FEATURE_DATAGRAMS)

#define HELLO_TYPE 0x01
#define JOIN_TYPE 0x02

#define HELLO_MAC_SIZE 16
#define HELLO_HEADER_SIZE 27
#define HELLO_MESSAGE_MAX 512
#define HELLO_MAX (HELLO_HEADER_SIZE + HELLO_MESSAGE_MAX)
#define ANSWER_MESSAGE_MAX 160
#define ANSWER_MAX (2 + ANSWER_MESSAGE_MAX)
#define JOIN_HEADER_MAX 17

/* ---- session ids ---- */

/* A session id as a number: server id (1..255) in its top byte, which is the first on the
 * wire; the worker in the next; 6 random bytes. 0 is never an id. */
static inline uint8_t session_id_server(uint64_t id)
{
    return (uint8_t)(id >> 56);
}

static inline uint8_t session_id_worker(uint64_t id)
{
    return (uint8_t)(id >> 48);
}

uint64_t session_id_make(uint8_t server, uint8_t worker, const uint8_t random[6]);

/* ---- the offer and the answer ---- */

struct hello_offer {
    uint64_t stamp;          /* wall clock, ns since 1970; at least the last used + 1 */
    uint8_t minor;           /* highest minor version; all below it are supported too */
    uint64_t features;       /* bits; unknown ones are ignored */
    uint8_t ciphers;         /* CIPHER_BIT()s of the ciphers that run fast here */
    uint64_t resume;         /* id of the session to go on with, or 0 */
    uint64_t linger_s;       /* how long to keep a session without contact */
    uint64_t chunk_size;     /* largest chunk in either direction, bytes on the wire */
    uint64_t stream_window;  /* bytes a stream may receive at first */
    uint64_t session_window; /* bytes all streams may receive at first */
};

enum resume_status {
    RESUME_NEW = 0,     /* local asked for no resume */
    RESUME_RESUMED = 1, /* the session goes on; its streams stay */
    RESUME_UNKNOWN = 2, /* no such session of this client: its streams are lost */
};

struct hello_answer {
    uint8_t minor;
    uint64_t features;
    uint8_t cipher; /* enum cipher */
    uint8_t resume; /* enum resume_status */
    uint64_t session_id;
    uint64_t linger_s;                      /* the smaller of both sides' */
    uint64_t stream_window, session_window; /* as in the offer, for the other direction */
    uint64_t stream_limit;                  /* streams that local may open at first */
};

#define CIPHER_BIT(cipher) (1u << (cipher))
/* The ciphers that this side offers and accepts: always ChaCha20-Poly1305, and AES where
 * the CPU runs it fast. */
uint8_t ciphers_supported(void);

/* Fills minor, features and cipher with the best that both sides support. The cipher is
 * AES only when it is fast on both. Returns OK, or ERROR_UNSUPPORTED when there is no
 * common cipher. */
int hello_agree(const struct hello_offer *offer, struct hello_answer *answer) MUST_CHECK;

/* ---- keys ---- */

enum direction { DIRECTION_UP, DIRECTION_DOWN }; /* local to relay, and back */

struct session_keys {
    struct kdf up, down; /* keyed with the direction secrets; owned */
    enum cipher cipher;
    uint8_t minor;
};

/* `noise` has done both messages. Returns OK, ERROR_MEMORY or ERROR_CRYPTO; on error there
 * is nothing to deinit. */
int session_keys_init(struct session_keys *keys, struct noise *noise, uint8_t minor,
                      enum cipher cipher) MUST_CHECK;
/* Wipes the secrets. Safe on zeroed keys, and twice. */
void session_keys_deinit(struct session_keys *keys);
/* Derives the key of one direction of one subflow. Returns OK or ERROR_CRYPTO. The caller
 * wipes the key with key_wipe() once its seal is keyed. */
int session_keys_subflow(struct session_keys *keys, enum direction direction,
                         uint64_t number, uint8_t key[SEAL_KEY_SIZE]) MUST_CHECK;
/* The same, as a seal with that key. Also ERROR_MEMORY. On error there is nothing to
 * deinit. */
int session_keys_seal(struct session_keys *keys, enum direction direction, uint64_t number,
                      bool encrypt, struct seal *seal) MUST_CHECK;

/* ---- HELLO, at local ---- */

/* Writes a HELLO. `server` is the id of the server that is to get it, or 0 for any.
 * Initialises `noise`, which then waits for the answer: the caller deinits it, whatever is
 * returned. Returns OK; ERROR_LIMIT when `out` has no room for it; ERROR_AUTHENTICATION
 * for a relay key of low order; or ERROR_CRYPTO. */
int hello_write(struct noise *noise, struct wire_writer *out, const struct key_pair *local,
                const uint8_t relay_public_key[KEY_SIZE], const uint8_t ephemeral[KEY_SIZE],
                uint8_t server, const struct hello_offer *offer) MUST_CHECK;

/* Reads the answer to `offer` and derives the session's keys. Returns OK; ERROR_TRUNCATED
 * while the answer is incomplete (try again from its first byte); ERROR_MALFORMED or
 * ERROR_AUTHENTICATION when it does not answer this HELLO; ERROR_PROTOCOL when the relay
 * chose something that was not offered; ERROR_MEMORY or ERROR_CRYPTO. On any error but
 * ERROR_TRUNCATED `noise` is dead. */
int hello_read_answer(struct noise *noise, struct wire_reader *in,
                      const struct hello_offer *offer, struct hello_answer *answer,
                      struct session_keys *keys) MUST_CHECK;

/* ---- HELLO, at the relay (see door.h, which guards these) ---- */

struct hello_header {
    uint8_t server; /* first byte of route */
    uint8_t mac[HELLO_MAC_SIZE];
    const uint8_t *raw;     /* HELLO_HEADER_SIZE bytes, in the reader's buffer */
    const uint8_t *message; /* message 1, in the reader's buffer */
    size_t message_length;
};

/* Reads a whole HELLO. Returns OK; ERROR_TRUNCATED; or ERROR_MALFORMED, as soon as the
 * bytes show another type, a malformed route or a length out of range. */
int hello_read_header(struct wire_reader *in, struct hello_header *header) MUST_CHECK;

/* Prepares `mac` for HELLOs to `relay_public_key`. Returns OK, ERROR_MEMORY or
 * ERROR_CRYPTO. */
int hello_mac_init(struct kdf *mac, const uint8_t relay_public_key[KEY_SIZE]) MUST_CHECK;
/* Returns OK, ERROR_AUTHENTICATION or ERROR_CRYPTO. */
int hello_check_mac(struct kdf *mac, const struct hello_header *header) MUST_CHECK;

/* Opens message 1 and initialises `noise`; the caller deinits it, whatever is returned. On
 * OK the client's public key is noise->remote_static. Returns OK, ERROR_AUTHENTICATION,
 * ERROR_MALFORMED (the offer), or ERROR_CRYPTO. */
int hello_open(struct noise *noise, const struct hello_header *header,
               const struct key_pair *relay, const uint8_t ephemeral[KEY_SIZE],
               struct hello_offer *offer) MUST_CHECK;

/* Writes the answer and derives the session's keys. Returns OK, ERROR_LIMIT when `out` has
 * no room for it (ANSWER_MAX is always enough), ERROR_AUTHENTICATION for an ephemeral key
 * of low order, ERROR_MEMORY or ERROR_CRYPTO. */
int hello_write_answer(struct noise *noise, struct wire_writer *out,
                       const struct hello_answer *answer,
                       struct session_keys *keys) MUST_CHECK;

/* ---- payloads (exposed for tests and fuzzing) ---- */

void hello_offer_write(struct wire_writer *out, const struct hello_offer *offer);
/* Return OK or ERROR_MALFORMED; bytes behind the known fields are left unread. */
int hello_offer_read(struct wire_reader *in, struct hello_offer *offer) MUST_CHECK;
void hello_answer_write(struct wire_writer *out, const struct hello_answer *answer);
int hello_answer_read(struct wire_reader *in, struct hello_answer *answer) MUST_CHECK;

/* ---- JOIN ---- */

struct join {
    uint64_t session_id;
    uint64_t number;    /* the subflow's number */
    const uint8_t *raw; /* the header's bytes, in the reader's buffer */
    size_t raw_length;  /* at most JOIN_HEADER_MAX */
};

/* Fails the writer when there is no room. `number` is 1..VARINT_MAX. */
void join_write(struct wire_writer *out, uint64_t session_id, uint64_t number);
/* Returns OK; ERROR_TRUNCATED while the header is incomplete; ERROR_MALFORMED for another
 * type, session id 0 or number 0. */
int join_read(struct wire_reader *in, struct join *join) MUST_CHECK;

#endif
