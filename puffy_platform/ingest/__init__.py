"""Landing files to rows: every raw row is accepted, a duplicate naming its original, or quarantined with its reason."""
