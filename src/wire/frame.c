/* SPDX-License-Identifier: MIT */
#include <splitsocks/wire/frame.h>

#include <splitsocks/base/error.h>

#include <string.h>

static void read_ack(struct wire_reader *r, struct frame *frame)
{
    frame->ack.tag = wire_read_varint(r);
    frame->ack.count = wire_read_varint(r);
    frame->ack.entries = *r;
    for (uint64_t i = 0; i < frame->ack.count && wire_ok(r); i++) {
        wire_read_varint(r);
        wire_read_varint(r);
    }
    frame->ack.entries.end = r->at;
}

/* Skips port and target, and leaves them in `raw`: read_target() checks them. */
static void skip_target(struct wire_reader *r, struct wire_reader *raw)
{
    *raw = *r;
    wire_read_u16(r);
    switch (wire_read_u8(r)) {
    case FRAME_TARGET_ADDRESSES:
        for (unsigned count = wire_read_u8(r); count > 0 && wire_ok(r); count--)
            wire_read_bytes(r, wire_read_u8(r) == ADDRESS_IPV4 ? 4 : 16);
        break;
    case FRAME_TARGET_NAME: wire_read_bytes(r, wire_read_u8(r)); break;
    default: r->failed = true;
    }
    raw->end = r->at;
}

static void read_close(struct wire_reader *r, struct frame *frame)
{
    uint64_t length;

    frame->close.code = wire_read_varint(r);
    length = wire_read_varint(r);
    if (length > FRAME_REASON_MAX)
        r->failed = true;
    frame->close.reason_length = (size_t)length;
    frame->close.reason = wire_read_bytes(r, (size_t)length);
}

static void read_path(struct wire_reader *r, struct frame *frame)
{
    uint64_t flags;

    frame->path.path = wire_read_varint(r);
    frame->path.sequence = wire_read_varint(r);
    flags = wire_read_varint(r);
    frame->path.usable = (flags & FRAME_PATH_USABLE) != 0;
    frame->path.backup = (flags & FRAME_PATH_BACKUP) != 0;
    frame->path.small_only = (flags & FRAME_PATH_SMALL_ONLY) != 0;
    frame->path.cost = wire_read_varint(r);
    frame->path.modes = wire_read_varint(r);
    frame->path.rate_down = wire_read_varint(r);
    if (frame->path.cost > UINT16_MAX || frame->path.modes >= 1u << STREAM_MODES)
        r->failed = true;
}

static void read_policy(struct wire_reader *r, struct frame *frame)
{
    uint64_t mode, copies, paths;

    frame->policy.id = wire_read_varint(r);
    mode = wire_read_varint(r);
    copies = wire_read_varint(r);
    paths = wire_read_varint(r);
    if (mode >= STREAM_MODES || copies > UINT8_MAX || paths > UINT16_MAX)
        r->failed = true;
    frame->policy.policy = (struct stream_policy){
        .mode = (uint8_t)mode, .copies = (uint8_t)copies, .paths = (uint16_t)paths};
}

static void read_flow_open(struct wire_reader *r, struct frame *frame)
{
    uint64_t mode, copies, paths, max_age_ms, filter;

    frame->flow_open.id = wire_read_varint(r);
    mode = wire_read_varint(r);
    copies = wire_read_varint(r);
    paths = wire_read_varint(r);
    max_age_ms = wire_read_varint(r);
    filter = wire_read_varint(r);
    if (mode >= FLOW_MODES || copies > UINT8_MAX || paths > UINT16_MAX ||
        max_age_ms > FLOW_MAX_AGE_NS / NS_PER_MS || filter > 1)
        r->failed = true;
    frame->flow_open.policy = (struct flow_policy){.mode = (uint8_t)mode,
                                                   .copies = (uint8_t)copies,
                                                   .paths = (uint16_t)paths,
                                                   .filter_address = filter == 1,
                                                   .max_age_ns = max_age_ms * NS_PER_MS};
}

