noinst_LIBRARIES += libcore.a
libcore_a_SOURCES = \
	include/splitsocks/address_order.h src/core/address_order.c \
	include/splitsocks/admission.h \
	include/splitsocks/client_table.h src/core/client_table.c \
	include/splitsocks/destination.h src/core/destination.c \
	include/splitsocks/dns_answer.h src/core/dns_answer.c \
	include/splitsocks/door.h src/core/door.c \
	include/splitsocks/eyeballs.h src/core/eyeballs.c \
	include/splitsocks/family_memory.h src/core/family_memory.c \
	include/splitsocks/failure_limit.h src/core/failure_limit.c \
	include/splitsocks/governor.h src/core/governor.c \
	include/splitsocks/handshake.h src/core/handshake.c \
	include/splitsocks/hosts_table.h src/core/hosts_table.c \
	include/splitsocks/meter.h src/core/meter.c \
	include/splitsocks/nat64.h src/core/nat64.c \
	include/splitsocks/name_cache.h src/core/name_cache.c \
	include/splitsocks/number_window.h src/core/number_window.c \
	include/splitsocks/outage_news.h src/core/outage_news.c \
	include/splitsocks/packet_size.h src/core/packet_size.c \
	include/splitsocks/pages.h src/core/pages.c \
	include/splitsocks/policy.h src/core/policy.c \
	include/splitsocks/port_chooser.h src/core/port_chooser.c \
	include/splitsocks/policy.h \
	include/splitsocks/ranges.h src/core/ranges.c \
	include/splitsocks/rate_limit.h src/core/rate_limit.c \
	include/splitsocks/resolv_conf.h src/core/resolv_conf.c \
	include/splitsocks/rules.h src/core/rules.c \
	include/splitsocks/server_choice.h src/core/server_choice.c \
	include/splitsocks/session.h \
	include/splitsocks/session_status.h src/core/session_status.c src/core/path_status.c \
	include/splitsocks/socks5.h src/core/socks5.c \
	include/splitsocks/socks5_client.h src/core/socks5_client.c \
	include/splitsocks/target.h src/core/target.c \
	src/core/admission.c \
	src/core/carriers.c \
	src/core/copies.c \
	include/splitsocks/frame.h src/core/frame.c \
	src/core/keepalive.c \
	src/core/generations.c \
	src/core/outbox.c \
	src/core/path.c \
	src/core/path_doubt.c \
	src/core/path_packets.c \
	src/core/pool.c \
	src/core/pool_internal.h \
	src/core/pool_proof.c \
	src/core/pool_size.c \
	src/core/reinjection.c \
	src/core/restraint.c \
	src/core/restraint.h \
	src/core/scheduler.c \
	src/core/scheduler_redundant.c \
	src/core/scheduler_split.c \
	src/core/session.c \
	src/core/session_ack.c \
	src/core/session_handshake.c \
	src/core/session_internal.h \
	src/core/session_limit.c \
	src/core/session_limit.h \
	src/core/session_paths.c \
	src/core/session_produce.c \
	src/core/session_receive.c \
	src/core/session_stream.c \
	src/core/session_streams.c \
	src/core/session_subflow.c \
	src/core/session_subflows.c \
	src/core/session_timers.c \
	src/core/sparing.c \
	src/core/subflows.c \
	src/core/stream_receive.c \
	src/core/stream_send.c \
	src/core/stream_shed.c \
	src/core/handshake_keys.c \
	src/core/handshake_payload.c
