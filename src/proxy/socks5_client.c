/* SPDX-License-Identifier: MIT */
#include <splitsocks/proxy/socks5_client.h>

#include <splitsocks/base/error.h>
#include <splitsocks/base/wire.h>

#include <assert.h>
#include <string.h>

#define TEXT_MAX 255

enum stage { STAGE_METHOD, STAGE_PASSWORD, STAGE_REPLY };

static bool text_fits(const char *text, size_t least)
{
    size_t length = strlen(text);

    return length >= least && length <= TEXT_MAX;
}

int socks5_client_init(struct socks5_client *client, const char *host, uint16_t port,
                       const char *user, const char *password)
{
    static const uint8_t greeting[] = {5, 1, 0};
    static const uint8_t greeting_with_password[] = {5, 2, 0, 2};

    assert((user == NULL) == (password == NULL));
    *client = (struct socks5_client){
        .host = host, .port = port, .user = user, .password = password};
    if (!text_fits(host, 1) || port == 0)
        return ERROR_INVALID;
    if (user != NULL && (!text_fits(user, 1) || !text_fits(password, 0)))
        return ERROR_INVALID;
    client->output_length =
        user == NULL ? sizeof(greeting) : sizeof(greeting_with_password);
    memcpy(client->output, user == NULL ? greeting : greeting_with_password,
           client->output_length);
    return OK;
}

static void fail(struct socks5_client *client, const char *failure)
{
    client->state = SOCKS5_CLIENT_FAILED;
    client->failure = failure;
}

static void begin_stage(struct socks5_client *client, enum stage stage)
{
    client->stage = (uint8_t)stage;
    client->length = 0;
}

static void write_text(struct wire_writer *w, const char *text)
{
    wire_write_u8(w, (uint8_t)strlen(text));
    wire_write_bytes(w, text, strlen(text));
}

static void send_password(struct socks5_client *client)
{
    struct wire_writer w;

    wire_writer_init(&w, client->output, sizeof(client->output));
    wire_write_u8(&w, 1);
    write_text(&w, client->user);
    write_text(&w, client->password);
    client->output_length = (uint16_t)wire_length(&w);
    begin_stage(client, STAGE_PASSWORD);
}

static void send_request(struct socks5_client *client)
{
    static const uint8_t connect_request[] = {5, 1, 0};
    struct address address;
    struct wire_writer w;

    wire_writer_init(&w, client->output, sizeof(client->output));
    wire_write_bytes(&w, connect_request, sizeof(connect_request));
    if (address_parse(&address, client->host) != OK) {
        wire_write_u8(&w, 3);
        write_text(&w, client->host);
    } else if (address.family == ADDRESS_IPV4) {
        wire_write_u8(&w, 1);
        wire_write_bytes(&w, address.bytes, 4);
    } else {
        wire_write_u8(&w, 4);
        wire_write_bytes(&w, address.bytes, 16);
    }
    wire_write_u16(&w, client->port);
    client->output_length = (uint16_t)wire_length(&w);
    begin_stage(client, STAGE_REPLY);
}

/* The length of the current message, as far as its first bytes tell. */
static size_t message_size(const struct socks5_client *client)
{
    const uint8_t *m = client->message;

    if (client->stage != STAGE_REPLY)
        return 2;
    if (client->length < 5)
        return 5;
    switch (m[3]) {
    case 1: return 10;
    case 3: return (size_t)7 + m[4];
    case 4: return 22;
    default: return 5; /* malformed */
    }
}

static void take_method(struct socks5_client *client)
{
    const uint8_t *m = client->message;

    if (m[0] != 5)
        fail(client, "the proxy does not speak SOCKS5");
    else if (m[1] == 0)
        send_request(client);
    else if (m[1] == 2 && client->user != NULL)
        send_password(client);
    else
        fail(client, client->user == NULL ? "the proxy wants a user name and password"
                                          : "the proxy accepts no password");
}

static void take_password_verdict(struct socks5_client *client)
{
    if (client->message[0] == 1 && client->message[1] == 0)
        send_request(client);
    else
        fail(client, "wrong user name or password");
}

static void take_reply(struct socks5_client *client)
{
    const uint8_t *m = client->message;

    if (m[0] != 5 || (m[3] != 1 && m[3] != 3 && m[3] != 4))
        fail(client, "the proxy's reply is malformed");
    else if (m[1] == SOCKS5_SUCCEEDED)
        client->state = SOCKS5_CLIENT_OPEN;
    else if (socks5_failure_code(m) == RESET_FAILURE)
        fail(client, socks5_code_string((enum socks5_code)m[1]));
    else
        fail(client, reset_code_string(socks5_failure_code(m)));
}

size_t socks5_client_receive(struct socks5_client *client, const uint8_t *data,
                             size_t length)
{
    size_t used = 0;

    while (client->state == SOCKS5_CLIENT_NEGOTIATING && used < length) {
        size_t part = MIN(message_size(client) - client->length, length - used);

        memcpy(client->message + client->length, data + used, part);
        client->length += (uint16_t)part;
        used += part;
        if (client->length < message_size(client))
            continue;
        switch ((enum stage)client->stage) {
        case STAGE_METHOD: take_method(client); break;
        case STAGE_PASSWORD: take_password_verdict(client); break;
        case STAGE_REPLY: take_reply(client); break;
        }
    }
    return used;
}

const uint8_t *socks5_client_output(const struct socks5_client *client, size_t *length)
{
    *length = client->output_length;
    return client->output;
}

void socks5_client_sent(struct socks5_client *client)
{
    client->output_length = 0;
}

const char *socks5_client_failure(const struct socks5_client *client)
{
    assert(client->state == SOCKS5_CLIENT_FAILED);
    return client->failure;
}

enum reset_code socks5_client_code(const struct socks5_client *client)
{
    assert(client->state == SOCKS5_CLIENT_FAILED);
    return client->stage == STAGE_REPLY ? socks5_failure_code(client->message)
                                        : RESET_FAILURE;
}
