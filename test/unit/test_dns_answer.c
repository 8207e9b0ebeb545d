/* SPDX-License-Identifier: MIT */
/* DNS messages: the right records are taken from them, and nothing else is. */
#include "unit.h"

#include <splitsocks/base/wire.h>
#include <splitsocks/names/dns_answer.h>

enum { A = 1, CNAME = 5, SOA = 6, AAAA = 28 };
enum { RESPONSE = 0x8180, TRUNCATED = 0x0200, NO_NAME = 3, SERVFAIL = 2 };

struct message {
    uint8_t bytes[600];
    struct wire_writer w;
};

static void write_name(struct wire_writer *w, const char *name)
{
    while (*name != '\0') {
        size_t length = strcspn(name, ".");

        wire_write_u8(w, (uint8_t)length);
        wire_write_bytes(w, name, length);
        name += length;
        name += *name == '.';
    }
    wire_write_u8(w, 0);
}

static void begin(struct message *m, uint16_t flags, uint16_t answers, uint16_t others)
{
    wire_writer_init(&m->w, m->bytes, sizeof(m->bytes));
    wire_write_u16(&m->w, 1);
    wire_write_u16(&m->w, flags);
    wire_write_u16(&m->w, 1);
    wire_write_u16(&m->w, answers);
    wire_write_u16(&m->w, others);
    wire_write_u16(&m->w, 0);
    write_name(&m->w, "www.example");
    wire_write_u32(&m->w, A << 16 | 1);
}

static void add(struct message *m, const char *owner, uint16_t type, uint32_t ttl,
                const void *data, uint16_t length)
{
    write_name(&m->w, owner);
    wire_write_u16(&m->w, type);
    wire_write_u16(&m->w, 1);
    wire_write_u32(&m->w, ttl);
    wire_write_u16(&m->w, length);
    wire_write_bytes(&m->w, data, length);
}

static void add_alias(struct message *m, const char *owner, const char *name, uint32_t ttl)
{
    uint8_t data[64];
    struct wire_writer w;

    wire_writer_init(&w, data, sizeof(data));
    write_name(&w, name);
    add(m, owner, CNAME, ttl, data, (uint16_t)wire_length(&w));
}

static int parse(struct message *m, struct dns_answer *answer)
{
    assert_false(m->w.failed);
    return dns_answer_parse(answer, m->bytes, wire_length(&m->w), "www.example",
                            ADDRESS_IPV4);
}

static const uint8_t one[4] = {192, 0, 2, 1}, two[4] = {192, 0, 2, 2};

static void test_aliases_in_any_order(void **state)
{
    struct message m;
    struct dns_answer answer;
    (void)state;

    begin(&m, RESPONSE, 5, 0);
    add(&m, "c.example", A, 300, one, 4);
    add_alias(&m, "B.example", "c.Example", 60);
    add(&m, "other.example", A, 1, two, 4); /* nobody asked for it */
    add_alias(&m, "WWW.Example", "b.example", 100);
    add(&m, "c.example", A, 200, two, 4);
    assert_int_equal(parse(&m, &answer), OK);
    assert_int_equal(answer.outcome, DNS_FOUND);
    assert_int_equal(answer.count, 2);
    assert_int_equal(answer.addresses[1].bytes[3], 2);
    assert_int_equal(answer.ttl, 60);

    begin(&m, RESPONSE, 2, 0);
    add_alias(&m, "www.example", "b.example", 100);
    add_alias(&m, "b.example", "www.example", 100);
    assert_int_equal(parse(&m, &answer), OK);
    assert_int_equal(answer.outcome, DNS_NO_DATA);
}

