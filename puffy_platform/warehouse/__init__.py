"""Delta tables partitioned by day: read days, replace days in one commit, remember what was computed from what.

Knows `Table`, not Dagster, and nothing of what the tables mean.
"""

from puffy_platform.warehouse.ledger import Ledger
from puffy_platform.warehouse.store import Warehouse, WarehouseError

__all__ = ["Ledger", "Warehouse", "WarehouseError"]