static void read_parts(struct wire_reader *r, struct frame *frame, unsigned flags)
{
    uint64_t part = 0, parts = 1;

    if (flags & FRAME_DATAGRAM_PARTS) {
        part = wire_read_varint(r);
        parts = wire_read_varint(r);
        if (parts < 2 || parts > FRAME_PARTS_MAX || part >= parts)
            r->failed = true;
    }
    frame->datagram.part = (uint8_t)part;
    frame->datagram.parts = (uint8_t)parts;
}

static void read_datagram(struct wire_reader *r, struct frame *frame, unsigned flags)
{
    uint64_t length;

    frame->datagram.flow = wire_read_varint(r);
    frame->datagram.sequence = wire_read_varint(r);
    frame->datagram.peer = wire_read_varint(r);
    frame->datagram.has_target = (flags & FRAME_DATAGRAM_TARGET) != 0;
    if (frame->datagram.has_target)
        skip_target(r, &frame->datagram.target);
    read_parts(r, frame, flags);
    length = flags & FRAME_DATAGRAM_LENGTH ? wire_read_varint(r) : wire_remaining(r);
    if (length > wire_remaining(r) || length > FRAME_DATAGRAM_MAX)
        r->failed = true;
    frame->datagram.length = (size_t)length;
    frame->datagram.bytes = wire_read_bytes(r, frame->datagram.length);
}

static void read_data(struct wire_reader *r, struct frame *frame, unsigned flags)
{
    uint64_t length;

    frame->data.id = wire_read_varint(r);
    frame->data.offset = wire_read_varint(r);
    length = flags & FRAME_DATA_LENGTH ? wire_read_varint(r) : wire_remaining(r);
    /* Compare before the cast, which may narrow. */
    if (length > wire_remaining(r) || frame->data.offset > VARINT_MAX - 1 - length)
        r->failed = true;
    frame->data.length = (size_t)length;
    frame->data.bytes = wire_read_bytes(r, frame->data.length);
    frame->data.fin = (flags & FRAME_DATA_FIN) != 0;
}

int frame_read(struct wire_reader *r, struct frame *frame)
{
    unsigned type = wire_read_u8(r);

    frame->type = (enum frame_type)type;
    switch (type) {
    case FRAME_PADDING:
    case FRAME_PING:
    case FRAME_END: break;
    case FRAME_SUBFLOW:
        frame->subflow.path = wire_read_varint(r);
        frame->subflow.budget_up = wire_read_varint(r);
        frame->subflow.budget_down = wire_read_varint(r);
        break;
    case FRAME_ACK: read_ack(r, frame); break;
    case FRAME_STREAM_OPEN:
        frame->open.id = wire_read_varint(r);
        skip_target(r, &frame->open.target);
        break;
    case FRAME_STREAM_OPENED: frame->opened.id = wire_read_varint(r); break;
    case FRAME_STREAM_RESET:
        frame->reset.id = wire_read_varint(r);
        frame->reset.code = wire_read_varint(r);
        frame->reset.final_offset = wire_read_varint(r);
        break;
    case FRAME_STREAM_WINDOW:
        frame->window.id = wire_read_varint(r);
        frame->window.maximum = wire_read_varint(r);
        break;
    case FRAME_SESSION_WINDOW:
    case FRAME_STREAM_LIMIT:
    case FRAME_RATE:
    case FRAME_FLOW_LIMIT: frame->window.maximum = wire_read_varint(r); break;
    case FRAME_DEMAND:
        frame->demand.sequence = wire_read_varint(r);
        frame->demand.maximum = wire_read_varint(r);
        break;
    case FRAME_SESSION_CLOSE: read_close(r, frame); break;
    case FRAME_PATH: read_path(r, frame); break;
    case FRAME_STREAM_POLICY: read_policy(r, frame); break;
    case FRAME_LARGE_LOST:
        frame->large_lost.path = wire_read_varint(r);
        frame->large_lost.bytes = wire_read_varint(r);
        break;
    case FRAME_GONE:
        frame->gone.tag = wire_read_varint(r);
        frame->gone.number = wire_read_varint(r);
        frame->gone.cause = wire_read_varint(r);
        break;
    case FRAME_FLOW_OPEN: read_flow_open(r, frame); break;
    case FRAME_FLOW_CLOSE:
        frame->flow_close.id = wire_read_varint(r);
        frame->flow_close.code = wire_read_varint(r);
        break;
    default:
        if ((type & ~(unsigned)FRAME_DATA_MASK) == FRAME_STREAM_DATA) {
            frame->type = FRAME_STREAM_DATA;
            read_data(r, frame, type & FRAME_DATA_MASK);
        } else if ((type & ~(unsigned)FRAME_DATAGRAM_MASK) == FRAME_DATAGRAM) {
            frame->type = FRAME_DATAGRAM;
            read_datagram(r, frame, type & FRAME_DATAGRAM_MASK);
        } else {
            return ERROR_UNSUPPORTED;
        }
    }
    return wire_ok(r) ? OK : ERROR_MALFORMED;
}

