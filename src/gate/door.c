/* SPDX-License-Identifier: MIT */
#include <splitsocks/gate/door.h>

#include <splitsocks/gate/failure_limit.h>

#include <stdlib.h>

struct door {
    const struct key_pair *relay; /* borrowed */
    struct client_table *clients; /* borrowed */
    struct failure_limit *failures;
    struct kdf mac; /* of HELLOs to this relay */
    uint64_t silence_ns;
    uint8_t server_id;
};

struct door *door_new(const struct door_config *config)
{
    const uint32_t per_minute =
        config->source_per_minute != 0 ? config->source_per_minute : DOOR_SOURCE_PER_MINUTE;
    const struct failure_rate source = {MIN(DOOR_SOURCE_BURST, per_minute), per_minute};
    const struct failure_rate total = {DOOR_TOTAL_BURST, DOOR_TOTAL_PER_MINUTE};
    const uint64_t spread = DOOR_SILENCE_MAX_NS - DOOR_SILENCE_MIN_NS;
    struct door *door = calloc(1, sizeof(*door));

    if (door == NULL)
        return NULL;
    door->relay = config->relay;
    door->clients = config->clients;
    door->silence_ns = DOOR_SILENCE_MIN_NS + config->silence_random % (spread + 1);
    door->server_id = config->server_id;
    door->failures = failure_limit_new(source, total, config->hash_seed);
    if (door->failures == NULL ||
        hello_mac_init(&door->mac, door->relay->public_key) != OK) {
        door_free(door);
        return NULL;
    }
    return door;
}

void door_free(struct door *door)
{
    if (door == NULL)
        return;
    kdf_deinit(&door->mac);
    failure_limit_free(door->failures);
    free(door);
}

void door_set_clients(struct door *door, struct client_table *clients)
{
    door->clients = clients;
}

struct client_table *door_clients(const struct door *door)
{
    return door->clients;
}

uint64_t door_silence_ns(const struct door *door)
{
    return door->silence_ns;
}

/* The checks that need the key agreement: a failure here has cost something. */
static int open_hello(struct door *door, const struct hello_header *header,
                      const uint8_t ephemeral[KEY_SIZE], struct door_hello *hello)
{
    int error = hello_open(&hello->noise, header, door->relay, ephemeral, &hello->offer);

    hello->client = ERROR_NOT_FOUND;
    if (error != OK)
        return error;
    hello->client = client_table_find(door->clients, hello->noise.remote_static);
    if (hello->client < 0)
        return hello->client;
    return client_table_check_stamp(door->clients, hello->client, hello->offer.stamp);
}

int door_hello(struct door *door, const struct address *peer, struct wire_reader *in,
               const uint8_t ephemeral[KEY_SIZE], uint64_t now, struct door_hello *hello)
{
    struct hello_header header;
    int error = hello_read_header(in, &header);

    hello->agreed = false;
    if (error != OK)
        return error;
    if (header.server != 0 && header.server != door->server_id)
        return ERROR_DENIED;
    error = hello_check_mac(&door->mac, &header);
    if (error != OK)
        return error;
    /* Message 1 begins with the ephemeral key, in the clear. */
    hello->client = client_table_known_hello(door->clients, header.message);
    if (hello->client >= 0)
        return ERROR_REPLAY;
    if (!failure_limit_allows(door->failures, peer, now))
        return ERROR_LIMIT;
    hello->agreed = true;
    error = open_hello(door, &header, ephemeral, hello);
    if (error != OK) {
        int client = hello->client;

        failure_limit_charge(door->failures, peer, now);
        door_hello_deinit(hello);
        hello->client = client;
    }
    return error;
}

int door_answer(struct door *door, struct door_hello *hello,
                const struct hello_answer *answer, struct wire_writer *out,
                struct session_keys *keys)
{
    int error = client_table_accept_stamp(door->clients, hello->client, hello->offer.stamp);

    if (error != OK)
        return error;
    client_table_note_hello(door->clients, hello->client, hello->noise.remote_ephemeral);
    return hello_write_answer(&hello->noise, out, answer, keys);
}

void door_hello_deinit(struct door_hello *hello)
{
    noise_deinit(&hello->noise);
    hello->client = ERROR_NOT_FOUND;
}
