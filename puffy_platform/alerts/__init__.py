"""Alerts: decide what is an incident, group it, word it, deliver it. Pure but for storage, observe and the channels."""
