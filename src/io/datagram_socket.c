/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/datagram_socket.h>

#include "socket_tune.h"

#include <splitsocks/base/error.h>
#include <splitsocks/io/socket.h>

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The longest datagram that comes: IPv6's, without the header of UDP. Readers drop and
 * count what is too long to be sent on. */
#define INPUT_MAX 65527
/* Bytes of a batch that is being sent. */
#define OUTPUT_SIZE ((size_t)4 * DATAGRAM_BYTES_MAX)
/* A kernel that reports ICMP errors of earlier datagrams does so instead of a transfer. */
#define TRIES 4

/* Room for one control message about this machine's address. */
union control {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* One direction of a batch, as recvmmsg(2) and sendmmsg(2) take it. */
struct messages {
    struct mmsghdr headers[DATAGRAM_BATCH];
    struct iovec vectors[DATAGRAM_BATCH];
    struct sockaddr_storage names[DATAGRAM_BATCH];
    union control controls[DATAGRAM_BATCH];
};

struct datagram_batch {
    struct messages in, out;
    struct datagram_in received[DATAGRAM_BATCH];
    size_t received_count;
    int out_fd;
    size_t out_count;
    size_t out_bytes; /* used of `output` */
    size_t lost;      /* that the kernel has not taken */
    uint8_t output[OUTPUT_SIZE];
    uint8_t input[DATAGRAM_BATCH][INPUT_MAX];
};

struct datagram_batch *datagram_batch_new(void)
{
    return calloc(1, sizeof(struct datagram_batch));
}

void datagram_batch_free(struct datagram_batch *batch)
{
    free(batch);
}

/* ---- sockets ---- */

static void set_options(int fd, bool ipv6, const struct datagram_socket_options *options)
{
    if (ipv6) {
        (void)socket_tune(fd, TUNE_V6ONLY, 1);
        (void)socket_tune(fd, TUNE_FRAGMENTS_IPV6, IPV6_PMTUDISC_WANT);
    } else {
        (void)socket_tune(fd, TUNE_FRAGMENTS_IPV4, IP_PMTUDISC_WANT);
    }
    if (options->destinations)
        (void)socket_tune(fd, ipv6 ? TUNE_DESTINATION_IPV6 : TUNE_DESTINATION_IPV4, 1);
}

int datagram_socket_open(struct datagram_socket *datagrams, const struct address *address,
                         const struct datagram_socket_options *options)
{
    bool ipv6 = address->family == ADDRESS_IPV6;
    struct sockaddr_storage storage;
    socklen_t length = socket_address_put(address, &storage);
    int saved;

    datagrams->family = address->family;
    datagrams->fd = socket(ipv6 ? AF_INET6 : AF_INET,
                           SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (datagrams->fd < 0)
        return ERROR_SYSTEM;
    if (descriptors_admit(datagrams->fd, options->class)) {
        set_options(datagrams->fd, ipv6, options);
        if (options->absent)
            (void)socket_tune(datagrams->fd, TUNE_FREEBIND, 1);
        if (bind(datagrams->fd, (struct sockaddr *)&storage, length) == 0)
            return OK;
    } else {
        errno = EMFILE;
    }
    saved = errno;
    datagram_socket_close(datagrams);
    errno = saved;
    return ERROR_SYSTEM;
}

void datagram_socket_close(struct datagram_socket *datagrams)
{
    if (datagrams->fd >= 0)
        close(datagrams->fd);
    datagrams->fd = -1;
}

/* ---- receiving ---- */

static struct address plain_address(const struct sockaddr *name)
{
    struct address mapped = socket_address_get(name);

    return address_unmap(&mapped);
}

static struct address destination_of(struct msghdr *message)
{
    struct address address = {.family = ADDRESS_NONE};

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL;
         c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            address.family = ADDRESS_IPV4;
            memcpy(address.bytes, &info.ipi_addr, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            address.family = ADDRESS_IPV6;
            memcpy(address.bytes, &info.ipi6_addr, 16);
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                address.scope = info.ipi6_ifindex;
            address = address_unmap(&address);
        }
    }
    return address;
}

static void prepare_input(struct datagram_batch *batch)
{
    struct messages *in = &batch->in;

    for (size_t i = 0; i < DATAGRAM_BATCH; i++) {
        in->vectors[i] = (struct iovec){batch->input[i], INPUT_MAX};
        in->headers[i].msg_hdr = (struct msghdr){
            .msg_name = &in->names[i],
            .msg_namelen = sizeof(in->names[i]),
            .msg_iov = &in->vectors[i],
            .msg_iovlen = 1,
            .msg_control = in->controls[i].bytes,
            .msg_controllen = sizeof(in->controls[i].bytes),
        };
    }
}

size_t datagram_socket_receive(const struct datagram_socket *datagrams,
                               struct datagram_batch *batch, size_t most)
{
    int count = -1;

