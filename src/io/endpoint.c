#include <splitsocks/endpoint.h>

#include <splitsocks/clock.h>
#include <splitsocks/log.h>

#include <string.h>

void endpoint_init(struct endpoint *endpoint, struct resolver *resolver, const char *host,
                   void (*resolved)(struct endpoint *endpoint, void *context),
                   void *context)
{
    *endpoint = (struct endpoint){
        .resolver = resolver,
        .host = host,
        .resolved = resolved,
        .context = context,
    };
}

void endpoint_deinit(struct endpoint *endpoint)
{
    if (endpoint->query != NULL)
        resolver_cancel(endpoint->query);
    endpoint->query = NULL;
}

static bool same_addresses(const struct endpoint *endpoint, const struct address *addresses,
                           size_t count)
{
    if (endpoint->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!address_equal(&endpoint->addresses[i], &addresses[i]))
            return false;
    return true;
}

static void on_resolved(void *context, int error, const struct address *addresses,
                        size_t count)
{
    static struct log_limit limit;
    struct endpoint *endpoint = context;

    endpoint->query = NULL;
    endpoint->error = error;
    if (error != OK) {
        /* What was known before may still be right. */
        log_write_limited(&limit, clock_now(), LOG_WARNING,
                          "cannot resolve the relay's name %s: %s", endpoint->host,
                          error_string((enum error)error));
    } else if (!same_addresses(endpoint, addresses, count)) {
        memcpy(endpoint->addresses, addresses, count * sizeof(*addresses));
        endpoint->count = count;
        memset(endpoint->choice, 0, sizeof(endpoint->choice));
    }
    endpoint->resolved(endpoint, endpoint->context);
}

static void ask(struct endpoint *endpoint)
{
    if (endpoint->query != NULL)
        return;
    endpoint->asked = clock_now();
    if (resolver_query(endpoint->resolver, endpoint->host, on_resolved, endpoint,
                       &endpoint->query) != OK)
        endpoint->query = NULL;
}

/* The path's choice, or the next behind it that will do. */
const struct address *endpoint_address(struct endpoint *endpoint, unsigned path,
                                       uint8_t families)
{
    for (size_t i = 0; i < endpoint->count; i++) {
        size_t index = (endpoint->choice[path] + i) % endpoint->count;

        if (families & FAMILY_BIT(endpoint->addresses[index].family)) {
            endpoint->choice[path] = (uint8_t)index;
            return &endpoint->addresses[index];
        }
    }
    if (endpoint->count == 0)
        ask(endpoint);
    return NULL;
}

void endpoint_failed(struct endpoint *endpoint, unsigned path,
                     const struct address *address)
{
    struct address *current = &endpoint->addresses[endpoint->choice[path]];
    struct address without_port = *address;

    /* Several dials to one address often fail together: that counts once. */
    without_port.port = 0;
    if (endpoint->count > 1 && address_equal(current, &without_port))
        endpoint->choice[path] = (uint8_t)((endpoint->choice[path] + 1u) % endpoint->count);
    if (clock_now() - endpoint->asked >= ENDPOINT_REFRESH_NS)
        ask(endpoint);
}
