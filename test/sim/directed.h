/* SPDX-License-Identifier: MIT */
/* Scenarios written by hand, with ceilings in virtual time. */
#ifndef TEST_SIM_DIRECTED_H
#define TEST_SIM_DIRECTED_H

#include <stdbool.h>
#include <stddef.h>

size_t directed_count(void);

const char *directed_name(size_t index);
/* True when it kept its ceilings; `verdict` has the measured values. */
bool directed_run(size_t index, bool trace, char *verdict, size_t size);

#endif
