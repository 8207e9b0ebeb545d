/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/socket.h>

#include "socket_tune.h"

/* The C library's <netinet/tcp.h> has an older struct tcp_info, and conflicts with this
 * header. */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>

/* Bytes written and not yet acknowledged. SIOCOUTQ counts bytes; a kernel without it may
 * still count segments. */
static uint32_t get_queued_bytes(int fd, const struct tcp_info *tcp)
{
    int queued = 0;

    if (ioctl(fd, SIOCOUTQ, &queued) == 0)
        return queued > 0 ? (uint32_t)queued : 0;
    socket_tune_warn(TUNE_QUEUED);
    return tcp->tcpi_notsent_bytes + tcp->tcpi_unacked * tcp->tcpi_snd_mss;
}

struct socket_info socket_info_get(int fd)
{
    struct socket_info info = {.silent_for_ns = TIME_NEVER};
    struct tcp_info tcp;
    socklen_t length = sizeof(tcp);
    int64_t flying;

    memset(&tcp, 0, sizeof(tcp));
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &tcp, &length) == 0)
        info.silent_for_ns = tcp.tcpi_last_ack_recv * NS_PER_MS;
    else
        socket_tune_warn(TUNE_INFO);
    info.srtt_ns = (uint64_t)tcp.tcpi_rtt * 1000;
    if (info.srtt_ns > 0)
        info.rate =
            (uint64_t)tcp.tcpi_snd_cwnd * tcp.tcpi_snd_mss * NS_PER_S / info.srtt_ns;
    info.rate = MAX(info.rate, (uint64_t)tcp.tcpi_delivery_rate);
    info.queued_bytes = get_queued_bytes(fd, &tcp);
    info.unsent_bytes = MIN(tcp.tcpi_notsent_bytes, info.queued_bytes);
    /* As the kernel's tcp_packets_in_flight(). */
    flying = (int64_t)tcp.tcpi_unacked - tcp.tcpi_sacked - tcp.tcpi_lost + tcp.tcpi_retrans;
    info.flying_bytes = (uint32_t)MIN(MAX(flying, 0) * (int64_t)tcp.tcpi_snd_mss,
                                      (int64_t)(info.queued_bytes - info.unsent_bytes));
    return info;
}

uint32_t socket_payload_bytes(int fd)
{
    struct tcp_info tcp;
    socklen_t length = sizeof(tcp);

    memset(&tcp, 0, sizeof(tcp));
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &tcp, &length) == 0 ? tcp.tcpi_snd_mss : 0;
}

uint32_t socket_queued_bytes(int fd)
{
    int queued = 0;

    return ioctl(fd, SIOCOUTQ, &queued) == 0 && queued > 0 ? (uint32_t)queued : 0;
}

uint32_t socket_unsent_bytes(int fd)
{
    int unsent = 0;

    return ioctl(fd, SIOCOUTQNSD, &unsent) == 0 && unsent > 0 ? (uint32_t)unsent : 0;
}
