/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/base64.h>

#include <splitsocks/base/error.h>
#include <string.h>

/* All ones when first <= c <= last, else 0; no branch, so that timing tells nothing. */
static uint32_t in_range(uint32_t c, uint32_t first, uint32_t last)
{
    return 0U - (~((c - first) | (last - c)) >> 31);
}

/* The value 0..63 of a character, or all ones. */
static uint32_t digit_value(uint32_t c)
{
    uint32_t upper = in_range(c, 'A', 'Z'), lower = in_range(c, 'a', 'z');
    uint32_t digit = in_range(c, '0', '9');
    uint32_t plus = in_range(c, '+', '+'), slash = in_range(c, '/', '/');

    return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (digit & (c - '0' + 52)) |
           (plus & 62) | (slash & 63) | ~(upper | lower | digit | plus | slash);
}

static char digit_character(uint32_t value)
{
    uint32_t upper = in_range(value, 0, 25), lower = in_range(value, 26, 51);
    uint32_t digit = in_range(value, 52, 61);

    return (char)((upper & (value + 'A')) | (lower & (value - 26 + 'a')) |
                  (digit & (value - 52 + '0')) | (in_range(value, 62, 62) & '+') |
                  (in_range(value, 63, 63) & '/'));
}

void base64_encode(char *text, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size; at += 3) {
        size_t count = MIN(size - at, 3); /* bytes in this group */
        uint32_t group = (uint32_t)data[at] << 16;

        if (count > 1)
            group |= (uint32_t)data[at + 1] << 8;
        if (count > 2)
            group |= data[at + 2];
        for (size_t i = 0; i < 4; i++)
            *text++ = i <= count ? digit_character(group >> (18 - 6 * i) & 63) : '=';
    }
    *text = '\0';
}

/* Decodes four characters to `count` bytes. Returns bits that are zero when the group was
 * well-formed. */
static uint32_t decode_group(uint8_t *data, size_t count, const char *text)
{
    uint32_t group = 0, wrong = 0;

    for (size_t i = 0; i < 4; i++) {
        uint32_t c = (uint8_t)text[i];
        uint32_t value = i <= count ? digit_value(c) : c ^ '=';

        wrong |= value & ~63U;
        if (i > count)
            wrong |= value;
        group = group << 6 | (value & 63);
    }
    for (size_t i = 0; i < count; i++)
        data[i] = (uint8_t)(group >> (16 - 8 * i));
    /* The bits of the last digit that belong to no byte. */
    return wrong | (group & (0xffffffU >> 8 * count));
}

int base64_decode(uint8_t *data, size_t size, const char *text, size_t length)
{
    uint32_t wrong = 0;

    if (length != BASE64_LENGTH(size)) {
        memset(data, 0, size);
        return ERROR_MALFORMED;
    }
    for (size_t at = 0; at < size; at += 3, text += 4)
        wrong |= decode_group(data + at, MIN(size - at, 3), text);
    if (wrong == 0)
        return OK;
    memset(data, 0, size);
    return ERROR_MALFORMED;
}
