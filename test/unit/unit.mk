# SPDX-License-Identifier: MIT
# One program per module, linked only with the layers it may use. Each prints TAP.
if HAVE_CMOCKA
UNIT_TESTS = \
	test/unit/test_account \
	test/unit/test_backoff \
	test/unit/test_base64 \
	test/unit/test_calendar \
	test/unit/test_client_table \
	test/unit/test_config_bonding \
	test/unit/test_config_budget \
	test/unit/test_config_errors \
	test/unit/test_config_local \
	test/unit/test_config_memory \
	test/unit/test_config_place \
	test/unit/test_config_relay \
	test/unit/test_config_udp \
	test/unit/test_config_units \
	test/unit/test_control \
	test/unit/test_datagram_route \
	test/unit/test_datagram_socket \
	test/unit/test_descriptors \
	test/unit/test_destination \
	test/unit/test_destination_cache \
	test/unit/test_dial_limit \
	test/unit/test_dialer \
	test/unit/test_direct \
	test/unit/test_dns_answer \
	test/unit/test_door \
	test/unit/test_eyeballs \
	test/unit/test_failure_limit \
	test/unit/test_family_memory \
	test/unit/test_flow_targets \
	test/unit/test_frame \
	test/unit/test_frame_limits \
	test/unit/test_governor \
	test/unit/test_handshake \
	test/unit/test_hangup \
	test/unit/test_host \
	test/unit/test_inbound \
	test/unit/test_interface_table \
	test/unit/test_journal \
	test/unit/test_kdf \
	test/unit/test_key \
	test/unit/test_keyed_hash \
	test/unit/test_limit_memory \
	test/unit/test_limit_news \
	test/unit/test_limit_text \
	test/unit/test_limits \
	test/unit/test_listener \
	test/unit/test_local_path \
	test/unit/test_mapping \
	test/unit/test_meter \
	test/unit/test_nat64 \
	test/unit/test_names \
	test/unit/test_noise \
	test/unit/test_number_window \
	test/unit/test_outbox \
	test/unit/test_outlet \
	test/unit/test_own_addresses \
	test/unit/test_outage_news \
	test/unit/test_pace \
	test/unit/test_packet_size \
	test/unit/test_pages \
	test/unit/test_path_limits \
	test/unit/test_path_table \
	test/unit/test_path_watch \
	test/unit/test_plain \
	test/unit/test_port_chooser \
	test/unit/test_printable \
	test/unit/test_profile \
	test/unit/test_ranges \
	test/unit/test_rate_limit \
	test/unit/test_relay_meters \
	test/unit/test_relay_worker \
	test/unit/test_remainder \
	test/unit/test_resolver \
	test/unit/test_restraint \
	test/unit/test_restart \
	test/unit/test_rules \
	test/unit/test_sandbox \
	test/unit/test_seal \
	test/unit/test_session \
	test/unit/test_session_ends \
	test/unit/test_session_flow_opening \
	test/unit/test_session_flow_sizes \
	test/unit/test_session_flows \
	test/unit/test_session_hostile \
	test/unit/test_session_receive \
	test/unit/test_session_hello \
	test/unit/test_session_limit \
	test/unit/test_keepalive \
	test/unit/test_session_paths \
	test/unit/test_session_copies \
	test/unit/test_session_shed \
	test/unit/test_session_spared \
	test/unit/test_generations \
	test/unit/test_session_proof \
	test/unit/test_session_readers \
	test/unit/test_session_resume \
	test/unit/test_session_status \
	test/unit/test_status_limits \
	test/unit/test_slots \
	test/unit/test_socket \
	test/unit/test_socks5 \
	test/unit/test_socks5_client \
	test/unit/test_socks5_udp \
	test/unit/test_stamp_keeper \
	test/unit/test_stamp_memory \
	test/unit/test_stamps \
	test/unit/test_state \
	test/unit/test_state_file \
	test/unit/test_stream_state \
	test/unit/test_subflow_io \
	test/unit/test_tally \
	test/unit/test_turns \
	test/unit/test_usage \
	test/unit/test_usage_store \
	test/unit/test_usage_text \
	test/unit/test_wire
