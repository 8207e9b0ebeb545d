/* SPDX-License-Identifier: MIT */
#include <splitsocks/io/half_closed.h>

#include <splitsocks/base/log.h>
#include <splitsocks/io/clock.h>

/* How often to look within the time after which a connection ends. */
#define LOOKS 4

/* Whether nothing has moved for the list's time. */
static bool is_due(const struct half_closed_list *list, struct half_closed *half,
                   uint64_t now)
{
    uint64_t moved;
    enum half_closed_state state = half->type->look(half, &moved);

    if (state == HALF_CLOSED_NOT)
        list_remove(&half->node);
    if (state != HALF_CLOSED || moved != half->moved)
        half->quiet_since_ns = now;
    half->moved = moved;
    return now - half->quiet_since_ns >= list->after_ns;
}

static void log_ended(const struct half_closed_list *list, unsigned count)
{
    static _Thread_local struct log_limit limit;

    log_write_limited(&limit, clock_now(), LOG_INFO,
                      "ended %u connection%s of which one direction had ended and on which "
                      "nothing had moved for %g s (timeouts.half_closed)",
                      count, count == 1 ? "" : "s", (double)list->after_ns * 1e-9);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct half_closed_list *list = timer->data;
    uint64_t now = clock_now();
    unsigned count = 0;
    (void)events;

    list_foreach(&list->members, node, after) {
        struct half_closed *half = list_entry(node, struct half_closed, node);

        if (is_due(list, half, now)) {
            half->type->end(half);
            count++;
        }
    }
    if (count > 0)
        log_ended(list, count);
    if (list_empty(&list->members))
        ev_timer_stop(loop, timer);
}

static void run_timer(struct half_closed_list *list)
{
    if (list->after_ns == 0 || list_empty(&list->members))
        ev_timer_stop(list->loop, &list->timer);
    else if (!ev_is_active(&list->timer))
        ev_timer_again(list->loop, &list->timer);
}

void half_closed_list_init(struct half_closed_list *list, struct ev_loop *loop)
{
    *list = (struct half_closed_list){.loop = loop};
    list_init(&list->members);
    ev_init(&list->timer, on_timer);
    list->timer.data = list;
}

void half_closed_list_deinit(struct half_closed_list *list)
{
    if (list->loop != NULL)
        ev_timer_stop(list->loop, &list->timer);
}

void half_closed_set_after(struct half_closed_list *list, uint64_t after_ns)
{
    if (list->after_ns == after_ns)
        return;
    list->after_ns = after_ns;
    ev_timer_stop(list->loop, &list->timer);
    list->timer.repeat = (double)after_ns * 1e-9 / LOOKS;
    run_timer(list);
}

void half_closed_add(struct half_closed_list *list, struct half_closed *half)
{
    if (list_linked(&half->node))
        return;
    half->quiet_since_ns = clock_now();
    list_append(&list->members, &half->node);
    run_timer(list);
}

void half_closed_remove(struct half_closed *half)
{
    list_remove(&half->node);
}
