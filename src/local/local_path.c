/* SPDX-License-Identifier: MIT */
#include <splitsocks/local/local_path.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* FNV-1a. */
#define HASH_BASIS UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

static void mix(uint64_t *hash, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < length; i++)
        *hash = (*hash ^ at[i]) * HASH_PRIME;
}

static void mix_interface(uint64_t *hash, const struct interface_table *table,
                          const struct interface *interface)
{
    const uint8_t state[] = {interface->up, interface->running, interface->default_routes};

    mix(hash, &interface->index, sizeof(interface->index));
    mix(hash, state, sizeof(state));
    for (size_t i = 0; i < table->address_count; i++) {
        const struct interface_address *item = &table->addresses[i];

        if (item->index != interface->index)
            continue;
        mix(hash, item->address.bytes, sizeof(item->address.bytes));
        mix(hash, &item->tentative, sizeof(item->tentative));
    }
}

PRINTF_LIKE(2, 3)
static void refuse(struct local_path_view *view, const char *format, ...)
{
    va_list arguments;

    view->usable = false;
    view->families = 0;
    va_start(arguments, format);
    vsnprintf(view->why, sizeof(view->why), format, arguments);
    va_end(arguments);
}

/* The families that a path with this source, or without one, can have at all. */
static uint8_t families_of(const struct address *source)
{
    return source->family == ADDRESS_NONE ? FAMILIES_ALL : FAMILY_BIT(source->family);
}

void local_path_assume(const struct local_path *path, struct local_path_view *view)
{
    *view =
        (struct local_path_view){.usable = true, .families = families_of(&path->source)};
}

static void look_at_link(const struct interface_table *table,
                         const struct interface *interface, struct local_path_view *view)
{
    view->index = interface->index;
    mix_interface(&view->signature, table, interface);
    if (!interface->up)
        refuse(view, "interface %s: down", interface->name);
    else if (!interface->running)
        refuse(view, "interface %s: no carrier", interface->name);
}

/* Finds the families of the addresses that the kernel may choose as source. */
static void look_at_addresses(const struct local_path *path,
                              const struct interface_table *table,
                              const struct interface *interface,
                              struct local_path_view *view)
{
    view->families &= interface_table_families(table, interface->index);
    if (view->families == 0) {
        refuse(view, "interface %s: no address", interface->name);
        return;
    }
    if (path->routed)
        view->families &= interface->default_routes;
    if (view->families == 0)
        refuse(view, "interface %s: no default route", interface->name);
}

static void look_at_interface(const struct local_path *path,
                              const struct interface_table *table,
                              struct local_path_view *view)
{
    const struct interface *interface = interface_table_find(table, path->interface);

    if (interface == NULL) {
        view->missing = true;
        refuse(view, "there is no interface %s", path->interface);
        return;
    }
    look_at_link(table, interface, view);
    if (view->usable && path->source.family == ADDRESS_NONE)
        look_at_addresses(path, table, interface, view);
}

/* The source need not be an address of the path's interface: the kernel sends from any
 * address of this machine. */
static void look_at_source(const struct local_path *path,
                           const struct interface_table *table,
                           bool (*owned)(const struct address *address),
                           struct local_path_view *view)
{
    const struct interface *owner = interface_table_owner(table, &path->source);
    char text[ADDRESS_TEXT_SIZE];

    if (owner == NULL && !owned(&path->source))
        refuse(view, "this machine does not have the address %s",
               address_format(&path->source, text));
    else if (owner != NULL && path->interface[0] == '\0')
        look_at_link(table, owner, view);
}

/* Without an interface and a source, all families with a default route may be used. */
static void look_at_routes(const struct interface_table *table,
                           struct local_path_view *view)
{
    for (size_t i = 0; i < table->interface_count; i++)
        if (table->interfaces[i].default_routes != 0)
            mix_interface(&view->signature, table, &table->interfaces[i]);
}

void local_path_look(const struct local_path *path, const struct interface_table *table,
                     bool (*owned)(const struct address *address),
                     struct local_path_view *view)
{
    local_path_assume(path, view);
    view->signature = HASH_BASIS;
    if (path->interface[0] != '\0')
        look_at_interface(path, table, view);
    if (path->source.family != ADDRESS_NONE && view->usable)
        look_at_source(path, table, owned, view);
    else if (path->interface[0] == '\0')
        look_at_routes(table, view);
}
