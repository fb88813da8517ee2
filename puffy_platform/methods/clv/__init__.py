"""Customer lifetime value: how often customers will buy again (BG/NBD), and for how much (Gamma-Gamma).

One module a model; `lifetime.customer_lifetime_value` puts them together for any frame of customers.
"""
