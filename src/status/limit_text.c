/* SPDX-License-Identifier: MIT */
#include <splitsocks/status/limit_text.h>

#include <splitsocks/base/attributes.h>
#include <splitsocks/status/status_text.h>

#include <stdio.h>

static const char *kind_words(enum profile_kind kind)
{
    switch (kind) {
    case PROFILE_KIND_FREEZE: return "freeze";
    case PROFILE_KIND_RESET: return "are reset";
    case PROFILE_KIND_SLOW: return "become slower";
    }
    return "";
}

static const char *coordinate_words(enum profile_coordinate coordinate)
{
    switch (coordinate) {
    case PROFILE_UP: return " up";
    case PROFILE_DOWN: return " down";
    case PROFILE_SUM: return " up and down together";
    case PROFILE_AGE:
    case PROFILE_COORDINATES: break;
    }
    return "";
}

static const char *position_text(enum profile_coordinate coordinate, uint64_t position,
                                 char text[STATUS_TEXT_SIZE])
{
    return coordinate == PROFILE_AGE
               ? text_duration((double)position / (double)NS_PER_MS, text)
               : text_bytes((double)position, text);
}

static void describe_carried(const struct profile_finding *finding, const char *where,
                             char text[LIMIT_TEXT_SIZE])
{
    bool age = finding->coordinate == PROFILE_AGE;
    char position[STATUS_TEXT_SIZE], budget[STATUS_TEXT_SIZE];

    position_text(finding->coordinate, finding->position, position);
    position_text(finding->coordinate, finding->budget, budget);
    snprintf(text, LIMIT_TEXT_SIZE, "connections%s %s after about %s%s; each %s %s now",
             where, kind_words(finding->kind), position,
             coordinate_words(finding->coordinate), age ? "is used for" : "carries",
             budget);
}

static void describe_lifted(enum session_limit_kind kind, const char *where,
                            char text[LIMIT_TEXT_SIZE])
{
    switch (kind) {
    case SESSION_LIMIT_CARRIED:
        snprintf(text, LIMIT_TEXT_SIZE,
                 "connections%s are no longer limited in how much they carry", where);
        break;
    case SESSION_LIMIT_OPEN:
        snprintf(text, LIMIT_TEXT_SIZE,
                 "the number of connections that can be open%s is no longer limited",
                 where);
        break;
    case SESSION_LIMIT_DIALS:
        snprintf(text, LIMIT_TEXT_SIZE,
                 "the number of connections that can be begun in a second%s is no longer "
                 "limited",
                 where);
        break;
    }
}

const char *limit_kind_name(enum profile_kind kind)
{
    switch (kind) {
    case PROFILE_KIND_FREEZE: return "freeze";
    case PROFILE_KIND_RESET: return "reset";
    case PROFILE_KIND_SLOW: return "slow";
    }
    return "unknown";
}

const char *limit_coordinate_name(enum profile_coordinate coordinate)
{
    switch (coordinate) {
    case PROFILE_UP: return "up";
    case PROFILE_DOWN: return "down";
    case PROFILE_SUM: return "sum";
    case PROFILE_AGE: return "age";
    case PROFILE_COORDINATES: break;
    }
    return "unknown";
}

const char *limit_text(const struct session_limit *limit, const char *where,
                       char text[LIMIT_TEXT_SIZE])
{
    char space[512];

    snprintf(space, sizeof(space), "%s%.500s", where[0] != '\0' ? " " : "", where);
    if (limit->lifted)
        describe_lifted(limit->kind, space, text);
    else if (limit->kind == SESSION_LIMIT_CARRIED)
        describe_carried(&limit->finding, space, text);
    else if (limit->kind == SESSION_LIMIT_OPEN)
        snprintf(text, LIMIT_TEXT_SIZE, "at most %u connections can be open%s",
                 limit->connections, space);
    else
        snprintf(text, LIMIT_TEXT_SIZE,
                 "at most %.3g connections can be begun in a second%s",
                 limit->dials_per_second, space);
    return text;
}
