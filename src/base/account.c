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
        .flows.most = SHARE_UNLIMITED,
        .datagrams.most = SHARE_UNLIMITED,
    };
}

void account_init(struct account *account, struct account_pools *pools)
{
    *account = (struct account){
        .pools = pools,
        .records.pool = &pools->records,
        .subflows.pool = &pools->subflows,
        .destinations.pool = &pools->destinations,
        .names.pool = &pools->names,
        .flows.pool = &pools->flows,
        .datagrams.pool = &pools->datagrams,
    };
    page_account_init(&account->pages, pools->pages);
}

void account_init_alone(struct account *account, struct page_pool *pages)
{
    *account = (struct account){.pools = NULL};
    page_account_init(&account->pages, pages);
}

/* The generic cell rate algorithm (ITU-T I.371): dials are due in equal distances, and may
 * come earlier by the burst. */
uint64_t account_dial_wait(const struct account *account, uint64_t now)
{
    const struct account_pools *pools = account->pools;
    uint64_t early_ns;

    if (pools == NULL || pools->dials_per_second == 0)
        return 0;
    early_ns = NS_PER_S / pools->dials_per_second * pools->dials_burst;
    return account->dial_due_at_ns - MIN(account->dial_due_at_ns, now + early_ns);
}

uint64_t account_dial_at(struct account *account, uint64_t now)
{
    uint64_t wait_ns = account_dial_wait(account, now);

    if (account->pools != NULL && account->pools->dials_per_second != 0)
        account->dial_due_at_ns =
            MAX(account->dial_due_at_ns, now) + NS_PER_S / account->pools->dials_per_second;
    return now + wait_ns;
}
