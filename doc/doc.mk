# SPDX-License-Identifier: MIT
dist_doc_DATA = README.md doc/CHANGES.md doc/protocol.md
MANUAL_PAGES = doc/splitsocks.1 doc/splitsocks.conf.5
EXTRA_DIST += $(MANUAL_PAGES) doc/ARCHITECTURE.md doc/HACKING.md doc/TUNING.md
if MAN_PAGES
man_MANS = $(MANUAL_PAGES)
endif
