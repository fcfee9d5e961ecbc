"""Whether the tests notice when a guard of the platform is removed: `make mutate`."""
