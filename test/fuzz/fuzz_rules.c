/* SPDX-License-Identifier: MIT */
/*
 * The hosts of a rule. The input is texts that end with a line feed each: the first is the
 * name that a client asks for, the others are patterns. The search must find what comparing
 * with each pattern in turn finds.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <splitsocks/base/target.h>
#include <splitsocks/proxy/rules.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATTERNS_MAX 32

/* Without a final dot. */
static size_t length_of(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && name[length - 1] == '.' ? length - 1 : length;
}

static bool same(const char *a, const char *b, size_t length)
{
    return strncasecmp(a, b, length) == 0;
}

static bool matches(const char *pattern, const char *name)
{
    size_t wanted = length_of(pattern), length = length_of(name);

    if (wanted == 1 && pattern[0] == '*')
        return true;
    if (length == 0 || strlen(name) > TARGET_NAME_MAX)
        return false;
    if (wanted == length && same(pattern, name, length))
        return true;
    return strncmp(pattern, "*.", 2) == 0 && wanted >= 2 && length >= wanted &&
           same(pattern + 1, name + length - (wanted - 1), wanted - 1);
}

static void check(const char *name, const char *const *patterns, size_t count)
{
    const struct rule rule = {.hosts = patterns, .host_count = count};
    const struct stream_policy policy = {.mode = STREAM_MODE_SPLIT};
    const struct rules_query query = {.name = name, .port = 1, .otherwise = &policy};
    struct rules *rules = rules_new(&rule, 1);
    bool expected = count == 0;

    for (size_t i = 0; i < count; i++)
        expected |= matches(patterns[i], name);
    if (rules != NULL)
        assert((rules_match(rules, &query).rule == 0) == expected);
    rules_free(rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *texts[1 + PATTERNS_MAX];
    size_t count = 0;
    char *copy = malloc(size + 1), *next = copy;

    if (copy == NULL)
        return 0;
    for (size_t i = 0; i < size; i++)
        copy[i] = (char)(data[i] == '\n' ? '\0' : data[i]);
    copy[size] = '\0';
    while (count < 1 + PATTERNS_MAX && next <= copy + size) {
        texts[count++] = next;
        next += strlen(next) + 1;
    }
    check(texts[0], texts + 1, count - 1);
    free(copy);
    return 0;
}
