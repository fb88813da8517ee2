"""The only Dagster corner: assets, checks, partitions, jobs and runs, all derived from the registry of tables."""
