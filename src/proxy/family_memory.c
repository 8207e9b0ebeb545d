/* SPDX-License-Identifier: MIT */
#include <splitsocks/proxy/family_memory.h>

#include <splitsocks/base/backoff.h>

static bool avoided(const struct family_memory *memory)
{
    return memory->losses >= FAMILY_MEMORY_LOSSES;
}

enum address_family family_memory_avoid(struct family_memory *memory, uint64_t now)
{
    if (!avoided(memory))
        return ADDRESS_NONE;
    if (now < memory->retry_at_ns)
        return (enum address_family)memory->suspect;
    memory->retry_at_ns = now + memory->retry_after_ns;
    memory->trying = true;
    return ADDRESS_NONE;
}

void family_memory_won(struct family_memory *memory, enum address_family family)
{
    if (memory->suspect == family)
        *memory = (struct family_memory){.suspect = ADDRESS_NONE};
}

bool family_memory_overtaken(struct family_memory *memory, enum address_family family,
                             uint64_t now)
{
    bool before;

    if (memory->suspect != family)
        *memory = (struct family_memory){.suspect = (uint8_t)family};
    before = avoided(memory);
    if (before && !memory->trying)
        return false; /* a race that began earlier tells nothing new */
    memory->retry_after_ns =
        backoff_next_ns(before ? memory->retry_after_ns : 0, FAMILY_MEMORY_RETRY_NS,
                        FAMILY_MEMORY_RETRY_MAX_NS);
    memory->retry_at_ns = now + memory->retry_after_ns;
    memory->trying = false;
    if (before)
        return false;
    memory->losses++;
    return avoided(memory);
}
