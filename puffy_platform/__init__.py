"""Open e-commerce analytics on Dagster: raw event files in, trusted tables out."""

import os

# Polars' allocator (jemalloc) returns large buffers to the system as soon as they are free, and has four arenas a core
# to lose others in; the next step has to be given new pages. So buffers are kept for three seconds, where all threads
# find them. It is read when Polars is loaded, and one's own setting stands.
_ARENAS = max(1, (os.cpu_count() or 1) // 2)
os.environ.setdefault("_RJEM_MALLOC_CONF", f"narenas:{_ARENAS},oversize_threshold:0,dirty_decay_ms:3000")
