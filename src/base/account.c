/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/account.h>

#include <splitsocks/base/attributes.h>

void account_pools_init(struct account_pools *pools, struct page_pool *pages)
{
    *pools = (struct account_pools){
        .pages = pages,
        .records.most = SHARE_UNLIMITED,
        .subflows.most = SHARE_UNLIMITED,
        .destinations.most = SHARE_UNLIMITED,
        .names.most = SHARE_UNLIMITED,
        .datagrams.most = SHARE_UNLIMITED,
    };
}

void account_init(struct account *account, struct account_pools *pools,
                  struct client_account *client)
{
    *account = (struct account){
        .client = client,
        .records.pool = &pools->records,
        .subflows.pool = &pools->subflows,
        .destinations.pool = &pools->destinations,
        .names.pool = &pools->names,
        .datagrams.pool = &pools->datagrams,
    };
    page_account_init(&account->pages, pools->pages);
}

void account_init_alone(struct account *account, struct page_pool *pages)
{
    *account = (struct account){.client = NULL};
    page_account_init(&account->pages, pages);
}

enum places_bound account_take_stream(struct account *account)
{
    return account->client != NULL ? places_take(&account->client->streams) : PLACES_FREE;
}

void account_give_stream(struct account *account)
{
    if (account->client != NULL)
        places_give(&account->client->streams);
}

enum places_bound account_take_flow(struct account *account)
{
    return account->client != NULL ? places_take(&account->client->flows) : PLACES_FREE;
}

void account_give_flow(struct account *account)
{
    if (account->client != NULL)
        places_give(&account->client->flows);
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