bool frame_ack_next(struct frame *frame, struct frame_ack_entry *entry)
{
    struct wire_reader *r = &frame->ack.entries;
    uint64_t number;

    if (wire_remaining(r) == 0)
        return false;
    number = wire_read_varint(r);
    entry->number = number >> 1;
    entry->final = number & 1;
    entry->chunks = wire_read_varint(r);
    return wire_ok(r);
}

static int read_addresses(struct wire_reader *r, struct target *target)
{
    target->address_count = wire_read_u8(r);
    if (target->address_count == 0 || target->address_count > TARGET_ADDRESSES_MAX)
        return ERROR_MALFORMED;
    for (unsigned i = 0; i < target->address_count; i++) {
        struct address *address = &target->addresses[i];
        size_t length;
        const uint8_t *bytes;

        address->family = wire_read_u8(r);
        if (address->family != ADDRESS_IPV4 && address->family != ADDRESS_IPV6)
            return ERROR_MALFORMED;
        length = address->family == ADDRESS_IPV4 ? 4 : 16;
        bytes = wire_read_bytes(r, length);
        if (bytes == NULL)
            return ERROR_MALFORMED;
        memcpy(address->bytes, bytes, length);
        address->port = target->port;
    }
    return OK;
}

static int read_name(struct wire_reader *r, struct target *target)
{
    size_t length = wire_read_u8(r);
    const uint8_t *bytes = wire_read_bytes(r, length);

    if (bytes == NULL || length == 0 || memchr(bytes, 0, length) != NULL)
        return ERROR_MALFORMED;
    memcpy(target->name, bytes, length);
    target->name[length] = '\0';
    return OK;
}

int frame_peer_read(struct wire_reader r, struct target *target)
{
    int result;

    memset(target, 0, sizeof(*target));
    target->port = wire_read_u16(&r);
    result = wire_read_u8(&r) == FRAME_TARGET_NAME ? read_name(&r, target)
                                                   : read_addresses(&r, target);
    return result == OK && target->port != 0 ? OK : ERROR_MALFORMED;
}

int frame_target_read(const struct frame *frame, struct target *target)
{
    return frame_peer_read(frame->open.target, target);
}

void frame_write_type(struct wire_writer *w, enum frame_type type)
{
    wire_write_u8(w, (uint8_t)type);
}

void frame_write_subflow(struct wire_writer *w, uint64_t path, uint64_t budget_up,
                         uint64_t budget_down)
{
    wire_write_u8(w, FRAME_SUBFLOW);
    wire_write_varint(w, path);
    wire_write_varint(w, budget_up);
    wire_write_varint(w, budget_down);
}

void frame_write_ack_header(struct wire_writer *w, uint64_t tag, uint64_t count)
{
    wire_write_u8(w, FRAME_ACK);
    wire_write_varint(w, tag);
    wire_write_varint(w, count);
}

