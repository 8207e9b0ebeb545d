/* SPDX-License-Identifier: MIT */
/* A table of interfaces from rtnetlink's messages, which the tests construct. */
#include "addresses.h"

#include <splitsocks/local/interface_table.h>

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define SEQUENCE 7

/* Messages one behind the other, as one read of the socket gives them. */
struct answer {
    _Alignas(struct nlmsghdr) char bytes[16384];
    size_t length;
};

static struct nlmsghdr *begin(struct answer *answer, uint16_t type, const void *body,
                              size_t size)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(answer->bytes + answer->length);

    message->nlmsg_type = type;
    message->nlmsg_seq = SEQUENCE;
    message->nlmsg_flags = NLM_F_MULTI;
    memcpy(mnl_nlmsg_put_extra_header(message, size), body, size);
    return message;
}

static void end(struct answer *answer, const struct nlmsghdr *message)
{
    answer->length += MNL_ALIGN(message->nlmsg_len);
    assert_true(answer->length < sizeof(answer->bytes) - 1024);
}

static void put_link(struct answer *answer, int index, const char *name, unsigned flags)
{
    struct ifinfomsg body = {
        .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = flags};
    struct nlmsghdr *message = begin(answer, RTM_NEWLINK, &body, sizeof(body));

    mnl_attr_put_u32(message, IFLA_MTU, 1500);
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    end(answer, message);
}

static void put_address(struct answer *answer, int index, const char *text,
                        const char *other_end, uint32_t flags)
{
    bool six = strchr(text, ':') != NULL;
    struct ifaddrmsg body = {.ifa_family = six ? AF_INET6 : AF_INET,
                             .ifa_index = (unsigned)index};
    struct nlmsghdr *message = begin(answer, RTM_NEWADDR, &body, sizeof(body));
    uint8_t bytes[16];

    assert_int_equal(
        inet_pton(body.ifa_family, other_end != NULL ? other_end : text, bytes), 1);
    mnl_attr_put(message, IFA_ADDRESS, six ? 16 : 4, bytes);
    assert_int_equal(inet_pton(body.ifa_family, text, bytes), 1);
    if (!six || other_end != NULL)
        mnl_attr_put(message, IFA_LOCAL, six ? 16 : 4, bytes);
    mnl_attr_put_u32(message, IFA_FLAGS, flags);
    end(answer, message);
}

static void put_route(struct answer *answer, uint8_t family, uint8_t bits, uint8_t type,
                      uint32_t index)
{
    struct rtmsg body = {.rtm_family = family, .rtm_dst_len = bits, .rtm_type = type};
    struct nlmsghdr *message = begin(answer, RTM_NEWROUTE, &body, sizeof(body));

    mnl_attr_put_u32(message, RTA_PRIORITY, 100);
    mnl_attr_put_u32(message, RTA_OIF, index);
    end(answer, message);
}

static void put_hops(struct answer *answer, const int *indices, size_t count)
{
    struct rtmsg body = {.rtm_family = AF_INET, .rtm_type = RTN_UNICAST};
    struct nlmsghdr *message = begin(answer, RTM_NEWROUTE, &body, sizeof(body));
    struct rtnexthop hops[4] = {{.rtnh_len = 0}};

    for (size_t i = 0; i < count; i++) {
        hops[i].rtnh_len = sizeof(hops[i]);
        hops[i].rtnh_ifindex = indices[i];
    }
    mnl_attr_put(message, RTA_MULTIPATH, count * sizeof(hops[0]), hops);
    end(answer, message);
}

static void put_done(struct answer *answer)
{
    const int none = 0;

    end(answer, begin(answer, NLMSG_DONE, &none, sizeof(none)));
}

/* Reads it whole, and expects that it is good and has ended. */
static void read_all(struct interface_table *table, const struct answer *answer)
{
    bool done = false;

    assert_int_equal(
        interface_table_add(table, answer->bytes, answer->length, SEQUENCE, &done), OK);
    assert_true(done);
}

static const char *owner(const struct interface_table *table, const char *text)
{
    struct address address = address_of(text);
    const struct interface *interface = interface_table_owner(table, &address);

    return interface != NULL ? interface->name : "nobody";
}

/* A laptop: Wi-Fi with both families, a cable that is not plugged in, a modem. */
static void put_laptop(struct answer *answer)
{
    put_link(answer, 1, "lo", IFF_UP | IFF_RUNNING | IFF_LOOPBACK);
    put_link(answer, 2, "eth0", IFF_UP);
    put_link(answer, 3, "wlan0", IFF_UP | IFF_RUNNING);
    put_link(answer, 9, "wwan0", IFF_UP | IFF_RUNNING);
    put_address(answer, 1, "127.0.0.1", NULL, 0);
    put_address(answer, 3, "192.0.2.7", NULL, 0);
    put_address(answer, 3, "fe80::1", NULL, 0);
    put_address(answer, 3, "2001:db8::7", NULL, 0);
    put_address(answer, 9, "198.51.100.1", "198.51.100.2", 0);
    put_route(answer, AF_INET, 24, RTN_UNICAST, 3);
    put_route(answer, AF_INET, 0, RTN_UNICAST, 3);
    put_route(answer, AF_INET6, 0, RTN_UNICAST, 3);
    put_route(answer, AF_INET, 0, RTN_UNICAST, 9);
    put_done(answer);
}

