/* SPDX-License-Identifier: MIT */
#include "meter.h"

static size_t bin_of(uint64_t at_ns)
{
    return (size_t)MIN(at_ns / SIM_METER_BIN_NS, (uint64_t)SIM_METER_BINS);
}

void sim_meter_add(struct sim_meter *meter, uint64_t at_ns, uint64_t bytes)
{
    size_t bin = bin_of(at_ns);

    if (bin < SIM_METER_BINS)
        meter->bytes[bin] += (uint32_t)bytes;
}

uint64_t sim_meter_rate(const struct sim_meter *meter, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t bytes = 0;

    for (size_t bin = bin_of(from_ns); bin < bin_of(to_ns); bin++)
        bytes += meter->bytes[bin];
    return bytes * NS_PER_S / MAX(to_ns - from_ns, 1);
}

uint64_t sim_meter_pause_ns(const struct sim_meter *meter, uint64_t from_ns, uint64_t to_ns)
{
    size_t first = 0, empty = 0, most = 0;

    while (first < bin_of(to_ns) && meter->bytes[first] == 0)
        first++;
    if (first == bin_of(to_ns))
        return to_ns - from_ns;
    for (size_t bin = MAX(bin_of(from_ns), first); bin < bin_of(to_ns); bin++) {
        empty = meter->bytes[bin] == 0 ? empty + 1 : 0;
        most = MAX(most, empty);
    }
    return most * SIM_METER_BIN_NS;
}
