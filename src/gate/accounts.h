/* SPDX-License-Identifier: MIT */
/* The accounts of a worker's clients, by index. */
#ifndef GATE_ACCOUNTS_H
#define GATE_ACCOUNTS_H

#include <splitsocks/base/account.h>
#include <splitsocks/base/attributes.h>

struct accounts {
    struct page_pool *pages;     /* borrowed */
    struct account **items;      /* owned; NULL where a client has had no session yet */
    size_t count;
};

void accounts_init(struct accounts *accounts, struct page_pool *pages);
/* Call when no session is left. */
void accounts_deinit(struct accounts *accounts);

/* The client's account, which stays where it is; NULL when memory is out. `common` is what
 * the client's sessions in all workers share, or NULL. */
struct account *accounts_of(struct accounts *accounts, unsigned client,
                            struct client_account *common) MUST_CHECK;
/* The same, but NULL where the client has had no session yet. */
const struct account *accounts_get(const struct accounts *accounts, unsigned client);

#endif