static void test_a_laptop(void **state)
{
    static struct answer answer;
    struct interface_table table = {.interfaces = NULL};
    const struct interface *found;
    (void)state;

    answer.length = 0;
    put_laptop(&answer);
    read_all(&table, &answer);
    assert_int_equal(table.interface_count, 4);
    assert_true(interface_table_find(&table, "lo")->loopback);
    found = interface_table_find(&table, "eth0");
    assert_true(found->up && !found->running);
    assert_int_equal(found->default_routes, 0);
    assert_int_equal(interface_table_families(&table, found->index), 0);
    found = interface_table_find(&table, "wlan0");
    assert_int_equal(found->index, 3);
    assert_true(found->up && found->running && !found->loopback);
    assert_int_equal(found->default_routes, FAMILIES_ALL);
    assert_int_equal(interface_table_families(&table, 3), FAMILIES_ALL);
    found = interface_table_find(&table, "wwan0");
    assert_int_equal(found->default_routes, FAMILY_BIT(ADDRESS_IPV4));
    assert_int_equal(interface_table_families(&table, 9), FAMILY_BIT(ADDRESS_IPV4));
    assert_null(interface_table_find(&table, "wlan1"));
    assert_string_equal(owner(&table, "192.0.2.7"), "wlan0");
    assert_string_equal(owner(&table, "2001:db8::7"), "wlan0");
    /* The far end of a point-to-point link is not ours. */
    assert_string_equal(owner(&table, "198.51.100.1"), "wwan0");
    assert_string_equal(owner(&table, "198.51.100.2"), "nobody");
    interface_table_deinit(&table);
}

static void test_addresses_that_do_not_count(void **state)
{
    static struct answer answer;
    struct interface_table table = {.interfaces = NULL};
    (void)state;

    answer.length = 0;
    put_link(&answer, 2, "a", IFF_UP | IFF_RUNNING);
    put_link(&answer, 3, "b", IFF_UP | IFF_RUNNING);
    put_link(&answer, 4, "c", IFF_UP | IFF_RUNNING);
    put_address(&answer, 2, "fe80::2", NULL, 0);
    put_address(&answer, 2, "2001:db8::2", NULL, IFA_F_TENTATIVE);
    put_address(&answer, 3, "2001:db8::3", NULL, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC);
    put_address(&answer, 4, "2001:db8::4", NULL, IFA_F_DADFAILED | IFA_F_PERMANENT);
    put_done(&answer);
    read_all(&table, &answer);
    assert_int_equal(interface_table_families(&table, 2), 0);
    assert_int_equal(interface_table_families(&table, 3), FAMILY_BIT(ADDRESS_IPV6));
    assert_int_equal(interface_table_families(&table, 4), 0);
    interface_table_deinit(&table);
}

static void test_routes(void **state)
{
    static const int hops[] = {2, 4};
    static struct answer answer;
    struct interface_table table = {.interfaces = NULL};
    (void)state;

    answer.length = 0;
    for (int i = 2; i <= 5; i++)
        put_link(&answer, i, (char[]){'e', (char)('0' + i), 0}, IFF_UP | IFF_RUNNING);
    put_hops(&answer, hops, ARRAY_LENGTH(hops));
    put_route(&answer, AF_INET, 0, RTN_UNREACHABLE, 3);
    put_route(&answer, AF_INET, 1, RTN_UNICAST, 3);
    put_route(&answer, AF_INET6, 0, RTN_UNICAST, 5);
    put_route(&answer, AF_INET, 0, RTN_UNICAST, 99); /* of an interface that is gone */
    put_route(&answer, AF_BRIDGE, 0, RTN_UNICAST, 3);
    put_done(&answer);
    read_all(&table, &answer);
    assert_int_equal(interface_table_find(&table, "e2")->default_routes,
                     FAMILY_BIT(ADDRESS_IPV4));
    assert_int_equal(interface_table_find(&table, "e3")->default_routes, 0);
    assert_int_equal(interface_table_find(&table, "e4")->default_routes,
                     FAMILY_BIT(ADDRESS_IPV4));
    assert_int_equal(interface_table_find(&table, "e5")->default_routes,
                     FAMILY_BIT(ADDRESS_IPV6));
    interface_table_deinit(&table);
}

/* Parts of an answer may come in several reads; another dump's are passed over. */
static void test_parts_and_sequences(void **state)
{
    static struct answer first, second;
    struct interface_table table = {.interfaces = NULL};
    bool done = false;
    (void)state;

    first.length = second.length = 0;
    put_link(&first, 1, "lo", IFF_UP);
    put_link(&second, 2, "eth0", IFF_UP);
    put_done(&second);
    put_link(&second, 3, "behind", IFF_UP);
    assert_int_equal(
        interface_table_add(&table, first.bytes, first.length, SEQUENCE + 1, &done), OK);
    assert_int_equal(table.interface_count, 0);
    assert_int_equal(
        interface_table_add(&table, first.bytes, first.length, SEQUENCE, &done), OK);
    assert_false(done);
    assert_int_equal(
        interface_table_add(&table, second.bytes, second.length, SEQUENCE, &done), OK);
    assert_true(done);
    assert_int_equal(table.interface_count, 2);
    interface_table_clear(&table);
    assert_null(interface_table_find(&table, "lo"));
    interface_table_deinit(&table);
}

