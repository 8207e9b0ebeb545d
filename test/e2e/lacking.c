/* SPDX-License-Identifier: MIT */
/*
 * Runs a program on a kernel that lacks socket options, or in a sandbox that forbids netlink:
 * a seccomp filter answers calls for them with an error.
 *
 *     lacking WORD[,WORD...] PROGRAM ARGUMENT...
 *
 * The words are names of options such as TCP_INFO, or of ioctl requests, or netlink_send and
 * netlink_receive; see `calls`.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALL_SET __NR_setsockopt
#define CALL_GET __NR_getsockopt
#define CALL_IOCTL __NR_ioctl
#define CALL_SENDTO __NR_sendto
#define CALL_RECVMSG __NR_recvmsg

#define OPTION(call, level, name) \
    { \
#name, call, level, name, ENOPROTOOPT \
    }

static const struct {
    const char *name;
    uint32_t call, level, argument;
    int error;
} calls[] = {
    OPTION(CALL_SET, SOL_SOCKET, SO_REUSEADDR),
    OPTION(CALL_SET, SOL_SOCKET, SO_RCVBUF),
    OPTION(CALL_SET, SOL_SOCKET, SO_KEEPALIVE),
    OPTION(CALL_SET, SOL_SOCKET, SO_LINGER),
    OPTION(CALL_SET, SOL_SOCKET, SO_BINDTODEVICE),
    OPTION(CALL_SET, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
    OPTION(CALL_SET, IPPROTO_IP, IP_FREEBIND),
    OPTION(CALL_SET, IPPROTO_IPV6, IPV6_V6ONLY),
    OPTION(CALL_SET, IPPROTO_TCP, TCP_NODELAY),
    OPTION(CALL_SET, IPPROTO_TCP, TCP_MAXSEG),
    OPTION(CALL_SET, IPPROTO_TCP, TCP_KEEPIDLE),
    OPTION(CALL_SET, IPPROTO_TCP, TCP_KEEPINTVL),
    OPTION(CALL_SET, IPPROTO_TCP, TCP_KEEPCNT),
    OPTION(CALL_SET, IPPROTO_TCP, TCP_DEFER_ACCEPT),
    OPTION(CALL_SET, IPPROTO_TCP, TCP_NOTSENT_LOWAT),
    OPTION(CALL_SET, IPPROTO_TCP, TCP_USER_TIMEOUT),
    OPTION(CALL_SET, IPPROTO_TCP, TCP_CONGESTION),
    OPTION(CALL_GET, IPPROTO_TCP, TCP_INFO),
    {"SIOCOUTQ", CALL_IOCTL, 0, SIOCOUTQ, EINVAL},
    {"SIOCOUTQNSD", CALL_IOCTL, 0, SIOCOUTQNSD, EINVAL},
    /* By the length of the address; nothing else here reads with recvmsg(). */
    {"netlink_send", CALL_SENDTO, 0, sizeof(struct sockaddr_nl), EACCES},
    {"netlink_receive", CALL_RECVMSG, 0, 0, EPERM},
};

/* The low half of a system call's argument. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARGUMENT(index) (offsetof(struct seccomp_data, args) + 8 * (index))
#else
#define ARGUMENT(index) (offsetof(struct seccomp_data, args) + 8 * (index) + 4)
#endif
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
/* Leaves the rule after `rest` more instructions, unless what was loaded equals `value`. */
#define UNLESS(value, rest) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, rest)
#define RULE_MAX 7

static size_t add_rule(struct sock_filter *filter, size_t index)
{
    const struct sock_filter socket_rule[] = {
        LOAD(offsetof(struct seccomp_data, nr)),
        UNLESS(calls[index].call, 5),
        LOAD(ARGUMENT(1)),
        UNLESS(calls[index].level, 3),
        LOAD(ARGUMENT(2)),
        UNLESS(calls[index].argument, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)calls[index].error),
    };
    const struct sock_filter ioctl_rule[] = {
        LOAD(offsetof(struct seccomp_data, nr)),
        UNLESS(CALL_IOCTL, 3),
        LOAD(ARGUMENT(1)),
        UNLESS(calls[index].argument, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)calls[index].error),
    };

    const struct sock_filter send_rule[] = {
        LOAD(offsetof(struct seccomp_data, nr)),
        UNLESS(CALL_SENDTO, 3),
        LOAD(ARGUMENT(5)),
        UNLESS(calls[index].argument, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)calls[index].error),
    };
    const struct sock_filter receive_rule[] = {
        LOAD(offsetof(struct seccomp_data, nr)),
        UNLESS(CALL_RECVMSG, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)calls[index].error),
    };

    if (calls[index].call == CALL_SENDTO) {
        memcpy(filter, send_rule, sizeof(send_rule));
        return sizeof(send_rule) / sizeof(send_rule[0]);
    }
    if (calls[index].call == CALL_RECVMSG) {
        memcpy(filter, receive_rule, sizeof(receive_rule));
        return sizeof(receive_rule) / sizeof(receive_rule[0]);
    }
    if (calls[index].call == CALL_IOCTL) {
        memcpy(filter, ioctl_rule, sizeof(ioctl_rule));
        return sizeof(ioctl_rule) / sizeof(ioctl_rule[0]);
    }
    memcpy(filter, socket_rule, sizeof(socket_rule));
    return sizeof(socket_rule) / sizeof(socket_rule[0]);
}

static size_t find_call(const char *name)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (strcmp(calls[i].name, name) == 0)
            return i;
    fprintf(stderr, "lacking: unknown: %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    struct sock_filter filter[sizeof(calls) / sizeof(calls[0]) * RULE_MAX + 1];
    struct sock_fprog program = {.filter = filter};
    size_t length = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: lacking WORD[,WORD...] PROGRAM ARGUMENT...\n");
        return 2;
    }
    for (char *name = strtok(argv[1], ","); name != NULL; name = strtok(NULL, ","))
        length += add_rule(filter + length, find_call(name));
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program.len = (unsigned short)length;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("lacking: seccomp");
        return 77;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
