/* SPDX-License-Identifier: MIT */
/* Shared by the tests of the two configurations. */
#ifndef TEST_UNIT_CONFIG_PARSE_H
#define TEST_UNIT_CONFIG_PARSE_H

/* Two valid public keys: 32 bytes of 0x01, and of 0x02. */
#define KEY_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="

/* A text that must be refused with exactly this message. */
struct refusal {
    const char *text;
    const char *message;
};

#endif
