/* SPDX-License-Identifier: MIT */
#include "own_addresses.h"

#include <splitsocks/base/error.h>
#include <splitsocks/base/log.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* Enough for one route, with its metrics. */
#define ANSWER_SIZE 8192

static bool ask(struct own_addresses *own, const struct address *address)
{
    union {
        struct nlmsghdr header; /* for its alignment */
        uint8_t bytes[NLMSG_SPACE(sizeof(struct rtmsg)) + RTA_SPACE(16)];
    } buffer;
    bool ipv4 = address->family == ADDRESS_IPV4;
    struct nlmsghdr *request = mnl_nlmsg_put_header(&buffer);
    struct rtmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

    request->nlmsg_type = RTM_GETROUTE;
    request->nlmsg_flags = NLM_F_REQUEST;
    request->nlmsg_seq = ++own->sequence;
    body->rtm_family = ipv4 ? AF_INET : AF_INET6;
    body->rtm_dst_len = ipv4 ? 32 : 128;
    mnl_attr_put(request, RTA_DST, ipv4 ? 4 : 16, address->bytes);
    return mnl_socket_sendto(own->netlink, request, request->nlmsg_len) >= 0;
}

static int take_route(const struct nlmsghdr *message, void *context)
{
    const struct rtmsg *route = mnl_nlmsg_get_payload(message);
    bool *is_own = context;

    if (message->nlmsg_type == RTM_NEWROUTE &&
        mnl_nlmsg_get_payload_len(message) >= sizeof(*route))
        *is_own = route->rtm_type == RTN_LOCAL || route->rtm_type == RTN_BROADCAST ||
                  route->rtm_type == RTN_ANYCAST;
    return MNL_CB_STOP;
}

/* Returns OK, or ERROR_SYSTEM with errno set when there is no usable answer. */
static int look_up(struct own_addresses *own, const struct address *address, bool *is_own)
{
    _Alignas(struct nlmsghdr) char answer[ANSWER_SIZE];
    ssize_t length;

    *is_own = false;
    if (!ask(own, address))
        return ERROR_SYSTEM;
    /* An answer to an earlier question may still lie there. */
    do {
        length = mnl_socket_recvfrom(own->netlink, answer, sizeof(answer));
    } while (length >= (ssize_t)sizeof(struct nlmsghdr) &&
             ((struct nlmsghdr *)(void *)answer)->nlmsg_seq != own->sequence);
    if (length <= 0)
        return ERROR_SYSTEM;
    /* An error says that there is no route: the connection will fail by itself. */
    (void)!mnl_cb_run(answer, (size_t)length, own->sequence,
                      mnl_socket_get_portid(own->netlink), take_route, is_own);
    return OK;
}

bool own_addresses_have(void *context, const struct address *address)
{
    struct own_addresses *own = context;
    bool is_own;

    return own->netlink != NULL && (look_up(own, address, &is_own) != OK || is_own);
}

/* A sandbox may allow to make the socket and forbid its use. */
static bool can_ask(struct own_addresses *own)
{
    static const struct address loopback = {.family = ADDRESS_IPV4,
                                            .bytes = {127, 0, 0, 1}};
    bool ignored;

    return own->netlink != NULL &&
           mnl_socket_bind(own->netlink, 0, MNL_SOCKET_AUTOPID) == 0 &&
           look_up(own, &loopback, &ignored) == OK;
}

void own_addresses_init(struct own_addresses *own)
{
    *own = (struct own_addresses){
        .netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (can_ask(own))
        return;
    log_warning("cannot ask the kernel for this machine's own addresses (netlink: %s): "
                "clients are not kept from its public ones",
                strerror(errno));
    own_addresses_deinit(own);
}

void own_addresses_deinit(struct own_addresses *own)
{
    if (own->netlink != NULL)
        mnl_socket_close(own->netlink);
    own->netlink = NULL;
}
