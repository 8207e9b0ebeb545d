/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/path_advice.h>

#include <splitsocks/io/socket.h>

#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_SIZE 8192
#define STRICT 1

/* ---- facts from the kernel ---- */

static int read_filter(const char *interface)
{
    char name[96];
    FILE *file;
    int value = 0;

    snprintf(name, sizeof(name), "/proc/sys/net/ipv4/conf/%s/rp_filter", interface);
    file = fopen(name, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%d", &value) != 1)
        value = 0;
    fclose(file);
    return value;
}

/* The greater of both values applies: 2 is loose. */
static bool is_strict(const char *interface)
{
    int all = read_filter("all"), own = read_filter(interface);

    return MAX(all, own) == STRICT;
}

/* Finds the interface's first IPv4 address, or the interface that has the address. */
static bool look_up(const char *interface, struct address *address, char name[IF_NAMESIZE])
{
    struct ifaddrs *list = NULL;
    bool found = false;

    if (getifaddrs(&list) != 0)
        return false;
    for (const struct ifaddrs *item = list; item != NULL && !found; item = item->ifa_next) {
        struct address own;

        if (item->ifa_addr == NULL || item->ifa_addr->sa_family != AF_INET)
            continue;
        own = socket_address_get(item->ifa_addr);
        found = interface != NULL ? strcmp(item->ifa_name, interface) == 0
                                  : memcmp(own.bytes, address->bytes, 4) == 0;
        if (found) {
            memcpy(address->bytes, own.bytes, 4);
            snprintf(name, IF_NAMESIZE, "%s", item->ifa_name);
        }
    }
    freeifaddrs(list);
    return found;
}

static int take_route(const struct nlmsghdr *message, void *context)
{
    char *name = context;
    struct nlattr *attribute;

    mnl_attr_for_each(attribute, message, sizeof(struct rtmsg))
    {
        if (mnl_attr_get_type(attribute) == RTA_OIF &&
            mnl_attr_get_payload_len(attribute) == sizeof(uint32_t))
            (void)!if_indextoname(mnl_attr_get_u32(attribute), name);
    }
    return MNL_CB_STOP;
}

/* The interface by which the kernel sends from `source` to `to`, by all its rules. The
 * answer is there when sendto() returns. */
static bool find_route(const struct address *source, const struct address *to,
                       char name[IF_NAMESIZE])
{
    _Alignas(struct nlmsghdr) char buffer[ANSWER_SIZE];
    struct mnl_socket *netlink =
        mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    struct rtmsg *body;
    ssize_t length = -1;

    name[0] = '\0';
    if (netlink == NULL)
        return false;
    request->nlmsg_type = RTM_GETROUTE;
    request->nlmsg_flags = NLM_F_REQUEST;
    request->nlmsg_seq = 1;
    body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
    body->rtm_family = AF_INET;
    body->rtm_dst_len = body->rtm_src_len = 32;
    mnl_attr_put(request, RTA_DST, 4, to->bytes);
    mnl_attr_put(request, RTA_SRC, 4, source->bytes);
    if (mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) == 0 &&
        mnl_socket_sendto(netlink, request, request->nlmsg_len) >= 0)
        length = mnl_socket_recvfrom(netlink, buffer, sizeof(buffer));
    if (length > 0)
        (void)!mnl_cb_run(buffer, (size_t)length, 1, mnl_socket_get_portid(netlink),
                          take_route, name);
    mnl_socket_close(netlink);
    return name[0] != '\0';
}

/* ---- conclusions ---- */

bool path_advice_blocked(const struct local_path *path, const struct address *from,
                         char why[PATH_ADVICE_SIZE])
{
    bool bound = path->interface[0] != '\0';
    struct address source = path->source;
    char own[IF_NAMESIZE], by[IF_NAMESIZE], text[ADDRESS_TEXT_SIZE];

    if (from->family != ADDRESS_IPV4 || address_is_loopback(from) ||
        (!bound && source.family != ADDRESS_IPV4) || (bound && !is_strict(path->interface)))
        return false;
    if (source.family != ADDRESS_IPV4 || !bound) {
        source.family = ADDRESS_IPV4;
        if (!look_up(bound ? path->interface : NULL, &source, own))
            return false;
    }
    if (bound)
        snprintf(own, sizeof(own), "%s", path->interface);
    if (!find_route(&source, from, by) || strcmp(own, by) == 0)
        return false;
    source.port = 0;
    if (bound)
        snprintf(
            why, PATH_ADVICE_SIZE,
            "this machine drops the answers that come in on %s, since its own route leads "
            "through %s and rp_filter is strict; \"sysctl -w "
            "net.ipv4.conf.%s.rp_filter=2\" mends it (for later boots put the line "
            "\"net.ipv4.conf.%s.rp_filter=2\" into /etc/sysctl.d/splitsocks.conf)",
            own, by, own, own);
    else
        snprintf(why, PATH_ADVICE_SIZE,
                 "packets from %s leave by %s, and not by %s, which has the address: add a "
                 "rule of ip-rule(8) for this address, or give the \"interface\" instead",
                 address_format(&source, text), by, own);
    return true;
}

/* An address for documentation (RFC 5737): only the default route leads there. */
static const struct address somewhere = {.family = ADDRESS_IPV4, .bytes = {192, 0, 2, 1}};

bool path_advice_blocked_anywhere(const struct local_path *path, char why[PATH_ADVICE_SIZE])
{
    return path_advice_blocked(path, &somewhere, why);
}

bool path_advice_interface(const struct local_path *path, char name[IF_NAMESIZE])
{
    /* An alternative name leads to the same index. */
    if (path->interface[0] != '\0')
        return if_indextoname(if_nametoindex(path->interface), name) != NULL;
    return path->source.family == ADDRESS_IPV4 &&
           find_route(&path->source, &somewhere, name);
}
