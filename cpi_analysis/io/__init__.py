"""Tables in: schemas, loaders, checks, instruments, scoring and the synthetic trial."""
