"""Why a number moved between two periods: exact decompositions of the change into what it is a product of."""
