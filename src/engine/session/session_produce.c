#include <splitsocks/engine/session/session_parts.h>

#include <assert.h>
#include <string.h>

#define PARTS_MAX 64
/* Room that a data frame must find to be worth its header. */
#define DATA_ROOM_MIN 16
/* The most that is still sent on a subflow that local has ended. */
#define LEFTOVER_MAX (1024 * 1024)
/* How long a produced burst may take to leave; what is longer is better kept back, where
 * the scheduler can still choose. */
#define BURST_NS (2 * NS_PER_MS)
/* A subflow that carries nothing but ACKs for so long asks for one itself: it might swallow
 * them all, and nobody would know. */
#define PROVE_NS (1 * NS_PER_S)

/* A chunk under construction: frames written into scratch, and stream bytes where they lie. */
struct composer {
    struct session *session;
    struct subflow *subflow;
    struct wire_writer writer; /* over scratch; its end moves with what data takes */
    size_t limit;              /* bytes of plaintext that fit */
    size_t length;             /* bytes of plaintext so far, data included */
    struct iovec parts[PARTS_MAX];
    size_t part_count;
    size_t part_start;         /* offset in scratch where the open part begins */
    uint16_t items;            /* pushed to the subflow for this chunk */
    bool eliciting;
    bool redundant;            /* other paths carry the same */
    bool last;                 /* END is in it */
    uint8_t scratch[CHUNK_SIZE_MAX];
};

static size_t room(const struct composer *c)
{
    return c->limit - c->length;
}

/* Every frame is written through here, so that lengths and parts stay true. */
static bool frame_begin(struct composer *c, struct wire_writer *w)
{
    size_t used = (size_t)(c->writer.at - c->scratch);
    size_t space = MIN(room(c), sizeof(c->scratch) - used);

    wire_writer_init(w, c->writer.at, space);
    return space > 0;
}

static bool frame_commit(struct composer *c, const struct wire_writer *w, bool eliciting)
{
    if (w->failed)
        return false;
    c->writer.at += wire_length(w);
    c->length += wire_length(w);
    c->eliciting |= eliciting;
    return true;
}

/* Closes the run of frames in scratch as one part. */
static void close_part(struct composer *c)
{
    size_t end = (size_t)(c->writer.at - c->scratch);

    if (end > c->part_start)
        c->parts[c->part_count++] =
            (struct iovec){.iov_base = c->scratch + c->part_start,
                           .iov_len = end - c->part_start};
    c->part_start = end;
}

static bool push_item(struct composer *c, const struct sent_item *item)
{
    struct sent_item *slot = ring_push(&c->subflow->items);

    if (slot == NULL)
        return false;
    *slot = *item;
    c->items++;
    if (item->kind < SENT_SESSION_WINDOW) {
        stream_reference(item->stream);
        c->subflow->used_ns = c->session->context.now;
    }
    return true;
}

/* ---- control frames ---- */

static void add_type(struct composer *c, enum frame_type type)
{
    struct wire_writer w;

    if (!frame_begin(c, &w))
        return;
    frame_write_type(&w, type);
    frame_commit(c, &w, true);
}

static uint64_t wire_budget(uint64_t budget)
{
    return budget == SESSION_UNLIMITED ? 0 : budget;
}

static void add_subflow(struct composer *c)
{
    struct wire_writer w;

    if (!frame_begin(c, &w))
        return;
    frame_write_subflow(&w, c->subflow->path, wire_budget(c->subflow->budget_out),
                        wire_budget(c->subflow->budget_in));
    frame_commit(c, &w, true);
}

/* An ACK under construction: the entries of one generation. */
struct ack_choice {
    uint64_t tag;
    uint64_t count;
    size_t room; /* for the whole frame */
    struct wire_writer w;
    uint8_t entries[1024];
};

