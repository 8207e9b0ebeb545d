/* SPDX-License-Identifier: MIT */
#include <splitsocks/names/resolv_conf.h>

#include <splitsocks/base/attributes.h>

#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\v\f"

/* Copies the next word of a line, which ends at '\n' or a comment; false when there is
 * none. A word that does not fit is cut, which makes it no valid name. */
static bool next_word(const char **at, char *word, size_t size)
{
    size_t length;

    *at += strspn(*at, BLANKS);
    length = strcspn(*at, BLANKS "\n#;");
    if (length == 0)
        return false;
    memcpy(word, *at, MIN(length, size - 1));
    word[MIN(length, size - 1)] = '\0';
    *at += length;
    return true;
}

static const char *next_line(const char *at)
{
    at += strcspn(at, "\n");
    return *at == '\n' ? at + 1 : at;
}

static void take_domains(struct resolv_conf *conf, const char *at)
{
    char word[HOST_NAME_MAX_LENGTH + 2];

    conf->domain_count = 0; /* the last such line replaces earlier ones */
    while (conf->domain_count < RESOLV_DOMAINS_MAX && next_word(&at, word, sizeof(word))) {
        size_t length = strlen(word);

        if (word[length - 1] == '.')
            word[--length] = '\0';
        if (length > 0 && length <= HOST_NAME_MAX_LENGTH)
            memcpy(conf->domains[conf->domain_count++], word, length + 1);
    }
}

void resolv_conf_parse(struct resolv_conf *conf, const char *text)
{
    char word[HOST_NAME_MAX_LENGTH + 2];

    *conf = (struct resolv_conf){.ndots = 1};
    for (const char *line = text; *line != '\0'; line = next_line(line)) {
        const char *at = line;

        if (!next_word(&at, word, sizeof(word)))
            continue;
        if (strcmp(word, "nameserver") == 0 && conf->server_count < SERVERS_MAX &&
            next_word(&at, word, sizeof(word))) {
            host_parse(&conf->servers[conf->server_count], word);
            conf->server_count += conf->servers[conf->server_count].kind == HOST_ADDRESS;
        } else if (strcmp(word, "search") == 0 || strcmp(word, "domain") == 0) {
            take_domains(conf, at);
        } else if (strcmp(word, "options") == 0) {
            while (next_word(&at, word, sizeof(word)))
                if (strncmp(word, "ndots:", 6) == 0)
                    conf->ndots = (unsigned)MIN(strtoul(word + 6, NULL, 10),
                                                (unsigned long)RESOLV_NDOTS_MAX);
        }
    }
}

enum lookup_order lookup_order_parse(const char *text)
{
    char word[64];
    unsigned files = 0, dns = 0, place = 0;

    for (const char *line = text; *line != '\0'; line = next_line(line)) {
        const char *at = line;

        if (!next_word(&at, word, sizeof(word)) || strcmp(word, "hosts:") != 0)
            continue;
        while (next_word(&at, word, sizeof(word))) {
            place++;
            if (files == 0 && strcmp(word, "files") == 0)
                files = place;
            if (dns == 0 && (strcmp(word, "dns") == 0 || strcmp(word, "resolve") == 0))
                dns = place;
        }
    }
    if (files == 0)
        return dns == 0 ? LOOKUP_FILES_DNS : LOOKUP_DNS;
    return dns == 0 ? LOOKUP_FILES : dns < files ? LOOKUP_DNS_FILES : LOOKUP_FILES_DNS;
}

bool resolv_conf_candidate(const struct resolv_conf *conf, const char *name, bool absolute,
                           size_t index, char candidate[HOST_NAME_MAX_LENGTH + 1])
{
    size_t domains = absolute ? 0 : conf->domain_count, length = strlen(name);
    size_t bare; /* the index of the unchanged name */
    unsigned dots = 0;

    for (const char *c = name; *c != '\0'; c++)
        dots += *c == '.';
    bare = dots >= conf->ndots ? 0 : domains;
    if (index > domains)
        return false;
    strcpy(candidate, name);
    if (index == bare)
        return true;
    name = conf->domains[index - (bare == 0)];
    /* A candidate that is too long cannot exist; try the unchanged name once more
     * instead. */
    if (length + 1 + strlen(name) <= HOST_NAME_MAX_LENGTH) {
        candidate[length] = '.';
        strcpy(candidate + length + 1, name);
    }
    return true;
}
