/* SPDX-License-Identifier: MIT */
/*
 * The bytes of one direction of one stream, addressed by stream offset: everything from
 * the lowest offset that is still needed to the newest byte, in fixed pages from a shared
 * pool. Bytes may arrive in any order, and pages between may be absent. The caller knows
 * which bytes of a page hold data (struct ranges).
 *
 * Empty storage has no heap, so that an idle stream costs only the struct.
 */
#ifndef SPLITSOCKS_PAGES_H
#define SPLITSOCKS_PAGES_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/base/share.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Bytes in a page: one chunk of the largest size touches two pages at most. */
#define PAGE_SIZE 16384

/* A struct pages spans at most this many pages from its lowest to its highest, holes
 * counted: 1 GiB, far above any stream's credit. It bounds the index that one stray offset
 * can ask for. */
#define PAGES_SPAN_MAX 65536

/* Under AddressSanitizer a released page goes back to the allocator at once, so that a use
 * after release is found. Defining this macro has the same effect anywhere. */
#if !defined(PAGES_NO_RECYCLE) && defined(__SANITIZE_ADDRESS__)
#define PAGES_NO_RECYCLE
#endif
#if !defined(PAGES_NO_RECYCLE) && defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PAGES_NO_RECYCLE
#endif
#endif

/* The pages of one thread: keeps a few unused ones for reuse. */
struct page_pool {
    void *unused;        /* owned: spare pages, each linking to the next */
    size_t unused_count; /* at most max_unused */
    size_t max_unused;
    size_t used; /* pages that are held by some struct pages */
    struct places bound; /* for accounts without places of their own */
};

/* The pages that one user of a pool has in use. */
struct page_account {
    struct page_pool *pool; /* borrowed; outlives this */
    struct share share;     /* in pages */
};

/* `max_used` and `max_unused` are numbers of pages. */
void page_pool_init(struct page_pool *pool, size_t max_used, size_t max_unused);
/* Every struct pages of this pool must have been released before. */
void page_pool_deinit(struct page_pool *pool);
/* Gives spare pages back to the allocator until at most `keep` are left. */
void page_pool_trim(struct page_pool *pool, size_t keep);

/* `places` are borrowed and outlive this; NULL: the pool's own bound holds. */
void page_account_init(struct page_account *account, struct page_pool *pool,
                       struct places *places);

struct pages {
    struct page_account *account; /* borrowed; outlives this */
    uint8_t **slots;        /* owned ring of pages, NULL where absent; NULL while empty */
    uint64_t first;         /* number (offset / PAGE_SIZE) of the page at `head` */
    uint32_t head;          /* index into slots */
    uint32_t capacity;      /* slots allocated: 0 or a power of two */
    uint32_t span;          /* slots from head on that may hold a page; others are NULL */
    uint32_t used;          /* pages present */
};

void pages_init(struct pages *pages, struct page_account *account);
void pages_deinit(struct pages *pages);
/* Moves all pages of `from`, which is empty afterwards, to `to`, which must be empty. The
 * accounts may differ, but must share a pool. No bound is checked. */
void pages_move(struct pages *to, struct pages *from);

/* Copies [data, data + length) to `offset`, taking the pages that are absent. Returns OK;
 * ERROR_LIMIT, with nothing taken, when a bound of the pool or PAGES_SPAN_MAX would be
 * exceeded; or ERROR_MEMORY, when pages may have been taken but no byte was changed. */
int pages_write(struct pages *pages, uint64_t offset, const void *data,
                size_t length) MUST_CHECK;

/* Takes the absent pages of [offset, offset + length) and describes that memory, in order,
 * so that a socket can be read into it. Returns how many elements of `vector` were filled:
 * fewer than needed, even 0, when `max` or a bound of the pool is met or memory is out.
 * Give pages that get no data back with pages_release_from(). */
size_t pages_reserve(struct pages *pages, uint64_t offset, size_t length,
                     struct iovec *vector, size_t max) MUST_CHECK;

/* Describes the bytes of [offset, offset + length) for reading; ends at the first absent
 * page. Valid until the next change to these pages. Returns the elements filled. */
size_t pages_view(const struct pages *pages, uint64_t offset, size_t length,
                  struct iovec *vector, size_t max);

/* Gives back every page that lies wholly below `offset`. */
void pages_release_before(struct pages *pages, uint64_t offset);
/* Gives back every page that lies wholly at or above `offset`. */
void pages_release_from(struct pages *pages, uint64_t offset);
void pages_release_all(struct pages *pages);

/* Pages present. */
static inline size_t pages_used(const struct pages *pages)
{
    return pages->used;
}

#endif
