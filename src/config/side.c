/* SPDX-License-Identifier: MIT */
#include "side.h"

static size_t count_keys(json_t *tree, const struct option *of, const struct option *not_of,
                         const char **first)
{
    size_t count = 0;
    const char *key;
    json_t *member;

    json_object_foreach(tree, key, member) {
        if (find_option(of, key) == NULL || find_option(not_of, key) != NULL)
            continue;
        if (count++ == 0 && first != NULL)
            *first = key;
    }
    return count;
}

bool config_is_of_relay(const char *text, size_t length)
{
    json_t *tree = json_loadb(text, length, 0, NULL);
    bool result = count_keys(tree, relay_root.members, local_root.members, NULL) >
                  count_keys(tree, local_root.members, relay_root.members, NULL);

    json_decref(tree);
    return result;
}

int check_side(struct reader *reader, const struct option *root, json_t *tree)
{
    bool local = root == &local_root;
    const struct option *members = root->members;
    const struct option *others = local ? relay_root.members : local_root.members;
    const char *side = local ? "local" : "relay", *other = local ? "relay" : "local";
    const char *mark = NULL;

    if (count_keys(tree, others, members, &mark) <= count_keys(tree, members, others, NULL))
        return OK;

    const struct place top = {.parent = NULL};
    struct place at = member_place(&top, tree, mark);

    return report(
        reader, &at, ERROR_INVALID,
        "found a key of the other side: this is the configuration of a %s; "
        "allowed: that of a %s (for this file: splitsocks check %s, splitsocks %s "
        "-c)",
        other, side, other, other);
}
