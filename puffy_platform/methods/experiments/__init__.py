"""Controlled experiments: planning them, and reading them on any day without fooling oneself.

What was measured comes as `Moments` (moments.py); compare.py, balance.py, sequential.py and bayes.py say what follows,
power.py says before the start how many clients it takes. Definitions: docs/methods/experiments.md.
"""
