EXTRA_DIST += \
	contrib/check-dist \
	contrib/install-deps \
	contrib/quickstart \
	contrib/run-tests
