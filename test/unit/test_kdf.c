/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <splitsocks/crypto/kdf.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

/* RFC 5869 appendix A, the SHA-256 cases: the first block of OKM. Their info is binary,
 * so it is given as the context, with an empty label. */
static const struct {
    uint8_t prk[32];
    uint8_t info_first; /* info is a run of consecutive bytes */
    size_t info_length;
    uint8_t okm[32];
} vectors[] = {
    {{0x07, 0x77, 0x09, 0x36, 0x2c, 0x2e, 0x32, 0xdf, 0x0d, 0xdc, 0x3f,
      0x0d, 0xc4, 0x7b, 0xba, 0x63, 0x90, 0xb6, 0xc7, 0x3b, 0xb5, 0x0f,
      0x9c, 0x31, 0x22, 0xec, 0x84, 0x4a, 0xd7, 0xc2, 0xb3, 0xe5},
     0xf0,
     10,
     {0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f,
      0x64, 0xd0, 0x36, 0x2f, 0x2a, 0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a,
      0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf}},
    {{0x06, 0xa6, 0xb8, 0x8c, 0x58, 0x53, 0x36, 0x1a, 0x06, 0x10, 0x4c,
      0x9c, 0xeb, 0x35, 0xb4, 0x5c, 0xef, 0x76, 0x00, 0x14, 0x90, 0x46,
      0x71, 0x01, 0x4a, 0x19, 0x3f, 0x40, 0xc1, 0x5f, 0xc2, 0x44},
     0xb0,
     80,
     {0xb1, 0x1e, 0x39, 0x8d, 0xc8, 0x03, 0x27, 0xa1, 0xc8, 0xe7, 0xf7,
      0x8c, 0x59, 0x6a, 0x49, 0x34, 0x4f, 0x01, 0x2e, 0xda, 0x2d, 0x4e,
      0xfa, 0xd8, 0xa0, 0x50, 0xcc, 0x4c, 0x19, 0xaf, 0xa9, 0x7c}},
    {{0x19, 0xef, 0x24, 0xa3, 0x2c, 0x71, 0x7b, 0x16, 0x7f, 0x33, 0xa9,
      0x1d, 0x6f, 0x64, 0x8b, 0xdf, 0x96, 0x59, 0x67, 0x76, 0xaf, 0xdb,
      0x63, 0x77, 0xac, 0x43, 0x4c, 0x1c, 0x29, 0x3c, 0xcb, 0x04},
     0,
     0,
     {0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f, 0x71, 0x5f, 0x80,
      0x2a, 0x06, 0x3c, 0x5a, 0x31, 0xb8, 0xa1, 0x1f, 0x5c, 0x5e, 0xe1,
      0x87, 0x9e, 0xc3, 0x45, 0x4e, 0x5f, 0x3c, 0x73, 0x8d, 0x2d}},
};

static void test_expand_vectors(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(vectors); i++) {
        struct kdf kdf;
        uint8_t info[80];
        uint8_t out[KDF_OUTPUT_SIZE];

        for (size_t j = 0; j < vectors[i].info_length; j++)
            info[j] = (uint8_t)(vectors[i].info_first + j);
        assert_int_equal(kdf_init(&kdf, vectors[i].prk), OK);
        assert_int_equal(kdf_expand(&kdf, "", info, vectors[i].info_length, out), OK);
        assert_memory_equal(out, vectors[i].okm, sizeof(out));
        kdf_deinit(&kdf);
    }
}

/* libcrypto's own HKDF, as a second opinion. */
static void reference(const uint8_t secret[32], const char *info, uint8_t out[32])
{
    EVP_KDF *algorithm = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(algorithm);
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    char digest[] = "SHA256";
    uint8_t key[32];
    char text[128];
    OSSL_PARAM parameters[5];

    memcpy(key, secret, sizeof(key));
    strcpy(text, info);
    parameters[0] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    parameters[1] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    parameters[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key, 32);
    parameters[3] =
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, text, strlen(text));
    parameters[4] = OSSL_PARAM_construct_end();
    assert_int_equal(EVP_KDF_derive(context, out, 32, parameters), 1);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(algorithm);
}

/* One kdf serves many calls, of both kinds, and each starts afresh. */
static void test_reuse(void **state)
{
    const uint8_t secret[32] = {1, 2, 3};
    uint8_t expected[32];
    uint8_t out[32];
    struct kdf kdf;
    (void)state;

    assert_int_equal(kdf_init(&kdf, secret), OK);
    for (unsigned i = 0; i < 3; i++) {
        reference(secret, "the label+context", expected);
        assert_int_equal(kdf_expand(&kdf, "the label", "+context", 8, out), OK);
        assert_memory_equal(out, expected, 32);
        reference(secret, "the label", expected);
        assert_int_equal(kdf_expand(&kdf, "the label", NULL, 0, out), OK);
        assert_memory_equal(out, expected, 32);
        /* T(1) = HMAC(secret, info || 1) ties the two functions together. */
        assert_int_equal(kdf_mac(&kdf, "the label\001", 10, out), OK);
        assert_memory_equal(out, expected, 32);
    }
    kdf_deinit(&kdf);
    kdf_deinit(&kdf);
}

/* RFC 4231 test case 2. HMAC pads short keys with zeros, so its 4-byte key fits. */
static void test_mac_vector(void **state)
{
    static const uint8_t expected[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                         0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                         0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
                                         0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    const uint8_t key[32] = "Jefe";
    uint8_t out[32];
    struct kdf kdf;
    (void)state;

    assert_int_equal(kdf_init(&kdf, key), OK);
    assert_int_equal(kdf_mac(&kdf, "what do ya want for nothing?", 28, out), OK);
    assert_memory_equal(out, expected, 32);
    kdf_deinit(&kdf);
}

UNIT_MAIN(cmocka_unit_test(test_expand_vectors), cmocka_unit_test(test_reuse),
          cmocka_unit_test(test_mac_vector))
