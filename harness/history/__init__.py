"""Whole histories: audited, compared, migrated and made up, on one machine and on Spark."""
