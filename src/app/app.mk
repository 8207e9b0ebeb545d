bin_PROGRAMS += splitsocks
splitsocks_SOURCES = src/app/main.c
splitsocks_LDADD = $(IO)
