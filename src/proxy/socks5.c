/* SPDX-License-Identifier: MIT */
#include <splitsocks/proxy/socks5.h>

#include "socks5_address.h"

#include <splitsocks/base/attributes.h>

#include <assert.h>
#include <string.h>

#define VERSION 5
#define PASSWORD_VERSION 1 /* of the sub-negotiation, RFC 1929 section 2 */

enum { METHOD_NONE = 0, METHOD_PASSWORD = 2, METHOD_UNACCEPTABLE = 0xff };
enum { COMMAND_CONNECT = 1, COMMAND_BIND = 2, COMMAND_UDP_ASSOCIATE = 3 };
enum stage { STAGE_METHODS, STAGE_PASSWORD, STAGE_REQUEST };

/* Where the type of a request's or reply's address is: behind version, command or code, and
 * a reserved byte. */
#define ADDRESS_AT 3

static const char http_answer[] = "HTTP/1.1 400 Bad Request\r\n"
                                  "Content-Type: text/plain\r\n"
                                  "Content-Length: 43\r\n"
                                  "Connection: close\r\n"
                                  "\r\n"
                                  "This is a SOCKS5 port, not an HTTP proxy.\r\n";

/* "Request rejected or failed", with port and address 0. */
static const uint8_t socks4_answer[8] = {0, 0x5b};

const char *socks5_code_string(enum socks5_code code)
{
    switch (code) {
    case SOCKS5_SUCCEEDED: return "succeeded";
    case SOCKS5_GENERAL_FAILURE: return "general failure";
    case SOCKS5_NOT_ALLOWED: return "not allowed by the rules";
    case SOCKS5_NETWORK_UNREACHABLE: return "network unreachable";
    case SOCKS5_HOST_UNREACHABLE: return "host unreachable";
    case SOCKS5_CONNECTION_REFUSED: return "connection refused";
    case SOCKS5_TTL_EXPIRED: return "timed out";
    case SOCKS5_COMMAND_NOT_SUPPORTED: return "command not supported";
    case SOCKS5_ADDRESS_NOT_SUPPORTED: return "address type not supported";
    }
    return "unknown reply";
}

enum socks5_code socks5_code_of(enum reset_code code)
{
    switch (code) {
    case RESET_DENIED:
    case RESET_BLOCKED: return SOCKS5_NOT_ALLOWED;
    case RESET_NETWORK_UNREACHABLE: return SOCKS5_NETWORK_UNREACHABLE;
    case RESET_HOST_UNREACHABLE:
    case RESET_NAME_NOT_FOUND:
    case RESET_NAME_FAILURE: return SOCKS5_HOST_UNREACHABLE;
    case RESET_REFUSED: return SOCKS5_CONNECTION_REFUSED;
    case RESET_TIMED_OUT: return SOCKS5_TTL_EXPIRED;
    default: return SOCKS5_GENERAL_FAILURE;
    }
}

void socks5_init(struct socks5 *socks5, const struct socks5_user *users, size_t user_count)
{
    *socks5 = (struct socks5){.users = users, .user_count = user_count};
}

static void refuse(struct socks5 *socks5, const char *refusal)
{
    socks5->state = SOCKS5_REFUSED;
    socks5->refusal = refusal;
}

/* Adds to the output. A client that sends all its messages at once gets at most a method,
 * a verdict on the password and a reply: they fit. */
static void put_output(struct socks5 *socks5, const void *bytes, size_t length)
{
    assert(socks5->output_length + length <= sizeof(socks5->small_output));
    memcpy(socks5->small_output + socks5->output_length, bytes, length);
    socks5->output = socks5->small_output;
    socks5->output_length += (uint16_t)length;
}

static void refuse_request(struct socks5 *socks5, enum socks5_code code,
                           const char *refusal)
{
    uint8_t reply[SOCKS5_REPLY_SIZE];

    put_output(socks5, reply, socks5_reply(reply, code, NULL));
    refuse(socks5, refusal);
}

static void begin_stage(struct socks5 *socks5, enum stage stage)
{
    socks5->stage = (uint8_t)stage;
    socks5->length = 0;
}

/* ---- clients of other protocols ---- */

enum match { MATCH_NO, MATCH_PARTLY, MATCH_FULL };

static enum match match_text(const struct socks5 *socks5, const char *text)
{
    size_t length = strlen(text);

    if (memcmp(socks5->message, text, MIN(socks5->length, length)) != 0)
        return MATCH_NO;
    return socks5->length < length ? MATCH_PARTLY : MATCH_FULL;
}

/* Whether the bytes so far begin an HTTP request, by its method (RFC 9110 section 9, and
 * those of WebDAV and of HTTP/2's preface that a proxy's user is likely to send). */
