/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/crypto/key.h>

/* RFC 7748 section 6.1: Alice's keys. */
static const uint8_t alice_private[KEY_SIZE] = {
    0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1,
    0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0,
    0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a};
static const uint8_t alice_public[KEY_SIZE] = {
    0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d,
    0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38,
    0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a};
static const char alice_text[] = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";

static void test_public_key(void **state)
{
    static const uint8_t wiped[sizeof(struct key_pair)];
    struct key_pair pair;
    (void)state;

    assert_int_equal(key_pair_init(&pair, alice_private), OK);
    assert_memory_equal(pair.private_key, alice_private, KEY_SIZE);
    assert_memory_equal(pair.public_key, alice_public, KEY_SIZE);
    key_pair_deinit(&pair);
    assert_memory_equal(&pair, wiped, sizeof(pair));
}

static void test_text(void **state)
{
    char text[KEY_TEXT_LENGTH + 1];
    uint8_t key[KEY_SIZE];
    (void)state;

    key_format(text, alice_private);
    assert_string_equal(text, alice_text);
    assert_int_equal(key_parse(key, text, KEY_TEXT_LENGTH), OK);
    assert_memory_equal(key, alice_private, KEY_SIZE);
}

static void test_broken_text_is_refused(void **state)
{
    static const char *const broken[] = {
        "",
        "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo",   /* padding missing */
        "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCp=",  /* bits that stand for nothing */
        "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LC==",  /* 31 bytes */
        "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCoA",  /* 33 bytes */
        "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=A", /* more behind it */
        "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkq-Xf7pR25LCo=",  /* the other alphabet */
        " dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo",
    };
    static const uint8_t zeros[KEY_SIZE];
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(broken); i++) {
        uint8_t key[KEY_SIZE] = {1};

        assert_int_equal(key_parse(key, broken[i], strlen(broken[i])), ERROR_MALFORMED);
        assert_memory_equal(key, zeros, KEY_SIZE);
        assert_int_equal(key_file_parse(key, broken[i], strlen(broken[i])),
                         ERROR_MALFORMED);
    }
}

static void test_file(void **state)
{
    static const char *const endings[] = {"", "\n", "\r\n", " \n\n"};
    char contents[KEY_FILE_LENGTH + 1];
    char padded[KEY_FILE_LENGTH + 8];
    uint8_t key[KEY_SIZE];
    (void)state;

    key_file_format(contents, alice_private);
    assert_int_equal(strlen(contents), KEY_FILE_LENGTH);
    assert_int_equal(key_file_parse(key, contents, KEY_FILE_LENGTH), OK);
    assert_memory_equal(key, alice_private, KEY_SIZE);
    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        strcpy(padded, alice_text);
        strcat(padded, endings[i]);
        assert_int_equal(key_file_parse(key, padded, strlen(padded)), OK);
        assert_memory_equal(key, alice_private, KEY_SIZE);
    }
    strcpy(padded, alice_text);
    assert_int_equal(key_file_parse(key, padded, strlen(padded) + 1), ERROR_MALFORMED);
    strcat(padded, "\nx");
    assert_int_equal(key_file_parse(key, padded, strlen(padded)), ERROR_MALFORMED);
}

UNIT_MAIN(cmocka_unit_test(test_public_key), cmocka_unit_test(test_text),
          cmocka_unit_test(test_broken_text_is_refused), cmocka_unit_test(test_file))
