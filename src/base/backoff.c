/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/backoff.h>

#include <splitsocks/base/attributes.h>

uint64_t backoff_ns(uint64_t first_ns, unsigned doublings, uint64_t longest_ns)
{
    /* Not by a shift alone: it would overflow after many failures. */
    if (doublings >= 64 || first_ns > longest_ns >> doublings)
        return longest_ns;
    return first_ns << doublings;
}

uint64_t backoff_next_ns(uint64_t before_ns, uint64_t first_ns, uint64_t longest_ns)
{
    return before_ns == 0
               ? MIN(first_ns, longest_ns)
               : MAX(backoff_ns(before_ns, 1, longest_ns), MIN(first_ns, longest_ns));
}