/* Appends an entry, or says that the frame would not fit. */
static bool choose(struct ack_choice *choice, uint64_t number, uint64_t chunks, bool final)
{
    size_t header = 1 + wire_varint_length(choice->tag) +
                    wire_varint_length(choice->count + 1);
    size_t entry = wire_varint_length(number << 1) + wire_varint_length(chunks);

    if (header + wire_length(&choice->w) + entry > choice->room ||
        entry > wire_room(&choice->w))
        return false;
    frame_write_ack_entry(&choice->w, number, chunks, final);
    choice->count++;
    return true;
}

static void choose_finals(struct composer *c, struct ack_choice *choice)
{
    struct ring *finals = &c->session->subflows.finals;

    while (finals->count > 0) {
        struct final_ack final = *(struct final_ack *)ring_at(finals, 0);
        struct sent_item item = {.kind = SENT_FINAL,
                                 .number = final.number,
                                 .offset = final.chunks,
                                 .length = (uint32_t)final.order};
        uint64_t tag;

        if (!generation_final_tag(&c->session->subflows, final.order, &tag) ||
            tag != choice->tag || !choose(choice, final.number, final.chunks, true))
            return;
        if (!push_item(c, &item)) {
            session_fail(c->session, ERROR_MEMORY, "out of memory");
            return;
        }
        ring_pop(finals);
    }
}

static void choose_open(struct composer *c, struct ack_choice *choice)
{
    list_foreach(&c->session->subflows.ack_queue, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, ack_node);

        if (subflow->generation->tag != choice->tag)
            continue;
        if (!choose(choice, subflow->number, subflow->chunks_received, false))
            return;
        list_remove(&subflow->ack_node);
        subflow->told_ns = c->session->context.now;
        subflow->told_on = c->subflow->number;
    }
}

/* The generation of what has waited longest; false when nothing waits. */
static bool first_generation(struct session *session, uint64_t *tag)
{
    while (session->subflows.finals.count > 0) {
        const struct final_ack *final = ring_at(&session->subflows.finals, 0);

        if (generation_final_tag(&session->subflows, final->order, tag))
            return true;
        ring_pop(&session->subflows.finals);
    }
    if (list_empty(&session->subflows.ack_queue))
        return false;
    *tag =
        list_first(&session->subflows.ack_queue, struct subflow, ack_node)->generation->tag;
    return true;
}

static void choice_begin(struct ack_choice *choice, uint64_t tag, size_t room)
{
    choice->tag = tag;
    choice->count = 0;
    choice->room = room;
    wire_writer_init(&choice->w, choice->entries, sizeof(choice->entries));
}

static bool choice_commit(struct composer *c, const struct ack_choice *choice)
{
    struct wire_writer w;

    if (choice->count == 0)
        return false;
    frame_begin(c, &w);
    frame_write_ack_header(&w, choice->tag, choice->count);
    wire_write_bytes(&w, choice->entries, wire_length(&choice->w));
    frame_commit(c, &w, false);
    return true;
}

/* Adds what waits to be acknowledged, leaving `keep` bytes of room. */
static void add_acks(struct composer *c, size_t keep)
{
    struct ack_choice choice;
    uint64_t tag;

    while (first_generation(c->session, &tag) && room(c) > keep) {
        choice_begin(&choice, tag, room(c) - keep);
        choose_finals(c, &choice);
        choose_open(c, &choice);
        if (!choice_commit(c, &choice))
            return; /* the deadline stands: the next chunk takes it */
    }
    if (!first_generation(c->session, &tag)) {
        c->session->subflows.ack_deadline_ns = TIME_NEVER;
        c->session->subflows.ack_bytes = 0;
        c->session->subflows.ack_wanted = false;
    }
}

/* What says that a copy has arrived travels on several paths as the copies do: else all of
 * it could go with the path that dies, and the other would seem to be the dead one. So what
 * has just gone elsewhere goes again. */
static void add_acks_again(struct composer *c)
{
    uint64_t window_ns = path_rtt_ns(&c->session->paths.items[c->subflow->path]);
    struct ack_choice choice;

    choice_begin(&choice, c->subflow->generation->tag, room(c));
    list_foreach(&c->session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if (subflow->state != SUBFLOW_STATE_OPEN || subflow->told_ns == 0 ||
            subflow->told_ns + window_ns < c->session->context.now ||
            subflow->told_on == c->subflow->number ||
            subflow->generation->tag != choice.tag || list_linked(&subflow->ack_node))
            continue;
        if (!choose(&choice, subflow->number, subflow->chunks_received, false))
            break;
    }
    choice_commit(c, &choice);
}

