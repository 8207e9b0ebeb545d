/* SPDX-License-Identifier: MIT */
#include <splitsocks/base/error.h>

const char *error_string(enum error error)
{
    switch (error) {
    case OK: return "success";
    case ERROR_MEMORY: return "out of memory";
    case ERROR_INVALID: return "invalid value";
    case ERROR_TRUNCATED: return "incomplete input";
    case ERROR_MALFORMED: return "malformed input";
    case ERROR_UNSUPPORTED: return "not supported";
    case ERROR_AUTHENTICATION: return "authentication failed";
    case ERROR_REPLAY: return "replayed";
    case ERROR_LIMIT: return "limit reached";
    case ERROR_PROTOCOL: return "protocol violation";
    case ERROR_CLOSED: return "closed";
    case ERROR_CRYPTO: return "cryptographic library failure";
    case ERROR_SYSTEM: return "system error";
    case ERROR_DENIED: return "denied by rule";
    case ERROR_NOT_FOUND: return "not found";
    case ERROR_PERMISSION: return "file is accessible by others";
    case ERROR_TIMEOUT: return "timed out";
    }
    return "unknown error";
}
