/* SPDX-License-Identifier: MIT */
#include <splitsocks/wire/handshake.h>

#include <string.h>

/* Neither label is the beginning of the other's info. */
#define DIRECTION_LABEL "splitsocks direction"
#define SUBFLOW_LABEL "splitsocks subflow"

/* Keys `out` with the direction secret that follows from one split key. */
static int direction_init(struct kdf *out, const uint8_t split_key[KEY_SIZE],
                          const uint8_t *context, size_t context_length)
{
    uint8_t secret[KDF_OUTPUT_SIZE];
    struct kdf kdf;
    int error = kdf_init(&kdf, split_key);

    if (error == OK)
        error = kdf_expand(&kdf, DIRECTION_LABEL, context, context_length, secret);
    kdf_deinit(&kdf);
    if (error == OK)
        error = kdf_init(out, secret);
    key_wipe(secret, sizeof(secret));
    return error;
}

int session_keys_init(struct session_keys *keys, struct noise *noise, uint8_t minor,
                      enum cipher cipher)
{
    uint8_t up[KEY_SIZE];
    uint8_t down[KEY_SIZE];
    uint8_t context[2 + NOISE_HASH_SIZE] = {minor, (uint8_t)cipher};
    int error = noise_split(noise, up, down);

    *keys = (struct session_keys){.cipher = cipher, .minor = minor};
    memcpy(context + 2, noise->hash, NOISE_HASH_SIZE);
    if (error == OK)
        error = direction_init(&keys->up, up, context, sizeof(context));
    if (error == OK)
        error = direction_init(&keys->down, down, context, sizeof(context));
    key_wipe(up, sizeof(up));
    key_wipe(down, sizeof(down));
    if (error != OK)
        session_keys_deinit(keys);
    return error;
}

void session_keys_deinit(struct session_keys *keys)
{
    kdf_deinit(&keys->up);
    kdf_deinit(&keys->down);
}

int session_keys_subflow(struct session_keys *keys, enum direction direction,
                         uint64_t number, uint8_t key[SEAL_KEY_SIZE])
{
    struct kdf *kdf = direction == DIRECTION_UP ? &keys->up : &keys->down;
    uint8_t context[8];
    struct wire_writer w;

    wire_writer_init(&w, context, sizeof(context));
    wire_write_u64(&w, number);
    return kdf_expand(kdf, SUBFLOW_LABEL, context, sizeof(context), key);
}

int session_keys_seal(struct session_keys *keys, enum direction direction, uint64_t number,
                      bool encrypt, struct seal *seal)
{
    uint8_t key[SEAL_KEY_SIZE];
    int error = session_keys_subflow(keys, direction, number, key);

    *seal = (struct seal){0};
    if (error == OK)
        error = seal_init(seal, keys->cipher, encrypt, key);
    key_wipe(key, sizeof(key));
    return error;
}
