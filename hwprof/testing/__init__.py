"""The laws that devices, tables, spaces, predictors and meters obey, and stand-ins to test with."""
