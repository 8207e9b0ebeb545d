/* SPDX-License-Identifier: MIT */
/*
 * Both configurations, from the same text: one that is accepted keeps the promises of the
 * header, and one that is refused is explained in one printable line.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <splitsocks/config/config_local.h>
#include <splitsocks/config/config_relay.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ports(const struct config_ports *ports)
{
    assert(ports->count > 0);
    for (size_t i = 0; i < ports->count; i++)
        assert(ports->items[i] > 0);
}

static void check_error(int code, const struct config_error *error)
{
    assert(error->count > 0 && error->count <= CONFIG_PROBLEMS_MAX);
    assert(error->left_out == 0 || error->count == CONFIG_PROBLEMS_MAX);
    assert(code < 0 && code == (int)error->problems[0].code);
    for (size_t i = 0; i < error->count; i++) {
        const struct config_problem *problem = &error->problems[i];
        size_t length = strnlen(problem->text, sizeof(problem->text));

        assert(length > 0 && length < sizeof(problem->text));
        assert(i == 0 || problem[-1].line <= problem->line);
        for (size_t j = 0; j < length; j++)
            assert((unsigned char)problem->text[j] >= 0x20 && problem->text[j] != 0x7f);
    }
}

static void check_policy(const struct config_local *config,
                         const struct config_policy *policy)
{
    assert((policy->paths != 0) == (policy->path_names.count != 0));
    assert(policy->paths >> config->paths.count == 0);
    assert(policy->copies != 1);
    assert(policy->copies <= CONFIG_PATHS_MAX || policy->copies == CONFIG_COPIES_ALL);
}

static void check_rule(const struct config_local *config, const struct config_rule *rule)
{
    check_policy(config, &rule->policy);
    if (rule->action != CONFIG_ACTION_PROXY)
        assert(rule->policy.mode == CONFIG_MODE_UNSET && rule->policy.paths == 0 &&
               rule->policy.copies == CONFIG_COPIES_UNSET);
    for (size_t i = 0; i < rule->ports.count; i++)
        assert(rule->ports.items[i].first > 0 &&
               rule->ports.items[i].first <= rule->ports.items[i].last);
    assert((rule->listeners != 0) == (rule->listener_names.count != 0));
    for (size_t i = config->listen.count; i < CONFIG_LISTENERS_MAX; i++)
        assert((rule->listeners >> i & 1) == 0);
}

static void check_budget(const struct config_budget_range *range)
{
    assert(range->least >= CONFIG_BUDGET_MINIMUM && range->least <= range->most);
    assert(range->most != CONFIG_UNLIMITED || range->least == range->most);
}

static void check_local(const struct config_local *config)
{
    const struct config_pool *pool = &config->pool;

    assert(config->relay.hosts.count > 0 && config->private_key_file != NULL);
    assert(config->relay.hosts.count * MAX(config->paths.count, (size_t)1) <=
           CONFIG_PATHS_MAX);
    check_ports(&config->relay.ports);
    assert(config->listen.count > 0);
    assert(pool->size > 0 && pool->idle <= pool->size && pool->size <= pool->burst);
    assert(pool->dials_per_second >= 0);
    assert(config->chunk_size >= 64 && config->chunk_size <= 16384);
    check_budget(&config->budget.up);
    check_budget(&config->budget.down);
    for (size_t i = 0; i < config->paths.count; i++)
        assert(config->paths.items[i].interface != NULL ||
               config->paths.items[i].source.family != ADDRESS_NONE);
    for (size_t i = 0; i < config->listen.count; i++) {
        const struct config_listener *listener = &config->listen.items[i];

        assert((listener->to.host != NULL) ==
               (listener->protocol == CONFIG_PROTOCOL_FORWARD));
        check_policy(config, &listener->policy);
    }
    for (size_t i = 0; i < config->rules.count; i++)
        check_rule(config, &config->rules.items[i]);
    assert(config->policy.mode != CONFIG_MODE_UNSET &&
           config->policy.copies != CONFIG_COPIES_UNSET);
}

static void check_relay(const struct config_relay *config)
{
    assert(config->private_key_file != NULL && config->listen.count > 0);
    for (size_t i = 0; i < config->listen.count; i++)
        check_ports(&config->listen.items[i].ports);
    for (size_t i = 0; i < config->clients.count; i++)
        assert(config->clients.items[i].name[0] != '\0');
    assert(config->workers >= 1 && config->workers <= 64);
    assert(config->server_id >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct config_error error = {0};
    struct config_local *local;
    struct config_relay *relay;
    int code = config_local_parse(text, size, "local.json", &local, &error);

    assert((code == OK) == (local != NULL));
    if (code == OK)
        check_local(local);
    else
        check_error(code, &error);
    config_local_free(local);

    memset(&error, 0, sizeof(error));
    code = config_relay_parse(text, size, "relay.json", &relay, &error);
    assert((code == OK) == (relay != NULL));
    if (code == OK)
        check_relay(relay);
    else
        check_error(code, &error);
    config_relay_free(relay);
    return 0;
}
