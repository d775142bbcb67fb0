/* Something to load. */
int kerf_test_library(void) { return 1; }
