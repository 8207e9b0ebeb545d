/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/account.h>

#include <stddef.h>

void account_init(struct account *account, struct page_pool *pages,
                  struct client_account *client)
{
    *account = (struct account){.client = client};
    page_account_init(&account->pages, pages, client != NULL ? &client->pages : NULL);
    if (client == NULL)
        return;
    share_init(&account->records, &client->records);
    share_init(&account->datagrams, &client->datagrams);
    share_init(&account->subflows, &client->subflows);
    share_init(&account->destinations, &client->destinations);
    share_init(&account->names, &client->names);
}

enum places_bound account_take_stream(struct account *account)
{
    return account->client != NULL ? places_take(&account->client->streams, 1)
                                   : PLACES_FREE;
}

void account_give_stream(struct account *account)
{
    if (account->client != NULL)
        places_give(&account->client->streams, 1);
}

enum places_bound account_take_flow(struct account *account)
{
    return account->client != NULL ? places_take(&account->client->flows, 1) : PLACES_FREE;
}

void account_give_flow(struct account *account)
{
    if (account->client != NULL)
        client_account_give_flow(account->client);
}

void account_note_refusal(struct account *account, enum client_refusal refusal)
{
    if (account->client != NULL)
        atomic_fetch_add(&account->client->refusals[refusal], 1);
}

uint64_t account_dial_wait(const struct account *account, uint64_t now)
{
    return account->client != NULL ? client_account_dial_wait(account->client, now) : 0;
}

uint64_t account_dial_at(struct account *account, uint64_t now)
{
    return account->client != NULL ? client_account_dial_at(account->client, now) : now;
}
