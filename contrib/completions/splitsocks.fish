# SPDX-License-Identifier: MIT
# fish completion for splitsocks(1)

complete -c splitsocks -f
complete -c splitsocks -n __fish_use_subcommand -l help -d 'Show help'
complete -c splitsocks -n __fish_use_subcommand -l version -d 'Show the version'
complete -c splitsocks -n __fish_use_subcommand -a local -d 'Run the SOCKS5 proxy on this machine'
complete -c splitsocks -n __fish_use_subcommand -a relay -d 'Run the relay'
complete -c splitsocks -n __fish_use_subcommand -a connect -d 'Join standard input and output to one stream'
complete -c splitsocks -n __fish_use_subcommand -a status -d 'Show what a running local or relay does'
complete -c splitsocks -n __fish_use_subcommand -a check -d 'Check a configuration and what a start needs'
complete -c splitsocks -n __fish_use_subcommand -a keygen -d 'Make a key pair'
complete -c splitsocks -n '__fish_seen_subcommand_from local relay connect status' -s c -r -F -d 'Configuration'
complete -c splitsocks -n '__fish_seen_subcommand_from local relay connect' -s v -d 'Log more'
complete -c splitsocks -n '__fish_seen_subcommand_from connect' -a '(__fish_print_hostnames)'
complete -c splitsocks -n '__fish_seen_subcommand_from check; and not __fish_seen_subcommand_from local relay' -a 'local relay'
complete -c splitsocks -n '__fish_seen_subcommand_from check; and __fish_seen_subcommand_from local relay' -F
complete -c splitsocks -n '__fish_seen_subcommand_from status' -l json -d 'Print the JSON document'
complete -c splitsocks -n '__fish_seen_subcommand_from status' -l explain -d 'Say why paths carry little, streams wait, clients are refused'
complete -c splitsocks -n '__fish_seen_subcommand_from status' -l watch -d 'Repeat every so many seconds'
complete -c splitsocks -n '__fish_seen_subcommand_from keygen' -s y -d 'Print the public key of an existing file'
complete -c splitsocks -n '__fish_seen_subcommand_from keygen' -F
