/* SPDX-License-Identifier: MIT */
#include <splitsocks/wire/handshake.h>

uint8_t ciphers_supported(void)
{
    uint8_t ciphers = CIPHER_BIT(CIPHER_CHACHA20_POLY1305);

    if (cipher_preferred() == CIPHER_AES_256_GCM)
        ciphers |= CIPHER_BIT(CIPHER_AES_256_GCM);
    return ciphers;
}

int hello_agree(const struct hello_offer *offer, struct hello_answer *answer)
{
    unsigned common = offer->ciphers & ciphers_supported();

    answer->minor = MIN(offer->minor, WIRE_MINOR);
    answer->features = offer->features & WIRE_FEATURES;
    if ((common & CIPHER_BIT(CIPHER_AES_256_GCM)) != 0)
        answer->cipher = CIPHER_AES_256_GCM;
    else if ((common & CIPHER_BIT(CIPHER_CHACHA20_POLY1305)) != 0)
        answer->cipher = CIPHER_CHACHA20_POLY1305;
    else
        return ERROR_UNSUPPORTED;
    return OK;
}

void hello_offer_write(struct wire_writer *out, const struct hello_offer *offer)
{
    wire_write_u64(out, offer->stamp);
    wire_write_u8(out, offer->minor);
    wire_write_varint(out, offer->features);
    wire_write_u8(out, offer->ciphers);
    wire_write_u64(out, offer->resume);
    wire_write_varint(out, offer->linger_s);
    wire_write_varint(out, offer->chunk_size);
    wire_write_varint(out, offer->stream_window);
    wire_write_varint(out, offer->session_window);
}

int hello_offer_read(struct wire_reader *in, struct hello_offer *offer)
{
    offer->stamp = wire_read_u64(in);
    offer->minor = wire_read_u8(in);
    offer->features = wire_read_varint(in);
    offer->ciphers = wire_read_u8(in);
    offer->resume = wire_read_u64(in);
    offer->linger_s = wire_read_varint(in);
    offer->chunk_size = wire_read_varint(in);
    offer->stream_window = wire_read_varint(in);
    offer->session_window = wire_read_varint(in);
    return wire_ok(in) ? OK : ERROR_MALFORMED;
}

void hello_answer_write(struct wire_writer *out, const struct hello_answer *answer)
{
    wire_write_u8(out, answer->minor);
    wire_write_varint(out, answer->features);
    wire_write_u8(out, answer->cipher);
    wire_write_u8(out, answer->resume);
    wire_write_u64(out, answer->session_id);
    wire_write_varint(out, answer->linger_s);
    wire_write_varint(out, answer->stream_window);
    wire_write_varint(out, answer->session_window);
    wire_write_varint(out, answer->stream_limit);
}

int hello_answer_read(struct wire_reader *in, struct hello_answer *answer)
{
    answer->minor = wire_read_u8(in);
    answer->features = wire_read_varint(in);
    answer->cipher = wire_read_u8(in);
    answer->resume = wire_read_u8(in);
    answer->session_id = wire_read_u64(in);
    answer->linger_s = wire_read_varint(in);
    answer->stream_window = wire_read_varint(in);
    answer->session_window = wire_read_varint(in);
    answer->stream_limit = wire_read_varint(in);
    return wire_ok(in) ? OK : ERROR_MALFORMED;
}