static enum match match_http(const struct socks5 *socks5)
{
    static const char *const methods[] = {"GET ",     "HEAD ",  "POST ",    "PUT ",
                                          "DELETE ",  "TRACE ", "PATCH ",   "CONNECT ",
                                          "OPTIONS ", "PRI ",   "PROPFIND "};
    enum match best = MATCH_NO;

    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++)
        best = MAX(best, match_text(socks5, methods[i]));
    return best;
}

/* Refuses the client once its first bytes show another protocol. */
static void take_foreign_byte(struct socks5 *socks5)
{
    enum match tls = match_text(socks5, "\x16\x03");
    enum match http = match_http(socks5);

    if (socks5->message[0] == 4) {
        socks5->output = socks4_answer;
        socks5->output_length = sizeof(socks4_answer);
        refuse(socks5, "a SOCKS4 client; this is a SOCKS5 port");
    } else if (http == MATCH_FULL) {
        socks5->output = (const uint8_t *)http_answer;
        socks5->output_length = sizeof(http_answer) - 1;
        refuse(socks5, "an HTTP request; this is a SOCKS5 port");
    } else if (tls == MATCH_FULL) {
        refuse(socks5, "a TLS connection; this is a SOCKS5 port");
    } else if (http == MATCH_NO && tls == MATCH_NO) {
        refuse(socks5, "not a SOCKS5 client");
    }
}

/* ---- the three messages ---- */

/* The length of the current message, as far as its first bytes tell: no more than this may
 * be taken before asking again. */
static size_t message_size(const struct socks5 *socks5)
{
    const uint8_t *m = socks5->message;
    size_t length = socks5->length;

    switch ((enum stage)socks5->stage) {
    case STAGE_METHODS:
        if (length == 0 || m[0] != VERSION)
            return length + 1; /* the first byte tells; others are looked at singly */
        return length < 2 ? 2 : (size_t)2 + m[1];
    case STAGE_PASSWORD:
        if (length < 2)
            return 2;
        return length < (size_t)3 + m[1] ? (size_t)3 + m[1]
                                         : (size_t)3 + m[1] + m[2 + m[1]];
    case STAGE_REQUEST: break;
    }
    if (length <= ADDRESS_AT || !socks5_address_known(m[ADDRESS_AT]))
        return ADDRESS_AT + 1;
    return ADDRESS_AT + socks5_address_size(m + ADDRESS_AT, length - ADDRESS_AT);
}

static bool offers(const struct socks5 *socks5, uint8_t method)
{
    return memchr(socks5->message + 2, method, socks5->message[1]) != NULL;
}

/* A client that insists on a name and a password may give them although none are
 * required. */
static void take_methods(struct socks5 *socks5)
{
    bool open = socks5->user_count == 0;
    uint8_t wanted = open && offers(socks5, METHOD_NONE) ? METHOD_NONE : METHOD_PASSWORD;
    uint8_t answer[2] = {VERSION, wanted};

    if (!offers(socks5, wanted)) {
        answer[1] = METHOD_UNACCEPTABLE;
        refuse(socks5, open
                           ? "the client offers neither to go without authentication nor a "
                             "user name and password"
                           : "the client offers no user name and password");
    }
    put_output(socks5, answer, sizeof(answer));
    begin_stage(socks5, wanted == METHOD_PASSWORD ? STAGE_PASSWORD : STAGE_REQUEST);
}

/* Compares in a time that does not depend on where the first difference lies. */
static unsigned differs(const uint8_t *sent, size_t sent_length, const char *expected)
{
    size_t length = strlen(expected);
    size_t difference = sent_length ^ length;

    for (size_t i = 0; i < sent_length; i++)
        difference |= sent[i] ^ (uint8_t)expected[i < length ? i : length];
    return difference != 0;
}

static void take_password(struct socks5 *socks5)
{
    const uint8_t *m = socks5->message;
    const uint8_t *name = m + 2;
    const uint8_t *password = name + m[1] + 1;
    uint8_t answer[2] = {PASSWORD_VERSION, 1};
    unsigned known = socks5->user_count == 0; /* then any password is good */

    /* Compare with every user, so that the time does not tell which one matched. */
    for (size_t i = 0; i < socks5->user_count; i++)
        known |= !(differs(name, m[1], socks5->users[i].name) |
                   differs(password, password[-1], socks5->users[i].password));
    if (m[0] == PASSWORD_VERSION && known)
        answer[1] = 0;
    else
        refuse(socks5, "wrong user name or password");
    put_output(socks5, answer, sizeof(answer));
    explicit_bzero(socks5->message, sizeof(socks5->message));
    begin_stage(socks5, STAGE_REQUEST);
}

static bool has_port(const struct socks5 *socks5)
{
    const uint8_t *m = socks5->message;

    return m[socks5->length - 2] != 0 || m[socks5->length - 1] != 0;
}

