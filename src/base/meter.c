/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/meter.h>

static uint64_t slot_of(uint64_t now)
{
    return now / METER_SLOT_NS;
}

void meter_add(struct meter *meter, uint64_t bytes, uint64_t now)
{
    uint64_t slot = slot_of(now);

    for (unsigned i = 0; meter->slot < slot && i < METER_SLOTS; i++)
        meter->bytes[++meter->slot % METER_SLOTS] = 0;
    meter->slot = MAX(meter->slot, slot);
    meter->bytes[meter->slot % METER_SLOTS] += bytes;
}

uint64_t meter_bytes_per_second(const struct meter *meter, uint64_t now)
{
    uint64_t newest = slot_of(now);
    uint64_t began_at_ns = now, total = 0, elapsed_ns;

    for (uint64_t age = 0; age < METER_SLOTS && age <= newest; age++) {
        uint64_t slot = newest - age;
        uint64_t bytes = slot > meter->slot ? 0 : meter->bytes[slot % METER_SLOTS];

        if (bytes == 0)
            continue;
        total += bytes;
        began_at_ns = slot * METER_SLOT_NS;
    }
    elapsed_ns = MAX(now - began_at_ns, METER_SLOT_NS);
    return (uint64_t)((double)total * (double)NS_PER_S / (double)elapsed_ns);
}