void frame_write_ack_entry(struct wire_writer *w, uint64_t number, uint64_t chunks,
                           bool final)
{
    wire_write_varint(w, number << 1 | (final ? 1 : 0));
    wire_write_varint(w, chunks);
}

void frame_write_peer(struct wire_writer *w, const struct target *target)
{
    wire_write_u16(w, target->port);
    if (target->address_count == 0) {
        size_t length = strlen(target->name);

        wire_write_u8(w, FRAME_TARGET_NAME);
        wire_write_u8(w, (uint8_t)length);
        wire_write_bytes(w, target->name, length);
        return;
    }
    wire_write_u8(w, FRAME_TARGET_ADDRESSES);
    wire_write_u8(w, target->address_count);
    for (unsigned i = 0; i < target->address_count; i++) {
        const struct address *address = &target->addresses[i];

        wire_write_u8(w, address->family);
        wire_write_bytes(w, address->bytes, address->family == ADDRESS_IPV4 ? 4 : 16);
    }
}

void frame_write_open(struct wire_writer *w, uint64_t id, const struct target *target)
{
    wire_write_u8(w, FRAME_STREAM_OPEN);
    wire_write_varint(w, id);
    frame_write_peer(w, target);
}

size_t frame_open_length(uint64_t id, const struct target *target)
{
    size_t length = 1 + wire_varint_length(id) + 2 + 1 + 1;

    if (target->address_count == 0)
        return length + strlen(target->name);
    for (unsigned i = 0; i < target->address_count; i++)
        length += 1 + (target->addresses[i].family == ADDRESS_IPV4 ? 4 : 16);
    return length;
}

void frame_write_opened(struct wire_writer *w, uint64_t id)
{
    wire_write_u8(w, FRAME_STREAM_OPENED);
    wire_write_varint(w, id);
}

void frame_write_reset(struct wire_writer *w, uint64_t id, uint64_t code,
                       uint64_t final_offset)
{
    wire_write_u8(w, FRAME_STREAM_RESET);
    wire_write_varint(w, id);
    wire_write_varint(w, code);
    wire_write_varint(w, final_offset);
}

void frame_write_stream_window(struct wire_writer *w, uint64_t id, uint64_t maximum)
{
    wire_write_u8(w, FRAME_STREAM_WINDOW);
    wire_write_varint(w, id);
    wire_write_varint(w, maximum);
}

void frame_write_maximum(struct wire_writer *w, enum frame_type type, uint64_t maximum)
{
    wire_write_u8(w, (uint8_t)type);
    wire_write_varint(w, maximum);
}

void frame_write_demand(struct wire_writer *w, uint64_t sequence, uint64_t maximum)
{
    wire_write_u8(w, FRAME_DEMAND);
    wire_write_varint(w, sequence);
    wire_write_varint(w, maximum);
}

void frame_write_large_lost(struct wire_writer *w, uint64_t path, uint64_t bytes)
{
    wire_write_u8(w, FRAME_LARGE_LOST);
    wire_write_varint(w, path);
    wire_write_varint(w, bytes);
}

void frame_write_gone(struct wire_writer *w, uint64_t tag, uint64_t number, uint64_t cause)
{
    wire_write_u8(w, FRAME_GONE);
    wire_write_varint(w, tag);
    wire_write_varint(w, number);
    wire_write_varint(w, cause);
}

void frame_write_path(struct wire_writer *w, const struct frame *frame)
{
    wire_write_u8(w, FRAME_PATH);
    wire_write_varint(w, frame->path.path);
    wire_write_varint(w, frame->path.sequence);
    wire_write_varint(w, (frame->path.usable ? FRAME_PATH_USABLE : 0u) |
                             (frame->path.backup ? FRAME_PATH_BACKUP : 0u) |
                             (frame->path.small_only ? FRAME_PATH_SMALL_ONLY : 0u));
    wire_write_varint(w, frame->path.cost);
    wire_write_varint(w, frame->path.modes);
    wire_write_varint(w, frame->path.rate_down);
}

