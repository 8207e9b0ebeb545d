# SPDX-License-Identifier: MIT
EXTRA_DIST += \
	contrib/check-dist \
	contrib/coverage \
	contrib/fuzz \
	contrib/haproxy/splitsocks.cfg \
	contrib/install-deps \
	contrib/quickstart \
	contrib/run-foreign \
	contrib/run-tests \
	contrib/systemd/splitsocks-local@.service.in \
	contrib/systemd/splitsocks-relay.service.in

if SYSTEMD_UNITS
sysusersdir = $(prefix)/lib/sysusers.d
dist_sysusers_DATA = contrib/systemd/splitsocks.conf
nodist_systemdsystemunit_DATA = \
	contrib/systemd/splitsocks-local@.service \
	contrib/systemd/splitsocks-relay.service
CLEANFILES += $(nodist_systemdsystemunit_DATA)

.service.in.service:
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_GEN)sed 's|[@]bindir[@]|$(bindir)|g' $< >$@.tmp && mv $@.tmp $@
SUFFIXES = .service.in .service
endif

# The shells find these files by the command's name.
if COMPLETIONS
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = contrib/completions/splitsocks
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = contrib/completions/_splitsocks
fishcompletiondir = $(datadir)/fish/vendor_completions.d
dist_fishcompletion_DATA = contrib/completions/splitsocks.fish
endif
