/* SPDX-License-Identifier: MIT */
#include <splitsocks/names/dns_answer.h>

#include <splitsocks/base/error.h>
#include <splitsocks/base/wire.h>

#include <string.h>

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_AAAA = 28, CLASS_IN = 1 };
enum { RCODE_OK = 0, RCODE_NO_NAME = 3 };

#define FLAG_ANSWER 0x8000
#define FLAG_TRUNCATED 0x0200
#define HEADER_SIZE 12
/* The longest message over UDP (RFC 1035 section 2.3.4). Some servers send longer ones
 * than were asked for; c-ares 1.18 passes on only this many bytes of them. */
#define DATAGRAM_SIZE 512
#define NAME_SIZE 255 /* RFC 1035 section 2.3.4, with the root */
/* Chains of aliases longer than this are given up; resolvers themselves allow 8 to 16. */
#define ALIASES_MAX 16
/* An RDATA of SOA: two names of one byte at least, and five numbers. */
#define SOA_SIZE_MIN 22

/* A name as in messages, but uncompressed and in lower case. */
struct name {
    uint8_t length;
    uint8_t bytes[NAME_SIZE];
};

struct message {
    const uint8_t *bytes;
    size_t length;
    uint16_t counts[4]; /* records in each section */
    size_t answers;     /* where the answer section begins */
    uint16_t type;      /* the type asked for */
    uint8_t size;       /* of an address of that type */
};

struct record {
    struct name owner;
    uint16_t type, class;
    uint32_t ttl;
    const uint8_t *data;
    uint16_t length;
};

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool add_label(struct name *name, const uint8_t *label, uint8_t length)
{
    if (label == NULL || (size_t)name->length + length + 1 > NAME_SIZE - 1)
        return false;
    name->bytes[name->length++] = length;
    for (uint8_t i = 0; i < length; i++)
        name->bytes[name->length++] = lower(label[i]);
    return true;
}

/* Reads a name, which may be compressed: RFC 1035 section 4.1.4. A pointer must lead to
 * earlier bytes, so that there is no loop. */
static bool read_name(const struct message *message, struct wire_reader *r,
                      struct name *name)
{
    struct wire_reader part = *r;
    bool jumped = false;

    name->length = 0;
    for (;;) {
        size_t here = (size_t)(part.at - message->bytes);
        uint8_t length = wire_read_u8(&part);
        size_t there;

        if (!wire_ok(&part) || (length & 0xc0) == 0x40 || (length & 0xc0) == 0x80)
            return false;
        if (length < 0x40) {
            if (length > 0 && !add_label(name, wire_read_bytes(&part, length), length))
                return false;
            if (!jumped)
                *r = part;
            if (length == 0)
                return true;
            continue;
        }
        there = (size_t)(length & 0x3f) << 8 | wire_read_u8(&part);
        if (!jumped)
            *r = part;
        if (!wire_ok(&part) || there >= here)
            return false;
        jumped = true;
        wire_reader_init(&part, message->bytes + there, here - there);
    }
}

static bool name_from_text(struct name *name, const char *text)
{
    name->length = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, ".");

        if (length == 0 || length > 63 ||
            !add_label(name, (const uint8_t *)text, (uint8_t)length))
            return false;
        text += length;
        text += *text == '.';
    }
    return true;
}