# Real sockets between a local and a relay, and faults in their system calls.
IO_PAIR = \
	test/unit/addresses.h test/unit/faults.c test/unit/faults.h \
	test/unit/io_pair.c test/unit/io_pair.h test/unit/unit.h
FAULTS = -Wl,--wrap=send,--wrap=sendmsg,--wrap=recv,--wrap=readv,--wrap=socket,--wrap=accept4
SESSION_PAIR = \
	test/unit/session_pair.c test/unit/session_pair.h \
	test/unit/session_pair_paths.c test/unit/session_pair_streams.c \
	test/unit/unit.h
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
test_unit_test_account_SOURCES = test/unit/test_account.c test/unit/unit.h
test_unit_test_account_LDADD = $(BASE) $(CMOCKA_LIBS) -lpthread
test_unit_test_calendar_SOURCES = test/unit/test_calendar.c test/unit/unit.h
test_unit_test_calendar_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_backoff_SOURCES = test/unit/test_backoff.c test/unit/unit.h
test_unit_test_backoff_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_base64_SOURCES = test/unit/test_base64.c test/unit/unit.h
test_unit_test_base64_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_client_table_SOURCES = test/unit/test_client_table.c test/unit/unit.h
test_unit_test_client_table_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_config_bonding_SOURCES = test/unit/test_config_bonding.c test/unit/config_parse.h test/unit/unit.h
test_unit_test_config_bonding_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_config_budget_SOURCES = test/unit/test_config_budget.c \
	test/unit/config_local_parse.h test/unit/config_parse.h test/unit/unit.h
test_unit_test_config_budget_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_config_errors_SOURCES = test/unit/test_config_errors.c \
	test/unit/config_local_parse.h test/unit/config_parse.h test/unit/unit.h
test_unit_test_config_errors_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_config_local_SOURCES = test/unit/test_config_local.c \
	test/unit/config_local_parse.h test/unit/config_parse.h test/unit/unit.h
test_unit_test_config_local_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_config_memory_SOURCES = test/unit/test_config_memory.c test/unit/config_parse.h test/unit/unit.h
test_unit_test_config_memory_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_config_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=calloc
test_unit_test_config_place_SOURCES = test/unit/test_config_place.c test/unit/unit.h
test_unit_test_config_place_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_config_relay_SOURCES = test/unit/test_config_relay.c test/unit/config_parse.h test/unit/unit.h
test_unit_test_config_relay_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_config_udp_SOURCES = test/unit/test_config_udp.c \
	test/unit/config_local_parse.h test/unit/config_parse.h test/unit/unit.h
test_unit_test_config_udp_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_config_units_SOURCES = test/unit/test_config_units.c test/unit/unit.h
test_unit_test_config_units_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_control_SOURCES = test/unit/test_control.c test/unit/unit.h
test_unit_test_control_LDADD = $(STATUS) $(CMOCKA_LIBS)
test_unit_test_destination_SOURCES = test/unit/test_destination.c test/unit/addresses.h test/unit/unit.h
test_unit_test_destination_LDADD = $(PROXY) $(CMOCKA_LIBS)
test_unit_test_destination_cache_SOURCES = test/unit/test_destination_cache.c test/unit/addresses.h test/unit/unit.h
test_unit_test_destination_cache_LDADD = $(PROXY) $(CMOCKA_LIBS)
test_unit_test_dial_limit_SOURCES = test/unit/test_dial_limit.c test/unit/unit.h
test_unit_test_dial_limit_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_dialer_SOURCES = test/unit/test_dialer.c test/unit/addresses.h test/unit/unit.h
test_unit_test_dialer_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_direct_SOURCES = test/unit/test_direct.c test/unit/unit.h
test_unit_test_direct_LDADD = $(LOCAL) $(CMOCKA_LIBS)
test_unit_test_dns_answer_SOURCES = test/unit/test_dns_answer.c test/unit/unit.h
test_unit_test_dns_answer_LDADD = $(NAMES) $(CMOCKA_LIBS)
test_unit_test_door_SOURCES = test/unit/test_door.c test/unit/addresses.h test/unit/unit.h
test_unit_test_door_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_eyeballs_SOURCES = test/unit/test_eyeballs.c test/unit/addresses.h test/unit/unit.h
test_unit_test_eyeballs_LDADD = $(PROXY) $(CMOCKA_LIBS)
test_unit_test_failure_limit_SOURCES = test/unit/test_failure_limit.c test/unit/addresses.h test/unit/unit.h
test_unit_test_failure_limit_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_family_memory_SOURCES = test/unit/test_family_memory.c test/unit/unit.h
test_unit_test_family_memory_LDADD = $(PROXY) $(CMOCKA_LIBS)
test_unit_test_flow_targets_SOURCES = test/unit/test_flow_targets.c \
	test/unit/dns_server.c test/unit/dns_server.h test/unit/addresses.h test/unit/unit.h
