#include "directed.h"

#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool judge(const struct sim_scenario *scenario, bool trace, uint64_t ceiling_ms,
                  struct sim_report *report, char *verdict, size_t size)
{
    bool good = sim_run(scenario, trace, report);

    if (!good)
        snprintf(verdict, size, "%s", report->failure);
    else
        snprintf(verdict, size, "%" PRIu64 " ms, ceiling %" PRIu64,
                 report->virtual_ns / NS_PER_MS, ceiling_ms);
    return good && report->virtual_ns <= ceiling_ms * NS_PER_MS;
}

static bool bulk(bool trace, char *verdict, size_t size)
{
    struct sim_scenario scenario;
    struct sim_report report;

    sim_scenario_init(&scenario, "bulk", 1);
    sim_scenario_stream(&scenario, 0, 20000000);
    return judge(&scenario, trace, 2000, &report, verdict, size);
}

const struct directed directed[] = {
    {"bulk", bulk},
};

const size_t directed_count = ARRAY_LENGTH(directed);
