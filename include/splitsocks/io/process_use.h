/* SPDX-License-Identifier: MIT */
/* How much of the machine this process uses. */
#ifndef SPLITSOCKS_PROCESS_USE_H
#define SPLITSOCKS_PROCESS_USE_H

#include <stdint.h>

/* Memory that is in use now; 0: unknown. */
uint64_t process_resident_bytes(void);
/* Time that the calling thread has spent on a processor. */
uint64_t process_thread_cpu_ns(void);

#endif
