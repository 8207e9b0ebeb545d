/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/interface_table.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table ---- */

void interface_table_deinit(struct interface_table *table)
{
    free(table->interfaces);
    free(table->addresses);
    *table = (struct interface_table){.interfaces = NULL};
}

void interface_table_clear(struct interface_table *table)
{
    table->interface_count = table->address_count = 0;
}

/* A zeroed element at the end of `items`, or NULL. */
static void *take_item(void **items, size_t *count, size_t *room, size_t size)
{
    if (*count == *room) {
        size_t more = MAX(2 * *room, (size_t)8);
        void *grown = reallocarray(*items, more, size);

        if (grown == NULL)
            return NULL;
        *items = grown;
        *room = more;
    }
    return memset((char *)*items + (*count)++ * size, 0, size);
}

static struct interface *take_interface(struct interface_table *table)
{
    void *items = table->interfaces;
    struct interface *interface = take_item(&items, &table->interface_count,
                                            &table->interface_room, sizeof(*interface));

    table->interfaces = items;
    return interface;
}

static struct interface_address *take_address(struct interface_table *table)
{
    void *items = table->addresses;
    struct interface_address *address =
        take_item(&items, &table->address_count, &table->address_room, sizeof(*address));

    table->addresses = items;
    return address;
}

static bool same_interface(const struct interface *a, const struct interface *b)
{
    return a->index == b->index && strcmp(a->name, b->name) == 0 && a->up == b->up &&
           a->running == b->running && a->default_routes == b->default_routes;
}

/* The kernel dumps in a fixed order, so unchanged elements stay in their places. */
bool interface_table_equal(const struct interface_table *a, const struct interface_table *b)
{
    if (a->interface_count != b->interface_count || a->address_count != b->address_count)
        return false;
    for (size_t i = 0; i < a->interface_count; i++)
        if (!same_interface(&a->interfaces[i], &b->interfaces[i]))
            return false;
    for (size_t i = 0; i < a->address_count; i++)
        if (a->addresses[i].index != b->addresses[i].index ||
            a->addresses[i].tentative != b->addresses[i].tentative ||
            !address_equal(&a->addresses[i].address, &b->addresses[i].address))
            return false;
    return true;
}

static struct interface *find_index(const struct interface_table *table, unsigned index)
{
    for (size_t i = 0; i < table->interface_count; i++)
        if (table->interfaces[i].index == index)
            return &table->interfaces[i];
    return NULL;
}

const struct interface *interface_table_find(const struct interface_table *table,
                                             const char *name)
{
    for (size_t i = 0; i < table->interface_count; i++)
        if (strcmp(table->interfaces[i].name, name) == 0)
            return &table->interfaces[i];
    return NULL;
}

const struct interface *interface_table_owner(const struct interface_table *table,
                                              const struct address *address)
{
    for (size_t i = 0; i < table->address_count; i++) {
        const struct address *own = &table->addresses[i].address;

        if (own->family == address->family &&
            memcmp(own->bytes, address->bytes, sizeof(own->bytes)) == 0)
            return find_index(table, table->addresses[i].index);
    }
    return NULL;
}

static bool is_link_local6(const struct address *address)
{
    return address->family == ADDRESS_IPV6 && address->bytes[0] == 0xfe &&
           (address->bytes[1] & 0xc0) == 0x80;
}

uint8_t interface_table_families(const struct interface_table *table, unsigned index)
{
    uint8_t families = 0;

    for (size_t i = 0; i < table->address_count; i++) {
        const struct interface_address *item = &table->addresses[i];

        if (item->index == index && !item->tentative && !is_link_local6(&item->address))
            families |= FAMILY_BIT(item->address.family);
    }
    return families;
}

/* ---- messages ---- */

static uint8_t family_of(unsigned char family)
{
    return family == AF_INET    ? ADDRESS_IPV4
           : family == AF_INET6 ? ADDRESS_IPV6
                                : ADDRESS_NONE;
}

/* The message's body, or NULL when it is too short for one. */
static const void *body_of(const struct nlmsghdr *message, size_t size)
{
    return mnl_nlmsg_get_payload_len(message) >= size ? mnl_nlmsg_get_payload(message)
                                                      : NULL;
}

static int add_link(struct interface_table *table, const struct nlmsghdr *message)
{
    const struct ifinfomsg *body = body_of(message, sizeof(*body));
    struct interface *interface;
    struct nlattr *attribute;

    if (body == NULL || body->ifi_index <= 0)
        return OK;
    mnl_attr_for_each(attribute, message, sizeof(*body))
    {
        if (mnl_attr_get_type(attribute) != IFLA_IFNAME ||
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0 ||
            mnl_attr_get_payload_len(attribute) > IF_NAMESIZE)
            continue;
        interface = take_interface(table);
        if (interface == NULL)
            return ERROR_MEMORY;
        interface->index = (unsigned)body->ifi_index;
        memcpy(interface->name, mnl_attr_get_str(attribute),
               mnl_attr_get_payload_len(attribute));
        interface->up = body->ifi_flags & IFF_UP;
        interface->running = body->ifi_flags & IFF_RUNNING;
        interface->loopback = body->ifi_flags & IFF_LOOPBACK;
        return OK;
    }
    return OK;
}