static bool write_stream_frame(struct composer *c, struct stream *stream, unsigned control)
{
    static const uint8_t kinds[] = {[STREAM_SEND_OPEN] = SENT_OPEN,
                                    [STREAM_SEND_OPENED] = SENT_OPENED,
                                    [STREAM_SEND_RESET] = SENT_RESET,
                                    [STREAM_SEND_WINDOW] = SENT_STREAM_WINDOW,
                                    [STREAM_SEND_POLICY] = SENT_POLICY};
    struct sent_item item = {.kind = kinds[control], .stream = stream};
    struct wire_writer w;

    frame_begin(c, &w);
    switch (control) {
    case STREAM_SEND_OPEN: frame_write_open(&w, stream->id, stream->target); break;
    case STREAM_SEND_OPENED: frame_write_opened(&w, stream->id); break;
    case STREAM_SEND_RESET:
        frame_write_reset(&w, stream->id, stream->reset_code, stream->out_final);
        break;
    case STREAM_SEND_POLICY: frame_write_policy(&w, stream->id, &stream->policy); break;
    default:
        stream->in_window =
            MAX(stream->in_window,
                stream->in_read + stream_window_target(&c->session->streams, stream));
        frame_write_stream_window(&w, stream->id, stream->in_window);
    }
    if (w.failed || !push_item(c, &item))
        return false;
    frame_commit(c, &w, true);
    stream->control_pending &= (uint8_t)~control;
    return true;
}

static void add_stream_controls(struct composer *c)
{
    list_foreach(&c->session->streams.control, node, after) {
        struct stream *stream = list_entry(node, struct stream, control);

        for (unsigned control = 1; control <= STREAM_SEND_POLICY; control <<= 1)
            if (stream->control_pending & control && !write_stream_frame(c, stream, control))
                return;
        list_remove(&stream->control);
    }
}

static void add_maximum(struct composer *c, bool *pending, enum frame_type type,
                        enum sent_kind kind, uint64_t value)
{
    struct sent_item item = {.kind = (uint8_t)kind};
    struct wire_writer w;

    if (!*pending || !frame_begin(c, &w))
        return;
    frame_write_maximum(&w, type, value);
    if (w.failed || !push_item(c, &item))
        return;
    frame_commit(c, &w, true);
    *pending = false;
}

static bool add_path(struct composer *c, unsigned index)
{
    struct path *path = &c->session->paths.items[index];
    const struct path_properties *properties = &path->properties;
    struct frame frame = {.path = {.path = index,
                                   .sequence = path->sequence + 1,
                                   .usable = properties->usable,
                                   .backup = properties->backup,
                                   .small_only = path->small_only,
                                   .cost = properties->cost,
                                   .modes = properties->modes,
                                   .rate_down = properties->rate_down}};
    struct sent_item item = {.kind = SENT_PATH, .number = index};
    struct wire_writer w;

    if (!frame_begin(c, &w))
        return false;
    frame_write_path(&w, &frame);
    if (w.failed || !push_item(c, &item))
        return false;
    frame_commit(c, &w, true);
    path->sequence++;
    c->session->context.send_paths &= (uint16_t) ~(1u << index);
    return true;
}

/* Told again with the next failure, if it goes on. */
static void add_large_lost(struct composer *c)
{
    struct session *session = c->session;

    for (unsigned i = 0; session->context.large_lost >> i != 0; i++) {
        struct wire_writer w;

        if (!(session->context.large_lost >> i & 1) || !frame_begin(c, &w))
            continue;
        frame_write_large_lost(&w, i, session->paths.items[i].large.failed_bytes);
        if (frame_commit(c, &w, true))
            session->context.large_lost &= (uint16_t) ~(1u << i);
    }
}