test_unit_test_flow_targets_LDADD = $(RELAY) $(CMOCKA_LIBS)
test_unit_test_frame_SOURCES = test/unit/test_frame.c test/unit/unit.h
test_unit_test_frame_LDADD = $(WIRE) $(CMOCKA_LIBS)
test_unit_test_frame_limits_SOURCES = test/unit/test_frame_limits.c test/unit/unit.h
test_unit_test_frame_limits_LDADD = $(WIRE) $(CMOCKA_LIBS)
test_unit_test_governor_SOURCES = test/unit/test_governor.c test/unit/unit.h
test_unit_test_governor_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_handshake_SOURCES = test/unit/test_handshake.c test/unit/unit.h
test_unit_test_handshake_LDADD = $(WIRE) $(CMOCKA_LIBS)
test_unit_test_hangup_SOURCES = test/unit/test_hangup.c test/unit/addresses.h test/unit/unit.h
test_unit_test_hangup_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_host_SOURCES = test/unit/test_host.c test/unit/unit.h
test_unit_test_host_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_inbound_SOURCES = test/unit/test_inbound.c test/unit/dns_server.c test/unit/dns_server.h \
	$(IO_PAIR)
test_unit_test_inbound_LDADD = $(PROGRAM) $(CMOCKA_LIBS)
test_unit_test_inbound_LDFLAGS = $(AM_LDFLAGS) $(FAULTS)
test_unit_test_interface_table_SOURCES = test/unit/test_interface_table.c test/unit/addresses.h test/unit/unit.h
test_unit_test_interface_table_LDADD = $(LOCAL) $(CMOCKA_LIBS)
test_unit_test_journal_SOURCES = test/unit/test_journal.c test/unit/unit.h
test_unit_test_journal_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_kdf_SOURCES = test/unit/test_kdf.c test/unit/unit.h
test_unit_test_kdf_LDADD = $(CRYPTO) $(CMOCKA_LIBS)
test_unit_test_key_SOURCES = test/unit/test_key.c test/unit/unit.h
test_unit_test_key_LDADD = $(CRYPTO) $(CMOCKA_LIBS)
test_unit_test_datagram_route_SOURCES = test/unit/test_datagram_route.c test/unit/addresses.h \
	test/unit/dns_server.c test/unit/dns_server.h test/unit/unit.h
test_unit_test_datagram_route_LDADD = $(LOCAL) $(CMOCKA_LIBS)
test_unit_test_datagram_socket_SOURCES = test/unit/test_datagram_socket.c test/unit/addresses.h test/unit/unit.h
test_unit_test_datagram_socket_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_descriptors_SOURCES = test/unit/test_descriptors.c test/unit/unit.h
test_unit_test_descriptors_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_limit_memory_SOURCES = test/unit/test_limit_memory.c $(SESSION_PAIR)
test_unit_test_limit_memory_LDADD = $(LOCAL) $(CMOCKA_LIBS)
test_unit_test_limit_news_SOURCES = test/unit/test_limit_news.c $(SESSION_PAIR)
test_unit_test_limit_news_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_limit_text_SOURCES = test/unit/test_limit_text.c test/unit/unit.h
test_unit_test_limit_text_LDADD = $(STATUS) $(CMOCKA_LIBS)
test_unit_test_limits_SOURCES = test/unit/test_limits.c test/unit/limits_model.c \
	test/unit/limits_model.h test/unit/unit.h
