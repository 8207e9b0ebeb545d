/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/printable.h>

#include <splitsocks/base/attributes.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Code points that are not shown. Unicode 15: the categories Cc, Zl and Zp, the properties
 * Bidi_Control and Default_Ignorable_Code_Point without variation selectors and joiners of
 * emoji, the annotations, and the private and unassigned planes from 14 on. */
static const struct {
    uint32_t first, last;
} refused[] = {
    {0x0000, 0x001f}, {0x007f, 0x009f},   {0x00ad, 0x00ad},   {0x034f, 0x034f},
    {0x061c, 0x061c}, {0x115f, 0x1160},   {0x17b4, 0x17b5},   {0x180b, 0x180f},
    {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},   {0x3164, 0x3164},
    {0xd800, 0xdfff}, {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},
    {0xfffe, 0xffff}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xffffffff},
};

static bool is_refused(uint32_t point)
{
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
        if (point >= refused[i].first && point <= refused[i].last)
            return true;
    return false;
}

/* The code point at `text`, and its length in bytes; a byte that begins none is one
 * refused point of length 1. */
static uint32_t decode(const unsigned char *text, size_t *length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t count = text[0] < 0x80    ? 1
                   : text[0] >= 0xf0 ? (text[0] < 0xf8 ? 4 : 0)
                   : text[0] >= 0xe0 ? 3
                   : text[0] >= 0xc0 ? 2
                                     : 0;
    uint32_t point = count <= 1 ? text[0] : text[0] & (0xffu >> (count + 1));

    *length = 1;
    for (size_t i = 1; i < count; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return UINT32_MAX;
        point = point << 6 | (text[i] & 0x3fu);
    }
    if (count == 0 || point < least[count])
        return UINT32_MAX;
    *length = count;
    return point;
}

void printable_make(char *text)
{
    const unsigned char *from = (const unsigned char *)text;
    size_t length;

    for (; *from != '\0'; from += length) {
        if (is_refused(decode(from, &length)))
            *text++ = '?';
        else
            for (size_t i = 0; i < length; i++)
                *text++ = (char)from[i];
    }
    *text = '\0';
}
