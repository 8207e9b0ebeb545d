/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/keyed_hash.h>

struct state {
    uint64_t a, b, c, d;
};

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void mix(struct state *s, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        s->a += s->b;
        s->c += s->d;
        s->b = rotate(s->b, 13) ^ s->a;
        s->d = rotate(s->d, 16) ^ s->c;
        s->a = rotate(s->a, 32);
        s->c += s->b;
        s->a += s->d;
        s->b = rotate(s->b, 17) ^ s->c;
        s->d = rotate(s->d, 21) ^ s->a;
        s->c = rotate(s->c, 32);
    }
}

static void absorb(struct state *s, uint64_t word)
{
    s->d ^= word;
    mix(s, 2);
    s->a ^= word;
}

static uint64_t little_endian(const uint8_t *bytes, size_t length)
{
    uint64_t word = 0;

    while (length-- > 0)
        word = word << 8 | bytes[length];
    return word;
}

uint64_t keyed_hash(const struct hash_secret *secret, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    size_t left = length;
    struct state s = {
        .a = secret->words[0] ^ UINT64_C(0x736f6d6570736575),
        .b = secret->words[1] ^ UINT64_C(0x646f72616e646f6d),
        .c = secret->words[0] ^ UINT64_C(0x6c7967656e657261),
        .d = secret->words[1] ^ UINT64_C(0x7465646279746573),
    };

    for (; left >= 8; left -= 8, at += 8)
        absorb(&s, little_endian(at, 8));
    absorb(&s, little_endian(at, left) | (uint64_t)length << 56);
    s.c ^= 0xff;
    mix(&s, 4);
    return s.a ^ s.b ^ s.c ^ s.d;
}