test_unit_test_limits_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_listener_SOURCES = test/unit/test_listener.c test/unit/addresses.h test/unit/unit.h src/app/notify.c include/splitsocks/app/notify.h
test_unit_test_listener_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_local_path_SOURCES = test/unit/test_local_path.c test/unit/addresses.h test/unit/unit.h
test_unit_test_local_path_LDADD = $(LOCAL) $(CMOCKA_LIBS)
test_unit_test_mapping_SOURCES = test/unit/test_mapping.c test/unit/addresses.h test/unit/unit.h
test_unit_test_mapping_LDADD = $(PROXY) $(CMOCKA_LIBS)
test_unit_test_meter_SOURCES = test/unit/test_meter.c test/unit/unit.h
test_unit_test_meter_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_nat64_SOURCES = test/unit/test_nat64.c test/unit/addresses.h test/unit/unit.h
test_unit_test_nat64_LDADD = $(NAMES) $(CMOCKA_LIBS)
test_unit_test_names_SOURCES = test/unit/test_names.c test/unit/unit.h
test_unit_test_names_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_noise_SOURCES = test/unit/test_noise.c test/unit/unit.h test/unit/vectors/noise_ik.h
test_unit_test_noise_LDADD = $(CRYPTO) $(CMOCKA_LIBS)
test_unit_test_keyed_hash_SOURCES = test/unit/test_keyed_hash.c test/unit/unit.h
test_unit_test_keyed_hash_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_number_window_SOURCES = test/unit/test_number_window.c test/unit/unit.h
test_unit_test_number_window_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_outage_news_SOURCES = test/unit/test_outage_news.c test/unit/unit.h
test_unit_test_outage_news_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_own_addresses_SOURCES = test/unit/test_own_addresses.c test/unit/addresses.h test/unit/unit.h
test_unit_test_own_addresses_LDADD = $(RELAY) $(CMOCKA_LIBS)
test_unit_test_packet_size_SOURCES = test/unit/test_packet_size.c test/unit/unit.h
test_unit_test_packet_size_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_pages_SOURCES = test/unit/test_pages.c test/unit/unit.h
test_unit_test_pages_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_outbox_SOURCES = test/unit/test_outbox.c test/unit/unit.h
test_unit_test_outbox_LDADD = $(ENGINE) $(CMOCKA_LIBS)
test_unit_test_outlet_SOURCES = test/unit/test_outlet.c test/unit/unit.h \
	src/app/outlet.c src/app/outlet.h
test_unit_test_outlet_LDADD = $(CMOCKA_LIBS) -lpthread
test_unit_test_pace_SOURCES = test/unit/test_pace.c test/unit/unit.h
test_unit_test_pace_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_path_table_SOURCES = test/unit/test_path_table.c test/unit/addresses.h \
	test/unit/config_local_parse.h test/unit/config_parse.h test/unit/unit.h
test_unit_test_path_table_LDADD = $(LOCAL) $(CMOCKA_LIBS)
test_unit_test_path_watch_SOURCES = test/unit/test_path_watch.c test/unit/unit.h
test_unit_test_path_watch_LDADD = $(LOCAL) $(CMOCKA_LIBS)
test_unit_test_plain_SOURCES = test/unit/test_plain.c $(IO_PAIR)
test_unit_test_plain_LDADD = $(PROGRAM) $(CMOCKA_LIBS)
test_unit_test_plain_LDFLAGS = $(AM_LDFLAGS) $(FAULTS)
test_unit_test_port_chooser_SOURCES = test/unit/test_port_chooser.c test/unit/unit.h
test_unit_test_port_chooser_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_printable_SOURCES = test/unit/test_printable.c test/unit/unit.h
test_unit_test_printable_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_profile_SOURCES = test/unit/test_profile.c test/unit/unit.h
test_unit_test_profile_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_ranges_SOURCES = test/unit/test_ranges.c test/unit/unit.h
test_unit_test_ranges_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_relay_meters_SOURCES = test/unit/test_relay_meters.c test/unit/unit.h
test_unit_test_relay_meters_LDADD = $(RELAY) $(CMOCKA_LIBS)
test_unit_test_relay_worker_SOURCES = test/unit/test_relay_worker.c $(IO_PAIR)
test_unit_test_relay_worker_LDADD = $(PROGRAM) $(CMOCKA_LIBS)
test_unit_test_relay_worker_LDFLAGS = $(AM_LDFLAGS) $(FAULTS)
test_unit_test_remainder_SOURCES = test/unit/test_remainder.c test/unit/unit.h
test_unit_test_remainder_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_rate_limit_SOURCES = test/unit/test_rate_limit.c test/unit/unit.h
test_unit_test_rate_limit_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_resolver_SOURCES = test/unit/test_resolver.c \
	test/unit/dns_server.c test/unit/dns_server.h test/unit/addresses.h test/unit/unit.h
