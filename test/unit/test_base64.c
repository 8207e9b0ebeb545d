/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/base64.h>

/* The test vectors of RFC 4648 section 10. */
static void test_vectors(void **state)
{
    static const struct {
        const char *plain;
        const char *encoded;
    } vectors[] = {
        {"", ""},           {"f", "Zg=="},         {"fo", "Zm8="},
        {"foo", "Zm9v"},    {"foob", "Zm9vYg=="},  {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(vectors); i++) {
        size_t size = strlen(vectors[i].plain), length = strlen(vectors[i].encoded);
        char text[16];
        uint8_t data[8];

        assert_int_equal(BASE64_LENGTH(size), length);
        base64_encode(text, (const uint8_t *)vectors[i].plain, size);
        assert_string_equal(text, vectors[i].encoded);
        assert_int_equal(base64_decode(data, size, vectors[i].encoded, length), OK);
        assert_memory_equal(data, vectors[i].plain, size);
    }
}

/* Every character value in every position: only the 64 digits pass, each as itself. */
static void test_alphabet(void **state)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (void)state;

    for (int c = 0; c < 256; c++) {
        const char *digit = c != 0 ? strchr(alphabet, c) : NULL;

        for (size_t position = 0; position < 4; position++) {
            char text[5] = "AAAA", again[5];
            uint8_t data[3];

            text[position] = (char)c;
            if (digit == NULL) {
                assert_int_equal(base64_decode(data, 3, text, 4), ERROR_MALFORMED);
                continue;
            }
            assert_int_equal(base64_decode(data, 3, text, 4), OK);
            assert_int_equal(((unsigned)data[0] << 16 | data[1] << 8 | data[2]) >>
                                 (18 - 6 * position),
                             digit - alphabet);
            base64_encode(again, data, 3);
            assert_string_equal(again, text);
        }
    }
}

static void test_refuses(void **state)
{
    /* Each stands for one byte at most; only "Zg==" does so correctly. */
    static const char *const wrong[] = {
        "Zg=", "Zg", "Zg===", "Zg==\n", "Zh==", "Zg=A", "Z===", "====", "Zg= ", "Zm8=", "",
    };
    uint8_t data = 0xff;
    (void)state;

    assert_int_equal(base64_decode(&data, 1, "Zg==", 4), OK);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        data = 0xff;
        assert_int_equal(base64_decode(&data, 1, wrong[i], strlen(wrong[i])),
                         ERROR_MALFORMED);
        assert_int_equal(data, 0);
    }
}

UNIT_MAIN(cmocka_unit_test(test_vectors), cmocka_unit_test(test_alphabet),
          cmocka_unit_test(test_refuses))
