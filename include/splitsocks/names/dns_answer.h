/* SPDX-License-Identifier: MIT */
/* A DNS server's answer about a name's addresses of one family: RFC 1035, 2308, 3596. */
#ifndef SPLITSOCKS_DNS_ANSWER_H
#define SPLITSOCKS_DNS_ANSWER_H

#include <splitsocks/base/address.h>
#include <splitsocks/base/attributes.h>
#include <splitsocks/base/target.h>

enum dns_outcome {
    DNS_FOUND,   /* there are addresses */
    DNS_NO_DATA, /* the name exists, without addresses of this family */
    DNS_NO_NAME, /* there is no such name */
    DNS_FAILED,  /* the server could not or would not answer */
};

struct dns_answer {
    enum dns_outcome outcome;
    bool truncated; /* the message could not hold the whole answer */
    /* Seconds for which the answer holds: the least TTL of the addresses and aliases; for
     * NO_DATA and NO_NAME as RFC 2308 section 5 has it, 0 if there is no SOA record. */
    uint32_t ttl;
    uint8_t count;
    struct address addresses[TARGET_ADDRESSES_MAX]; /* as the server orders them */
};

/* Takes the addresses that `name` leads to, through aliases (CNAME), from the answer
 * section, and ignores everything else. A truncated message is read as far as it goes.
 * Returns OK, or ERROR_MALFORMED. */
int dns_answer_parse(struct dns_answer *answer, const uint8_t *message, size_t length,
                     const char *name, enum address_family family) MUST_CHECK;

#endif