test_unit_test_resolver_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_restraint_SOURCES = test/unit/test_restraint.c $(SESSION_PAIR)
test_unit_test_restraint_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_restart_SOURCES = test/unit/test_restart.c test/unit/unit.h
test_unit_test_restart_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_rules_SOURCES = test/unit/test_rules.c test/unit/addresses.h test/unit/unit.h
test_unit_test_rules_LDADD = $(PROXY) $(CMOCKA_LIBS)
test_unit_test_sandbox_SOURCES = test/unit/test_sandbox.c test/unit/unit.h \
	src/app/sandbox.h src/app/sandbox_calls.c src/app/sandbox_files.c src/app/sandbox_wanted.h
test_unit_test_sandbox_LDADD = $(BASE) $(SECCOMP_LIBS) $(CMOCKA_LIBS) -lpthread
test_unit_test_seal_SOURCES = test/unit/test_seal.c test/unit/unit.h
test_unit_test_seal_LDADD = $(CRYPTO) $(CMOCKA_LIBS)
test_unit_test_session_SOURCES = test/unit/test_session.c $(SESSION_PAIR)
test_unit_test_session_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_ends_SOURCES = test/unit/test_session_ends.c $(SESSION_PAIR)
test_unit_test_session_ends_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_flow_opening_SOURCES = \
	test/unit/test_session_flow_opening.c $(SESSION_PAIR)
test_unit_test_session_flow_opening_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_flow_sizes_SOURCES = \
	test/unit/test_session_flow_sizes.c $(SESSION_PAIR)
test_unit_test_session_flow_sizes_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_flows_SOURCES = test/unit/test_session_flows.c $(SESSION_PAIR)
test_unit_test_session_flows_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_hostile_SOURCES = test/unit/test_session_hostile.c \
	test/unit/forged.c test/unit/forged.h $(SESSION_PAIR)
test_unit_test_session_hostile_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_receive_SOURCES = test/unit/test_session_receive.c \
	test/unit/forged.c test/unit/forged.h $(SESSION_PAIR)
test_unit_test_session_receive_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_hello_SOURCES = test/unit/test_session_hello.c $(SESSION_PAIR)
test_unit_test_session_hello_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_limit_SOURCES = test/unit/test_session_limit.c $(SESSION_PAIR)
test_unit_test_session_limit_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_keepalive_SOURCES = test/unit/test_keepalive.c $(SESSION_PAIR)
test_unit_test_keepalive_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_paths_SOURCES = test/unit/test_session_paths.c $(SESSION_PAIR)
test_unit_test_session_paths_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_copies_SOURCES = test/unit/test_session_copies.c $(SESSION_PAIR)
test_unit_test_session_copies_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_shed_SOURCES = test/unit/test_session_shed.c $(SESSION_PAIR)
test_unit_test_session_shed_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_spared_SOURCES = test/unit/test_session_spared.c $(SESSION_PAIR)
test_unit_test_session_spared_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_generations_SOURCES = test/unit/test_generations.c $(SESSION_PAIR)
test_unit_test_generations_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_proof_SOURCES = test/unit/test_session_proof.c $(SESSION_PAIR)
test_unit_test_session_proof_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_readers_SOURCES = test/unit/test_session_readers.c $(SESSION_PAIR)
test_unit_test_session_readers_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_session_resume_SOURCES = test/unit/test_session_resume.c $(SESSION_PAIR)
test_unit_test_session_resume_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_status_limits_SOURCES = test/unit/test_status_limits.c $(SESSION_PAIR) \
	src/app/status_explain.c src/app/status_view.h