static void add_session_controls(struct composer *c)
{
    struct session *session = c->session;
    uint64_t limit = session->streams.ended + session->context.config.stream_limit;

    if (session->context.send_session_window)
        session->streams.in_window = streams_window_next(&session->streams);
    add_maximum(c, &session->context.send_session_window, FRAME_SESSION_WINDOW,
                SENT_SESSION_WINDOW, session->streams.in_window);
    if (session->context.send_stream_limit)
        session->streams.limit = MAX(session->streams.limit, limit);
    add_maximum(c, &session->context.send_stream_limit, FRAME_STREAM_LIMIT,
                SENT_STREAM_LIMIT, session->streams.limit);
    add_maximum(c, &session->context.send_rate, FRAME_RATE, SENT_RATE,
                session->context.config.rate_down);
    if (session->context.config.role == SESSION_RELAY)
        add_large_lost(c);
    for (unsigned i = 0; session->context.send_paths >> i != 0; i++)
        if (session->context.send_paths >> i & 1 && !add_path(c, i))
            return;
}

/* The relay tells what waits behind this chunk, whenever that differs enough from what local
 * knows for it to dial more or fewer. Local counts down as data arrives: so what is told is
 * the sum of offsets that the sending is to reach, and what is owed on top. */
static void add_demand(struct composer *c, bool last)
{
    struct session *session = c->session;
    uint64_t credit = streams_credit(&session->streams) + session->streams.owed_bytes;
    uint64_t waiting = MIN(session->streams.waiting_bytes, credit);
    uint64_t fresh = waiting - MIN(waiting, session->streams.owed_bytes);
    uint64_t sent = session->streams.out_sum + MIN(fresh, room(c));
    uint64_t known =
        session->streams.demand_maximum - MIN(session->streams.demand_maximum, sent);
    struct sent_item item = {.kind = SENT_DEMAND};
    struct wire_writer w;

    if (session->context.config.role != SESSION_RELAY)
        return;
    waiting -= MIN(waiting, room(c));
    if (waiting > 2 * known || 2 * waiting < known || (last && waiting != known))
        session->context.send_demand = true;
    if (!session->context.send_demand || !frame_begin(c, &w))
        return;
    frame_write_demand(&w, session->streams.demand_sequence + 1, sent + waiting);
    if (w.failed || !push_item(c, &item))
        return;
    frame_commit(c, &w, true);
    session->streams.demand_sequence++;
    session->streams.demand_maximum = sent + waiting;
    session->context.send_demand = false;
}

static void add_close(struct composer *c)
{
    struct session *session = c->session;
    struct wire_writer w;

    if (!frame_begin(c, &w))
        return;
    frame_write_close(&w, session->end_code, session->end_reason);
    if (w.failed) { /* the code alone fits any chunk */
        frame_begin(c, &w);
        frame_write_close(&w, session->end_code, "");
    }
    if (!frame_commit(c, &w, true))
        return;
    session->send_close = false;
    /* The socket is reset at the end, which destroys what has not left it. */
    session->close_deadline_ns =
        MIN(session->close_deadline_ns,
            session->context.now + 4 * subflow_rtt_ns(&session->subflows, c->subflow) +
                DEATH_GRACE_NS);
}

/* ---- data ---- */

static void count_copy(struct session *session, unsigned path, struct piece *piece,
                       size_t length)
{
    if (piece->copy_of == NULL) {
        session->context.counters.bytes_redundant += length;
        return;
    }
    piece->copy_of->copied =
        (uint32_t)(piece->offset + piece->length - piece->copy_of->offset);
    session->context.counters.bytes_reinjected += length;
    session->paths.items[path].counters.bytes_reinjected += length;
}

