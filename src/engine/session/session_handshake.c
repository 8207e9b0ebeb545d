/* SPDX-License-Identifier: MIT */
#include "session_parts.h"

#include <stdlib.h>

/* ---- HELLO ---- */

/* How far stamps run ahead of the wall clock when several HELLOs in a row get no answer.
 * The relay may have accepted a later stamp, of another machine with the same key or from
 * before this clock was set back, and then ignores earlier ones. A stamp far ahead does no
 * harm, since the next one follows it; but stamps must not run away while the relay does
 * not answer for another reason. So the lead is a minute at first, four times as much with
 * each further HELLO, and two years (2^20 minutes) at most. */
static uint64_t lead_ns(const struct session *session)
{
    unsigned tries =
        session->pool.hellos_unanswered - MIN(session->pool.hellos_unanswered, 1u);

    return tries == 0 ? 0 : 60 * NS_PER_S << MIN(2 * (tries - 1), 20u);
}

bool handshake_begin(struct session *session, struct subflow *subflow,
                     const struct session_fresh *fresh)
{
    const struct session_config *config = &session->context.config;
    struct hello_state *hello = calloc(1, sizeof(*hello));
    struct key_pair own;
    struct wire_writer w;
    int result;

    if (hello == NULL)
        return false;
    subflow->handshake = hello;
    hello->association = session->association;
    session->last_stamp =
        MAX(MAX(fresh->stamp, fresh->clock_ns + lead_ns(session)), session->last_stamp + 1);
    hello->offer = (struct hello_offer){.stamp = session->last_stamp,
                                        .minor = WIRE_MINOR,
                                        .features = WIRE_FEATURES,
                                        .ciphers = ciphers_supported(),
                                        .resume = session->resume_id,
                                        .linger_s = config->linger_ns / NS_PER_S,
                                        .chunk_size = config->chunk_size,
                                        .stream_window = STREAM_WINDOW_INITIAL,
                                        .session_window = SESSION_WINDOW_INITIAL};
    wire_writer_init(&w, hello->bytes, sizeof(hello->bytes));
    result = key_pair_init(&own, config->private_key);
    if (result == OK)
        result = hello_write(&hello->noise, &w, &own, config->relay_public_key,
                             fresh->ephemeral, config->server_id, &hello->offer);
    key_pair_deinit(&own);
    hello->length = wire_length(&w);
    return result == OK;
}

bool handshake_unwritten(const struct subflow *subflow)
{
    return subflow->handshake->length > 0;
}

size_t handshake_produce(struct subflow *subflow, uint8_t *buffer, size_t capacity)
{
    struct hello_state *hello = subflow->handshake;
    size_t length = hello->length;
    struct wire_writer w;

    wire_writer_init(&w, buffer, capacity);
    wire_write_bytes(&w, hello->bytes, length);
    hello->length = 0;
    return wire_length(&w);
}

/* ---- the answer ---- */

/* Only the HELLO that was answered first counts: close the others. */
static void close_other_hellos(struct session *session, const struct subflow *winner)
{
    list_foreach(&session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow != winner && subflow->hello && subflow->state != SUBFLOW_STATE_OPEN)
            subflow_close(&session->subflows, subflow, SUBFLOW_ABANDONED);
    }
}

void handshake_confirmed(struct session *session, struct generation *generation)
{
    if (generation->confirmed)
        return;
    generation->confirmed = session->context.pool_dirty = true;
    if (generation->order >= session->resume_order) {
        session->resume_order = generation->order;
        session->resume_id = generation->id;
    }
}

void handshake_contact(struct session *session, const struct subflow *subflow)
{
    session->heard = true;
    /* An answer alone proves little: it may be all that the network lets pass. */
    session->pool.backoff_ns = 0;
    handshake_confirmed(session, subflow->generation);
    if (session->context.state != SESSION_STATE_LOST)
        return;
    /* The session was not lost after all. */
    close_other_hellos(session, NULL);
    session_set_state(session, SESSION_STATE_UP);
    outbox_push(&session->context, SESSION_UP)->resumed = true;
    session_assign_ids(session);
    session_assign_flows(session);
}

static void begin_session(struct session *session, const struct hello_answer *answer)
{
    session->resume_id = answer->session_id;
    session->streams.initial_window = answer->stream_window;
    session->streams.out_window = answer->session_window;
    session->streams.limit = answer->stream_limit;
}

/* Applies the answer to the session; false when it cannot be used. */
static bool adopt(struct session *session, struct subflow *subflow,
                  const struct hello_answer *answer, struct session_keys *keys)
{
    bool resumed = answer->resume == RESUME_RESUMED;
    struct session_event *event;
    struct generation *generation;

    if (resumed &&
        (subflow->handshake->offer.resume == 0 ||
         subflow->handshake->association != session->association ||
         generation_by_tag(&session->subflows, GENERATION_TAG(answer->session_id)) != NULL))
        return false;
    session->pool.hellos_unanswered = session->pool.hellos_unproven = 0;
    session->stamp = MAX(session->stamp, subflow->handshake->offer.stamp);
    close_other_hellos(session, subflow);
    if (!resumed)
        session_reset_association(session, RESET_SESSION_LOST, subflow);
    generation = generation_new(&session->subflows, answer->session_id, keys);
    if (generation == NULL)
        return false;
    *keys = (struct session_keys){0}; /* the generation owns them */
    if (!resumed)
        begin_session(session, answer);
    session->context.config.linger_ns = MIN(
        session->context.config.linger_ns, MAX(answer->linger_s * NS_PER_S, LINGER_MIN_NS));
    session->context.features = answer->features;
    session->pool.rekey_at_ns = session->context.now + KEY_LIFE_NS;
    session->pool.silent_since_ns = TIME_NEVER;
    session->contact_at_ns = session->context.now;
    path_heard(&session->paths, subflow->path);
    session->context.counters.resumes += resumed;
    subflow_set_state(subflow, SUBFLOW_STATE_OPEN);
    subflow->confirmed = true;
    pool_proven(&session->pool, subflow);
    subflow_set_number(&session->subflows, subflow, generation, 0);
    if (generation_key_subflow(&session->subflows, generation, subflow) != OK)
        return false;
    session_set_state(session, SESSION_STATE_UP);
    event = outbox_push(&session->context, SESSION_UP);
    event->resumed = resumed;
    session_assign_ids(session);
    session_assign_flows(session);
    return true;
}

size_t handshake_receive(struct session *session, struct subflow *subflow,
                         const uint8_t *bytes, size_t length, bool *failed)
{
    struct hello_state *hello = subflow->handshake;
    struct hello_answer answer;
    struct session_keys keys = {0};
    struct wire_reader r;
    size_t used;
    int result;

    wire_reader_init(&r, bytes, length);
    result = hello_read_answer(&hello->noise, &r, &hello->offer, &answer, &keys);
    if (result == ERROR_TRUNCATED)
        return 0;
    used = (size_t)(r.at - bytes);
    *failed = result != OK || !adopt(session, subflow, &answer, &keys);
    session_keys_deinit(&keys);
    subflow->bytes_received += used;
    hello_free(hello);
    subflow->handshake = NULL;
    return used;
}
