/* SPDX-License-Identifier: MIT */
/* Translates the configuration's settings of streams into those of the engine. */
#ifndef IO_LOCAL_RULES_H
#define IO_LOCAL_RULES_H

#include <splitsocks/base/attributes.h>
#include <splitsocks/config/config_local.h>
#include <splitsocks/local/datagram_client.h>
#include <splitsocks/proxy/rules.h>

/* Borrows from the configuration. NULL when memory is out. */
struct rules *local_rules_new(const struct config_local *config) MUST_CHECK;

/* The policy for streams of a listener (NULL: of none) where no rule sets one. */
struct stream_policy local_listener_policy(const struct config_local *config,
                                           const struct config_listener *listener);

/* The terms for datagrams of listener `index`. */
struct datagram_terms local_datagram_terms(const struct config_local *config,
                                           const struct config_listener *listener,
                                           uint32_t index);

#endif
