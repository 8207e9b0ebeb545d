/* SPDX-License-Identifier: MIT */
/* A local path as a table of interfaces makes it. */
#include "addresses.h"

#include <splitsocks/local/local_path.h>

#include <stdio.h>

/* eth0 has a default route for IPv4, wlan0 for both families. */
struct network {
    struct interface interfaces[3];
    struct interface_address addresses[5];
    struct interface_table table;
};

static struct network *network(void)
{
    static struct network network;

    network = (struct network){
        .interfaces =
            {{.index = 1, .name = "lo", .up = true, .running = true, .loopback = true},
             {.index = 2,
              .name = "eth0",
              .up = true,
              .running = true,
              .default_routes = FAMILY_BIT(ADDRESS_IPV4)},
             {.index = 3,
              .name = "wlan0",
              .up = true,
              .running = true,
              .default_routes = FAMILIES_ALL}},
        .addresses = {{.index = 1, .address = address_of("127.0.0.1")},
                      {.index = 2, .address = address_of("192.0.2.2")},
                      {.index = 2, .address = address_of("2001:db8:2::2")},
                      {.index = 3, .address = address_of("2001:db8:3::3")},
                      {.index = 3, .address = address_of("192.0.2.3")}},
    };
    network.table = (struct interface_table){
        .interfaces = network.interfaces,
        .interface_count = ARRAY_LENGTH(network.interfaces),
        .addresses = network.addresses,
        .address_count = ARRAY_LENGTH(network.addresses),
    };
    return &network;
}

static struct local_path path_of(const char *interface, const char *source)
{
    struct local_path path = {.source = {.family = ADDRESS_NONE}};

    if (interface != NULL)
        snprintf(path.interface, sizeof(path.interface), "%s", interface);
    if (source != NULL)
        path.source = address_of(source);
    return path;
}

/* As the kernel does with 127.0.0.0/8. */
static bool owned(const struct address *address)
{
    return address->family == ADDRESS_IPV4 && address->bytes[0] == 127;
}

static struct local_path_view look(const struct local_path *path,
                                   const struct network *network)
{
    struct local_path_view view;

    local_path_look(path, &network->table, owned, &view);
    assert_true(view.usable == (view.families != 0));
    assert_true(view.usable == (view.why[0] == '\0'));
    return view;
}

static void test_an_interface(void **state)
{
    struct local_path path = path_of("eth0", NULL);
    struct network *net = network();
    struct local_path_view view = look(&path, net);
    (void)state;

    assert_int_equal(view.families, FAMILIES_ALL);
    assert_int_equal(view.index, 2);
    net->interfaces[1].default_routes = 0; /* another route may lead to the relay */
    assert_true(look(&path, net).usable);
    net->interfaces[1].running = false;
    assert_string_equal(look(&path, net).why, "interface eth0: no carrier");
    net->interfaces[1].up = false;
    assert_string_equal(look(&path, net).why, "interface eth0: down");
    snprintf(net->interfaces[1].name, IF_NAMESIZE, "eth1");
    view = look(&path, net);
    assert_string_equal(view.why, "there is no interface eth0");
    assert_int_equal(view.index, 0);
}

static void test_its_addresses(void **state)
{
    struct local_path path = path_of("eth0", NULL);
    struct network *net = network();
    (void)state;

    net->addresses[1].index = 3;
    assert_int_equal(look(&path, net).families, FAMILY_BIT(ADDRESS_IPV6));
    net->addresses[2].tentative = true;
    assert_string_equal(look(&path, net).why, "interface eth0: no address");
    net->addresses[2].tentative = false;
    net->addresses[2].address = address_of("fe80::2");
    assert_false(look(&path, net).usable);
}

static void test_only_what_is_routed(void **state)
{
    struct local_path path = path_of("eth0", NULL);
    struct network *net = network();
    (void)state;

    path.routed = true;
    assert_int_equal(look(&path, net).families, FAMILY_BIT(ADDRESS_IPV4));
    net->interfaces[1].default_routes = 0;
    assert_string_equal(look(&path, net).why, "interface eth0: no default route");
}

