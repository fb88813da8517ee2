"""Monitoring: what a day looked like, what earlier days let expect of it, and which incidents the difference means.

Pure: frames, arrays and settings in, verdicts out; no clock, no storage, no orchestrator, no delivery of messages.
"""
