/* SPDX-License-Identifier: MIT */
/*
 * All that is read of names. The first byte of the input chooses: a DNS message, a text
 * that names a host, a hosts file in two pieces, or resolv.conf and nsswitch.conf.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <splitsocks/base/error.h>
#include <splitsocks/names/dns_answer.h>
#include <splitsocks/names/hosts_table.h>
#include <splitsocks/names/resolv_conf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_answer(const uint8_t *data, size_t size, enum address_family family)
{
    struct dns_answer answer;

    if (dns_answer_parse(&answer, data, size, "www.example", family) != OK)
        return;
    assert(answer.count <= TARGET_ADDRESSES_MAX);
    assert((answer.outcome == DNS_FOUND) == (answer.count > 0));
    for (size_t i = 0; i < answer.count; i++)
        assert(answer.addresses[i].family == family);
}

static void fuzz_host(const char *text)
{
    struct host host, again;
    char canonical[ADDRESS_TEXT_SIZE];

    host_parse(&host, text);
    assert((host.reason != NULL) ==
           (host.kind == HOST_SPECIAL || host.kind == HOST_INVALID));
    assert(memchr(host.zone, '\0', sizeof(host.zone)) != NULL);
    if (host.kind != HOST_ADDRESS) {
        assert(host.kind == HOST_INVALID || strlen(text) <= HOST_NAME_MAX_LENGTH + 1);
        return;
    }
    host.address.scope = 0;
    host_parse(&again, address_format(&host.address, canonical));
    assert(again.kind == HOST_ADDRESS && address_equal(&again.address, &host.address));
}

static void fuzz_hosts(const char *text, size_t size)
{
    struct hosts_table *one = hosts_table_new(size), *other = hosts_table_new(0);
    struct host found[4], same[4];
    size_t count;

    assert(one != NULL && other != NULL);
    assert(hosts_table_add(one, text, size) == OK);
    assert(hosts_table_add(other, text, size / 2) == OK);
    assert(hosts_table_add(other, text + size / 2, size - size / 2) == OK);
    assert(hosts_table_finish(one) == OK && hosts_table_finish(other) == OK);
    count = hosts_table_find(one, "a", found, 4);
    assert(hosts_table_find(other, "A", same, 4) == count);
    for (size_t i = 0; i < count; i++)
        assert(address_equal(&found[i].address, &same[i].address));
    hosts_table_free(one);
    hosts_table_free(other);
}

static void fuzz_conf(const char *text)
{
    struct resolv_conf conf;
    char candidate[HOST_NAME_MAX_LENGTH + 1];

    resolv_conf_parse(&conf, text);
    assert(conf.server_count <= SERVERS_MAX && conf.domain_count <= RESOLV_DOMAINS_MAX);
    for (size_t i = 0; i <= conf.domain_count; i++)
        assert(resolv_conf_candidate(&conf, "www.example", false, i, candidate));
    assert(!resolv_conf_candidate(&conf, "www.example", false, conf.domain_count + 1,
                                  candidate));
    (void)lookup_order_parse(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size == 0)
        return 0;
    text = malloc(size);
    assert(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0]) {
    case 'a': fuzz_answer(data + 1, size - 1, ADDRESS_IPV4); break;
    case 'b': fuzz_answer(data + 1, size - 1, ADDRESS_IPV6); break;
    case 'h': fuzz_host(text); break;
    case 'f': fuzz_hosts(text, size - 1); break;
    default: fuzz_conf(text); break;
    }
    free(text);
    return 0;
}
