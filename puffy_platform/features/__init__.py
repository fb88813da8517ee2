"""Features of clients and customers, exactly as known at an instant: offline for training, latest for serving.

`as_of` and `latest` read the warehouse; what a feature is, and the look-up, are pure. docs/features.md explains.
"""

from puffy_platform.features.declare import Feature, FeatureError, FeatureSet
from puffy_platform.features.registry import SETS
from puffy_platform.features.serve import Basis, as_of, end_of, latest, newest_days

__all__ = ["SETS", "Basis", "Feature", "FeatureError", "FeatureSet", "as_of", "end_of", "latest", "newest_days"]
