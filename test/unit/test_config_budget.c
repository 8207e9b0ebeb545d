/* SPDX-License-Identifier: MIT */
/* The key "budget" of local.json. */
#include "config_local_parse.h"

#define NONE CONFIG_UNLIMITED

/* Each way to write a budget, for one direction and for both. */
static void test_forms_of_a_budget(void **state)
{
    static const struct {
        const char *text;
        struct config_budget_range up, down;
    } examples[] = {
        {WITH(AND("\"budget\": \"auto\"")), {NONE, NONE}, {NONE, NONE}},
        {WITH(AND("\"budget\": null")), {NONE, NONE}, {NONE, NONE}},
        {WITH(AND("\"budget\": {}")), {NONE, NONE}, {NONE, NONE}},
        {WITH(AND("\"budget\": 9500")), {9500, 9500}, {9500, 9500}},
        {WITH(AND("\"budget\": \"1MiB\"")), {1 << 20, 1 << 20}, {1 << 20, 1 << 20}},
        {WITH(AND("\"budget\": \"12000-14000\"")), {12000, 14000}, {12000, 14000}},
        {WITH(AND("\"budget\": { \"up\": 1000 }")), {1000, 1000}, {NONE, NONE}},
        {WITH(AND("\"budget\": { \"down\": \"64KiB\", \"up\": \"auto\" }")),
         {NONE, NONE},
         {65536, 65536}},
        {WITH(AND("\"budget\": { \"up\": \"256-1kB\", \"down\": null }")),
         {256, 1000},
         {NONE, NONE}},
        {WITH(AND("\"budget\": { \"up\": \"1kB-1KiB\", \"down\": \"500-500\" }")),
         {1000, 1024},
         {500, 500}},
        {WITH(AND("\"budget\": \"256-1024GiB\"")),
         {256, UINT64_C(1) << 40},
         {256, UINT64_C(1) << 40}},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LENGTH(examples); i++) {
        struct config_local *config = parse(examples[i].text);

        assert_memory_equal(&config->budget.up, &examples[i].up, sizeof(examples[i].up));
        assert_memory_equal(&config->budget.down, &examples[i].down,
                            sizeof(examples[i].down));
        config_local_free(config);
    }
}

#define BUDGET(members) WITH(AND("\"budget\": { " members " }"))
#define BUDGET_BYTES \
    "256 to 1099511627776 bytes, as a number, a text such as \"64KiB\" or a range such " \
    "as \"12000-14000\"; or \"auto\", or null"
#define BOTH_BUDGETS "an object with up and down, or for both " BUDGET_BYTES

static const struct refusal wrong_budgets[] = {
    {BUDGET("\"up\": 255"), FOUND("budget.up", "255", BUDGET_BYTES)},
    {BUDGET("\"down\": \"0.1KiB\""), FOUND("budget.down", "\"0.1KiB\"", BUDGET_BYTES)},
    {BUDGET("\"down\": \"64kib\""), FOUND("budget.down", "\"64kib\"", BUDGET_BYTES)},
    {BUDGET("\"down\": \"99999999999999999999\""),
     FOUND("budget.down", "\"99999999999999999999\"", BUDGET_BYTES)},
    {BUDGET("\"up\": 1e6"), FOUND("budget.up", "1000000", BUDGET_BYTES)},
    {BUDGET("\"up\": -1000"), FOUND("budget.up", "-1000", BUDGET_BYTES)},
    {BUDGET("\"up\": true"), FOUND("budget.up", "true", BUDGET_BYTES)},
    {BUDGET("\"up\": \"Auto\""), FOUND("budget.up", "\"Auto\"", BUDGET_BYTES)},
    {BUDGET("\"down\": \"-14000\""), FOUND("budget.down", "\"-14000\"", BUDGET_BYTES)},
    {BUDGET("\"down\": \"12000-\""), FOUND("budget.down", "\"12000-\"", BUDGET_BYTES)},
    {BUDGET("\"down\": \"12-14kB\""), FOUND("budget.down", "\"12-14kB\"", BUDGET_BYTES)},
    {BUDGET("\"down\": \"1kB-1025GiB\""),
     FOUND("budget.down", "\"1kB-1025GiB\"", BUDGET_BYTES)},
    {BUDGET("\"down\": \"1000-2000-3000\""),
     FOUND("budget.down", "\"1000-2000-3000\"", BUDGET_BYTES)},
    {BUDGET("\"down\": \"0000000000000000000000000000012000-14000\""),
     FOUND("budget.down", "\"0000000000000000000000000000012000-14000\"", BUDGET_BYTES)},
    {BUDGET("\"down\": \"14000-12000\""),
     FOUND("budget.down", "\"14000-12000\", whose first size is more than its second",
           "a range from less to more, such as \"12000-14000\"")},
    {WITH(AND("\"budget\": 255")), FOUND("budget", "255", BOTH_BUDGETS)},
    {WITH(AND("\"budget\": []")), FOUND("budget", "a list", BOTH_BUDGETS)},
    {WITH(AND("\"budget\": \"manual\"")), FOUND("budget", "\"manual\"", BOTH_BUDGETS)},
};

static void test_budgets_are_checked(void **state)
{
    (void)state;

    expect_refusals(wrong_budgets, ARRAY_LENGTH(wrong_budgets), ERROR_INVALID);
}

UNIT_MAIN(cmocka_unit_test(test_forms_of_a_budget),
          cmocka_unit_test(test_budgets_are_checked))