    batch->received_count = 0;
    for (int i = 0; i < TRIES && count < 0; i++) {
        prepare_input(batch);
        count = recvmmsg(datagrams->fd, batch->in.headers,
                         (unsigned)MIN(most, (size_t)DATAGRAM_BATCH), 0, NULL);
        if (count < 0 && errno == EAGAIN)
            return 0;
    }
    for (int i = 0; i < count; i++) {
        struct mmsghdr *header = &batch->in.headers[i];

        batch->received[batch->received_count++] = (struct datagram_in){
            .peer = plain_address((struct sockaddr *)&batch->in.names[i]),
            .local = destination_of(&header->msg_hdr),
            .bytes = batch->input[i],
            .length = header->msg_len,
        };
    }
    return batch->received_count;
}

const struct datagram_in *datagram_batch_at(const struct datagram_batch *batch,
                                            size_t index)
{
    assert(index < batch->received_count);
    return &batch->received[index];
}

/* ---- sending ---- */

/* An IPv4 address as a socket of IPv6 takes it: mapped. */
static struct address address_for(uint8_t family, const struct address *address)
{
    struct address mapped = *address;

    if (family != ADDRESS_IPV6 || address->family != ADDRESS_IPV4)
        return mapped;
    mapped.family = ADDRESS_IPV6;
    memset(mapped.bytes, 0, 10);
    memset(mapped.bytes + 10, 0xff, 2);
    memcpy(mapped.bytes + 12, address->bytes, 4);
    return mapped;
}

static bool is_full(int error)
{
    return error == EAGAIN || error == ENOBUFS;
}

/* Whether the failure is of an earlier datagram, or of this moment. */
static bool is_passing(int error)
{
    return error == EINTR || error == ECONNREFUSED;
}

int datagram_socket_send(const struct datagram_socket *datagrams,
                         const struct address *peer, const void *bytes, size_t length)
{
    struct address to = address_for(datagrams->family, peer);
    struct sockaddr_storage storage;
    socklen_t size = socket_address_put(&to, &storage);

    for (int tries = 1;; tries++) {
        if (sendto(datagrams->fd, bytes, length, MSG_NOSIGNAL, (struct sockaddr *)&storage,
                   size) >= 0)
            return OK;
        if (is_full(errno))
            return ERROR_LIMIT;
        if (tries == TRIES || !is_passing(errno))
            return ERROR_SYSTEM;
    }
}

/* Says from which address of this machine to send. */
static void put_source(struct msghdr *message, union control *control,
                       const struct address *local)
{
    bool ipv6 = local->family == ADDRESS_IPV6;
    struct in6_pktinfo info6 = {.ipi6_ifindex = local->scope};
    struct in_pktinfo info4 = {0};
    size_t size = ipv6 ? sizeof(info6) : sizeof(info4);

    memcpy(&info6.ipi6_addr, local->bytes, 16);
    memcpy(&info4.ipi_spec_dst, local->bytes, 4);
    memset(control, 0, sizeof(*control));
    control->header.cmsg_level = ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
    control->header.cmsg_type = ipv6 ? IPV6_PKTINFO : IP_PKTINFO;
    control->header.cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(&control->header), ipv6 ? (void *)&info6 : (void *)&info4, size);
    message->msg_control = control->bytes;
    message->msg_controllen = CMSG_SPACE(size);
}

uint8_t *datagram_socket_put(const struct datagram_socket *datagrams,
                             struct datagram_batch *batch, const struct address *peer,
                             const struct address *local, size_t length)
{
    struct messages *out = &batch->out;
    struct address to = address_for(datagrams->family, peer);
    uint8_t *bytes;
    size_t i;

    assert(length <= DATAGRAM_BYTES_MAX);
    if (batch->out_count == DATAGRAM_BATCH || batch->out_fd != datagrams->fd ||
        batch->out_bytes + length > OUTPUT_SIZE)
        batch->lost = datagram_batch_flush(batch);
    batch->out_fd = datagrams->fd;
    i = batch->out_count++;
    bytes = batch->output + batch->out_bytes;
    batch->out_bytes += length;
    out->vectors[i] = (struct iovec){bytes, length};
    out->headers[i].msg_hdr = (struct msghdr){
        .msg_name = &out->names[i],
        .msg_namelen = socket_address_put(&to, &out->names[i]),
        .msg_iov = &out->vectors[i],
        .msg_iovlen = 1,
    };
    if (local != NULL && local->family != ADDRESS_NONE) {
        struct address from = address_for(datagrams->family, local);

        put_source(&out->headers[i].msg_hdr, &out->controls[i], &from);
    }
    return bytes;
}

size_t datagram_batch_flush(struct datagram_batch *batch)
{
    size_t at = 0, lost = batch->lost;
    int tries = 0;

    while (at < batch->out_count) {
        int sent = sendmmsg(batch->out_fd, batch->out.headers + at,
                            (unsigned)(batch->out_count - at), MSG_NOSIGNAL);

        if (sent > 0) {
            at += (size_t)sent;
            tries = 0;
        } else if (is_full(errno)) {
            break; /* the kernel's queue is full */
        } else if (++tries == TRIES || !is_passing(errno)) {
            at++; /* this one cannot be sent; others may have other peers */
            lost++;
            tries = 0;
        }
    }
    lost += batch->out_count - at;
    batch->out_count = batch->out_bytes = batch->lost = 0;
    return lost;
}
