/* SPDX-License-Identifier: MIT */
#include "addresses.h"

#include <splitsocks/names/nat64.h>

/* The tables of RFC 6052 section 2.4. */
static const struct {
    const char *prefix, *address;
} examples[] = {
    {"2001:db8::/32", "2001:db8:c000:221::"},
    {"2001:db8:100::/40", "2001:db8:1c0:2:21::"},
    {"2001:db8:122::/48", "2001:db8:122:c000:2:2100::"},
    {"2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"},
    {"2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"},
    {"2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"},
    {"64:ff9b::/96", "64:ff9b::192.0.2.33"},
};

static void test_the_rfcs_examples(void **state)
{
    const struct address ipv4 = address_of("192.0.2.33");
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++) {
        const struct address_block prefix = block_of(examples[i].prefix);
        const struct address address = address_of(examples[i].address);
        struct address made = nat64_embed(&prefix, &ipv4), back;

        assert_true(address_equal(&made, &address));
        assert_true(nat64_extract(&prefix, &address, &back));
        assert_true(address_equal(&back, &ipv4));
        assert_true(nat64_resembles(&address, &ipv4));
    }
    assert_int_equal(nat64_well_known.bits, 96);
}

static void test_what_carries_nothing(void **state)
{
    static const char *const others[] = {"2001:db8::1", "64:ff9b:1::192.0.2.33",
                                         "::ffff:192.0.2.33", "192.0.2.33"};
    const struct nat64_prefixes none = {.count = 0};
    const struct address_block own = block_of("2001:db8:122::/48");
    const struct address reserved = address_of("2001:db8:122:c000:102:2100::");
    struct address ipv4;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        const struct address address = address_of(others[i]);

        assert_false(nat64_carried(&none, &address, &ipv4));
    }
    assert_false(nat64_extract(&own, &reserved, &ipv4));
}

static void test_the_prefix_is_learned_from_the_answer(void **state)
{
    struct nat64_prefixes prefixes;
    struct address ipv4;
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++) {
        const struct address_block prefix = block_of(examples[i].prefix);
        const struct address known[] = {address_of("192.0.0.170"),
                                        address_of("192.0.0.171")};
        const struct address answer[] = {known[0], known[1],
                                         nat64_embed(&prefix, &known[0]),
                                         nat64_embed(&prefix, &known[1])};
        const struct address other = address_of(examples[i].address);

        nat64_learn(&prefixes, answer, ARRAY_LENGTH(answer));
        assert_int_equal(prefixes.count, 1);
        assert_int_equal(prefixes.items[0].bits, prefix.bits);
        assert_true(address_equal(&prefixes.items[0].address, &prefix.address));
        assert_true(nat64_carried(&prefixes, &other, &ipv4));
        assert_int_equal(ipv4.bytes[3], 33);
        nat64_learn(&prefixes, answer, 2);
        assert_int_equal(prefixes.count, 0);
    }
}

static void look(struct nat64_view *view, const char *const *texts, size_t count)
{
    const struct nat64_prefixes own = {.count = 1, .items = {block_of("2001:db8:64::/96")}};
    struct address addresses[4];

    for (size_t i = 0; i < count; i++)
        addresses[i] = address_of(texts[i]);
    nat64_look(view, &own, addresses, count);
}

static void check(const struct nat64_view *view, size_t index, const char *text)
{
    const struct address wanted = address_of(text);

    assert_true(index < view->count);
    assert_true(address_equal(&view->addresses[index], &wanted));
}

static void test_what_others_make_of_addresses(void **state)
{
    static const char *const usual[] = {"2001:db8::1", "192.0.2.1"};
    static const char *const both[] = {"2001:db8:64::192.0.2.1", "192.0.2.1"};
    static const char *const only[] = {"64:ff9b::192.0.2.1", "2001:db8:64::192.0.2.2",
                                       "fe80::1", "169.254.0.1"};
    struct nat64_view view;
    (void)state;

    look(&view, usual, 2);
    assert_int_equal(view.own_count, 2);
    assert_int_equal(view.count, 2);
    check(&view, 0, usual[0]);
    look(&view, both, 2);
    assert_int_equal(view.own_count, 1);
    assert_int_equal(view.count, 1);
    check(&view, 0, "192.0.2.1");
    look(&view, only, 4);
    assert_int_equal(view.own_count, 0);
    assert_int_equal(view.count, 4);
    check(&view, 0, "192.0.2.1");
    check(&view, 1, "192.0.2.2");
    check(&view, 3, "169.254.0.1");
}

static void test_when_the_prefix_is_asked_for(void **state)
{
    static const struct {
        const char *texts[2];
        bool question;
    } cases[] = {
        {{"192.0.2.1", "192.0.2.2"}, false},
        {{"2001:db8::1", "192.0.2.1"}, false}, /* as most names have it */
        {{"2001:db8::192.0.2.1", "192.0.2.1"}, true},
        {{"2001:db8::1", "2001:db8::2"}, true},
        {{"64:ff9b::192.0.2.1", "fe80::1"}, false}, /* known, or of no use anyway */
        {{"::192.0.2.1", "ff02::1"}, false},        /* of no network's prefix */
        {{"fd64::192.0.2.1", "64:ff9b:1::1"}, true},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const struct address addresses[] = {address_of(cases[i].texts[0]),
                                            address_of(cases[i].texts[1])};

        assert_int_equal(nat64_in_question(addresses, 2), cases[i].question);
    }
}

UNIT_MAIN(cmocka_unit_test(test_the_rfcs_examples),
          cmocka_unit_test(test_what_carries_nothing),
          cmocka_unit_test(test_what_others_make_of_addresses),
          cmocka_unit_test(test_when_the_prefix_is_asked_for),
          cmocka_unit_test(test_the_prefix_is_learned_from_the_answer))
