/* SPDX-License-Identifier: MIT */
#include "accounts.h"

#include <stdlib.h>
#include <string.h>

void accounts_init(struct accounts *accounts, struct page_pool *pages)
{
    *accounts = (struct accounts){.pages = pages};
}

void accounts_deinit(struct accounts *accounts)
{
    for (size_t i = 0; i < accounts->count; i++)
        free(accounts->items[i]);
    free(accounts->items);
    *accounts = (struct accounts){0};
}

static bool grow(struct accounts *accounts, size_t count)
{
    struct account **items = realloc(accounts->items, count * sizeof(struct account *));

    if (items == NULL)
        return false;
    memset(items + accounts->count, 0,
           (count - accounts->count) * sizeof(struct account *));
    accounts->items = items;
    accounts->count = count;
    return true;
}

struct account *accounts_of(struct accounts *accounts, unsigned client,
                            struct client_account *common)
{
    struct account *account;

    if (client >= accounts->count && !grow(accounts, (size_t)client + 1))
        return NULL;
    if (accounts->items[client] != NULL)
        return accounts->items[client];
    account = malloc(sizeof(*account));
    if (account != NULL)
        account_init(account, accounts->pages, common);
    accounts->items[client] = account;
    return account;
}

const struct account *accounts_get(const struct accounts *accounts, unsigned client)
{
    return client < accounts->count ? accounts->items[client] : NULL;
}