static void take_request(struct socks5 *socks5)
{
    const uint8_t *m = socks5->message;

    if (m[0] != VERSION)
        refuse_request(socks5, SOCKS5_GENERAL_FAILURE, "a request of another version");
    else if (!socks5_address_known(m[ADDRESS_AT]))
        refuse_request(socks5, SOCKS5_ADDRESS_NOT_SUPPORTED, "an unknown address type");
    else if (m[1] == COMMAND_BIND)
        refuse_request(socks5, SOCKS5_COMMAND_NOT_SUPPORTED, "BIND is not supported");
    else if (m[1] == COMMAND_UDP_ASSOCIATE)
        socks5->state = SOCKS5_ASSOCIATE; /* whatever address the client names */
    else if (m[1] != COMMAND_CONNECT)
        refuse_request(socks5, SOCKS5_COMMAND_NOT_SUPPORTED, "an unknown command");
    else if (!socks5_address_valid(m + ADDRESS_AT))
        refuse_request(socks5, SOCKS5_HOST_UNREACHABLE, "a host name that cannot be one");
    else if (!has_port(socks5))
        refuse_request(socks5, SOCKS5_GENERAL_FAILURE, "port 0");
    else
        socks5->state = SOCKS5_CONNECT;
}

static void take_message(struct socks5 *socks5)
{
    switch ((enum stage)socks5->stage) {
    case STAGE_METHODS: take_methods(socks5); break;
    case STAGE_PASSWORD: take_password(socks5); break;
    case STAGE_REQUEST: take_request(socks5); break;
    }
}

size_t socks5_receive(struct socks5 *socks5, const uint8_t *data, size_t length)
{
    size_t used = 0;

    while (socks5->state == SOCKS5_NEGOTIATING && used < length) {
        size_t part = MIN(message_size(socks5) - socks5->length, length - used);

        memcpy(socks5->message + socks5->length, data + used, part);
        socks5->length += (uint16_t)part;
        used += part;
        if (socks5->stage == STAGE_METHODS && socks5->message[0] != VERSION)
            take_foreign_byte(socks5);
        else if (socks5->length == message_size(socks5))
            take_message(socks5);
    }
    return socks5->state == SOCKS5_REFUSED ? length : used;
}

const uint8_t *socks5_output(const struct socks5 *socks5, size_t *length)
{
    *length = socks5->output_length;
    return socks5->output;
}

void socks5_sent(struct socks5 *socks5)
{
    socks5->output = NULL;
    socks5->output_length = 0;
}

void socks5_target(const struct socks5 *socks5, struct target *target)
{
    assert(socks5->state == SOCKS5_CONNECT);
    *target = (struct target){0};
    socks5_address_get(socks5->message + ADDRESS_AT, target);
}

uint16_t socks5_client_port(const struct socks5 *socks5)
{
    const uint8_t *port = socks5->message + socks5->length - 2;

    assert(socks5->state == SOCKS5_ASSOCIATE);
    return (uint16_t)(port[0] << 8 | port[1]);
}

const char *socks5_refusal(const struct socks5 *socks5)
{
    assert(socks5->state == SOCKS5_REFUSED);
    return socks5->refusal;
}

size_t socks5_reply(uint8_t buffer[SOCKS5_REPLY_SIZE], enum socks5_code code,
                    const struct address *bound)
{
    static const struct address none = {.family = ADDRESS_IPV4};
    bool known = bound != NULL && bound->family != ADDRESS_NONE;

    memset(buffer, 0, SOCKS5_REPLY_SIZE);
    buffer[0] = VERSION;
    buffer[1] = (uint8_t)code;
    return ADDRESS_AT + socks5_address_put(buffer + ADDRESS_AT, known ? bound : &none);
}

size_t socks5_failure_reply(uint8_t buffer[SOCKS5_REPLY_SIZE], enum reset_code code)
{
    const struct address bound = {.family = ADDRESS_IPV4, .port = (uint16_t)code};

    return socks5_reply(buffer, socks5_code_of(code), &bound);
}

enum reset_code socks5_failure_code(const uint8_t *reply)
{
    static const uint8_t nowhere[4];
    const uint8_t *bound = reply + ADDRESS_AT + 1;
    enum reset_code code = (enum reset_code)(bound[4] << 8 | bound[5]);

    /* Another server's reply may have any port here, most often 0. */
    if (code == RESET_CANCELLED || reply[ADDRESS_AT] != SOCKS5_TYPE_IPV4 ||
        memcmp(bound, nowhere, sizeof(nowhere)) != 0 ||
        (uint8_t)socks5_code_of(code) != reply[1])
        return RESET_FAILURE;
    return code;
}
