/* Scenarios written by hand, with ceilings in virtual time. */
#ifndef TEST_SIM_DIRECTED_H
#define TEST_SIM_DIRECTED_H

#include <stdbool.h>
#include <stddef.h>

struct directed {
    const char *name;
    /* Says in `verdict` what was measured. */
    bool (*run)(bool trace, char *verdict, size_t size);
};

extern const struct directed directed[];
extern const size_t directed_count;

#endif
