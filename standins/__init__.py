"""The stand-in source systems as real servers, and the world they tell of."""
