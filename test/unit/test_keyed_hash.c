/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/base/keyed_hash.h>

/* Of the reference implementation: the secret is 00 01 .. 0f, and the text 00 01 .. of each
 * length. The paper's own example has a length of 15. */
static void test_vectors(void **state)
{
    static const struct {
        size_t length;
        uint64_t hash;
    } vectors[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
        {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
        {9, UINT64_C(0x9e0082df0ba9e4b0)},  {15, UINT64_C(0xa129ca6149be45e5)},
        {16, UINT64_C(0x3f2acc7f57c29bdb)},
    };
    const struct hash_secret secret = {
        {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
    uint8_t text[16];
    (void)state;

    for (uint8_t i = 0; i < sizeof(text); i++)
        text[i] = i;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        assert_true(keyed_hash(&secret, text, vectors[i].length) == vectors[i].hash);
}

UNIT_MAIN(cmocka_unit_test(test_vectors))