/* Appends one STREAM_DATA; false when nothing more fits or waits. */
static bool add_piece(struct composer *c)
{
    struct piece piece;
    struct stream *stream;
    struct sent_item item;
    struct wire_writer w;
    size_t header, length, viewed;
    bool fin, with_length;

    if (room(c) < DATA_ROOM_MIN || c->part_count > PARTS_MAX - 4 ||
        !scheduler_next(&c->session->schedule, c->subflow, &piece))
        return false;
    stream = piece.stream;
    header = frame_data_header_length(stream->id, piece.offset, 0, false);
    if (room(c) <= header)
        return false;
    /* Without a length the frame reaches to the chunk's end: when it fills it. */
    with_length = piece.length < room(c) - header;
    if (with_length)
        header = frame_data_header_length(stream->id, piece.offset, room(c), true);
    if (room(c) <= header)
        return false;
    piece.length = MIN(piece.length, room(c) - header);
    fin = piece.offset + piece.length > stream->out_end;
    length = (size_t)(piece.length - (fin ? 1 : 0));
    item = (struct sent_item){.kind = SENT_DATA,
                              .stream = stream,
                              .offset = piece.offset,
                              .length = (uint32_t)piece.length,
                              .copy = piece.copy};
    if (!push_item(c, &item))
        return false;
    frame_begin(c, &w);
    frame_write_data_header(&w, stream->id, piece.offset, length, with_length, fin);
    frame_commit(c, &w, true);
    close_part(c);
    if (length > 0) {
        viewed = pages_view(&stream->out, piece.offset, length, c->parts + c->part_count,
                            PARTS_MAX - c->part_count);
        assert(viewed > 0);
        c->part_count += viewed;
        c->length += length;
    }
    c->session->data_ns = c->session->context.now;
    sparing_spend(&c->session->schedule, c->subflow->path, piece.length);
    if (redundant_note_sent(&c->session->schedule, stream, c->subflow, piece.offset,
                            piece.offset + piece.length) != OK)
        session_fail(c->session, ERROR_MEMORY, "out of memory");
    c->redundant |= stream_is_redundant(stream);
    if (piece.copy) {
        stream->extra_copies++;
        count_copy(c->session, c->subflow->path, &piece, length);
        stream_copied(&c->session->streams, stream, piece.length);
    } else {
        if (stream->class == STREAM_BULK)
            c->subflow->bulk = true;
        if (piece.offset == stream->out_next)
            restraint_note_sent(&c->session->schedule, stream);
        stream_sent(&c->session->streams, stream, piece.offset, piece.length);
    }
    return true;
}

/* ---- the chunk ---- */

static bool anything_to_send(struct session *session, struct subflow *subflow)
{
    bool controls =
        session->context.send_session_window || session->context.send_stream_limit ||
        session->context.send_demand || session->context.send_paths != 0 ||
        session->context.send_rate || !list_empty(&session->streams.control) ||
        (session->context.large_lost != 0 && session->context.config.role == SESSION_RELAY);
    struct piece piece;

    return subflow->ping || subflow->retire ||
           (controls && !scheduler_avoids(&session->schedule, subflow)) ||
           scheduler_next(&session->schedule, subflow, &piece);
}

/* An OPEN goes in one chunk, however small those are to be: the least size of the next that
 * this asks for. */
static uint64_t open_size(const struct session *session)
{
    const struct stream *stream =
        list_first(&session->streams.control, struct stream, control);
    size_t length;

    if (stream == NULL || !(stream->control_pending & STREAM_SEND_OPEN))
        return 0;
    length = CHUNK_OVERHEAD + frame_open_length(stream->id, stream->target);
    return length > session->context.config.chunk_size ? length + FRAME_SUBFLOW_MAX + 1 : 0;
}

/* The subflow's next chunk fits a packet that passes wherever anything does, and is sent by
 * itself. */
static bool goes_small(const struct session *session, const struct subflow *subflow)
{
    return packets_begin_small(&session->subflows, subflow) ||
           packets_hold(&session->subflows, subflow);
}