static bool name_equal(const struct name *a, const struct name *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static bool read_record(const struct message *message, struct wire_reader *r,
                        struct record *record)
{
    if (!read_name(message, r, &record->owner))
        return false;
    record->type = wire_read_u16(r);
    record->class = wire_read_u16(r);
    record->ttl = wire_read_u32(r);
    if (record->ttl > INT32_MAX)
        record->ttl = 0; /* RFC 2181 section 8 */
    record->length = wire_read_u16(r);
    record->data = wire_read_bytes(r, record->length);
    return wire_ok(r);
}

static bool read_header(struct message *message, uint16_t *flags)
{
    struct wire_reader r;
    struct name question;

    wire_reader_init(&r, message->bytes, message->length);
    (void)wire_read_u16(&r); /* the id, which c-ares has compared */
    *flags = wire_read_u16(&r);
    for (int i = 0; i < 4; i++)
        message->counts[i] = wire_read_u16(&r);
    for (unsigned i = 0; wire_ok(&r) && i < message->counts[0]; i++) {
        if (!read_name(message, &r, &question))
            return false;
        (void)wire_read_u32(&r); /* type and class */
    }
    message->answers = (size_t)(r.at - message->bytes);
    return wire_ok(&r) && (*flags & FLAG_ANSWER) != 0;
}

/* Walks once over the answer section: takes the addresses of `name`; or, when `name` is an
 * alias, replaces it by its target and returns true. */
static bool walk_answers(const struct message *message, struct name *name,
                         struct dns_answer *answer, bool *whole)
{
    struct wire_reader r, data;
    struct record record;

    wire_reader_init(&r, message->bytes, message->length);
    (void)wire_read_bytes(&r, message->answers);
    for (unsigned i = 0; i < message->counts[1]; i++) {
        if (!read_record(message, &r, &record)) {
            *whole = false;
            return false;
        }
        if (record.class != CLASS_IN || !name_equal(&record.owner, name))
            continue;
        if (record.type == TYPE_CNAME) {
            /* A reader on the whole message, since the name may point back. */
            wire_reader_init(&data, record.data, record.length);
            if (!read_name(message, &data, name)) {
                *whole = false;
                return false;
            }
            answer->ttl = MIN(answer->ttl, record.ttl);
            return true;
        }
        if (record.type != message->type)
            continue;
        if (record.length != message->size) {
            *whole = false;
            return false;
        }
        answer->ttl = MIN(answer->ttl, record.ttl);
        if (answer->count < TARGET_ADDRESSES_MAX) {
            struct address *address = &answer->addresses[answer->count++];

            *address = (struct address){.family = message->type == TYPE_A ? ADDRESS_IPV4
                                                                          : ADDRESS_IPV6};
            memcpy(address->bytes, record.data, message->size);
        }
    }
    return false;
}

/* How long the absence may be cached: RFC 2308 section 5. */
static uint32_t negative_ttl(const struct message *message)
{
    struct wire_reader r;
    struct record record;

    wire_reader_init(&r, message->bytes, message->length);
    (void)wire_read_bytes(&r, message->answers);
    for (unsigned i = 0; i < (unsigned)message->counts[1] + message->counts[2]; i++) {
        if (!read_record(message, &r, &record))
            return 0;
        if (i >= message->counts[1] && record.type == TYPE_SOA &&
            record.class == CLASS_IN && record.length >= SOA_SIZE_MIN) {
            const uint8_t *minimum = record.data + record.length - 4;
            uint32_t seconds = (uint32_t)minimum[0] << 24 | (uint32_t)minimum[1] << 16 |
                               (uint32_t)minimum[2] << 8 | minimum[3];

            return MIN(seconds, record.ttl);
        }
    }
    return 0;
}

int dns_answer_parse(struct dns_answer *answer, const uint8_t *bytes, size_t length,
                     const char *text, enum address_family family)
{
    struct message message = {
        .bytes = bytes,
        .length = length,
        .type = family == ADDRESS_IPV4 ? TYPE_A : TYPE_AAAA,
        .size = family == ADDRESS_IPV4 ? 4 : 16,
    };
    struct name name;
    uint16_t flags;
    unsigned aliases = 0;
    bool whole = true;

    *answer = (struct dns_answer){.outcome = DNS_FAILED, .ttl = UINT32_MAX};
    if (length < HEADER_SIZE || !name_from_text(&name, text) ||
        !read_header(&message, &flags))
        return ERROR_MALFORMED;
    answer->truncated = (flags & FLAG_TRUNCATED) != 0;
    if ((flags & 0xf) != RCODE_OK && (flags & 0xf) != RCODE_NO_NAME) {
        answer->ttl = 0;
        return OK;
    }
    while (walk_answers(&message, &name, answer, &whole) && ++aliases < ALIASES_MAX)
        ;
    answer->truncated |= !whole && length == DATAGRAM_SIZE;
    if (!whole && !answer->truncated)
        return ERROR_MALFORMED;
    if (answer->count > 0) {
        answer->outcome = DNS_FOUND;
        return OK;
    }
    answer->outcome = (flags & 0xf) == RCODE_OK ? DNS_NO_DATA : DNS_NO_NAME;
    answer->ttl = MIN(negative_ttl(&message), answer->ttl);
    return OK;
}