test_unit_test_status_limits_LDADD = $(STATUS) $(CMOCKA_LIBS)
test_unit_test_session_status_SOURCES = test/unit/test_session_status.c test/unit/addresses.h $(SESSION_PAIR)
test_unit_test_session_status_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_path_limits_SOURCES = test/unit/test_path_limits.c test/unit/unit.h
test_unit_test_path_limits_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_slots_SOURCES = test/unit/test_slots.c test/unit/unit.h
test_unit_test_slots_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_socket_SOURCES = test/unit/test_socket.c test/unit/addresses.h test/unit/unit.h
test_unit_test_socket_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_socks5_SOURCES = test/unit/test_socks5.c test/unit/addresses.h test/unit/unit.h
test_unit_test_socks5_LDADD = $(PROXY) $(CMOCKA_LIBS)
test_unit_test_socks5_udp_SOURCES = test/unit/test_socks5_udp.c test/unit/addresses.h test/unit/unit.h
test_unit_test_socks5_udp_LDADD = $(PROXY) $(CMOCKA_LIBS)
test_unit_test_socks5_client_SOURCES = test/unit/test_socks5_client.c test/unit/unit.h
test_unit_test_socks5_client_LDADD = $(PROXY) $(CMOCKA_LIBS)
test_unit_test_stamp_keeper_SOURCES = test/unit/test_stamp_keeper.c test/unit/unit.h
test_unit_test_stamp_keeper_LDADD = $(LOCAL) $(CMOCKA_LIBS)
test_unit_test_stamp_keeper_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_wall
test_unit_test_stamp_memory_SOURCES = test/unit/test_stamp_memory.c test/unit/unit.h
test_unit_test_stamp_memory_LDADD = $(GATE) $(CMOCKA_LIBS)
test_unit_test_stamps_SOURCES = test/unit/test_stamps.c test/unit/unit.h
test_unit_test_stamps_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_state_SOURCES = test/unit/test_state.c test/unit/unit.h
test_unit_test_state_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_state_file_SOURCES = test/unit/test_state_file.c test/unit/unit.h
test_unit_test_state_file_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_stream_state_SOURCES = test/unit/test_stream_state.c test/unit/unit.h
test_unit_test_stream_state_LDADD = $(ENGINE) $(CMOCKA_LIBS)
test_unit_test_subflow_io_SOURCES = test/unit/test_subflow_io.c $(IO_PAIR)
test_unit_test_subflow_io_LDADD = $(PROGRAM) $(CMOCKA_LIBS)
test_unit_test_subflow_io_LDFLAGS = $(AM_LDFLAGS) $(FAULTS) -Wl,--wrap=clock_now \
	-Wl,--wrap=session_receive
test_unit_test_turns_SOURCES = test/unit/test_turns.c test/unit/unit.h
test_unit_test_turns_LDADD = $(BASE) $(CMOCKA_LIBS)
test_unit_test_usage_SOURCES = test/unit/test_usage.c test/unit/unit.h
test_unit_test_usage_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_tally_SOURCES = test/unit/test_tally.c test/unit/unit.h
test_unit_test_tally_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_usage_store_SOURCES = test/unit/test_usage_store.c test/unit/unit.h
test_unit_test_usage_store_LDADD = $(IO) $(CMOCKA_LIBS)
test_unit_test_usage_text_SOURCES = test/unit/test_usage_text.c test/unit/unit.h
test_unit_test_usage_text_LDADD = $(CONFIG) $(CMOCKA_LIBS)
test_unit_test_wire_SOURCES = test/unit/test_wire.c test/unit/unit.h
test_unit_test_wire_LDADD = $(BASE) $(CMOCKA_LIBS)
endif
dist_check_SCRIPTS += test/unit/check_circles.py test/unit/check_documents.py \
	test/unit/check_layers.sh
TESTS += test/unit/check_documents.py
# They look at sources and symbols, which are the same in all builds, for some minutes.
if !SANITIZERS
TESTS += test/unit/check_circles.py test/unit/check_layers.sh
endif