static int add_address(struct interface_table *table, const struct nlmsghdr *message)
{
    const struct ifaddrmsg *body = body_of(message, sizeof(*body));
    struct interface_address *item;
    struct nlattr *attribute;
    const void *own = NULL;
    uint32_t flags;
    size_t size;

    if (body == NULL || family_of(body->ifa_family) == ADDRESS_NONE)
        return OK;
    flags = body->ifa_flags;
    size = body->ifa_family == AF_INET ? 4 : 16;
    mnl_attr_for_each(attribute, message, sizeof(*body))
    {
        uint16_t type = mnl_attr_get_type(attribute);
        size_t length = mnl_attr_get_payload_len(attribute);

        /* On a point-to-point link, IFA_ADDRESS is the other end's. */
        if ((type == IFA_LOCAL || (type == IFA_ADDRESS && own == NULL)) && length == size)
            own = mnl_attr_get_payload(attribute);
        else if (type == IFA_FLAGS && length == sizeof(flags))
            flags = mnl_attr_get_u32(attribute);
    }
    if (own == NULL)
        return OK;
    item = take_address(table);
    if (item == NULL)
        return ERROR_MEMORY;
    item->index = body->ifa_index;
    item->address.family = family_of(body->ifa_family);
    memcpy(item->address.bytes, own, size);
    item->tentative =
        flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) && !(flags & IFA_F_OPTIMISTIC);
    return OK;
}

/* A route to everywhere, for any source, that does not refuse. */
static bool is_default(const struct rtmsg *body)
{
    return body->rtm_dst_len == 0 && body->rtm_src_len == 0 &&
           body->rtm_type == RTN_UNICAST && family_of(body->rtm_family) != ADDRESS_NONE &&
           !(body->rtm_flags & RTM_F_CLONED);
}

static void mark_route(struct interface_table *table, int index, uint8_t family)
{
    struct interface *interface = find_index(table, (unsigned)index);

    if (interface != NULL)
        interface->default_routes |= FAMILY_BIT(family);
}

/* A route may have several next hops, each with its interface. */
static void mark_hops(struct interface_table *table, const struct nlattr *attribute,
                      uint8_t family)
{
    const char *at = mnl_attr_get_payload(attribute);
    size_t left = mnl_attr_get_payload_len(attribute);

    while (left >= sizeof(struct rtnexthop)) {
        const struct rtnexthop *hop = (const struct rtnexthop *)(const void *)at;
        size_t length = RTNH_ALIGN(hop->rtnh_len);

        if (hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > left)
            return;
        mark_route(table, hop->rtnh_ifindex, family);
        at += MIN(length, left);
        left -= MIN(length, left);
    }
}

static int add_route(struct interface_table *table, const struct nlmsghdr *message)
{
    const struct rtmsg *body = body_of(message, sizeof(*body));
    struct nlattr *attribute;

    if (body == NULL || !is_default(body))
        return OK;
    mnl_attr_for_each(attribute, message, sizeof(*body))
    {
        uint8_t family = family_of(body->rtm_family);

        if (mnl_attr_get_type(attribute) == RTA_OIF &&
            mnl_attr_get_payload_len(attribute) == sizeof(uint32_t))
            mark_route(table, (int)mnl_attr_get_u32(attribute), family);
        else if (mnl_attr_get_type(attribute) == RTA_MULTIPATH)
            mark_hops(table, attribute, family);
    }
    return OK;
}

/* An error number of 0 answers a request that asks for no data. */
static int take_error(const struct nlmsghdr *message)
{
    const struct nlmsgerr *body = body_of(message, sizeof(*body));

    errno = body != NULL ? -body->error : EPROTO;
    return errno != 0 ? ERROR_SYSTEM : OK;
}

static int take_message(struct interface_table *table, const struct nlmsghdr *message,
                        bool *done)
{
    switch (message->nlmsg_type) {
    case NLMSG_DONE: *done = true; return OK;
    case NLMSG_ERROR: return take_error(message);
    case RTM_NEWLINK: return add_link(table, message);
    case RTM_NEWADDR: return add_address(table, message);
    case RTM_NEWROUTE: return add_route(table, message);
    default: return OK;
    }
}

/* libmnl counts in int; a buffer is never so large. */
static int as_int(size_t length)
{
    return (int)MIN(length, (size_t)INT32_MAX);
}

/* mnl_nlmsg_ok() takes a length beyond INT_MAX for negative, and accepts it. */
static bool is_whole(const struct nlmsghdr *message, int left)
{
    return mnl_nlmsg_ok(message, left) && message->nlmsg_len <= (unsigned)left;
}

int interface_table_add(struct interface_table *table, const void *messages, size_t length,
                        uint32_t sequence, bool *done)
{
    int left = as_int(length), result = OK;

    for (const struct nlmsghdr *message = messages; is_whole(message, left) && !*done;
         message = mnl_nlmsg_next(message, &left)) {
        int error;

        if (message->nlmsg_seq != sequence)
            continue;
        error = take_message(table, message, done);
        if (error != OK)
            return error;
        if (message->nlmsg_flags & NLM_F_DUMP_INTR)
            result = ERROR_CLOSED;
    }
    return result;
}

bool interface_table_concerned(const void *messages, size_t length)
{
    int left = as_int(length);

    for (const struct nlmsghdr *message = messages; is_whole(message, left);
         message = mnl_nlmsg_next(message, &left)) {
        const struct rtmsg *route = body_of(message, sizeof(*route));

        switch (message->nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
        case RTM_NEWADDR:
        case RTM_DELADDR: return true;
        case RTM_NEWROUTE:
        case RTM_DELROUTE:
            if (route != NULL && route->rtm_dst_len == 0)
                return true;
            break;
        default: break;
        }
    }
    return false;
}
