/* SPDX-License-Identifier: MIT */
/* The words with which a test tells a middlebox its limits. */
#include "tcpbox.h"

#include <stdlib.h>
#include <string.h>

#include "tool.h"

enum { WORD_MAX = 64 };

static bool read_number(const char *text, uint64_t *number)
{
    char *end;

    *number = strtoull(text, &end, 10);
    return end != text && *end == '\0' && *number > 0;
}

static bool read_cut(struct tcpbox_limits *limits, char *value)
{
    const char *counted = "";
    char *slash = strchr(value, '/');

    if (slash != NULL) {
        *slash = '\0';
        counted = slash + 1;
    }
    limits->counts[INITIATOR] = slash == NULL || strcmp(counted, "up") == 0;
    limits->counts[RESPONDER] = slash == NULL || strcmp(counted, "down") == 0;
    return (limits->counts[INITIATOR] || limits->counts[RESPONDER]) &&
           parse_size(value, &limits->most);
}

/* Cuts the text behind a colon off; NULL: there is none. */
static char *behind_colon(char *value)
{
    char *colon = strchr(value, ':');

    if (colon == NULL)
        return NULL;
    *colon = '\0';
    return colon + 1;
}

static bool read_slow(struct tcpbox_limits *limits, char *value)
{
    const char *rate = behind_colon(value);

    return rate != NULL && parse_size(value, &limits->slow_after) &&
           parse_rate(rate, &limits->slow_rate) && limits->slow_rate > 0;
}

static bool read_open(struct tcpbox_limits *limits, char *value)
{
    const char *dead = behind_colon(value);

    return read_number(value, &limits->open_most) &&
           (dead == NULL || parse_duration(dead, &limits->dead_ns));
}

static bool read_jitter(struct tcpbox_limits *limits, const char *value)
{
    uint64_t percent;

    if (!read_number(value, &percent) || percent > 100)
        return false;
    limits->jitter = (double)percent / 100;
    return true;
}

/* "KEY=VALUE", which is changed. */
static bool read_word(struct tcpbox_limits *limits, char *word)
{
    char *value = strchr(word, '=');

    if (strcmp(word, "blocked") == 0) {
        limits->blocked = true;
        return true;
    }
    if (value == NULL)
        return false;
    *value++ = '\0';
    limits->resets |= strcmp(word, "reset") == 0;
    limits->age_resets |= strcmp(word, "age-reset") == 0;
    limits->refuses |= strcmp(word, "refuse") == 0;
    if (strcmp(word, "freeze") == 0 || strcmp(word, "reset") == 0)
        return read_cut(limits, value);
    if (strcmp(word, "age") == 0 || strcmp(word, "age-reset") == 0)
        return parse_duration(value, &limits->age_ns);
    if (strcmp(word, "syns") == 0 || strcmp(word, "refuse") == 0)
        return read_number(value, &limits->syns_per_second);
    if (strcmp(word, "jitter") == 0)
        return read_jitter(limits, value);
    if (strcmp(word, "police") == 0)
        return parse_rate(value, &limits->police_rate);
    if (strcmp(word, "slow") == 0)
        return read_slow(limits, value);
    if (strcmp(word, "open") == 0)
        return read_open(limits, value);
    return false;
}

bool tcpbox_read(struct tcpbox_limits *limits, const char *words)
{
    if (strcmp(words, "none") == 0)
        return true;
    for (;;) {
        size_t length = strcspn(words, ",");
        char word[WORD_MAX];

        if (length >= sizeof(word))
            return false;
        memcpy(word, words, length);
        word[length] = '\0';
        if (!read_word(limits, word))
            return false;
        if (words[length] == '\0')
            return true;
        words += length + 1;
    }
}
