/* SPDX-License-Identifier: MIT */
/* The one error enum. Functions that can fail return 0 or a negative value of it. */
#ifndef SPLITSOCKS_ERROR_H
#define SPLITSOCKS_ERROR_H

enum error {
    OK = 0,
    ERROR_MEMORY = -1,       /* an allocation failed */
    ERROR_INVALID = -2,      /* an argument or a configured value is out of range */
    ERROR_TRUNCATED = -3,    /* more input is needed to decide */
    ERROR_MALFORMED = -4,    /* the input breaks the format */
    ERROR_UNSUPPORTED = -5,  /* well-formed, but of a kind or version not spoken here */
    ERROR_AUTHENTICATION = -6, /* a tag or MAC does not match, or the key is unknown */
    ERROR_REPLAY = -7,       /* seen before: a repeated stamp or subflow number */
    ERROR_LIMIT = -8,        /* a bound would be exceeded */
    ERROR_PROTOCOL = -9,     /* an authenticated peer broke a rule of the protocol */
    ERROR_CLOSED = -10,      /* the object has ended */
    ERROR_CRYPTO = -11,      /* libcrypto refused an operation that must not fail */
    ERROR_SYSTEM = -12,      /* a system call failed; errno says how */
    ERROR_DENIED = -13,      /* a rule forbids it */
    ERROR_NOT_FOUND = -14,
    ERROR_PERMISSION = -15,  /* a file that must be secret is readable by others */
    ERROR_TIMEOUT = -16,
};

/* A short lower-case English phrase, static storage; never NULL. */
const char *error_string(enum error error);

#endif
