# SPDX-License-Identifier: MIT
# Samples by use, local's and relay's; splitsocks.conf(5) explains each, and a test checks them.
SAMPLES = \
	config/local.json \
	config/local-bonding.json \
	config/local-bulk.json \
	config/local-tight.json \
	config/local-udp.json \
	config/relay.json \
	config/relay-bulk.json \
	config/relay-guests.json \
	config/relay-tight.json
examplesdir = $(docdir)/examples
dist_examples_DATA = $(SAMPLES)