void frame_write_policy(struct wire_writer *w, uint64_t id,
                        const struct stream_policy *policy)
{
    wire_write_u8(w, FRAME_STREAM_POLICY);
    wire_write_varint(w, id);
    wire_write_varint(w, policy->mode);
    wire_write_varint(w, policy->copies);
    wire_write_varint(w, policy->paths);
}

void frame_write_close(struct wire_writer *w, uint64_t code, const char *reason)
{
    size_t length = strnlen(reason, FRAME_REASON_MAX);

    wire_write_u8(w, FRAME_SESSION_CLOSE);
    wire_write_varint(w, code);
    wire_write_varint(w, length);
    wire_write_bytes(w, reason, length);
}

void frame_write_flow_open(struct wire_writer *w, uint64_t id,
                           const struct flow_policy *policy)
{
    wire_write_u8(w, FRAME_FLOW_OPEN);
    wire_write_varint(w, id);
    wire_write_varint(w, policy->mode);
    wire_write_varint(w, policy->copies);
    wire_write_varint(w, policy->paths);
    wire_write_varint(w, policy->max_age_ns / NS_PER_MS);
    wire_write_varint(w, policy->filter_address ? 1 : 0);
}

void frame_write_flow_close(struct wire_writer *w, uint64_t id, uint64_t code)
{
    wire_write_u8(w, FRAME_FLOW_CLOSE);
    wire_write_varint(w, id);
    wire_write_varint(w, code);
}

void frame_write_datagram_header(struct wire_writer *w, const struct frame *frame,
                                 bool with_length)
{
    bool parts = frame->datagram.parts > 1;

    wire_write_u8(w, (uint8_t)(FRAME_DATAGRAM | (with_length ? FRAME_DATAGRAM_LENGTH : 0) |
                               (frame->datagram.has_target ? FRAME_DATAGRAM_TARGET : 0) |
                               (parts ? FRAME_DATAGRAM_PARTS : 0)));
    wire_write_varint(w, frame->datagram.flow);
    wire_write_varint(w, frame->datagram.sequence);
    wire_write_varint(w, frame->datagram.peer);
    if (frame->datagram.has_target)
        wire_write_bytes(w, frame->datagram.target.at,
                         wire_remaining(&frame->datagram.target));
    if (parts) {
        wire_write_varint(w, frame->datagram.part);
        wire_write_varint(w, frame->datagram.parts);
    }
    if (with_length)
        wire_write_varint(w, frame->datagram.length);
}

size_t frame_datagram_header_length(const struct frame *frame, bool with_length)
{
    size_t length = 1 + wire_varint_length(frame->datagram.flow) +
                    wire_varint_length(frame->datagram.sequence) +
                    wire_varint_length(frame->datagram.peer);

    if (frame->datagram.has_target)
        length += wire_remaining(&frame->datagram.target);
    if (frame->datagram.parts > 1)
        length += wire_varint_length(frame->datagram.part) +
                  wire_varint_length(frame->datagram.parts);
    return length + (with_length ? wire_varint_length(frame->datagram.length) : 0);
}

void frame_write_data_header(struct wire_writer *w, uint64_t id, uint64_t offset,
                             size_t length, bool with_length, bool fin)
{
    wire_write_u8(w, (uint8_t)(FRAME_STREAM_DATA | (fin ? FRAME_DATA_FIN : 0) |
                               (with_length ? FRAME_DATA_LENGTH : 0)));
    wire_write_varint(w, id);
    wire_write_varint(w, offset);
    if (with_length)
        wire_write_varint(w, length);
}

size_t frame_data_header_length(uint64_t id, uint64_t offset, size_t length,
                                bool with_length)
{
    return 1 + wire_varint_length(id) + wire_varint_length(offset) +
           (with_length ? wire_varint_length(length) : 0);
}