static void test_a_source(void **state)
{
    struct local_path path = path_of(NULL, "192.0.2.3");
    struct network *net = network();
    struct local_path_view view = look(&path, net);
    (void)state;

    assert_int_equal(view.families, FAMILY_BIT(ADDRESS_IPV4));
    assert_int_equal(view.index, 3);
    net->interfaces[2].running = false;
    assert_string_equal(look(&path, net).why, "interface wlan0: no carrier");
    net->addresses[4].address = address_of("192.0.2.4");
    assert_string_equal(look(&path, net).why,
                        "this machine does not have the address 192.0.2.3");
    /* In no table, and this machine's all the same. */
    path = path_of(NULL, "127.0.0.9");
    assert_true(look(&path, net).usable);
    path = path_of(NULL, "2001:db8:2::2");
    assert_int_equal(look(&path, net).families, FAMILY_BIT(ADDRESS_IPV6));
}

static void test_an_interface_with_a_source(void **state)
{
    struct local_path path = path_of("eth0", "192.0.2.2");
    struct network *net = network();
    (void)state;

    assert_int_equal(look(&path, net).families, FAMILY_BIT(ADDRESS_IPV4));
    net->interfaces[1].up = false;
    assert_string_equal(look(&path, net).why, "interface eth0: down");
    net = network();
    net->addresses[1].index = 1; /* an address of lo may be sent from anywhere */
    assert_true(look(&path, net).usable);
    net->addresses[1].address = address_of("192.0.2.9");
    assert_string_equal(look(&path, net).why,
                        "this machine does not have the address 192.0.2.2");
}

static void test_what_the_kernel_routes(void **state)
{
    struct local_path path = path_of(NULL, NULL);
    struct network *net = network();
    (void)state;

    assert_int_equal(look(&path, net).families, FAMILIES_ALL);
    memset(net->interfaces, 0, sizeof(net->interfaces));
    assert_true(look(&path, net).usable); /* the dials will tell */
}

static void test_signatures(void **state)
{
    struct local_path eth = path_of("eth0", NULL), any = path_of(NULL, NULL);
    struct network *net = network();
    uint64_t eth_before = look(&eth, net).signature, any_before = look(&any, net).signature;
    (void)state;

    /* A path with an interface ignores the others; one that is routed watches them all. */
    net->interfaces[2].default_routes = 0;
    assert_true(look(&eth, net).signature == eth_before);
    assert_true(look(&any, net).signature != any_before);
    net = network();
    net->interfaces[0].index = 9; /* it routes nothing */
    assert_true(look(&any, net).signature == any_before);
    net->addresses[1].address = address_of("192.0.2.99");
    assert_true(look(&eth, net).signature != eth_before);
    assert_true(look(&any, net).signature != any_before);
    net = network();
    net->interfaces[1].default_routes = FAMILIES_ALL;
    assert_true(look(&eth, net).signature != eth_before);
    net = network();
    net->interfaces[1].index = net->addresses[1].index = net->addresses[2].index = 7;
    assert_true(look(&eth, net).signature != eth_before);
}

static void test_nothing_is_known(void **state)
{
    struct local_path path = path_of("eth0", "192.0.2.2");
    struct local_path_view view;
    (void)state;

    local_path_assume(&path, &view);
    assert_true(view.usable);
    assert_int_equal(view.families, FAMILY_BIT(ADDRESS_IPV4));
}

UNIT_MAIN(cmocka_unit_test(test_an_interface), cmocka_unit_test(test_its_addresses),
          cmocka_unit_test(test_only_what_is_routed), cmocka_unit_test(test_a_source),
          cmocka_unit_test(test_an_interface_with_a_source),
          cmocka_unit_test(test_what_the_kernel_routes), cmocka_unit_test(test_signatures),
          cmocka_unit_test(test_nothing_is_known))