/* What of the budget is left for plaintext of this chunk, and whether it is the last. */
static bool set_limit(struct composer *c, size_t header, size_t capacity)
{
    struct session *session = c->session;
    uint64_t left = subflow_budget_left(c->subflow);
    uint64_t size =
        MIN(MAX(session->context.config.chunk_size, open_size(session)), capacity - header);

    if (!c->subflow->begun && session->context.config.role == SESSION_LOCAL)
        size = MIN(size, FIRST_CHUNK_MAX);
    if (goes_small(session, c->subflow))
        size = MIN(size, PACKET_SMALL);
    /* Frames of control go beyond a ceiling, and are paid for later; data waits. */
    size = MIN(size, MAX(path_room(&session->paths, c->subflow->path), RATE_LIMIT_PIECE));
    left -= MIN(left, header);
    c->last = c->subflow->retire || c->subflow->chunks_sent + 1 >= SEAL_CHUNKS_MAX;
    if (left < size + BUDGET_RESERVE) {
        /* The last chunk may use all that is left; one that is not the last must leave
         * the reserve. It is the last when data fills it, or nothing fits behind it. */
        struct piece piece;

        if (left < 2 * BUDGET_RESERVE + CHUNK_OVERHEAD + DATA_ROOM_MIN ||
            (session->streams.waiting_bytes + CHUNK_OVERHEAD + BUDGET_RESERVE >= left &&
             scheduler_next(&session->schedule, c->subflow, &piece)))
            c->last = true;
        size = MIN(size, c->last ? left : left - BUDGET_RESERVE);
    }
    if (size <= CHUNK_OVERHEAD)
        return false;
    c->limit = (size_t)size - CHUNK_OVERHEAD;
    return true;
}

static bool must_be_proven(const struct session *session, const struct subflow *subflow)
{
    return session->context.now - MAX(subflow->proven_ns, subflow->up_ns) >= PROVE_NS;
}

static void compose(struct composer *c)
{
    struct session *session = c->session;
    struct subflow *subflow = c->subflow;
    bool wanted = session->subflows.ack_wanted;

    if (!subflow->begun && session->context.config.role == SESSION_LOCAL)
        add_subflow(c);
    if (c->last)
        add_type(c, FRAME_END);
    if (session->context.state == SESSION_STATE_CLOSING) {
        add_close(c);
        return;
    }
    if (!scheduler_path_silent(&session->schedule, subflow->path))
        add_acks(c, c->last ? 10 : 0);
    if (subflow->ping)
        add_type(c, FRAME_PING);
    subflow->ping = false;
    if (!scheduler_avoids(&session->schedule, subflow)) {
        add_session_controls(c);
        add_stream_controls(c);
        add_demand(c, c->last);
    }
    while (add_piece(c))
        continue;
    if (c->redundant)
        add_acks_again(c);
    /* Only where the ACKs matter: else two sides at rest would keep each other awake. */
    if (c->length > 0 && !c->eliciting && wanted && must_be_proven(session, subflow)) {
        add_type(c, FRAME_PING);
        subflow->proven_ns = session->context.now;
    }
}

/* Seals the parts into `out`; `header` bytes of JOIN stand in front of it. */
static bool seal_chunk(struct composer *c, uint8_t *out, size_t header)
{
    struct seal *seal = &c->subflow->seal;
    size_t sealed = c->length + SEAL_TAG_SIZE;
    uint8_t *chunk = out + header;
    uint8_t *at = chunk + 2;

    chunk[0] = (uint8_t)(sealed >> 8);
    chunk[1] = (uint8_t)sealed;
    /* The JOIN header, where there is one, is additional data of the first chunk. */
    if (seal_begin(seal, out, header + 2) != OK)
        return false;
    for (size_t i = 0; i < c->part_count; i++) {
        if (seal_update(seal, at, c->parts[i].iov_base, c->parts[i].iov_len) != OK)
            return false;
        at += c->parts[i].iov_len;
    }
    return seal_finish(seal, at) == OK;
}

/* `length`: on the wire. */
static bool record_chunk(struct composer *c, size_t length)
{
    struct subflow *subflow = c->subflow;
    struct sent_chunk *chunk = ring_push(&subflow->chunks);

    if (chunk == NULL)
        return false;
    *chunk = (struct sent_chunk){.sent_ns = c->session->context.now,
                                 .end = subflow->bytes_sent + length,
                                 .items = c->items,
                                 .eliciting = c->eliciting,
                                 .hedged = c->session->subflows.hedging && c->items > 0};
    c->session->subflows.hedging &= c->items == 0;
    c->session->streams.items_held += c->items;
    subflow->chunks_sent++;
    if (subflow->eliciting_unacked == 0)
        keepalive_note_used(&c->session->subflows, subflow);
    if (c->eliciting && subflow->eliciting_unacked++ == 0) /* the wait begins */
        subflow->progress_ns = subflow->answer_ns = c->session->context.now;
    return true;
}

