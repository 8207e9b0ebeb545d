/* SPDX-License-Identifier: MIT */
/* Bytes by their time of arrival, in bins: rates and pauses of any window of a run. */
#ifndef TEST_SIM_METER_H
#define TEST_SIM_METER_H

#include <splitsocks/base/attributes.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_METER_BIN_NS (10 * NS_PER_MS)
#define SIM_METER_BINS 6000 /* a minute; what arrives later is not measured */

struct sim_meter {
    uint32_t bytes[SIM_METER_BINS];
};

/* Times are since the beginning of the run. */
void sim_meter_add(struct sim_meter *meter, uint64_t at_ns, uint64_t bytes);
/* Bytes per second, on average. */
uint64_t sim_meter_rate(const struct sim_meter *meter, uint64_t from_ns, uint64_t to_ns);
/* The longest time without a byte within the window, but not before the run's first byte.
 */
uint64_t sim_meter_pause_ns(const struct sim_meter *meter, uint64_t from_ns,
                            uint64_t to_ns);

#endif
