/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/restart.h>

#include <stdio.h>

void restart_note_up(struct restart *restart, uint64_t now)
{
    restart->ended = false;
    restart->up_since_ns = now;
}

static bool is_refusal(enum error error, enum close_code code)
{
    return error == ERROR_CLOSED && (code == CLOSE_LIMIT || code == CLOSE_REMOVED);
}

uint64_t restart_note_end(struct restart *restart, enum error error, enum close_code code,
                          const char *reason, uint64_t now)
{
    bool lasted =
        restart->up_since_ns != 0 && now - restart->up_since_ns >= RESTART_LASTING_NS;
    uint64_t least_pause_ns = is_refusal(error, code) ? RESTART_REFUSED_NS : RESTART_MIN_NS;

    restart->ended = true;
    restart->code = code;
    if (error == ERROR_CLOSED)
        snprintf(restart->reason, sizeof(restart->reason),
                 "the relay has closed the session: %s", reason);
    else
        snprintf(restart->reason, sizeof(restart->reason), "the session has ended: %s (%s)",
                 reason, error_string(error));
    /* A relay that was stopped may come back at once, and the session itself spaces the
     * dials to a relay that is gone. */
    if (error == ERROR_CLOSED && code == CLOSE_STOPPED)
        restart->pause_ns = 0;
    else
        restart->pause_ns =
            lasted ? least_pause_ns : MAX(2 * restart->pause_ns, least_pause_ns);
    restart->pause_ns = MIN(restart->pause_ns, RESTART_MAX_NS);
    restart->next_at_ns = now + restart->pause_ns;
    restart->up_since_ns = 0;
    return restart->pause_ns;
}