static void test_interrupted_and_refused(void **state)
{
    static struct answer answer;
    struct interface_table table = {.interfaces = NULL};
    struct nlmsgerr refusal = {.error = -EPERM};
    bool done = false;
    (void)state;

    answer.length = 0;
    put_link(&answer, 1, "lo", IFF_UP);
    ((struct nlmsghdr *)(void *)answer.bytes)->nlmsg_flags |= NLM_F_DUMP_INTR;
    put_done(&answer);
    assert_int_equal(
        interface_table_add(&table, answer.bytes, answer.length, SEQUENCE, &done),
        ERROR_CLOSED);
    assert_true(done); /* read to its end all the same */
    answer.length = 0;
    end(&answer, begin(&answer, NLMSG_ERROR, &refusal, sizeof(refusal)));
    done = false;
    assert_int_equal(
        interface_table_add(&table, answer.bytes, answer.length, SEQUENCE, &done),
        ERROR_SYSTEM);
    assert_int_equal(errno, EPERM);
    interface_table_deinit(&table);
}

/* Whatever the bytes, nothing beyond them is read: the sanitizers watch. */
static void test_every_truncation_and_bit_flip(void **state)
{
    static struct answer whole, part;
    struct interface_table table = {.interfaces = NULL};
    (void)state;

    whole.length = 0;
    put_laptop(&whole);
    put_hops(&whole, (const int[]){1, 2}, 2);
    for (size_t length = 0; length <= whole.length; length++) {
        bool done = false;

        memcpy(part.bytes, whole.bytes, length);
        memset(part.bytes + length, 0xff, sizeof(part.bytes) - length);
        assert_int_equal(interface_table_add(&table, part.bytes, length, SEQUENCE, &done),
                         OK);
        (void)interface_table_concerned(part.bytes, length);
        interface_table_clear(&table);
    }
    for (size_t bit = 0; bit < 8 * whole.length; bit++) {
        bool done = false;

        memcpy(part.bytes, whole.bytes, whole.length);
        part.bytes[bit / 8] = (char)(part.bytes[bit / 8] ^ (1 << bit % 8));
        (void)!interface_table_add(&table, part.bytes, whole.length, SEQUENCE, &done);
        for (size_t i = 0; i < table.interface_count; i++)
            assert_true(strlen(table.interfaces[i].name) < IF_NAMESIZE);
        interface_table_clear(&table);
    }
    interface_table_deinit(&table);
}

static void test_equal(void **state)
{
    static struct answer answer;
    struct interface_table a = {.interfaces = NULL}, b = {.interfaces = NULL};
    (void)state;

    answer.length = 0;
    put_laptop(&answer);
    read_all(&a, &answer);
    assert_false(interface_table_equal(&a, &b));
    read_all(&b, &answer);
    assert_true(interface_table_equal(&a, &b));
    b.interfaces[1].running = true;
    assert_false(interface_table_equal(&a, &b));
    b.interfaces[1].running = false;
    b.addresses[2].address.bytes[3] ^= 1;
    assert_false(interface_table_equal(&a, &b));
    b.addresses[2].address.bytes[3] ^= 1;
    b.interfaces[3].default_routes = 0;
    assert_false(interface_table_equal(&a, &b));
    interface_table_deinit(&a);
    interface_table_deinit(&b);
}

static void test_what_concerns(void **state)
{
    static struct answer answer;
    (void)state;

    answer.length = 0;
    put_route(&answer, AF_INET, 24, RTN_UNICAST, 3);
    assert_false(interface_table_concerned(answer.bytes, answer.length));
    put_route(&answer, AF_INET6, 0, RTN_UNICAST, 3);
    assert_true(interface_table_concerned(answer.bytes, answer.length));
    answer.length = 0;
    put_link(&answer, 3, "eth0", IFF_UP);
    assert_true(interface_table_concerned(answer.bytes, answer.length));
    answer.length = 0;
    put_address(&answer, 3, "192.0.2.1", NULL, 0);
    assert_true(interface_table_concerned(answer.bytes, answer.length));
    answer.length = 0;
    put_done(&answer);
    assert_false(interface_table_concerned(answer.bytes, answer.length));
}

UNIT_MAIN(cmocka_unit_test(test_a_laptop),
          cmocka_unit_test(test_addresses_that_do_not_count), cmocka_unit_test(test_routes),
          cmocka_unit_test(test_parts_and_sequences),
          cmocka_unit_test(test_interrupted_and_refused),
          cmocka_unit_test(test_every_truncation_and_bit_flip),
          cmocka_unit_test(test_equal), cmocka_unit_test(test_what_concerns))
