/* SPDX-License-Identifier: MIT */
/* Memory that lives as long as one configuration and is wiped and freed in one go. */
#ifndef CONFIG_MEMORY_H
#define CONFIG_MEMORY_H

#include <splitsocks/base/attributes.h>
#include <stddef.h>

struct config_memory;

/* NULL when memory is out. */
struct config_memory *memory_new(void) MUST_CHECK;
/* Overwrites every byte first, since passwords may be among them. NULL is allowed. */
void memory_free(struct config_memory *memory);

/* `size` zeroed bytes, aligned for anything; NULL when memory is out. */
void *memory_take(struct config_memory *memory, size_t size) MUST_CHECK;
/* `count` zeroed elements; NULL when memory is out or the product does not fit. */
void *memory_take_array(struct config_memory *memory, size_t count,
                        size_t element_size) MUST_CHECK;
/* A copy of `text`; NULL when memory is out. */
char *memory_take_string(struct config_memory *memory, const char *text) MUST_CHECK;

#endif