/* Composes and seals one chunk. Returns its length with the header, 0 for nothing. */
static size_t produce_chunk(struct session *session, struct subflow *subflow, uint8_t *out,
                            size_t capacity)
{
    struct composer c;
    size_t header = 0, length;

    c.session = session;
    c.subflow = subflow;
    c.length = c.part_count = c.part_start = 0;
    c.items = 0;
    c.eliciting = c.redundant = false;
    c.writer.at = c.scratch;
    if (!subflow->begun && !subflow->hello &&
        session->context.config.role == SESSION_LOCAL) {
        struct wire_writer w;

        wire_writer_init(&w, out, capacity);
        join_write(&w, subflow->generation->id, subflow->number);
        header = wire_length(&w);
    }
    if (!set_limit(&c, header, capacity))
        return 0;
    compose(&c);
    close_part(&c);
    if (c.length == 0)
        return 0;
    length = header + c.length + CHUNK_OVERHEAD;
    /* Items without their chunk would be settled with another: such a subflow is lost. */
    if (!record_chunk(&c, length) || !seal_chunk(&c, out, header)) {
        session_fail(session, ERROR_MEMORY, "out of memory");
        return 0;
    }
    subflow->begun = true;
    if (c.last) {
        subflow->end_sent = true;
        /* The relay waits for nothing: local may close without an END of its own. */
        subflow->waits_for_end =
            session->context.config.role == SESSION_LOCAL && !subflow->end_received;
        subflow->retire = false;
        session->context.pool_dirty = true;
    }
    return length;
}

/* Local uses the subflow no more, and waits for our END: it is due when no data goes on
 * this one any more. Until then what is left of its budget is used, if that has an end in
 * sight. */
static bool local_has_ended(struct session *session, struct subflow *subflow)
{
    struct piece piece;

    return session->context.config.role == SESSION_RELAY && subflow->end_received &&
           (subflow_budget_left(subflow) > LEFTOVER_MAX ||
            !scheduler_next(&session->schedule, subflow, &piece));
}

static size_t burst_limit(const struct session *session, const struct subflow *subflow,
                          size_t capacity)
{
    /* Most of a pool is too young to have been measured: its path has. */
    uint64_t rate = subflow->measure.rate != 0
                        ? subflow->measure.rate
                        : session->paths.items[subflow->path].rate_acked;
    uint64_t burst = rate == 0 ? 4 * CHUNK_SIZE_MAX : rate / (NS_PER_S / BURST_NS);

    return (size_t)MIN(MAX(burst, CHUNK_SIZE_MAX), MIN(capacity, PRODUCE_MAX));
}

/* Whether the subflow has to carry something now, data aside that others may carry. */
static bool wants(struct session *session, struct subflow *subflow)
{
    if (!subflow->writable)
        return false;
    if (subflow->state == SUBFLOW_STATE_HELLO)
        return handshake_unwritten(subflow);
    if (subflow->state != SUBFLOW_STATE_OPEN || subflow->end_sent)
        return false;
    if (session->context.state == SESSION_STATE_CLOSING)
        return session->send_close;
    if (!subflow->begun && session->context.config.role == SESSION_LOCAL)
        return subflow_may_begin(&session->subflows, subflow);
    /* The relay has data for it, or answers with its own END. */
    if (session->context.config.role == SESSION_RELAY && subflow->end_received)
        return true;
    if (subflow->end_received)
        return false;
    if (subflow->suspect && !subflow->ping)
        return false;
    return (ack_due(&session->subflows) && !path_quiet(&session->paths, subflow->path) &&
            !scheduler_path_silent(&session->schedule, subflow->path) &&
            !carriers_spare(&session->schedule, subflow)) ||
           anything_to_send(session, subflow);
}

