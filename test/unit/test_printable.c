/* SPDX-License-Identifier: MIT */
/* What a text may not contain where people read it on a terminal. */
#include "unit.h"

#include <splitsocks/base/log.h>
#include <splitsocks/base/printable.h>

#include <stdio.h>

static void check(const char *text, const char *expected)
{
    char buffer[256];

    assert_true(strlen(text) < sizeof(buffer));
    strcpy(buffer, text);
    printable_make(buffer);
    assert_string_equal(buffer, expected);
}

/* UTF-8 of a code point, and a zero. */
static void encode(uint32_t point, char text[5])
{
    size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = length; i-- > 0; point >>= 6)
        text[i] = (char)(i > 0 ? 0x80 | (point & 0x3f) : marks[length] | point);
    text[length] = '\0';
}

static void test_what_people_read_stays(void **state)
{
    static const char *const texts[] = {
        "",     "plain ASCII, ~!", "Grüße aus Köln", "Привет", "日本語", "شكرا",
        "🙂", "a\xc2\xa0z",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        check(texts[i], texts[i]);
}

static void test_what_fools_a_terminal_goes(void **state)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x01, 0x1f},         {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
        {0x200b, 0x200f},     {0x2028, 0x202e}, {0x2060, 0x206f}, {0xd800, 0xdfff},
        {0xfeff, 0xfeff},     {0xfff9, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0xe007f},
        {0x10fffe, 0x10ffff},
    };
    char text[16], point[5];
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++)
        for (uint32_t at = ranges[i].first; at <= ranges[i].last; at++) {
            encode(at, point);
            snprintf(text, sizeof(text), "a%sb", point);
            printable_make(text);
            /* Surrogates are three bytes that are not UTF-8 to some, one point to others.
             */
            if (strcmp(text, "a?b") != 0)
                fail_msg("U+%04X becomes %s", (unsigned)at, text);
        }
}

static void test_bytes_that_are_no_utf8_go(void **state)
{
    (void)state;

    check("\x9b"
          "31mred",
          "?31mred");
    check("a\xc2", "a?");
    check("a\xe2\x80", "a??");
    check("\xc0\x9b", "??");      /* overlong */
    check("\xe0\x82\x9b", "???"); /* overlong U+009B */
    check("\xf0\x80\x82\x9b", "????");
    check("\xf8\x88\x80\x80\x80", "?????");
    check("\xff\xfe", "??");
    check("\xf4\x90\x80\x80", "?"); /* beyond Unicode */
    check("\xc3(", "?(");
    check("\xe2\x80\xae"
          "txt.exe",
          "?txt.exe");
}

static char logged[LOG_TEXT_SIZE];

static void keep(enum log_level level, const char *line, void *context)
{
    (void)level;
    (void)context;
    strcpy(logged, line);
}

/* Lines of the log, and what is left of a character when a line is cut. */
static void test_the_log_shows_only_what_is_printable(void **state)
{
    char text[LOG_TEXT_SIZE + 8];
    (void)state;

    log_set_sink(keep, NULL);
    log_info("name %s", "x\xc2\x9b"
                        "2J\xe2\x80\xae"
                        "y\n\x1b[0m");
    assert_string_equal(logged, "name x?2J?y??[0m");
    memset(text, 'a', sizeof(text));
    memcpy(text + LOG_TEXT_SIZE - 2, "\xc3\xbc", 3);
    log_info("%s", text);
    assert_int_equal(strlen(logged), LOG_TEXT_SIZE - 1);
    assert_int_equal(logged[LOG_TEXT_SIZE - 2], '?');
    log_set_sink(NULL, NULL);
}

UNIT_MAIN(cmocka_unit_test(test_what_people_read_stays),
          cmocka_unit_test(test_what_fools_a_terminal_goes),
          cmocka_unit_test(test_bytes_that_are_no_utf8_go),
          cmocka_unit_test(test_the_log_shows_only_what_is_printable))
