/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/stream_failure.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>
#include <splitsocks/io/socket.h>

#include <stdio.h>

const char *stream_failure_format(enum reset_code code, const struct address *address,
                                  char text[STREAM_FAILURE_TEXT_SIZE])
{
    static const struct destination_rules defaults;
    struct destination_refusal refusal;
    char reason[DESTINATION_TEXT_SIZE];

    if (code != RESET_DENIED)
        snprintf(text, STREAM_FAILURE_TEXT_SIZE, "%s", reset_code_string(code));
    else if (address->family == ADDRESS_NONE ||
             destination_judge(&defaults, address, &refusal) == OK)
        snprintf(text, STREAM_FAILURE_TEXT_SIZE, "%s; its log names the rule",
                 reset_code_string(code));
    else
        snprintf(text, STREAM_FAILURE_TEXT_SIZE, "%s: %s", reset_code_string(code),
                 destination_refusal_format(&refusal, reason));
    return text;
}

void stream_failure_log(int fd, const char *destination, const char *reason)
{
    static struct log_limit limit;
    struct address client = socket_peer_address(fd);
    char from[ADDRESS_TEXT_SIZE];

    if (client.family == ADDRESS_NONE)
        log_write_limited(&limit, clock_now(), LOG_INFO, "the stream to %s failed: %s",
                          destination, reason);
    else
        log_write_limited(&limit, clock_now(), LOG_INFO,
                          "the stream from %s to %s failed: %s",
                          address_format(&client, from), destination, reason);
}
