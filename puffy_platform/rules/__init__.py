"""What the outside world looks like, as data: URLs, user agents, and which of them is which channel."""
