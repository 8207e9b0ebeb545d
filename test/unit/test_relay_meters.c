/* SPDX-License-Identifier: MIT */
/* The clients whose old flows are to end in some worker. */
#include "unit.h"

#include "../../src/relay/relay_internal.h"

#define CLIENTS 1000

static struct relay relay;
static struct relay_worker workers[2];
static struct relay_meter meters[CLIENTS];

static int begin(void **state)
{
    (void)state;
    pthread_mutex_init(&relay.lock, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(workers); i++) {
        workers[i].relay = &relay;
        list_init(&workers[i].owing);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        list_init(&meters[i].owing);
    return 0;
}

static int end(void **state)
{
    (void)state;
    return pthread_mutex_destroy(&relay.lock);
}

/* However many clients there are, and however often one of them asks. */
static void test_a_worker_looks_at_clients_that_owe_alone(void **state)
{
    (void)state;
    assert_null(relay_meter_take_owing(&workers[0]));
    for (int i = 0; i < 10; i++)
        relay_meter_owes(&meters[700], &workers[0]);
    relay_meter_owes(&meters[3], &workers[0]);
    assert_ptr_equal(relay_meter_take_owing(&workers[0]), &meters[700]);
    assert_ptr_equal(relay_meter_take_owing(&workers[0]), &meters[3]);
    assert_null(relay_meter_take_owing(&workers[0]));
    assert_null(relay_meter_take_owing(&workers[1]));
}

static void test_a_client_waits_for_one_worker(void **state)
{
    (void)state;
    relay_meter_owes(&meters[1], &workers[0]);
    relay_meter_owes(&meters[1], &workers[1]);
    assert_null(relay_meter_take_owing(&workers[1]));
    assert_ptr_equal(relay_meter_take_owing(&workers[0]), &meters[1]);
    relay_meter_owes(&meters[1], &workers[1]);
    assert_null(relay_meter_take_owing(&workers[0]));
    assert_ptr_equal(relay_meter_take_owing(&workers[1]), &meters[1]);
}

#define WITH_CLIENTS(test) cmocka_unit_test_setup_teardown(test, begin, end)

UNIT_MAIN(WITH_CLIENTS(test_a_worker_looks_at_clients_that_owe_alone),
          WITH_CLIENTS(test_a_client_waits_for_one_worker))
