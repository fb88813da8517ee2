"""Landing files to rows: every raw row is accepted, a duplicate that names its original, or quarantined with its reason."""
