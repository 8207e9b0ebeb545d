noinst_LIBRARIES += libio.a
libio_a_SOURCES = \
	include/splitsocks/clock.h src/io/clock.c \
	include/splitsocks/control.h src/io/control.c \
	src/io/control_socket.c src/io/control_socket.h \
	include/splitsocks/crowd.h src/io/crowd.c \
	include/splitsocks/descriptors.h src/io/descriptors.c \
	include/splitsocks/dialer.h src/io/dialer.c \
	include/splitsocks/direct.h src/io/direct.c \
	src/io/dns_channel.c src/io/dns_channel.h \
	src/io/dns_client.c src/io/dns_client.h \
	include/splitsocks/driver.h src/io/driver.c \
	include/splitsocks/endpoint.h src/io/endpoint.c \
	include/splitsocks/farewell.h src/io/farewell.c \
	include/splitsocks/half_closed.h src/io/half_closed.c \
	include/splitsocks/hangup.h src/io/hangup.c \
	include/splitsocks/hosts_file.h src/io/hosts_file.c \
	include/splitsocks/interface_table.h src/io/interface_table.c \
	include/splitsocks/inbound.h src/io/inbound.c \
	include/splitsocks/listener.h src/io/listen_failure.c src/io/listener.c \
	include/splitsocks/local.h src/io/local.c src/io/local_internal.h \
	src/io/local_listen.c src/io/local_listeners.c src/io/local_loops.c \
	include/splitsocks/local_path.h src/io/local_path.c \
	src/io/local_rules.c src/io/local_rules.h \
	include/splitsocks/movement.h src/io/movement.c \
	src/io/name_source.c src/io/name_source.h \
	include/splitsocks/nat64_finder.h src/io/nat64_finder.c \
	include/splitsocks/notify.h src/io/notify.c \
	include/splitsocks/outbound.h src/io/outbound.c \
	include/splitsocks/outage_log.h src/io/outage_log.c \
	include/splitsocks/packet_memory.h src/io/packet_memory.c \
	include/splitsocks/path_dialer.h src/io/path_dialer.c \
	include/splitsocks/path_quota.h src/io/path_quota.c \
	include/splitsocks/path_table.h src/io/path_table.c \
	include/splitsocks/path_watch.h src/io/path_watch.c \
	include/splitsocks/plain.h src/io/plain.c \
	include/splitsocks/relay.h src/io/relay.c src/io/relay_arrival.c \
	src/io/relay_clients.c \
	src/io/relay_internal.h src/io/relay_session.c src/io/relay_worker.c \
	include/splitsocks/remainder.h src/io/remainder.c \
	include/splitsocks/path_advice.h src/io/path_advice.c \
	include/splitsocks/resolver.h src/io/resolver.c \
	include/splitsocks/shed_text.h src/io/shed_text.c \
	include/splitsocks/restart.h src/io/restart.c \
	include/splitsocks/socket.h src/io/socket.c src/io/socket_info.c \
	src/io/socket_probe.c src/io/socket_tune.c src/io/socket_tune.h \
	include/splitsocks/socks_connection.h src/io/socks_connection.c \
	include/splitsocks/stamp_keeper.h src/io/stamp_keeper.c \
	include/splitsocks/state_file.h src/io/state_file.c \
	include/splitsocks/status.h src/io/status.c src/io/status_internal.h \
	src/io/status_connections.c src/io/status_paths.c src/io/status_streams.c \
	include/splitsocks/stream_failure.h src/io/stream_failure.c \
	include/splitsocks/subflow_io.h src/io/subflow_io.c \
	src/io/system_names.c src/io/system_names.h \
	include/splitsocks/worker.h src/io/worker.c