static void test_absence(void **state)
{
    /* Two roots, and numbers of which the last is the minimum: 90. */
    uint8_t soa[22] = {[21] = 90};
    struct message m;
    struct dns_answer answer;
    (void)state;

    begin(&m, RESPONSE | NO_NAME, 0, 1);
    add(&m, "example", SOA, 3600, soa, sizeof(soa));
    assert_int_equal(parse(&m, &answer), OK);
    assert_int_equal(answer.outcome, DNS_NO_NAME);
    assert_int_equal(answer.ttl, 90);
    begin(&m, RESPONSE, 0, 1);
    add(&m, "example", SOA, 30, soa, sizeof(soa));
    assert_int_equal(parse(&m, &answer), OK);
    assert_int_equal(answer.outcome, DNS_NO_DATA);
    assert_int_equal(answer.ttl, 30);
    begin(&m, RESPONSE, 0, 0);
    assert_int_equal(parse(&m, &answer), OK);
    assert_int_equal(answer.ttl, 0);
    begin(&m, RESPONSE | SERVFAIL, 0, 0);
    assert_int_equal(parse(&m, &answer), OK);
    assert_int_equal(answer.outcome, DNS_FAILED);
}

static void test_truncated(void **state)
{
    struct message m;
    struct dns_answer answer;
    (void)state;

    begin(&m, RESPONSE | TRUNCATED, 3, 0);
    add(&m, "www.example", A, 300, one, 4);
    add(&m, "www.example", A, 300, two, 4);
    wire_write_u8(&m.w, 3); /* the third record is cut off within its name */
    assert_int_equal(parse(&m, &answer), OK);
    assert_true(answer.truncated);
    assert_int_equal(answer.count, 2);
    m.bytes[2] = RESPONSE >> 8; /* the same without the flag is broken */
    assert_int_equal(parse(&m, &answer), ERROR_MALFORMED);
}

/* A server that sends more over UDP than was asked for, and no flag. */
static void test_cut_to_a_datagram(void **state)
{
    struct message m;
    struct dns_answer answer;
    (void)state;

    begin(&m, RESPONSE, 20, 0);
    for (int i = 0; i < 20; i++)
        add(&m, "www.example", A, 300, i == 0 ? one : two, 4);
    assert_true(wire_length(&m.w) > 512);
    assert_int_equal(dns_answer_parse(&answer, m.bytes, 512, "www.example", ADDRESS_IPV4),
                     OK);
    assert_true(answer.truncated);
    assert_memory_equal(answer.addresses[0].bytes, one, 4);
    assert_int_equal(dns_answer_parse(&answer, m.bytes, 511, "www.example", ADDRESS_IPV4),
                     ERROR_MALFORMED);
}

static void test_broken(void **state)
{
    struct message m;
    struct dns_answer answer;
    size_t name;
    (void)state;

    begin(&m, RESPONSE, 1, 0);
    add(&m, "www.example", A, 300, one, 3);
    assert_int_equal(parse(&m, &answer), ERROR_MALFORMED);
    begin(&m, 0x0100, 1, 0); /* a question */
    add(&m, "www.example", A, 300, one, 4);
    assert_int_equal(parse(&m, &answer), ERROR_MALFORMED);
    /* Names that lead to themselves, or forward. */
    for (uint8_t ahead = 0; ahead < 3; ahead += 2) {
        begin(&m, RESPONSE, 1, 0);
        name = wire_length(&m.w);
        wire_write_u16(&m.w, (uint16_t)(0xc000 | (name + ahead)));
        wire_write_u64(&m.w, 0);
        assert_int_equal(parse(&m, &answer), ERROR_MALFORMED);
    }
    /* Whatever is cut off, nothing is read beyond the end. */
    begin(&m, RESPONSE, 1, 0);
    add(&m, "www.example", A, 300, one, 4);
    for (size_t length = wire_length(&m.w); length-- > 0;)
        assert_int_equal(
            dns_answer_parse(&answer, m.bytes, length, "www.example", ADDRESS_IPV4),
            ERROR_MALFORMED);
}

UNIT_MAIN(cmocka_unit_test(test_aliases_in_any_order), cmocka_unit_test(test_absence),
          cmocka_unit_test(test_truncated), cmocka_unit_test(test_cut_to_a_datagram),
          cmocka_unit_test(test_broken))
