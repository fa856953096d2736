"""Virtual routers: a network namespace each, built from one versioned bundle of files."""
