"""Open e-commerce analytics on Dagster: raw event files in, trusted tables out."""
