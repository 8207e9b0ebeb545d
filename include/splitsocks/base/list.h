/* SPDX-License-Identifier: MIT */
/*
 * An intrusive doubly linked list: the node is embedded in the object, the list owns
 * nothing. A node that is in no list points to itself, so list_remove() is safe on it
 * and list_linked() tells.
 */
#ifndef SPLITSOCKS_LIST_H
#define SPLITSOCKS_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

#define container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

static inline void list_init(struct list *list)
{
    list->next = list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

static inline bool list_linked(const struct list *node)
{
    return node->next != node;
}

static inline void list_insert_before(struct list *position, struct list *node)
{
    node->prev = position->prev;
    node->next = position;
    position->prev->next = node;
    position->prev = node;
}

static inline void list_append(struct list *list, struct list *node)
{
    list_insert_before(list, node);
}

static inline void list_prepend(struct list *list, struct list *node)
{
    list_insert_before(list->next, node);
}

/* Appends all nodes of `from`, in their order, and leaves `from` empty. */
static inline void list_append_all(struct list *list, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = list->prev;
    list->prev->next = from->next;
    from->prev->next = list;
    list->prev = from->prev;
    list_init(from);
}

static inline void list_remove(struct list *node)
{
    node->next->prev = node->prev;
    node->prev->next = node->next;
    list_init(node);
}

#define list_entry(node, type, member) container_of(node, type, member)

/* The first object of the list, or NULL. */
#define list_first(head, type, member) \
    (list_empty(head) ? NULL : list_entry((head)->next, type, member))

/* Iterates; the current object may be removed, no other. */
#define list_foreach(head, node, after) \
    for (struct list *node = (head)->next, *after = node->next; node != (head); \
         node = after, after = node->next)

/* Iterates over a list that may not be changed. */
#define list_foreach_const(head, node) \
    for (const struct list *node = (head)->next; node != (head); node = node->next)

#endif