/* The order in which subflows are asked: those that are new, unless their path is the slower
 * one, where what opens or answers a stream would be late; the lane; the shortest round
 * trip; among equals, the one nearest its end of budget. */
static bool better(const struct session *session, const struct subflow *a,
                   const struct subflow *b)
{
    uint64_t rtt_a = path_rtt_ns(&session->paths.items[a->path]);
    uint64_t rtt_b = path_rtt_ns(&session->paths.items[b->path]);

    if (!a->begun && b->begun && rtt_a <= rtt_b)
        return true;
    if (a->begun && !b->begun && rtt_b <= rtt_a)
        return false;
    if (scheduler_is_lane(&session->schedule, a) !=
        scheduler_is_lane(&session->schedule, b))
        return scheduler_is_lane(&session->schedule, a);
    if (path_in_reserve(&session->paths, a->path, NULL) !=
        path_in_reserve(&session->paths, b->path, NULL))
        return path_in_reserve(&session->paths, b->path, NULL);
    if (session->paths.items[a->path].small_only !=
        session->paths.items[b->path].small_only)
        return session->paths.items[b->path].small_only;
    if (a->path != b->path && rtt_a != rtt_b)
        return rtt_a < rtt_b;
    return a->bytes_sent > b->bytes_sent;
}

struct subflow *session_next_sender(struct session *session, uint64_t now)
{
    struct subflow *best = NULL;

    session->context.now = now;
    if (session->context.state == SESSION_STATE_ENDED)
        return NULL;
    if (session->context.config.role == SESSION_LOCAL && pool_bulk_waits(&session->pool))
        sparing_note_bulk(&session->schedule);
    scheduler_update(&session->schedule);
    list_foreach(&session->subflows.all, node, after) {
        struct subflow *subflow = list_entry(node, struct subflow, node);

        if ((best == NULL || better(session, subflow, best)) && wants(session, subflow))
            best = subflow;
    }
    return best;
}

size_t session_produce(struct session *session, struct subflow *subflow, uint8_t *buffer,
                       size_t capacity, uint64_t now)
{
    size_t length = 0;
    size_t limit = burst_limit(session, subflow, capacity);

    session->context.now = now;
    if (subflow->state == SUBFLOW_STATE_HELLO) {
        length = handshake_produce(subflow, buffer, capacity);
        subflow->bytes_sent += length;
    } else {
        bool alone = goes_small(session, subflow);

        do {
            size_t produced;

            if (local_has_ended(session, subflow))
                subflow->retire = true;
            produced = produce_chunk(session, subflow, buffer + length, capacity - length);
            /* What is due does not fit what is left of its budget, but an END does. */
            if (produced == 0 && length == 0 && wants(session, subflow)) {
                subflow->retire = true;
                produced = produce_chunk(session, subflow, buffer, capacity);
            }
            if (produced == 0)
                break;
            length += produced;
            pool_count_bytes(&session->pool, subflow, produced, 0);
            rate_limit_spend(&session->paths.items[subflow->path].rate_limit, produced,
                             now);
            rate_limit_spend(&session->paths.rate_limit, produced, now);
            restraint_spend(&session->schedule, subflow->path, produced);
            session->context.counters.chunks_sent++;
        } while (!alone && length < limit &&
                 capacity - length >= session->context.config.chunk_size &&
                 wants(session, subflow));
    }
    if (length > 0) {
        if (subflow->state == SUBFLOW_STATE_OPEN)
            packets_note_sent(&session->subflows, subflow, length);
        subflow->sent_ns = now;
        session->context.counters.wire_bytes_sent += length;
        session->paths.items[subflow->path].counters.wire_bytes_sent += length;
    } else if (subflow->state == SUBFLOW_STATE_OPEN && wants(session, subflow)) {
        /* Not even what is due fits what is left of its budget: it has ended in effect. */
        subflow->end_sent = true;
        session->context.pool_dirty = true;
    }
    return length;
}
