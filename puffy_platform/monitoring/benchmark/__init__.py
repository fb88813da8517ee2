"""The benchmark of alerts: simulated shops with planted incidents, and how many of them a detector finds.

Nothing here is used by the detector; the detector sees the panels of the shops and nothing of what was planted.
"""
